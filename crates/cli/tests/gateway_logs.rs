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
};

use http::Uri;
use portcullis_cli::gateway::{Answer, Service, Upstream};
use portcullis_core::{Auth, Resource};
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
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("canary"), "{text}");
    for expected in [
        "no answer from the upstream",
        "service=\"/down\"",
        "kind=\"other-spelling\"",
        "path=/foo/ADMIN",
        "kind=\"path-empty-segment\"",
        "path=/foo//x",
        "kind=\"no-service\"",
        "client=127.0.0.1",
        "kind=\"refused\"",
        "request answered",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
}
