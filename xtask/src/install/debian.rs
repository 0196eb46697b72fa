//! Programs of the machine, from Debian packages.

use crate::Outcome;
use crate::command::{output, program, succeeds};

/// The packages are installed by a script, so that one `sudo` covers all of it.
const APT_SCRIPT: &str = include_str!("apt-install.sh");

/// A program, what shows that it works, and the Debian packages it comes in.
struct Tool {
    name: &'static str,
    probe: &'static [&'static str],
    packages: &'static [&'static str],
}

const TOOLS: &[Tool] = &[
    Tool { name: "curl", probe: &["curl", "--version"], packages: &["curl", "ca-certificates"] },
    Tool { name: "openssl", probe: &["openssl", "version"], packages: &["openssl"] },
    Tool { name: "keytool", probe: &["keytool", "-help"], packages: &["default-jre-headless"] },
    Tool { name: "node", probe: &["node", "--version"], packages: &["nodejs"] },
    Tool { name: "npm", probe: &["npm", "--version"], packages: &["npm"] },
    // Debian has Python without the part that makes virtual environments.
    Tool {
        name: "python3 with venv",
        probe: &["python3", "-c", "import ensurepip, venv"],
        packages: &["python3", "python3-venv"],
    },
    // Its daemon is not started: the tests start their own.
    Tool { name: "slapd", probe: &["/usr/sbin/slapd", "-VV"], packages: &["slapd"] },
    Tool { name: "ldapsearch", probe: &["ldapsearch", "-VV"], packages: &["ldap-utils"] },
    Tool { name: "chromium", probe: &["chromium", "--version"], packages: &["chromium"] },
];

/// What libFuzzer is compiled with.
const FUZZING: &[Tool] = &[Tool { name: "c++", probe: &["c++", "--version"], packages: &["g++"] }];

impl Tool {
    fn works(&self) -> bool {
        self.probe.split_first().is_some_and(|(name, arguments)| succeeds(program(name).args(arguments)))
    }
}

/// Installs the packages of the tools that do not work.
pub(super) fn ensure() -> Outcome {
    ensure_each(TOOLS)
}

/// The same with what fuzzing needs.
pub(super) fn ensure_for_fuzzing() -> Outcome {
    ensure_each(FUZZING)
}

fn ensure_each(tools: &[Tool]) -> Outcome {
    if missing(tools).is_empty() { Ok(()) } else { install_packages(tools) }
}

fn missing(tools: &[Tool]) -> Vec<&Tool> {
    tools.iter().filter(|tool| !tool.works()).collect()
}

fn install_packages(tools: &[Tool]) -> Outcome {
    let missing = missing(tools);
    let names = names(&missing);
    if !succeeds(program("apt-get").arg("--version")) {
        return Err(format!("the tests need {names}, and there is no apt-get here: install them by hand"));
    }
    let mut command = if is_root()? { program("sh") } else { program("sudo") };
    if !is_root()? {
        command.arg("sh");
    }
    // Shown by its purpose, not by its text.
    eprintln!("  installing {names}");
    command.args(["-c", APT_SCRIPT, "apt-install"]);
    command.args(missing.iter().flat_map(|tool| tool.packages));
    let status = command.status().map_err(|error| format!("{names} cannot be installed: {error}"))?;
    let still = self::missing(tools);
    match (status.success(), still.is_empty()) {
        (_, true) => Ok(()),
        (true, false) => Err(format!("{} still cannot be run after its installation", self::names(&still))),
        (false, false) => {
            Err(format!("{} could not be installed ({status}): install it by hand", self::names(&still)))
        }
    }
}

fn is_root() -> Outcome<bool> {
    Ok(output(program("id").arg("-u"))?.trim_ascii() == b"0")
}

fn names(tools: &[&Tool]) -> String {
    tools.iter().map(|tool| tool.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_says_how_it_is_seen_to_work_and_which_package_brings_it() {
        let mut all = TOOLS.iter().chain(FUZZING);
        assert!(all.all(|tool| !tool.probe.is_empty() && !tool.packages.is_empty()));
    }

    #[test]
    fn a_program_that_is_not_there_does_not_work() {
        let tool = Tool { name: "none", probe: &["portcullis-no-such-program"], packages: &["none"] };
        assert!(!tool.works());
    }
}
