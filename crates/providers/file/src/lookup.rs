//! Users that stand elsewhere: one look-up to implement, the rest is the file user store's.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use portcullis_core::{
    Basic, BoxFuture, BuildError, Context, Credential, Identity, IntoProvider, Outcome, Provider, QueueState,
    Reason, Refusal, Scheme, Secret, Unavailable,
};
use serde_json::{Map, Value};

use crate::{
    Hashing,
    hash::{Parameters, PasswordHash, RECOMMENDED},
    refusal,
    user::Password,
    verify::{Finding, MAX_AGE, Stored, Verifier},
};

/// Finds a user by name: in a database, a key-value store, another service.
///
/// Who implements it gets what the file user store has: hashing off the async threads, bounded and fair, equal cost
/// for users who do not exist, and remembered verifications.
///
/// The user is looked up for every request, also where the password is remembered: a changed password, changed
/// scopes and a removed user hold at once. Cache look-ups in the store if they are dear, for as long as old answers
/// may be believed.
///
/// Where the service has a throttle, guesses at a user are counted by the name in the record too, so that a store that
/// finds users by several spellings does not give each of them guesses of its own. An error about one name alone, such as one that
/// the database cannot encode, is no outage: answer `None`, or say [`Reason::UnusableAnswer`](portcullis_core::Reason::UnusableAnswer).
///
/// ```
/// use std::collections::HashMap;
/// use portcullis_core::{Auth, BoxFuture, Unavailable};
/// use portcullis_file::{StoredUsers, UserRecord, UserStore};
///
/// #[derive(Debug)]
/// struct Table(HashMap<String, String>);
///
/// impl UserStore for Table {
///     fn lookup<'a>(&'a self, username: &'a str) -> BoxFuture<'a, Result<Option<UserRecord>, Unavailable>> {
///         Box::pin(async move {
///             Ok(self.0.get(username).map(|hash| UserRecord::new(username, hash).scopes(["hello"])))
///         })
///     }
/// }
///
/// let table = Table(HashMap::from([("alice".to_owned(), portcullis_file::hash_password("123"))]));
/// Auth::builder().element(StoredUsers::new(table), "hello").build()?;
/// # Ok::<(), portcullis_core::BuildError>(())
/// ```
pub trait UserStore: fmt::Debug + Send + Sync + 'static {
    /// The user called `username`; `None` where there is none.
    ///
    /// `username` is what the caller typed: not empty, without control characters and colons, and otherwise any text.
    /// Bind it as a parameter, never paste it into a query. A store that finds users by another spelling says in the
    /// record how the user is really called.
    ///
    /// Do not block: use an asynchronous client, or `tokio::task::spawn_blocking`. What a look-up costs should not
    /// depend on whether there is such a user.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked. That is answered with 503, never as an unknown user.
    fn lookup<'a>(&'a self, username: &'a str) -> BoxFuture<'a, Result<Option<UserRecord>, Unavailable>>;
}

impl<S: UserStore + ?Sized> UserStore for Arc<S> {
    fn lookup<'a>(&'a self, username: &'a str) -> BoxFuture<'a, Result<Option<UserRecord>, Unavailable>> {
        (**self).lookup(username)
    }
}

/// A user as a [`UserStore`] finds them.
#[derive(Clone)]
#[must_use]
pub struct UserRecord {
    identity: Identity,
    password: Password,
}

impl UserRecord {
    /// A user by the name that the principal will bear, and the hash of the password: see
    /// [`User::new`](crate::User::new). A hash that cannot be used refuses the user, and says why in the log.
    pub fn new(username: impl Into<Box<str>>, password_hash: impl Into<String>) -> Self {
        Self { identity: Identity::new(username), password: Password::Hash(Secret::new(password_hash)) }
    }

    /// A user whose password is stored in clear text.
    pub fn with_password(username: impl Into<Box<str>>, clear_text: impl Into<String>) -> Self {
        Self { identity: Identity::new(username), password: Password::Clear(Secret::new(clear_text)) }
    }

