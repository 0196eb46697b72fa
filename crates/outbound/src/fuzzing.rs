//! What the project's fuzz targets see of what is read from servers and written to them. No API: it may change with every
//! release.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER};
use portcullis_core::UnixTime;

use crate::{Answer, Form, answer, form};

/// An answer that no server gave.
#[must_use]
pub fn answer(status: StatusCode, body: Vec<u8>) -> Answer {
    Answer { status, headers: HeaderMap::new(), body: Bytes::from(body) }
}

/// The span that a `Retry-After` of this value asks for.
#[must_use]
pub fn retry_after(value: &HeaderValue, now: UnixTime) -> Option<Duration> {
    answer::retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value.clone())]), now)
}

/// A form as it is sent.
#[must_use]
pub fn encoded(form: &Form) -> Bytes {
    form.encoded(&[])
}

/// A name or value of a form as it was before it was encoded.
#[must_use]
pub fn decoded(text: &str) -> Option<String> {
    form::decode(text).map(|text| text.to_string())
}
