//! No two callers' tokens ever cross.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Response, StatusCode};
use portcullis_core::{BoxFuture, Clock, OnBehalfOf, TokenSource, UnixTime};
use portcullis_testing::{Call, ManualClock, TestServer};

use super::{
    super::{
        ExchangeCacheConfig, TokenExchange,
        kept::{Held, Kept, Moment},
    },
    bearer, config, secs, text,
};
use crate::{fixtures::NOW, prf::Digest};

/// Answers with a token that says whose it is, for a second. Some callers are refused, and for some it fails.
fn telling(issued: &AtomicUsize, call: &Call) -> Response<String> {
    let subject = call.parameter("subject_token").unwrap();
    let (status, body) = if subject.ends_with("-refused") {
        (StatusCode::BAD_REQUEST, format!(r#"{{"error":"invalid_grant","error_description":"{subject}"}}"#))
    } else if subject.ends_with("-failing") {
        (StatusCode::INTERNAL_SERVER_ERROR, String::new())
    } else {
        let number = issued.fetch_add(1, Ordering::Relaxed);
        let token = format!("of.{subject}.{number}");
        (StatusCode::OK, format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":1}}"#))
    };
    Response::builder().status(status).body(body).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_calls_at_once_are_each_made_for_their_own_caller() {
    const CALLERS: usize = 50;
    let issued = Arc::new(AtomicUsize::new(0));
    let server = TestServer::start({
        let issued = Arc::clone(&issued);
        move |call| telling(&issued, call).map(Into::into)
    })
    .await;
    let manual = ManualClock::at(NOW);
    let clock: Arc<dyn Clock> = Arc::new(manual.clone());
    let url = format!("{}/token", server.origin());
    // Fewer are kept than there are callers.
    let cache = ExchangeCacheConfig::default().capacity(CALLERS / 2);
    let exchange = TokenExchange::new(config(&url, &clock).cache(cache)).unwrap();

    let mut rounds = 0;
    for round in 0..5 {
        let calls = (0..1_000).map(|number| {
            let number = number % CALLERS;
            // Tokens that begin alike, and end alike.
            let subject = match number % 10 {
                8 => format!("{}-{number}-refused", "x".repeat(64)),
                9 => format!("{}-{number}-failing", "x".repeat(64)),
                _ => format!("{}-{number}-{}", "x".repeat(64), "y".repeat(64)),
            };
            let exchange = exchange.clone();
            tokio::spawn(async move {
                let source = exchange.on_behalf_of(&OnBehalfOf::token(subject.as_str(), None)).unwrap();
                let result = match source.try_token() {
                    Some(token) => Ok(token),
                    None => source.token().await,
                };
                if round == 3
                    && let Ok(token) = &result
                {
                    source.refused(token);
                }
                (subject, result)
            })
        });
        let calls: Vec<_> = calls.collect();
        for call in calls {
            let (subject, result) = call.await.unwrap();
            match result {
                Ok(token) => assert!(text(&token).starts_with(&format!("of.{subject}.")), "{subject}"),
                Err(error) => {
                    assert!(subject.ends_with("-refused") || subject.ends_with("-failing"), "{error}");
                    assert_eq!(error.is_transient(), subject.ends_with("-failing"), "{error}");
                }
            }
        }
        rounds += 1;
        manual.advance(secs(1));
    }
    assert_eq!(rounds, 5);
}

#[tokio::test]
async fn a_thousand_calls_of_a_hundred_callers_at_once_are_a_hundred_exchanges() {
    let issued = Arc::new(AtomicUsize::new(0));
    let server = TestServer::start(move |call| telling(&issued, call).map(Into::into)).await;
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    let url = format!("{}/token", server.origin());
    let exchange = TokenExchange::new(config(&url, &clock)).unwrap();
    let hold = server.hold();
    let calls: Vec<_> = (0..1_000)
        .map(|number| {
            let subject = format!("caller-{}", number % 100);
            let source = exchange.on_behalf_of(&OnBehalfOf::token(subject.as_str(), None)).unwrap();
            tokio::spawn(async move { (subject, source.token().await.unwrap()) })
        })
        .collect();
    server.called(100).await;
    hold.release();
    for call in calls {
        let (subject, token) = call.await.unwrap();
        assert!(text(&token).starts_with(&format!("of.{subject}.")));
    }
    assert_eq!(server.call_count(), 100);
    let asked: HashSet<_> =
        server.calls().iter().map(|call| call.parameter("subject_token").unwrap()).collect();
    assert_eq!(asked.len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_many_threads_too_there_is_one_exchange_for_each_caller() {
    let issued = Arc::new(AtomicUsize::new(0));
    let server = TestServer::start(move |call| telling(&issued, call).map(Into::into)).await;
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    let url = format!("{}/token", server.origin());
    let exchange = TokenExchange::new(config(&url, &clock)).unwrap();
    for caller in 0..20 {
        let calls: Vec<_> = (0..100)
            .map(|_| {
                let subject = OnBehalfOf::token(format!("caller-{caller}"), None);
                let source = exchange.on_behalf_of(&subject).unwrap();
                tokio::spawn(async move { source.token().await.unwrap() })
            })
            .collect();
        let mut given = HashSet::new();
        for call in calls {
            given.insert(text(&call.await.unwrap()));
        }
        assert_eq!(given, HashSet::from([format!("of.caller-{caller}.{caller}")]));
    }
    assert_eq!(server.call_count(), 20);
}

/// A clock that lets something happen when it is looked at for the second time.
#[derive(Debug)]
struct Interrupting {
    manual: ManualClock,
    looks: AtomicUsize,
    happens: Happens,
}

#[derive(Default)]
struct Happens(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl fmt::Debug for Happens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Happens")
    }
}

impl Clock for Interrupting {
    fn now(&self) -> UnixTime {
        self.manual.now()
    }

    fn monotonic(&self) -> Duration {
        if self.looks.fetch_add(1, Ordering::Relaxed) == 1
            && let Some(happens) = self.happens.0.lock().unwrap().take()
        {
            happens();
        }
        self.manual.monotonic()
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        self.manual.sleep(span)
    }
}

#[tokio::test]
async fn a_token_that_comes_while_it_is_looked_for_is_found() {
    let server = TestServer::start(|_| panic!("nothing is asked for")).await;
    let clock = Arc::new(Interrupting {
        manual: ManualClock::at(NOW),
        looks: AtomicUsize::new(0),
        happens: Happens::default(),
    });
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let exchange = TokenExchange::new(config(&format!("{}/token", server.origin()), &shared)).unwrap();
    *clock.happens.0.lock().unwrap() = Some(Box::new({
        let exchange = exchange.clone();
        move || {
            let now = Moment { civil: NOW, monotonic: secs(0) };
            exchange.kept().put(&exchange.digest_of("one"), held("meanwhile"), now);
        }
    }));
    let source = exchange.on_behalf_of(&OnBehalfOf::token("one", None)).unwrap();
    assert_eq!(text(&source.token().await.unwrap()), "meanwhile");
    assert_eq!(server.call_count(), 0);
}

/// A token for a minute from the beginning.
fn held(token: &str) -> Held {
    Held {
        token: bearer(token),
        actor: None,
        number: 1,
        renew_at: secs(60),
        good_until: secs(60),
        subject_until: None,
    }
}

#[test]
fn digests_are_compared_whole() {
    let kept = Kept::new(1_000, secs(5));
    let now = Moment { civil: NOW, monotonic: secs(0) };
    // Alike but for one byte, each time another one.
    let digest = |number: usize| {
        let mut bytes = [7; 32];
        bytes[number] ^= 1;
        Digest::from_bytes(bytes)
    };
    for number in 0..32 {
        kept.put(&digest(number), held(&format!("token-{number}")), now);
    }
    for number in 0..32 {
        let found = kept.get(&digest(number), None, now).unwrap();
        assert_eq!(text(&found.token), format!("token-{number}"));
    }
    assert!(kept.get(&Digest::from_bytes([7; 32]), None, now).is_none());
    assert!(kept.get(&digest(0), Some(digest(1)), now).is_none(), "nor is another actor's");
}
