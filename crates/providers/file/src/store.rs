use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{Accounts, BuildError, IntoProvider, Provider};

use crate::{
    FileUsers, Hashing,
    user::User,
    verify::{MAX_AGE, Verifier},
};

/// Users that stand in the configuration, or in code. Becomes a provider when an element is built.
///
/// Making one cannot fail; what is wrong with the users is reported, all of it at once, when the element or
/// [`FileUsers`] is built.
///
/// ```
/// use portcullis_core::Auth;
/// use portcullis_file::{FileUserStore, User};
///
/// let users = FileUserStore::new([User::with_password("alice", "123").scopes(["hello"])]);
/// Auth::builder().element(users, "hello").build()?;
///
/// let unusable = FileUserStore::new([User::new("alice", "123"), User::with_password("bob", "")]);
/// let error = Auth::builder().element(unusable, "hello").build().unwrap_err().to_string();
/// assert!(error.contains(r#"user "alice": the password hash is no PHC string"#));
/// assert!(error.contains(r#"user "bob": an empty password"#));
/// # Ok::<(), portcullis_core::BuildError>(())
/// ```
#[must_use]
pub struct FileUserStore {
    users: Vec<User>,
    hashing: Option<Hashing>,
    remember_for: Duration,
    accounts: Accounts,
}

impl FileUserStore {
    /// A store of these users.
    pub fn new(users: impl IntoIterator<Item = User>) -> Self {
        let users = users.into_iter().collect();
        Self { users, hashing: None, remember_for: MAX_AGE, accounts: Accounts::new() }
    }

    /// Where hashes are computed, for stores that share one place. Default: one of its own, [`Hashing::new`].
    pub fn hashing(mut self, hashing: &Hashing) -> Self {
        self.hashing = Some(hashing.clone());
        self
    }

    /// How long a verified credential is remembered, so that its next use costs no hash: 15 minutes at most, which is
    /// the default. Zero remembers nothing.
    pub fn remember_for(mut self, span: Duration) -> Self {
        self.remember_for = span;
        self
    }

    /// Whose accounts its users are to a throttle: those of a store that this one replaces. Default: its own.
    pub const fn accounts(mut self, accounts: Accounts) -> Self {
        self.accounts = accounts;
        self
    }

    /// Builds the provider, for use on its own or for changing its users later.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own: no users, a name that is there twice or that
    /// nobody could send, an empty password, an unusable hash.
    pub fn build(self) -> Result<FileUsers, BuildError> {
        let hashing = self.hashing.unwrap_or_default();
        FileUsers::new(self.users, Verifier::new(hashing, self.remember_for)?, self.accounts)
    }
}

impl IntoProvider for FileUserStore {
    fn into_provider(self) -> Result<Arc<dyn Provider>, BuildError> {
        Ok(Arc::new(self.build()?))
    }
}

impl fmt::Debug for FileUserStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileUserStore")
            .field("users", &self.users)
            .field("hashing", &self.hashing)
            .field("remember_for", &self.remember_for)
            .finish()
    }
}
