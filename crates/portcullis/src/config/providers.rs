//! The records that an element may hold, and what each becomes.

use std::{cell::RefCell, collections::BTreeMap, fmt, sync::Arc};

use portcullis_core::{
    BuildError, Element, IntoProvider, Provider,
    config::{Reader, Section},
};

use super::keeping::Keeping;

/// Makes a provider from its section.
type Factory = dyn Fn(&Section<'_>) -> Result<Arc<dyn Provider>, BuildError> + Send + Sync;

/// A provider that was read, and what an element has to know of its record.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) provider: Arc<dyn Provider>,
    /// Why an element has to say which scopes it asks for, where it has to.
    pub(super) needs_scopes: Option<&'static str>,
}

impl Read {
    const fn plain(provider: Arc<dyn Provider>) -> Self {
        Self { provider, needs_scopes: None }
    }
}

/// Providers by name.
pub(super) type Named = BTreeMap<String, Arc<dyn Provider>>;
/// Elements with their dotted paths.
pub(super) type Placed = Vec<(String, Element)>;

/// The records that are known, by key.
#[derive(Clone, Default)]
pub(super) struct Factories {
    by_key: BTreeMap<String, Arc<Factory>>,
    /// What is wrong with keys that the program gave away.
    taken: Vec<String>,
}

impl Factories {
    pub(super) fn add<P, F>(&mut self, key: impl Into<String>, factory: F)
    where
        P: IntoProvider,
        F: Fn(&Section<'_>) -> Result<P, BuildError> + Send + Sync + 'static,
    {
        let key = key.into();
        let mistake = |why: &str| format!("the key {key:?} of `ConfigBuilder::provider` {why}");
        let mut own = ["scopes", "use"].iter().chain(PRESENT).chain(ABSENT.iter().map(|(key, _)| key));
        if own.any(|own| *own == key) {
            self.taken.push(mistake("is one of portcullis' own: choose another"));
            return;
        }
        let twice = mistake("is given away twice: choose another for one of them");
        let before = self.by_key.insert(key, Arc::new(move |section| factory(section)?.into_provider()));
        self.taken.extend(before.map(|_| twice));
    }

    /// Notes what is wrong with the keys themselves, whatever the configuration says.
    pub(super) fn check(&self, reader: &Reader) {
        self.taken.iter().for_each(|text| reader.problem("", None, text));
    }
}

impl fmt::Debug for Factories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_key.keys()).finish()
    }
}

/// Records of the seeds that this build has.
const PRESENT: &[&str] = &[
    #[cfg(feature = "file")]
    "fileUserStoreConfig",
    #[cfg(feature = "ldap")]
    "ldapUserStoreConfig",
    #[cfg(feature = "jwt")]
    "jwtValidatorConfig",
    #[cfg(feature = "introspection")]
    "oauth2IntrospectionConfig",
];

/// Records of the seeds that a build may lack, and why.
const ABSENT: &[(&str, &str)] = &[
    #[cfg(not(feature = "file"))]
    (
        "fileUserStoreConfig",
        "this build lacks the feature `file`: add it to portcullis' features in Cargo.toml",
    ),
    #[cfg(not(feature = "jwt"))]
    (
        "jwtValidatorConfig",
        "this build lacks the feature `jwt`: add it to portcullis' features in Cargo.toml",
    ),
    #[cfg(not(feature = "introspection"))]
    (
        "oauth2IntrospectionConfig",
        "this build lacks the feature `introspection`: add it to portcullis' features in Cargo.toml",
    ),
    #[cfg(not(feature = "ldap"))]
    (
        "ldapUserStoreConfig",
        "this build lacks the feature `ldap`: add it to portcullis' features in Cargo.toml",
    ),
];

/// The users of one configuration, whom all its file elements share.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "file"),
    expect(dead_code, reason = "users without the file user store are a mistake")
)]
pub(super) enum Users {
    /// There are none.
    Absent,
    /// There are some, and what is wrong with them was reported.
    Wrong,
    /// They are right.
    Store(Arc<dyn Provider>),
}

/// What every element of one configuration shares.
pub(super) struct Providers<'f> {
    factories: &'f Factories,
    #[cfg_attr(not(feature = "file"), expect(dead_code, reason = "only file elements ask for them"))]
    users: Users,
    named: BTreeMap<String, Option<Read>>,
    /// Every element that was read, with its dotted path.
    elements: RefCell<Placed>,
}

impl<'f> Providers<'f> {
    pub(super) const fn new(factories: &'f Factories, users: Users) -> Self {
        Self { factories, users, named: BTreeMap::new(), elements: RefCell::new(Vec::new()) }
    }

    /// Keeps an element for those who ask for it by its path.
    pub(super) fn note(&self, path: &str, element: &Element) {
        self.elements.borrow_mut().push((path.to_owned(), element.clone()));
    }

    /// The named providers and the elements that could be read.
    pub(super) fn into_parts(self) -> (Named, Placed) {
        let named = self.named.into_iter().filter_map(|(name, read)| Some((name, read?.provider)));
        (named.collect(), self.elements.into_inner())
    }

    /// Reads `[providers]`: each is built once and used by name.
    pub(super) fn read_named(&mut self, section: &Section<'_>) {
        for (name, entry) in section.entries() {
            let read = self.record_key(&entry, &[]).and_then(|key| self.read_record(&entry, key));
            self.named.insert(name.to_owned(), entry.accounted(read));
        }
    }

