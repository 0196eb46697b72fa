//! The parameters of a form, and how they are written.

use std::{borrow::Cow, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::HeaderValue;
use portcullis_core::Secret;
use zeroize::Zeroizing;

use crate::header;

/// The parameters of a form, each name and value percent-encoded when sent (application/x-www-form-urlencoded). Redacted in
/// `Debug`.
#[derive(Clone, Default)]
#[must_use]
pub struct Form {
    parameters: Vec<(Cow<'static, str>, Secret)>,
    basic: Option<(Secret, Secret)>,
}

impl Form {
    /// A form without parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter, as it is: encoding is the form's business.
    pub fn push(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Secret>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Authenticates the client with its id and secret, as they are (RFC 6749 §2.3.1). Goes before what the
    /// [`ClientConfig`](crate::ClientConfig) says about `Authorization`.
    pub fn basic_auth(mut self, id: impl Into<Secret>, secret: impl Into<Secret>) -> Self {
        self.basic = Some((id.into(), secret.into()));
        self
    }

    /// The names of the parameters, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|(name, _)| &**name)
    }

    /// The form as it is sent, with those of `further` whose name it does not hold.
    // RFC 6749 §3.2: "Request and response parameters MUST NOT be included more than once."
    pub(crate) fn encoded(&self, further: &[(String, Secret)]) -> Bytes {
        let own = self.parameters.iter().map(|(name, value)| (&**name, value));
        let further = further.iter().map(|(name, value)| (name.as_str(), value));
        let further = further.filter(|(name, _)| !self.names().any(|own| own == *name));
        let parameters: Vec<(&str, &Secret)> = own.chain(further).collect();
        let most = parameters.iter().map(|(name, value)| 3 * (name.len() + value.len()) + 2).sum();
        // Never grows, so that no copy of a secret is left behind.
        let mut text = Zeroizing::new(Vec::with_capacity(most));
        for (position, (name, value)) in parameters.into_iter().enumerate() {
            if position > 0 {
                text.push(b'&');
            }
            encode(name, &mut text);
            text.push(b'=');
            encode(value.expose(), &mut text);
        }
        Bytes::from_owner(text)
    }

    /// The value of `Authorization` that authenticates the client.
    // RFC 6749 §2.3.1: "The client identifier is encoded using the "application/x-www-form-urlencoded" encoding algorithm
    // per Appendix B, and the encoded value is used as the username; the client password is encoded using the same
    // algorithm and used as the password."
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let (id, secret) = self.basic.as_ref()?;
        let mut pair = Zeroizing::new(Vec::with_capacity(3 * (id.len() + secret.len()) + 1));
        encode(id.expose(), &mut pair);
        pair.push(b':');
        encode(secret.expose(), &mut pair);
        let text = Zeroizing::new(format!("Basic {}", *Zeroizing::new(STANDARD.encode(&*pair))));
        header::sensitive(&text)
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form")
            .field("parameters", &self.names().collect::<Vec<_>>())
            .field("basic_auth", &self.basic.is_some())
            .finish()
    }
}

/// Writes `text` by the encoding algorithm of HTML forms (RFC 6749, appendix B).
fn encode(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or_default();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(byte),
            b' ' => out.push(b'+'),
            _ => out.extend([b'%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
}

/// Reads one name or value that is encoded so.
pub(crate) fn decode(text: &str) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            byte => byte,
        });
    }
    std::str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_nothing_ends_a_parameter_early() {
        let every: String = (0..=0x7f).map(char::from).chain("äß€😀".chars()).collect();
        let form = Form::new().push("a&b=c", every.as_str()).push("token", "x&client_id=evil").encoded(&[]);
        let text = std::str::from_utf8(&form).unwrap();
        let parameters: Vec<(String, String)> = text
            .split('&')
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (decode(name).unwrap().to_string(), decode(value).unwrap().to_string()))
            .collect();
        assert_eq!(
            parameters,
            [("a&b=c".to_owned(), every), ("token".to_owned(), "x&client_id=evil".to_owned())]
        );
        assert!(text.ends_with("&token=x%26client_id%3Devil"), "{text}");
    }

    #[test]
    fn a_parameter_is_sent_once() {
        let further =
            [("token".to_owned(), Secret::new("theirs")), ("client_id".to_owned(), Secret::new("me"))];
        assert_eq!(Form::new().push("token", "ours").encoded(&further), "token=ours&client_id=me");
        assert_eq!(Form::new().encoded(&further), "token=theirs&client_id=me");
        assert_eq!(Form::new().encoded(&[]), "");
    }

    #[test]
    fn id_and_secret_are_form_encoded_before_they_are_joined() {
        let form = Form::new().basic_auth("a:b c", "ü%:/ +");
        let value = form.authorization().unwrap();
        assert!(value.is_sensitive());
        let text = STANDARD.decode(value.to_str().unwrap().strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(text, b"a%3Ab+c:%C3%BC%25%3A%2F+%2B");
        assert_eq!(Form::new().authorization(), None);
    }

    #[test]
    fn bad_escapes_are_refused() {
        assert_eq!(decode("a%20b+c").unwrap().as_str(), "a b c");
        for text in ["%", "%4", "%zz", "%+4", "%ff", "%C3"] {
            assert!(decode(text).is_none(), "{text}");
        }
    }

    #[test]
    fn debug_shows_names_alone() {
        let form = Form::new().push("token", "canary-1").basic_auth("canary-2", "canary-3");
        assert_eq!(format!("{form:?}"), r#"Form { parameters: ["token"], basic_auth: true }"#);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_form_is_read_back(parameters in prop::collection::vec((any::<String>(), any::<String>()), 1..5)) {
            let mut form = Form::new();
            for (name, value) in &parameters {
                form = form.push(name.clone(), value.as_str());
            }
            let encoded = form.encoded(&[]);
            let text = std::str::from_utf8(&encoded).unwrap();
            let part = |text: &str| decode(text).unwrap().to_string();
            let read: Vec<(String, String)> = text
                .split('&')
                .map(|pair| pair.split_once('=').unwrap())
                .map(|(name, value)| (part(name), part(value)))
                .collect();
            prop_assert_eq!(read, parameters);
        }

        #[test]
        fn what_is_decoded_says_the_same_when_it_is_encoded(text in "[A-Fa-f0-9%+=&x]{0,16}") {
            if let Some(decoded) = decode(&text) {
                let mut again = Vec::new();
                encode(&decoded, &mut again);
                let again = decode(std::str::from_utf8(&again).unwrap());
                prop_assert_eq!(again.as_deref(), Some(&*decoded));
            }
        }
    }
}
