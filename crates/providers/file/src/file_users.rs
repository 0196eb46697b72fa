use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use portcullis_core::{
    Accounts, Basic, BoxFuture, BuildError, Context, Credential, Identity, Outcome, Provider, QueueState,
    Recall, Scheme, Unavailable, Vouch,
};

use crate::{
    refusal,
    snapshot::{Record, Snapshot},
    user::User,
    verify::{Digest, Finding, Verifier},
};

/// How often a verification is done again because the users changed under it.
const ROUNDS: usize = 3;

/// The file user store as a provider. Cheap to clone: clones are the same store.
///
/// Built by [`FileUserStore`](crate::FileUserStore). Keep a clone to change the users while the service runs:
///
/// ```
/// use portcullis_core::Auth;
/// use portcullis_file::{FileUserStore, User};
///
/// let users = FileUserStore::new([User::with_password("alice", "123").scopes(["hello"])]).build()?;
/// let auth = Auth::builder().element(users.clone(), "hello").build()?;
/// users.replace([User::with_password("alice", "better").scopes(["hello"])])?;
/// # let _ = auth;
/// # Ok::<(), portcullis_core::BuildError>(())
/// ```
#[derive(Clone)]
pub struct FileUsers(Arc<Inner>);

struct Inner {
    snapshot: ArcSwap<Snapshot>,
    verifier: Verifier,
    accounts: Accounts,
}

impl FileUsers {
    pub(crate) fn new(users: Vec<User>, verifier: Verifier, accounts: Accounts) -> Result<Self, BuildError> {
        let snapshot = ArcSwap::from_pointee(read(users, &verifier)?);
        Ok(Self(Arc::new(Inner { snapshot, verifier, accounts })))
    }

    #[cfg(test)]
    pub(crate) fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    /// Replaces all users, at once and for every request that is decided from now on. Whoever is removed, or has
    /// another password, is refused with the old one even if it was remembered, or is being verified at this moment.
    /// New scopes hold at once. What is remembered of users whose password hash stayed the same stays valid: a
    /// reload does not make everybody's next request cost a hash.
    ///
    /// # Errors
    ///
    /// As [`FileUserStore::build`](crate::FileUserStore::build); the users are then left as they are.
    pub fn replace(&self, users: impl IntoIterator<Item = User>) -> Result<(), BuildError> {
        let snapshot = read(users.into_iter().collect(), &self.0.verifier)?;
        self.0.snapshot.store(Arc::new(snapshot));
        Ok(())
    }
}

fn read(users: Vec<User>, verifier: &Verifier) -> Result<Snapshot, BuildError> {
    let clear = users.iter().filter(|user| user.password.is_clear() && !user.told).count();
    let snapshot = Snapshot::new(users, verifier.prf())?;
    if clear > 0 {
        tracing::warn!(
            target: "portcullis",
            users = clear,
            remedy = "give them password hashes, as `portcullis hash` makes them",
            "users have clear-text passwords"
        );
    }
    if let kinds @ 4.. = snapshot.equalised().len() {
        tracing::warn!(
            target: "portcullis",
            kinds,
            remedy = "hash passwords anew with one set of parameters",
            "every refused password costs one hash of each kind among the users"
        );
    }
    Ok(snapshot)
}

impl Inner {
    /// Whose credential it is, where no hash has to be computed to tell.
    fn known(&self, snapshot: &Snapshot, credential: &Digest, cx: &Context<'_>) -> Option<Arc<Identity>> {
        // What stands in clear text is never verified against a hash.
        let verified = || self.verifier.verified_against(credential, cx);
        let verified = snapshot.has_hashes().then(verified).flatten();
        // Whoever has that hash now: nobody, where password or user are gone.
        let caller = verified.and_then(|hash| snapshot.caller(&hash));
        caller.or_else(|| snapshot.caller(credential)).cloned()
    }

