//! How many tests ran: read from the last lines of `cargo nextest` and `cargo test`.

use std::fmt;

/// What runs the tests, and so how its closing line looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Runner {
    /// `cargo nextest`. The output of a failed test, which it shows, ends with a line of the other kind.
    Nextest,
    /// `cargo test`, once per test binary.
    Libtest,
}

/// Tests by what became of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    /// The counts a line states, if it is the runner's closing line.
    pub(crate) fn of_line(line: &str, runner: Runner) -> Option<Self> {
        let line = without_escapes(line);
        let line = line.trim();
        let stated = match runner {
            Runner::Libtest => line.strip_prefix("test result:")?,
            Runner::Nextest => line.strip_prefix("Summary [")?.split_once(']')?.1,
        };
        let mut counts = Self::default();
        let mut number: Option<u64> = None;
        for word in stated.split([' ', ',', ';', '(', ')', ':']) {
            match (number.take(), word) {
                (Some(n), "passed") => counts.passed += n,
                (Some(n), "failed") => counts.failed += n,
                (Some(n), "ignored" | "skipped" | "filtered") => counts.ignored += n,
                _ => number = word.parse().ok(),
            }
        }
        Some(counts)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} ignored or filtered", self.passed, self.failed, self.ignored)
    }
}

/// The text without terminal colours.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // A control sequence ends with its first letter.
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_of_nextest_is_read_and_that_of_a_failed_test_in_its_output_is_not() {
        let line = "     Summary [   1.203s] 1240 tests run: 1238 passed (2 slow), 2 failed, 7 skipped\n";
        let counts = Counts { passed: 1238, failed: 2, ignored: 7 };
        assert_eq!(Counts::of_line(line, Runner::Nextest), Some(counts));
        let shown = "  test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 1 filtered out";
        assert_eq!(Counts::of_line(shown, Runner::Nextest), None);
    }

    #[test]
    fn the_closing_line_of_cargo_test_is_read_through_its_colours() {
        let line =
            "test result: \u{1b}[32mok\u{1b}[0m. 3 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out";
        let counts = Counts { passed: 3, failed: 0, ignored: 5 };
        assert_eq!(Counts::of_line(line, Runner::Libtest), Some(counts));
        assert_eq!(Counts::of_line(line, Runner::Nextest), None);
    }

    #[test]
    fn other_lines_state_no_counts() {
        for line in
            ["", "3 passed", "test decides ... ok", "        PASS [   0.004s] portcullis-core chain::order"]
        {
            assert_eq!(Counts::of_line(line, Runner::Nextest), None, "{line}");
            assert_eq!(Counts::of_line(line, Runner::Libtest), None, "{line}");
        }
    }
}
