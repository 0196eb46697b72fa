//! Fuzzing: the fuzzers of `fuzz/`, for a moment in CI and for as long as somebody likes, and the comparison with another library.
//!
//! The inputs that are kept need none of this: they are run by the tests.

mod tally;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::tally::{Entry, Tally};
use crate::Outcome;
use crate::command::{cargo, output, program, root, run as run_command};
use crate::metadata::target_directory;
use crate::{install, steps::Steps};

/// How long each target runs in CI.
const IN_CI: u64 = 6;

/// How long each target runs where nobody says how long.
const DEFAULT: u64 = 60;

/// What CI runs: whether the two small workspaces are tidy, the comparison, and each fuzzer for a moment.
pub(crate) fn check() -> Outcome {
    let manifest = root().join("fuzz/Cargo.toml");
    let target = target_directory()?;
    run_command(cargo().args(["fmt", "--all", "--check", "--manifest-path"]).arg(&manifest))?;
    let cargo_for = |arguments: &[&str]| {
        let mut command = cargo();
        command.args(arguments).args(["--locked", "--manifest-path"]).arg(&manifest);
        command.env("CARGO_TARGET_DIR", &target);
        command
    };
    run_command(
        cargo_for(&["clippy", "--package", "portcullis-differential", "--all-targets"])
            .args(["--", "-D", "warnings"]),
    )?;
    run_command(&mut cargo_for(&["test", "--package", "portcullis-differential"]))?;
    fuzz(IN_CI, &[])
}

/// `cargo xtask fuzz [SECONDS] [TARGET...]`.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let (seconds, wanted) = read(arguments)?;
    fuzz(seconds, wanted)
}

fn read<'a>(arguments: &'a [&'a str]) -> Outcome<(u64, &'a [&'a str])> {
    match arguments {
        [first, rest @ ..] if first.starts_with(|first: char| first.is_ascii_digit()) => {
            let seconds = first.parse().ok().filter(|seconds| *seconds > 0);
            Ok((seconds.ok_or_else(|| format!("`{first}` is no number of seconds"))?, rest))
        }
        all => Ok((DEFAULT, all)),
    }
}

fn fuzz(seconds: u64, wanted: &[&str]) -> Outcome {
    install::ensure_for_fuzzing()?;
    let targets = chosen(&output(cargo().args(["fuzz", "list"]))?, wanted)?;
    let folder = target_directory()?.join("fuzz");
    // No sanitizer: the product has no unsafe code that one could watch, and so any stable toolchain will do.
    let mut build = cargo();
    build.args(["fuzz", "build", "--sanitizer", "none", "--target-dir"]).arg(&folder);
    if let [one] = &targets[..] {
        build.arg(one);
    }
    run_command(&mut build)?;

    let programs = folder.join(host()?).join("release");
    let mut tally = Tally::load(&folder.join("tally.tsv"))?;
    let mut steps = Steps::default();
    let mut failed = Vec::new();
    for target in &targets {
        let run = || run_one(&programs, &folder, target, seconds);
        match steps.run(target, run) {
            Ok(entry) => tally.add(target, entry)?,
            Err(why) => failed.push(why),
        }
    }
    eprintln!("\n{tally}");
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// The targets of that name, or all.
fn chosen(listed: &[u8], wanted: &[&str]) -> Outcome<Vec<String>> {
    let listed = String::from_utf8_lossy(listed);
    let all: Vec<&str> = listed.split_whitespace().collect();
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(name)) {
        return Err(format!("`{unknown}` is not a target: there are {}", all.join(", ")));
    }
    Ok(all.into_iter().filter(|name| wanted.is_empty() || wanted.contains(name)).map(str::to_owned).collect())
}

/// Runs one fuzzer. What it learns goes below the target folder, never among the seeds.
fn run_one(programs: &Path, folder: &Path, target: &str, seconds: u64) -> Outcome<Entry> {
    let fuzz = root().join("fuzz");
    let learned = made(folder.join("corpus").join(target))?;
    let artifacts = made(fuzz.join("artifacts").join(target))?;
    let mut command = program(programs.join(target));
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        // An input that takes this long or this much is a finding.
        .args(["-timeout=20", "-rss_limit_mb=2048", "-max_len=8192", "-print_final_stats=1", "-verbosity=0"]);
    let dictionary = fuzz.join("dictionaries").join(format!("{target}.dict"));
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    command.arg(learned);
    for kept in ["corpus", "regressions"] {
        let kept = fuzz.join(kept).join(target);
        if kept.is_dir() {
            command.arg(kept);
        }
    }
    let text = said(&mut command, target)?;
    let executions = tally::executions(&text)
        .ok_or_else(|| format!("{target} does not say how many inputs it ran:\n{text}"))?;
    Ok(Entry { seconds, executions })
}

/// What a fuzzer says, which all goes to standard error; where it found something, that is the error.
fn said(command: &mut Command, target: &str) -> Outcome<String> {
    let output = command.output().map_err(|error| format!("{target} cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!(
        "{text}\n{target} found something ({}): mend it, and move the input that is named above from fuzz/artifacts to \
         fuzz/regressions/{target}",
        output.status
    ))
}

fn made(folder: PathBuf) -> Outcome<PathBuf> {
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// The triple that cargo-fuzz builds for.
fn host() -> Outcome<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = output(program(rustc).arg("-vV"))?;
    let said = String::from_utf8_lossy(&said);
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say which machine it is for".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_says_how_long_and_names_say_what() {
        assert_eq!(read(&[]), Ok((DEFAULT, &[][..])));
        assert_eq!(read(&["jws"]), Ok((DEFAULT, &["jws"][..])));
        assert_eq!(read(&["5", "jws", "pem"]), Ok((5, &["jws", "pem"][..])));
        assert_eq!(read(&["0"]), Err("`0` is no number of seconds".to_owned()));
        assert_eq!(read(&["5x"]), Err("`5x` is no number of seconds".to_owned()));
    }

    #[test]
    fn an_unknown_target_is_refused_by_name() {
        assert_eq!(chosen(b"a\nb\n", &[]).unwrap(), ["a", "b"]);
        assert_eq!(chosen(b"a\nb\n", &["b"]).unwrap(), ["b"]);
        assert_eq!(chosen(b"a\nb\n", &["c"]).unwrap_err(), "`c` is not a target: there are a, b");
    }
}