    /// Answers where no hash has to be computed.
    fn at_once(
        &self,
        snapshot: &Snapshot,
        basic: &Basic,
        credential: &Digest,
        cx: &Context<'_>,
    ) -> Option<Outcome> {
        let known = self.known(snapshot, credential, cx).map(Outcome::Known);
        // Nothing to hide behind a hash: no password of this store is hashed.
        let refused = || refused(snapshot.user(basic.username()), Finding::Wrong);
        known.or_else(|| (!snapshot.has_hashes()).then(refused))
    }

    async fn answer(&self, basic: &Basic, cx: &Context<'_>) -> Outcome {
        let credential = self.verifier.prf().credential(basic.pair());
        for _ in 0..ROUNDS {
            let snapshot = self.snapshot.load_full();
            if let Some(outcome) = self.at_once(&snapshot, basic, &credential, cx) {
                return outcome;
            }
            let user = snapshot.user(basic.username());
            let stored = user.and_then(Record::stored);
            let found = self.verifier.verify(&credential, basic, stored, snapshot.equalised(), cx).await;
            // What was found out holds for the users of then. Only what holds for those of now is answered.
            let now = self.snapshot.load();
            let still = now.user(basic.username());
            let unchanged = match (user, still) {
                (Some(then), Some(now)) => then.password == now.password,
                (None, None) => true,
                _ => false,
            };
            match found {
                Err(unavailable) => return unavailable.into(),
                Ok(_) if !unchanged => {}
                Ok(Finding::Right) => {
                    let (Some(stored), Some(still)) = (stored, still) else { break };
                    self.verifier.remember(&credential, stored, cx);
                    return Outcome::Known(Arc::clone(&still.identity));
                }
                Ok(finding) => return refused(user, finding),
            }
        }
        Unavailable::new("the users changed again and again while a password was verified").into()
    }
}

fn refused(user: Option<&Record>, finding: Finding) -> Outcome {
    match user {
        None => refusal::unknown_user(),
        Some(_) => refusal::of(finding),
    }
    .into()
}

impl Provider for FileUsers {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Basic
    }

    fn recall(&self, text: &[u8], cx: &Context<'_>) -> Recall {
        if !cx.may_recall() {
            return Recall::Nothing;
        }
        let Some(credential) = self.0.verifier.prf().shown(text) else { return Recall::Unasked };
        let snapshot = self.0.snapshot.load();
        match self.0.known(&snapshot, &credential, cx) {
            Some(identity) => Recall::Answer(Outcome::Known(identity)),
            None if snapshot.has_hashes() => Recall::Nothing,
            None => Recall::NothingIn(snapshot.number()),
        }
    }

    fn try_authenticate(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        let Credential::Basic(basic) = credential else { return Some(refusal::not_basic().into()) };
        let snapshot = self.0.snapshot.load();
        if snapshot.has_hashes() {
            if !cx.may_recall() {
                return None;
            }
        } else if cx.searched_in() == Some(snapshot.number()) {
            // By the digest of the credential it was found out that it is none of these users', or their passwords'.
            return Some(refused(snapshot.user(basic.username()), Finding::Wrong));
        }
        let digest = self.0.verifier.prf().credential(basic.pair());
        self.0.at_once(&snapshot, basic, &digest, cx)
    }

    fn vouch(&self, identity: &Identity) -> Option<Vouch> {
        let snapshot = self.0.snapshot.load();
        let user = snapshot.user(identity.subject()?)?;
        Some(Vouch::new(Arc::clone(&user.identity), user.mark))
    }

    fn accounts(&self) -> Option<Accounts> {
        Some(self.0.accounts)
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match credential {
                Credential::Basic(basic) => self.0.answer(basic, cx).await,
                _ => refusal::not_basic().into(),
            }
        })
    }

    fn queues(&self) -> Vec<QueueState> {
        self.0.verifier.queues()
    }
}

impl fmt::Debug for FileUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileUsers")
            .field("snapshot", &self.0.snapshot.load())
            .field("verifier", &self.0.verifier)
            .finish()
    }
}
