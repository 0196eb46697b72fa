//! Who takes how long for a token that was never seen: the signature alone, ours and every peer, in turn in one process.
//!
//! The table's rows are measured one after the other, and the machine's clock does not keep for as long as that.

use std::time::Instant;

use crate::{
    Outcome,
    cases::{Bench, Case},
    fixtures::{Fixtures, TOKENS},
    measure::median,
    rows::{ROWS, Row, find},
};

/// How often each is timed.
const ROUNDS: usize = 45;

/// How much of the raw signature, and how many nanoseconds besides, a token may take that was never seen.
const AT_MOST: (f64, f64) = (1.05, 2_000.0);

/// One row, and what it took in each round, over its baseline.
struct Racer {
    row: &'static Row,
    case: Box<dyn Case>,
    baseline: Option<Box<dyn Case>>,
    took: Vec<f64>,
}

impl Racer {
    fn new(row: &'static Row, bench: &Bench) -> Self {
        let baseline = row.over.and_then(find).map(|baseline| (baseline.make)(bench));
        Self { row, case: (row.make)(bench), baseline, took: Vec::new() }
    }

    fn run(&mut self, bench: &Bench) {
        let own = time(&mut *self.case, bench);
        let baseline = self.baseline.as_mut().map_or(0.0, |baseline| time(&mut **baseline, bench));
        self.took.push(own - baseline);
    }
}

/// The nanoseconds of one request.
fn time(case: &mut dyn Case, bench: &Bench) -> f64 {
    case.reset(bench);
    let start = Instant::now();
    case.run(bench, TOKENS);
    start.elapsed().as_nanos() as f64 / TOKENS as f64
}

/// Prints what each takes, and how much more that is than ours.
///
/// # Errors
///
/// Where ours takes longer than it may, or longer than a peer does. No peer remembers tokens: what ours does besides to
/// remember them stands in a row of its own.
pub fn print(fixtures: Fixtures) -> Outcome {
    core_affinity::get_core_ids().unwrap_or_default().first().copied().map(core_affinity::set_for_current);
    let bench = Bench::new(fixtures);
    let mut lost = Vec::new();
    println!("{:46}{:>12}{:>16}{:>16}", "ns over the route", "median", "more than ours", "unremembered");
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let named = |row: &&'static Row| row.is_of_unseen_tokens() && row.title.ends_with(algorithm);
        let mut racers: Vec<Racer> = ROWS.iter().filter(named).map(|row| Racer::new(row, &bench)).collect();
        for _ in 0..=ROUNDS {
            racers.iter_mut().for_each(|racer| racer.run(&bench));
        }
        let took = |racer: &Racer| median(&mut racer.took.clone());
        let of = |end: &str| racers.iter().find(|racer| racer.row.id.ends_with(end));
        let (Some(cold), Some(ours), Some(raw)) = (of("-cold"), of("-uncached"), of("-raw")) else {
            return Err(format!("{algorithm} has no row of ours").into());
        };
        for racer in &racers {
            let more = |than: &Racer| {
                let more = racer.took.iter().zip(&than.took).map(|(other, ours)| other - ours);
                median(&mut more.collect())
            };
            let (cold, ours) = (more(cold), more(ours));
            println!("{:46}{:>12.0}{cold:>16.0}{ours:>16.0}", racer.row.title, took(racer));
            if ours < 0.0 && racer.row.is_of_a_peer() {
                lost.push(format!("{} takes less", racer.row.title));
            }
        }
        let at_most = AT_MOST.0 * took(raw) + AT_MOST.1;
        println!("{:46}{at_most:>12.0}\n", "at most");
        if took(cold) > at_most {
            lost.push(format!("{} takes more than it may", cold.row.title));
        }
    }
    if lost.is_empty() { Ok(()) } else { Err(lost.join(", ").into()) }
}
