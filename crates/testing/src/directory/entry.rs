//! Entries: a name, and attributes with their values.

use std::fmt;

use super::dn::{Dn, own_parts};

/// An entry of a [`TestDirectory`](super::TestDirectory).
///
/// The attributes in its name are its own without being said again.
///
/// ```
/// use portcullis_testing::TestEntry;
///
/// let entry = TestEntry::new("uid=alice,ou=Users,dc=example,dc=org")
///     .attribute("objectClass", ["inetOrgPerson"])
///     .attribute("mail", ["alice@example.org", "a.smith@example.org"])
///     .password("secret");
/// assert_eq!(entry.dn(), "uid=alice,ou=Users,dc=example,dc=org");
/// assert_eq!(entry.values("UID").next(), Some(&b"alice"[..]));
/// ```
#[derive(Clone)]
pub struct TestEntry {
    dn: String,
    name: Dn,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl TestEntry {
    /// An entry with the attributes of its name.
    ///
    /// # Panics
    ///
    /// If this is no distinguished name (RFC 4514), or the root's.
    #[must_use]
    pub fn new(dn: impl Into<String>) -> Self {
        let dn = dn.into();
        let (Some(name), Some(parts)) = (Dn::parse(&dn), own_parts(&dn)) else {
            panic!("{dn:?} is no distinguished name of an entry");
        };
        let mut entry = Self { dn, name, attributes: Vec::new() };
        for (attribute, value) in parts {
            entry.push(&attribute, value.into_bytes());
        }
        entry
    }

    /// The entry without a name, which says what the directory can do.
    pub(super) fn root() -> Self {
        let (dn, attributes) = (String::new(), Vec::new());
        Self { dn, name: Dn::root(), attributes }
    }

    /// Adds values of an attribute. A value that it has already is not added again.
    #[must_use]
    pub fn attribute<V>(mut self, name: &str, values: impl IntoIterator<Item = V>) -> Self
    where
        V: Into<Vec<u8>>,
    {
        for value in values {
            self.push(name, value.into());
        }
        self
    }

    /// Adds a `userPassword`: clear text, or `{SSHA}` and what follows it. It can be bound with, and is never shown.
    #[must_use]
    pub fn password(self, password: impl Into<Vec<u8>>) -> Self {
        self.attribute(PASSWORD, [password])
    }

    /// Its name as it was given.
    #[must_use]
    pub fn dn(&self) -> &str {
        &self.dn
    }

    /// The values of an attribute, whatever the case of its name.
    pub fn values<'e>(&'e self, name: &str) -> impl Iterator<Item = &'e [u8]> + use<'e> {
        let found = self.attributes.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.into_iter().flat_map(|(_, values)| values).map(Vec::as_slice)
    }

    pub(super) const fn name(&self) -> &Dn {
        &self.name
    }

    pub(super) fn attributes(&self) -> &[(String, Vec<Vec<u8>>)] {
        &self.attributes
    }

    pub(super) fn push(&mut self, name: &str, value: Vec<u8>) {
        match self.attributes.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            Some((_, values)) if values.contains(&value) => {}
            Some((_, values)) => values.push(value),
            None => self.attributes.push((name.to_owned(), vec![value])),
        }
    }

    pub(super) fn clear(&mut self, name: &str) {
        self.attributes.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    }
}

pub(super) const PASSWORD: &str = "userPassword";

/// Without passwords.
impl fmt::Debug for TestEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.attributes.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(PASSWORD));
        let shown = shown.map(|(name, values)| {
            (name, values.iter().map(|value| String::from_utf8_lossy(value)).collect::<Vec<_>>())
        });
        f.debug_struct("TestEntry").field("dn", &self.dn).field("attributes", &ShownAs(shown)).finish()
    }
}

struct ShownAs<I>(I);

impl<K: fmt::Debug, V: fmt::Debug, I: Iterator<Item = (K, V)> + Clone> fmt::Debug for ShownAs<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.clone()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_attributes_of_its_name_once() {
        let entry = TestEntry::new(r"cn=\#hash+uid=hash,dc=x").attribute("UID", ["hash", "h"]);
        assert_eq!(entry.values("uid").collect::<Vec<_>>(), [b"hash".as_slice(), b"h"]);
        assert_eq!(entry.values("cn").collect::<Vec<_>>(), [b"#hash"]);
    }

    #[test]
    fn a_password_is_not_shown() {
        let shown = format!("{:?}", TestEntry::new("uid=a,dc=x").password("canary"));
        assert!(shown.contains("uid=a,dc=x") && !shown.contains("canary"), "{shown}");
    }

    #[test]
    #[should_panic(expected = "is no distinguished name of an entry")]
    fn what_is_no_name_is_refused() {
        let _ = TestEntry::new("alice");
    }
}
