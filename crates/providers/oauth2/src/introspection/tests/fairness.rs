//! One address cannot take everybody's place.

use std::{net::IpAddr, sync::Arc};

use portcullis_core::{Contact, Context, Outcome, Reason};
use tokio::task::JoinHandle;

use super::{super::flights::Limits, Bench, CacheConfig, TOKEN, ask, code, known, until};

const LOUD: [u8; 4] = [192, 0, 2, 1];
const QUIET: [u8; 4] = [192, 0, 2, 2];

impl Bench {
    fn spawn_from(&self, address: [u8; 4], token: &'static str) -> JoinHandle<Outcome> {
        let (provider, clock) = (self.provider.clone(), Arc::clone(&self.clock));
        let client = Some(IpAddr::from(address));
        tokio::spawn(async move { ask(&provider, token, &Context::new(&clock).with_client(client)).await })
    }

    pub(super) async fn load(&self, lookups: usize, callers: usize) {
        until("lookups and callers", || self.provider.flights.load() == (lookups, callers)).await;
    }
}

async fn is_shed(asking: JoinHandle<Outcome>) {
    let outcome = asking.await.unwrap();
    let Outcome::Unavailable(unavailable) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(unavailable.reason(), Reason::Overloaded);
    assert_eq!(unavailable.retry_after(), Some(std::time::Duration::from_secs(1)));
}

#[tokio::test]
async fn a_flood_of_tokens_from_one_address_is_shed_and_another_address_is_served() {
    let limits = Limits { lookups: 3, at_once: 1, waiting: 100 };
    let bench = Bench::within(limits, |config| config).await;
    let hold = bench.server.hold();
    let first = bench.spawn_from(LOUD, "loud-1");
    bench.server.called(1).await;
    let second = bench.spawn_from(LOUD, "loud-2");
    bench.load(2, 2).await;
    let third = bench.spawn_from(LOUD, "loud-3");
    bench.load(3, 3).await;
    is_shed(bench.spawn_from(LOUD, "loud-4")).await;
    let quiet = bench.spawn_from(QUIET, TOKEN);
    is_shed(third).await;
    bench.load(3, 3).await;
    // It has its share, and the flood cannot take it back.
    is_shed(bench.spawn_from(LOUD, "loud-5")).await;
    hold.release();
    assert_eq!(known(quiet.await.unwrap()).subject(), Some("alice"));
    for loud in [first, second] {
        assert_eq!(code(loud.await.unwrap()), "inactive");
    }
    bench.load(0, 0).await;
    assert_eq!(bench.server.call_count(), 3, "the server is not asked for who was shed");
}

#[tokio::test]
async fn a_flood_that_waits_for_one_token_is_shed_and_another_address_is_served() {
    let limits = Limits { lookups: 10, at_once: 10, waiting: 3 };
    let bench = Bench::within(limits, |config| config).await;
    let hold = bench.server.hold();
    let mut loud = Vec::new();
    for callers in 1..=3 {
        loud.push(bench.spawn_from(LOUD, "loud"));
        bench.load(1, callers).await;
    }
    is_shed(bench.spawn_from(LOUD, "loud")).await;
    is_shed(bench.spawn_from(LOUD, "another")).await;
    let quiet = bench.spawn_from(QUIET, TOKEN);
    is_shed(loud.pop().unwrap()).await;
    bench.load(2, 3).await;
    hold.release();
    assert_eq!(known(quiet.await.unwrap()).subject(), Some("alice"));
    for loud in loud {
        assert_eq!(code(loud.await.unwrap()), "inactive");
    }
    bench.load(0, 0).await;
}

#[tokio::test]
async fn nobody_is_asked_for_who_has_gone_before_the_turn_came() {
    let limits = Limits { lookups: 5, at_once: 1, waiting: 100 };
    let bench = Bench::within(limits, |config| config).await;
    let hold = bench.server.hold();
    let first = bench.spawn_from(LOUD, "first");
    bench.server.called(1).await;
    let gone = bench.spawn_from(LOUD, "gone");
    bench.load(2, 2).await;
    let stays = bench.spawn_from(LOUD, "stays");
    bench.load(3, 3).await;
    gone.abort();
    bench.load(3, 2).await;
    hold.release();
    for asking in [first, stays] {
        assert_eq!(code(asking.await.unwrap()), "inactive");
    }
    bench.load(0, 0).await;
    assert_eq!(bench.server.call_count(), 2);
    // Who asks then is answered.
    assert_eq!(bench.code("gone").await, "inactive");
}

#[tokio::test]
async fn nobody_is_asked_for_an_explanation_whose_reader_has_gone_before_its_turn_came() {
    let limits = Limits { lookups: 5, at_once: 1, waiting: 100 };
    let bench = Bench::within(limits, |config| config).await;
    let hold = bench.server.hold();
    let first = bench.spawn_from(LOUD, "first");
    bench.server.called(1).await;
    let (provider, clock) = (bench.provider.clone(), Arc::clone(&bench.clock));
    let explaining = tokio::spawn(async move {
        ask(&provider, TOKEN, &Context::new(&clock).explaining(Contact::Allowed)).await
    });
    bench.load(2, 2).await;
    explaining.abort();
    bench.load(2, 1).await;
    hold.release();
    assert_eq!(code(first.await.unwrap()), "inactive");
    bench.load(0, 0).await;
    assert_eq!(bench.server.call_count(), 1);
}

#[tokio::test]
async fn an_answer_that_had_to_wait_for_its_turn_is_remembered_as_any_other() {
    let limits = Limits { lookups: 5, at_once: 1, waiting: 100 };
    let bench = Bench::within(limits, |config| config.cache(CacheConfig::default())).await;
    let hold = bench.server.hold();
    let first = bench.spawn_from(LOUD, "first");
    bench.server.called(1).await;
    let waits = bench.spawn_from(LOUD, TOKEN);
    bench.load(2, 2).await;
    hold.release();
    assert_eq!(code(first.await.unwrap()), "inactive");
    known(waits.await.unwrap());
    known(bench.ask(TOKEN).await);
    assert_eq!(bench.server.call_count(), 2);
}
