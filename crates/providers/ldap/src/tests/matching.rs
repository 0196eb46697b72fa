//! Which entries meet a filter, in the directory of the tests.

use ldap3::asn1::{PL, StructureTag};

use super::{server::TestEntry, wire::text};
use crate::dn::Dn;

pub(super) fn matches(entry: &TestEntry, filter: &StructureTag, all: &[TestEntry]) -> bool {
    let parts = |filter: &StructureTag| match &filter.payload {
        PL::C(parts) => parts.clone(),
        PL::P(_) => panic!("a filter with parts"),
    };
    let values = |name: &str| {
        let name = name.to_ascii_lowercase();
        if name == "objectclass" {
            vec!["top".to_owned(), "person".to_owned(), "group".to_owned()]
        } else {
            entry.attributes.get(&name).cloned().unwrap_or_default()
        }
    };
    match filter.id {
        0 => parts(filter).iter().all(|part| matches(entry, part, all)),
        1 => parts(filter).iter().any(|part| matches(entry, part, all)),
        2 => !parts(filter).iter().any(|part| matches(entry, part, all)),
        3 => {
            let parts = parts(filter);
            let (name, value) = (text(&parts[0]), text(&parts[1]));
            values(&name).iter().any(|held| equal(held, &value))
        }
        7 => !values(&text(filter)).is_empty(),
        9 => {
            let parts = parts(filter);
            let part = |id| parts.iter().find(|part| part.id == id).map(text).unwrap();
            assert_eq!(part(1), "1.2.840.113556.1.4.1941");
            in_chain(entry, &part(2), &part(3), all, 10)
        }
        other => panic!("no filter of kind {other} is expected"),
    }
}

fn in_chain(entry: &TestEntry, attribute: &str, dn: &str, all: &[TestEntry], depth: usize) -> bool {
    let members = entry.attributes.get(&attribute.to_ascii_lowercase()).cloned().unwrap_or_default();
    members.iter().any(|member| {
        equal(member, dn)
            || depth > 0
                && all
                    .iter()
                    .any(|other| equal(&other.dn, member) && in_chain(other, attribute, dn, all, depth - 1))
    })
}

/// As directories compare: names by their parts, texts without case.
fn equal(one: &str, other: &str) -> bool {
    if one.contains('=')
        && let (Some(one), Some(other)) = (Dn::parse(one), Dn::parse(other))
    {
        return one == other;
    }
    // Full-width letters are folded, too.
    folded(one) == folded(other)
}

fn folded(text: &str) -> String {
    let narrow = |character: char| match u32::from(character) {
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap(),
        _ => character,
    };
    text.chars().map(narrow).collect::<String>().to_lowercase()
}
