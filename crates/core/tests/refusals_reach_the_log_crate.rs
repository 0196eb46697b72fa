//! Programs that log with the `log` crate hear of refusals where `tracing` passes them on (its feature `log`).
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::cell::Cell;

use http::{HeaderMap, Method};
use log::{LevelFilter, Log, Metadata, Record};
use portcullis_core::{Auth, RequestHead, Step};

struct Somebody;

impl Log for Somebody {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &Record<'_>) {}

    fn flush(&self) {}
}

#[test]
fn a_refusal_is_not_made_at_once_where_a_logger_would_hear_of_it() {
    let auth = Auth::builder().refuse_uncovered().build().unwrap();
    let headers = HeaderMap::new();
    let is_refused_at_once = || {
        let asked = Cell::new(false);
        let step = auth.decide_with(&Method::GET, &headers, || {
            asked.set(true);
            RequestHead::new(&Method::GET, "/", &headers)
        });
        assert!(matches!(step, Step::Ready(Err(_))), "{step:?}");
        !asked.get()
    };
    assert!(is_refused_at_once());
    log::set_logger(&Somebody).unwrap();
    for (level, at_once) in [
        (LevelFilter::Off, true),
        (LevelFilter::Warn, true),
        (LevelFilter::Info, false),
        (LevelFilter::Trace, false),
    ] {
        log::set_max_level(level);
        assert_eq!(is_refused_at_once(), at_once, "{level}");
    }
}
