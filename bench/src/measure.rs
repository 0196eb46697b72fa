//! Instructions, allocations and time of one row, each in a process of its own.

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use crate::{
    Outcome,
    cases::{Bench, Case},
    programs::{command, output},
    rows::{Pace, Row, find},
};

/// How often each of a pair is timed. The median counts.
const PAIRS: usize = 9;

/// What one request costs, everything included.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    pub instructions: Option<f64>,
    pub allocations: Option<f64>,
    pub nanoseconds: Option<f64>,
    /// Of the row that it is measured over, in the same nine pairs.
    pub nanoseconds_over: Option<f64>,
}

/// Where the other processes find what they need.
pub struct Run {
    pub program: PathBuf,
    pub allocations: PathBuf,
    pub fixtures: PathBuf,
}

impl Run {
    /// Instructions of one request: those within [`counted`], on its thread. What comes before takes another number each
    /// time, since entropy is gathered and servers are asked.
    pub fn instructions(&self, row: &Row) -> Outcome<f64> {
        let mut valgrind = command("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        valgrind.args(["--collect-atstart=no", "--toggle-collect=*measure*counted*"]);
        valgrind.arg(&self.program).args(["run", row.id]).arg(&self.fixtures);
        let said = output(&mut valgrind)?;
        let line = said.lines().find_map(|line| line.split_once("Collected : "));
        let (_, collected) = line.ok_or_else(|| format!("callgrind counted nothing:\n{said}"))?;
        match collected.trim().parse()? {
            0.0 => Err(format!("callgrind did not find what it is to count:\n{said}").into()),
            collected => Ok(collected / row.pace.counted().1 as f64),
        }
    }

    pub fn allocations(&self, row: &Row) -> Outcome<f64> {
        Ok(output(command(&self.allocations).arg(row.id).arg(&self.fixtures))?.trim().parse()?)
    }

    /// Both of them.
    pub fn counts(&self, row: &Row) -> Outcome<Cost> {
        let (instructions, allocations) = (self.instructions(row)?, self.allocations(row)?);
        Ok(Cost { instructions: Some(instructions), allocations: Some(allocations), ..Cost::default() })
    }

    /// The time of one request, and that over the row's baseline, in nanoseconds.
    pub fn time(&self, row: &Row) -> Outcome<(f64, Option<f64>)> {
        let mut pinned = command("taskset");
        pinned.args(["--cpu-list", "0"]).arg(&self.program).args(["time", row.id]).arg(&self.fixtures);
        Ok(serde_json::from_str(&output(&mut pinned)?)?)
    }
}

/// Serves what is to be counted, after some requests that are not.
pub fn run(row: &Row, fixtures: &Path) -> Outcome {
    let bench = Bench::new(crate::fixtures::Fixtures::read(fixtures)?);
    let mut case = (row.make)(&bench);
    let (before, requests) = row.pace.counted();
    case.run(&bench, before);
    counted(&mut *case, &bench, requests);
    Ok(())
}

/// What callgrind looks at, which knows it by its name.
#[inline(never)]
fn counted(case: &mut dyn Case, bench: &Bench, requests: usize) {
    case.run(bench, requests);
    // Were the call the last thing here, there would be no return from this function that can be seen.
    black_box(requests);
}

/// Times the row beside its baseline.
pub fn time(row: &Row, fixtures: &Path) -> Outcome<(f64, Option<f64>)> {
    let bench = Bench::new(crate::fixtures::Fixtures::read(fixtures)?);
    let mut case = (row.make)(&bench);
    let other = row.over.and_then(find);
    let mut baseline = other.map(|other| (other, (other.make)(&bench)));
    let reading = |case: &mut Box<dyn Case>, pace: Pace| {
        // What was seen before may stay seen. To drop and build a service with all its users takes the processor's caches with it.
        if pace == Pace::Slow {
            case.reset(&bench);
        }
        let (start, requests) = (Instant::now(), pace.timed());
        case.run(&bench, requests);
        start.elapsed().as_nanos() as f64 / requests as f64
    };
    let (mut own, mut over) = (Vec::new(), Vec::new());
    // One more than is counted, see `median`.
    for _ in 0..=PAIRS {
        let took = reading(&mut case, row.pace);
        own.push(took);
        if let Some((other, baseline)) = &mut baseline {
            over.push(took - reading(baseline, other.pace));
        }
    }
    let over = baseline.is_some().then(|| median(&mut over));
    Ok((median(&mut own), over))
}

/// The middle one of all but the first, which warmed the processor.
pub fn median(readings: &mut Vec<f64>) -> f64 {
    readings.remove(0);
    readings.sort_by(f64::total_cmp);
    readings[readings.len() / 2]
}
