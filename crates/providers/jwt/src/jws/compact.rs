//! The compact serialization: three segments (RFC 7515 §7.1).

use super::base64url;
use crate::refusal::{Refused, code, refuse};

/// A token taken apart, its signature decoded. The payload stays as it is until the signature is verified.
#[derive(Debug)]
pub(crate) struct Compact<'t> {
    /// As it stands in the token.
    pub(super) encoded_header: &'t [u8],
    /// What was signed: the first two segments and the dot between them.
    pub(crate) signed: &'t [u8],
    payload: &'t [u8],
    pub(crate) signature: Vec<u8>,
}

impl<'t> Compact<'t> {
    /// Takes a token apart. The number of dots is not looked at beyond what tells a JWE.
    pub(crate) fn split(token: &'t [u8]) -> Refused<Self> {
        let dots = Dots::of(token);
        match dots.count {
            2 => {}
            0 | 1 => return refuse(code::MALFORMED, "the token has fewer than three segments"),
            4 => {
                return refuse(
                    code::ENCRYPTED,
                    "the token has five segments: it is encrypted (JWE), and only signed tokens are accepted",
                );
            }
            _ => return refuse(code::MALFORMED, "the token has more than three segments"),
        }
        let [first, second] = dots.places;
        let (signed, signature) = (token.get(..second), token.get(second.saturating_add(1)..));
        let (header, payload) = (token.get(..first), token.get(first.saturating_add(1)..second));
        let (Some(encoded_header), Some(payload), Some(signed), Some(signature)) =
            (header, payload, signed, signature)
        else {
            return refuse(code::MALFORMED, "the token has fewer than three segments");
        };
        let signature = decoded(signature)?;
        Ok(Self { encoded_header, signed, payload, signature })
    }

    pub(crate) fn header(&self) -> Refused<Vec<u8>> {
        decoded(self.encoded_header)
    }

    pub(crate) fn payload(&self) -> Refused<Vec<u8>> {
        match base64url::decode(self.payload) {
            Some(payload) => Ok(payload),
            None => refuse(code::MALFORMED, "the payload of the token is not base64url in its one spelling"),
        }
    }
}

fn decoded(segment: &[u8]) -> Refused<Vec<u8>> {
    match base64url::decode(segment) {
        Some(bytes) => Ok(bytes),
        None => refuse(code::MALFORMED, "a segment of the token is not base64url in its one spelling"),
    }
}

/// The dots of a token. A text without them, of which a flood may be, costs little more than finding that out.
#[derive(Default)]
struct Dots {
    /// Up to five: more are not told apart.
    count: usize,
    /// Where the first two are.
    places: [usize; 2],
}

impl Dots {
    fn of(token: &[u8]) -> Self {
        let mut dots = Self::default();
        for place in memchr::memchr_iter(b'.', token).take(5) {
            if let Some(dot) = dots.places.get_mut(dots.count) {
                *dot = place;
            }
            dots.count = dots.count.saturating_add(1);
        }
        dots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(token: &str) -> Refused<Compact<'_>> {
        Compact::split(token.as_bytes())
    }

    fn code_of(token: &str) -> &'static str {
        split(token).unwrap_err().code()
    }

    #[test]
    fn three_segments_are_taken_apart() {
        let compact = split("YQ.Yg.Yw").unwrap();
        assert_eq!(compact.header().unwrap(), b"a");
        assert_eq!(compact.payload().unwrap(), b"b");
        assert_eq!(compact.signature, b"c");
        assert_eq!(compact.signed, b"YQ.Yg");
        let empty = split("..").unwrap();
        assert_eq!((empty.signed, empty.encoded_header.len(), empty.signature.len()), (&b"."[..], 0, 0));
    }

    #[test]
    fn dots_are_found_wherever_they_are() {
        for length in 0..100 {
            for first in 0..length {
                for second in first + 1..length {
                    let mut token = vec![b'-'; length];
                    (token[first], token[second]) = (b'.', b'.');
                    let dots = Dots::of(&token);
                    assert_eq!((dots.count, dots.places), (2, [first, second]));
                }
            }
            assert_eq!(Dots::of(&vec![b'.'; length]).count, length.min(5));
            assert_eq!(Dots::of(&vec![b'/'; length]).count, 0);
        }
    }

    #[test]
    fn any_other_number_of_segments_is_refused() {
        for token in ["", "YQ", "YQ.Yg", "YQ.Yg.Yw.", "YQ.Yg.Yw.ZA", ".....", "YQ.Yg.Yw.ZA.ZQ.Zg"] {
            assert_eq!(code_of(token), "malformed-token", "{token}");
        }
        assert_eq!(code_of("YQ.Yg.Yw.ZA.ZQ"), "encrypted");
        assert_eq!(code_of("...."), "encrypted");
        assert_eq!(code_of(&".".repeat(1_000_000)), "malformed-token");
    }

    #[test]
    fn every_segment_is_base64url_in_its_one_spelling() {
        for token in ["YQ.Yg.Yw==", "YQ.Yg.Yx", "YQ.Yg.Yw\n", "YQ.Yg.+w"] {
            assert_eq!(code_of(token), "malformed-token", "{token}");
        }
        for token in ["YQ==.Yg.Yw", "YR.Yg.Yw", "Y Q.Yg.Yw", " YQ.Yg.Yw"] {
            assert_eq!(split(token).unwrap().header().unwrap_err().code(), "malformed-token", "{token}");
        }
        for token in ["YQ.Yh.Yw", "YQ.Yg=.Yw", "YQ. Yg.Yw", "YQ.Y.Yw", "YQ.Yg\u{0430}.Yw"] {
            let compact = split(token).unwrap();
            assert_eq!(compact.payload().unwrap_err().code(), "malformed-token", "{token}");
        }
    }
}
