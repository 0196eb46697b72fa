//! An object is read as serde_json reads it, less what is ambiguous: by a reading that has nothing in common with ours but
//! the grammar.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::{borrow::Cow, collections::HashSet, fmt};

use portcullis_core::json::{self, Json, JsonError};
use proptest::{prelude::*, sample::Index};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

const PRIVATE: &str = "$serde_json::private::";

/// The names in a value that serde_json accepts, object by object.
#[derive(Default)]
struct Names(Vec<Vec<String>>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collects;
        impl<'de> Visitor<'de> for Collects {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Names, E> {
                Ok(Names::default())
            }
            fn visit_i64<E>(self, _: i64) -> Result<Names, E> {
                Ok(Names::default())
            }
            fn visit_u64<E>(self, _: u64) -> Result<Names, E> {
                Ok(Names::default())
            }
            fn visit_f64<E>(self, _: f64) -> Result<Names, E> {
                Ok(Names::default())
            }
            fn visit_str<E>(self, _: &str) -> Result<Names, E> {
                Ok(Names::default())
            }
            fn visit_unit<E>(self) -> Result<Names, E> {
                Ok(Names::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Names, A::Error> {
                let mut all = Names::default();
                while let Some(names) = items.next_element::<Names>()? {
                    all.0.extend(names.0);
                }
                Ok(all)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Names, A::Error> {
                let (mut all, mut own) = (Names::default(), Vec::new());
                while let Some((name, names)) = members.next_entry::<String, Names>()? {
                    own.push(name);
                    all.0.extend(names.0);
                }
                all.0.push(own);
                Ok(all)
            }
        }
        deserializer.deserialize_any(Collects)
    }
}

impl Names {
    fn has_twice(&self) -> bool {
        let twice = |names: &Vec<String>| names.iter().collect::<HashSet<_>>().len() < names.len();
        self.0.iter().any(twice)
    }

    fn is_private(&self) -> bool {
        self.0.iter().flatten().any(|name| name.starts_with(PRIVATE))
    }
}

fn is_read_as_by_serde_json(text: &[u8]) -> Result<(), TestCaseError> {
    let ours = json::object(text);
    let private = text.windows(PRIVATE.len()).any(|part| part == PRIVATE.as_bytes());
    let Ok(theirs) = serde_json::from_slice::<Value>(text) else {
        // What is found first is told, and may be an ambiguity in what comes before the mistake.
        prop_assert!(ours.is_err() && !matches!(ours, Err(JsonError::NotAnObject)), "{:?}", ours);
        return Ok(());
    };
    let names: Names = serde_json::from_slice(text).unwrap();
    match &ours {
        Err(JsonError::PrivateMember) => prop_assert!(private || names.is_private()),
        Err(JsonError::DuplicateMember(_)) => prop_assert!(names.has_twice()),
        Err(JsonError::NotAnObject) => prop_assert!(!theirs.is_object()),
        Err(error) => prop_assert!(false, "{} {:?}", error, text),
        Ok(members) => {
            prop_assert!(!private && !names.is_private() && !names.has_twice());
            prop_assert_eq!(&Value::Object(members.clone()), &theirs);
            for name in members.keys() {
                let mut one = json::members(text, |wanted| wanted == name).unwrap();
                prop_assert_eq!(one.get(name).cloned().map(Value::from), theirs.get(name).cloned());
                borrows_only_from(text, one.get(name).unwrap())?;
                prop_assert!(one.take(name).is_some() && one.get(name).is_none());
            }
        }
    }
    Ok(())
}

fn borrows_only_from(text: &[u8], value: &Json<'_>) -> Result<(), TestCaseError> {
    match value {
        Json::Text(Cow::Borrowed(part)) => prop_assert!(text.as_ptr_range().contains(&part.as_ptr())),
        Json::Array(items) => items.iter().try_for_each(|item| borrows_only_from(text, item))?,
        _ => {}
    }
    Ok(())
}

/// A text between quotes, some of its characters escaped in one way or another.
fn quoted() -> impl Strategy<Value = String> {
    let plain =
        prop::sample::select(vec!["a", "b", "exp", "", "é", "\u{1f600}", "$serde_json", "\u{7f}", "$"]);
    let escaped = prop::sample::select(vec![
        r"\u0061",
        r"\u0062",
        r"\n",
        r#"\""#,
        r"\\",
        r"\/",
        r"\u00e9",
        r"\ud83d\ude00",
        r"\u0000",
        r"\ud800",
        r"\udc00",
        r"\ud800\u0061",
        r"\u00",
        r"\x",
        r"\U0061",
        r"\u0024serde_json::private::Number",
        "$serde_json::private::RawValue",
        "\n",
        "\u{0}",
        "\t",
    ]);
    let part = prop_oneof![8 => plain, 2 => escaped];
    prop::collection::vec(part, 0..3).prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        "-?[0-9.eE+-]{0,5}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    let blank = || prop::sample::select(vec!["", "", "", " ", "\n\t\r ", "\u{a0}", "\u{c}"]);
    let literal =
        prop::sample::select(vec!["true", "false", "null", "True", "nul", "[]", "{}", "{,}", "[,]"]);
    let leaf = prop_oneof![3 => quoted(), 3 => number(), 1 => literal.prop_map(str::to_owned)];
    leaf.prop_recursive(5, 60, 24, move |inner| {
        let items = prop::collection::vec((blank(), inner.clone(), blank()), 0..6);
        let members = prop::collection::vec((blank(), quoted(), blank(), inner), 0..24);
        let counted = (0..40_usize, any::<Index>()).prop_map(|(count, again)| {
            // Long ones, with a name twice now and then.
            let again = again.index(2 * count + 1);
            let names = (0..count).map(|name| format!("\"m{name}\":{name}"));
            let twice = (again < count).then(|| format!("\"m{again}\":0"));
            format!("{{{}}}", names.chain(twice).collect::<Vec<_>>().join(","))
        });
        let array = items.prop_map(|items| {
            let items: Vec<String> = items.iter().map(|(a, item, b)| format!("{a}{item}{b}")).collect();
            format!("[{}]", items.join(","))
        });
        let object = members.prop_map(|members| {
            let members: Vec<String> =
                members.iter().map(|(a, name, b, value)| format!("{a}{name}{b}:{value}")).collect();
            format!("{{{}}}", members.join(","))
        });
        prop_oneof![2 => array, 3 => object, 1 => counted]
    })
}

fn changed() -> impl Strategy<Value = Vec<u8>> {
    let object = prop::collection::vec((quoted(), value()), 0..8).prop_map(|members| {
        let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        format!("{{{}}}", members.join(","))
    });
    let change = prop::option::weighted(0.3, (any::<Index>(), any::<u8>(), 0..3_u8));
    (prop_oneof![4 => object, 1 => value()], change).prop_map(|(text, change)| {
        let mut text = text.into_bytes();
        if let (Some((place, byte, how)), false) = (change, text.is_empty()) {
            let place = place.index(text.len());
            match how {
                0 => text[place] = byte,
                1 => text.insert(place, byte),
                _ => text.truncate(place),
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_text(text in changed()) {
        is_read_as_by_serde_json(&text)?;
    }
}

#[test]
fn however_deep() {
    for depth in [1, 100, 125, 126, 127, 128, 129, 1_000, 100_000] {
        for (open, close) in [("{\"a\":", "}"), ("[", "]")] {
            let text = format!("{{\"x\":{}1{}}}", open.repeat(depth), close.repeat(depth));
            is_read_as_by_serde_json(text.as_bytes()).unwrap();
        }
    }
}
