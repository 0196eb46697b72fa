//! The members of a token or of an introspection answer, each held to its JSON type.

use std::{fmt, time::Duration};

use serde_json::{Map, Number, Value};

use crate::UnixTime;

/// A member that has another JSON type than it should. Reads on after its name: "`exp`" "is not a number".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrongType {
    /// The member's name, or the JSON pointer by which it was found.
    pub name: String,
    /// What it should have been.
    pub expected: &'static str,
}

impl fmt::Display for WrongType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not {}", self.name, self.expected)
    }
}

impl std::error::Error for WrongType {}

/// A member that is read, or `None` where it is absent.
type Read<T> = Result<Option<T>, WrongType>;

fn wrong_type<T>(name: &str, expected: &'static str) -> Result<T, WrongType> {
    Err(WrongType { name: name.to_owned(), expected })
}

/// A string.
///
/// # Errors
///
/// When it is something else.
pub fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Read<&'m str> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => wrong_type(name, "a string"),
    }
}

/// A string, or an array of strings, such as `aud` (RFC 7519 §4.1.3).
///
/// # Errors
///
/// When it is something else.
pub fn texts<'m>(members: &'m Map<String, Value>, name: &str) -> Read<Vec<&'m str>> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(one)) => Ok(Some(vec![one])),
        Some(value) => several(value, name).map(Some),
    }
}

/// A `NumericDate` (RFC 7519 §2): a JSON number, fractions allowed. One beyond what can be told is the last moment that
/// can, so that an `exp` of 1e300 never comes and an `nbf` of 1e300 does not either.
///
/// # Errors
///
/// When it is no number, or one below zero.
pub fn numeric_date(members: &Map<String, Value>, name: &str) -> Read<UnixTime> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => date(number, name).map(Some),
        Some(_) => wrong_type(name, "a number"),
    }
}

/// The same of a number that was found already; `name` is its name in the error.
///
/// # Errors
///
/// When it is below zero.
pub fn date(number: &Number, name: &str) -> Result<UnixTime, WrongType> {
    if let Some(seconds) = number.as_u64() {
        return Ok(UnixTime::from_secs(seconds));
    }
    match number.as_f64() {
        Some(seconds) if seconds >= 0.0 => {
            Ok(Duration::try_from_secs_f64(seconds).map_or(UnixTime::MAX, UnixTime::from_duration))
        }
        _ => wrong_type(name, "a number of zero or more"),
    }
}

/// What `key` names: a member, or, where it starts with `/`, what a JSON pointer (RFC 6901) finds.
#[must_use]
pub fn find<'v>(object: &'v Value, key: &str) -> Option<&'v Value> {
    if key.starts_with('/') { object.pointer(key) } else { object.get(key) }
}

/// Whether a text that starts with `/` is a JSON pointer. RFC 6901 §3: a tilde is followed by 0 or 1.
#[must_use]
pub fn is_pointer(text: &str) -> bool {
    text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}

/// The scopes that `key` names: a string split on ASCII white space, or an array of strings. None where it is absent.
///
/// # Errors
///
/// When something other than scopes stands there: guessing would be to authorize by it.
pub fn scopes<'v>(object: &'v Value, key: &str) -> Result<Vec<&'v str>, WrongType> {
    match find(object, key) {
        None => Ok(Vec::new()),
        // RFC 6749 §3.3 separates scopes by one space; more than one, and tabs, add no scope. Blanks beyond ASCII are no
        // part of its grammar: they make a word that nobody asks for, not two.
        Some(Value::String(text)) => Ok(text.split_ascii_whitespace().collect()),
        Some(value) => several(value, key),
    }
}

fn several<'v>(value: &'v Value, name: &str) -> Result<Vec<&'v str>, WrongType> {
    let Value::Array(items) = value else { return wrong_type(name, "a string or an array of strings") };
    match items.iter().map(Value::as_str).collect() {
        Some(items) => Ok(items),
        None => wrong_type(name, "an array of strings only"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(value: &Value) -> &Map<String, Value> {
        value.as_object().unwrap()
    }

    #[test]
    fn members_of_the_right_type_are_read_and_absent_ones_are_absent() {
        let value = json!({"s": "a", "l": ["a", "b"], "n": 7, "f": 1.5, "far": 1e300});
        let all = members(&value);
        assert_eq!(text(all, "s"), Ok(Some("a")));
        assert_eq!(texts(all, "s"), Ok(Some(vec!["a"])));
        assert_eq!(texts(all, "l"), Ok(Some(vec!["a", "b"])));
        assert_eq!(numeric_date(all, "n"), Ok(Some(UnixTime::from_secs(7))));
        assert_eq!(numeric_date(all, "f"), Ok(Some(UnixTime::from_duration(Duration::from_millis(1500)))));
        assert_eq!(numeric_date(all, "far"), Ok(Some(UnixTime::MAX)));
        assert_eq!((text(all, "x"), texts(all, "x"), numeric_date(all, "x")), (Ok(None), Ok(None), Ok(None)));
    }

    #[test]
    fn members_of_another_type_are_named_with_what_they_should_be() {
        let value = json!({"n": null, "d": -1, "l": ["a", 1], "o": {}});
        let all = members(&value);
        assert_eq!(text(all, "n").unwrap_err().to_string(), "`n` is not a string");
        assert_eq!(texts(all, "o").unwrap_err().to_string(), "`o` is not a string or an array of strings");
        assert_eq!(texts(all, "l").unwrap_err().to_string(), "`l` is not an array of strings only");
        assert_eq!(numeric_date(all, "n").unwrap_err().to_string(), "`n` is not a number");
        assert_eq!(numeric_date(all, "d").unwrap_err().to_string(), "`d` is not a number of zero or more");
        assert!(scopes(&value, "o").is_err_and(|error| error.expected == "a string or an array of strings"));
    }

    #[test]
    fn scopes_are_found_by_name_and_by_pointer() {
        let value = json!({"scope": " a\t b ", "realm": {"roles": ["c d"]}, "/x": "e"});
        assert_eq!(scopes(&value, "scope"), Ok(vec!["a", "b"]));
        assert_eq!(scopes(&value, "/realm/roles"), Ok(vec!["c d"]));
        assert_eq!((scopes(&value, "/x"), scopes(&value, "none")), (Ok(vec![]), Ok(vec![])));
        assert!(is_pointer("/a~0b/~1") && !is_pointer("/a~2") && !is_pointer("/a~"));
    }
}
