//! What the configuration says, in the form in which it is used.

use std::{fmt, time::Duration};

use ldap3::asn1::Tag;
use portcullis_core::{Accounts, Secret};

use crate::{config::url::ServerUrl, dn::Dn, filter::Template};

/// A configuration without a mistake.
pub(crate) struct Settings {
    pub(crate) domain: String,
    pub(crate) urls: Vec<ServerUrl>,
    /// Whose the users are to those who count guesses at them.
    pub(crate) accounts: Accounts,
    pub(crate) service_name: String,
    pub(crate) service_password: Secret,
    /// In the order in which they are tried.
    pub(crate) user_bases: Vec<String>,
    pub(crate) user_filter: Template,
    pub(crate) user_list: Option<Tag>,
    pub(crate) user_name: String,
    pub(crate) groups: Groups,
    pub(crate) roles_max_age: Option<Duration>,
    pub(crate) pooling: bool,
    pub(crate) max_connections: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) connection_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) credential_max_age: Option<Duration>,
    pub(crate) start_tls: bool,
}

/// How groups are found.
pub(crate) struct Groups {
    /// Where they stand; each with its name taken apart.
    pub(crate) bases: Vec<(String, Dn)>,
    pub(crate) list: Option<Tag>,
    pub(crate) by_name: Option<Template>,
    pub(crate) name: String,
    pub(crate) membership: Option<String>,
    /// The attribute of users that names their groups, instead of a search.
    pub(crate) user_membership: Option<String>,
    pub(crate) nested: bool,
}

impl Groups {
    /// Whether groups can be searched by what they hold.
    pub(crate) fn searchable(&self) -> Option<&str> {
        self.membership.as_deref().filter(|_| !self.bases.is_empty())
    }
}

impl Settings {
    /// The longest that a login may take, whatever happens.
    pub(crate) const fn patience(&self) -> Duration {
        self.connection_timeout.saturating_add(self.read_timeout)
    }

    /// What a search tells the server of its time, in seconds.
    pub(crate) fn time_limit(&self) -> u32 {
        let begun = u64::from(self.read_timeout.subsec_nanos() > 0);
        let seconds = self.read_timeout.as_secs().saturating_add(begun);
        u32::try_from(seconds).unwrap_or(u32::MAX).min(i32::MAX as u32)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("domain", &self.domain)
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LdapConfig;

    /// RFC 4511 §4.5.1.5: 0 is no limit, and 2^31 - 1 the longest.
    #[test]
    fn a_server_is_told_of_whole_seconds_and_never_of_none() {
        for (span, seconds) in [
            (Duration::from_nanos(1), 1),
            (Duration::from_secs(1), 1),
            (Duration::from_millis(1_001), 2),
            (Duration::from_secs(60), 60),
            (Duration::from_millis(60_500), 61),
            (Duration::from_secs(u64::from(u32::MAX)), 0x7fff_ffff),
            (Duration::MAX, 0x7fff_ffff),
        ] {
            let config = LdapConfig::new("ldap://localhost")
                .domain_name("x")
                .service("cn=a", "p")
                .user_search_base(["dc=x"])
                .user_name_attribute("uid")
                .user_name_search_filter("(uid=?)")
                .read_timeout(span);
            assert_eq!(config.settings().unwrap().time_limit(), seconds, "{span:?}");
        }
    }
}
