//! `ldapUserStoreConfig` read from a configuration.

use std::time::Duration;

use portcullis_core::{
    Secret,
    config::{Section, Value},
};
use portcullis_keys::config::read_trust_anchors;

use crate::config::LdapConfig;

/// Longer than this nobody waits: the seed's sample writes milliseconds where seconds are meant.
const LONG: Duration = Duration::from_secs(300);

impl LdapConfig {
    /// Reads an `ldapUserStoreConfig`. Notes all that is wrong at its place, and answers `None` if anything is.
    #[must_use]
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let mut config = Self::new(section.string("connectionUrl").unwrap_or_default());
        let text = |key| section.string(key).unwrap_or_default();
        config.domain_name = text("domainName");
        config.service_name = text("connectionName");
        config.service_password = section.secret("connectionPassword").unwrap_or_else(|| Secret::new(""));
        config.user_search_base = bases(section, "userSearchBase", true);
        config.user_name_attribute = text("userNameAttribute");
        config.user_name_search_filter = text("userNameSearchFilter");
        config.user_name_list_filter = section.string("userNameListFilter");
        config.group_search_base = bases(section, "groupSearchBase", false);
        config.group_name_attribute = section.string("groupNameAttribute");
        config.group_name_search_filter = section.string("groupNameSearchFilter");
        config.group_name_list_filter = section.string("groupNameListFilter");
        config.membership_attribute = section.string("membershipAttribute");
        config.user_membership_attribute = section.string("userMembershipAttribute");
        config.nested_groups = section.boolean("nestedGroups", false);
        for key in ["userEntryObjectClass", "groupEntryObjectClass"] {
            section.string(key);
            section.accept_unneeded(key, "it says how entries are made, and none is made here");
        }

        let roles_max_age = section.duration("rolesMaxAge");
        if section.boolean("userRolesCacheEnabled", false) {
            config.roles_max_age = Some(roles_max_age.unwrap_or(Duration::from_secs(60)));
        } else if roles_max_age.is_some() {
            section.warn("rolesMaxAge", "has no effect without `userRolesCacheEnabled = true`");
        }
        config.credential_max_age = credential_max_age(section);

        config.pooling = section.boolean("connectionPoolingEnabled", config.pooling);
        if let Some(most) = section.integer("maxConnections", i64::MIN..=i64::MAX) {
            // What is no number of connections is out of bounds, as none is.
            config.max_connections = usize::try_from(most).unwrap_or_default();
        }
        config.idle_timeout = section.duration("idleTimeout").unwrap_or(config.idle_timeout);
        config.connection_timeout = timeout(section, "connectionTimeout", config.connection_timeout);
        config.read_timeout = timeout(section, "readTimeout", config.read_timeout);

        config.start_tls = section.boolean("startTls", false);
        config.allow_insecure_ldap = section.boolean("allowInsecureLdap", false);
        config.trust = trust(section, &config);

        let settings = config.settings();
        for mistake in settings.as_ref().err().into_iter().flatten() {
            mistake.note(section);
        }
        if let Ok(settings) = &settings
            && config.allow_insecure_ldap
            && !config.start_tls
            && settings.urls.iter().any(|url| !url.ldaps && !url.is_loopback())
        {
            section.warn(
                "allowInsecureLdap",
                "passwords go to another machine in clear text: whoever sits between reads them",
            );
        }
        (settings.is_ok() && !section.failed()).then_some(config)
    }
}

/// The search bases at a key: a string, or an array of strings.
fn bases(section: &Section<'_>, key: &str, joined: bool) -> Vec<String> {
    let single = matches!(section.node(key).map(|node| node.value()), Some(Value::String(_)));
    let texts = section.strings(key).unwrap_or_default();
    let parts: Vec<String> = match texts.as_slice() {
        [text] if single && joined => split_joined(text),
        _ => texts,
    };
    parts.into_iter().map(|base| base.trim().to_owned()).collect()
}

/// Several bases joined by `#`. A `#` that is escaped, or begins a value, belongs to a name.
fn split_joined(text: &str) -> Vec<String> {
    let mut bases = vec![String::new()];
    let mut before = '#';
    for character in text.chars() {
        if character == '#' && !matches!(before, '\\' | '=') {
            bases.push(String::new());
        } else if let Some(last) = bases.last_mut() {
            last.push(character);
        }
        before = character;
    }
    bases
}

fn timeout(section: &Section<'_>, key: &str, default: Duration) -> Duration {
    let Some(span) = section.duration(key) else { return default };
    if span > LONG {
        section.warn(key, format!("is {} seconds: a number is seconds, not milliseconds", span.as_secs()));
    }
    span
}

fn credential_max_age(section: &Section<'_>) -> Option<Duration> {
    let cache = section.section("credentialCache")?;
    let max_age = cache.duration("maxAge");
    if max_age.is_none() && !cache.has("maxAge") {
        cache.problem(
            "maxAge",
            "required, and missing: how long a verified credential is remembered, at most \"5m\"",
        );
    }
    max_age
}

fn trust(section: &Section<'_>, config: &LdapConfig) -> Option<portcullis_keys::TrustAnchors> {
    let secure_socket = section.section("secureSocket")?;
    let anchors = read_trust_anchors(&secure_socket, "cert");
    let encrypted = config.start_tls || config.connection_url.to_ascii_lowercase().contains("ldaps://");
    if !encrypted && config.connection_url.contains("://") {
        secure_socket.warn("cert", "is not used: with `ldap://` and without `startTls` nothing is encrypted");
    }
    anchors
}
