//! JSON objects without ambiguity: what tokens, key sets and answers of identity providers are read with.

use std::{borrow::Cow, cell::RefCell, collections::HashSet, error::Error, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

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
pub fn object(text: &[u8]) -> Result<Map<String, Value>, JsonError> {
    members(text, |_| true).map(Members::into_map)
}

/// As [`object`], for who looks at few members: the others are read as strictly, and not kept. What is kept borrows from
/// the text.
///
/// # Errors
///
/// As [`object`].
pub fn members(text: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Members<'_>, JsonError> {
    // To look for one byte costs next to nothing, and hardly a text has it.
    if memchr::memchr(b'$', text).is_some()
        && text.windows(PRIVATE.len()).any(|part| part == PRIVATE.as_bytes())
    {
        return Err(JsonError::PrivateMember);
    }
    // Looked at once, and not again for each string in it.
    let text = str::from_utf8(text).map_err(|error| JsonError::NotJson(error.to_string()))?;
    let found = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let walk = Walk { found: &found, keep: false, wanted: Some(&wanted) };
    let walked = walk.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match walked {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => Err(JsonError::NotAnObject),
        Err(error) => Err(found.into_inner().unwrap_or_else(|| JsonError::NotJson(error.to_string()))),
    }
}

/// A JSON value. Its texts are borrowed where they hold no escapes.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "these are the kinds of value that JSON has")]
pub enum Json<'t> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(Cow<'t, str>),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(Members<'t>),
}

/// The members of an object, no two of one name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members<'t> {
    /// In their order, with the values that are kept.
    all: Vec<(Cow<'t, str>, Option<Json<'t>>)>,
}

impl<'t> Members<'t> {
    /// The value of the member `name`; `None` also where it was not wanted.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json<'t>> {
        self.all.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.as_ref())
    }

    /// The same, which is taken out.
    pub fn take(&mut self, name: &str) -> Option<Json<'t>> {
        self.all.iter_mut().find(|(known, _)| *known == name).and_then(|(_, value)| value.take())
    }

    /// What is kept, in serde_json's form.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        let kept = self.all.into_iter().filter_map(|(name, value)| Some((name.into_owned(), value?.into())));
        kept.collect()
    }
}

impl From<Json<'_>> for Value {
    fn from(json: Json<'_>) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Boolean(value) => Self::Bool(value),
            Json::Number(number) => Self::Number(number),
            Json::Text(text) => Self::String(text.into_owned()),
            Json::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Json::Object(members) => Self::Object(members.into_map()),
        }
    }
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
struct Walk<'c> {
    found: &'c RefCell<Option<JsonError>>,
    /// Whether the value is wanted; it is walked in any case.
    keep: bool,
    /// Of the outermost object: whether a member is.
    wanted: Option<&'c dyn Fn(&str) -> bool>,
}

impl Walk<'_> {
    fn within(&self, keep: bool) -> Self {
        Self { found: self.found, keep, wanted: None }
    }

    fn stop<T, E: de::Error>(&self, error: JsonError) -> Result<T, E> {
        let message = error.to_string();
        *self.found.borrow_mut() = Some(error);
        Err(E::custom(message))
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Boolean(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(if self.keep { Json::Text(Cow::Owned(text.to_owned())) } else { Json::Null })
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut kept = Vec::new();
        while let Some(item) = items.next_element_seed(self.within(self.keep))? {
            if self.keep {
                kept.push(item);
            }
        }
        Ok(Json::Array(kept))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let mut object = Object::default();
        while let Some(name) = members.next_key_seed(Name)? {
            match &name {
                // Where some other crate of the program switches serde_json's `arbitrary_precision` on, a number is walked as an
                // object with such a name. Borrowed it can only be that: it is not in the text.
                Cow::Borrowed(name) if name.starts_with(PRIVATE) => {
                    let number: String = members.next_value()?;
                    return number.parse().map(Json::Number).map_err(de::Error::custom);
                }
                // Spelled with escapes.
                Cow::Owned(name) if name.starts_with(PRIVATE) => return self.stop(JsonError::PrivateMember),
                _ => {}
            }
            if object.has(&name) {
                return self.stop(JsonError::DuplicateMember(name.into_owned()));
            }
            let keep = self.wanted.map_or(self.keep, |wanted| wanted(&name));
            let value = members.next_value_seed(self.within(keep))?;
            object.add(name, keep.then_some(value));
        }
        Ok(Json::Object(Members { all: object.members }))
    }
}

/// An object that is being read.
#[derive(Default)]
struct Object<'de> {
    members: Vec<(Cow<'de, str>, Option<Json<'de>>)>,
    /// All names beyond the first ones.
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Object<'de> {
    /// As many names are looked through one by one faster than they are hashed.
    const FEW: usize = 16;

    fn has(&self, name: &str) -> bool {
        self.members.iter().take(Self::FEW).any(|(known, _)| known == name) || self.many.contains(name)
    }

    fn add(&mut self, name: Cow<'de, str>, value: Option<Json<'de>>) {
        if self.members.len() >= Self::FEW {
            self.many.insert(name.clone());
        } else if self.members.is_empty() {
            self.members.reserve_exact(Self::FEW);
        }
        self.members.push((name, value));
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
        let unkept = members(text.as_ref(), |_| false).unwrap_err();
        assert_eq!(unkept, error, "what is kept changes no answer");
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
        assert_eq!(Value::Object(all), serde_json::from_slice::<Value>(text).unwrap());
        let mut some = members(text, |name| matches!(name, "c" | "d" | "z")).unwrap();
        assert_eq!(some.get("c"), Some(&Json::Text("x".into())));
        assert_eq!([some.get("a"), some.get("z"), some.get("e")], [None; 3]);
        assert_eq!(
            Value::Object(some.clone().into_map()),
            serde_json::json!({"c": "x", "d": {"a": [1, 2.5, "y"]}})
        );
        assert_eq!(some.take("c"), Some(Json::Text("x".into())));
        assert_eq!((some.take("c"), some.take("z")), (None, None));
        assert_eq!(members(b"{}", |_| true).unwrap().into_map(), Map::new());
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
