//! Requests as they came in.

/// A request as it reached a [`TestDirectory`](super::TestDirectory).
///
/// It shows everything that was sent, passwords too: what arrived is what the test is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryRequest {
    /// The connection it came on, the first being 1: what is asked on one connection is not asked on another.
    pub connection: usize,
    /// Whether TLS protected it.
    pub encrypted: bool,
    /// As whom the connection was bound when it came; `None` for nobody.
    pub bound_as: Option<String>,
    /// What was asked for.
    pub operation: DirectoryOperation,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectoryOperation {
    /// A simple bind.
    #[non_exhaustive]
    Bind {
        /// The name, as it was sent.
        dn: String,
        /// The password.
        password: String,
    },
    /// A search.
    #[non_exhaustive]
    Search {
        /// Where it starts.
        base: String,
        /// `base`, `one`, `sub` or `children`.
        scope: &'static str,
        /// The filter in the notation of RFC 4515.
        filter: String,
        /// The attributes that are asked for; none means all.
        attributes: Vec<String>,
        /// The most entries that are wanted; 0 means all.
        size_limit: i32,
        /// The most seconds that it may take; 0 means any.
        time_limit: i32,
    },
    /// The wish for TLS on a connection that has none.
    StartTls,
    /// The end of the connection, as it should be.
    Unbind,
    /// That a request need not be answered.
    Abandon,
    /// Anything else, by its name or its object identifier.
    Other(String),
}

impl DirectoryRequest {
    /// Whether it is a bind.
    #[must_use]
    pub const fn is_bind(&self) -> bool {
        matches!(self.operation, DirectoryOperation::Bind { .. })
    }

    /// Whether it is a search.
    #[must_use]
    pub const fn is_search(&self) -> bool {
        matches!(self.operation, DirectoryOperation::Search { .. })
    }
}
