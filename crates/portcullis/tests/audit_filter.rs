//! A filter that goes by the fields of an event hears of the audit event. Alone in its process: a subscriber hears of an event
//! for certain only where no other thread meets that event for the first time.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, Method};
use portcullis::{AuditLog, Auth, RequestHead};
use tracing_subscriber::{Layer as _, filter::filter_fn, layer::SubscriberExt as _};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_audit_event_is_withheld_on_a_filters_hint() {
    let captured = Captured::default();
    let writer = captured.clone();
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    // A question in advance, such as `tracing::enabled!` asks, has no fields.
    let filter = filter_fn(|metadata| metadata.is_event() && metadata.fields().field("latency_us").is_some());
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
    let auth = Auth::builder().public().observer(Arc::new(AuditLog)).build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..2 {
            let _ = auth.decide(&RequestHead::new(&Method::GET, "/x", &HeaderMap::new()));
        }
    });
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.matches("portcullis::audit: decided outcome=\"public\"").count(), 2, "{text}");
}
