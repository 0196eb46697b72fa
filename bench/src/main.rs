//! The command line of the benchmark: see `bench help`.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use bench::{
    Outcome,
    fixtures::Fixtures,
    measure::{self, Cost, Run},
    programs::{command, ensure, output},
    report,
    rows::{self, ROWS, Row},
};

const HELP: &str = "\
What portcullis costs, beside its peers and beside nothing.

Usage: cargo run --release -- <COMMAND>

Commands:
  table [ROW...]   Instructions, allocations and time of a request, of all rows or of those whose name begins so
  counts [ROW...]  The same without the time: what is true on a busy machine, too
  gate             Instructions and allocations of the rows with a budget; fails above it
  threads          Whether two threads serve twice as much as one
  help             This";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[&str]) -> Outcome {
    match arguments {
        [] | ["help" | "--help" | "-h"] => {
            eprintln!("{HELP}");
            Ok(())
        }
        ["table", wanted @ ..] => table(wanted, true),
        ["counts", wanted @ ..] => table(wanted, false),
        ["gate"] => gate(),
        // What the others start.
        ["run", row, requests, fixtures] => measure::run(named(row)?, requests.parse()?, fixtures.as_ref()),
        ["time", row, fixtures] => {
            let taken = measure::time(named(row)?, fixtures.as_ref())?;
            println!("{}", serde_json::to_string(&taken)?);
            Ok(())
        }
        ["threads"] => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            bench::threads::print(&runtime.block_on(Fixtures::make()))
        }
        ["fixtures", path] => make_fixtures(path.into()).map(drop),
        other => Err(format!("`{}` is no command; `help` names them", other.join(" ")).into()),
    }
}

fn named(id: &str) -> Outcome<&'static Row> {
    rows::find(id).ok_or_else(|| format!("there is no row {id:?}").into())
}

fn make_fixtures(path: PathBuf) -> Outcome<PathBuf> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Fixtures::make()).write(&path)?;
    Ok(path)
}

/// Makes keys and tokens, and whatever programs are missing.
fn prepare() -> Outcome<Run> {
    ensure("valgrind", "valgrind")?;
    let program = std::env::current_exe()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    output(command(cargo).args([
        "build",
        "--release",
        "--locked",
        "--bin",
        "allocations",
        "--manifest-path",
        manifest,
    ]))?;
    let fixtures = std::env::temp_dir().join(format!("portcullis-bench-{}.json", std::process::id()));
    Ok(Run {
        allocations: program.with_file_name("allocations"),
        program,
        fixtures: make_fixtures(fixtures)?,
    })
}

/// The rows that are asked for, and those that they are compared with.
fn chosen(wanted: &[&str]) -> Vec<&'static Row> {
    let asked = |row: &&Row| wanted.is_empty() || wanted.iter().any(|name| row.id.starts_with(name));
    let asked: Vec<&Row> = ROWS.iter().filter(asked).collect();
    let needed = |row: &&Row| asked.iter().any(|one| one.id == row.id || one.over == Some(row.id));
    ROWS.iter().filter(needed).collect()
}

fn table(wanted: &[&str], timed: bool) -> Outcome {
    let run = prepare()?;
    let mut costs = BTreeMap::new();
    for row in chosen(wanted) {
        eprintln!("  {}", row.id);
        let mut cost = Cost {
            instructions: Some(run.instructions(row)?),
            allocations: Some(run.allocations(row)?),
            ..Cost::default()
        };
        if timed {
            let (own, over) = run.time(row)?;
            (cost.nanoseconds, cost.nanoseconds_over) = (Some(own), over);
        }
        costs.insert(row.id.to_owned(), cost);
    }
    std::fs::remove_file(&run.fixtures)?;
    report::print(&costs);
    Ok(())
}

fn gate() -> Outcome {
    Err("not yet".into())
}
