use std::{fmt, mem};

use base64::{
    Engine,
    alphabet::STANDARD,
    decoded_len_estimate,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::{Zeroize, Zeroizing};

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
    pair: Zeroizing<String>,
    colon: usize,
}

impl Basic {
    /// Decodes the credential that follows `Basic` in the header: base64 of `user:password`.
    ///
    /// # Errors
    ///
    /// When it is not base64, not UTF-8, has no colon, an empty half or a control character.
    pub fn decode(credential: &str) -> Result<Self, super::CredentialError> {
        Self::from_base64(credential.as_bytes())
            .map_err(|kind| super::CredentialError::new(kind, Some(super::Scheme::Basic)))
    }

    pub(super) fn from_base64(credential: &[u8]) -> Result<Self, Kind> {
        // Padding is there or it is not: half of it would be one spelling more.
        if credential.ends_with(b"=") && !credential.len().is_multiple_of(4) {
            return Err(Kind::NotBase64);
        }
        // Room for all of it: memory that grew would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(decoded_len_estimate(credential.len())));
        BASE64.decode_vec(credential, &mut bytes).map_err(|_| Kind::NotBase64)?;
        let pair = String::from_utf8(mem::take(&mut *bytes)).map_err(|error| {
            error.into_bytes().zeroize();
            Kind::NotUtf8
        })?;
        Self::from_pair(Zeroizing::new(pair))
    }

    fn from_pair(pair: Zeroizing<String>) -> Result<Self, Kind> {
        // RFC 7617 §2: "The user-id and password MUST NOT contain any control characters"
        if !is_printable_ascii(pair.as_bytes()) && pair.chars().any(char::is_control) {
            return Err(Kind::ControlCharacter);
        }
        // RFC 7617 §2: a user-id holds no colon, so the first one ends it.
        let colon = pair.bytes().position(|byte| byte == b':').ok_or(Kind::NoColon)?;
        match colon {
            0 => Err(Kind::EmptyUsername),
            last if last.saturating_add(1) == pair.len() => Err(Kind::EmptyPassword),
            _ => Ok(Self { pair, colon }),
        }
    }

    /// The user name.
    #[must_use]
    pub fn username(&self) -> &str {
        self.pair.get(..self.colon).unwrap_or_default()
    }

    /// The password.
    ///
    /// # Security
    ///
    /// Never pass it to a log or an error.
    #[must_use]
    pub fn password(&self) -> &str {
        self.pair.get(self.colon.saturating_add(1)..).unwrap_or_default()
    }

    /// `user:password` as it was sent, for keyed digests of the whole credential.
    ///
    /// # Security
    ///
    /// Never pass it to a log or an error.
    #[must_use]
    pub fn pair(&self) -> &str {
        &self.pair
    }
}

/// To the end in any case: many bytes are looked at together then.
fn is_printable_ascii(text: &[u8]) -> bool {
    text.iter().fold(true, |so_far, byte| so_far & matches!(byte, b' '..=b'~'))
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
        let basic = Basic::from_base64(credential.as_bytes()).unwrap();
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
            // Controls are not all in ASCII.
            ("zoë:\u{85}".as_bytes(), Kind::ControlCharacter),
            ("zoë\x1f:x".as_bytes(), Kind::ControlCharacter),
        ] {
            assert_eq!(Basic::from_base64(encoded(pair).as_bytes()).unwrap_err(), kind, "{pair:?}");
        }
    }

    #[test]
    fn other_spellings_of_base64_are_refused() {
        for text in [
            "!nval!d-b@$e64-encoded-va!ue",
            "YWxpY2U6MTIz=",
            "Ym9iOnl5eQ=",
            "YWxpY2U6MTI_",
            "YWxpY2U6YWxpY2U6QDV=",
            "YWx pY2U6MTIz",
        ] {
            assert_eq!(Basic::from_base64(text.as_bytes()).unwrap_err(), Kind::NotBase64, "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Basic::decode("YWxpY2U6MTIz").unwrap()), "Basic([redacted])");
    }
}
