//! Tokens that expire and a server that changes its mind.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use portcullis_core::{
    Auth, AuthBuilder, BoxFuture, Context, Credential, Identity, Outcome, Provider, Reason, Scheme,
    Unavailable, UnixTime,
};
use portcullis_testing::ManualClock;

/// When all clocks start.
pub(crate) const START: UnixTime = UnixTime::from_secs(1_000_000);

/// How long the token `good` lives.
pub(crate) const LIFETIME: Duration = Duration::from_secs(60);

pub(crate) fn clock() -> ManualClock {
    ManualClock::at(START)
}

/// A server that vouches for tokens: `good` expires after [`LIFETIME`], `lasting` never; `poor` holds no scope.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens(Arc<Server>);

#[derive(Debug, Default)]
struct Server {
    mood: Mutex<Mood>,
    asked: AtomicUsize,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Mood {
    #[default]
    Good,
    Revoked,
    Away,
}

impl Tokens {
    pub(crate) fn set(&self, mood: Mood) {
        *self.0.mood.lock().unwrap() = mood;
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(SeqCst)
    }

    /// A service at `/` for those who hold the scope `feed`.
    pub(crate) fn guard(&self, clock: &ManualClock) -> AuthBuilder {
        Auth::builder().path("/").clock(Arc::new(clock.clone())).element(self.clone(), "feed")
    }
}

impl Provider for Tokens {
    fn kind(&self) -> &'static str {
        "tokens"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        self.0.asked.fetch_add(1, SeqCst);
        let Credential::Bearer(bearer) = credential else { panic!("only bearer tokens come here") };
        Some(match (*self.0.mood.lock().unwrap(), bearer.token()) {
            (Mood::Away, _) => Unavailable::new("the server is away").into(),
            (Mood::Good, "good") => Outcome::known(
                Identity::new("good").with_scopes(["feed"]).with_expiry(START.saturating_add(LIFETIME)),
            ),
            (Mood::Good, "lasting") => Outcome::known(Identity::new("lasting").with_scopes(["feed"])),
            (Mood::Good, "poor") => Outcome::known(Identity::new("poor")),
            _ => Outcome::refused(Reason::Other, "nobody knows the token"),
        })
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        let outcome = self.try_authenticate(credential, cx);
        Box::pin(async move { outcome.unwrap() })
    }

    fn can_revoke(&self) -> bool {
        true
    }
}
