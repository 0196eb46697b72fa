//! What a request may cost: `bench/`, a project of its own, counts it.

use std::path::PathBuf;

use crate::Outcome;
use crate::command::{cargo, root, run};

/// Lints the benchmark and holds every budget. Counts instructions and allocations alone, which say the same on a busy
/// machine.
pub(crate) fn gate() -> Outcome {
    let manifest: PathBuf = root().join("bench/Cargo.toml");
    run(cargo().args(["fmt", "--check", "--manifest-path"]).arg(&manifest))?;
    let clippy = ["clippy", "--release", "--locked", "--all-targets", "--manifest-path"];
    run(cargo().args(clippy).arg(&manifest).args(["--", "-D", "warnings"]))?;
    run(cargo().args(["run", "--release", "--locked", "--manifest-path"]).arg(&manifest).args(["--", "gate"]))
}
