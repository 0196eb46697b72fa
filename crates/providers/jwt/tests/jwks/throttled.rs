//! Tokens for which keys would have to be fetched, where there were too many that were refused.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use portcullis_core::{Auth, RequestHead, RequiredScopes, Throttle};

use super::Bench;

async fn status(auth: &Auth, token: &str) -> u16 {
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let client = Some([192, 0, 2, 1].into());
    let head = RequestHead::new(&Method::GET, "/", &headers).with_client(client);
    auth.decided(&head).await.map_or_else(|rejection| rejection.status().as_u16(), |_| 200)
}

#[tokio::test]
async fn a_key_that_is_unknown_is_asked_for_until_the_address_has_to_wait() {
    let bench = Bench::new().await;
    let other = Bench::new().await;
    let auth = Auth::builder()
        .element(bench.validator(bench.by_url()), RequiredScopes::anyone())
        .throttle(Throttle::new().per_address(2))
        .clock(Arc::clone(&bench.clock))
        .build()
        .unwrap();
    let good = bench.token().sign();
    assert_eq!(status(&auth, &good).await, 200);
    // What another issuer signed under a key that is not there.
    let unknown = || other.token().issuer(bench.issuer.url()).kid("unknown").sign();
    for _ in 0..2 {
        // As soon as another fetch is permitted.
        bench.manual.advance(Duration::from_secs(60));
        assert_eq!(status(&auth, &unknown()).await, 401);
    }
    let fetches = format!("{:?}", bench.issuer.fetches());
    bench.manual.advance(Duration::from_millis(900));
    assert_eq!(status(&auth, &unknown()).await, 429);
    assert_eq!(format!("{:?}", bench.issuer.fetches()), fetches, "the issuer is not asked");
    assert_eq!(status(&auth, &good).await, 200, "remembered");
    assert_eq!(status(&auth, &bench.token().claim("sub", "bob").sign()).await, 200, "by a known key");
}
