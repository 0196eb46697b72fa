//! What an element of `auth` says of a directory.

use std::path::Path;

use portcullis_testing::TestDirectory;
use portcullis_tests::{Slapd, Transport};

/// The element of the seeds, `:` made `=` as in every record that is pasted. Only the address is changed.
pub(crate) const SEEDS: &str = r#"
    {
        ldapUserStoreConfig = {
            domainName = "ballerina.io",
            connectionUrl = "ldap://localhost:20000",
            connectionName = "uid=admin,ou=system",
            connectionPassword = "secret",
            userSearchBase = "ou=Users,dc=ballerina,dc=io",
            userEntryObjectClass = "identityPerson",
            userNameAttribute = "uid",
            userNameSearchFilter = "(&(objectClass=person)(uid=?))",
            userNameListFilter = "(objectClass=person)",
            groupSearchBase = ["ou=Groups,dc=ballerina,dc=io"],
            groupEntryObjectClass = "groupOfNames",
            groupNameAttribute = "cn",
            groupNameSearchFilter = "(&(objectClass=groupOfNames)(cn=?))",
            groupNameListFilter = "(objectClass=groupOfNames)",
            membershipAttribute = "member",
            userRolesCacheEnabled = true,
            connectionPoolingEnabled = false,
            connectionTimeout = 5000,
            readTimeout = 60000
        },
        scopes = ["hello"]
    }
"#;

/// The seeds' element at this directory, with what its transport needs beside the address.
pub(crate) fn seeds(slapd: &Slapd, transport: Transport) -> String {
    let more: String =
        protection(slapd, transport).into_iter().map(|(key, value)| format!("{key} = {value}, ")).collect();
    SEEDS.replace(
        "connectionUrl = \"ldap://localhost:20000\",",
        &format!("connectionUrl = \"{}\", {more}", slapd.url(transport)),
    )
}

fn protection(slapd: &Slapd, transport: Transport) -> Vec<(&'static str, String)> {
    let secure_socket = ("secureSocket", format!("{{ cert = {:?} }}", slapd.certificate()));
    match transport {
        Transport::Plain => Vec::new(),
        Transport::Ldaps => vec![secure_socket],
        Transport::StartTls => vec![secure_socket, ("startTls", "true".to_owned())],
    }
}

/// An element whose keys a test changes. It admits whoever is known, with connections that are kept and time-outs that a test
/// can wait for.
#[derive(Clone)]
pub(crate) struct Record {
    scopes: String,
    keys: Vec<(String, String)>,
}

impl Record {
    /// Asks this directory as the seeds do.
    pub(crate) fn of(slapd: &Slapd, transport: Transport) -> Self {
        let mut record = Self::at(&slapd.url(transport));
        for (key, value) in protection(slapd, transport) {
            record = record.set(key, value);
        }
        record
    }

    /// Asks the directory at this URL as the seeds do.
    pub(crate) fn at(url: &str) -> Self {
        let record = Self { scopes: "*".to_owned(), keys: Vec::new() };
        [
            ("domainName", "ballerina.io"),
            ("connectionUrl", url),
            ("connectionName", "uid=admin,ou=system"),
            ("connectionPassword", "secret"),
            ("userSearchBase", "ou=Users,dc=ballerina,dc=io"),
            ("userNameAttribute", "uid"),
            ("userNameSearchFilter", "(&(objectClass=person)(uid=?))"),
            ("userNameListFilter", "(objectClass=person)"),
            ("groupSearchBase", "ou=Groups,dc=ballerina,dc=io"),
            ("groupNameAttribute", "cn"),
            ("groupNameListFilter", "(objectClass=groupOfNames)"),
            ("membershipAttribute", "member"),
        ]
        .into_iter()
        .fold(record, |record, (key, text)| record.text(key, text))
        .set("connectionTimeout", "2")
        .set("readTimeout", "3")
    }

    /// Asks a directory in process, which is filled by [`fill`].
    pub(crate) fn in_process(directory: &TestDirectory) -> Self {
        Self::at(&directory.url()).text("connectionName", SERVICE)
    }

    /// A key with its value as TOML.
    pub(crate) fn set(mut self, key: &str, value: impl Into<String>) -> Self {
        self.keys.retain(|(own, _)| own != key);
        self.keys.push((key.to_owned(), value.into()));
        self
    }

    /// A key whose value is a text.
    pub(crate) fn text(self, key: &str, text: &str) -> Self {
        assert!(!text.contains('\''), "a literal string of TOML");
        self.set(key, format!("'{text}'"))
    }

    /// Trusts the authority in this file.
    pub(crate) fn trusting(self, authority: &Path) -> Self {
        self.set("secureSocket", format!("{{ cert = {authority:?} }}"))
    }

    pub(crate) fn without(mut self, key: &str) -> Self {
        self.keys.retain(|(own, _)| own != key);
        self
    }

    /// Admits only members of this group.
    pub(crate) fn scopes(mut self, scopes: &str) -> Self {
        scopes.clone_into(&mut self.scopes);
        self
    }

    pub(crate) fn element(&self) -> String {
        let keys: String =
            self.keys.iter().map(|(key, value)| format!("        {key} = {value},\n")).collect();
        format!("{{ scopes = \"{}\", ldapUserStoreConfig = {{\n{keys}    }} }}", self.scopes)
    }
}

/// As whom the directory in process is searched; the password is `secret`.
pub(crate) const SERVICE: &str = "cn=service,dc=ballerina,dc=io";

/// The distinguished name of somebody below `ou=Users`.
pub(crate) fn user(name: &str) -> String {
    format!("uid={name},ou=Users,dc=ballerina,dc=io")
}

/// Of a group.
pub(crate) fn group(name: &str) -> String {
    format!("cn={name},ou=Groups,dc=ballerina,dc=io")
}

/// Alice (`alice@123`), who is in `hello` and `admin`, and bob (`bob@123`), who is in none.
pub(crate) fn fill(directory: &TestDirectory) {
    directory.add_user(SERVICE, "secret");
    directory.add_user(&user("alice"), "alice@123");
    directory.add_user(&user("bob"), "bob@123");
    for name in ["hello", "admin"] {
        directory.add_group(&group(name), [user("alice").as_str()]);
    }
}
