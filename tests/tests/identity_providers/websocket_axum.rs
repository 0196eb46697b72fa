//! A real browser opens WebSockets of an axum service, over HTTP/1.1 and over HTTP/2.

use std::sync::Arc;

use axum::{Router, http::Version, response::Response, routing::any};

use portcullis::{AuthLayer, Caller, Config, GuardedSocket, GuardedUpgrade, serve::Listener};
use portcullis_tests::{Browser, OidcProvider};
use tokio::sync::Notify;

use crate::jwks::by_discovery;
use crate::page::{Visit, ends_with_its_token, expiry, page};

/// Says by which version it was opened, and by whom, and echoes.
async fn feed(version: Version, caller: Caller, upgrade: GuardedUpgrade) -> Response {
    let hello = format!("{version:?} {}", caller.subject().unwrap_or_default());
    upgrade.protocols(["chat"]).on_upgrade(|socket| echo(socket, hello))
}

async fn echo(mut socket: GuardedSocket, hello: String) {
    while let Some(Ok(message)) = socket.recv().await {
        let answer =
            if message.to_text().is_ok_and(|text| text == "who") { hello.as_str().into() } else { message };
        if socket.send(answer).await.is_err() {
            break;
        }
    }
}

struct Service {
    provider: OidcProvider,
    port: u16,
    scheme: &'static str,
    stop: Arc<Notify>,
}

impl Service {
    /// The pages are of the service itself, so that over TLS the browser has an HTTP/2 connection already.
    async fn start(tls: bool) -> Self {
        let provider = OidcProvider::start();
        let (scheme, secure) =
            if tls { ("https", "secureSocket = { selfSigned = true }") } else { ("http", "") };
        let text = format!(
            r#"
[listener]
address = "127.0.0.1:0"
{secure}
[services."/foo"]
credentialSources = ["header", "websocketProtocol"]
auth = [{}]
"#,
            by_discovery(provider.issuer(), ""),
        );
        let config = Config::parse(&text, ".").unwrap_or_else(|error| panic!("{error}"));
        let auth = config.service("/foo").unwrap().build().await.unwrap();
        let app = Router::new().route("/foo/feed", any(feed)).layer(AuthLayer::new(auth)).merge(page());
        let listener = Listener::bind(config.listener()).await.unwrap();
        let (port, stop) = (listener.local_addr().port(), Arc::new(Notify::new()));
        let stopped = Arc::clone(&stop);
        tokio::spawn(async move {
            listener.serve_with_shutdown(app, async move { stopped.notified().await }).await
        });
        Self { provider, port, scheme, stop }
    }

    fn visit(&self) -> Visit {
        let origin = format!("{}://localhost:{}", self.scheme, self.port);
        let url = format!("{}/foo/feed", origin.replacen("http", "ws", 1));
        Visit::from(&origin, &url)
    }
}

/// Echo, refusal and expiry, over the version that the browser chooses.
async fn is_guarded(tls: bool, version: &str) {
    let service = Service::start(tls).await;
    let mut browser = Browser::start();
    let good = service.provider.jwt("ES256", "hello", 60);
    let report = service.visit().protocols(&["bearer", &good]).say("who").by(&mut browser);
    let expected = format!("{version} app");
    assert_eq!((report.opened(), report.last()), (Some("bearer"), &expected.into()), "{report:?}");
    let report = service.visit().protocols(&["chat", "bearer", &good]).say("hello").by(&mut browser);
    assert_eq!((report.opened(), report.last()), (Some("chat"), &"hello".into()), "{report:?}");

    for protocols in [vec![], vec!["chat"], vec!["bearer", "nobody-issued-this"]] {
        let report = service.visit().protocols(&protocols).say("hello").by(&mut browser);
        assert!(report.is_refused(), "{protocols:?}: {report:?}");
    }

    ends_with_its_token(&mut browser, &service.visit().say("hello"), |seconds| {
        let token = service.provider.jwt("ES256", "hello", seconds);
        (token.clone(), expiry(&token))
    });
    service.stop.notify_one();
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_1_a_browsers_websocket_is_guarded() {
    is_guarded(false, "HTTP/1.1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_2_a_browsers_websocket_is_guarded() {
    is_guarded(true, "HTTP/2.0").await;
}
