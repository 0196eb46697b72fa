//! Licences, banned crates, double versions and unknown sources, by cargo-deny and `deny.toml`.

use crate::Outcome;
use crate::command::{cargo, run, succeeds};

/// Checks everything that needs no network. Security advisories come from a database on the internet and
/// are a step of the release: `cargo deny check advisories`.
pub(crate) fn check() -> Outcome {
    if !succeeds(cargo().args(["deny", "--version"])) {
        run(cargo().args(["install", "--locked", "cargo-deny@^0.20"]))?;
    }
    // An exception that nothing needs any more is a mistake as well.
    let stale = ["-D", "unmatched-skip", "-D", "unnecessary-skip", "-D", "unused-wrapper"];
    run(cargo()
        .args(["deny", "--locked", "--all-features", "check", "--hide-inclusion-graph"])
        .args(stale)
        .args(["bans", "licenses", "sources"]))
}
