//! Servers written in Python, from PyPI, in a virtual environment.

use std::path::Path;

use super::{Receipt, manifest};
use crate::Outcome;
use crate::command::{program, run, succeeds};

/// What shows that the environment works: it breaks when the checkout is moved, or Python is.
const PROBE: &str = "import authlib, cryptography, flask";

/// Installs what `tests/servers/requirements.txt` lists into `folder/venv`.
pub(super) fn ensure(folder: &Path) -> Outcome {
    let manifest = manifest("requirements.txt")?;
    let venv = folder.join("venv");
    let python = venv.join("bin/python");
    let receipt = Receipt::of(&manifest, "", &venv)?;
    if receipt.holds() && succeeds(program(&python).args(["-c", PROBE])) {
        return Ok(());
    }
    let what = |error: String| format!("the tests need packages of Python: {error}");
    run(program("python3").args(["-m", "venv", "--clear"]).arg(&venv)).map_err(what)?;
    run(program(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"])
        .arg("--requirement")
        .arg(&manifest))
    .map_err(what)?;
    receipt.write()
}
