//! JSON objects without ambiguity: what tokens, key sets and answers of identity providers are read with.

use std::{borrow::Cow, cell::RefCell, collections::HashSet, error::Error, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads `text` as one JSON object.
///
/// RFC 7515 §4 and RFC 7519 §4 demand unique names and let a parser refuse duplicates or keep the last one. A parser
/// that kept the last one and a gateway in front of it that kept the first would read two different tokens, so
/// duplicates are refused, in nested objects too. serde_json bounds the depth of nesting at 128.
///
/// Names that serde_json uses inside are refused: where some other crate of the program switches its `raw_value` or
/// `arbitrary_precision` on, an object with such a name is read as what the name's value says, and what a text says must
/// not depend on that.
///
/// # Errors
///
/// When it is not one JSON object, or is ambiguous.
// The text is walked twice: a walk of our own that builds values would lose numbers where some other crate of the program
// switches serde_json's `arbitrary_precision` on.
pub fn object(text: &[u8]) -> Result<Map<String, Value>, JsonError> {
    check(text)?;
    match serde_json::from_slice(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(JsonError::NotAnObject),
        Err(error) => Err(JsonError::NotJson(error.to_string())),
    }
}

/// As [`object`], for who looks at few members: the others are read as strictly, and not kept.
///
/// # Errors
///
/// As [`object`].
pub fn members(text: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Map<String, Value>, JsonError> {
    check(text)?;
    if !text.trim_ascii_start().starts_with(b"{") {
        return Err(JsonError::NotAnObject);
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    reader.deserialize_map(Wanted(wanted)).map_err(|error| JsonError::NotJson(error.to_string()))
}

/// Whether `text` is one JSON value without ambiguity.
fn check(text: &[u8]) -> Result<(), JsonError> {
    // To look for one byte costs next to nothing, and hardly a text has it.
    if text.contains(&b'$') && text.windows(PRIVATE.len()).any(|part| part == PRIVATE.as_bytes()) {
        return Err(JsonError::PrivateMember);
    }
    let found = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let walked = Unique { found: &found }.deserialize(&mut reader).and_then(|()| reader.end());
    walked.map_err(|error| found.into_inner().unwrap_or_else(|| JsonError::NotJson(error.to_string())))
}

/// Why a text is not read as a JSON object. Reads on after the name of the text: "the payload" "is not a JSON object".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON. The message tells what was expected and where, and shows nothing of the text.
    NotJson(String),
    /// JSON, and not an object.
    NotAnObject,
    /// One object has this member twice.
    DuplicateMember(String),
    /// A member has a name that serde_json uses inside.
    PrivateMember,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(message) => write!(f, "is not JSON: {message}"),
            Self::NotAnObject => f.write_str("is not a JSON object"),
            Self::DuplicateMember(name) => write!(f, "has the member {} twice in one object", shown(name)),
            Self::PrivateMember => write!(f, "has a member whose name begins with {PRIVATE}"),
        }
    }
}

impl Error for JsonError {}

/// A text from outside as a log may show it: escaped to printable ASCII, so that nothing in it can forge a line or pass
/// for another character, and short.
#[must_use]
pub fn shown(text: &str) -> String {
    const MOST: usize = 48;
    let mut short: String = text.chars().take(MOST).flat_map(char::escape_default).collect();
    if text.chars().nth(MOST).is_some() {
        short.push_str("...");
    }
    format!("\"{short}\"")
}

/// What the names that serde_json uses inside begin with.
const PRIVATE: &str = "$serde_json::private::";

/// Walks a value and stops at the first name that an object has twice, or may not have.
#[derive(Clone, Copy)]
struct Unique<'c> {
    found: &'c RefCell<Option<JsonError>>,
}

impl Unique<'_> {
    fn stop<T, E: de::Error>(self, error: JsonError) -> Result<T, E> {
        let message = error.to_string();
        *self.found.borrow_mut() = Some(error);
        Err(E::custom(message))
    }
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = Names::default();
        while let Some(name) = members.next_key_seed(Name)? {
            // Spelled with escapes, and so not borrowed, it is not in the text. (A number is walked as an object with such a
            // name, where `arbitrary_precision` is on: a borrowed one.)
            if matches!(&name, Cow::Owned(name) if name.starts_with(PRIVATE)) {
                return self.stop(JsonError::PrivateMember);
            }
            if let Err(name) = names.add(name) {
                return self.stop(JsonError::DuplicateMember(name.into_owned()));
            }
            members.next_value_seed(self)?;
        }
        Ok(())
    }
}

