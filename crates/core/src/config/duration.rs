//! Spans of time as a configuration writes them.

use std::time::Duration;

const UNITS: [(&str, f64); 5] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)];

/// A hundred years: longer is a mistake.
const LONGEST_SECONDS: f64 = 100.0 * 365.0 * 86400.0;

/// A number of seconds, decimals allowed.
pub(super) fn from_seconds(seconds: f64) -> Result<Duration, String> {
    if !seconds.is_finite() || seconds < 0.0 {
        return Err("a span of time is zero or more seconds".to_owned());
    }
    if seconds > LONGEST_SECONDS {
        return Err("a span of time is at most a hundred years".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// A number with its unit: `500ms`, `10s`, `1.5m`, `1h`, `7d`.
pub(super) fn from_text(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let seconds = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, seconds)| *seconds);
    let number = digits.trim_end();
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match (plain.then(|| number.parse::<f64>().ok()).flatten(), seconds) {
        (Some(number), Some(seconds)) => from_seconds(number * seconds),
        _ => Err("a span of time is a number of seconds, or a string with a unit such as \"500ms\", \"10s\", \"5m\", \"1h\" or \"7d\"".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_anything_else_is_refused() {
        for (text, expected) in [
            ("500ms", Duration::from_millis(500)),
            ("10s", Duration::from_secs(10)),
            ("1.5m", Duration::from_secs(90)),
            ("1h", Duration::from_secs(3600)),
            ("7d", Duration::from_secs(7 * 86400)),
            ("0s", Duration::ZERO),
            (" 2 s ", Duration::from_secs(2)),
        ] {
            assert_eq!(from_text(text), Ok(expected), "{text}");
        }
        for text in ["", "10", "s", "-1s", "1w", "1 0s", "inf s", "NaNs", "1e3s", "99999d", "1.2.3s"] {
            assert!(from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_are_not_negative_and_not_for_ever() {
        assert_eq!(from_seconds(0.5), Ok(Duration::from_millis(500)));
        for seconds in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(from_seconds(seconds).is_err(), "{seconds}");
        }
    }
}
