//! Distinguished names (RFC 4514), compared as directories compare them.

use std::collections::BTreeSet;

use super::value::folded;

/// A name, its own part first. The empty one is the root's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dn(Vec<Rdn>);

/// One step of a name: attributes and values, which have no order among themselves.
type Rdn = BTreeSet<(String, String)>;

/// An attribute and its value as they were written.
pub(super) type Part = (String, String);

impl Dn {
    /// Reads a name; `None` for what is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let steps = steps(text)?;
        let step = |parts: Vec<Part>| {
            parts.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), folded(&value))).collect()
        };
        Some(Self(steps.into_iter().map(step).collect()))
    }

    pub(super) const fn root() -> Self {
        Self(Vec::new())
    }

    /// How many steps below the root.
    pub(super) const fn depth(&self) -> usize {
        self.0.len()
    }

    /// Whether it is `base`, or below it.
    pub(super) fn is_within(&self, base: &Self) -> bool {
        self.0.ends_with(&base.0)
    }
}

/// The attributes that a name's own part holds, as they were written.
pub(super) fn own_parts(text: &str) -> Option<Vec<Part>> {
    steps(text)?.into_iter().next()
}

/// Takes a name apart at its commas and plus signs.
fn steps(text: &str) -> Option<Vec<Vec<Part>>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    let mut steps = vec![Vec::new()];
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.;".contains(&b)) {
            return None;
        }
        let (value, end, after) = value(after)?;
        steps.last_mut()?.push((name.to_owned(), value));
        match end {
            None => return Some(steps),
            Some(',') => steps.push(Vec::new()),
            Some(_) => {}
        }
        rest = after;
    }
}

/// The value up to the next comma or plus sign that is not escaped, which of the two ended it, and what follows.
fn value(text: &str) -> Option<(String, Option<char>, &str)> {
    // Blanks around a value are none of it, unless they are escaped.
    let text = text.trim_start_matches(' ');
    let mut bytes = Vec::new();
    let mut kept = 0;
    let mut chars = text.char_indices();
    let mut end = (None, "");
    while let Some((at, each)) = chars.next() {
        match each {
            ',' | '+' => {
                end = (Some(each), text.get(at + 1..)?);
                break;
            }
            '\\' => {
                let (at, next) = chars.next()?;
                match text.get(at..at + 2).and_then(hex_byte) {
                    Some(byte) => {
                        chars.next();
                        bytes.push(byte);
                    }
                    None => bytes.extend(next.encode_utf8(&mut [0; 4]).bytes()),
                }
                kept = bytes.len();
            }
            _ => {
                bytes.extend(each.encode_utf8(&mut [0; 4]).bytes());
                if each != ' ' {
                    kept = bytes.len();
                }
            }
        }
    }
    bytes.truncate(kept);
    Some((String::from_utf8_lossy(&bytes).into_owned(), end.0, end.1))
}

fn hex_byte(pair: &str) -> Option<u8> {
    // Without this `+1` is a number, too.
    let digits = pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    u8::from_str_radix(pair, 16).ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        Dn::parse(one).unwrap() == Dn::parse(other).unwrap()
    }

    #[test]
    fn names_are_the_same_whatever_their_case_blanks_and_escapes() {
        assert!(same("UID=Alice, OU=Users,dc=example", "uid=alice,ou=users,DC=EXAMPLE"));
        assert!(same(r"cn=Smith\, John \28Ops\29,dc=x", r"cn=Smith\2C John (Ops),dc=x"));
        assert!(same(r"cn=\#hash+uid=h,dc=x", r"uid=h+cn=\23hash,dc=x"));
        assert!(same(r"cn=zo\C3\AB", "cn=zoë"));
        assert!(same(r"cn=a\+1", r"cn=a\2b1"));
        assert!(!same("cn=a,dc=x", "cn=a,dc=y"));
        assert!(!same(r"cn=a\,dc=x", "cn=a,dc=x"));
        assert!(!same(r"cn=\ a,dc=x", "cn=b,dc=x"));
    }

    #[test]
    fn a_name_is_within_another_only_at_a_step() {
        let within = |name: &str, base: &str| Dn::parse(name).unwrap().is_within(&Dn::parse(base).unwrap());
        assert!(within("uid=a,ou=Users,dc=x", "OU=users,dc=x"));
        assert!(within("uid=a,ou=Users,dc=x", "uid=a,ou=Users,dc=x"));
        assert!(within("uid=a,dc=x", ""));
        assert!(!within("uid=a,xou=Users,dc=x", "ou=Users,dc=x"));
        assert!(!within("ou=Users,dc=x", "uid=a,ou=Users,dc=x"));
    }

    #[test]
    fn what_is_no_name_is_none() {
        for text in ["alice", "uid", "=a,dc=x", "uid=a,", r"uid=a\", "u d=a"] {
            assert_eq!(Dn::parse(text), None, "{text:?}");
        }
        assert_eq!(Dn::parse("").unwrap().depth(), 0);
    }

    #[test]
    fn the_own_part_is_as_it_was_written() {
        let parts = own_parts(r"cn=\#Hash\\back+uid= H ,dc=x").unwrap();
        assert_eq!(parts, [("cn".into(), r"#Hash\back".into()), ("uid".to_owned(), "H".to_owned())]);
    }
}
