//! The arrows between the crates: who may import whom, held as a rule over `cargo metadata`.
//!
//! ```text
//! cli → portcullis → { axum → tower, providers } → { outbound → keys } → core
//! ```
//!
//! Siblings never import siblings: what they need of each other is a trait in `core`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use toml::de::{DeTable, DeValue};

const CORE: &str = "portcullis-core";
const KEYS: &str = "portcullis-keys";
const OUTBOUND: &str = "portcullis-outbound";
const PROVIDERS: &[&str] = &["portcullis-file", "portcullis-jwt", "portcullis-ldap", "portcullis-oauth2"];
const TOWER: &str = "portcullis-tower";
const AXUM: &str = "portcullis-axum";
const FACADE: &str = "portcullis";
const CLI: &str = "portcullis-cli";
const TESTING: &str = "portcullis-testing";

/// A member of the workspace.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Whether it is shipped: `publish` is not false.
    pub published: bool,
    /// Whether its manifest takes over the workspace's lints.
    pub inherits_lints: bool,
    /// What its users compile with it: normal and build dependencies, ours and others'.
    pub imports: Vec<String>,
}

/// Every arrow that points the wrong way, as a sentence each; empty where the house stands.
#[must_use]
pub fn violations(packages: &[Package]) -> Vec<String> {
    let members: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut found = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        if !package.inherits_lints {
            found
                .push(format!("{name} must have `[lints] workspace = true`: unsafe code is forbidden there"));
        }
        let allowed = match (allowed(name), package.published) {
            (Some(allowed), _) => Some(allowed),
            (None, true) => {
                found.push(format!("{name} is published and has no place among the arrows: give it one"));
                continue;
            }
            // Examples and tests are users: everything is theirs.
            (None, false) => None,
        };
        for import in package.imports.iter().map(String::as_str) {
            let ours = import == FACADE || import.starts_with("portcullis-") || members.contains(import);
            if ours && allowed.as_ref().is_some_and(|allowed| !allowed.contains(&import)) {
                found.push(format!("{name} must not import {import}"));
            }
            if !ours && !may_name(name, import) {
                found.push(format!("{name} must not know {import}"));
            }
        }
    }
    found
}

/// The crates of ours that a shipped crate may import; `None` for one that has no place.
fn allowed(name: &str) -> Option<Vec<&'static str>> {
    let below = || [CORE, KEYS, OUTBOUND];
    Some(match name {
        CORE | "xtask" => Vec::new(),
        KEYS => vec![CORE],
        // An outbound client without keys and trust anchors is none.
        OUTBOUND => vec![CORE, KEYS],
        TOWER => below().to_vec(),
        AXUM => [&below()[..], &[TOWER]].concat(),
        FACADE | TESTING => [&below()[..], PROVIDERS, &[TOWER, AXUM]].concat(),
        CLI => [&below()[..], PROVIDERS, &[TOWER, AXUM, FACADE]].concat(),
        provider if PROVIDERS.contains(&provider) => below().to_vec(),
        _ => return None,
    })
}

/// Whether a shipped crate may name this crate of others'.
fn may_name(name: &str, foreign: &str) -> bool {
    let family = |first: &str| foreign == first || foreign.starts_with(&format!("{first}-"));
    if family("axum") {
        return !(name == CORE
            || name == KEYS
            || name == OUTBOUND
            || name == TOWER
            || PROVIDERS.contains(&name));
    }
    if family("tower") {
        return !(name == CORE || name == KEYS || PROVIDERS.contains(&name));
    }
    true
}

/// The members of this workspace.
///
/// # Panics
///
/// If `cargo metadata` or a manifest cannot be read.
#[must_use]
pub fn workspace() -> Vec<Package> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "cargo metadata ended with {}", output.status);
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    metadata["packages"].as_array().expect("cargo metadata lists packages").iter().map(package).collect()
}

fn package(value: &Value) -> Package {
    let imports = value["dependencies"].as_array().expect("a package lists its dependencies");
    // Development dependencies may point anywhere: no user compiles them.
    let imports = imports.iter().filter(|dependency| dependency["kind"] != "dev");
    Package {
        name: value["name"].as_str().expect("a package has a name").to_owned(),
        published: value["publish"].is_null(),
        inherits_lints: inherits_lints(Path::new(value["manifest_path"].as_str().expect("and a manifest"))),
        imports: imports.map(|import| import["name"].as_str().unwrap_or_default().to_owned()).collect(),
    }
}

