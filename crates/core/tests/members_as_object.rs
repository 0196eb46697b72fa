//! An object is read as serde_json reads it, but for what is ambiguous; and some of its members as the whole is: the same texts
//! are refused, for the same reason.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use portcullis_core::json::{self, JsonError, Members};
use proptest::prelude::*;
use serde_json::Value;

/// Pieces of which texts are made that are JSON now and then, and nearly JSON most of the time.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 44] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b" ",
        b"\x0c",
        b"\n",
        b"\0",
        b"\"a\"",
        b"\"b\"",
        b"\"\\u0061\"",
        b"\"\"",
        b"\"exp\"",
        b"\"e\\u0078p\"",
        b"\"\\ud800\"",
        b"\"\\ud83d\\ude00\"",
        b"\"$serde_json::private::Number\"",
        b"\"\\u0024serde_json::private::RawValue\"",
        b"\"$\"",
        b"\"\xff\"",
        b"\"\xc3\xa9\"",
        b"\"\\",
        b"1",
        b"-0",
        b"1.5",
        b"1e400",
        b"1e300",
        b"01",
        b"18446744073709551616",
        b"-9223372036854775809",
        b"NaN",
        b"true",
        b"false",
        b"null",
        b"nul",
        b"\xef\xbb\xbf",
        b"{\"a\":",
        b"\"a\":1,",
        b"\"b\":[",
        b"\"c\":{\"d\":2}",
        b"{}",
        b"[]",
    ];
    prop::sample::select(pieces.map(<[u8]>::to_vec).to_vec())
}

/// An object with some members, of which a piece may be put somewhere else.
fn nearly_an_object() -> impl Strategy<Value = Vec<u8>> {
    let member = (prop::sample::select(vec!["a", "b", "\\u0061", "exp", "sub", "\u{e9}", ""]), piece());
    (prop::collection::vec(member, 0..20), prop::option::of((any::<prop::sample::Index>(), piece())))
        .prop_map(|(members, stray)| {
            let mut text = b"{".to_vec();
            for (at, (name, value)) in members.iter().enumerate() {
                if at > 0 {
                    text.push(b',');
                }
                text.extend(
                    format!("\"{name}{}\":", if at % 3 == 0 { at.to_string() } else { String::new() })
                        .bytes(),
                );
                text.extend(value);
            }
            text.push(b'}');
            if let Some((place, piece)) = stray {
                let place = place.index(text.len());
                text.splice(place..place, piece);
            }
            text
        })
}

/// How many members the objects of a text have: of what is JSON, each of them has the one colon that is in no string.
fn written(text: &[u8]) -> usize {
    let (mut colons, mut within, mut escaped) = (0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = within,
            b'"' => within = !within,
            b':' if !within => colons += 1,
            _ => {}
        }
    }
    colons
}

/// How many of them are left where the last one of a name is kept.
fn kept(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.values().map(|value| 1 + kept(value)).sum(),
        Value::Array(items) => items.iter().map(kept).sum(),
        _ => 0,
    }
}

fn is_read_alike(text: &[u8]) -> Result<(), TestCaseError> {
    let whole = json::object(text);
    let by_serde = serde_json::from_slice::<Value>(text);
    match (&whole, &by_serde) {
        // serde_json has a way of its own with such names, which depends on its features.
        (Err(JsonError::PrivateMember), _) => {
            prop_assert!(text.windows(9).any(|part| part == b"private::"));
        }
        (Ok(members), Ok(value)) => {
            prop_assert_eq!(&Value::Object(members.clone()), value);
            prop_assert_eq!(kept(value), written(text));
        }
        (Err(JsonError::DuplicateMember(_)), Ok(value)) => prop_assert!(kept(value) < written(text)),
        (Err(JsonError::NotAnObject), Ok(value)) => prop_assert!(!value.is_object()),
        // Nobody looks further than to the second member of a name.
        (Err(JsonError::NotJson(_) | JsonError::DuplicateMember(_)), Err(_)) => {}
        (whole, by_serde) => prop_assert!(false, "{whole:?}, and by serde_json {by_serde:?}"),
    }
    let all = json::members(text, |_| true).map(Members::into_map);
    prop_assert_eq!(&all, &whole);
    let wanted = |name: &str| matches!(name, "a" | "exp" | "");
    let some = whole.map(|mut members| {
        members.retain(|name, _| wanted(name));
        members
    });
    prop_assert_eq!(json::members(text, wanted).map(Members::into_map), some);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_text(pieces in prop::collection::vec(piece(), 0..12)) {
        is_read_alike(&pieces.concat())?;
    }

    #[test]
    fn whatever_the_object(text in nearly_an_object()) {
        is_read_alike(&text)?;
    }
}

#[test]
fn however_deep() {
    for depth in [1, 100, 126, 127, 128, 129, 1_000] {
        for (open, close) in [("{\"a\":", "}"), ("[", "]")] {
            let text = format!("{{\"x\":{}1{}}}", open.repeat(depth), close.repeat(depth));
            is_read_alike(text.as_bytes()).unwrap();
        }
    }
}
