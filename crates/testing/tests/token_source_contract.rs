//! The suite for sources of tokens: a source that keeps the contract passes, and each way to break it is found.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use portcullis_core::{Authorization, BoxFuture, OnBehalfOf, Probe, Scheme, Secret, TokenError, TokenSource};
use portcullis_testing::contract::{SourceCase, token_source_keeps_its_contract};

const CANARY: &str = "canary-7f3a";

fn fixed(source: Authorization, scheme: Scheme) -> SourceCase {
    let secrets = vec![CANARY.to_owned()];
    SourceCase { source: Arc::new(source), scheme, renews: false, subject: None, requests: None, secrets }
}

#[tokio::test]
async fn fixed_credentials_keep_the_contract() {
    let secret = Secret::new(CANARY);
    token_source_keeps_its_contract(fixed(Authorization::bearer(&secret).unwrap(), Scheme::Bearer)).await;
    token_source_keeps_its_contract(fixed(Authorization::basic("tom", &secret).unwrap(), Scheme::Basic))
        .await;
}

/// What a source does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Nothing,
    ForgetsOnForeignNews,
    NothingAtOnce,
    AsksForEveryCaller,
    AsksAtEveryRefusal,
    TellsItsSecret,
    ServesWithoutSubject,
}

struct Counting {
    wrong: Wrong,
    number: AtomicUsize,
    refused: AtomicUsize,
    asked: Arc<AtomicUsize>,
    for_somebody: bool,
}

impl Counting {
    fn new(wrong: Wrong, asked: &Arc<AtomicUsize>, for_somebody: bool) -> Self {
        Self {
            wrong,
            number: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            asked: Arc::clone(asked),
            for_somebody,
        }
    }

    fn ask(&self) -> usize {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.number.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn current(&self) -> Authorization {
        let number = self.number.load(Ordering::SeqCst);
        Authorization::bearer(&Secret::new(format!("some-token-{number}"))).unwrap()
    }
}

impl TokenSource for Counting {
    fn try_token(&self) -> Option<Authorization> {
        let held = self.number.load(Ordering::SeqCst) > 0;
        (held && self.for_somebody && self.wrong != Wrong::NothingAtOnce).then(|| self.current())
    }

    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        Box::pin(async move {
            if !self.for_somebody && self.wrong != Wrong::ServesWithoutSubject {
                return Err(TokenError::permanent("on nobody's behalf"));
            }
            if self.number.load(Ordering::SeqCst) == 0 || self.wrong == Wrong::AsksForEveryCaller {
                self.ask();
            }
            Ok(self.current())
        })
    }

    fn refused(&self, token: &Authorization) -> bool {
        if *token != self.current() {
            if self.wrong == Wrong::ForgetsOnForeignNews {
                self.ask();
            }
            return true;
        }
        let first = self.refused.fetch_add(1, Ordering::SeqCst) == 0;
        if first || self.wrong == Wrong::AsksAtEveryRefusal {
            self.ask();
            return true;
        }
        false
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        let url = "https://idp.example/token";
        Box::pin(std::future::ready(vec![Probe::new(
            "token",
            url,
            std::time::Duration::ZERO,
            Ok("good".into()),
        )]))
    }

    fn on_behalf_of(&self, _: &OnBehalfOf) -> Option<Arc<dyn TokenSource>> {
        Some(Arc::new(Self::new(self.wrong, &self.asked, true)))
    }
}

impl fmt::Debug for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.wrong == Wrong::TellsItsSecret { CANARY } else { "Counting" })
    }
}

fn counting(wrong: Wrong, for_somebody: bool) -> SourceCase {
    let asked = Arc::new(AtomicUsize::new(0));
    let source = Arc::new(Counting::new(wrong, &asked, !for_somebody));
    let subject = for_somebody.then(|| OnBehalfOf::token("alice-token", None));
    let requests: Box<dyn Fn() -> usize + Send + Sync> = Box::new(move || asked.load(Ordering::SeqCst));
    SourceCase {
        source,
        scheme: Scheme::Bearer,
        renews: true,
        subject,
        requests: Some(requests),
        secrets: vec![CANARY.to_owned()],
    }
}

#[tokio::test]
async fn a_source_that_keeps_the_contract_passes() {
    token_source_keeps_its_contract(counting(Wrong::Nothing, false)).await;
    token_source_keeps_its_contract(counting(Wrong::Nothing, true)).await;
}

#[tokio::test]
async fn each_way_to_break_the_contract_is_found() {
    for (wrong, for_somebody, says) in [
        (Wrong::ForgetsOnForeignNews, false, "without waiting the same token is given"),
        (Wrong::NothingAtOnce, false, "is given without waiting"),
        (Wrong::AsksForEveryCaller, false, "whoever waits is given the same token"),
        (Wrong::AsksAtEveryRefusal, false, "a moment later nothing is asked for again"),
        (Wrong::TellsItsSecret, false, "a secret shows"),
        (Wrong::ServesWithoutSubject, true, "without a subject there is no token"),
    ] {
        let failed = tokio::spawn(token_source_keeps_its_contract(counting(wrong, for_somebody))).await;
        let panic = failed.expect_err("it breaks the contract").into_panic();
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap();
        assert!(text.contains(says), "{wrong:?}: {text}");
    }
}