/// The names of one object.
#[derive(Default)]
struct Names<'de> {
    few: Vec<Cow<'de, str>>,
    /// Empty while there are few.
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Names<'de> {
    /// As many names are looked through one by one faster than they are hashed.
    const FEW: usize = 16;

    /// Takes the name, or gives it back where it is there already.
    fn add(&mut self, name: Cow<'de, str>) -> Result<(), Cow<'de, str>> {
        if self.few.contains(&name) || self.many.contains(&name) {
            return Err(name);
        }
        if self.few.len() < Self::FEW {
            if self.few.is_empty() {
                self.few.reserve_exact(Self::FEW);
            }
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
        Ok(())
    }
}

/// Reads the members whose names are wanted.
struct Wanted<F>(F);

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for Wanted<F> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut kept = Map::new();
        while let Some(name) = members.next_key_seed(Name)? {
            if (self.0)(&name) {
                kept.insert(name.into_owned(), members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(kept)
    }
}

/// A member's name, borrowed where it holds no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(text: impl AsRef<[u8]>) -> &'static str {
        let error = object(text.as_ref()).unwrap_err();
        assert_eq!(members(text.as_ref(), |_| false).as_ref(), Err(&error), "what is kept changes no answer");
        match error {
            JsonError::DuplicateMember(_) => "duplicate-member",
            _ => "malformed",
        }
    }

    #[test]
    fn an_object_is_read_in_its_json_form() {
        let read = object(br#" {"a":1,"b":[{"a":1},{"a":2}],"c":{"a":null,"b":1.5}} "#).unwrap();
        assert_eq!(
            Value::Object(read),
            serde_json::json!({"a":1,"b":[{"a":1},{"a":2}],"c":{"a":null,"b":1.5}})
        );
    }

    #[test]
    fn of_the_members_those_that_are_wanted_are_kept() {
        let text = br#" {"a":1,"b":[{"a":1}],"\u0063":"x","d":{"a":[1,2.5,"y"]},"e":"\""} "#;
        let all = object(text).unwrap();
        assert_eq!(members(text, |_| true).unwrap(), all);
        let some = members(text, |name| matches!(name, "c" | "d" | "z")).unwrap();
        assert_eq!(Value::Object(some), serde_json::json!({"c": "x", "d": {"a": [1, 2.5, "y"]}}));
        assert_eq!(members(b"{}", |_| true).unwrap(), Map::new());
        for text in ["[]", " 1", "null", "\"{}\""] {
            assert_eq!(members(text.as_bytes(), |_| true).unwrap_err(), JsonError::NotAnObject, "{text}");
        }
    }

    #[test]
    fn a_name_is_found_twice_among_many() {
        let text = |names: usize, again: usize| {
            let names: Vec<String> = (0..names).chain([again]).map(|name| format!("\"{name}\":0")).collect();
            format!("{{{}}}", names.join(","))
        };
        for names in [1, 2, 15, 16, 17, 18, 40] {
            assert!(object(text(names, names).as_bytes()).is_ok(), "{names}");
            for again in 0..names {
                assert_eq!(code_of(text(names, again)), "duplicate-member", "{again} of {names}");
            }
        }
    }

    #[test]
    fn duplicate_names_are_refused_at_every_depth_and_in_every_spelling() {
        for text in [
            r#"{"iss":"a","iss":"a"}"#,
            r#"{"iss":"a","x":1,"\u0069ss":"b"}"#,
            r#"{"a":{"roles":[],"roles":["admin"]}}"#,
            r#"{"a":[{"b":1,"b":1}]}"#,
            r#"{"":1,"":2}"#,
        ] {
            assert_eq!(code_of(text), "duplicate-member", "{text}");
        }
        assert!(object(br#"{"iss":"a","Iss":"b","iss ":"c"}"#).is_ok());
        let error = object(br#"{"x":{"evil\n":1,"evil\n":2}}"#).unwrap_err();
        assert_eq!(error.to_string(), r#"has the member "evil\n" twice in one object"#);
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        for text in ["[]", "[{}]", "\"a\"", "1", "null", "true", "\"{}\""] {
            assert_eq!(object(text.as_bytes()).unwrap_err().to_string(), "is not a JSON object", "{text}");
        }
        for text in [
            "",
            " ",
            "{",
            "{}}",
            "{} {}",
            "{a:1}",
            "{'a':1}",
            r#"{"a":1,}"#,
            r#"{"a":NaN}"#,
            r#"{"a":Infinity}"#,
            r#"{"a":01}"#,
            r#"{"a":1e999}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00\ud800"}"#,
            "{\"a\":\"\n\"}",
            "\u{feff}{}",
            "{}\0",
            "/**/{}",
        ] {
            assert_eq!(code_of(text), "malformed", "{text:?}");
        }
        for text in
            [&b"{\"a\":\"\xff\"}"[..], b"{\"\xc3\":1}", b"{\"a\":\"\xed\xa0\x80\"}", b"\xff\xfe{\0}\0"]
        {
            assert_eq!(code_of(text), "malformed", "{text:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(object(nested(100).as_bytes()).is_ok());
        for text in [nested(10_000), "[".repeat(10_000), "{\"a\":".repeat(10_000)] {
            assert_eq!(code_of(text), "malformed");
        }
    }

    #[test]
    fn names_that_serde_json_uses_inside_are_refused_whatever_its_features() {
        for name in ["$serde_json::private::Number", "$serde_json::private::RawValue"] {
            for value in ["\"1\"", "\"x\"", "1", "{}"] {
                assert_eq!(code_of(format!("{{\"{name}\":{value}}}")), "malformed");
                assert_eq!(code_of(format!("{{\"exp\":[{{\"{name}\":{value}}}]}}")), "malformed");
            }
        }
        for escaped in [
            r#"{"iss":{"\u0024serde_json::private::RawValue":"\"wso2\""}}"#,
            r#"{"exp":{"\u0024serde_json::private::Number":"99999999999"}}"#,
            r#"{"exp":{"$serde_json::private::N\u0075mber":"99999999999"}}"#,
            r#"{"exp":[{"$serde_json\u003a:private::other":1}]}"#,
        ] {
            assert_eq!(object(escaped.as_bytes()), Err(JsonError::PrivateMember), "{escaped}");
        }
        assert!(object(br#"{"serde_json::private::Number":"1","$serde_json":1}"#).is_ok());
    }

    #[test]
    fn values_of_tokens_are_shown_escaped_and_short() {
        assert_eq!(shown("wso2"), r#""wso2""#);
        assert_eq!(shown("a\r\nb\u{1b}[31m\0"), r#""a\r\nb\u{1b}[31m\u{0}""#);
        assert_eq!(shown("\u{202e}wso2 \u{0430}"), r#""\u{202e}wso2 \u{430}""#);
        assert_eq!(shown("say \"hi\""), r#""say \"hi\"""#);
        assert_eq!(shown(&"x".repeat(1 << 20)).len(), 48 + 2 + 3);
    }
}
