//! The soak: good and hostile traffic at a gateway of a release build, for as long as somebody likes.

use crate::Outcome;
use crate::command::{cargo, run};
use crate::metadata::target_directory;

/// How long it runs where nobody says how long: what the promise is made for.
const DEFAULT: u64 = 600;

/// `cargo xtask soak [SECONDS]`. It prints its report, and fails where a decision was wrong, something panicked or memory grew.
pub(crate) fn soak(seconds: Option<&str>) -> Outcome {
    let seconds = read(seconds)?;
    run(cargo().args(["build", "--release", "--locked", "--all-features"]).args([
        "--package",
        "portcullis-cli",
        "--bin",
        "portcullis",
    ]))?;
    // The test itself may be a debug build: it is the gateway that is measured.
    let mut test = cargo();
    test.args(["test", "--locked", "--package", "portcullis-tests", "--test", "soak"]);
    test.args(["--", "--nocapture"]);
    test.env("PORTCULLIS_TEST_BIN_DIR", target_directory()?.join("release"));
    test.env("PORTCULLIS_TEST_LOAD_SECONDS", seconds.to_string());
    run(&mut test)
}

fn read(seconds: Option<&str>) -> Outcome<u64> {
    let Some(text) = seconds else { return Ok(DEFAULT) };
    let number = text.parse().ok().filter(|seconds| *seconds > 0);
    number.ok_or_else(|| format!("`{text}` is no number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_for_ten_minutes_unless_told_otherwise() {
        assert_eq!(read(None), Ok(600));
        assert_eq!(read(Some("60")), Ok(60));
        for wrong in ["0", "-1", "long"] {
            assert_eq!(read(Some(wrong)), Err(format!("`{wrong}` is no number of seconds")));
        }
    }
}
