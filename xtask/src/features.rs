//! Every feature of the published crates alone: what one feature forgets to ask for, another must not hide.

use serde_json::Value;

use crate::Outcome;
use crate::command::{cargo, run};
use crate::metadata::{list, read, text};

/// Lints each crate that has features: without any, then with each alone. All together is the `clippy` step.
pub(crate) fn run_each() -> Outcome {
    for (package, features) in with_features(&read(false)?)? {
        lint(&package, None)?;
        for feature in features {
            lint(&package, Some(&feature))?;
        }
    }
    Ok(())
}

fn lint(package: &str, feature: Option<&str>) -> Outcome {
    let mut command = cargo();
    command.args(["clippy", "--locked", "--package", package, "--no-default-features"]);
    if let Some(feature) = feature {
        command.args(["--features", feature]);
    }
    run(command.args(["--", "-D", "warnings"]))
}

/// The published packages with the features that are worth a build of their own.
fn with_features(metadata: &Value) -> Outcome<Vec<(String, Vec<String>)>> {
    let mut found = Vec::new();
    for package in list(metadata, "packages") {
        let published = package.get("publish").is_none_or(Value::is_null);
        let Some(features) = package.get("features").and_then(Value::as_object) else { continue };
        // `default` and `full` only name others.
        let alone: Vec<String> =
            features.keys().filter(|name| !["default", "full"].contains(&name.as_str())).cloned().collect();
        if published && !alone.is_empty() {
            found.push((text(package, "name")?, alone));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_crates_are_asked_for_each_feature_but_not_for_the_collective_ones() {
        let metadata = serde_json::json!({ "packages": [
            { "name": "facade", "publish": null, "features": { "default": ["jwt"], "full": ["jwt"], "jwt": [] } },
            { "name": "plain", "publish": null, "features": {} },
            { "name": "tests", "publish": [], "features": { "slow": [] } },
        ] });
        assert_eq!(with_features(&metadata), Ok(vec![("facade".to_owned(), vec!["jwt".to_owned()])]));
    }
}
