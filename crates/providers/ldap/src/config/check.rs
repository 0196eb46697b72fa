//! What is wrong with a configuration.

use std::time::Duration;

use ldap3::asn1::Tag;
use portcullis_core::{
    Accounts,
    config::{Section, Value},
};

use crate::{
    config::{
        LdapConfig,
        settings::{Groups, Settings},
        url::ServerUrl,
    },
    dn::Dn,
    filter::{self, Template, is_attribute},
};

/// The longest that a verified credential is remembered.
pub(crate) const MAX_CREDENTIAL_AGE: Duration = Duration::from_secs(5 * 60);

const MAX_CONNECTIONS: usize = 10_000;

impl LdapConfig {
    /// What it says in the form in which it is used; or all that is wrong.
    pub(crate) fn settings(&self) -> Result<Settings, Vec<Mistake>> {
        let mut mistakes = Mistakes::default();
        let urls = self.urls(&mut mistakes);
        for (key, text) in [
            ("domainName", &self.domain_name),
            ("connectionName", &self.service_name),
            ("userNameAttribute", &self.user_name_attribute),
            ("userNameSearchFilter", &self.user_name_search_filter),
        ] {
            mistakes.unless(!text.is_empty(), key, "required, and missing");
        }
        mistakes.unless(
            !self.service_password.is_empty(),
            "connectionPassword",
            "required, and missing: without a password the directory would take the service for nobody",
        );
        mistakes.unless(!self.user_search_base.is_empty(), "userSearchBase", "required, and missing");
        for base in &self.user_search_base {
            mistakes.dn("userSearchBase", base);
        }
        let user_filter = mistakes.template("userNameSearchFilter", &self.user_name_search_filter);
        let user_list = mistakes.filter("userNameListFilter", self.user_name_list_filter.as_deref());
        let groups = self.groups(&mut mistakes);
        mistakes.attribute("userNameAttribute", Some(&self.user_name_attribute));
        for (key, span) in [
            ("connectionTimeout", Some(self.connection_timeout)),
            ("readTimeout", Some(self.read_timeout)),
            ("rolesMaxAge", self.roles_max_age),
            ("credentialCache.maxAge", self.credential_max_age),
        ] {
            mistakes.unless(span != Some(Duration::ZERO), key, "has to be more than zero");
        }
        mistakes.unless(
            self.credential_max_age.is_none_or(|age| age <= MAX_CREDENTIAL_AGE),
            "credentialCache.maxAge",
            "is at most five minutes: for so long a changed password leaves the old one good",
        );
        mistakes.unless(
            (2..=MAX_CONNECTIONS).contains(&self.max_connections),
            "maxConnections",
            "is from 2 to 10000: one connection searches, another is for the binds of users",
        );
        let Some(user_filter) = user_filter.filter(|_| mistakes.0.is_empty()) else {
            return Err(mistakes.0);
        };
        Ok(Settings {
            domain: self.domain_name.clone(),
            accounts: self.accounts(&urls),
            urls,
            service_name: self.service_name.clone(),
            service_password: self.service_password.clone(),
            user_bases: self.user_search_base.clone(),
            user_filter,
            user_list,
            user_name: self.user_name_attribute.clone(),
            groups,
            roles_max_age: self.roles_max_age,
            pooling: self.pooling,
            max_connections: self.max_connections,
            idle_timeout: self.idle_timeout,
            connection_timeout: self.connection_timeout,
            read_timeout: self.read_timeout,
            credential_max_age: self.credential_max_age,
            start_tls: self.start_tls,
        })
    }

    /// The accounts are those of another store where another server is asked, or the same name may find another entry. How
    /// the directory is asked, and what about, makes no other accounts of them.
    fn accounts(&self, urls: &[ServerUrl]) -> Accounts {
        // The order in which they are tried is none of their users.
        let mut urls: Vec<String> = urls.iter().map(|url| url.to_string().to_ascii_lowercase()).collect();
        urls.sort_unstable();
        urls.dedup();
        let urls = urls.join(" ");
        let list = self.user_name_list_filter.as_deref().unwrap_or("");
        let bases = self.user_search_base.iter().map(String::as_str);
        Accounts::of(["ldap", &urls, &self.user_name_search_filter, list].into_iter().chain(bases))
    }

    fn urls(&self, mistakes: &mut Mistakes) -> Vec<ServerUrl> {
        const KEY: &str = "connectionUrl";
        let mut urls = Vec::new();
        for (position, text) in self.connection_url.split_whitespace().enumerate() {
            match ServerUrl::parse(text) {
                Ok(url) => urls.push(url),
                // The text itself is not shown: it may hold a password where none belongs.
                Err(reason) => mistakes.add(KEY, format!("address {} {reason}", position + 1)),
            }
        }
        mistakes.unless(!self.connection_url.trim().is_empty(), KEY, "required, and missing");
        let clear = |url: &&ServerUrl| !url.ldaps && !self.start_tls && !url.is_loopback();
        if let Some(url) = urls.iter().find(clear) {
            if !self.allow_insecure_ldap {
                let text = format!(
                    "{url} is another machine, and on the way there everybody reads the passwords: use `ldaps://` or \
                     `startTls = true`, or say `allowInsecureLdap = true`"
                );
                mistakes.add(KEY, text);
            } else if urls.iter().any(|url| url.ldaps) {
                // Whoever keeps the others from answering would be told the passwords.
                let text = format!(
                    "{url} would be asked in clear text where those with `ldaps://` are away: use one or the other for all"
                );
                mistakes.add(KEY, text);
            }
        }
        if self.start_tls && urls.iter().any(|url| url.ldaps) {
            mistakes
                .add("startTls", "`ldaps://` is TLS from the start: remove `startTls`, or write `ldap://`");
        }
        urls
    }

