//! Runtimes that nobody drives any more, with a fetch on them.

use std::{
    task::{Context, Waker},
    time::Duration,
};

use portcullis_core::{Bearer, Credential, Provider as _};
use tokio::runtime::{Builder, Runtime};

use super::{AGE, Bench, Pair, Told, config, set};
use crate::fixtures::claims_with;

const LOST_AFTER: Duration = Duration::from_secs(15);
const WHY: &str =
    "https://issuer.example/jwks: the fetch was given up: the runtime that it ran on stands still";

fn bench(pair: &Pair) -> Bench {
    Bench::with(config(), set(&[pair]), |settings| settings.lost_after = LOST_AFTER)
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn long_lived(pair: &Pair) -> String {
    pair.token_with(&claims_with("exp", 9_999_999_999_u64.into()))
}

/// Begins a fetch on a runtime that is not driven, and hangs up.
fn begin_on(runtime: &Runtime, bench: &Bench, token: &str) {
    let _there = runtime.enter();
    let cx = portcullis_core::Context::new(&bench.clock);
    let credential = Credential::Bearer(Bearer::new(token).unwrap());
    let mut asking = bench.validator.authenticate(&credential, &cx);
    assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

fn last_error(bench: &Bench) -> Option<String> {
    bench.validator.key_set().unwrap().last_error
}

#[tokio::test]
async fn a_fetch_whose_runtime_stands_still_is_given_up_and_another_one_begins() {
    let pair = Pair::new("1");
    let bench = bench(&pair);
    let still = runtime();
    begin_on(&still, &bench, &pair.token());
    bench.manual.advance(LOST_AFTER - Duration::from_millis(1));
    let early = bench.send(pair.token());
    bench.waited_for_by(1).await;
    bench.manual.advance(Duration::from_millis(1));
    assert_eq!(bench.ask(&pair.token()).await, Told::Known);
    assert_eq!(early.await.unwrap(), Told::Known, "whoever waited looks again");
    assert_eq!((bench.script.calls(), bench.source.standing().fetches), (1, 2));
    assert_eq!(last_error(&bench), None);
    // It ends late, and takes nothing along.
    still.shutdown_background();
    assert_eq!((bench.source.ended(), last_error(&bench)), (2, None));
    assert_eq!(bench.at_once(&pair.token()), Some(Told::Known));
}

#[tokio::test]
async fn one_that_goes_on_late_disturbs_no_newer_one() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let bench = bench(&old);
    bench.script.hold();
    let still = runtime();
    begin_on(&still, &bench, &old.token());
    bench.manual.advance(LOST_AFTER);
    let waiting = bench.send(new.token());
    bench.called(1).await;
    // It is driven again, asks, and is answered before the newer one.
    bench.script.lock().held = false;
    let driven = std::thread::spawn(move || {
        still.block_on(async {
            while still.metrics().num_alive_tasks() > 0 {
                tokio::task::yield_now().await;
            }
        });
    });
    driven.join().unwrap();
    assert_eq!(bench.script.calls(), 2);
    assert_eq!((bench.source.ended(), bench.source.waiting()), (1, 1), "the newer one is under way");
    bench.script.let_go(1);
    assert_eq!(waiting.await.unwrap(), Told::Refused("unknown-key"));
    assert_eq!((bench.source.ended(), last_error(&bench)), (2, None));
}

#[tokio::test]
async fn keys_are_renewed_though_the_runtime_of_a_renewal_stands_still() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let bench = bench(&old);
    assert_eq!(bench.ask(&long_lived(&old)).await, Told::Known);
    bench.script.says(set(&[&old, &new]));
    bench.manual.advance(AGE);
    let still = runtime();
    let there = still.enter();
    assert_eq!(bench.at_once(&long_lived(&old)), Some(Told::Known));
    drop(there);
    assert_eq!((bench.script.calls(), bench.source.standing().fetches), (1, 2));
    bench.manual.advance(LOST_AFTER - Duration::from_millis(1));
    assert_eq!(bench.at_once(&long_lived(&old)), Some(Told::Known));
    assert_eq!((bench.source.ended(), bench.source.standing().fetches), (1, 2));
    bench.manual.advance(Duration::from_millis(1));
    assert_eq!(bench.at_once(&long_lived(&old)), Some(Told::Known));
    bench.ended(3).await;
    assert_eq!(bench.at_once(&long_lived(&new)), Some(Told::Known));
    assert_eq!(bench.script.calls(), 2);
    still.shutdown_background();
}

#[tokio::test]
async fn a_probe_waits_no_longer_than_until_the_fetch_is_lost() {
    let pair = Pair::new("1");
    let bench = bench(&pair);
    let still = runtime();
    begin_on(&still, &bench, &pair.token());
    let probing = bench.clone();
    let probe = tokio::spawn(async move { probing.source.fetch_now().await });
    tokio::task::yield_now().await;
    bench.manual.advance(LOST_AFTER - Duration::from_millis(1));
    tokio::task::yield_now().await;
    assert!(!probe.is_finished());
    bench.manual.advance(Duration::from_millis(1));
    assert_eq!(probe.await.unwrap().unwrap_err().to_string(), WHY);
    assert_eq!(last_error(&bench).as_deref(), Some(WHY));
    assert_eq!(bench.source.fetch_now().await.unwrap().keys().len(), 1);
    assert_eq!(bench.script.calls(), 1);
    // Where it is lost already, another one begins at once.
    begin_on(&still, &bench, &Pair::new("2").token());
    bench.manual.advance(LOST_AFTER);
    assert_eq!(bench.source.fetch_now().await.unwrap().keys().len(), 1);
    assert_eq!((bench.script.calls(), bench.source.standing().fetches), (2, 4));
    still.shutdown_background();
}
