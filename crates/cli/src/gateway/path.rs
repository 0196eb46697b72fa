//! Paths that a gateway and the server behind it cannot read differently.
//!
//! Service and resource are chosen on the path percent-decoded exactly once. A path that another reader could
//! take for a different one (by decoding again, by resolving dot segments, by dropping parameters) is refused,
//! so that what passes may go on exactly as the client sent it.

use std::{borrow::Cow, fmt};

use percent_encoding::percent_decode_str;
use portcullis_core::Reason;

/// Why a path is refused with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathProblem {
    /// It does not start with `/`.
    NotAbsolute,
    /// It holds a byte outside ASCII that is not percent-encoded.
    NotAscii,
    /// A `%` is not followed by two hexadecimal digits.
    BadEscape,
    /// Decoded, it is not UTF-8.
    NotUtf8,
    /// Decoded, it still holds a `%`: a second reader might decode it again.
    EncodedTwice,
    /// It holds `%2F`: one segment to a reader that splits first, two to one that decodes first.
    EncodedSlash,
    /// It holds `;`, after which some servers drop the rest of the segment.
    Parameter,
    /// It holds `\`, which some servers read as `/`.
    Backslash,
    /// It holds a control character.
    Control,
    /// It holds a segment `.` or `..`, perhaps with blanks around it, which some servers drop first.
    DotSegment,
    /// It holds `//`.
    EmptySegment,
}

impl PathProblem {
    /// Its word.
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::NotAbsolute => Reason::PathNotAbsolute,
            Self::NotAscii => Reason::PathNotAscii,
            Self::BadEscape => Reason::PathBadEscape,
            Self::NotUtf8 => Reason::PathNotUtf8,
            Self::EncodedTwice => Reason::PathEncodedTwice,
            Self::EncodedSlash => Reason::PathEncodedSlash,
            Self::Parameter => Reason::PathParameter,
            Self::Backslash => Reason::PathBackslash,
            Self::Control => Reason::PathControlCharacter,
            Self::DotSegment => Reason::PathDotSegment,
            Self::EmptySegment => Reason::PathEmptySegment,
        }
    }
}

impl fmt::Display for PathProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason().as_str())
    }
}

/// Reads a path as it stands in a request target; the answer is percent-decoded.
pub(super) fn read(raw: &str) -> Result<Cow<'_, str>, PathProblem> {
    if is_plain(raw.as_bytes()) { Ok(Cow::Borrowed(raw)) } else { read_carefully(raw) }
}

/// Whether nothing in a path could be decoded, dropped or refused, as in most.
fn is_plain(raw: &[u8]) -> bool {
    let is_plain = |(byte, next): (&u8, Option<&u8>)| match byte {
        b'/' => !matches!(next, Some(b'/' | b'.')),
        b'%' | b';' | b'\\' => false,
        _ => byte.is_ascii_graphic(),
    };
    let following = raw.iter().skip(1).map(Some).chain([None]);
    raw.first() == Some(&b'/') && raw.iter().zip(following).all(is_plain)
}

fn read_carefully(raw: &str) -> Result<Cow<'_, str>, PathProblem> {
    if !raw.starts_with('/') {
        return Err(PathProblem::NotAbsolute);
    }
    if !raw.is_ascii() {
        return Err(PathProblem::NotAscii);
    }
    check_escapes(raw)?;
    let decoded = percent_decode_str(raw).decode_utf8().map_err(|_| PathProblem::NotUtf8)?;
    for character in decoded.chars() {
        match character {
            '%' => return Err(PathProblem::EncodedTwice),
            ';' => return Err(PathProblem::Parameter),
            '\\' => return Err(PathProblem::Backslash),
            _ if character.is_control() => return Err(PathProblem::Control),
            _ => {}
        }
    }
    let mut segments = decoded.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment.trim_matches(' ') {
            "." | ".." => return Err(PathProblem::DotSegment),
            // The slash that ends a path is followed by nothing, which is no segment.
            _ if segment.is_empty() && segments.peek().is_some() => return Err(PathProblem::EmptySegment),
            _ => {}
        }
    }
    Ok(decoded)
}

