//! Runtimes that nobody drives any more, with lookups on them.

use std::{
    task::{Context, Waker},
    time::Duration,
};

use portcullis_core::{Bearer, Credential, Outcome, Provider as _};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

use super::{super::flights::Limits, Bench, CacheConfig, TOKEN, ask, code, known, unavailable};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

impl Bench {
    /// Begins a lookup on a runtime that is not driven, and hangs up.
    fn begin_on(&self, runtime: &Runtime, token: &str) {
        let _there = runtime.enter();
        let (cx, credential) = (self.cx(), Credential::Bearer(Bearer::new(token).unwrap()));
        let mut asking = self.provider.authenticate(&credential, &cx);
        assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }

    fn request(&self, token: &'static str) -> JoinHandle<Outcome> {
        let (provider, clock) = (self.provider.clone(), self.clock.clone());
        tokio::spawn(async move { ask(&provider, token, &portcullis_core::Context::new(&clock)).await })
    }

    fn advance(&self, millis: u64) {
        self.manual.advance(Duration::from_millis(millis));
    }
}

#[tokio::test]
async fn a_lookup_whose_runtime_stands_still_is_given_up_and_the_next_caller_asks() {
    let bench = Bench::remembering().await;
    let still = runtime();
    bench.begin_on(&still, TOKEN);
    bench.advance(14_999);
    let joined = bench.request(TOKEN);
    bench.load(1, 1).await;
    assert_eq!(bench.server.call_count(), 0);
    bench.advance(1);
    assert_eq!(bench.known(TOKEN).await.subject(), Some("alice"));
    assert_eq!((bench.server.call_count(), bench.len()), (1, 1));
    // It ends late, and takes nothing along.
    let hold = bench.server.hold();
    let another = bench.request("another");
    bench.server.called(2).await;
    still.shutdown_background();
    assert_eq!(unavailable(joined.await.unwrap()), "the introspection of a token broke off");
    assert_eq!((bench.len(), bench.provider.flights.load()), (1, (1, 1)));
    hold.release();
    assert_eq!(code(another.await.unwrap()), "inactive");
    assert_eq!(bench.server.call_count(), 2);
}

#[tokio::test]
async fn one_that_is_lost_takes_no_place() {
    let limits = Limits { lookups: 1, at_once: 1, waiting: 10 };
    let bench = Bench::within(limits, |config| config.cache(CacheConfig::default())).await;
    let still = runtime();
    bench.begin_on(&still, TOKEN);
    bench.advance(14_999);
    assert_eq!(unavailable(bench.ask("other").await), "too many tokens are being introspected");
    bench.advance(1);
    assert_eq!(bench.code("other").await, "inactive");
    bench.load(0, 0).await;
    still.shutdown_background();
    assert_eq!(bench.provider.flights.load(), (0, 0));
}

#[tokio::test]
async fn one_that_waits_for_its_turn_where_nobody_drives_it_is_lost_too() {
    let limits = Limits { lookups: 3, at_once: 1, waiting: 10 };
    let bench = Bench::within(limits, |config| config.cache(CacheConfig::default())).await;
    let still = runtime();
    bench.begin_on(&still, TOKEN);
    bench.begin_on(&still, "other");
    // Its turn comes, and it does not take it: it may have been a wait for two others.
    bench.advance(44_999);
    let waiting = bench.request(TOKEN);
    bench.load(2, 1).await;
    bench.advance(1);
    assert_eq!(bench.code("one").await, "inactive");
    assert_eq!(known(waiting.await.unwrap()).subject(), Some("alice"));
    assert_eq!(bench.server.call_count(), 2);
    still.shutdown_background();
    assert_eq!(bench.provider.flights.load(), (0, 0));
}

#[tokio::test]
async fn one_that_is_driven_again_late_asks_nothing() {
    let bench = Bench::remembering().await;
    let still = runtime();
    bench.begin_on(&still, TOKEN);
    bench.advance(15_000);
    bench.known(TOKEN).await;
    let driven = std::thread::spawn(move || {
        still.block_on(async {
            while still.metrics().num_alive_tasks() > 0 {
                tokio::task::yield_now().await;
            }
        });
    });
    driven.join().unwrap();
    assert_eq!((bench.server.call_count(), bench.len()), (1, 1));
    assert_eq!(bench.provider.flights.load(), (0, 0));
}
