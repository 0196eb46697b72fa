//! The command line of the benchmark: see `bench help`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use bench::{
    Outcome,
    budget::{BUDGETS, GROWTH},
    fixtures::Fixtures,
    measure::{self, Run},
    programs::{command, ensure, output},
    report::{self, Costs},
    rows::{self, ROWS, Row},
};

const HELP: &str = "\
What portcullis costs, beside its peers and beside nothing.

Usage: cargo run --release [--features peers] -- <COMMAND>

Commands:
  table [ROW...]   Instructions, allocations and time of a request, of all rows or of those whose name begins so; all of them
                   become what docs/performance shows
  counts [ROW...]  The same without the time: what is true on a busy machine, too
  gate             Instructions and allocations of the rows with a budget; fails above it
  cold             Who takes how long for a token never seen, in turn: the signature alone, ours and every peer; fails where
                   ours takes longer than it may or than a peer
  threads          Whether two threads serve twice as much as one
  load [GATEWAY]   Requests per second over loopback, of an axum service and of the gateway, which is built, or that program
  startup          How long 100,000 users and 1,000 resources take to become a service
  builds           How long a clean release build of a project that uses the library takes
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
        ["run", row, fixtures] => measure::run(named(row)?, fixtures.as_ref()),
        ["time", row, fixtures] => {
            let taken = measure::time(named(row)?, fixtures.as_ref())?;
            println!("{}", serde_json::to_string(&taken)?);
            Ok(())
        }
        ["cold"] => bench::cold::print(fixtures()?),
        ["threads"] => bench::threads::print(&fixtures()?),
        ["serve", kind, fixtures] => bench::load::serve(kind, fixtures.as_ref()),
        ["load"] => load(&built_gateway()?),
        ["load", gateway] => load(gateway.as_ref()),
        ["startup"] => bench::startup::print(),
        ["builds"] => bench::builds::print(),
        ["fixtures", path] => make_fixtures(path.into()).map(drop),
        other => Err(format!("`{}` is no command; `help` names them", other.join(" ")).into()),
    }
}

fn named(id: &str) -> Outcome<&'static Row> {
    rows::find(id).ok_or_else(|| format!("there is no row {id:?}").into())
}

fn fixtures() -> Outcome<Fixtures> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(Fixtures::make()))
}

fn make_fixtures(path: PathBuf) -> Outcome<PathBuf> {
    fixtures()?.write(&path)?;
    Ok(path)
}

/// Makes keys and tokens, and whatever programs are missing.
fn prepare() -> Outcome<Run> {
    ensure("valgrind", "valgrind")?;
    let program = std::env::current_exe()?;
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let profile = program.parent().and_then(Path::file_name).ok_or("this program is in no folder")?;
    let mut build = cargo();
    build.args(["build", "--locked", "--bin", "allocations", "--manifest-path", manifest]);
    build.arg("--profile").arg(profile);
    if cfg!(feature = "peers") {
        build.args(["--features", "peers"]);
    }
    output(&mut build)?;
    let fixtures = std::env::temp_dir().join(format!("portcullis-bench-{}.json", std::process::id()));
    Ok(Run {
        allocations: program.with_file_name("allocations"),
        program,
        fixtures: make_fixtures(fixtures)?,
    })
}

/// The rows that are asked for, and those that they are compared with.
fn chosen(asked: impl Fn(&Row) -> bool) -> Vec<&'static Row> {
    let needed =
        |row: &&Row| asked(row) || ROWS.iter().any(|other| other.over == Some(row.id) && asked(other));
    ROWS.iter().filter(needed).collect()
}

fn table(wanted: &[&str], timed: bool) -> Outcome {
    let run = prepare()?;
    let rows = chosen(|row| wanted.is_empty() || wanted.iter().any(|name| row.id.starts_with(name)));
    let mut costs = count(&run, &rows)?;
    for row in rows.iter().filter(|_| timed) {
        let (own, over) = run.time(row)?;
        if let Some(cost) = costs.get_mut(row.id) {
            (cost.nanoseconds, cost.nanoseconds_over) = (Some(own), over);
        }
    }
    Fixtures::remove(&run.fixtures)?;
    report::print(&costs);
    // A part of it is no document.
    if timed && wanted.is_empty() {
        bench::document::write(&costs, concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance").as_ref())?;
        bench::document::put_into(
            concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md").as_ref(),
            &costs,
        )?;
    }
    Ok(())
}

/// Asks servers over loopback, and the gateway among them.
fn load(gateway: &Path) -> Outcome {
    let run = prepare()?;
    let told = bench::load::print(&run, gateway);
    Fixtures::remove(&run.fixtures)?;
    told
}

/// Builds the gateway as it is released.
fn built_gateway() -> Outcome<PathBuf> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    output(
        cargo().args(["build", "--release", "--locked", "--package", "portcullis-cli"]).current_dir(root),
    )?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(root).join("target"), PathBuf::from);
    Ok(target.join("release/portcullis"))
}

fn cargo() -> std::process::Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Counts what has a budget, and fails where one is exceeded.
fn gate() -> Outcome {
    let budgeted = BUDGETS.iter().map(|budget| budget.row);
    let compared = GROWTH.iter().flat_map(|growth| [growth.few, growth.many]);
    let wanted: Vec<&str> = budgeted.chain(compared).collect();
    let run = prepare()?;
    let costs = count(&run, &chosen(|row| wanted.contains(&row.id)))?;
    let bytes = output(command(&run.allocations).arg("memory"))?;
    Fixtures::remove(&run.fixtures)?;
    report::print(&costs);
    report::judge(&costs, &bytes)
}

/// Counts on every core: what is counted is the same on a busy one.
fn count(run: &Run, rows: &[&'static Row]) -> Outcome<Costs> {
    let next = AtomicUsize::new(0);
    let worker = || -> Result<Costs, String> {
        let mut costs = Costs::new();
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            let cost = run.counts(row).map_err(|error| {
                // The others need not go on, and end what they began.
                next.store(rows.len(), Ordering::Relaxed);
                eprintln!("  {}: {error}", row.id);
                format!("{}: {error}", row.id)
            })?;
            eprintln!("  {:26}{:>8.1} s", row.id, start.elapsed().as_secs_f64());
            costs.insert(row.id.to_owned(), cost);
        }
        Ok(costs)
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let counted: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().expect("nothing panics there")).collect()
    });
    let mut costs = Costs::new();
    for part in counted {
        costs.extend(part?);
    }
    Ok(costs)
}
