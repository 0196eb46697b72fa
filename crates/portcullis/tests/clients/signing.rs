//! A self-signed JWT, through the layer.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use http_body_util::Empty;
use portcullis::{ClientAuthLayer, Config};
use portcullis_testing::ManualClock;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

use crate::NOW;

/// Every signature is made over a `jti` of its own: who signs twice shows two values.
#[tokio::test]
async fn a_hundred_thousand_injected_requests_carry_one_signature() {
    let config = r#"
        [clients.orders]
        url = "https://orders.example"
        auth = { issuer = "shop", signatureConfig = { algorithm = "HS256", config = "0123456789abcdef0123456789abcdef" } }
    "#;
    let clock = Arc::new(ManualClock::at(NOW));
    let config = Config::builder().clock(clock).parse(config, ".").unwrap();
    let orders = config.client("orders").unwrap().build().await.unwrap();
    let shown: Arc<Mutex<HashSet<HeaderValue>>> = Arc::default();
    let (seen, count) = (Arc::clone(&shown), Arc::new(Mutex::new(0_u32)));
    let counted = Arc::clone(&count);
    let server = service_fn(move |request: Request<Empty<Bytes>>| {
        *counted.lock().unwrap() += 1;
        seen.lock().unwrap().insert(request.headers()[AUTHORIZATION].clone());
        async { Ok::<_, Infallible>(Response::new(())) }
    });
    let mut client = ClientAuthLayer::new(orders).layer(server);
    for _ in 0..100_000 {
        let request = Request::get("https://orders.example/7").body(Empty::new()).unwrap();
        client.ready().await.unwrap().call(request).await.unwrap();
    }
    assert_eq!((*count.lock().unwrap(), shown.lock().unwrap().len()), (100_000, 1));
}
