//! `rust-version` is a promise: neither below what the dependencies need nor above it without a reason.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::Outcome;
use crate::metadata::{list, read, text};

/// What the project's own code needs: `if let … && let …` came to edition 2024 with 1.88.
const OWN: Version = Version(1, 88);

/// What users build: the program reaches every shipped crate.
const ROOT: &str = "portcullis-cli";

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Version(u32, u32);

impl Version {
    fn parse(text: &str) -> Outcome<Self> {
        let mut parts = text.split('.').map(str::parse);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok(Self(major, minor)),
            (Some(Ok(major)), None) => Ok(Self(major, 0)),
            _ => Err(format!("`{text}` is not a Rust version")),
        }
    }
}

/// Compares the `rust-version` of the workspace with what it and its dependencies need.
pub(crate) fn check() -> Outcome {
    let needed = compare(&read(true)?)?;
    eprintln!("  {needed}");
    Ok(())
}

fn compare(metadata: &Value) -> Outcome<String> {
    let mut packages = BTreeMap::new();
    for package in list(metadata, "packages") {
        packages.insert(text(package, "id")?, package);
    }
    let mut nodes = BTreeMap::new();
    for node in metadata.get("resolve").map(|resolve| list(resolve, "nodes")).unwrap_or_default() {
        nodes.insert(text(node, "id")?, node);
    }
    let root = packages
        .iter()
        .find(|(_, package)| text(package, "name").is_ok_and(|name| name == ROOT))
        .map(|(id, _)| id.clone())
        .ok_or_else(|| format!("the workspace has no package `{ROOT}`"))?;

    let mut seen = BTreeSet::new();
    let mut open = vec![root];
    let (mut needed, mut because) = (OWN, "the project's own code".to_owned());
    let mut declared = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let Some(package) = packages.get(&id) else { continue };
        let version = package.get("rust_version").and_then(Value::as_str);
        // Only path dependencies have no source: these are ours and carry the promise.
        if package.get("source").is_none_or(Value::is_null) {
            let name = text(package, "name")?;
            let version = version.ok_or_else(|| format!("package `{name}` states no rust-version"))?;
            declared.insert(Version::parse(version)?);
        } else if let Some(version) = version {
            let version = Version::parse(version)?;
            if version > needed {
                needed = version;
                because = format!("{} {}", text(package, "name")?, text(package, "version")?);
            }
        }
        let dependencies = nodes.get(&id).map(|node| list(node, "deps")).unwrap_or_default();
        for dependency in dependencies.iter().filter(|dependency| is_shipped(dependency)) {
            open.push(text(dependency, "pkg")?);
        }
    }
    let Version(major, minor) = needed;
    if declared.iter().eq([&needed]) {
        Ok(format!("rust-version {major}.{minor} is what {because} needs ({} packages)", seen.len()))
    } else {
        Err(format!(
            "rust-version is {declared:?} in the workspace, but {because} needs {major}.{minor}: \
             state exactly that in Cargo.toml"
        ))
    }
}

/// Whether users compile it: a normal or build dependency. Development dependencies promise nothing.
fn is_shipped(dependency: &Value) -> bool {
    list(dependency, "dep_kinds")
        .iter()
        .any(|kind| kind.get("kind").and_then(Value::as_str).is_none_or(|kind| kind == "build"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A program that needs `dep` to ship and `dev` to be tested.
    fn workspace(declared: &str, dep: &str, dev: &str) -> Value {
        json!({
            "packages": [
                { "id": "cli", "name": ROOT, "version": "0.1.0", "source": null, "rust_version": declared },
                { "id": "dep", "name": "dep", "version": "1.0.0", "source": "registry", "rust_version": dep },
                { "id": "dev", "name": "dev", "version": "2.0.0", "source": "registry", "rust_version": dev },
            ],
            "resolve": { "nodes": [
                { "id": "cli", "deps": [
                    { "pkg": "dep", "dep_kinds": [{ "kind": null }] },
                    { "pkg": "dev", "dep_kinds": [{ "kind": "dev" }] },
                ] },
                { "id": "dep", "deps": [] },
                { "id": "dev", "deps": [] },
            ] },
        })
    }

    #[test]
    fn the_version_the_dependencies_need_is_accepted() {
        let said = compare(&workspace("1.90", "1.90.1", "1.95")).unwrap();
        assert_eq!(said, "rust-version 1.90 is what dep 1.0.0 needs (2 packages)");
    }

    #[test]
    fn a_promise_below_a_dependency_is_refused() {
        let error = compare(&workspace("1.88", "1.90", "1.60")).unwrap_err();
        assert!(error.contains("dep 1.0.0 needs 1.90"), "{error}");
    }

    #[test]
    fn a_promise_above_what_is_needed_is_refused() {
        let error = compare(&workspace("1.95", "1.60", "1.95")).unwrap_err();
        assert!(error.contains("the project's own code needs 1.88"), "{error}");
    }

    #[test]
    fn a_crate_of_ours_without_a_promise_is_refused() {
        let mut metadata = workspace("1.88", "1.60", "1.60");
        metadata["packages"][0]["rust_version"] = Value::Null;
        let error = compare(&metadata).unwrap_err();
        assert_eq!(error, "package `portcullis-cli` states no rust-version");
    }
}
