//! What the directory holds.

use std::borrow::Cow;

use super::{dn::Dn, entry::TestEntry, value::equal};

/// Entries in the order they came, and the names that are held elsewhere.
pub(super) struct Store {
    entries: Vec<TestEntry>,
    referrals: Vec<(Dn, String)>,
    /// Whether entries tell the groups that they are direct members of.
    member_of: bool,
    in_chain: bool,
}

pub(super) const MEMBER_OF: &str = "memberOf";

impl Store {
    pub(super) const fn new(member_of: bool, in_chain: bool) -> Self {
        Self { entries: Vec::new(), referrals: Vec::new(), member_of, in_chain }
    }

    pub(super) fn entries(&self) -> &[TestEntry] {
        &self.entries
    }

    /// Adds an entry, in the place of one of this name.
    pub(super) fn add(&mut self, entry: TestEntry) {
        self.remove(entry.name());
        self.entries.push(entry);
    }

    pub(super) fn remove(&mut self, name: &Dn) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.name() != name);
        self.entries.len() < before
    }

    pub(super) fn get(&self, name: &Dn) -> Option<&TestEntry> {
        self.entries.iter().find(|entry| entry.name() == name)
    }

    pub(super) fn get_mut(&mut self, name: &Dn) -> Option<&mut TestEntry> {
        self.entries.iter_mut().find(|entry| entry.name() == name)
    }

    /// The one entry with this value; `None` where several have it.
    pub(super) fn find(&self, attribute: &str, value: &str) -> Option<&TestEntry> {
        let has = |entry: &&TestEntry| {
            entry.values(attribute).any(|own| equal(attribute, &String::from_utf8_lossy(own), value))
        };
        let mut found = self.entries.iter().filter(has);
        found.next().filter(|_| found.next().is_none())
    }

    /// Whether there is an entry of this name, or one below it: what stands above an entry need not be added.
    pub(super) fn exists(&self, name: &Dn) -> bool {
        self.entries.iter().any(|entry| entry.name().is_within(name))
            || self.referrals.iter().any(|(at, _)| at.is_within(name))
    }

    pub(super) fn add_referral(&mut self, name: Dn, url: String) {
        self.referrals.push((name, url));
    }

    /// Where a name is held, if not here.
    pub(super) fn held_elsewhere(&self, name: &Dn) -> Option<&str> {
        self.referrals.iter().find(|(at, _)| name.is_within(at)).map(|(_, url)| url.as_str())
    }

    /// Where that is held which stands below a name, as far as it is not here.
    pub(super) fn referrals_within<'s>(&'s self, base: &'s Dn) -> impl Iterator<Item = &'s (Dn, String)> {
        self.referrals.iter().filter(|(at, _)| at.is_within(base))
    }

    /// The values of an attribute, those that are worked out among them.
    pub(super) fn values<'e>(&'e self, entry: &'e TestEntry, attribute: &str) -> Vec<Cow<'e, [u8]>> {
        let mut values: Vec<Cow<'e, [u8]>> = entry.values(attribute).map(Cow::Borrowed).collect();
        if self.member_of && attribute.eq_ignore_ascii_case(MEMBER_OF) {
            let groups = self.entries.iter().filter(|group| self.holds(group, entry.dn()));
            values.extend(groups.map(|group| Cow::Borrowed(group.dn().as_bytes())));
        }
        if attribute.eq_ignore_ascii_case("entryDN") {
            values.push(Cow::Borrowed(entry.dn().as_bytes()));
        }
        values
    }

    pub(super) const fn tells_groups(&self) -> bool {
        self.member_of
    }

    pub(super) const fn in_chain_rule(&self) -> bool {
        self.in_chain
    }

    /// Whether a group names this as its direct member.
    #[expect(clippy::unused_self, reason = "reads as a question to the store")]
    fn holds(&self, group: &TestEntry, dn: &str) -> bool {
        ["member", "uniqueMember"].iter().any(|attribute| {
            group.values(attribute).any(|value| equal(attribute, &String::from_utf8_lossy(value), dn))
        })
    }

    /// Whether the chain of names that starts in an attribute of an entry, and goes on in that attribute of those that
    /// it names, comes to `end`.
    pub(super) fn in_chain(&self, start: &TestEntry, attribute: &str, end: &str) -> bool {
        let Some(end) = Dn::parse(end) else { return false };
        let mut seen: Vec<Dn> = Vec::new();
        let mut open: Vec<&TestEntry> = vec![start];
        while let Some(entry) = open.pop() {
            for value in self.values(entry, attribute) {
                let Some(name) = Dn::parse(&String::from_utf8_lossy(&value)) else { continue };
                if name == end {
                    return true;
                }
                if !seen.contains(&name) {
                    open.extend(self.get(&name));
                    seen.push(name);
                }
            }
        }
        false
    }
}
