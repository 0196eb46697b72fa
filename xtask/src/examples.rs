//! Examples that stand outside the workspace, as a user's own project would.

use std::fs;
use std::path::PathBuf;

use crate::Outcome;
use crate::command::{cargo, root, run};
use crate::metadata::{list, read, target_directory, text};

/// Lints and tests each of them, in the workspace's target folder so that they share what is built.
pub(crate) fn check_each() -> Outcome {
    let target = target_directory()?;
    for manifest in outside()? {
        let locked = manifest.with_file_name("Cargo.lock").is_file();
        let cargo_for = |task: &[&str]| {
            let mut command = cargo();
            command.args(task).arg("--manifest-path").arg(&manifest);
            // The workspace's profile, which their own manifests need not repeat: without it nothing is shared.
            command.env("CARGO_TARGET_DIR", &target).env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
            if locked {
                command.arg("--locked");
            }
            command
        };
        run(cargo().args(["fmt", "--check", "--manifest-path"]).arg(&manifest))?;
        run(cargo_for(&["clippy", "--all-targets"]).args(["--", "-D", "warnings"]))?;
        run(&mut cargo_for(&["test"]))?;
    }
    Ok(())
}

/// The manifests under `examples/` that the workspace does not count as members.
fn outside() -> Outcome<Vec<PathBuf>> {
    let metadata = read(false)?;
    let mut members = Vec::new();
    for package in list(&metadata, "packages") {
        members.push(PathBuf::from(text(package, "manifest_path")?));
    }
    let folder = root().join("examples");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path().join("Cargo.toml"))
        .filter(|manifest| manifest.is_file() && !members.contains(manifest))
        .collect();
    found.sort();
    Ok(found)
}
