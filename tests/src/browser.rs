//! A real browser.

use std::io::Write;
use std::path::PathBuf;
use std::{env, fmt};

use serde_json::Value;

use crate::server::Process;
use crate::tools::{node, script};

/// Debian's chromium without a window, driven by Playwright. Certificates that nobody signed are fine with it.
pub struct Browser(Process);

impl Browser {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// If chromium, Node or Playwright is missing.
    #[must_use]
    pub fn start() -> Self {
        let mut command = node("playwright-core");
        command.arg(script("browser/browser.mjs")).arg(chromium());
        let mut process = Process::start("node", command);
        process.log.wait_for("the browser to start", |line| line.contains("\"ready\"").then_some(()));
        Self(process)
    }

    /// Opens a page in a profile of its own, and waits for the value that its script hands to `report(value)`.
    ///
    /// # Panics
    ///
    /// If it reports nothing within [`crate::PATIENCE`].
    pub fn visit(&mut self, url: &str) -> Value {
        writeln!(self.0.input(), "{}", Value::from(url)).expect("the browser runs");
        self.0.log.wait_for(&format!("{url} to report"), |line| serde_json::from_str(line).ok())
    }
}

/// It is asked to end, because it has files to remove.
impl Drop for Browser {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Browser").finish()
    }
}

fn chromium() -> PathBuf {
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&folders).map(|folder| folder.join("chromium")).find(|path| path.is_file());
    found.expect("there is no chromium: run cargo xtask test, which installs it")
}
