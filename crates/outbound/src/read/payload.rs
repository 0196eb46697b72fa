//! `customPayload`: parameters that are added to forms.

use portcullis_core::{
    Secret,
    config::{Node, Section, Value},
};

use crate::form::decode;

const KEY: &str = "customPayload";

/// Parameters that portcullis sends itself.
const OURS: [&str; 2] = ["grant_type", "token"];

/// A table of secrets, or a string `a=b&c=d`, encoded as forms are. What is wrong is noted, and nothing of a value shown.
pub(super) fn read(section: &Section<'_>) -> Vec<(String, Secret)> {
    match section.node(KEY).map(Node::value) {
        None => Vec::new(),
        Some(Value::Table(_)) => section.section(KEY).map(|table| from_table(&table)).unwrap_or_default(),
        Some(Value::String(text)) => match from_text(text) {
            Ok(parameters) => parameters,
            Err(problem) => {
                section.problem(KEY, problem);
                Vec::new()
            }
        },
        Some(_) => {
            let kind = section.node(KEY).map_or("", Node::kind);
            section.problem(KEY, format!("expected a table, or a string such as \"a=b&c=d\", found {kind}"));
            Vec::new()
        }
    }
}

fn from_table(table: &Section<'_>) -> Vec<(String, Secret)> {
    let mut parameters = Vec::new();
    for name in table.keys() {
        let value = table.secret(name);
        match check(name) {
            Ok(()) => parameters.extend(value.map(|value| (name.to_owned(), value))),
            Err(problem) => table.problem(name, problem),
        }
    }
    parameters
}

fn from_text(text: &str) -> Result<Vec<(String, Secret)>, &'static str> {
    let mut parameters: Vec<(String, Secret)> = Vec::new();
    for pair in text.split('&') {
        let (name, value) = pair
            .split_once('=')
            .ok_or("expected parameters such as \"a=b&c=d\": one of them has no `=` (write %26 for a `&` in a value)")?;
        let decoded = |text| {
            decode(text).ok_or(
                "holds a `%` that is not followed by two hexadecimal digits, or encodes what is not UTF-8",
            )
        };
        let (name, value) = (decoded(name)?, decoded(value)?);
        check(&name)?;
        if parameters.iter().any(|(known, _)| *known == *name) {
            return Err("has a parameter twice: keep one of them");
        }
        parameters.push((name.to_string(), Secret::new(value.as_str())));
    }
    Ok(parameters)
}

fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("a parameter has no name");
    }
    if OURS.contains(&name) {
        return Err("`grant_type` and `token` are sent by portcullis itself: remove the parameter");
    }
    Ok(())
}
