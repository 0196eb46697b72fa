//! The compact serialization: three segments (RFC 7515 §7.1).

use super::base64url;
use crate::refusal::{Refused, code, refuse};

/// A token taken apart, its header and signature decoded. The payload stays as it is until the signature is verified.
#[derive(Debug)]
pub(crate) struct Compact<'t> {
    pub(crate) header: Vec<u8>,
    /// What was signed: the first two segments and the dot between them.
    pub(crate) signed: &'t str,
    payload: &'t str,
    pub(crate) signature: Vec<u8>,
}

impl<'t> Compact<'t> {
    /// Takes a token apart. The number of dots is not looked at beyond what tells a JWE.
    pub(crate) fn split(token: &'t str) -> Refused<Self> {
        let mut segments = token.splitn(6, '.');
        let (Some(header), Some(payload), Some(signature)) =
            (segments.next(), segments.next(), segments.next())
        else {
            return refuse(code::MALFORMED, "the token has fewer than three segments");
        };
        match segments.count() {
            0 => {}
            2 => {
                return refuse(
                    code::ENCRYPTED,
                    "the token has five segments: it is encrypted (JWE), and only signed tokens are accepted",
                );
            }
            _ => return refuse(code::MALFORMED, "the token has more than three segments"),
        }
        let Some(signed) = token.get(..header.len() + 1 + payload.len()) else {
            return refuse(code::MALFORMED, "the token has fewer than three segments");
        };
        let (Some(header), Some(signature)) = (base64url::decode(header), base64url::decode(signature))
        else {
            return refuse(code::MALFORMED, "a segment of the token is not base64url in its one spelling");
        };
        Ok(Self { header, signed, payload, signature })
    }

    pub(crate) fn payload(&self) -> Refused<Vec<u8>> {
        match base64url::decode(self.payload) {
            Some(payload) => Ok(payload),
            None => refuse(code::MALFORMED, "the payload of the token is not base64url in its one spelling"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(token: &str) -> &'static str {
        Compact::split(token).unwrap_err().code()
    }

    #[test]
    fn three_segments_are_taken_apart() {
        let compact = Compact::split("YQ.Yg.Yw").unwrap();
        assert_eq!(compact.header, b"a");
        assert_eq!(compact.payload().unwrap(), b"b");
        assert_eq!(compact.signature, b"c");
        assert_eq!(compact.signed, "YQ.Yg");
        let empty = Compact::split("..").unwrap();
        assert_eq!((empty.signed, empty.header.len(), empty.signature.len()), (".", 0, 0));
    }

    #[test]
    fn any_other_number_of_segments_is_refused() {
        for token in ["", "YQ", "YQ.Yg", "YQ.Yg.Yw.", "YQ.Yg.Yw.ZA", ".....", "YQ.Yg.Yw.ZA.ZQ.Zg"] {
            assert_eq!(code_of(token), "malformed", "{token}");
        }
        assert_eq!(code_of("YQ.Yg.Yw.ZA.ZQ"), "encrypted");
        assert_eq!(code_of("...."), "encrypted");
        assert_eq!(code_of(&".".repeat(1_000_000)), "malformed");
    }

    #[test]
    fn every_segment_is_base64url_in_its_one_spelling() {
        for token in [
            "YQ==.Yg.Yw",
            "YQ.Yg.Yw==",
            "YR.Yg.Yw",
            "YQ.Yg.Yx",
            "Y Q.Yg.Yw",
            " YQ.Yg.Yw",
            "YQ.Yg.Yw\n",
            "YQ.Yg.+w",
        ] {
            assert_eq!(code_of(token), "malformed", "{token}");
        }
        for token in ["YQ.Yh.Yw", "YQ.Yg=.Yw", "YQ. Yg.Yw", "YQ.Y.Yw", "YQ.Yg\u{0430}.Yw"] {
            let compact = Compact::split(token).unwrap();
            assert_eq!(compact.payload().unwrap_err().code(), "malformed", "{token}");
        }
    }
}
