//! Nothing of a credential is seen.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::Empty;
use portcullis_core::{Authorization, OnBehalfOf, Secret, TokenError};
use portcullis_testing::{TestResource, contract::shows_no_secret};
use portcullis_tower::{ClientAuth, ClientAuthLayer};
use tower::{Layer, ServiceExt, service_fn};

use crate::tokens::{Tokens, bearer};

const SECRETS: [&str; 4] = ["canary-token-1", "canary-password", "canary-path", "canary-subject"];

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Captured {
    /// Takes down what this thread logs, at the level trace.
    fn start(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn sources() -> [Authorization; 2] {
    [bearer("canary-token-1"), Authorization::basic("alice", &Secret::new("canary-password")).unwrap()]
}

#[tokio::test]
async fn debug_and_display_of_everything_show_none() {
    for source in sources() {
        let builder = ClientAuth::builder(source).name("orders").url("https://orders.example/canary-path");
        shows_no_secret(&format!("{builder:?} {builder:#?}"), &SECRETS);
        let auth = builder.build().unwrap();
        let layer = ClientAuthLayer::new(auth.clone());
        let service = layer.clone().layer(());
        shows_no_secret(&format!("{auth:?} {auth:#?} {layer:?} {service:?}"), &SECRETS);

        let uri = Uri::from_static("https://alice:canary-password@evil.example/canary-path?canary-token-1");
        let error = auth.enrich_headers(&uri, &mut HeaderMap::new()).await.unwrap_err();
        shows_no_secret(&format!("{error} {error:?} {error:#?}"), &SECRETS);
        let error =
            auth.on_behalf_of_token(&OnBehalfOf::token(Secret::new("canary-subject"), None)).unwrap_err();
        shows_no_secret(&format!("{error} {error:?}"), &SECRETS);

        let headers = auth.security_headers().await.unwrap();
        let token = auth.generate_token().await.unwrap();
        shows_no_secret(&format!("{headers:?} {token:?} {:?}", auth.authorization().await), &SECRETS);

        let service = layer.layer(service_fn(|request: Request<Empty<Bytes>>| async move {
            shows_no_secret(&format!("{:?}", request.headers()), &SECRETS);
            Ok::<_, Infallible>(Response::new(()))
        }));
        let request = Request::get("https://orders.example/").body(Empty::new()).unwrap();
        let future = service.oneshot(request);
        shows_no_secret(&format!("{future:?}"), &SECRETS);
        future.await.unwrap();
    }
}

#[tokio::test]
async fn logs_show_none_and_tell_of_a_retry_and_of_one_that_could_not_be() {
    let captured = Captured::default();
    let guard = captured.start();
    let server = TestResource::start().await;
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<Empty<Bytes>>();
    let send = |source: Tokens| {
        let auth = ClientAuth::builder(source).name("orders").url(server.origin()).build().unwrap();
        let request = Request::get(server.url()).body(Empty::new()).unwrap();
        ClientAuthLayer::new(auth).layer(client.clone()).oneshot(request)
    };
    let [token, _] = sources();
    let auth = ClientAuth::builder(token).name("orders").url(server.origin()).build().unwrap();
    let request = Request::get(server.url()).body(Empty::new()).unwrap();
    let response = ClientAuthLayer::new(auth).layer(client.clone()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 401);

    server.accept("token-2");
    assert_eq!(send(Tokens::at_hand(2)).await.unwrap().status(), 200);
    let failing = Tokens::at_hand(2);
    failing.fail(TokenError::transient("https://id.example/token did not answer"));
    assert_eq!(send(failing).await.unwrap().status(), 401);
    drop(guard);

    let log = captured.text();
    shows_no_secret(&log, &SECRETS);
    for shown in ["token-1", "token-2"] {
        assert!(!log.contains(shown), "{log}");
    }
    let ours: Vec<_> = log.lines().filter_map(|line| line.split_once(" portcullis: ")).collect();
    let [(retried, first), (failed, second)] = ours[..] else { panic!("two lines of ours: {ours:?}") };
    assert!(retried.contains("DEBUG") && failed.contains("WARN"), "{ours:?}");
    assert_eq!(
        [first, second],
        [
            "the credential was refused; the request is sent once more with a newer one client=\"orders\"",
            "the credential was refused, and there is no newer one client=\"orders\" \
             error=https://id.example/token did not answer",
        ]
    );
}
