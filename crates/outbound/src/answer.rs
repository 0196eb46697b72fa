//! What a server answered.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use portcullis_core::{
    UnixTime,
    json::{self, JsonError},
};
use serde_json::{Map, Value};

/// Longer a server is not waited for, whatever it asks for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// What a server answered, within the bounds.
#[derive(Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The status; of those that begin with 3, 304 alone.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The body as one JSON object, read strictly, whatever `Content-Type` says.
    ///
    /// # Errors
    ///
    /// When it is none, or an ambiguous one.
    pub fn json_object(&self) -> Result<Map<String, Value>, JsonError> {
        json::object(&self.body)
    }

    /// The media type without its parameters, in lower case, e.g. `application/json`.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let text = self.headers.get(CONTENT_TYPE)?.to_str().ok()?;
        Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// The span after which asking again makes sense, where the server says so: at most a day. `now` is what an answer that
    /// names a date is compared with.
    #[must_use]
    pub fn retry_after(&self, now: UnixTime) -> Option<Duration> {
        retry_after(&self.headers, now)
    }
}

/// RFC 9110 §10.2.3: a number of seconds, or a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let span = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are more than the longest.
        text.parse().map_or(LONGEST_RETRY_AFTER, Duration::from_secs)
    } else {
        let date = httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        UnixTime::from_duration(date).since(now)
    };
    Some(span.min(LONGEST_RETRY_AFTER))
}

/// Shows neither values nor the body.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status.as_u16())
            .field("headers", &self.headers.keys().map(http::HeaderName::as_str).collect::<Vec<_>>())
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn answer(name: http::HeaderName, value: &str) -> Answer {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
        Answer { status: StatusCode::OK, headers, body: Bytes::from_static(b"{\"canary\":1}") }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        // 2026-11-22T00:00:00Z
        let now = UnixTime::from_secs(1_795_305_600);
        for (text, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Sun, 22 Nov 2026 00:00:30 GMT", Some(30)),
            ("Sunday, 22-Nov-26 00:00:30 GMT", Some(30)),
            ("Sat, 21 Nov 2026 00:00:00 GMT", Some(0)),
            ("Sun, 22 Nov 2099 00:00:00 GMT", Some(86_400)),
            ("86401", Some(86_400)),
            ("99999999999999999999999999", Some(86_400)),
            ("-1", None),
            ("1.5", None),
            ("+5", None),
            ("", None),
            ("soon", None),
            ("2026-11-22T00:00:30Z", None),
        ] {
            let found = answer(RETRY_AFTER, text).retry_after(now);
            assert_eq!(found, expected.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn the_media_type_is_read_without_its_parameters() {
        assert_eq!(
            answer(CONTENT_TYPE, "Application/JSON; charset=utf-8").media_type().unwrap(),
            "application/json"
        );
        assert_eq!(answer(RETRY_AFTER, "1").media_type(), None);
    }

    #[test]
    fn the_body_is_read_as_one_json_object() {
        let mut answer = answer(CONTENT_TYPE, "text/html");
        assert_eq!(answer.json_object().unwrap().get("canary"), Some(&Value::from(1)));
        answer.body = Bytes::from_static(b"[]");
        assert_eq!(answer.json_object().unwrap_err(), JsonError::NotAnObject);
        answer.body = Bytes::from_static(b"{\"a\":1,\"a\":2}");
        assert_eq!(answer.json_object().unwrap_err(), JsonError::DuplicateMember("a".to_owned()));
    }

    #[test]
    fn debug_shows_no_value_and_no_body() {
        let shown = format!("{:?}", answer(http::header::SET_COOKIE, "canary"));
        assert_eq!(shown, r#"Answer { status: 200, headers: ["set-cookie"], body: 12 bytes }"#);
    }
}
