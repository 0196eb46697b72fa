//! Programs of the workspace as a user runs them: as processes, judged by what they print and how they end.

use std::ffi::OsStr;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use crate::Lines;
use crate::binary::binary;

/// A program of this workspace that is about to be run.
#[derive(Debug)]
pub struct Program {
    name: String,
    command: Command,
}

impl Program {
    /// The program of this name, for instance `portcullis` or `quickstart`, built if it must be.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::of(name, Command::new(binary(name)))
    }

    fn of(name: &str, mut command: Command) -> Self {
        // What the developer's shell says must not decide what a test sees.
        command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE").env("NO_COLOR", "1");
        Self { name: name.to_owned(), command }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable of the program alone.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn in_folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Starts it and leaves it running until the guard is dropped.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start(mut self) -> Running {
        self.command.stdin(Stdio::null());
        let child = self.spawn();
        self.running(child)
    }

    /// Runs it to its end without input.
    ///
    /// # Panics
    ///
    /// If it cannot be started, or does not close its output within [`crate::PATIENCE`].
    #[must_use]
    pub fn run(self) -> Finished {
        self.run_with_input("")
    }

    /// Runs it to its end with this as its standard input.
    ///
    /// # Panics
    ///
    /// As [`Self::run`].
    #[must_use]
    pub fn run_with_input(mut self, input: impl Into<Vec<u8>>) -> Finished {
        self.command.stdin(Stdio::piped());
        let mut child = self.spawn();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.into();
        // In the background: a program that prints much before it reads would block otherwise. One that ends without
        // reading is free to do so.
        thread::spawn(move || stdin.write_all(&input));
        let mut running = self.running(child);
        let status = running.wait();
        Finished {
            code: status.code(),
            stdout: running.stdout.to_end().join("\n"),
            stderr: running.stderr.to_end().join("\n"),
        }
    }

    fn running(self, mut child: Child) -> Running {
        Running {
            stdout: Lines::of(child.stdout.take().unwrap()),
            stderr: Lines::of(child.stderr.take().unwrap()),
            name: self.name,
            watchdog: watchdog(child.id()),
            child,
        }
    }

    fn spawn(&mut self) -> Child {
        self.command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("`{}` cannot be started: {error}", self.name))
    }
}

/// Ends a program where the test is killed, and so drops nothing: its input ends then.
pub(crate) fn watchdog(id: u32) -> Child {
    Command::new("sh")
        .args(["-c", "read _ || kill -KILL \"$1\"", "sh", &id.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell can be started")
}

/// A program that ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finished {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it printed, lines joined by `\n`, without the last line end.
    pub stdout: String,
    /// What it complained about, likewise.
    pub stderr: String,
}

/// A program that runs until this guard is dropped.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    watchdog: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Running {
    /// What it prints on standard error.
    pub fn stderr(&mut self) -> &mut Lines {
        &mut self.stderr
    }

    /// What it prints on standard output.
    pub fn stdout(&mut self) -> &mut Lines {
        &mut self.stdout
    }

    /// Waits until it says on standard error where it listens, and answers with that address.
    ///
    /// # Panics
    ///
    /// If it ends before, or says nothing of the kind within [`crate::PATIENCE`].
    pub fn address(&mut self) -> SocketAddr {
        let what = format!("`{}` to say where it listens", self.name);
        self.stderr.wait_for(&what, listening_on)
    }

    /// The most memory it ever held, in KiB.
    ///
    /// # Panics
    ///
    /// If the kernel does not say, which Linux does.
    #[must_use]
    pub fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as an operator's SIGTERM does. Wait with [`Self::wait`].
    ///
    /// # Panics
    ///
    /// If the signal cannot be sent.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Asks it to read its files again, by SIGHUP.
    ///
    /// # Panics
    ///
    /// If the signal cannot be sent.
    pub fn hang_up(&self) {
        self.signal("HUP");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &id]).status().unwrap();
        assert!(sent.success(), "`{}` could not be sent SIG{name}", self.name);
    }

    /// Waits until it has closed its output and ended.
    ///
    /// # Panics
    ///
    /// If it does not within [`crate::PATIENCE`].
    pub fn wait(&mut self) -> ExitStatus {
        // Its pipes close when it ends, which is an end of waiting that has a bound.
        self.stdout.to_end();
        self.stderr.to_end();
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // First, lest it kills a stranger who is given the number of the program.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in a line such as `listening on https://127.0.0.1:9090`.
fn listening_on(line: &str) -> Option<SocketAddr> {
    if !line.to_ascii_lowercase().contains("listen") {
        return None;
    }
    line.split([' ', '"', '\'', ',', '`', '=']).find_map(|word| {
        let word = word.trim_start_matches("https://").trim_start_matches("http://");
        let word = word.trim_end_matches(['/', '.', ';']);
        let local = word.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        local.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).or_else(|| word.parse().ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::of("sh", Command::new("sh")).args(["-c", script])
    }

    #[test]
    fn the_address_is_found_in_the_ways_one_would_say_it() {
        let expected: SocketAddr = "127.0.0.1:9090".parse().unwrap();
        for line in [
            "portcullis: listening on https://127.0.0.1:9090",
            "listening on https://localhost:9090/.",
            "INFO listening address=127.0.0.1:9090 tls=true",
        ] {
            assert_eq!(listening_on(line), Some(expected), "{line}");
        }
        assert_eq!(listening_on("forwarding to http://127.0.0.1:9090"), None);
    }

    #[test]
    fn a_program_is_judged_by_its_code_and_both_outputs() {
        let finished = shell("cat; echo bad >&2; exit 3").run_with_input("good");
        assert_eq!(finished, Finished { code: Some(3), stdout: "good".into(), stderr: "bad".into() });
    }

    #[test]
    fn a_program_that_runs_says_where_it_listens_and_ends_when_it_is_asked_to() {
        let script =
            "trap 'echo bye; exit 0' TERM; echo listening on 127.0.0.1:7 >&2; while :; do read _ || :; done";
        let mut running = shell(script).start();
        assert_eq!(running.address().port(), 7);
        assert!(running.peak_memory_kib() > 0);
        running.terminate();
        assert_eq!(running.wait().code(), Some(0));
        assert_eq!(running.stdout().to_end(), ["bye"]);
    }

    #[test]
    fn a_program_does_not_outlive_a_test_that_is_killed() {
        let mut running = shell("echo listening on 127.0.0.1:7 >&2; exec tail -f /dev/null").start();
        running.address();
        // What the system does with the pipes of a process that is gone.
        drop(running.watchdog.stdin.take());
        assert_eq!(running.wait().code(), None, "a signal ended it");
    }

    #[test]
    fn a_program_does_not_outlive_its_guard() {
        let running = shell("echo listening on 127.0.0.1:7 >&2; exec tail -f /dev/null").start();
        let id = running.child.id();
        drop(running);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }
}
