//! Values of a configuration as JSON.

use portcullis_core::config::{Node, Section, Value as Given};
use serde_json::{Map, Number, Value};

/// The table of claims at `key`; empty where it is absent. Notes what is no JSON.
pub(crate) fn claims(section: &Section<'_>, key: &str) -> Option<Map<String, Value>> {
    let Some(node) = section.node(key) else { return Some(Map::new()) };
    let Given::Table(table) = node.value() else {
        section.problem(key, format!("expected a table of claims, found {}", node.kind()));
        return None;
    };
    let mut claims = Map::new();
    for (name, node) in table.iter() {
        match json(node) {
            Ok(value) => {
                claims.insert(name.to_owned(), value);
            }
            Err(what) => {
                section.problem(key, format!("the claim `{name}` is {what}, which JSON does not have"))
            }
        }
    }
    (claims.len() == table.iter().count()).then_some(claims)
}

fn json(node: &Node) -> Result<Value, &'static str> {
    Ok(match node.value() {
        Given::String(text) => Value::String(text.clone()),
        Given::Integer(number) => Value::from(*number),
        Given::Float(number) => {
            Value::Number(Number::from_f64(*number).ok_or("a number that is infinite or none")?)
        }
        Given::Boolean(value) => Value::Bool(*value),
        Given::Array(items) => Value::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        Given::Table(table) => Value::Object(
            table
                .iter()
                .map(|(name, node)| Ok((name.to_owned(), json(node)?)))
                .collect::<Result<_, &str>>()?,
        ),
        Given::Other(kind) => return Err(kind),
    })
}
