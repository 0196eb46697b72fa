//! Which directory is asked, and how: `ldapUserStoreConfig` in code.

pub(crate) mod check;
mod read;
pub(crate) mod settings;
pub(crate) mod url;

use std::{fmt, time::Duration};

use portcullis_core::Secret;
use portcullis_keys::TrustAnchors;

/// Which directory is asked about users, and how. Made in code, or read from a section of Config.toml.
///
/// Each setter is a key of `ldapUserStoreConfig`. What has no default must be said, or the store is not built:
/// `domain_name`, `service`, `user_search_base`, `user_name_attribute`, `user_name_search_filter`.
///
/// ```
/// use portcullis_ldap::{LdapConfig, LdapUserStore};
///
/// let config = LdapConfig::new("ldap://localhost:20000")
///     .domain_name("ballerina.io")
///     .service("uid=admin,ou=system", "secret")
///     .user_search_base(["ou=Users,dc=ballerina,dc=io"])
///     .user_name_attribute("uid")
///     .user_name_search_filter("(&(objectClass=person)(uid=?))")
///     .group_search_base(["ou=Groups,dc=ballerina,dc=io"])
///     .group_name_attribute("cn")
///     .group_name_list_filter("(objectClass=groupOfNames)")
///     .membership_attribute("member");
/// LdapUserStore::new(config)?;
/// # Ok::<(), portcullis_core::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct LdapConfig {
    pub(crate) domain_name: String,
    pub(crate) connection_url: String,
    pub(crate) service_name: String,
    pub(crate) service_password: Secret,
    pub(crate) user_search_base: Vec<String>,
    pub(crate) user_name_attribute: String,
    pub(crate) user_name_search_filter: String,
    pub(crate) user_name_list_filter: Option<String>,
    pub(crate) group_search_base: Vec<String>,
    pub(crate) group_name_attribute: Option<String>,
    pub(crate) group_name_search_filter: Option<String>,
    pub(crate) group_name_list_filter: Option<String>,
    pub(crate) membership_attribute: Option<String>,
    pub(crate) user_membership_attribute: Option<String>,
    pub(crate) nested_groups: bool,
    pub(crate) roles_max_age: Option<Duration>,
    pub(crate) pooling: bool,
    pub(crate) max_connections: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) connection_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) trust: Option<TrustAnchors>,
    pub(crate) start_tls: bool,
    pub(crate) credential_max_age: Option<Duration>,
    pub(crate) allow_insecure_ldap: bool,
}

impl LdapConfig {
    /// Asks the directory at `connection_url`: `ldap://host:port` or `ldaps://host:port`. Several, separated by blanks, are
    /// tried in order.
    pub fn new(connection_url: impl Into<String>) -> Self {
        Self {
            domain_name: String::new(),
            connection_url: connection_url.into(),
            service_name: String::new(),
            service_password: Secret::new(""),
            user_search_base: Vec::new(),
            user_name_attribute: String::new(),
            user_name_search_filter: String::new(),
            user_name_list_filter: None,
            group_search_base: Vec::new(),
            group_name_attribute: None,
            group_name_search_filter: None,
            group_name_list_filter: None,
            membership_attribute: None,
            user_membership_attribute: None,
            nested_groups: false,
            roles_max_age: None,
            pooling: true,
            max_connections: 10,
            idle_timeout: Duration::from_secs(300),
            connection_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(60),
            trust: None,
            start_tls: false,
            credential_max_age: None,
            allow_insecure_ldap: false,
        }
    }

    /// What the store is called in logs; the issuer of its principals.
    pub fn domain_name(mut self, name: impl Into<String>) -> Self {
        self.domain_name = name.into();
        self
    }

    /// The entry as which users and groups are searched for, and its password: `connectionName` and
    /// `connectionPassword`.
    pub fn service(mut self, name: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.service_name = name.into();
        self.service_password = password.into();
        self
    }

    /// Below which entries users stand, in the order in which they are looked at. The first that has any entry of the name
    /// decides.
    pub fn user_search_base<S: Into<String>>(mut self, bases: impl IntoIterator<Item = S>) -> Self {
        self.user_search_base = bases.into_iter().map(Into::into).collect();
        self
    }

    /// The attribute that holds the user's name: the principal's name is what stands there, whatever was typed.
    pub fn user_name_attribute(mut self, attribute: impl Into<String>) -> Self {
        self.user_name_attribute = attribute.into();
        self
    }

    /// Finds the user; `?` becomes the escaped name.
    pub fn user_name_search_filter(mut self, filter: impl Into<String>) -> Self {
        self.user_name_search_filter = filter.into();
        self
    }

    /// Which entries are users, for [`Provider::probe`](portcullis_core::Provider::probe).
    pub fn user_name_list_filter(mut self, filter: impl Into<String>) -> Self {
        self.user_name_list_filter = Some(filter.into());
        self
    }

