//! Refresh tokens: the newest one, and who is told of it.

use std::{
    error::Error,
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{Either, select},
};
use portcullis_core::{BoxFuture, Clock, Secret};
use tracing::warn;

/// How long a hook may take. It keeps everybody waiting who has no token.
pub(super) const HOOK_MOST: Duration = Duration::from_secs(10);

type Told = Result<(), Box<dyn Error + Send + Sync>>;

/// Is told of each refresh token that comes, to keep it where it outlives the process.
///
/// It is awaited, for 10 s at most, before that token is first used and before the access token that came with it is given
/// to anybody. Where it fails, the failure is logged, the token is used from memory all the same, and the hook is told once
/// more before the token's first use: what is kept elsewhere is out of date then, and may be refused after a restart.
///
/// The text of its error is logged: it must not hold the token.
#[derive(Clone)]
pub struct RotationHook(Arc<dyn Fn(Secret) -> BoxFuture<'static, Told> + Send + Sync>);

impl RotationHook {
    /// `keep` is given the newest refresh token.
    #[must_use]
    pub fn new<F, Fut>(keep: F) -> Self
    where
        F: Fn(Secret) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Told> + Send + 'static,
    {
        Self(Arc::new(move |token| Box::pin(keep(token))))
    }

    /// Tells it, and answers what went wrong.
    async fn tell(&self, token: Secret, clock: &dyn Clock) -> Result<(), String> {
        let telling = AssertUnwindSafe(async { (self.0)(token).await }).catch_unwind();
        let telling = std::pin::pin!(telling);
        match select(telling, clock.sleep(HOOK_MOST)).await {
            Either::Left((Ok(told), _)) => told.map_err(|error| error.to_string()),
            Either::Left((Err(_), _)) => Err("the hook panicked".to_owned()),
            Either::Right(_) => Err(format!("the hook did not end within {HOOK_MOST:?}")),
        }
    }
}

impl fmt::Debug for RotationHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RotationHook").finish_non_exhaustive()
    }
}

/// Gives the hook of a record in a configuration. Plugged into the configuration's reader
/// ([`Reader::plug`](portcullis_core::config::Reader::plug)) by whoever assembles it, since a hook is code.
#[derive(Clone)]
pub struct RotationHooks(Arc<Choose>);

type Choose = dyn Fn(&str) -> Option<RotationHook> + Send + Sync;

impl RotationHooks {
    /// `choose` is given the dotted path of the record, such as `clients.orders.auth`.
    #[must_use]
    pub fn new(choose: impl Fn(&str) -> Option<RotationHook> + Send + Sync + 'static) -> Self {
        Self(Arc::new(choose))
    }

    pub(super) fn of(&self, path: &str) -> Option<RotationHook> {
        (self.0)(path)
    }
}

impl fmt::Debug for RotationHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RotationHooks").finish_non_exhaustive()
    }
}

/// The refresh token of one grant: the newest that came.
pub(super) struct RefreshToken {
    newest: Mutex<Newest>,
    hook: Option<RotationHook>,
    clock: Arc<dyn Clock>,
    /// Somebody configured the first one, and nobody keeps the next.
    matters: AtomicBool,
}

struct Newest {
    token: Option<Secret>,
    /// Whether the hook knows it.
    told: bool,
}

impl RefreshToken {
    /// `configured` is the first one, where somebody has it.
    pub(super) fn new(configured: Option<Secret>, hook: Option<RotationHook>, clock: Arc<dyn Clock>) -> Self {
        let matters = AtomicBool::new(configured.is_some() && hook.is_none());
        Self { newest: Mutex::new(Newest { token: configured, told: true }), hook, clock, matters }
    }

    /// The one to use now. The hook knows it, or was told of it in vain once more.
    pub(super) async fn current(&self, address: &str) -> Option<Secret> {
        let token = self.lock().token.clone()?;
        self.announce(address).await;
        Some(token)
    }

    /// One came. RFC 6749 §6: "The authorization server MAY issue a new refresh token, in which case the client MUST discard
    /// the old refresh token and replace it with the new refresh token."
    pub(super) async fn came(&self, token: Secret, address: &str) {
        {
            let mut newest = self.lock();
            if newest.token.as_ref() == Some(&token) {
                return;
            }
            *newest = Newest { token: Some(token), told: false };
        }
        if self.matters.swap(false, Ordering::Relaxed) {
            warn!(
                target: "portcullis",
                url = address,
                remedy = "keep new ones by a rotation hook, or have the server leave the refresh token as it is",
                "the server replaces the configured refresh token, which it may refuse after a restart"
            );
        }
        self.announce(address).await;
    }

    /// The server refuses this one.
    pub(super) fn forget(&self, token: &Secret) {
        let mut newest = self.lock();
        if newest.token.as_ref() == Some(token) {
            *newest = Newest { token: None, told: true };
        }
    }

    /// Tells the hook what it does not know yet.
    async fn announce(&self, address: &str) {
        let Some(hook) = &self.hook else { return };
        let untold = {
            let newest = self.lock();
            newest.token.clone().filter(|_| !newest.told)
        };
        let Some(token) = untold else { return };
        match hook.tell(token.clone(), &*self.clock).await {
            Ok(()) => {
                let mut newest = self.lock();
                newest.told |= newest.token.as_ref() == Some(&token);
            }
            Err(problem) => warn!(
                target: "portcullis",
                url = address,
                error = problem,
                remedy = "the newest refresh token is used from memory: what is kept elsewhere may be refused after a restart",
                "a refresh token could not be kept"
            ),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let newest = self.lock();
        f.debug_struct("RefreshToken")
            .field("holds", &newest.token.is_some())
            .field("hook", &self.hook)
            .finish_non_exhaustive()
    }
}
