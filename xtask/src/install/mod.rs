//! What the tests need beside Rust. A tool that is missing and cannot be installed is a failure: a test
//! that is skipped proves nothing.
//!
//! Whatever is there already is left alone, so that only the first run takes long.

mod debian;
mod node;
mod python;

use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::command::{cargo, root, run, succeeds};

/// Installs whatever is missing. The harness knows the same folder.
pub(crate) fn ensure() -> Outcome {
    debian::ensure()?;
    let folder = root().join(".servers");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    node::ensure(&folder)?;
    python::ensure(&folder)
}

/// The same with what fuzzing needs: a compiler for libFuzzer, and cargo-fuzz.
pub(crate) fn ensure_for_fuzzing() -> Outcome {
    debian::ensure_for_fuzzing()?;
    if succeeds(cargo().args(["fuzz", "--version"])) {
        return Ok(());
    }
    run(cargo().args(["install", "--locked", "cargo-fuzz", "--version", "0.13.2"]))
}

/// A file of the project that says what to install.
fn manifest(name: &str) -> Outcome<PathBuf> {
    let path = root().join("tests/servers").join(name);
    if path.is_file() { Ok(path) } else { Err(format!("there is no {}", path.display())) }
}

/// Remembers beside what was installed by what it was installed, so that a change of one replaces the other.
struct Receipt {
    path: PathBuf,
    text: String,
}

impl Receipt {
    /// The receipt of `manifest` and whatever else decides, in the folder of what is installed: it goes with it.
    fn of(manifest: &Path, more: &str, installed: &Path) -> Outcome<Self> {
        let text =
            fs::read_to_string(manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
        Ok(Self { path: installed.join("installed-for-the-tests-of-portcullis"), text: text + more })
    }

    fn holds(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|text| text == self.text)
    }

    fn write(&self) -> Outcome {
        fs::write(&self.path, &self.text).map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_holds_until_the_manifest_changes_or_what_was_installed_is_gone() {
        let folder = std::env::temp_dir().join(format!("xtask-receipt-{}", std::process::id()));
        let installed = folder.join("modules");
        fs::create_dir_all(&installed).unwrap();
        let manifest = folder.join("package.json");
        fs::write(&manifest, "express 5").unwrap();
        let receipt = |more: &str| Receipt::of(&manifest, more, &installed).unwrap();
        assert!(!receipt("").holds());
        receipt("").write().unwrap();
        assert!(receipt("").holds());
        assert!(!receipt(", and node").holds());
        fs::write(&manifest, "express 6").unwrap();
        assert!(!receipt("").holds());
        fs::write(&manifest, "express 5").unwrap();
        fs::remove_dir_all(&installed).unwrap();
        assert!(!receipt("").holds());
        fs::remove_dir_all(&folder).unwrap();
    }
}
