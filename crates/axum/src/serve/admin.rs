//! The endpoints for those who run the service.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use axum::{Router, routing::get};
use http::{
    StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};

use super::{metrics::Metrics, servers::Watched};

/// More metrics, by whoever serves.
pub(super) type Page = Arc<dyn Fn() -> String + Send + Sync>;

/// Whether requests should be sent here.
#[derive(Debug, Default)]
pub(super) struct Readiness(AtomicBool);

impl Readiness {
    pub(super) fn set(&self, ready: bool) {
        self.0.store(ready, Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// `GET /livez`, `/readyz` and `/metrics`.
pub(super) fn router(
    metrics: Arc<Metrics>,
    servers: Watched,
    page: Option<Page>,
    readiness: Arc<Readiness>,
) -> Router {
    let plain = |text: &'static str| ([(CONTENT_TYPE, "text/plain"), (CACHE_CONTROL, "no-store")], text);
    Router::new()
        .route("/livez", get(async move || plain("alive\n")))
        .route(
            "/readyz",
            get(async move || {
                if readiness.get() {
                    (StatusCode::OK, plain("ready\n"))
                } else {
                    (StatusCode::SERVICE_UNAVAILABLE, plain("stopping\n"))
                }
            }),
        )
        .route(
            "/metrics",
            get(async move || {
                let mut text = metrics.render();
                servers.render(&mut text);
                if let Some(page) = &page {
                    text.push_str(&page());
                }
                ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
            }),
        )
}