    /// Below which entries groups stand. All of them are searched.
    pub fn group_search_base<S: Into<String>>(mut self, bases: impl IntoIterator<Item = S>) -> Self {
        self.group_search_base = bases.into_iter().map(Into::into).collect();
        self
    }

    /// The attribute that holds the group's name. All its values are scopes.
    pub fn group_name_attribute(mut self, attribute: impl Into<String>) -> Self {
        self.group_name_attribute = Some(attribute.into());
        self
    }

    /// Finds a group by its name, where [`nested_groups`](Self::nested_groups) are walked and users name their groups by
    /// something else than distinguished names; `?` becomes the escaped name.
    pub fn group_name_search_filter(mut self, filter: impl Into<String>) -> Self {
        self.group_name_search_filter = Some(filter.into());
        self
    }

    /// Which entries are groups: narrows every search for them.
    pub fn group_name_list_filter(mut self, filter: impl Into<String>) -> Self {
        self.group_name_list_filter = Some(filter.into());
        self
    }

    /// The attribute of groups that holds the distinguished names of their members, such as `member` or `uniqueMember`;
    /// with `memberUid` it holds their names.
    pub fn membership_attribute(mut self, attribute: impl Into<String>) -> Self {
        self.membership_attribute = Some(attribute.into());
        self
    }

    /// The attribute of users that holds the distinguished names of their groups, such as `memberOf`. Groups are then read
    /// from the user's entry and not searched for, so that [`group_name_list_filter`](Self::group_name_list_filter) does not
    /// narrow them; where there are group search bases, groups elsewhere do not count.
    pub fn user_membership_attribute(mut self, attribute: impl Into<String>) -> Self {
        self.user_membership_attribute = Some(attribute.into());
        self
    }

    /// Groups within groups count. Active Directory follows them by itself; elsewhere they are walked, at most ten deep.
    /// Default off.
    pub const fn nested_groups(mut self, nested: bool) -> Self {
        self.nested_groups = nested;
        self
    }

    /// A user's groups are remembered for so long: `userRolesCacheEnabled` and `rolesMaxAge`. Default: not at all.
    pub const fn remember_roles(mut self, max_age: Duration) -> Self {
        self.roles_max_age = Some(max_age);
        self
    }

    /// Whether connections are used again. Default on. Without, every login opens its own.
    pub const fn pooling(mut self, pooling: bool) -> Self {
        self.pooling = pooling;
        self
    }

    /// How many connections are open at most, at least two: half of them search, half of them are for users' binds. Default
    /// ten.
    pub const fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// A connection that was not used for so long is not used again. Default five minutes; directories and load balancers
    /// drop idle ones, and some do not say so.
    pub const fn idle_timeout(mut self, span: Duration) -> Self {
        self.idle_timeout = span;
        self
    }

    /// How long connecting may take, TLS included, and how long a caller waits for a connection that is free. Default five
    /// seconds.
    pub const fn connection_timeout(mut self, span: Duration) -> Self {
        self.connection_timeout = span;
        self
    }

    /// How long an answer may take. Default a minute. A login as a whole takes no longer than this and the
    /// [connection timeout](Self::connection_timeout) together.
    pub const fn read_timeout(mut self, span: Duration) -> Self {
        self.read_timeout = span;
        self
    }

    /// The certificates that the directory's is checked against: `secureSocket.cert`. Default: those of the system.
    pub fn trust(mut self, anchors: TrustAnchors) -> Self {
        self.trust = Some(anchors);
        self
    }

    /// A plain connection goes over to TLS before anything is sent (RFC 4511 §4.14). Where the server does not do it, nothing
    /// is sent at all.
    pub const fn start_tls(mut self, start_tls: bool) -> Self {
        self.start_tls = start_tls;
        self
    }

    /// A verified credential is remembered for so long, five minutes at most, with the user's name and groups, so that its
    /// next use asks nobody. Default: not at all. For so long a changed password leaves the old one good.
    pub const fn remember_credentials(mut self, max_age: Duration) -> Self {
        self.credential_max_age = Some(max_age);
        self
    }

    /// Passwords may go to another machine in clear text. Whoever sits between reads them.
    pub const fn allow_insecure_ldap(mut self, allow: bool) -> Self {
        self.allow_insecure_ldap = allow;
        self
    }
}

/// Leaves the service's password out.
impl fmt::Debug for LdapConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LdapConfig")
            .field("domain_name", &self.domain_name)
            .field("user_search_base", &self.user_search_base)
            .field("group_search_base", &self.group_search_base)
            .field("max_connections", &self.max_connections)
            .field("start_tls", &self.start_tls)
            .finish_non_exhaustive()
    }
}