fn check_escapes(raw: &str) -> Result<(), PathProblem> {
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            continue;
        }
        match (bytes.next(), bytes.next()) {
            (Some(b'2'), Some(b'f' | b'F')) => return Err(PathProblem::EncodedSlash),
            (Some(high), Some(low)) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
            _ => return Err(PathProblem::BadEscape),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unambiguous_paths_are_decoded_once() {
        for (raw, decoded) in [
            ("/", "/"),
            ("/foo", "/foo"),
            ("/foo/", "/foo/"),
            ("/foo/admin", "/foo/admin"),
            ("/foo/%61dmin", "/foo/admin"),
            ("/foo/%41DMIN", "/foo/ADMIN"),
            ("/foo%20bar", "/foo bar"),
            ("/zo%C3%AB", "/zoë"),
            ("/a/...", "/a/..."),
            ("/a/%20/b%20", "/a/ /b "),
            ("/a/.%20./b", "/a/. ./b"),
            ("/a/.well-known/x", "/a/.well-known/x"),
            ("/a/b..c/..d/e..", "/a/b..c/..d/e.."),
            ("/pkg.Svc/Call", "/pkg.Svc/Call"),
            ("/a=b&c,d+e:f@g!h$i'j(k)l*m~n", "/a=b&c,d+e:f@g!h$i'j(k)l*m~n"),
            ("/c%23", "/c#"),
            ("/what%3F", "/what?"),
            ("/a%7Cb|c", "/a|b|c"),
        ] {
            assert_eq!(read(raw).as_deref(), Ok(decoded), "{raw}");
        }
    }

    #[test]
    fn a_path_without_escapes_is_not_copied() {
        for path in ["/", "/foo/admin", "/a.b/c..d/", "/a-b_c~d:e@f,g=h&i!$'()*+|\"<>[]^`{}#?"] {
            assert!(is_plain(path.as_bytes()), "{path}");
            assert_eq!(read_carefully(path), Ok(Cow::Borrowed(path)));
        }
        // They are looked at more closely.
        for path in ["", "a", "//", "/a//", "/.a", "/a/..", "/a%62", "/a;b", "/a\\b", "/a b", "/é", "/\u{7f}"]
        {
            assert!(!is_plain(path.as_bytes()), "{path}");
        }
        assert!(matches!(read("/.a b/c"), Ok(Cow::Borrowed("/.a b/c"))));
    }

    #[test]
    fn every_path_that_reads_in_two_ways_is_refused_for_its_own_reason() {
        use PathProblem as P;
        for (raw, problem) in [
            ("", P::NotAbsolute),
            ("*", P::NotAbsolute),
            ("foo/admin", P::NotAbsolute),
            ("%2Ffoo", P::NotAbsolute),
            ("/zoë", P::NotAscii),
            ("/foo/%", P::BadEscape),
            ("/foo/%6", P::BadEscape),
            ("/foo/%6g", P::BadEscape),
            ("/foo/%%61dmin", P::BadEscape),
            ("/foo/%u0061dmin", P::BadEscape),
            ("/foo/% 61dmin", P::BadEscape),
            ("/foo/%+61", P::BadEscape),
            ("/foo/%c0%ae%c0%ae/admin", P::NotUtf8),
            ("/foo/%ff", P::NotUtf8),
            ("/foo/%ED%A0%80", P::NotUtf8),
            ("/foo/%2561dmin", P::EncodedTwice),
            ("/foo/%25", P::EncodedTwice),
            ("/foo/%252e%252e/admin", P::EncodedTwice),
            ("/foo%2Fadmin", P::EncodedSlash),
            ("/foo%2fadmin", P::EncodedSlash),
            ("/foo/..%2Fadmin", P::EncodedSlash),
            ("/foo/admin;x", P::Parameter),
            ("/foo/admin%3Bx", P::Parameter),
            ("/foo;x/admin", P::Parameter),
            ("/foo/..;/admin", P::Parameter),
            ("/foo\\admin", P::Backslash),
            ("/foo%5Cadmin", P::Backslash),
            ("/foo/..%5cadmin", P::Backslash),
            ("/foo/admin%00", P::Control),
            ("/foo/admin%0d%0aX:y", P::Control),
            ("/foo/%09admin", P::Control),
            ("/foo/admin%7F", P::Control),
            ("/foo/%C2%85admin", P::Control),
            ("/foo/./admin", P::DotSegment),
            ("/foo/../admin", P::DotSegment),
            ("/foo/x/%2e%2e/admin", P::DotSegment),
            ("/foo/x/.%2E/admin", P::DotSegment),
            ("/foo/%2e/admin", P::DotSegment),
            ("/foo/admin/.", P::DotSegment),
            ("/foo/admin/..", P::DotSegment),
            ("/..", P::DotSegment),
            ("/foo/x/..%20/admin", P::DotSegment),
            ("/foo/x/%20../admin", P::DotSegment),
            ("/foo/x/.%20", P::DotSegment),
            ("//foo", P::EmptySegment),
            ("//", P::EmptySegment),
            ("/foo//admin", P::EmptySegment),
            ("/foo///", P::EmptySegment),
            ("/foo/admin//", P::EmptySegment),
        ] {
            assert_eq!(read(raw), Err(problem), "{raw}");
        }
    }

    #[test]
    fn every_ascii_byte_encoded_and_plain_reads_as_said() {
        for byte in 0_u8..0x80 {
            let encoded = format!("/a%{byte:02X}b");
            let expected = match byte {
                b'/' => Err(PathProblem::EncodedSlash),
                b'%' => Err(PathProblem::EncodedTwice),
                b';' => Err(PathProblem::Parameter),
                b'\\' => Err(PathProblem::Backslash),
                0..=0x1f | 0x7f => Err(PathProblem::Control),
                _ => Ok(format!("/a{}b", char::from(byte))),
            };
            assert_eq!(read(&encoded).map(Cow::into_owned), expected, "{encoded}");
            let plain = format!("/a{}b", char::from(byte));
            let expected = match byte {
                b'/' => Ok("/a/b".to_owned()),
                b'%' => Err(PathProblem::BadEscape),
                _ => expected,
            };
            assert_eq!(read(&plain).map(Cow::into_owned), expected, "{plain:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_path_that_reads_in_one_way_is_read_the_same_in_every_spelling(
            segments in prop::collection::vec("[^\\p{Cc}/%;\\\\]{1,6}", 1..4),
        ) {
            let decoded = format!("/{}", segments.join("/"));
            let dots = segments.iter().any(|segment| matches!(segment.trim_matches(' '), "." | ".."));
            let expected = if dots { Err(PathProblem::DotSegment) } else { Ok(decoded.clone()) };
            let every: String =
                segments.iter().map(|one| one.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>()).map(|one| format!("/{one}")).collect();
            let some = decoded.bytes().map(|byte| match byte {
                b'/' => "/".to_owned(),
                _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            });
            for raw in [every, some.collect()] {
                prop_assert_eq!(read(&raw).map(Cow::into_owned), expected.clone(), "{}", raw);
            }
        }

        #[test]
        fn a_path_that_is_plain_reads_as_it_stands(raw in "[/a][a-c./%;\\\\ ~\u{7f}é]{0,8}") {
            if is_plain(raw.as_bytes()) {
                prop_assert_eq!(read_carefully(&raw), Ok(Cow::Borrowed(&*raw)), "{}", raw);
            }
        }

        #[test]
        fn what_is_accepted_cannot_be_read_otherwise(raw in "/[a-cA-C./%;\\\\25eEfF? ]{0,24}") {
            if let Ok(decoded) = read(&raw) {
                prop_assert!(!decoded.contains(['%', ';', '\\']) && !decoded.contains("//"), "{}", raw);
                prop_assert!(!decoded.split('/').any(|one| matches!(one.trim_matches(' '), "." | "..")), "{}", raw);
                prop_assert_eq!(decoded.matches('/').count(), raw.matches('/').count(), "{}", raw);
            }
        }
    }
}
