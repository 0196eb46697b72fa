//! What the gateway logs, and what it never does. Alone in its process: a subscriber hears of an event for certain only
//! where no other thread meets that event for the first time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "gateway/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests need the rest")]
mod support;

use std::{
    io,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use http::Uri;
use portcullis_cli::gateway::{Answer, Service, Upstream};
use portcullis_core::{Auth, CredentialSources, Resource};
use tokio_tungstenite::tungstenite::{
    Message,
    client::IntoClientRequest as _,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use tracing_subscriber::{Layer as _, filter::Targets, fmt, layer::SubscriberExt as _, registry};

use support::{echo, gateway, guarded, in_front_of, raw};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn paths_and_reasons_are_logged_and_nothing_that_is_secret() {
    let written = Written::default();
    let writer = written.clone();
    let layer = fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    let ours = Targets::new().with_target("portcullis", tracing::Level::TRACE);
    let _guard = tracing::subscriber::set_default(registry().with(layer.with_filter(ours)));

    let upstream = echo().await;
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody: Uri = format!("http://{nobody}/base").parse().unwrap();
    let down = Auth::builder().path("/down").public().build().unwrap();
    let gateway = gateway([
        in_front_of(
            guarded("/foo").resource(Resource::new("/admin").scopes("admin")).build().unwrap(),
            &upstream,
        ),
        Service::new(down, Answer::Upstream(Upstream::new(&nobody, None).unwrap())),
    ])
    .await;
    for (path, status) in [
        ("/foo/x", 401),
        ("/foo/admin", 401),
        ("/foo/ADMIN", 404),
        ("/foo//x", 400),
        ("/nowhere", 404),
        ("/down/x", 502),
    ] {
        let head = format!(
            "GET {path}?token=canary
             Authorization: Bearer canary
             Cookie: session=canary
             X-Auth-Subject: canary
             X-Api-Key: canary"
        );
        assert_eq!(raw(gateway, &head).await.status, status, "{path}");
    }
    // What is not written in capitals is no method here, however long; nor is such a path cut by anybody else.
    let long = "a".repeat(5_000);
    assert_eq!(raw(gateway, &format!("{long} /foo/{long}")).await.status, 405);
    websocket().await;
    let text = || String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let closed = async {
        while !text().contains("a WebSocket was closed") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), closed).await.unwrap();
    let text = text();
    assert!(!text.contains("canary"), "{text}");
    assert!(!text.contains(&"a".repeat(201)), "{text}");
    assert!(text.contains(&format!("method={}… path=/foo/{}… ", "a".repeat(32), "a".repeat(195))), "{text}");
    for expected in [
        "no answer from the upstream",
        "error=",
        "service=\"/down\"",
        "kind=\"turned-away\" reason=\"other-spelling\"",
        "path=/foo/ADMIN",
        "reason=\"path-empty-segment\"",
        "path=/foo//x",
        "reason=\"no-service\"",
        "client=127.0.0.1",
        "kind=\"refused\"",
        "request answered",
        "a WebSocket was opened",
        "a WebSocket was closed",
        "path=/feed/x",
        "by=client",
        "code=1000",
        "bytes_up=",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
}

/// A WebSocket with a token among its subprotocols, from its opening to its end.
async fn websocket() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let sources = CredentialSources::header().websocket_protocol();
    let auth = guarded("/feed").credential_sources(sources).build().unwrap();
    let gateway = gateway([Service::new(auth, Answer::Upstream(Upstream::new(&url, None).unwrap()))]).await;
    let upstream = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    };
    let client = async {
        for offered in ["bearer, canary", "bearer, good"] {
            let mut request = format!("ws://{gateway}/feed/x?token=canary").into_client_request().unwrap();
            request.headers_mut().insert("sec-websocket-protocol", offered.parse().unwrap());
            let stream = tokio::net::TcpStream::connect(gateway).await.unwrap();
            let Ok((mut socket, answer)) = tokio_tungstenite::client_async(request, stream).await else {
                assert_eq!(offered, "bearer, canary");
                continue;
            };
            assert_eq!(answer.headers()["sec-websocket-protocol"], "bearer");
            socket.send(Message::text("canary")).await.unwrap();
            let reason = CloseFrame { code: CloseCode::Normal, reason: "canary".into() };
            socket.close(Some(reason)).await.unwrap();
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    tokio::join!(upstream, client);
}
