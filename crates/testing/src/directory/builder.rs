//! How a directory starts.

use tokio_rustls::TlsAcceptor;

use super::TestDirectory;
use crate::server::TestTls;

/// A directory before it starts. See [`TestDirectory::builder`].
#[derive(Debug, Default)]
#[must_use = "a directory exists once it is started"]
pub struct TestDirectoryBuilder {
    settings: Settings,
    tls: Option<TestTls>,
}

/// What does not change while a directory runs.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) active_directory: bool,
    pub(super) member_of: bool,
    pub(super) allow_anonymous: bool,
    pub(super) allow_unauthenticated_bind: bool,
    pub(super) max_entries: Option<usize>,
    pub(super) max_values: Option<usize>,
    pub(super) controls: Vec<String>,
    pub(super) capabilities: Vec<String>,
    pub(super) ldaps: Option<TlsAcceptor>,
    pub(super) start_tls: Option<TlsAcceptor>,
}

impl TestDirectoryBuilder {
    /// Speaks TLS from the first byte: `ldaps://localhost:PORT`.
    pub fn ldaps(mut self, tls: TestTls) -> Self {
        self.settings.ldaps = Some(tls.acceptor());
        self.tls = Some(tls);
        self
    }

    /// Offers TLS on connections that begin in clear text. Without this the wish for it is refused.
    pub fn start_tls(mut self, tls: TestTls) -> Self {
        self.settings.start_tls = Some(tls.acceptor());
        self.tls = Some(tls);
        self
    }

    /// Does as Active Directory does where it differs from others: it names itself in `supportedCapabilities`, follows chains
    /// of groups by the rule 1.2.840.113556.1.4.1941, tells [`memberOf`](Self::member_of), lets a `userPrincipalName` bind,
    /// takes a bind without a password for nobody's, says `data 52e` beside a wrong password, and answers 1, not 50, to who
    /// searches as nobody.
    pub const fn active_directory(mut self) -> Self {
        self.settings.active_directory = true;
        self.member_of()
    }

    /// Entries tell the groups that name them in `member` or `uniqueMember`: `memberOf`, for who asks for it by name.
    pub const fn member_of(mut self) -> Self {
        self.settings.member_of = true;
        self
    }

    /// Whoever is not bound may search, too. Otherwise he may read what the directory can do, and is refused all else.
    pub const fn allow_anonymous_search(mut self) -> Self {
        self.settings.allow_anonymous = true;
        self
    }

    /// A bind with a name and without a password succeeds, as nobody's: what a guard must not take for a password that
    /// is right (RFC 4513 §5.1.2).
    pub const fn allow_unauthenticated_bind(mut self) -> Self {
        self.settings.allow_unauthenticated_bind = true;
        self
    }

    /// The most entries that a search gives; what finds more is answered with 4 (`sizeLimitExceeded`). Who asks for pages
    /// gets them all, so many at a time.
    pub const fn max_entries(mut self, count: usize) -> Self {
        self.settings.max_entries = Some(count);
        self
    }

    /// The most values of an attribute that are given at once; the rest is asked for as `member;range=1500-*`, as in Active
    /// Directory.
    pub const fn max_values(mut self, count: usize) -> Self {
        self.settings.max_values = Some(count);
        self
    }

    /// Names a control in `supportedControl`. That of pages is there.
    pub fn supported_control(mut self, oid: impl Into<String>) -> Self {
        self.settings.controls.push(oid.into());
        self
    }

    /// Names a capability in `supportedCapabilities`.
    pub fn supported_capability(mut self, oid: impl Into<String>) -> Self {
        self.settings.capabilities.push(oid.into());
        self
    }

    /// Starts it, empty.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start(self) -> TestDirectory {
        TestDirectory::with(self.settings, self.tls).await
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("active_directory", &self.active_directory)
            .field("ldaps", &self.ldaps.is_some())
            .field("start_tls", &self.start_tls.is_some())
            .finish_non_exhaustive()
    }
}
