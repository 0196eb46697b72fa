//! How values are compared. There is no schema: the attributes that are not compared as text are known by name.

use std::cmp::Ordering;

use super::dn::Dn;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Syntax {
    /// Case, runs of blanks and the width of letters do not count.
    Text,
    /// Every byte counts.
    Exact,
    Name,
    Number,
}

impl Syntax {
    fn of(attribute: &str) -> Self {
        match attribute.to_ascii_lowercase().as_str() {
            "member" | "uniquemember" | "memberof" | "owner" | "manager" | "seealso" | "secretary"
            | "distinguishedname" | "entrydn" => Self::Name,
            "memberuid" | "homedirectory" | "loginshell" => Self::Exact,
            "uidnumber" | "gidnumber" | "useraccountcontrol" => Self::Number,
            _ => Self::Text,
        }
    }
}

/// Whether two values of an attribute are equal.
pub(super) fn equal(attribute: &str, one: &str, other: &str) -> bool {
    match Syntax::of(attribute) {
        Syntax::Text => folded(one) == folded(other),
        Syntax::Exact => one == other,
        Syntax::Name => match (Dn::parse(one), Dn::parse(other)) {
            (Some(one), Some(other)) => one == other,
            _ => false,
        },
        Syntax::Number => order(attribute, one, other) == Some(Ordering::Equal),
    }
}

/// How two values of an attribute follow each other; `None` where they have no order.
pub(super) fn order(attribute: &str, one: &str, other: &str) -> Option<Ordering> {
    match Syntax::of(attribute) {
        Syntax::Text => Some(folded(one).cmp(&folded(other))),
        Syntax::Exact => Some(one.cmp(other)),
        Syntax::Name => None,
        Syntax::Number => {
            let number = |text: &str| text.trim().parse::<i64>().ok();
            Some(number(one)?.cmp(&number(other)?))
        }
    }
}

/// What of a value counts in a search for a part of it; `None` where parts cannot be searched for.
pub(super) fn searchable(attribute: &str, value: &str) -> Option<String> {
    match Syntax::of(attribute) {
        Syntax::Text => Some(folded(value)),
        Syntax::Exact => Some(value.to_owned()),
        Syntax::Name | Syntax::Number => None,
    }
}

/// Text as directories compare it: case, runs of blanks and the width of letters do not count (RFC 4518, in short).
pub(super) fn folded(text: &str) -> String {
    let narrow: String = text.chars().map(narrowed).collect();
    let words: Vec<&str> = narrow.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// The ASCII character of a full-width one: `Ａ` is a compatibility variant of `A`.
fn narrowed(each: char) -> char {
    match u32::from(each) {
        code @ 0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0).unwrap_or(each),
        _ => each,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_folded_and_what_is_exact_is_not() {
        assert!(equal("uid", "alice", "ALICE"));
        assert!(equal("uid", "alice", "Ａｌｉｃｅ"));
        assert!(equal("cn", "Zoë  Smith", " ZOË smith "));
        assert!(!equal("uid", "zoë", "zoe"));
        assert!(equal("memberUid", "alice", "alice"));
        assert!(!equal("memberUid", "alice", "Alice"));
    }

    #[test]
    fn names_and_numbers_are_compared_as_such() {
        assert!(equal("member", "uid=a, dc=x", "UID=A,dc=x"));
        assert!(!equal("member", "a", "a"));
        assert!(equal("gidNumber", "0500", "500"));
        assert_eq!(order("gidNumber", "9", "10"), Some(Ordering::Less));
        assert_eq!(order("uid", "9", "10"), Some(Ordering::Greater));
        assert_eq!(order("gidNumber", "x", "10"), None);
        assert_eq!(order("member", "uid=a", "uid=b"), None);
    }
}
