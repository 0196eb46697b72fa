//! The library in this process, by a clock that the test turns.

use std::sync::Arc;

use axum::{Router, body::Body, routing::get};
use http::{Request, header::AUTHORIZATION};
use portcullis::{AuthLayer, Clock, Config, UnixTime};
use portcullis_testing::{ManualClock, TestIssuer};
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::client::Reply;

/// A service at `/foo` behind the layer, and its clock.
#[derive(Clone)]
pub(crate) struct Service {
    app: Router,
    pub(crate) clock: ManualClock,
}

pub(crate) fn clock() -> ManualClock {
    ManualClock::at(UnixTime::from_secs(1_800_000_000))
}

/// An issuer by that clock.
pub(crate) async fn issuer(clock: &ManualClock) -> TestIssuer {
    TestIssuer::builder().clock(Arc::new(clock.clone())).start().await
}

impl Service {
    /// With these elements.
    pub(crate) async fn with(clock: &ManualClock, auth: &str) -> Self {
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let text = format!("[services.\"/foo\"]\nauth = [{auth}]\n");
        let config =
            Config::builder().clock(shared).parse(&text, ".").unwrap_or_else(|error| panic!("{error}"));
        let auth = config.service("/foo").unwrap().build().await.unwrap();
        let app = Router::new().route("/foo", get(|| async { "Hello" })).layer(AuthLayer::new(auth));
        Self { app, clock: clock.clone() }
    }

    pub(crate) async fn ask(&self, token: &str) -> Reply {
        let start = std::time::Instant::now();
        let request = Request::get("/foo").header(AUTHORIZATION, format!("Bearer {token}"));
        let request = request.body(Body::empty()).unwrap();
        let answer = self.app.clone().oneshot(request).await.unwrap();
        let head: Vec<String> = answer
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        Reply { status: answer.status().as_u16(), head: head.join("\r\n"), took: start.elapsed() }
    }

    /// A request of its own task.
    pub(crate) fn send(&self, token: String) -> JoinHandle<Reply> {
        let service = self.clone();
        tokio::spawn(async move { service.ask(&token).await })
    }
}

/// Lets the tasks of this runtime's one thread run until they wait.
pub(crate) async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}
