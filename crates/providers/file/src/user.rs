use std::{fmt, sync::Arc};

use portcullis_core::Secret;

use crate::hash::PasswordHash;

/// A user of the file user store: a name, a password, scopes.
///
/// Names are compared byte by byte. `Zoë` written with one code point and `Zoë` written with two are two users, as
/// are `alice` and `Alice`: whatever looks alike and is not equal is not let in.
///
/// ```
/// use portcullis_file::User;
///
/// let alice = User::new("alice", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$Zm9yIHRoZSBkb2Nz").scopes(["hello"]);
/// let bob = User::with_password("bob", "bob@123").scopes(["hello", "admin"]);
/// assert_eq!(format!("{bob:?}"), r#"User { username: "bob", scopes: ["hello", "admin"], .. }"#);
/// # let _ = alice;
/// ```
#[derive(Clone)]
#[must_use]
pub struct User {
    pub(crate) username: String,
    pub(crate) password: Password,
    pub(crate) scopes: Vec<String>,
    /// Whether whoever configured it was told already that its password is clear text.
    pub(crate) told: bool,
    /// The hash, where it was read already.
    pub(crate) hash: Option<Arc<PasswordHash>>,
}

#[derive(Clone)]
pub(crate) enum Password {
    /// A PHC string or bcrypt's own format, not read yet.
    Hash(Secret),
    Clear(Secret),
}

impl User {
    /// A user whose password is known by its hash: argon2id, scrypt, pbkdf2-sha256 or pbkdf2-sha512 as a PHC string,
    /// or bcrypt as `$2b$…`. [`hash_password`](crate::hash_password) makes one. The hash is read when the store is
    /// built, and what is wrong is reported then.
    pub fn new(username: impl Into<String>, password_hash: impl Into<String>) -> Self {
        Self::with(username.into(), Password::Hash(Secret::new(password_hash)))
    }

    /// A user whose password stands in clear text, as in Ballerina's configuration. Building the store warns.
    pub fn with_password(username: impl Into<String>, clear_text: impl Into<String>) -> Self {
        Self::with(username.into(), Password::Clear(Secret::new(clear_text)))
    }

    pub(crate) const fn with(username: String, password: Password) -> Self {
        Self { username, password, scopes: Vec::new(), told: false, hash: None }
    }

    /// What the user holds, instead of what was given before.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// The user's name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }
}

/// Leaves the password out.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("username", &self.username)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// What makes a user unusable under this name: nobody could ever log in with it, or somebody else could.
pub(crate) fn username_problem(username: &str) -> Option<&'static str> {
    if username.is_empty() {
        Some("an empty user name is refused wherever it comes from: name the user")
    } else if username.contains(':') {
        // RFC 7617 §2: the first colon ends the user-id.
        Some("a user name cannot hold a colon: Basic authentication ends the name there")
    } else if username.contains(char::is_control) {
        Some("a user name cannot hold control characters: Basic authentication refuses them")
    } else if username.trim() != username {
        Some("a user name cannot begin or end with white space: remove it")
    } else {
        None
    }
}

/// What makes a clear-text password unusable. Says nothing of the password.
pub(crate) fn password_problem(password: &str) -> Option<&'static str> {
    if password.is_empty() {
        Some("an empty password protects nothing: set one")
    } else if password.contains(char::is_control) {
        Some("a password cannot hold control characters: Basic authentication refuses them")
    } else {
        None
    }
}

/// What makes scopes unusable.
pub(crate) fn scopes_problem(scopes: &[String]) -> Option<&'static str> {
    scopes.iter().any(String::is_empty).then_some("an empty scope can never be asked for: remove it")
}

impl Password {
    pub(crate) const fn is_clear(&self) -> bool {
        matches!(self, Self::Clear(_))
    }
}
