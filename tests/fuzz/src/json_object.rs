//! One JSON object without ambiguity, as tokens, key sets and answers are read.

use portcullis_core::json::{JsonError, object, shown};
use serde_json::Value;

/// Takes the text.
pub fn run(data: &[u8]) {
    let plain = serde_json::from_slice::<Value>(data).ok();
    match object(data) {
        Ok(members) => {
            let plain = plain.expect("what is accepted is JSON");
            assert_eq!(plain, Value::Object(members.clone()), "another reader reads the same");
            assert_eq!(colons(data), count(&plain), "a member is missing: one name was there twice");
            // Written without escapes, a text may hold within a string what no text may hold.
            let written = serde_json::to_vec(&plain).unwrap();
            let private = b"$serde_json::private::";
            if !written.windows(private.len()).any(|part| part == private) {
                let again = Value::Object(object(&written).expect("it is read when it is written again"));
                assert!(same(&again, &plain), "it says the same when it is written again: {again} {plain}");
            }
        }
        Err(JsonError::DuplicateMember(name)) => {
            if let Some(plain) = plain {
                assert!(colons(data) > count(&plain), "{name:?} is not there twice");
            }
        }
        Err(JsonError::NotAnObject) => assert!(plain.is_some_and(|plain| !plain.is_object())),
        Err(JsonError::NotJson(message)) => assert!(plain.is_none(), "JSON that is refused: {message}"),
        Err(_) => {}
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let shown = shown(text);
        assert!(shown.len() <= 48 * 10 + 5 && shown.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    }
}

/// Whether two values say the same. serde_json reads numbers with fractions to within their last digit.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= one.abs() * 1e-15
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

/// How many members there are at all depths.
fn count(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.len() + members.values().map(count).sum::<usize>(),
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 0,
    }
}

/// How many members a JSON text writes: each has one colon outside of strings.
fn colons(text: &[u8]) -> usize {
    let (mut found, mut within, mut escaped) = (0, false, false);
    for byte in text {
        match (within, *byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => within = !within,
            (false, b':') => found += 1,
            _ => {}
        }
    }
    found
}
