//! How a log shows what somebody else chose.

use std::{
    borrow::Cow,
    fmt::{self, Write},
};

/// A text as a log may show it: its first characters, and none of them starts a new line, moves the cursor, passes for the
/// blank between two fields, or turns the direction of writing.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a text and how much of it is shown")]
pub struct Shown<T>(
    /// The text.
    pub T,
    /// How many characters of it are shown at most, before they are escaped.
    pub usize,
);

impl<'a> Shown<&'a str> {
    /// A request's method: 32 characters of it.
    #[must_use]
    pub fn method(method: &'a http::Method) -> Self {
        Self(method.as_str(), 32)
    }

    /// A request's path: 200 characters of it.
    #[must_use]
    pub const fn path(path: &'a str) -> Self {
        Self(path, 200)
    }

    /// The same as a text: the very one where nothing of it is cut or escaped.
    #[must_use]
    pub fn text(self) -> Cow<'a, str> {
        let Self(text, most) = self;
        let is_plain = text.len() <= most && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if is_plain || text.chars().enumerate().all(|(at, one)| at < most && !is_escaped(one)) {
            return Cow::Borrowed(text);
        }
        let mut shown = String::with_capacity(text.len().min(most.saturating_mul(4)).saturating_add(16));
        // Nothing is refused that is written to a text.
        _ = write!(shown, "{self}");
        Cow::Owned(shown)
    }
}

impl<T: fmt::Display> fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut escaping = Escaping { to: f, left: self.1, cut: false };
        write!(escaping, "{}", self.0)
    }
}

struct Escaping<'a, 'f> {
    to: &'a mut fmt::Formatter<'f>,
    left: usize,
    cut: bool,
}

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.left == 0 {
                if !self.cut {
                    self.cut = true;
                    self.to.write_char('…')?;
                }
                return Ok(());
            }
            self.left -= 1;
            if is_escaped(character) {
                write!(self.to, "{}", character.escape_unicode())?;
            } else {
                self.to.write_char(character)?;
            }
        }
        Ok(())
    }
}

fn is_escaped(character: char) -> bool {
    character.is_control() || is_odd_space(character) || is_bidi(character)
}

/// Characters that reorder the text around them: `Bidi_Control` of Unicode.
const fn is_bidi(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// White space that is no blank: some readers start a new line there, and others a new field. A zero-width one is seen by
/// nobody.
fn is_odd_space(character: char) -> bool {
    character != ' ' && character.is_whitespace() || matches!(character, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_and_cannot_forge_a_line() {
        for (text, shown) in [
            ("", ""),
            ("alice", "alice"),
            ("grüße", "grüße"),
            ("123456", "12345…"),
            ("a\nb\u{1b}[", "a\\u{a}b\\u{1b}["),
            ("\u{2028}\u{202e}\u{61c}", "\\u{2028}\\u{202e}\\u{61c}"),
            ("a\u{3000}b=\u{a0}", "a\\u{3000}b=\\u{a0}"),
            ("a b\u{200b}\u{feff}", "a b\\u{200b}\\u{feff}"),
            ("\r\r\r\r\r\r", "\\u{d}\\u{d}\\u{d}\\u{d}\\u{d}…"),
        ] {
            assert_eq!(Shown(text, 5).to_string(), shown);
            let is_same = text == shown;
            assert_eq!(
                (&*Shown(text, 5).text(), is_same),
                (shown, matches!(Shown(text, 5).text(), Cow::Borrowed(_)))
            );
        }
        assert_eq!(Shown(format_args!("{}{}", "abc", "defg"), 5).to_string(), "abcde…", "in parts");
    }
}
