//! slapd is killed and started again while logins go on.
//!
//! Fifteen seconds of it, or as many as `PORTCULLIS_TEST_LOAD_SECONDS` says: the promise is made for sixty.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portcullis_tests::{PATIENCE, Slapd, Transport};
use tokio::task::JoinSet;

use crate::gateway::{Gateway, get};
use crate::record::Record;
use crate::service::basic;

/// How many logins there are at a time.
const WORKERS: usize = 8;
/// `connectionTimeout` and `readTimeout`, and what two busy cores may add.
const LONGEST: Duration = Duration::from_millis(2_000 + 3_000 + 500);
/// How long after the server's return everything has to be right again.
const RECOVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
struct Login {
    began: Instant,
    took: Duration,
    /// Whether the password was the user's.
    right: bool,
    status: u16,
}

#[derive(Default)]
struct Load {
    logins: Mutex<Vec<Login>>,
    ended: AtomicBool,
    served: AtomicUsize,
    refused: AtomicUsize,
}

impl Load {
    /// Logs in over and over, by turns with the right password and with a wrong one.
    async fn run(self: Arc<Self>, address: SocketAddr) {
        for right in [true, false].into_iter().cycle() {
            if self.ended.load(Ordering::Relaxed) {
                return;
            }
            let password = if right { "alice@123" } else { "wrong" };
            let began = Instant::now();
            let (status, took) = get(address, &basic("alice", password)).await;
            let counter = if status == 503 { &self.refused } else { &self.served };
            counter.fetch_add(1, Ordering::Relaxed);
            self.logins.lock().unwrap().push(Login { began, took, right, status });
        }
    }

    /// Waits until a counter has gone on by so many.
    async fn more(&self, counter: &AtomicUsize, count: usize) {
        let (start, deadline) = (counter.load(Ordering::Relaxed), Instant::now() + PATIENCE);
        while counter.load(Ordering::Relaxed) < start + count {
            assert!(Instant::now() < deadline, "the logins do not go on");
            tokio::task::yield_now().await;
        }
    }
}

fn seconds() -> u64 {
    std::env::var("PORTCULLIS_TEST_LOAD_SECONDS")
        .map_or(15, |text| text.parse().expect("a number of seconds"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_right_or_503_while_slapd_dies_and_comes_back_again_and_again() {
    let mut slapd = Slapd::start();
    // By turns, so that a run of the suite meets each of them in a third of its time.
    let each = Duration::from_secs(seconds()) / 3;
    for transport in Transport::ALL {
        let gateway = Gateway::start(&Record::of(&slapd, transport).scopes("hello").element());
        let load: Arc<Load> = Arc::default();
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            workers.spawn(Arc::clone(&load).run(gateway.address()));
        }
        let (began, mut returns) = (Instant::now(), Vec::new());
        while began.elapsed() < each || returns.is_empty() {
            load.more(&load.served, 4 * WORKERS).await;
            tokio::task::block_in_place(|| slapd.kill());
            let died = Instant::now();
            load.more(&load.refused, 4 * WORKERS).await;
            tokio::task::block_in_place(|| slapd.start_again());
            returns.push((died, Instant::now()));
            load.more(&load.served, WORKERS).await;
        }
        // Past the time in which everything may still be wrong.
        let last = returns[returns.len() - 1].1;
        while last.elapsed() < RECOVERY {
            tokio::task::yield_now().await;
        }
        load.more(&load.served, 2 * WORKERS).await;
        load.ended.store(true, Ordering::Relaxed);
        workers.join_all().await;
        judge(&load.logins.lock().unwrap(), &returns, transport);
    }
}

fn judge(logins: &[Login], returns: &[(Instant, Instant)], transport: Transport) {
    for login in logins {
        let allowed: &[u16] = if login.right { &[200, 503] } else { &[401, 503] };
        assert!(allowed.contains(&login.status), "{transport:?}: {login:?}");
        assert!(login.took < LONGEST, "{transport:?}: {login:?}");
    }
    for (number, (died, returned)) in returns.iter().enumerate() {
        let next = returns.get(number + 1).map(|(died, _)| *died);
        // Whoever came after the second of grace, and had his answer before the next death.
        let due = logins.iter().filter(|login| {
            login.began > *returned + RECOVERY && next.is_none_or(|next| login.began + login.took < next)
        });
        let late: Vec<_> = due.filter(|login| login.status == 503).collect();
        assert!(late.is_empty(), "{transport:?}: still 503 after return {number}: {late:?}");
        let first = logins.iter().filter(|login| login.status != 503 && login.began > *died);
        let back = first.map(|login| login.began + login.took).filter(|at| at > returned).min();
        let back = back.expect("it served again").duration_since(*returned);
        assert!(back < RECOVERY, "{transport:?}: the first answer came {back:?} after return {number}");
    }
    let count = |status: u16| logins.iter().filter(|login| login.status == status).count();
    assert!(count(200) > 0 && count(401) > 0 && count(503) > 0, "{transport:?}: all of them were met");
}
