//! The suite for providers: one that keeps the contract passes, and each way to remember wrongly is found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::HeaderValue;
use portcullis_core::{
    BoxFuture, Context, Credential, Identity, Outcome, Provider, Reason, Recall, Scheme, Unavailable,
    UnixTime,
};
use portcullis_testing::{
    ManualClock,
    contract::{Case, provider_keeps_its_contract},
};
use tokio::task::JoinError;

const TOKEN: &str = "2YotnFZFEjr1zCsicMWpAA";

/// How a provider remembers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Well,
    NotAtAll,
    WithRefusals,
    BeforeAnybodyWasLetIn,
    ByTheFirstBytes,
    ByTheTextBeforeAComma,
    ByTrimmedText,
    ByTextWithoutCase,
    WhileExplaining,
    WhenAskedAfresh,
    FromExplanations,
    AsSomebodyElse,
    EverybodyAsRefused,
    OutagesOfTheRefused,
    UntilAskedAboutAnother,
}

#[derive(Debug)]
struct Remembers {
    how: How,
    seen: AtomicBool,
}

impl Remembers {
    fn is_it(&self, text: &[u8]) -> bool {
        let token = TOKEN.as_bytes();
        match self.how {
            How::ByTheFirstBytes => text.starts_with(token.split_at(16).0),
            How::ByTheTextBeforeAComma => text.split(|byte| *byte == b',').next() == Some(token),
            How::ByTrimmedText => text.trim_ascii() == token,
            How::ByTextWithoutCase => text.eq_ignore_ascii_case(token),
            _ => text == token,
        }
    }
}

impl Provider for Remembers {
    fn kind(&self) -> &'static str {
        "remembers"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn recall(&self, text: &[u8], cx: &Context<'_>) -> Recall {
        let may = match self.how {
            How::NotAtAll => return Recall::Unasked,
            How::WhileExplaining => cx.may_recall() || !cx.may_remember(),
            How::WhenAskedAfresh => cx.may_recall() || cx.may_remember(),
            _ => cx.may_recall(),
        };
        if !may {
            return Recall::Nothing;
        }
        if !self.is_it(text) {
            if self.how == How::UntilAskedAboutAnother {
                self.seen.store(false, Ordering::SeqCst);
            }
            return match self.how {
                How::WithRefusals if text == b"bad" => refused().into_recall(),
                How::EverybodyAsRefused => refused().into_recall(),
                How::OutagesOfTheRefused if text == b"bad" => Unavailable::new("away").into_recall(),
                _ => Recall::Nothing,
            };
        }
        let seen = self.seen.load(Ordering::SeqCst) || self.how == How::BeforeAnybodyWasLetIn;
        let subject = if self.how == How::AsSomebodyElse { "bob" } else { "alice" };
        Recall::found(seen.then(|| Outcome::known(Identity::new(subject))))
    }

    fn try_authenticate(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        let Credential::Bearer(bearer) = credential else { return Some(refused()) };
        if bearer.token() != TOKEN {
            return Some(refused());
        }
        if cx.may_remember() || self.how == How::FromExplanations {
            self.seen.store(true, Ordering::SeqCst);
        }
        Some(Outcome::known(Identity::new("alice")))
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async { self.try_authenticate(credential, cx).unwrap() })
    }
}

trait IntoRecall {
    fn into_recall(self) -> Recall;
}

impl<O: Into<Outcome>> IntoRecall for O {
    fn into_recall(self) -> Recall {
        Recall::Answer(self.into())
    }
}

fn refused() -> Outcome {
    Outcome::refused(Reason::Other, "not the one")
}

/// What the suite says of such a provider, of which it is told that it `recalls`.
async fn judged(how: How, recalls: bool) -> Result<(), String> {
    let case = Case {
        provider: Arc::new(Remembers { how, seen: AtomicBool::new(false) }),
        good: HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap(),
        subject: "alice",
        bad: vec![HeaderValue::from_static("Bearer bad")],
        recalls,
        clock: Arc::new(ManualClock::at(UnixTime::from_secs(1_000_000))),
    };
    let panicked = |error: JoinError| *error.into_panic().downcast::<String>().unwrap();
    tokio::spawn(provider_keeps_its_contract(case)).await.map_err(panicked)
}

#[tokio::test]
async fn whoever_remembers_well_or_not_at_all_keeps_the_contract() {
    assert_eq!(judged(How::Well, true).await, Ok(()));
    assert_eq!(judged(How::NotAtAll, false).await, Ok(()));
    assert_eq!(judged(How::WithRefusals, true).await, Ok(()));
    // As a store does to which every password is known from the beginning.
    assert_eq!(judged(How::BeforeAnybodyWasLetIn, true).await, Ok(()));
}

#[tokio::test]
async fn each_way_to_remember_wrongly_is_found() {
    for (how, recalls, says) in [
        (How::NotAtAll, true, "whether who was let in is remembered"),
        (How::Well, false, "whether who was let in is remembered"),
        (How::ByTheFirstBytes, true, "nobody was asked about"),
        (How::ByTheTextBeforeAComma, true, "nobody was asked about"),
        (How::ByTrimmedText, true, "nobody was asked about"),
        (How::ByTextWithoutCase, true, "nobody was asked about"),
        (How::EverybodyAsRefused, true, "nobody was asked about"),
        (How::WhileExplaining, true, "memory is no answer where it may not recall"),
        (How::WhenAskedAfresh, true, "memory is no answer where it may not recall"),
        (How::FromExplanations, true, "explaining changes nothing about what is remembered"),
        (How::AsSomebodyElse, true, "who is remembered is who was let in"),
        (How::OutagesOfTheRefused, true, "of what was refused at most that is remembered"),
        (How::UntilAskedAboutAnother, true, "questions about others change nothing"),
    ] {
        let said = judged(how, recalls).await.expect_err("the contract is broken");
        assert!(said.contains(says), "{how:?}: {said}");
    }
}
