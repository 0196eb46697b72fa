//! `cargo metadata`, read once per question.

use std::path::PathBuf;

use serde_json::Value;

use crate::Outcome;
use crate::command::{cargo, output};

/// The metadata of the workspace with every feature on; `graph`: with the resolved dependencies.
pub(crate) fn read(graph: bool) -> Outcome<Value> {
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1", "--locked", "--all-features"]);
    if !graph {
        command.arg("--no-deps");
    }
    serde_json::from_slice(&output(&mut command)?)
        .map_err(|error| format!("`cargo metadata` cannot be read: {error}"))
}

/// The folder cargo builds into.
pub(crate) fn target_directory() -> Outcome<PathBuf> {
    text(&read(false)?, "target_directory").map(PathBuf::from)
}

/// A list in the metadata; empty where there is none.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A text that must be there.
pub(crate) fn text(value: &Value, key: &str) -> Outcome<String> {
    value
        .get(key)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| format!("`cargo metadata` states no `{key}`"))
}
