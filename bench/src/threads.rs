//! Whether two threads serve twice as much as one.

use std::{
    sync::{Arc, Barrier},
    thread,
    time::Instant,
};

use axum::{Router, body::Body};

use crate::{
    Outcome,
    cases::{Bench, Case, Requests, Serving, ours, plain::hello},
    fixtures::Fixtures,
};

/// How often each is timed. The best counts: whatever else the machine does only makes it worse.
const READINGS: usize = 9;
const REQUESTS: usize = 200_000;

/// What is served by clones of one application.
struct Shared {
    title: &'static str,
    app: Router,
    /// Which token each of the two threads shows.
    tokens: [usize; 2],
}

/// Prints how much more two threads serve than one.
pub fn print(fixtures: &Fixtures) -> Outcome {
    let guarded = || ours::guarded(ours::auth(ours::jwt(&fixtures.rsa)));
    let shared = [
        Shared { title: "the unprotected route", app: hello("/"), tokens: [0, 0] },
        Shared { title: "JWT seen before, the same on both", app: guarded(), tokens: [0, 0] },
        Shared { title: "JWT seen before, one on each", app: guarded(), tokens: [0, 1] },
    ];
    println!("{:40}{:>14}{:>14}{:>8}", "requests per second", "one thread", "two threads", "");
    for shared in shared {
        // In turn, so that both see the machine as it is.
        let (mut one, mut two) = (0.0_f64, 0.0_f64);
        for _ in 0..READINGS {
            one = one.max(throughput(&shared, 1, fixtures));
            two = two.max(throughput(&shared, 2, fixtures));
        }
        println!("{:40}{one:>14.0}{two:>14.0}{:>7.2}×", shared.title, two / one);
    }
    Ok(())
}

/// In requests per second.
fn throughput(shared: &Shared, threads: usize, fixtures: &Fixtures) -> f64 {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let start = Arc::new(Barrier::new(threads));
    let took: Vec<f64> = thread::scope(|scope| {
        let each = (0..threads).map(|number| {
            let (app, token) = (shared.app.clone(), &fixtures.rsa.tokens[shared.tokens[number]]);
            let (core, start) = (cores.get(number).copied(), Arc::clone(&start));
            scope.spawn(move || {
                core.map(core_affinity::set_for_current);
                // The fixtures are not looked at any more.
                let bench = Bench::new(Fixtures::default());
                let make = move |_: &Bench| app.clone();
                let mut case =
                    Serving::<_, _, Body>::new(&bench, Requests::bearer([token]), make).warm(&bench);
                case.run(&bench, REQUESTS / 10);
                start.wait();
                let begin = Instant::now();
                case.run(&bench, REQUESTS);
                begin.elapsed().as_secs_f64()
            })
        });
        let each: Vec<_> = each.collect();
        each.into_iter().map(|thread| thread.join().expect("the thread ends well")).collect()
    });
    (threads * REQUESTS) as f64 / took.into_iter().fold(0.0, f64::max)
}
