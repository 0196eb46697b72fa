//! A clock whose time passes by itself, and a provider that answers by a script.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
    time::Duration,
};

use portcullis_core::{
    BoxFuture, Clock, Context, Credential, Identity, Outcome, Provider, Reason, Scheme, Unavailable, UnixTime,
};
use tokio::time::Instant;

pub(super) const START: u64 = 1_000_000;
pub(super) const INTERVAL: u64 = 30;
pub(super) const TIMEOUT: u64 = 10;
pub(super) const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// Waits in tokio's time, which is paused and passes when nobody has anything else to do; civil time can be set.
#[derive(Debug)]
pub(super) struct PausedClock {
    pub(super) start: Instant,
    /// Civil time at `start`.
    civil: Mutex<UnixTime>,
}

impl PausedClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), civil: Mutex::new(UnixTime::from_secs(START)) })
    }

    /// Sets civil time, seconds after the test's start.
    pub(super) fn set(&self, seconds: u64) {
        *self.civil.lock().unwrap() =
            UnixTime::from_secs(START + seconds).saturating_sub(self.start.elapsed());
    }
}

impl Clock for PausedClock {
    fn now(&self) -> UnixTime {
        self.civil.lock().unwrap().saturating_add(self.start.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}

#[derive(Clone, Debug)]
pub(super) enum Answer {
    Known(Identity),
    /// Good until the very moment at which it is to be asked again.
    ForOneInterval,
    Refused,
    Away,
    /// Never comes.
    None,
}

/// Gives one answer after the other, and notes when it was asked.
#[derive(Debug)]
pub(super) struct Scripted {
    pub(super) answers: Mutex<VecDeque<Answer>>,
    pub(super) asked: Mutex<Vec<(Duration, String)>>,
    pub(super) at_once: bool,
    pub(super) revokes: bool,
    pub(super) start: Instant,
}

impl Scripted {
    pub(super) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            answers: Mutex::new(answers.into_iter().collect()),
            asked: Mutex::default(),
            at_once: true,
            revokes: true,
            start: Instant::now(),
        }
    }

    fn answer(&self) -> Option<Outcome> {
        match self.answers.lock().unwrap().pop_front().expect("it is not asked more often") {
            Answer::Known(identity) => Some(Outcome::known(identity)),
            Answer::ForOneInterval => {
                let until = Duration::from_secs(START + INTERVAL) + self.start.elapsed();
                Some(Outcome::known(alice().with_expiry(UnixTime::from_duration(until))))
            }
            Answer::Refused => Some(Outcome::refused(Reason::Inactive, "the token is no longer active")),
            Answer::Away => Some(Unavailable::new("away").into()),
            Answer::None => None,
        }
    }

    /// After which spans from the start it was asked again.
    pub(super) fn asked(&self) -> Vec<Duration> {
        self.asked.lock().unwrap().iter().map(|(when, _)| *when).collect()
    }
}

impl Provider for Scripted {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        assert!(cx.may_recall(), "what is asked again takes the whole way");
        if self.at_once { self.answer() } else { None }
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        let Credential::Bearer(bearer) = credential else { panic!("another scheme") };
        if !cx.may_recall() {
            assert!(cx.may_contact() && cx.may_remember());
            assert_eq!(cx.client(), Some(CLIENT));
            let when = self.start.elapsed();
            self.asked.lock().unwrap().push((when, bearer.token().to_owned()));
        }
        Box::pin(async {
            match self.answer() {
                Some(outcome) => outcome,
                None => std::future::pending().await,
            }
        })
    }

    fn can_revoke(&self) -> bool {
        self.revokes
    }
}

pub(super) fn alice() -> Identity {
    Identity::new("alice").with_issuer("https://issuer.example").with_scopes(["hello", "more"])
}

/// Good until so many seconds after the start.
pub(super) fn until(seconds: u64) -> Answer {
    Answer::Known(alice().with_expiry(UnixTime::from_secs(START + seconds)))
}

pub(super) const AWAY: Answer = Answer::Away;
