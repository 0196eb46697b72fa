//! Instructions, allocations and time of one row, each in a process of its own.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use crate::{
    Outcome,
    cases::{Bench, Case},
    programs::{command, output},
    rows::{Row, find},
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
    /// Instructions of one request: those of many less those of fewer, so that everything before the first is not among
    /// them.
    pub fn instructions(&self, row: &Row) -> Outcome<f64> {
        let (fewer, more) = row.pace.counted();
        let count = |requests: usize| -> Outcome<f64> {
            let mut valgrind = command("valgrind");
            valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
            valgrind.arg(&self.program).args(["run", row.id, &requests.to_string()]).arg(&self.fixtures);
            let said = output(&mut valgrind)?;
            let line = said.lines().find_map(|line| line.split_once("Collected : "));
            let (_, collected) = line.ok_or_else(|| format!("callgrind counted nothing:\n{said}"))?;
            Ok(collected.trim().parse()?)
        };
        Ok((count(more)? - count(fewer)?) / (more - fewer) as f64)
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

/// Serves that many requests, and nothing else: what callgrind looks at.
pub fn run(row: &Row, requests: usize, fixtures: &Path) -> Outcome {
    let bench = Bench::new(crate::fixtures::Fixtures::read(fixtures)?);
    let mut case = (row.make)(&bench);
    case.run(&bench, requests);
    Ok(())
}

/// Times the row beside its baseline.
pub fn time(row: &Row, fixtures: &Path) -> Outcome<(f64, Option<f64>)> {
    let bench = Bench::new(crate::fixtures::Fixtures::read(fixtures)?);
    let mut case = (row.make)(&bench);
    let other = row.over.and_then(find);
    let mut baseline = other.map(|other| (other, (other.make)(&bench)));
    let reading = |case: &mut Box<dyn Case>, requests: usize| {
        case.reset(&bench);
        let start = Instant::now();
        case.run(&bench, requests);
        start.elapsed().as_nanos() as f64 / requests as f64
    };
    let (mut own, mut over) = (Vec::new(), Vec::new());
    // One more than is counted: the first warms the processor.
    for _ in 0..=PAIRS {
        let took = reading(&mut case, row.pace.timed());
        own.push(took);
        if let Some((other, baseline)) = &mut baseline {
            over.push(took - reading(baseline, other.pace.timed()));
        }
    }
    let over = baseline.is_some().then(|| median(&mut over));
    Ok((median(&mut own), over))
}

fn median(readings: &mut Vec<f64>) -> f64 {
    readings.remove(0);
    readings.sort_by(f64::total_cmp);
    readings[readings.len() / 2]
}
