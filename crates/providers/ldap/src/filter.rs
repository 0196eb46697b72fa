//! Search filters (RFC 4515): read when the configuration is, filled in when somebody logs in.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::string_slice))]

use std::fmt;

use ldap3::{
    asn1::{OctetString, Sequence, Tag, TagClass},
    ldap_escape, parse_filter,
};

/// Brackets within brackets, at most. Reading them recurses.
const MAX_DEPTH: usize = 32;
const MAX_LENGTH: usize = 8 * 1024;

/// RFC 4511 §4.5.1: the choices of a filter.
const AND: u64 = 0;
const OR: u64 = 1;
const EQUALITY: u64 = 3;
const PRESENT: u64 = 7;
const EXTENSIBLE: u64 = 9;

/// Active Directory's rule that follows a chain of groups within groups.
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

/// A filter with `?` in the place of a name.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Template(String);

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if !text.contains('?') {
            return Err("holds no `?`: that is where the name goes, as in \"(uid=?)\"".to_owned());
        }
        let text = text.trim();
        // In the place of an attribute nothing escaped can stand, so that a name never says what is searched for.
        parse(&text.replace('?', "\\2a"))?;
        Ok(Self(text.to_owned()))
    }

    /// The filter for this name. RFC 4515 §3 says what is escaped; a name can never be anything but a value. None is made for
    /// an empty one: `(cn=?*)` would be met by everybody.
    pub(crate) fn fill(&self, name: &str) -> Option<Tag> {
        if name.is_empty() {
            return None;
        }
        parse_filter(self.0.replace('?', &ldap_escape(name))).ok()
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads a filter.
pub(crate) fn parse(text: &str) -> Result<Tag, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.len() > MAX_LENGTH {
        return Err("is longer than 8 KiB".to_owned());
    }
    let mut depth: usize = 0;
    for byte in text.bytes() {
        match byte {
            b'(' => depth = depth.saturating_add(1),
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(format!("has more than {MAX_DEPTH} brackets within brackets"));
        }
    }
    parse_filter(text).map_err(|()| {
        "is no search filter (RFC 4515): write it as in \"(&(objectClass=person)(uid=alice))\", with brackets in pairs and \
         `*`, `(`, `)` and `\\` in values as \\2a, \\28, \\29 and \\5c"
            .to_owned()
    })
}

fn text(value: &str) -> Tag {
    Tag::OctetString(OctetString { inner: value.as_bytes().to_vec(), ..OctetString::default() })
}

fn context(id: u64, inner: Vec<Tag>) -> Tag {
    Tag::Sequence(Sequence { id, class: TagClass::Context, inner })
}

/// All entries.
pub(crate) fn any() -> Tag {
    present("objectClass")
}

/// Entries that have an attribute.
pub(crate) fn present(attribute: &str) -> Tag {
    Tag::OctetString(OctetString {
        id: PRESENT,
        class: TagClass::Context,
        inner: attribute.as_bytes().to_vec(),
    })
}

/// Entries that meet all of these.
pub(crate) fn all_of(filters: Vec<Tag>) -> Tag {
    context(AND, filters)
}

/// Entries whose attribute has one of these values, each taken literally: nothing in it is escaped or has a meaning.
pub(crate) fn equals_one_of(attribute: &str, values: &[&str]) -> Tag {
    let equals = |value: &&str| context(EQUALITY, vec![text(attribute), text(value)]);
    match values {
        [value] => equals(value),
        _ => context(OR, values.iter().map(equals).collect()),
    }
}

/// Entries whose attribute holds this name, or a group that holds it, and so on.
pub(crate) fn holds_in_chain(attribute: &str, dn: &str) -> Tag {
    let part = |id, value: &str| {
        Tag::OctetString(OctetString { id, class: TagClass::Context, inner: value.as_bytes().to_vec() })
    };
    context(EXTENSIBLE, vec![part(1, IN_CHAIN), part(2, attribute), part(3, dn)])
}

