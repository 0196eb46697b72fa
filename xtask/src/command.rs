//! Child processes: how they are started, shown and judged.

use std::env;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use crate::Outcome;
use crate::counts::{Counts, Runner};

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// The cargo that runs this task, at the root of the checkout.
pub(crate) fn cargo() -> Command {
    let mut cargo = program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // `cargo run` describes xtask in these; a build script that watches them would otherwise run again
    // after every task, and with it a C compiler.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    if io::stderr().is_terminal() && env::var_os("CARGO_TERM_COLOR").is_none() {
        cargo.env("CARGO_TERM_COLOR", "always");
    }
    cargo
}

/// Any program, at the root of the checkout and without an input to wait for.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// Whether the command can be started and ends well. Shows nothing of it.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs a command in sight; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let shown = announce(command);
    let status = command.status().map_err(|error| format!("`{shown}` cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` ended with {status}")) }
}

/// Runs a command out of sight for what it prints.
pub(crate) fn output(command: &mut Command) -> Outcome<Vec<u8>> {
    let shown = shown(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("`{shown}` cannot be started: {error}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("`{shown}` ended with {}", output.status))
    }
}

/// Runs a command in sight and adds up the test counts it prints on either stream.
pub(crate) fn run_counting(command: &mut Command, runner: Runner, total: &mut Counts) -> Outcome {
    let shown = announce(command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`{shown}` cannot be started: {error}"))?;
    let stdout = child.stdout.take().map(|stream| pass_on(stream, io::stdout(), runner));
    let stderr = child.stderr.take().map(|stream| pass_on(stream, io::stderr(), runner));
    for reader in [stdout, stderr].into_iter().flatten() {
        total.add(reader.join().map_err(|_| format!("the output of `{shown}` could not be read"))?);
    }
    let status = child.wait().map_err(|error| format!("`{shown}` was lost: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` ended with {status}")) }
}

fn pass_on(
    from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    runner: Runner,
) -> thread::JoinHandle<Counts> {
    thread::spawn(move || {
        let mut counts = Counts::default();
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            // A closed terminal must not end the tests, so that what they started is cleaned up.
            let _ = to.write_all(&line).and_then(|()| to.flush());
            if let Some(found) = Counts::of_line(&String::from_utf8_lossy(&line), runner) {
                counts.add(found);
            }
            line.clear();
        }
        counts
    })
}

fn announce(command: &Command) -> String {
    let shown = shown(command);
    eprintln!("  $ {shown}");
    shown
}

fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut shown = name.to_string_lossy().into_owned();
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_is_an_error_that_shows_it() {
        let error = run(program("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error, "`sh -c exit 3` ended with exit status: 3");
    }

    #[test]
    fn a_command_that_is_not_there_is_an_error_that_names_it() {
        let error = run(&mut program("portcullis-no-such-program")).unwrap_err();
        assert!(error.starts_with("`portcullis-no-such-program` cannot be started: "), "{error}");
    }

    #[test]
    fn what_is_passed_on_is_counted() {
        let text = "running\ntest result: ok. 2 passed; 0 failed\ntest result: ok. 5 passed; 1 ignored";
        let counts = pass_on(text.as_bytes(), io::sink(), Runner::Libtest).join().unwrap();
        assert_eq!(counts, Counts { passed: 7, failed: 0, ignored: 1 });
    }
}
