//! Counts the allocations of one request, and the bytes that a remembered token takes. A program of its own, since what counts them costs instructions.

use std::path::Path;

use bench::{
    Outcome,
    cases::Bench,
    fixtures::Fixtures,
    memory::{HELD, Remembering, TOKENS},
    rows,
};

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    if std::env::args().nth(1).as_deref() == Some("memory") {
        memory();
        return Ok(());
    }
    let (Some(id), Some(fixtures)) = (arguments.next(), arguments.next()) else {
        return Err("usage: allocations ROW FIXTURES".into());
    };
    let row = rows::find(&id).ok_or_else(|| format!("there is no row {id:?}"))?;
    let bench = Bench::new(Fixtures::read(Path::new(&fixtures))?);
    let mut case = (row.make)(&bench);
    let (before, counted) = row.pace.counted();
    case.run(&bench, before);
    let taken = allocation_counter::measure(|| case.run(&bench, counted));
    println!("{}", taken.count_total as f64 / counted as f64);
    Ok(())
}

/// Prints how long a token is, and how many bytes are kept for it: where all are remembered, and where twenty times as many are
/// seen as may be remembered, for each of those.
fn memory() {
    let remembering = Remembering::new();
    let kept = |capacity, seen, remembered| {
        let mut kept = None;
        let counted = allocation_counter::measure(|| kept = Some(remembering.remember(capacity, seen)));
        drop(kept);
        counted.bytes_current as f64 / remembered as f64
    };
    let (all, flooded) = (kept(2 * TOKENS, TOKENS, TOKENS), kept(HELD, TOKENS, HELD));
    println!("{} {all:.0} {flooded:.0}", remembering.bytes_of_a_token());
}
