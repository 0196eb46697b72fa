use std::{cell::Cell, fmt, mem};

use base64::{
    Engine,
    alphabet::STANDARD,
    decoded_len_estimate,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroize;

use super::CredentialErrorKind as Kind;

/// Java clients leave the padding out; trailing bits that no encoder writes would give one credential two
/// spellings.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(false),
);

/// User name and password (RFC 7617). Both are non-empty UTF-8 without control characters. Redacted in
/// `Debug`, overwritten when dropped.
#[derive(Clone)]
pub struct Basic {
    /// `user:password`
    pair: Pair,
    colon: usize,
}

/// The memory of a pair, which the thread uses again for the next one after overwriting it: a request whose
/// password is remembered allocates none.
#[derive(Clone)]
struct Pair(String);

/// Longer pairs' memory is given back.
const KEPT: usize = 256;

thread_local! {
    /// Empty, and overwritten throughout.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Basic {
    /// Decodes the credential that follows `Basic` in the header: base64 of `user:password`.
    ///
    /// # Errors
    ///
    /// When it is not base64, not UTF-8, has no colon, an empty half or a control character.
    pub fn decode(credential: &str) -> Result<Self, super::CredentialError> {
        Self::from_base64(credential)
            .map_err(|kind| super::CredentialError::new(kind, Some(super::Scheme::Basic)))
    }

    pub(super) fn from_base64(credential: &str) -> Result<Self, Kind> {
        let pair = Pair::decode(credential)?;
        let text = pair.0.as_str();
        // RFC 7617 §2: "The user-id and password MUST NOT contain any control characters"
        // Looked at twice: over all bytes, without an early end, the compiler makes vector instructions of it.
        let plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
        if !plain && text.chars().any(char::is_control) {
            return Err(Kind::ControlCharacter);
        }
        // RFC 7617 §2: a user-id holds no colon, so the first one ends it.
        let colon = text.find(':').ok_or(Kind::NoColon)?;
        match colon {
            0 => Err(Kind::EmptyUsername),
            last if last + 1 == text.len() => Err(Kind::EmptyPassword),
            _ => Ok(Self { pair, colon }),
        }
    }

    /// The user name.
    #[must_use]
    pub fn username(&self) -> &str {
        self.pair.0.get(..self.colon).unwrap_or_default()
    }

    /// The password.
    ///
    /// # Security
    ///
    /// Never pass it to a log or an error.
    #[must_use]
    pub fn password(&self) -> &str {
        self.pair.0.get(self.colon + 1..).unwrap_or_default()
    }

    /// `user:password` as it was sent, for keyed digests of the whole credential.
    ///
    /// # Security
    ///
    /// Never pass it to a log or an error.
    #[must_use]
    pub fn pair(&self) -> &str {
        &self.pair.0
    }
}

impl Pair {
    fn decode(credential: &str) -> Result<Self, Kind> {
        // Where the thread is at its end, there is no spare memory.
        let mut bytes = SPARE.try_with(Cell::take).unwrap_or_default();
        bytes.resize(decoded_len_estimate(credential.len()), 0);
        let decoded = BASE64.decode_slice(credential, &mut bytes);
        let length = decoded.as_ref().copied().unwrap_or_default();
        if let Some(beyond) = bytes.get_mut(length..) {
            beyond.zeroize();
        }
        bytes.truncate(length);
        let pair = Self(String::from_utf8(bytes).map_err(|error| {
            error.into_bytes().zeroize();
            Kind::NotUtf8
        })?);
        decoded.map(|_| pair).map_err(|_| Kind::NotBase64)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let mut bytes = mem::take(&mut self.0).into_bytes();
        bytes.as_mut_slice().zeroize();
        bytes.clear();
        if bytes.capacity() <= KEPT {
            _ = SPARE.try_with(|spare| spare.set(bytes));
        }
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Basic([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(pair: &[u8]) -> String {
        base64::engine::general_purpose::STANDARD.encode(pair)
    }

    #[track_caller]
    fn accepts(credential: &str, username: &str, password: &str) {
        let basic = Basic::from_base64(credential).unwrap();
        assert_eq!((basic.username(), basic.password()), (username, password));
    }

    #[test]
    fn the_first_colon_ends_the_user_name() {
        accepts("YWxpY2U6MTIz", "alice", "123");
        accepts("YWxpY2U6YWxpY2U6QDU=", "alice", "alice:@5");
    }

    #[test]
    fn padding_may_be_left_out_and_text_may_be_any_utf8() {
        accepts("YWxpY2U6YWxpY2U6QDU", "alice", "alice:@5");
        accepts(&encoded("zoë:päß wörd".as_bytes()), "zoë", "päß wörd");
    }

    #[test]
    fn every_malformed_pair_has_its_own_reason() {
        for (pair, kind) in [
            (&b"alice"[..], Kind::NoColon),
            (b"", Kind::NoColon),
            (b":xxx", Kind::EmptyUsername),
            (b":", Kind::EmptyUsername),
            (b"alice:", Kind::EmptyPassword),
            (b"alice\0:x", Kind::ControlCharacter),
            (b"alice:x\n", Kind::ControlCharacter),
            (b"alice:\x7f", Kind::ControlCharacter),
            (b"ali\xffce:x", Kind::NotUtf8),
        ] {
            assert_eq!(Basic::from_base64(&encoded(pair)).unwrap_err(), kind, "{pair:?}");
        }
    }

    #[test]
    fn other_spellings_of_base64_are_refused() {
        for text in [
            "!nval!d-b@$e64-encoded-va!ue",
            "YWxpY2U6MTIz=",
            "YWxpY2U6MTI_",
            "YWxpY2U6YWxpY2U6QDV=",
            "YWx pY2U6MTIz",
        ] {
            assert_eq!(Basic::from_base64(text).unwrap_err(), Kind::NotBase64, "{text}");
        }
    }

    #[test]
    fn a_thread_keeps_the_memory_of_one_pair_unless_it_is_long() {
        fn kept() -> usize {
            let spare = SPARE.take();
            assert!(spare.is_empty());
            let capacity = spare.capacity();
            SPARE.set(spare);
            capacity
        }

        let first = Basic::decode(&encoded(b"alice:a password of some length")).unwrap();
        let second = first.clone();
        drop(first);
        let of_first = kept();
        assert!(of_first > 0);
        accepts("YWxpY2U6MTIz", "alice", "123");
        assert_eq!(kept(), of_first, "it was used again");
        assert_eq!(second.password(), "a password of some length");
        for refused in ["YWxpY2U6MTIz!", &encoded(b"ali\xffce:x"), &encoded(b"alice")] {
            Basic::from_base64(refused).unwrap_err();
            accepts("Yjpj", "b", "c");
        }
        let long = format!("alice:{}", "x".repeat(KEPT));
        drop(Basic::decode(&encoded(long.as_bytes())).unwrap());
        assert_eq!(kept(), 0);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Basic::decode("YWxpY2U6MTIz").unwrap()), "Basic([redacted])");
    }
}
