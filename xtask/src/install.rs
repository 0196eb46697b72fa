//! What the tests need beside Rust. A tool that is missing and cannot be installed is a failure: a test
//! that is skipped proves nothing.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::command::{output, program, root, run, succeeds};

/// The folder for what npm installs; git ignores it.
const SERVERS: &str = ".servers";

/// An upstream of the gateway's tests.
const EXPRESS: &str = "5.3.0";

/// The packages are installed by a script, so that one `sudo` covers all of it.
const APT_SCRIPT: &str = include_str!("apt-install.sh");

/// A program, what shows that it works, and the Debian packages it comes in.
struct Tool {
    name: &'static str,
    probe: &'static [&'static str],
    packages: &'static [&'static str],
}

const TOOLS: &[Tool] = &[
    Tool { name: "curl", probe: &["--version"], packages: &["curl", "ca-certificates"] },
    Tool { name: "openssl", probe: &["version"], packages: &["openssl"] },
    Tool { name: "keytool", probe: &["-help"], packages: &["default-jre-headless"] },
    Tool { name: "python3", probe: &["--version"], packages: &["python3"] },
    Tool { name: "node", probe: &["--version"], packages: &["nodejs"] },
    Tool { name: "npm", probe: &["--version"], packages: &["npm"] },
];

/// Installs whatever is missing and answers with the folder of the node modules.
pub(crate) fn ensure() -> Outcome<PathBuf> {
    let missing = missing();
    if !missing.is_empty() {
        install_packages(&missing)?;
    }
    ensure_express()
}

fn missing() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| !succeeds(program(tool.name).args(tool.probe))).collect()
}

fn install_packages(missing: &[&Tool]) -> Outcome {
    let names = names(missing);
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
    let still = self::missing();
    match (status.success(), still.is_empty()) {
        (_, true) => Ok(()),
        (true, false) => Err(format!("{} still cannot be run after its installation", self::names(&still))),
        (false, false) => {
            Err(format!("{} could not be installed ({status}): install it by hand", self::names(&still)))
        }
    }
}

fn ensure_express() -> Outcome<PathBuf> {
    let folder = root().join(SERVERS);
    let modules = folder.join("node_modules");
    if installed_version(&modules.join("express")).as_deref() == Some(EXPRESS) {
        return Ok(modules);
    }
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    // npm would otherwise look for a package.json in the folders above.
    run(program("npm")
        .args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
        .arg(&folder)
        .arg(format!("express@{EXPRESS}")))
    .map_err(|error| format!("the tests need Express {EXPRESS}: {error}"))?;
    match installed_version(&modules.join("express")) {
        Some(version) if version == EXPRESS => Ok(modules),
        other => Err(format!("npm was asked for Express {EXPRESS} and left {other:?}")),
    }
}

fn installed_version(module: &Path) -> Option<String> {
    let text = fs::read_to_string(module.join("package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_str(&text).ok()?;
    package.get("version")?.as_str().map(str::to_owned)
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
    fn the_version_of_a_module_is_read_and_an_absent_one_has_none() {
        let folder = std::env::temp_dir().join(format!("xtask-module-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("package.json"), r#"{ "name": "express", "version": "5.1.0" }"#).unwrap();
        let found = installed_version(&folder);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found.as_deref(), Some("5.1.0"));
        assert_eq!(installed_version(&folder), None);
    }

    #[test]
    fn every_tool_says_which_package_brings_it() {
        assert!(TOOLS.iter().all(|tool| !tool.packages.is_empty()));
    }
}
