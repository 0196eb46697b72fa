//! What claims weigh before anybody has read them.

use serde_json::Value;

use super::super::claims::most_bytes;

/// What the usual allocator takes for so many bytes.
fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}

/// What a value takes besides itself, counted too low: without the spare room of what has grown.
fn least_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => allocated(text.len()),
        Value::Array(items) => {
            allocated(items.len().max(4) * size_of::<Value>()) + items.iter().map(least_bytes).sum::<usize>()
        }
        Value::Object(members) if members.is_empty() => 0,
        Value::Object(members) => {
            // The nodes of a map have room for eleven members each.
            let nodes = members.len().div_ceil(11);
            let own = nodes * allocated(11 * (size_of::<String>() + size_of::<Value>()));
            own + members
                .iter()
                .map(|(name, value)| allocated(name.len()) + least_bytes(value))
                .sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

#[test]
fn claims_never_weigh_less_than_they_take_once_they_are_read() {
    let many = |item: &str| format!("{{\"a\":[{}]}}", vec![item; 1_000].join(","));
    let members = (0..1_000).map(|name| format!("\"{name}\":1")).collect::<Vec<_>>().join(",");
    for payload in [
        "{}".to_owned(),
        many("1"),
        many("\"x\""),
        many("\"twenty-five letters of it\""),
        many("{\"b\":\"c\"}"),
        many("[1]"),
        many("{\"b\":1}"),
        many("{\"b\":{\"c\":[null]}}"),
        format!("{{{members}}}"),
        format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100)),
    ] {
        let least = least_bytes(&serde_json::from_str(&payload).unwrap());
        let most = most_bytes(payload.as_bytes());
        assert!(most >= least, "{most} of {least}: {payload:.60}");
    }
}

#[test]
fn objects_and_arrays_weigh_all_that_they_have_room_for() {
    let object = size_of::<([String; 11], [Value; 11], [usize; 2])>();
    let (array, item) = (size_of::<([Value; 4], [usize; 2])>(), size_of::<[Value; 2]>());
    let text = 32;
    for (payload, rooms) in [
        ("1", 0),
        ("{}", object),
        ("[]", array),
        ("[1]", array),
        ("[1,2]", array + item),
        ("\"a\"", text),
        ("{\"a\":1}", object + item + text),
        ("{\"a\":[1,{}]}", 2 * object + array + 2 * item + text),
        ("{\"a\":\"b\"}", object + item + 2 * text),
    ] {
        assert_eq!(most_bytes(payload.as_bytes()), payload.len() + rooms, "{payload}");
    }
}
