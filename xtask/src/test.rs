//! All tests, with what they need: programs, servers, and binaries that are not older than the code.

use crate::command::{cargo, run_counting, succeeds};
use crate::counts::{Counts, Runner};
use crate::steps::Steps;
use crate::{Outcome, command, install, metadata};

/// Tells the tests that the programs in this folder were built from this code.
const BINARIES: &str = "PORTCULLIS_TEST_BIN_DIR";

/// Runs the tests whose name contains `filter`, or all.
pub(crate) fn run(filter: Option<&str>) -> Outcome {
    let mut steps = Steps::default();
    let mut total = Counts::default();
    let outcome = run_steps(filter, &mut steps, &mut total);
    steps.summary();
    eprintln!("\ntests: {total}");
    outcome
}

fn run_steps(filter: Option<&str>, steps: &mut Steps, total: &mut Counts) -> Outcome {
    steps.run("install", install::ensure)?;
    let binaries = metadata::target_directory()?.join("debug");

    // One build with the tests and the programs they start: a later `cargo build` of a program alone would
    // resolve other features and compile half the tree again.
    steps.run("build", || {
        command::run(cargo().args(["build", "--locked", "--workspace", "--all-features"]).args([
            "--bins",
            "--tests",
            "--examples",
        ]))
    })?;

    let mut failed = Vec::new();
    let nextest = succeeds(cargo().args(["nextest", "--version"]));
    let mut run = |name: &'static str, runner: Runner, arguments: &[&str], filters: &[&str]| {
        let mut command = cargo();
        command.args(arguments).args(["--locked", "--workspace", "--all-features", "--no-fail-fast"]);
        command.args(filters).args(filter);
        command.env(BINARIES, &binaries);
        // The documentation examples run even where a test failed: one run shows everything.
        failed.extend(steps.run(name, || run_counting(&mut command, runner, total)).err());
    };
    if nextest {
        // A filter may name a documentation example only.
        let empty = if filter.is_some() { "--no-tests=pass" } else { "--no-tests=fail" };
        run("nextest", Runner::Nextest, &["nextest", "run", empty], &[]);
    } else {
        run("test", Runner::Libtest, &["test", "--tests"], &["--"]);
    }
    run("doctest", Runner::Libtest, &["test", "--doc"], &["--"]);

    if !failed.is_empty() {
        return Err(failed.join("; "));
    }
    match (total.passed, filter) {
        (0, Some(filter)) => Err(format!("no test has `{filter}` in its name")),
        (0, None) => Err("no test ran".to_owned()),
        _ => Ok(()),
    }
}
