//! Many logins at once, of which any may be given up at any moment, while the directory does what directories do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis_core::Outcome;

use super::{
    Bench,
    server::{Reply, Request, SERVICE, message, result},
    until,
};

const USERS: usize = 20;

/// Numbers by chance, the same in every run (splitmix64).
struct Chance(AtomicU64);

impl Chance {
    fn below(&self, bound: u64) -> u64 {
        let mut number = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ number >> 31) % bound
    }
}

/// Hangs, closes, says goodbye, and answers twice, each once in a while.
fn unreliable(chance: Arc<Chance>) -> impl Fn(&Request) -> Option<Vec<Reply>> + Send + Sync {
    move |request| match (chance.below(40), request) {
        (0, _) => Some(vec![]),
        (1, _) => Some(vec![Reply::Close]),
        (2, _) => Some(vec![Reply::Raw(message(0, result(24, 52, "shutting down")))]),
        // The second is what the next user would be told.
        (3, Request::Bind { dn, .. }) if dn != SERVICE => {
            Some(vec![Reply::Op(result(1, 49, "")), Reply::Op(result(1, 0, ""))])
        }
        (4, Request::Bind { dn, .. }) if dn != SERVICE => {
            let granted = |id| Reply::Of(id, result(1, 0, ""));
            Some(vec![Reply::Op(result(1, 49, "")), granted(1), granted(2), granted(3)])
        }
        _ => None,
    }
}

async fn survives(pooling: bool, most: usize, seed: u64) {
    let bench = Arc::new(Bench::with(|config| config.pooling(pooling).max_connections(most)).await);
    for user in 0..USERS {
        bench.add_user(&format!("user{user}"));
    }
    let chance = Arc::new(Chance(AtomicU64::new(seed)));
    bench.server.script(unreliable(Arc::clone(&chance)));
    let over = Arc::new(AtomicBool::new(false));
    let time = {
        let (manual, over) = (bench.manual.clone(), Arc::clone(&over));
        tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                manual.advance(Duration::from_millis(5));
                tokio::task::yield_now().await;
            }
        })
    };
    let callers: Vec<_> = (0..60)
        .map(|_| {
            let (bench, chance) = (Arc::clone(&bench), Arc::clone(&chance));
            tokio::spawn(async move {
                let mut answered = 0;
                for _ in 0..25 {
                    let (user, right) = (chance.below(USERS as u64), chance.below(2) == 0);
                    let login = bench.begin(&format!("user{user}"), if right { "secret" } else { "wrong" });
                    if chance.below(3) == 0 {
                        for _ in 0..chance.below(200) {
                            tokio::task::yield_now().await;
                        }
                        login.abort();
                    }
                    let Ok(outcome) = login.await else { continue };
                    answered += 1;
                    match outcome {
                        Outcome::Known(identity) => {
                            assert!(right, "a wrong password is good");
                            assert_eq!(identity.subject(), Some(format!("user{user}").as_str()));
                        }
                        // What the unreliable one says to a bind in the fourth and fifth case.
                        Outcome::Refused(refusal) => assert_eq!(refusal.code(), "wrong-password"),
                        Outcome::Unavailable(_) => {}
                    }
                }
                answered
            })
        })
        .collect();
    let mut answered = 0;
    for caller in callers {
        answered += tokio::time::timeout(Duration::from_secs(60), caller).await.expect("an end").unwrap();
    }
    over.store(true, Ordering::Relaxed);
    time.await.unwrap();
    assert!(answered > 500, "{answered}");
    // Every place is free again, and every connection that is kept is good.
    bench.server.unscripted();
    until("the connections in use to be none", || {
        let (searches, binds) = bench.store.open_connections();
        searches + binds <= if pooling { most } else { 0 }
    })
    .await;
    let all: Vec<_> = (0..USERS).map(|user| bench.begin(&format!("user{user}"), "secret")).collect();
    for (user, login) in all.into_iter().enumerate() {
        let identity = super::known(login.await.unwrap());
        assert_eq!(identity.subject(), Some(format!("user{user}").as_str()));
    }
    until("the end of connections that are not kept", || bench.server.open() <= most).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn logins_that_are_given_up_leave_no_answer_to_others_and_take_no_place_with_them() {
    for (seed, most) in [(1, 2), (2, 3), (3, 10)] {
        survives(true, most, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_pooling_logins_that_are_given_up_take_no_place_with_them() {
    for (seed, most) in [(4, 2), (5, 6)] {
        survives(false, most, seed).await;
    }
}
