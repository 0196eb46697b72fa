//! Whether a text gives a secret away.

use std::collections::HashMap;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The shortest secret whose base64 is told from other text.
const SHORTEST: usize = 8;

/// What RFC 3986 §2.3 leaves as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Checks that `text` holds none of the secrets: as they are, escaped as `Debug` does, percent-encoded or form-encoded, and each of
/// these in base64, alone or in the middle of something longer, as in the credential of Basic.
///
/// # Panics
///
/// Where it holds one; the message says in which form, and shows the line. Also for a secret of less than eight bytes, which
/// could be found by chance.
pub fn shows_no_secret(text: &str, secrets: &[impl AsRef<str>]) {
    let mut needles = Needles::default();
    for secret in secrets {
        let secret = secret.as_ref();
        assert!(secret.len() >= SHORTEST, "a secret to look for has eight bytes at least");
        forms(secret).into_iter().for_each(|(form, needle)| needles.add(form, needle));
    }
    if let Some((form, line)) = needles.find(text) {
        panic!("a secret shows, {form}, in {line:?}");
    }
}

/// All that is looked for at once: the logs of a test run have millions of characters, and a secret has dozens of forms.
#[derive(Default)]
struct Needles(HashMap<[u8; 2], Vec<(&'static str, String)>>);

impl Needles {
    fn add(&mut self, form: &'static str, needle: String) {
        if let &[first, second, ..] = needle.as_bytes() {
            self.0.entry([first, second]).or_default().push((form, needle));
        }
    }

    /// The form of the first that is found, and the line that it begins in.
    fn find<'a>(&self, text: &'a str) -> Option<(&'static str, &'a str)> {
        let bytes = text.as_bytes();
        bytes.windows(2).enumerate().find_map(|(at, pair)| {
            let candidates = self.0.get(&<[u8; 2]>::try_from(pair).ok()?)?;
            let (before, rest) = bytes.split_at(at);
            let (form, _) = candidates.iter().find(|(_, needle)| rest.starts_with(needle.as_bytes()))?;
            let line = before.iter().filter(|&&byte| byte == b'\n').count();
            Some((*form, text.split('\n').nth(line).unwrap_or_default()))
        })
    }
}

fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let debug = format!("{secret:?}");
    let debug = debug.trim_matches('"').to_owned();
    let mut forms = vec![("as it is", secret.to_owned()), ("escaped", debug)];
    for set in [RESERVED, NON_ALPHANUMERIC] {
        let percent = utf8_percent_encode(secret, set).to_string();
        let form = percent.replace("%20", "+");
        for text in [percent, form] {
            forms.push(("percent-encoded", text.to_ascii_lowercase()));
            forms.push(("percent-encoded", text));
        }
    }
    let plain: Vec<String> = forms.iter().map(|(_, text)| text.clone()).collect();
    for text in plain {
        for before in 0..3 {
            forms.push(("in base64", inside(&STANDARD_NO_PAD, text.as_bytes(), before)));
            forms.push(("in base64url", inside(&URL_SAFE_NO_PAD, text.as_bytes(), before)));
        }
    }
    forms
}

/// What base64 makes of `bytes` after so many others and before some: the part that they alone decide.
fn inside(engine: &impl Engine, bytes: &[u8], before: usize) -> String {
    let text = engine.encode([vec![0; before], bytes.to_vec()].concat());
    // Six bits a character.
    let first = (before * 8).div_ceil(6);
    let end = (before + bytes.len()) * 8 / 6;
    text.get(first..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    const SECRET: &str = "s3cr:t% &+=ä-7f3a";

    fn is_found(text: &str) -> bool {
        std::panic::catch_unwind(|| shows_no_secret(text, &[SECRET])).is_err()
    }

    #[test]
    fn every_form_of_a_secret_is_found_and_other_text_is_not() {
        let form = "s3cr%3At%25+%26%2B%3D%C3%A4-7f3a";
        for text in [
            SECRET.to_owned(),
            format!("{SECRET:?}"),
            form.to_owned(),
            form.replace('+', "%20"),
            form.replace("-", "%2D"),
            form.to_ascii_lowercase(),
            STANDARD.encode(SECRET),
            URL_SAFE.encode(format!("{{\"a\":\"{SECRET}\"}}")),
            STANDARD.encode(format!("ab:{form}")),
            STANDARD.encode(format!("abc:{SECRET}")),
            STANDARD.encode(format!("abcd:{form}!")),
        ] {
            assert!(is_found(&format!("before\n{text} after")), "{text}");
        }
        for text in ["", "s3cr:t% &+=", "s3cr%3At", "Basic [redacted]", &STANDARD.encode("other-secret-0")] {
            assert!(!is_found(text), "{text}");
        }
    }

    #[test]
    #[should_panic(expected = "eight bytes at least")]
    fn a_short_secret_is_not_looked_for() {
        shows_no_secret("abc", &["seven77"]);
    }
}
