//! Where the programs under test are. They belong to other packages, so cargo does not build them for a test here.

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Set by `cargo xtask test`, which has just built all programs with the features of the tests.
const BIN_DIR: &str = "PORTCULLIS_TEST_BIN_DIR";

/// The path of a program that is not older than its code.
pub(crate) fn binary(name: &str) -> PathBuf {
    if let Some(folder) = env::var_os(BIN_DIR) {
        let path = Path::new(&folder).join(format!("{name}{}", env::consts::EXE_SUFFIX));
        assert!(path.is_file(), "{BIN_DIR} has no `{name}`: run cargo xtask test");
        return path;
    }
    // An executable that merely exists may be yesterday's, so cargo is asked, once per program; it takes care
    // of other processes that ask the same.
    static BUILT: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.get_or_insert_default().entry(name.to_owned()).or_insert_with(|| build(name)).clone()
}

fn build(name: &str) -> PathBuf {
    let package = if name == "portcullis" { "portcullis-cli" } else { name };
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--package", package, "--bin", name, "--all-features"])
        .args(["--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "`{name}` of package `{package}` does not build");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .unwrap_or_else(|| panic!("cargo built no executable `{name}`"))
}