fn inherits_lints(manifest: &Path) -> bool {
    manifest_value(manifest, &["lints", "workspace"]) == Some("true".to_owned())
}

/// The text or truth value at this path of a manifest; `None` where there is no such key.
///
/// # Panics
///
/// If the file cannot be read, or is not TOML.
#[must_use]
pub fn manifest_value(file: &Path, keys: &[&str]) -> Option<String> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let table = DeTable::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (first, rest) = keys.split_first()?;
    let value = rest.iter().try_fold(table.get_ref().get(*first)?, |value, key| value.get_ref().get(key))?;
    match value.get_ref() {
        DeValue::Boolean(value) => Some(value.to_string()),
        value => value.as_str().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(name: &str, imports: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            published: true,
            inherits_lints: true,
            imports: imports.iter().map(|&import| import.to_owned()).collect(),
        }
    }

    fn unshipped(name: &str, imports: &[&str]) -> Package {
        Package { published: false, ..shipped(name, imports) }
    }

    #[test]
    fn the_arrows_as_drawn_are_accepted() {
        let house = [
            shipped(CORE, &["http", "serde"]),
            shipped(KEYS, &[CORE, "rustls"]),
            shipped(OUTBOUND, &[CORE, "hyper", "tower-service"]),
            shipped("portcullis-file", &[CORE]),
            shipped("portcullis-jwt", &[CORE, KEYS, OUTBOUND]),
            shipped(TOWER, &[CORE, "tower-layer"]),
            shipped(AXUM, &[CORE, KEYS, TOWER, "axum", "tower"]),
            shipped(FACADE, &[CORE, KEYS, TOWER, AXUM, "portcullis-file", "portcullis-jwt", "axum"]),
            shipped(CLI, &[FACADE, KEYS]),
            shipped(TESTING, &[CORE, TOWER, "portcullis-jwt"]),
            unshipped("quickstart", &[FACADE, "axum"]),
            unshipped("portcullis-tests", &[FACADE, TESTING, CLI]),
            unshipped("xtask", &["serde_json"]),
        ];
        assert_eq!(violations(&house), Vec::<String>::new());
    }

    #[test]
    fn every_arrow_against_the_drawing_is_refused() {
        for (name, import) in [
            (CORE, KEYS),
            (CORE, FACADE),
            (KEYS, OUTBOUND),
            (OUTBOUND, "portcullis-oauth2"),
            ("portcullis-jwt", "portcullis-file"),
            ("portcullis-oauth2", "portcullis-jwt"),
            ("portcullis-file", TOWER),
            ("portcullis-ldap", AXUM),
            (TOWER, "portcullis-file"),
            (TOWER, AXUM),
            (AXUM, "portcullis-jwt"),
            (AXUM, FACADE),
            (FACADE, CLI),
            (FACADE, TESTING),
            (CLI, TESTING),
            (TESTING, FACADE),
            ("xtask", FACADE),
            ("portcullis-jwt", "portcullis-new"),
        ] {
            assert_eq!(violations(&[shipped(name, &[import])]), [format!("{name} must not import {import}")]);
        }
    }

    #[test]
    fn a_shipped_crate_that_imports_an_example_is_refused() {
        let house = [shipped(FACADE, &["quickstart"]), unshipped("quickstart", &[FACADE])];
        assert_eq!(violations(&house), ["portcullis must not import quickstart"]);
    }

    #[test]
    fn what_is_below_the_layer_knows_no_tower_and_no_axum() {
        for (name, foreign) in [
            (CORE, "axum-core"),
            (CORE, "tower-service"),
            (KEYS, "tower"),
            ("portcullis-jwt", "tower-http"),
            ("portcullis-file", "axum"),
            (TOWER, "axum"),
            (OUTBOUND, "axum"),
        ] {
            assert_eq!(violations(&[shipped(name, &[foreign])]), [format!("{name} must not know {foreign}")]);
        }
    }

    #[test]
    fn a_new_crate_without_a_place_is_refused() {
        assert_eq!(
            violations(&[shipped("portcullis-saml", &[CORE])]),
            ["portcullis-saml is published and has no place among the arrows: give it one"]
        );
    }

    #[test]
    fn a_crate_that_drops_the_lints_is_refused_even_an_example() {
        let example = Package { inherits_lints: false, ..unshipped("quickstart", &[FACADE]) };
        assert_eq!(
            violations(&[example]),
            ["quickstart must have `[lints] workspace = true`: unsafe code is forbidden there"]
        );
    }
}
