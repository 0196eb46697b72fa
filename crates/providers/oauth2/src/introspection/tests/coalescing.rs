//! Identical questions at the same time are one call, and not too many are on their way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use portcullis_core::{Contact, Context, Identity, Outcome, Reason, fair::Party};
use portcullis_testing::ManualClock;
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    super::flights::{Asking, Boarding, Flights, Landed, Limits},
    Bench, CacheConfig, TOKEN, ask, code, known, unavailable, until,
};
use crate::{
    fixtures::NOW,
    prf::{Digest, Prf},
};

impl Bench {
    fn spawn(&self, token: &'static str) -> JoinHandle<Outcome> {
        let (provider, clock) = (self.provider.clone(), Arc::clone(&self.clock));
        tokio::spawn(async move { ask(&provider, token, &Context::new(&clock)).await })
    }

    async fn waiting(&self, callers: usize) {
        until("callers that wait", || self.provider.flights.load().1 == callers).await;
    }
}

#[tokio::test]
async fn a_thousand_requests_with_one_new_token_are_one_call() {
    for bench in [Bench::new().await, Bench::remembering().await] {
        let hold = bench.server.hold();
        let callers: Vec<_> = (0..1_000).map(|_| bench.spawn(TOKEN)).collect();
        bench.waiting(1_000).await;
        hold.release();
        for caller in callers {
            assert_eq!(known(caller.await.unwrap()).subject(), Some("alice"));
        }
        assert_eq!(bench.server.call_count(), 1);
        assert_eq!(bench.provider.flights.load(), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_one_call_on_many_threads_too_where_the_answer_is_remembered() {
    let bench = Bench::remembering().await;
    let callers: Vec<_> = (0..1_000).map(|_| bench.spawn(TOKEN)).collect();
    for caller in callers {
        known(caller.await.unwrap());
    }
    assert_eq!(bench.server.call_count(), 1);
}

#[tokio::test]
async fn a_refusal_and_an_outage_are_shared_too() {
    let bench = Bench::new().await;
    let hold = bench.server.hold();
    let callers: Vec<_> = (0..10).map(|_| bench.spawn("unknown")).collect();
    bench.waiting(10).await;
    hold.release();
    for caller in callers {
        assert_eq!(code(caller.await.unwrap()), "inactive");
    }
    let hold = bench.server.hold();
    let callers: Vec<_> = (0..10).map(|_| bench.spawn("unknown")).collect();
    bench.waiting(10).await;
    bench.server.fail_with(http::StatusCode::BAD_GATEWAY);
    hold.release();
    for caller in callers {
        assert!(unavailable(caller.await.unwrap()).contains("answered 502"));
    }
    assert_eq!(bench.server.call_count(), 2);
}

#[tokio::test]
async fn other_tokens_and_other_parameters_are_other_calls() {
    let bench = Bench::new().await;
    let hold = bench.server.hold();
    let first = bench.spawn(TOKEN);
    let second = bench.spawn("other");
    let third = tokio::spawn({
        let (provider, clock) = (bench.provider.clone(), Arc::clone(&bench.clock));
        async move { provider.introspect(TOKEN, &[("a", "b")], &Context::new(&clock)).await }
    });
    bench.server.called(3).await;
    hold.release();
    known(first.await.unwrap());
    assert_eq!(code(second.await.unwrap()), "inactive");
    known(third.await.unwrap());
}

#[tokio::test]
async fn a_caller_that_hangs_up_ends_the_call_for_nobody() {
    let bench = Bench::remembering().await;
    let hold = bench.server.hold();
    let first = bench.spawn(TOKEN);
    bench.server.called(1).await;
    let second = bench.spawn(TOKEN);
    bench.waiting(2).await;
    first.abort();
    bench.waiting(1).await;
    hold.release();
    known(second.await.unwrap());
    assert_eq!(bench.server.call_count(), 1);

    // Nor where it was the only one: whoever comes back finds the answer.
    let hold = bench.server.hold();
    let only = bench.spawn("other");
    bench.server.called(2).await;
    only.abort();
    bench.waiting(0).await;
    assert_eq!(bench.provider.flights.load(), (1, 0));
    hold.release();
    until("the answer to be remembered", || bench.len() == 2).await;
    assert_eq!(bench.code("other").await, "inactive");
    assert_eq!(bench.server.call_count(), 2);
}

#[tokio::test]
async fn who_asks_afresh_joins_nothing_that_was_asked_before() {
    let bench = Bench::remembering().await;
    let hold = bench.server.hold();
    let before = bench.spawn(TOKEN);
    bench.server.called(1).await;
    let afresh = tokio::spawn({
        let (provider, clock) = (bench.provider.clone(), Arc::clone(&bench.clock));
        async move { ask(&provider, TOKEN, &Context::new(&clock).afresh()).await }
    });
    bench.server.called(2).await;
    // Who comes now joins the younger one.
    let after = bench.spawn(TOKEN);
    bench.waiting(3).await;
    hold.release();
    for caller in [before, afresh, after] {
        known(caller.await.unwrap());
    }
    assert_eq!(bench.server.call_count(), 2);
}

#[tokio::test]
async fn nobody_joins_an_explanation_and_it_joins_nobody() {
    let bench = Bench::new().await;
    let hold = bench.server.hold();
    let explain = || {
        let (provider, clock) = (bench.provider.clone(), Arc::clone(&bench.clock));
        tokio::spawn(async move {
            ask(&provider, TOKEN, &Context::new(&clock).explaining(Contact::Allowed)).await
        })
    };
    let first = explain();
    bench.server.called(1).await;
    let second = bench.spawn(TOKEN);
    bench.server.called(2).await;
    let third = explain();
    bench.server.called(3).await;
    hold.release();
    for caller in [first, second, third] {
        known(caller.await.unwrap());
    }
}

#[tokio::test]
async fn who_finds_no_place_is_told_to_come_again_in_a_second() {
    let retry_after = |outcome: Outcome| match outcome {
        Outcome::Unavailable(unavailable) => (unavailable.text().to_owned(), unavailable.retry_after()),
        other => panic!("{other:?}"),
    };
    let second = Some(Duration::from_secs(1));
    let limits = Limits { lookups: 1, at_once: 1, waiting: 2 };
    let bench = Bench::within(limits, |config| config.cache(CacheConfig::default())).await;
    let hold = bench.server.hold();
    let first = bench.spawn(TOKEN);
    bench.server.called(1).await;
    let refused = retry_after(bench.ask("other").await);
    assert_eq!(refused, ("too many tokens are being introspected".to_owned(), second));
    let joined = bench.spawn(TOKEN);
    bench.waiting(2).await;
    let refused = retry_after(bench.ask(TOKEN).await);
    assert_eq!(refused, ("too many callers wait for the introspection of a token".to_owned(), second));
    hold.release();
    known(first.await.unwrap());
    known(joined.await.unwrap());
    until("the place to be free", || bench.provider.flights.load() == (0, 0)).await;
    assert_eq!(bench.code("other").await, "inactive");
}

const LOST_AFTER: Duration = Duration::from_secs(15);

/// A lookup that answers when it is told to.
struct Scripted {
    clock: ManualClock,
    flights: Flights,
    question: Digest,
    kept: Arc<std::sync::Mutex<Vec<&'static str>>>,
}

impl Scripted {
    fn new() -> Self {
        Self::within(Limits::DEFAULT)
    }

    fn within(limits: Limits) -> Self {
        let (clock, question) = (ManualClock::at(NOW), Prf::random().unwrap().question(TOKEN, &[]));
        Self { clock, flights: Flights::new(limits, LOST_AFTER), question, kept: Arc::default() }
    }

    fn asking(&self, boarding: Boarding) -> Asking {
        let clock = Arc::new(self.clock.clone());
        Asking { party: Party::Unknown, question: self.question, boarding, clock }
    }

    /// Begins a lookup of the same question. Its answer is what is sent.
    fn begin(&self, boarding: Boarding) -> (oneshot::Sender<&'static str>, JoinHandle<Outcome>) {
        let (tell, told) = oneshot::channel::<&'static str>();
        let (flights, asking, kept) = (self.flights.clone(), self.asking(boarding), Arc::clone(&self.kept));
        let asking = tokio::spawn(async move {
            let begin = |_| async move {
                let subject = told.await.unwrap();
                Landed { outcome: Outcome::known(Identity::new(subject)), remember: subject }
            };
            let keep = move |_: &Digest, subject| kept.lock().unwrap().push(subject);
            flights.ask(asking, || None, begin, keep).await
        });
        (tell, asking)
    }

    async fn on_their_way(&self, lookups: usize) {
        until("lookups", || self.flights.load().0 == lookups).await;
    }
}

#[tokio::test]
async fn an_older_answer_that_comes_later_is_not_remembered() {
    let scripted = Scripted::new();
    let (tell_older, older) = scripted.begin(Boarding::Join);
    scripted.on_their_way(1).await;
    let (tell_younger, younger) = scripted.begin(Boarding::Afresh);
    scripted.on_their_way(2).await;
    tell_younger.send("younger").unwrap();
    assert_eq!(known(younger.await.unwrap()).subject(), Some("younger"));
    tell_older.send("older").unwrap();
    assert_eq!(known(older.await.unwrap()).subject(), Some("older"));
    assert_eq!(*scripted.kept.lock().unwrap(), ["younger"]);

    // In the other order, too: the older one knows that it was overtaken.
    let scripted = Scripted::new();
    let (tell_older, older) = scripted.begin(Boarding::Join);
    scripted.on_their_way(1).await;
    let (tell_younger, younger) = scripted.begin(Boarding::Afresh);
    scripted.on_their_way(2).await;
    tell_older.send("older").unwrap();
    known(older.await.unwrap());
    tell_younger.send("younger").unwrap();
    known(younger.await.unwrap());
    assert_eq!(*scripted.kept.lock().unwrap(), ["younger"]);
}

#[tokio::test]
async fn one_that_should_have_ended_long_ago_is_joined_by_nobody_and_disturbs_no_newer_one() {
    let scripted = Scripted::new();
    let (tell_older, older) = scripted.begin(Boarding::Join);
    scripted.on_their_way(1).await;
    scripted.clock.advance(LOST_AFTER - Duration::from_millis(1));
    let (_, joining) = scripted.begin(Boarding::Join);
    until("two that wait", || scripted.flights.load() == (1, 2)).await;
    scripted.clock.advance(Duration::from_millis(1));
    let (tell_younger, younger) = scripted.begin(Boarding::Join);
    // The place of the older one is free again.
    until("three that wait", || scripted.flights.load() == (1, 3)).await;
    tell_older.send("older").unwrap();
    for waiting in [older, joining] {
        assert_eq!(known(waiting.await.unwrap()).subject(), Some("older"));
    }
    assert_eq!(scripted.flights.load(), (1, 1));
    let (_, joining) = scripted.begin(Boarding::Join);
    until("two that wait", || scripted.flights.load() == (1, 2)).await;
    tell_younger.send("younger").unwrap();
    for waiting in [younger, joining] {
        assert_eq!(known(waiting.await.unwrap()).subject(), Some("younger"));
    }
    assert_eq!(*scripted.kept.lock().unwrap(), ["younger"]);
    assert_eq!(scripted.flights.load(), (0, 0));
}

#[tokio::test]
async fn one_that_waited_for_its_turn_has_all_its_time_from_then_on_and_no_more() {
    let scripted = Scripted::within(Limits { lookups: 2, at_once: 1, waiting: 10 });
    let (tell_first, first) = scripted.begin(Boarding::Alone);
    scripted.on_their_way(1).await;
    let (tell_second, second) = scripted.begin(Boarding::Join);
    scripted.on_their_way(2).await;
    scripted.clock.advance(LOST_AFTER - Duration::from_millis(1));
    tell_first.send("first").unwrap();
    known(first.await.unwrap());
    scripted.clock.advance(LOST_AFTER - Duration::from_millis(1));
    let (_, joining) = scripted.begin(Boarding::Join);
    until("two that wait", || scripted.flights.load() == (1, 2)).await;
    scripted.clock.advance(Duration::from_millis(1));
    let (tell_third, third) = scripted.begin(Boarding::Join);
    until("three that wait", || scripted.flights.load() == (1, 3)).await;
    tell_second.send("second").unwrap();
    for waiting in [second, joining] {
        assert_eq!(known(waiting.await.unwrap()).subject(), Some("second"));
    }
    tell_third.send("third").unwrap();
    assert_eq!(known(third.await.unwrap()).subject(), Some("third"));
    assert_eq!(*scripted.kept.lock().unwrap(), ["third"]);
}

#[tokio::test]
async fn one_that_takes_the_place_of_a_lost_one_is_lost_in_its_turn_and_no_later() {
    let scripted = Scripted::within(Limits { lookups: 3, at_once: 1, waiting: 10 });
    let (_tell_first, _first) = scripted.begin(Boarding::Alone);
    scripted.on_their_way(1).await;
    let (tell_second, second) = scripted.begin(Boarding::Join);
    scripted.on_their_way(2).await;
    scripted.clock.advance(LOST_AFTER);
    // Whoever comes finds that the first one is lost, and the second one has its turn.
    let (tell_third, third) = scripted.begin(Boarding::Alone);
    until("three that wait", || scripted.flights.load() == (2, 3)).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    scripted.clock.advance(LOST_AFTER);
    let (tell_fourth, fourth) = scripted.begin(Boarding::Join);
    until("four that wait", || scripted.flights.load() == (2, 4)).await;
    for (tell, told, name) in
        [(tell_second, second, "second"), (tell_third, third, "third"), (tell_fourth, fourth, "fourth")]
    {
        tell.send(name).unwrap();
        assert_eq!(known(told.await.unwrap()).subject(), Some(name));
    }
    assert_eq!(*scripted.kept.lock().unwrap(), ["fourth"]);
}

#[tokio::test]
async fn a_lookup_that_breaks_off_is_an_outage_and_leaves_nothing_behind() {
    let scripted = Scripted::new();
    let (tell, asking) = scripted.begin(Boarding::Join);
    scripted.on_their_way(1).await;
    drop(tell); // The lookup panics.
    let outcome = asking.await.unwrap();
    assert!(matches!(&outcome, Outcome::Unavailable(why) if why.reason() == Reason::Panicked), "{outcome:?}");
    assert_eq!(unavailable(outcome), "the introspection of a token broke off");
    scripted.on_their_way(0).await;
    let (tell, asking) = scripted.begin(Boarding::Join);
    scripted.on_their_way(1).await;
    tell.send("again").unwrap();
    known(asking.await.unwrap());
}

#[test]
fn without_a_runtime_there_is_no_answer_and_no_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::new());
    let outcome = ask(&bench.provider, TOKEN, &bench.cx()).now_or_never().unwrap();
    assert!(unavailable(outcome).contains("there is none"));
    assert_eq!(bench.provider.flights.load(), (0, 0));
}

#[tokio::test]
async fn an_answer_that_came_meanwhile_is_found() {
    let scripted = Scripted::new();
    let begun = AtomicUsize::new(0);
    let recall = || Some(Outcome::known(Identity::new("remembered")));
    let begin = |_| {
        begun.fetch_add(1, Ordering::Relaxed);
        async { Landed { outcome: Outcome::known(Identity::new("asked")), remember: () } }
    };
    let asking = scripted.asking(Boarding::Join);
    let outcome = scripted.flights.ask(asking, recall, begin, |_, ()| {}).await;
    assert_eq!(known(outcome).subject(), Some("remembered"));
    assert_eq!(begun.load(Ordering::Relaxed), 0);
}