    /// The provider called `name`, for an element that uses it.
    pub(super) fn named(&self, section: &Section<'_>, name: &str) -> Option<Read> {
        if let Some(read) = self.named.get(name) {
            // Where it could not be read that was reported at its own place.
            return read.clone();
        }
        let known: Vec<&str> = self.named.keys().map(String::as_str).collect();
        section.problem(
            "use",
            match known.as_slice() {
                [] => "no provider of this name: there is no [providers] table".to_owned(),
                known => format!("no provider of this name: there is {}", known.join(", ")),
            },
        );
        None
    }

    /// The key of the one record that a table holds, or of the one of `others`, which exclude the records.
    pub(super) fn record_key<'k>(&'k self, section: &Section<'_>, others: &[&'k str]) -> Option<&'k str> {
        let mut keys: Vec<&str> = PRESENT.to_vec();
        keys.extend(self.factories.by_key.keys().map(String::as_str));
        keys.extend(others);
        let absent: Vec<_> = ABSENT.iter().filter(|(key, _)| section.has(key)).collect();
        if absent.is_empty() {
            return section.exactly_one(&keys);
        }
        for (key, why) in absent {
            section.node(key);
            section.problem(key, *why);
        }
        if let Some(other) = section.at_most_one(&keys) {
            section.node(other);
        }
        None
    }

    /// Reads the record that a table holds under `key`.
    pub(super) fn read_record(&self, section: &Section<'_>, key: &str) -> Option<Read> {
        let record = section.section(key)?;
        let keeping = Keeping::of(section.reader());
        let mark = keeping.map_or(0, Keeping::mark);
        let mut read = record.accounted(self.read_anew(section, &record, key))?;
        // The users have a definition of their own.
        if let Some(keeping) = keeping.filter(|_| key != "fileUserStoreConfig") {
            read.provider = keeping.keep_provider(key, record.table(), mark, &read.provider);
        }
        Some(read)
    }

    #[cfg_attr(
        not(feature = "file"),
        expect(unused_variables, reason = "only what is wrong with users is told at the element")
    )]
    fn read_anew(&self, section: &Section<'_>, record: &Section<'_>, key: &str) -> Option<Read> {
        match key {
            #[cfg(feature = "file")]
            "fileUserStoreConfig" => match &self.users {
                Users::Store(store) => Some(Read::plain(Arc::clone(store))),
                Users::Wrong => None,
                Users::Absent => {
                    section.problem(key, "there are no users: add at least one [[auth.users]]");
                    None
                }
            },
            #[cfg(feature = "ldap")]
            "ldapUserStoreConfig" => {
                let config = portcullis_ldap::LdapConfig::read(record)?;
                let provider =
                    portcullis_ldap::LdapUserStore::new(config).and_then(IntoProvider::into_provider);
                self.built(record, provider).map(Read::plain)
            }
            #[cfg(feature = "jwt")]
            "jwtValidatorConfig" => {
                let config = portcullis_jwt::JwtValidatorConfig::read(record)?;
                let unscoped = config.needs_scopes().then_some(UNSCOPED_TOKENS);
                let own = asks_for_scopes_of_its_own(record, &["signatureConfig", "jwksConfig"]);
                let provider =
                    portcullis_jwt::JwtValidator::new(config).and_then(IntoProvider::into_provider);
                let provider = self.built(record, provider)?;
                Some(Read { provider, needs_scopes: unscoped.or(own) })
            }
            #[cfg(feature = "introspection")]
            "oauth2IntrospectionConfig" => {
                let config = portcullis_oauth2::IntrospectionConfig::read(record)?;
                let needs_scopes = asks_for_scopes_of_its_own(record, &[]);
                let provider =
                    portcullis_oauth2::OAuth2Introspection::new(config).and_then(IntoProvider::into_provider);
                Some(Read { provider: self.built(record, provider)?, needs_scopes })
            }
            key => {
                let factory = self.factories.by_key.get(key)?;
                self.built(record, factory(record)).map(Read::plain)
            }
        }
    }

    /// Reports why a provider could not be built, unless the reading of its record has said it.
    #[expect(clippy::unused_self, reason = "reads as a step of reading a record")]
    fn built(
        &self,
        record: &Section<'_>,
        provider: Result<Arc<dyn Provider>, BuildError>,
    ) -> Option<Arc<dyn Provider>> {
        match provider {
            Ok(provider) if !record.failed() => Some(provider),
            Ok(_) => None,
            Err(error) => {
                if !record.failed() {
                    record.problem_here(format!("{error:?}"));
                }
                None
            }
        }
    }
}

/// Why an element without `scopes` is a mistake where keys come from an identity provider.
#[cfg(feature = "jwt")]
const UNSCOPED_TOKENS: &str = "required, and missing: without `scopes` any token of this issuer and audience would do, some \
     client's ID token too; name them, or set types = [\"at+jwt\"], or allowUnscopedTokens = true";

/// Whether the token that a record's own calls carry has scopes. They are easily taken for those of the callers.
#[cfg(any(feature = "jwt", feature = "introspection"))]
fn asks_for_scopes_of_its_own(record: &Section<'_>, inner: &[&str]) -> Option<&'static str> {
    use portcullis_core::config::{Node, Table, Value};

    fn table(node: Option<&Node>) -> Option<&Table> {
        match node?.value() {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }
    let mut keys = inner.iter().chain(&["clientConfig", "auth"]);
    let mut table_at = table(record.node(keys.next()?))?;
    for key in keys {
        table_at = table(table_at.get(key))?;
    }
    table_at.get("scopes").map(|_| {
        "required, and missing: the `scopes` of `clientConfig.auth` are those of this service's own token; say which ones \
         the callers need, or scopes = \"*\""
    })
}