    /// What the user holds.
    pub fn scopes<S: Into<Box<str>>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.identity = self.identity.with_scopes(scopes);
        self
    }

    /// What else is known of the user, for handlers.
    pub fn claims(mut self, claims: Map<String, Value>) -> Self {
        self.identity = self.identity.with_claims(claims);
        self
    }
}

/// Leaves the password out.
impl fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserRecord").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// The users of a [`UserStore`]. Becomes a provider when an element is built.
///
/// # Equal cost
///
/// A refusal costs the same for every name: each kind of hash that the store is known to have (algorithm and
/// parameters), once. Which kinds these are is said with [`StoredUsers::hashed_like`], and learned from the records
/// that are looked up, up to eight. Until the first record is seen, it is what
/// [`hash_password`](crate::hash_password) makes.
#[derive(Debug)]
#[must_use]
pub struct StoredUsers {
    store: Arc<dyn UserStore>,
    kind: &'static str,
    examples: Vec<Secret>,
    hashing: Option<Hashing>,
    remember_for: Duration,
}

impl StoredUsers {
    /// The users that `store` finds.
    pub fn new(store: impl UserStore) -> Self {
        Self {
            store: Arc::new(store),
            kind: "user-store",
            examples: Vec::new(),
            hashing: None,
            remember_for: MAX_AGE,
        }
    }

    /// What kind of provider this is, for logs and the principal. Default `user-store`.
    pub const fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    /// A hash with the parameters that passwords of the store are hashed with: any password's, its parameters alone
    /// count. Say it for each set of parameters where the very first refusals have to cost the same already.
    pub fn hashed_like(mut self, example: impl Into<String>) -> Self {
        self.examples.push(Secret::new(example));
        self
    }

    /// Where hashes are computed, for stores that share one place. Default: one of its own, [`Hashing::new`].
    pub fn hashing(mut self, hashing: &Hashing) -> Self {
        self.hashing = Some(hashing.clone());
        self
    }

    /// How long a verified credential is remembered, so that its next use costs no hash: 15 minutes at most, which is
    /// the default. Zero remembers nothing. The user is looked up all the same.
    pub const fn remember_for(mut self, span: Duration) -> Self {
        self.remember_for = span;
        self
    }

    /// Builds the provider, for use on its own.
    ///
    /// # Errors
    ///
    /// When an example given to [`StoredUsers::hashed_like`] is no usable hash.
    pub fn build(self) -> Result<Arc<dyn Provider>, BuildError> {
        let mut given = Vec::new();
        for example in &self.examples {
            let hash = PasswordHash::parse(example.expose())
                .map_err(|error| BuildError::new(format!("a hash given as an example {error}")))?;
            if !given.contains(&hash.parameters()) {
                given.push(hash.parameters());
            }
        }
        Ok(Arc::new(Found {
            store: self.store,
            kind: self.kind,
            kinds: Kinds::new(given),
            verifier: Verifier::new(self.hashing.unwrap_or_default(), self.remember_for)?,
        }))
    }
}

impl IntoProvider for StoredUsers {
    fn into_provider(self) -> Result<Arc<dyn Provider>, BuildError> {
        self.build()
    }
}

/// The provider.
#[derive(Debug)]
struct Found {
    store: Arc<dyn UserStore>,
    kind: &'static str,
    kinds: Kinds,
    verifier: Verifier,
}

impl Found {
    async fn answer(&self, basic: &Basic, cx: &Context<'_>) -> Outcome {
        if !cx.may_contact() {
            return Unavailable::new("the user store may not be asked").into();
        }
        let found = match self.store.lookup(basic.username()).await {
            Ok(found) => found,
            Err(unavailable) => return unavailable.into(),
        };
        // Guesses at a user are counted together, whatever spelling the store found the user by; and before the memory is asked.
        let account = found.as_ref().and_then(|record| record.identity.subject());
        let held = match account.map(|account| cx.guess().at(account)).transpose() {
            Ok(held) => held,
            Err(unavailable) => return unavailable.into(),
        };
        let outcome = self.verdict(basic, found, cx).await;
        match (held, &outcome) {
            (Some(held), Outcome::Known(_)) => held.right(),
            (Some(held), Outcome::Refused(_)) => held.wrong(),
            (None, _) | (_, Outcome::Unavailable(_)) => {}
        }
        outcome
    }

