//! Filters: what they match (RFC 4511 §4.5.1.7), and how they are written (RFC 4515).

use std::cmp::Ordering;

use ldap3_proto::proto::{LdapFilter, LdapMatchingRuleAssertion, LdapSubstringFilter};

use super::{
    entry::{PASSWORD, TestEntry},
    store::Store,
    value::{equal, folded, order, searchable},
};

/// The rule of Active Directory that follows a chain of names: `LDAP_MATCHING_RULE_IN_CHAIN`.
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";
/// The rules that look at the bits of a number: all of them, any of them.
const BITS_ALL: &str = "1.2.840.113556.1.4.803";
const BITS_ANY: &str = "1.2.840.113556.1.4.804";

/// Whether an entry is what a filter asks for.
///
/// Without a schema every attribute is a known one: what an entry does not have is `false`, never undefined.
pub(super) fn matches(store: &Store, filter: &LdapFilter, entry: &TestEntry) -> bool {
    let any = |attribute: &str, found: &dyn Fn(&str) -> bool| {
        values(store, entry, attribute).iter().any(|value| found(value))
    };
    match filter {
        LdapFilter::And(all) => all.iter().all(|each| matches(store, each, entry)),
        LdapFilter::Or(some) => some.iter().any(|each| matches(store, each, entry)),
        LdapFilter::Not(inner) => !matches(store, inner, entry),
        LdapFilter::Present(attribute) => any(attribute, &|_| true),
        LdapFilter::Equality(attribute, asked) => any(attribute, &|value| equal(attribute, value, asked)),
        LdapFilter::Approx(attribute, asked) => {
            let approximately = |text: &str| folded(text).replace(' ', "");
            any(attribute, &|value| approximately(value) == approximately(asked))
        }
        LdapFilter::GreaterOrEqual(attribute, asked) => {
            any(attribute, &|value| order(attribute, value, asked).is_some_and(Ordering::is_ge))
        }
        LdapFilter::LessOrEqual(attribute, asked) => {
            any(attribute, &|value| order(attribute, value, asked).is_some_and(Ordering::is_le))
        }
        LdapFilter::Substring(attribute, parts) => {
            any(attribute, &|value| has_parts(attribute, value, parts).unwrap_or(false))
        }
        LdapFilter::Extensible(rule) => by_rule(store, rule, entry),
    }
}

