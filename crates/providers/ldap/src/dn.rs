//! Distinguished names (RFC 4514), as far as the user store has to understand them.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::string_slice))]

/// A name taken apart, so that two ways to write one name are equal where that can be told without the directory's
/// schema: escapes, spaces around separators and the case of ASCII letters do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Dn(Vec<Rdn>);

/// What names an entry among its siblings: one attribute with its value, or several.
type Rdn = Vec<(String, Vec<u8>)>;

impl Dn {
    /// Takes a name apart; `None` where it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse(text).map(|rdns| Self(rdns.into_iter().map(normalized).collect()))
    }

    /// Whether the entry is `base`, or below it.
    pub(crate) fn is_within(&self, base: &Self) -> bool {
        self.0.ends_with(&base.0)
    }
}

fn normalized(mut rdn: Rdn) -> Rdn {
    for (attribute, value) in &mut rdn {
        attribute.make_ascii_lowercase();
        value.make_ascii_lowercase();
    }
    // RFC 4514 §2.2: the parts of a multi-valued one stand in any order.
    rdn.sort();
    rdn
}

/// The value by which `attribute` names the entry, where it alone does.
pub(crate) fn naming_value(dn: &str, attribute: &str) -> Option<String> {
    let mut rdns = parse(dn)?.into_iter();
    let mut rdn = rdns.next()?;
    let (name, value) = rdn.pop()?;
    let alone = rdn.is_empty() && name.eq_ignore_ascii_case(attribute);
    alone.then(|| String::from_utf8(value).ok()).flatten()
}

fn parse(text: &str) -> Option<Vec<Rdn>> {
    let mut rest = text.as_bytes();
    let mut rdns = Vec::new();
    let mut rdn = Rdn::new();
    if rest.trim_ascii().is_empty() {
        return Some(rdns);
    }
    loop {
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        let (attribute, value) = rest.split_at_checked(equals)?;
        let attribute = attribute.trim_ascii();
        let named = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b';' | b'_');
        if attribute.is_empty() || !attribute.iter().all(named) {
            return None;
        }
        let (value, separator, after) = value_of(value.get(1..)?)?;
        rdn.push((String::from_utf8(attribute.to_vec()).ok()?, value));
        rest = after;
        if separator != Some(b'+') {
            rdns.push(std::mem::take(&mut rdn));
        }
        if separator.is_none() {
            return Some(rdns);
        }
    }
}

/// A value, what ends it, and what follows.
fn value_of(text: &[u8]) -> Option<(Vec<u8>, Option<u8>, &[u8])> {
    let text = text.trim_ascii_start();
    // RFC 2253 permitted quotes: names that old servers write.
    let quoted = text.first() == Some(&b'"');
    let mut rest = if quoted { text.get(1..)? } else { text };
    let mut open = quoted;
    let mut value = Vec::new();
    // Spaces at the end do not belong to it, unless they are escaped.
    let mut kept = 0;
    loop {
        match *rest {
            [] if open => return None,
            [] => {
                value.truncate(kept);
                return Some((value, None, rest));
            }
            [b'"', ref after @ ..] if open => {
                open = false;
                kept = value.len();
                rest = after;
            }
            [separator @ (b',' | b';' | b'+'), ref after @ ..] if !open => {
                value.truncate(kept);
                return Some((value, Some(separator), after));
            }
            [b'\\', high, low, ref after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                value.push(hex(high) << 4 | hex(low));
                kept = value.len();
                rest = after;
            }
            [b'\\', escaped, ref after @ ..] => {
                value.push(escaped);
                kept = value.len();
                rest = after;
            }
            [b'\\'] | [b'"', ..] => return None,
            [byte, ref after @ ..] => {
                // After a closing quote there is nothing but spaces.
                if quoted && !open && byte != b' ' {
                    return None;
                }
                value.push(byte);
                if byte != b' ' || open {
                    kept = value.len();
                }
                rest = after;
            }
        }
    }
}

const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit.wrapping_sub(b'0'),
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_equal_however_it_is_written() {
        for (one, other) in [
            ("cn=Smith\\, John,dc=x", "CN=smith\\2C john, DC=X"),
            ("cn=a+uid=b,dc=x", "uid=b + cn=a,dc=x"),
            ("cn=\"a,b\",dc=x", "cn=a\\,b;dc=x"),
            ("cn=zo\u{eb},dc=x", "cn=zo\\c3\\ab,dc=x"),
            ("cn= a ,dc=x", "cn=a,dc=x"),
            ("cn=\\#a\\\\,dc=x", "cn=\\23a\\5C,dc=x"),
        ] {
            assert_eq!(Dn::parse(one), Dn::parse(other), "{one} {other}");
            assert!(Dn::parse(one).is_some(), "{one}");
        }
    }

    #[test]
    fn two_names_are_not_equal() {
        for (one, other) in [
            ("cn=a\\,b,dc=x", "cn=a,b=b,dc=x"),
            ("cn=a\\ ,dc=x", "cn=a,dc=x"),
            ("cn=a+uid=b,dc=x", "cn=a,uid=b,dc=x"),
            ("cn=zo\u{eb},dc=x", "cn=zoe,dc=x"),
        ] {
            assert_ne!(Dn::parse(one), Dn::parse(other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_name_is_none() {
        for text in
            ["alice", "=a", "cn", "cn=a,", "cn=a\\", "cn=\"a", "cn=\"a\"b,dc=x", "c n=a", "cn=a,,dc=x"]
        {
            assert_eq!(Dn::parse(text), None, "{text}");
        }
        assert_eq!(Dn::parse(""), Some(Dn(vec![])));
    }

    #[test]
    fn an_entry_is_within_its_ancestors_and_itself() {
        let dn = |text| Dn::parse(text).unwrap();
        let group = dn("cn=admin,ou=Groups,dc=x");
        assert!(group.is_within(&dn("OU=groups, DC=X")));
        assert!(group.is_within(&group));
        for other in ["ou=Users,dc=x", "cn=admin", "ou=Groups\\,dc\\=x", "cn=a,cn=admin,ou=Groups,dc=x"] {
            assert!(!group.is_within(&dn(other)), "{other}");
        }
    }

    #[test]
    fn the_naming_value_is_read_where_it_is_alone() {
        let hostile = "cn=Smith\\2C John (Ops) *star*,ou=Users,dc=x";
        assert_eq!(naming_value(hostile, "CN").as_deref(), Some("Smith, John (Ops) *star*"));
        assert_eq!(naming_value("cn=a+uid=b,dc=x", "cn"), None);
        assert_eq!(naming_value("cn=a+uid=b,dc=x", "uid"), None);
        assert_eq!(naming_value("cn=a,dc=x", "uid"), None);
        assert_eq!(naming_value("", "uid"), None);
        assert_eq!(naming_value("cn=\\ff,dc=x", "cn"), None, "not UTF-8");
    }

    #[test]
    fn a_quote_stands_at_the_beginning_or_is_escaped() {
        for wrong in ["cn=a\"b,dc=x", "cn=a\",dc=x", "cn=\"a\"b,dc=x", "cn=\"a\"\",dc=x", "cn=\"a,dc=x"] {
            assert_eq!(Dn::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Dn::parse("cn=a\\\"b,dc=x"), Dn::parse("cn=\"a\\\"b\",dc=x"));
        assert!(Dn::parse("cn=a\\\"b,dc=x").is_some());
    }
}
