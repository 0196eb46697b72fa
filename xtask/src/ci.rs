//! Everything CI checks, cheapest first; the first failure ends it.

use crate::command::{cargo, run as run_command};
use crate::steps::Steps;
use crate::{Outcome, bench, deny, examples, features, fuzz, msrv, test};

type Step = (&'static str, fn() -> Outcome);

const STEPS: &[Step] = &[
    ("fmt", || run_command(cargo().args(["fmt", "--all", "--", "--check"]))),
    ("msrv", msrv::check),
    ("clippy", || {
        run_command(
            cargo()
                .args(["clippy", "--locked", "--workspace", "--all-targets", "--all-features"])
                .args(["--", "-D", "warnings"]),
        )
    }),
    ("features", features::run_each),
    ("doc", || {
        run_command(
            cargo()
                .args(["doc", "--locked", "--workspace", "--no-deps", "--all-features"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
    }),
    ("deny", deny::check),
    ("examples", examples::check_each),
    ("fuzz", fuzz::check),
    ("bench", bench::gate),
    // Last, so that the number of tests stands at the end of the log.
    ("test", || test::run(None)),
];

/// Names the steps.
pub(crate) fn list() {
    for (name, _) in STEPS {
        eprintln!("{name}");
    }
}

/// Runs the named steps, or all of them where none is named.
pub(crate) fn run(wanted: &[&str]) -> Outcome {
    let chosen = choose(wanted)?;
    let mut steps = Steps::default();
    let outcome = chosen.iter().try_for_each(|(name, step)| steps.run(name, step));
    steps.summary();
    outcome
}

fn choose(wanted: &[&str]) -> Outcome<Vec<Step>> {
    let known = |name: &&&str| STEPS.iter().any(|(step, _)| step == *name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        return Err(format!("`{unknown}` is not a step; `cargo xtask ci --list` names them"));
    }
    if wanted.is_empty() {
        return Ok(STEPS.to_vec());
    }
    Ok(STEPS.iter().filter(|(step, _)| wanted.contains(step)).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_every_step_and_names_choose_in_the_order_of_ci() {
        assert_eq!(choose(&[]).unwrap().len(), STEPS.len());
        let chosen: Vec<_> = choose(&["doc", "fmt"]).unwrap().iter().map(|(name, _)| *name).collect();
        assert_eq!(chosen, ["fmt", "doc"]);
    }

    #[test]
    fn an_unknown_step_is_refused_by_name() {
        let error = choose(&["fmt", "fmtt"]).unwrap_err();
        assert_eq!(error, "`fmtt` is not a step; `cargo xtask ci --list` names them");
    }
}