/// Whether `text` can be the name of an attribute (RFC 4512 §2.5).
pub(crate) fn is_attribute(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b';' | b'_'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(name: &str) -> Tag {
        Template::parse("(&(objectClass=person)(uid=?))").unwrap().fill(name).unwrap()
    }

    #[test]
    fn a_name_is_a_value_whatever_it_holds() {
        for name in [
            "*",
            "alice)(uid=*",
            "\\2a",
            "alice\0",
            "#",
            "(",
            ")",
            "\\",
            "a,b+c=d",
            "zo\u{eb}",
            "\u{ff21}",
            "?",
        ] {
            let expected =
                all_of(vec![equals_one_of("objectClass", &["person"]), equals_one_of("uid", &[name])]);
            assert_eq!(filled(name), expected, "{name:?}");
        }
    }

    #[test]
    fn every_question_mark_is_filled() {
        let template = Template::parse("(|(uid=?)(mail=?))").unwrap();
        let expected = context(OR, vec![equals_one_of("uid", &["a?b"]), equals_one_of("mail", &["a?b"])]);
        assert_eq!(template.fill("a?b"), Some(expected));
        assert_eq!(Template::parse("(cn=?*)").unwrap().fill(""), None, "nobody is no beginning of a name");
    }

    #[test]
    fn a_template_without_a_place_for_the_name_is_refused() {
        for (filter, reason) in [
            ("(uid=alice)", "holds no `?`"),
            ("", "holds no `?`"),
            ("(?=alice)", "is no search filter"),
            ("(&(uid=?)", "is no search filter"),
            ("(uid=?))", "is no search filter"),
            ("(uid=?)(cn=a)", "is no search filter"),
            ("(uid=(?))", "is no search filter"),
        ] {
            assert!(Template::parse(filter).unwrap_err().starts_with(reason), "{filter}");
        }
        for filter in ["uid=?", " (uid=?) ", "(!(uid=?))", "(cn=a*?)", "(cn:caseExactMatch:=?)"] {
            assert!(Template::parse(filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn a_filter_is_bounded_before_it_is_read() {
        let nested = |depth| format!("{}(a=b){}", "(!".repeat(depth - 1), ")".repeat(depth - 1));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert!(parse(&nested(MAX_DEPTH + 1)).unwrap_err().starts_with("has more than 32"));
        assert!(parse(&nested(3000)).is_err());
        assert_eq!(parse(&format!("(a={})", "b".repeat(MAX_LENGTH))).unwrap_err(), "is longer than 8 KiB");
        assert_eq!(parse(" ").unwrap_err(), "must not be empty");
    }

    #[test]
    fn attributes_are_names_and_nothing_else() {
        for name in ["uid", "memberOf", "1.2.3", "cn;lang-en", "a-b"] {
            assert!(is_attribute(name), "{name}");
        }
        for name in ["", "*", "uid)", "a b", "\u{eb}", "uid=", "-a", "+"] {
            assert!(!is_attribute(name), "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_name_is_one_value(name in "\\PC{1,32}|[\\x00-\\x1f\\u{80}-\\u{ffff}]{1,8}") {
            let expected =
                all_of(vec![equals_one_of("objectClass", &["person"]), equals_one_of("uid", &[&name])]);
            prop_assert_eq!(filled(&name), expected);
        }

        #[test]
        fn a_name_of_what_filters_are_made_of_is_one_value(name in "[()*\\\\&|!=<>~:?#,;a0 \\x00]{1,16}") {
            prop_assert_eq!(
                Template::parse("(uid=?)").unwrap().fill(&name),
                Some(equals_one_of("uid", &[&name]))
            );
        }
    }

    #[test]
    fn brackets_beside_brackets_are_not_deep_and_a_filter_may_be_so_long() {
        let beside = format!("(|{})", "(a=b)".repeat(MAX_DEPTH + 8));
        assert!(parse(&beside).is_ok());
        let deep = |depth: usize| format!("{}(a=b){}", "(!".repeat(depth - 1), ")".repeat(depth - 1));
        assert!(parse(&deep(MAX_DEPTH)).is_ok());
        assert!(parse(&deep(MAX_DEPTH + 1)).unwrap_err().contains("brackets within brackets"));
        let long = |length: usize| format!("(a={})", "b".repeat(length - 4));
        assert!(parse(&long(8_192)).is_ok());
        assert_eq!(parse(&long(8_193)).unwrap_err(), "is longer than 8 KiB");
    }
}
