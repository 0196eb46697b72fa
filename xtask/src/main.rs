//! The project's own tasks, so that a developer runs exactly what CI runs: `cargo xtask --help`.

mod bench;
mod ci;
mod command;
mod counts;
mod deny;
mod examples;
mod features;
mod fuzz;
mod install;
mod metadata;
mod msrv;
mod soak;
mod steps;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
The tasks of the portcullis workspace.

Usage: cargo xtask <TASK>

Tasks:
  test [FILTER]   Install what the tests need where it is missing, then run every test and every
                  documentation example; with FILTER only those whose name contains it
  fuzz [SECONDS] [TARGET...]
                  Run each fuzzer for so long (60), or those of the named targets; what they did is
                  added to a tally, so that a long run may be made in parts
  soak [SECONDS]  Send good and hostile traffic to a gateway of a release build for so long (600), while
                  its servers fail and return, and report what it decided
  bench           Count what requests cost, and fail where that is above its budget
  install         Install what the tests need where it is missing, and nothing else
  ci [STEP...]    Run what CI runs, or the named steps of it only
  ci --list       Name the steps of `ci`

Options:
  -h, --help      Print this

Examples:
  cargo xtask test
  cargo xtask test wycheproof
  cargo xtask fuzz 120 jws config_toml
  cargo xtask soak 60
  cargo xtask ci fmt clippy";

/// What a task ends with: nothing, or one sentence for the person at the terminal.
type Outcome<T = ()> = Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        [] | ["help"] => {
            eprintln!("{HELP}");
            Ok(())
        }
        options if options.iter().any(|option| ["-h", "--help"].contains(option)) => {
            eprintln!("{HELP}");
            Ok(())
        }
        ["test"] => test::run(None),
        ["test", filter] if !filter.starts_with('-') => test::run(Some(filter)),
        ["fuzz", arguments @ ..] => fuzz::run(arguments),
        ["soak"] => soak::soak(None),
        ["soak", seconds] => soak::soak(Some(seconds)),
        ["bench"] => bench::gate(),
        ["install"] => install::ensure(),
        ["ci", "--list"] => {
            ci::list();
            Ok(())
        }
        ["ci", steps @ ..] => ci::run(steps),
        other => Err(format!("`{}` is not a task; `cargo xtask --help` names them", other.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
