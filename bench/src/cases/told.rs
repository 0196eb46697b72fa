//! The price of telling what was decided.

use std::{fmt, hint::black_box, sync::Arc};

use axum::body::Body;
use portcullis::{
    AuditLog, Auth,
    metrics::{AuthMetrics, PrometheusText},
    observe::Observer,
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};

use super::{Bench, Case, Requests, Serving, ours};
use crate::fixtures::SCOPE;

/// A JWT that was seen before, of whose use numbers are kept.
pub fn jwt_warm_metrics(bench: &Bench) -> Box<dyn Case> {
    warm(bench, || Arc::new(AuthMetrics::new(Arc::new(PrometheusText::new()))))
}

/// The same, with an event for each request.
pub fn jwt_warm_audit(bench: &Bench) -> Box<dyn Case> {
    // Once for the process. The baseline tells nothing.
    let _set_before = tracing::subscriber::set_global_default(Takes);
    warm(bench, || Arc::new(AuditLog))
}

fn warm(bench: &Bench, observer: fn() -> Arc<dyn Observer>) -> Box<dyn Case> {
    let requests = Requests::bearer(bench.fixtures.rsa.tokens.first());
    let app = move |bench: &Bench| {
        let builder = Auth::builder().element(ours::jwt(&bench.fixtures.rsa), SCOPE).observer(observer());
        ours::guarded(builder.build().expect("the service is built"))
    };
    Box::new(Serving::<_, _, Body>::new(bench, requests, app).warm(bench))
}

/// Looks at every field of every event, and writes them nowhere: how long that takes is the business of whoever writes.
struct Takes;

impl Subscriber for Takes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Looks);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Looks;

impl Visit for Looks {
    fn record_str(&mut self, _: &Field, value: &str) {
        black_box(value);
    }

    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        black_box(value);
    }
}
