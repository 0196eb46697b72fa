//! Programs that log with the `log` crate hear of refusals where `tracing` passes them on (its feature `log`).
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use http::{HeaderMap, Method};
use log::{LevelFilter, Log, Metadata, Record};
use portcullis_core::Auth;

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
    let is_refused_at_once =
        || auth.decide_at_once(&Method::GET, &HeaderMap::new()).is_some_and(|decision| decision.is_err());
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