    fn groups(&self, mistakes: &mut Mistakes) -> Groups {
        let mut bases = Vec::new();
        for base in &self.group_search_base {
            bases.extend(mistakes.dn("groupSearchBase", base).map(|dn| (base.clone(), dn)));
        }
        for (key, attribute) in [
            ("groupNameAttribute", &self.group_name_attribute),
            ("membershipAttribute", &self.membership_attribute),
            ("userMembershipAttribute", &self.user_membership_attribute),
        ] {
            mistakes.attribute(key, attribute.as_deref());
        }
        let found = !self.group_search_base.is_empty() || self.user_membership_attribute.is_some();
        mistakes.unless(
            !found || self.group_name_attribute.is_some(),
            "groupNameAttribute",
            "required, and missing: it says what groups are called",
        );
        let by_search = !self.group_search_base.is_empty() && self.user_membership_attribute.is_none();
        mistakes.unless(
            !by_search || self.membership_attribute.is_some(),
            "membershipAttribute",
            "required, and missing: it says which groups a user is in; or set `userMembershipAttribute`",
        );
        if self.membership_attribute.is_some() && self.group_search_base.is_empty() {
            mistakes.add("groupSearchBase", "required beside `membershipAttribute`, and missing");
        }
        if self.nested_groups {
            mistakes.unless(found, "nestedGroups", "there are no groups to be nested: set `groupSearchBase`");
            let by_uid = self.membership_attribute.as_deref().is_some_and(is_member_uid);
            mistakes.unless(
                !by_uid,
                "nestedGroups",
                "groups with `memberUid` hold users and no groups: remove `nestedGroups`",
            );
        }
        Groups {
            bases,
            list: mistakes.filter("groupNameListFilter", self.group_name_list_filter.as_deref()),
            by_name: self
                .group_name_search_filter
                .as_deref()
                .and_then(|filter| mistakes.template("groupNameSearchFilter", filter)),
            name: self.group_name_attribute.clone().unwrap_or_default(),
            membership: self.membership_attribute.clone(),
            user_membership: self.user_membership_attribute.clone(),
            nested: self.nested_groups,
        }
    }
}

/// Groups of POSIX hold names of users (RFC 2307), all others distinguished names.
pub(crate) fn is_member_uid(attribute: &str) -> bool {
    attribute.eq_ignore_ascii_case("memberUid")
}

/// What is wrong, and at which key.
#[derive(Debug)]
pub(crate) struct Mistake {
    key: &'static str,
    text: String,
}

impl Mistake {
    /// As a line of an error.
    pub(crate) fn line(&self) -> String {
        format!("{}: {}", self.key, self.text)
    }

    /// Notes it at its place, unless what is wrong there was noted when it was read.
    pub(crate) fn note(&self, section: &Section<'_>) {
        let node = |key| section.node(key).map(|node| (node.value(), node.at()));
        if let Some((table, inner)) = self.key.split_once('.') {
            let at = match node(table) {
                Some((Value::Table(table), at)) => table.key_at(inner).or(at),
                _ => None,
            };
            let path = format!("{}.{inner}", section.path_of(table));
            return section.reader().problem(path, at, self.text.as_str());
        }
        match node(self.key) {
            // Present, and not missing: it holds nothing, unless it could not be read, which was noted.
            Some(_) if self.text.starts_with("required") => {
                if !section.failed_at(self.key) {
                    section.problem(self.key, "must not be empty");
                }
            }
            Some((Value::String(text), _)) if text.is_empty() => {
                section.problem(self.key, "must not be empty");
            }
            _ => section.problem(self.key, self.text.as_str()),
        }
    }
}

#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn add(&mut self, key: &'static str, text: impl Into<String>) {
        self.0.push(Mistake { key, text: text.into() });
    }

    fn unless(&mut self, right: bool, key: &'static str, text: &'static str) {
        if !right {
            self.add(key, text);
        }
    }

    fn dn(&mut self, key: &'static str, text: &str) -> Option<Dn> {
        let dn = if text.trim().is_empty() { None } else { Dn::parse(text) };
        if dn.is_none() {
            self.add(key, format!("{text:?} is no distinguished name, as in \"ou=Users,dc=example,dc=org\""));
        }
        dn
    }

    fn attribute(&mut self, key: &'static str, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty() || key != "userNameAttribute")
            && !is_attribute(text)
        {
            self.add(key, format!("{text:?} is no name of an attribute"));
        }
    }

    fn template(&mut self, key: &'static str, text: &str) -> Option<Template> {
        if text.is_empty() && key == "userNameSearchFilter" {
            return None;
        }
        Template::parse(text).map_err(|reason| self.add(key, reason)).ok()
    }

    fn filter(&mut self, key: &'static str, text: Option<&str>) -> Option<Tag> {
        filter::parse(text?).map_err(|reason| self.add(key, reason)).ok()
    }
}
