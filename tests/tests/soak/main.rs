//! The soak: good and hostile traffic at a gateway whose servers fail and return, with a model of what is right beside it.
//!
//! Eight seconds of it, or as many as `PORTCULLIS_TEST_LOAD_SECONDS` says; `cargo xtask soak` runs ten minutes at a release build. What goes
//! wrong and when is decided by a seed, which is printed, and which `PORTCULLIS_TEST_SEED` sets. docs/soak.md tells what is sent and
//! what was found.
//!
//! Traffic is paced by clocks that tick: its pace is what this is about. Everything else waits for what happens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking, and this one prints its report"
)]

mod callers;
mod faults;
mod good;
mod hostile;
mod model;
mod odd;
mod random;
mod report;
mod wire;
mod world;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use crate::random::Random;
use crate::report::Mark;
use crate::wire::{Wire, request};
use crate::world::{CAPACITY, World, every};

/// Failures until every table of the throttle has had more than it holds: 65,536 users at addresses.
const FAILURES: usize = 70_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_decision_is_wrong_and_memory_stays_while_servers_fail_and_many_attack() {
    let seconds = std::env::var("PORTCULLIS_TEST_LOAD_SECONDS")
        .map_or(8, |text| text.parse().expect("a number of seconds"));
    let seed = Random::seed();
    println!("PORTCULLIS_TEST_SEED={seed}");
    let mut random = Random::new(seed);
    let (world, mut running) = World::start().await;
    let world = Arc::new(world);
    everybody_is_let_in(&world, &mut random).await;

    let end = Instant::now() + Duration::from_secs(seconds);
    let mut tasks =
        [callers::all(&world, &mut random), faults::all(&world, &mut random), odd::all(&world, &mut random)];
    tasks[1].spawn(watch(Arc::clone(&world), running.id()));
    let reloading = std::thread::spawn({
        let (world, random) = (Arc::clone(&world), random.fork());
        move || {
            faults::reload(&world, &mut running, random);
            running
        }
    });
    faults::end_at(&world, end).await;
    for task in &mut tasks {
        while let Some(ended) = task.join_next().await {
            ended.unwrap();
        }
    }
    let mut running = tokio::task::spawn_blocking(|| reloading.join()).await.unwrap().unwrap();

    // It lives, and everything in it is as it was.
    everybody_is_let_in(&world, &mut random).await;
    assert_eq!(admin(&world, "/livez").await.0, 200);
    nobody_waits(&world).await;
    running.terminate();
    let code = tokio::task::block_in_place(|| running.wait()).code();
    let panics = running.stderr().to_end().iter().filter(|line| line.contains("panicked")).count();

    let report = &world.report;
    println!("{}", report.table());
    let (wrong, admissions) = (report.wrong_decisions.load(Relaxed), report.wrong_admissions.load(Relaxed));
    println!(
        "{seconds} s, seed {seed}: {wrong} wrong decisions, {admissions} wrong admissions, {panics} panics"
    );
    if let Some((full, end)) = report.growth() {
        println!("memory: {full} KiB when all was full, {end} KiB at the end");
        assert!(end * 10 <= full * 11, "memory grew from {full} to {end} KiB after all was full");
    } else {
        println!("memory: not all was full for long enough");
    }
    assert_eq!((wrong, panics, code), (0, 0, Some(0)), "seed {seed}:\n{}", report.wrong());
    for status in [200, 401, 403, 429] {
        assert!(report.total(status) > 0, "no answer was {status}");
    }
    assert!(report.total(503) > 0 || seconds < 60, "no server was ever missed");
}

/// Callers of each kind, before anything goes wrong and after everything did: waits until their servers were asked.
async fn everybody_is_let_in(world: &World, random: &mut Random) {
    let mut ticks = every(Duration::from_millis(50));
    let everybody: [(u8, u8, callers::Make); 9] = [
        (1, 1, good::alice),
        (1, 2, good::bob),
        (1, 3, good::carla),
        (1, 4, good::dora),
        (1, 5, good::changing),
        (2, 4, good::key_anew),
        (2, 6, good::opaque_anew),
        (3, 1, good::ann),
        (3, 2, good::ben),
    ];
    for (third, last, make) in everybody {
        let own = Ipv4Addr::new(127, 0, third, last);
        let deadline = Instant::now() + portcullis_tests::PATIENCE;
        loop {
            let shot = make(world, random, own.into());
            let mut wire = Wire::connect(own, world.gateway).await.unwrap();
            let sent = Instant::now();
            wire.send(&request(&shot.path, &shot.headers)).await.unwrap();
            let answer = wire.answer().await.unwrap().expect("an answer");
            if answer.status == 200 {
                world.model.learns(&shot.expect, sent, 200);
                break;
            }
            assert!([429, 503].contains(&answer.status), "{}: {}", shot.kind, answer.status);
            assert!(Instant::now() < deadline, "{}: still {}", shot.kind, answer.status);
            ticks.tick().await;
        }
    }
}

/// Waits until those who left are out of every queue.
async fn nobody_waits(world: &World) {
    let (mut ticks, deadline) =
        (every(Duration::from_millis(100)), Instant::now() + portcullis_tests::PATIENCE);
    loop {
        ticks.tick().await;
        let (_, metrics) = admin(world, "/metrics").await;
        let depths: Vec<&str> =
            metrics.lines().filter(|line| line.starts_with("portcullis_queue_depth")).collect();
        assert!(!depths.is_empty(), "no queue is told of");
        let waiting: Vec<_> = depths.into_iter().filter(|line| !line.ends_with(" 0")).collect();
        if waiting.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "nobody asks, and somebody waits: {waiting:?}");
    }
}

/// Looks at the gateway's memory and asks whether it lives, until the end.
async fn watch(world: Arc<World>, process: u32) {
    let mut ticks = every(Duration::from_millis(500));
    while !world.has_ended() {
        ticks.tick().await;
        let report = &world.report;
        let sent = Instant::now();
        let (status, _) = admin(&world, "/livez").await;
        report.count("/livez", status, sent.elapsed());
        if status != 200 {
            report.is_wrong(format!("/livez: {status}"));
        }
        let more = CAPACITY + CAPACITY / 4;
        let full = report.got("user whom the directory does not have", 401) > FAILURES
            && report.got("JWT of fixed keys, new", 200) > more
            && report.got("JWT of fetched keys, new", 200) > more
            && report.got("opaque token, new", 200) > more
            && report.got("opaque token, made up", 401) > more;
        world.full.store(full, SeqCst);
        report.mark(Mark { after: world.began.elapsed(), kib: memory_kib(process), full });
    }
}

/// The resident memory of a process.
fn memory_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn admin(world: &World, path: &str) -> (u16, String) {
    let mut wire = Wire::connect(Ipv4Addr::LOCALHOST, world.admin).await.unwrap();
    wire.send(&request(path, &[])).await.unwrap();
    let answer = wire.answer().await.unwrap().expect("an answer");
    (answer.status, answer.body)
}
