use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// A user's name.
pub(super) struct Name<'n> {
    pub(super) written: &'n str,
    pub(super) folded: Cow<'n, str>,
}

impl<'n> Name<'n> {
    pub(super) fn new(written: &'n str) -> Self {
        Self { written, folded: folded(written) }
    }
}

/// The form in which a user's name counts. Names that a directory, or a person, takes for the same are one.
///
/// In Unicode's compatibility form (NFKC), in lower case, without what is not seen, and with single blanks inside.
fn folded(name: &str) -> Cow<'_, str> {
    let plain = |byte: u8| matches!(byte, b'!'..=b'@' | b'['..=b'~');
    if name.bytes().all(plain) {
        return Cow::Borrowed(name);
    }
    let lower = |text: &str| ComposingNormalizerBorrowed::new_nfkc().normalize(text).to_lowercase();
    // A letter's lower case may have another form, and that form another lower case.
    let text = lower(&lower(name));
    let mut folded = String::with_capacity(text.len());
    for word in text.split(|character: char| character.is_whitespace() || character.is_control()) {
        let mut seen = word.chars().filter(|character| !is_unseen(*character)).peekable();
        if seen.peek().is_some() && !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(seen);
    }
    Cow::Owned(folded)
}

/// Characters that are displayed as nothing: those of `Default_Ignorable_Code_Point` that are in use.
const fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_name_are_one() {
        for (spelling, name) in [
            ("alice", "alice"),
            ("Alice", "alice"),
            (" alice\t", "alice"),
            ("al\u{ad}ice\u{200b}", "alice"),
            ("\u{ff21}LICE", "alice"),
            ("zoe\u{308}", "zo\u{eb}"),
            ("ZO\u{cb}", "zo\u{eb}"),
            ("john \u{a0}  smith", "john smith"),
            ("john\u{3000}\u{200b} smith", "john smith"),
            ("\u{212a}elvin", "kelvin"),
            ("stra\u{df}e", "stra\u{df}e"),
            ("ma\u{df}\u{a0}", "ma\u{df}"),
            ("a+b_c.d-e@example.org", "a+b_c.d-e@example.org"),
            ("\u{200b}", ""),
        ] {
            assert_eq!(folded(spelling), name, "{spelling:?}");
            assert_eq!(folded(&folded(spelling)), folded(spelling), "{spelling:?}");
        }
        assert_ne!(folded("alice"), folded("al ice"));
        assert_ne!(folded("alice"), folded("alic\u{e9}"));
        assert!(matches!(folded("alice@example.org"), Cow::Borrowed(_)));
    }
}
