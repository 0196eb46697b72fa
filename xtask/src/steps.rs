//! Named steps, each timed and announced, with a table of times at the end.

use std::time::{Duration, Instant};

use crate::Outcome;

/// The steps that ran so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration, bool)>,
}

impl Steps {
    /// Runs one step and remembers how long it took, whatever came of it.
    pub(crate) fn run<T>(&mut self, name: &str, step: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        eprintln!("==> {name}");
        let start = Instant::now();
        let outcome = step();
        let elapsed = start.elapsed();
        eprintln!("<== {name}: {} in {:.1} s", word(outcome.is_ok()), elapsed.as_secs_f64());
        self.done.push((name.to_owned(), elapsed, outcome.is_ok()));
        outcome.map_err(|message| format!("{name}: {message}"))
    }

    /// Prints the table of steps and times.
    pub(crate) fn summary(&self) {
        let width = self.done.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
        eprintln!("\nsteps:");
        for (name, elapsed, ok) in &self.done {
            eprintln!("  {name:width$}  {:>7.1} s  {}", elapsed.as_secs_f64(), word(*ok));
        }
        let total: Duration = self.done.iter().map(|(_, elapsed, _)| *elapsed).sum();
        eprintln!("  {:width$}  {:>7.1} s", "total", total.as_secs_f64());
    }
}

fn word(ok: bool) -> &'static str {
    if ok { "ok" } else { "FAILED" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_says_which_it_was_and_is_remembered() {
        let mut steps = Steps::default();
        assert_eq!(steps.run("first", || Ok(7)), Ok(7));
        assert_eq!(steps.run::<()>("second", || Err("no".to_owned())), Err("second: no".to_owned()));
        let seen: Vec<_> = steps.done.iter().map(|(name, _, ok)| (name.as_str(), *ok)).collect();
        assert_eq!(seen, [("first", true), ("second", false)]);
    }
}