/// The values of an attribute that a filter may look at, as text.
fn values(store: &Store, entry: &TestEntry, attribute: &str) -> Vec<String> {
    if attribute.eq_ignore_ascii_case(PASSWORD) {
        return Vec::new();
    }
    store.values(entry, attribute).iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

fn has_parts(attribute: &str, value: &str, parts: &LdapSubstringFilter) -> Option<bool> {
    let value = searchable(attribute, value)?;
    let mut rest = value.as_str();
    if let Some(initial) = &parts.initial {
        match rest.strip_prefix(&searchable(attribute, initial)?) {
            Some(after) => rest = after,
            None => return Some(false),
        }
    }
    for part in &parts.any {
        match rest.split_once(&searchable(attribute, part)?) {
            Some((_, after)) => rest = after,
            None => return Some(false),
        }
    }
    match &parts.final_ {
        Some(end) => Some(rest.ends_with(&searchable(attribute, end)?)),
        None => Some(true),
    }
}

/// A rule that is not known is undefined (RFC 4511 §4.5.1.7.7): nothing matches it.
fn by_rule(store: &Store, rule: &LdapMatchingRuleAssertion, entry: &TestEntry) -> bool {
    let Some(attribute) = &rule.type_ else { return false };
    let own = || values(store, entry, attribute);
    let bits = |of: &dyn Fn(u64, u64) -> bool| {
        let Ok(asked) = rule.match_value.parse::<u64>() else { return false };
        own().iter().any(|value| value.parse().is_ok_and(|value| of(value, asked)))
    };
    match rule.matching_rule.as_deref() {
        None => own().iter().any(|value| equal(attribute, value, &rule.match_value)),
        Some("caseExactMatch" | "2.5.13.5") => own().contains(&rule.match_value),
        Some("caseIgnoreMatch" | "2.5.13.2") => {
            own().iter().any(|value| folded(value) == folded(&rule.match_value))
        }
        Some(BITS_ALL) => bits(&|value, asked| value & asked == asked),
        Some(BITS_ANY) => bits(&|value, asked| value & asked != 0),
        Some(IN_CHAIN) if store.in_chain_rule() => store.in_chain(entry, attribute, &rule.match_value),
        Some(_) => false,
    }
}

/// A filter as people write it.
pub(super) fn written(filter: &LdapFilter) -> String {
    let list =
        |sign: &str, all: &[LdapFilter]| format!("({sign}{})", all.iter().map(written).collect::<String>());
    let simple = |attribute: &str, sign: &str, value: &str| format!("({attribute}{sign}{})", escaped(value));
    match filter {
        LdapFilter::And(all) => list("&", all),
        LdapFilter::Or(some) => list("|", some),
        LdapFilter::Not(inner) => format!("(!{})", written(inner)),
        LdapFilter::Present(attribute) => format!("({attribute}=*)"),
        LdapFilter::Equality(attribute, value) => simple(attribute, "=", value),
        LdapFilter::Approx(attribute, value) => simple(attribute, "~=", value),
        LdapFilter::GreaterOrEqual(attribute, value) => simple(attribute, ">=", value),
        LdapFilter::LessOrEqual(attribute, value) => simple(attribute, "<=", value),
        LdapFilter::Substring(attribute, parts) => {
            let end = |part: &Option<String>| part.as_deref().map(escaped).unwrap_or_default();
            let any: String = parts.any.iter().map(|part| format!("{}*", escaped(part))).collect();
            format!("({attribute}={}*{any}{})", end(&parts.initial), end(&parts.final_))
        }
        LdapFilter::Extensible(rule) => {
            let dn = if rule.dn_attributes { ":dn" } else { "" };
            let by = rule.matching_rule.as_ref().map(|by| format!(":{by}")).unwrap_or_default();
            format!("({}{dn}{by}:={})", rule.type_.as_deref().unwrap_or_default(), escaped(&rule.match_value))
        }
    }
}

/// RFC 4515 §3: `*`, `(`, `)`, `\` and NUL are written as their hex codes.
fn escaped(value: &str) -> String {
    let mut written = String::new();
    for each in value.chars() {
        match each {
            '*' | '(' | ')' | '\\' | '\0' => written.push_str(&format!("\\{:02x}", u32::from(each))),
            _ => written.push(each),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use ldap3_proto::parse_ldap_filter_str;

    use super::*;

    fn store() -> Store {
        let mut store = Store::new(true, true);
        for entry in [
            TestEntry::new("uid=alice,dc=x")
                .attribute("cn", ["Alice Smith"])
                .attribute("userAccountControl", ["514"])
                .password("secret"),
            TestEntry::new("cn=staff,dc=x").attribute("member", ["uid=alice,dc=x"]),
            // A circle.
            TestEntry::new("cn=all,dc=x").attribute("member", ["CN=staff,dc=x", "cn=every,dc=x"]),
            TestEntry::new("cn=every,dc=x").attribute("member", ["cn=all,dc=x"]),
            TestEntry::new("cn=none,dc=x").attribute("member", ["uid=bob,dc=x"]),
        ] {
            store.add(entry);
        }
        store
    }

    fn found(filter: &str) -> Vec<String> {
        let (store, filter) = (store(), parse_ldap_filter_str(filter).unwrap());
        let found = store.entries().iter().filter(|entry| matches(&store, &filter, entry));
        found.map(|entry| entry.dn().split(',').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_kind_of_filter_finds_what_it_asks_for_and_nothing_else() {
        for (filter, expected) in [
            ("(uid=ALICE)", &["uid=alice"][..]),
            ("(uid=bob)", &[]),
            ("(uid=*)", &["uid=alice"]),
            ("(cn=al*)", &["uid=alice", "cn=all"]),
            ("(cn=\"*e s*th\")", &["uid=alice"]),
            ("(cn=*x*)", &[]),
            ("(cn~=\"alicesmith\")", &["uid=alice"]),
            ("(cn>=every)", &["cn=staff", "cn=every", "cn=none"]),
            ("(cn<=all)", &["uid=alice", "cn=all"]),
            ("(&(cn=*)(!(member=*)))", &["uid=alice"]),
            ("(|(uid=alice)(cn=staff))", &["uid=alice", "cn=staff"]),
            ("(!(uid=alice))", &["cn=staff", "cn=all", "cn=every", "cn=none"]),
            ("(userAccountControl:1.2.840.113556.1.4.803:=2)", &["uid=alice"]),
            ("(userAccountControl:1.2.840.113556.1.4.803:=3)", &[]),
            ("(userAccountControl:1.2.840.113556.1.4.804:=3)", &["uid=alice"]),
            ("(userPassword=*)", &[]),
            ("(uid:2.5.13.5:=alice)", &["uid=alice"]),
            ("(uid:2.5.13.5:=Alice)", &[]),
            ("(uid:1.2.3:=alice)", &[]),
            ("(memberOf=\"cn=staff,dc=x\")", &["uid=alice"]),
        ] {
            assert_eq!(found(filter), expected, "{filter}");
        }
    }

    #[test]
    fn a_chain_is_followed_through_a_circle_where_the_rule_is_known() {
        let filter = "(member:1.2.840.113556.1.4.1941:=\"uid=Alice,dc=x\")";
        assert_eq!(found(filter), ["cn=staff", "cn=all", "cn=every"]);
        let mut plain = Store::new(false, false);
        plain.add(TestEntry::new("cn=staff,dc=x").attribute("member", ["uid=alice,dc=x"]));
        let filter = parse_ldap_filter_str(filter).unwrap();
        assert!(!matches(&plain, &filter, &plain.entries()[0]));
    }

    #[test]
    fn filters_are_written_with_their_values_escaped() {
        let substring = LdapSubstringFilter {
            initial: Some("a*".into()),
            any: vec!["(b)".into()],
            final_: Some("\\\0".into()),
        };
        let filter = LdapFilter::And(vec![
            LdapFilter::Not(Box::new(LdapFilter::Present("uid".into()))),
            LdapFilter::Substring("cn".into(), substring),
            LdapFilter::GreaterOrEqual("n".into(), "1".into()),
        ]);
        assert_eq!(written(&filter), r"(&(!(uid=*))(cn=a\2a*\28b\29*\5c\00)(n>=1))");
    }
}
