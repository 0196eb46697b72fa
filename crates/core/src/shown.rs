//! How a log shows what somebody else chose.

use std::fmt::{self, Write};

/// A text as a log may show it: its first characters, and none of them starts a new line, moves the cursor, or turns the
/// direction of writing.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a text and how much of it is shown")]
pub struct Shown<T>(
    /// The text.
    pub T,
    /// How many characters of it are shown at most, before they are escaped.
    pub usize,
);

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
            if character.is_control() || breaks_lines(character) || is_bidi(character) {
                write!(self.to, "{}", character.escape_unicode())?;
            } else {
                self.to.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Characters that reorder the text around them: `Bidi_Control` of Unicode.
const fn is_bidi(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Line and paragraph separators, which are no control characters and start a new line for some readers.
const fn breaks_lines(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}')
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
            ("\r\r\r\r\r\r", "\\u{d}\\u{d}\\u{d}\\u{d}\\u{d}…"),
        ] {
            assert_eq!(Shown(text, 5).to_string(), shown);
        }
        assert_eq!(Shown(format_args!("{}{}", "abc", "defg"), 5).to_string(), "abcde…", "in parts");
    }
}