    /// Whether the password is that of the user who was found.
    async fn verdict(&self, basic: &Basic, found: Option<UserRecord>, cx: &Context<'_>) -> Outcome {
        let credential = self.verifier.prf().credential(basic.pair());
        let mut stored = None;
        let mut refusal = refusal::unknown_user();
        if let Some(UserRecord { password, .. }) = &found {
            refusal = refusal::wrong_password();
            match password {
                Password::Clear(password) => {
                    self.kinds.seen(None);
                    let expected = self.verifier.prf().credential_of(basic.username(), password.expose());
                    // An empty password was refused when the credential was read.
                    if expected == credential {
                        return known(found);
                    }
                }
                Password::Hash(text) => match PasswordHash::parse(text.expose()) {
                    Ok(hash) => {
                        self.kinds.seen(Some(hash.parameters()));
                        let fingerprint = self.verifier.prf().fingerprint(basic.username(), text.expose());
                        stored = Some(Stored { hash: Arc::new(hash), fingerprint });
                    }
                    Err(error) => {
                        refusal = Refusal::new(
                            Reason::UnusableHash,
                            format!("the user cannot log in: the stored password hash {error}"),
                        );
                    }
                },
            }
        }
        if let Some(stored) = &stored
            && self.verifier.verified_against(&credential, cx) == Some(stored.fingerprint)
        {
            return known(found);
        }
        let equalised = self.kinds.equalised();
        match self.verifier.verify(&credential, basic, stored.as_ref(), &equalised, cx).await {
            Err(unavailable) => unavailable.into(),
            Ok(Finding::Right) => {
                if let Some(stored) = &stored {
                    self.verifier.remember(&credential, stored, cx);
                }
                known(found)
            }
            Ok(Finding::Unfit) => refusal::of(Finding::Unfit).into(),
            Ok(Finding::Wrong) => refusal.into(),
        }
    }
}

fn known(found: Option<UserRecord>) -> Outcome {
    match found {
        Some(record) => Outcome::known(record.identity),
        None => refusal::unknown_user().into(),
    }
}

impl Provider for Found {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn scheme(&self) -> Scheme {
        Scheme::Basic
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        (credential.scheme() != Scheme::Basic).then(|| refusal::not_basic().into())
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match credential {
                Credential::Basic(basic) => self.answer(basic, cx).await,
                _ => refusal::not_basic().into(),
            }
        })
    }

    fn queues(&self) -> Vec<QueueState> {
        self.verifier.queues()
    }
}

/// The kinds of hash that a store is known to have.
#[derive(Debug)]
struct Kinds(ArcSwap<Learned>);

#[derive(Debug)]
struct Learned {
    /// Whether anything is known of the store: else a guess stands in.
    something: bool,
    equalised: Arc<[Parameters]>,
}

/// More kinds than a store has after several changes of mind; each costs a computation at every refusal.
const MOST_KINDS: usize = 8;

impl Kinds {
    fn new(given: Vec<Parameters>) -> Self {
        let something = !given.is_empty();
        let equalised = if something { given.into() } else { Arc::from([RECOMMENDED]) };
        Self(ArcSwap::from_pointee(Learned { something, equalised }))
    }

    fn equalised(&self) -> Arc<[Parameters]> {
        Arc::clone(&self.0.load().equalised)
    }

    /// Learns from a record: the kind of its hash, or that its password is clear text.
    fn seen(&self, parameters: Option<Parameters>) {
        let learned = self.0.load();
        let known = parameters.is_none_or(|parameters| learned.equalised.contains(&parameters));
        if learned.something && (known || learned.equalised.len() >= MOST_KINDS) {
            return;
        }
        self.0.rcu(|learned| {
            let mut kinds = if learned.something { learned.equalised.to_vec() } else { Vec::new() };
            if let Some(parameters) = parameters
                && !kinds.contains(&parameters)
                && kinds.len() < MOST_KINDS
            {
                kinds.push(parameters);
            }
            Learned { something: true, equalised: kinds.into() }
        });
    }
}
