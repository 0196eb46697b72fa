//! How long an answer is good: what its headers say, within the bounds of the configuration.

use std::time::Duration;

use http::{
    HeaderMap,
    header::{AGE, CACHE_CONTROL},
};

/// No key set is used for longer without looking again, whatever the server says.
pub(crate) const LONGEST_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// For how long the server says that its answer is good, less the time that it has been lying in caches on the way; `None`
/// where it does not say.
///
/// `no-store` and `no-cache` say nothing about keys: many issuers send them with every answer, and mean the caches of
/// browsers. The configured age holds then, which an operator can change.
pub(super) fn said(headers: &HeaderMap) -> Option<Duration> {
    let mut max_age = None;
    for line in headers.get_all(CACHE_CONTROL) {
        for directive in line.to_str().unwrap_or_default().split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let name = name.trim();
            if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
                return None;
            }
            if name.eq_ignore_ascii_case("max-age") {
                // RFC 9111 §4.2.1 lets a recipient use the first of several.
                max_age = max_age.or_else(|| delta_seconds(value));
            }
        }
    }
    let age = headers.get(AGE).and_then(|value| delta_seconds(value.to_str().ok()?)).unwrap_or_default();
    Some(max_age?.saturating_sub(age))
}

/// RFC 9111 §1.2.2: a number beyond what can be told is the largest that can.
fn delta_seconds(text: &str) -> Option<Duration> {
    let digits = text.trim().trim_matches('"');
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| Duration::from_secs(digits.parse().unwrap_or(u64::MAX)))
}

/// The part of an age after which a set is looked for again in the background: from 75 to 90 %, so that services that were
/// started together do not ask together. `random` lies between 0 and 1.
pub(super) fn refresh_after(age: Duration, random: f64) -> Duration {
    age.mul_f64(0.75 + 0.15 * random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(&str, &str)]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        said(&headers).map(|span| span.as_secs())
    }

    #[test]
    fn max_age_is_read_and_what_lay_in_caches_is_taken_off() {
        for (lines, expected) in [
            (&[("cache-control", "max-age=600")][..], Some(600)),
            (&[("cache-control", "public, Max-Age = 600 , must-revalidate")], Some(600)),
            (&[("cache-control", "public"), ("cache-control", "max-age=\"60\"")], Some(60)),
            (&[("cache-control", "max-age=60, max-age=90")], Some(60)),
            (&[("cache-control", "max-age=0")], Some(0)),
            (&[("cache-control", "max-age=600"), ("age", "100")], Some(500)),
            (&[("cache-control", "max-age=600"), ("age", "700")], Some(0)),
            (&[("cache-control", "max-age=600"), ("age", "-1")], Some(600)),
            (&[("cache-control", "max-age=99999999999999999999999")], Some(u64::MAX)),
            (&[("cache-control", "s-maxage=600")], None),
            (&[("cache-control", "max-age=600, no-cache")], None),
            (&[("cache-control", "No-Store")], None),
            (&[("cache-control", "max-age")], None),
            (&[("cache-control", "max-age=-5")], None),
            (&[("cache-control", "max-age=5m")], None),
            (&[("cache-control", "")], None),
            (&[("age", "100")], None),
            (&[], None),
        ] {
            assert_eq!(of(lines), expected, "{lines:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, http::HeaderValue::from_bytes(b"max-age=1\xff").unwrap());
        assert_eq!(said(&headers), None);
    }

    #[test]
    fn jitter_stays_within_its_bounds() {
        let age = Duration::from_secs(1_000);
        let after = |random| refresh_after(age, random).as_secs();
        assert_eq!((after(0.0), after(0.5), after(1.0)), (750, 825, 900));
        assert_eq!((after(-7.0), after(7.0)), (750, 900));
        assert_eq!(refresh_after(Duration::ZERO, 1.0), Duration::ZERO);
    }
}
