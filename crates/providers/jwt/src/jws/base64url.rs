//! base64url as JWS has it: one spelling for each sequence of bytes.

#[cfg(target_arch = "x86_64")]
use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// By vector instructions, where the processor has them.
#[cfg(target_arch = "x86_64")]
static DECODER: LazyLock<base64::engine::Simd> =
    LazyLock::new(|| base64::engine::Simd::url_safe(base64::engine::general_purpose::NO_PAD));
#[cfg(not(target_arch = "x86_64"))]
static DECODER: &base64::engine::GeneralPurpose = &URL_SAFE_NO_PAD;

/// Decodes a segment.
///
/// RFC 7515 §2 leaves padding, line breaks and white space out. What remains besides are the unused bits at the end:
/// where they are not zero the segment is a second spelling of the same bytes, and refused. So no two tokens differ
/// in their text only.
pub(crate) fn decode(segment: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    DECODER.decode(segment).ok()
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn there_is_one_spelling_and_every_other_is_refused() {
        assert_eq!(decode("").as_deref(), Some(&b""[..]));
        assert_eq!(decode("VGVzdA").as_deref(), Some(&b"Test"[..]));
        assert_eq!(decode("_-8").as_deref(), Some(&b"\xff\xef"[..]));
        assert_eq!(encode(b"\xff\xef"), "_-8");
        for segment in [
            "VGVzdA==",
            "VGVzdA=",
            "VGVz dA",
            " VGVzdA",
            "VGVzdA\n",
            "VGVzdB",
            "VGVzdP",
            "V",
            "VGVzd",
            "/+8",
            "VGVz.dA",
            "VGVzdA~",
            "\u{0430}GVz",
        ] {
            assert_eq!(decode(segment), None, "{segment:?}");
        }
    }

    #[test]
    fn every_byte_is_decoded_or_refused_wherever_it_stands_in_a_long_segment() {
        for place in 0..200 {
            for byte in 0..=u8::MAX {
                let mut segment = vec![b'A'; 200];
                segment[place] = byte;
                assert_eq!(decode(&segment), URL_SAFE_NO_PAD.decode(&segment).ok(), "{byte} at {place}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_encoded_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(decode(encode(&bytes)), Some(bytes));
        }

        #[test]
        fn a_long_segment_is_decoded_as_it_is_without_vector_instructions(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            (place, other, cut) in (any::<prop::sample::Index>(), any::<u8>(), any::<prop::sample::Index>()),
        ) {
            let mut segment = encode(&bytes).into_bytes();
            prop_assert_eq!(decode(&segment), Some(bytes));
            if !segment.is_empty() {
                let place = place.index(segment.len());
                segment[place] = other;
                prop_assert_eq!(decode(&segment), URL_SAFE_NO_PAD.decode(&segment).ok());
                segment.truncate(cut.index(segment.len()));
                prop_assert_eq!(decode(&segment), URL_SAFE_NO_PAD.decode(&segment).ok());
            }
        }

        #[test]
        fn what_is_decoded_is_encoded_as_it_was(segment in "[A-Za-z0-9_+/=. -]{0,12}") {
            if let Some(bytes) = decode(&segment) {
                prop_assert_eq!(encode(bytes), segment);
            }
        }
    }
}
