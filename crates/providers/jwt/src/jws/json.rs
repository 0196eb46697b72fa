//! JSON objects of a token: see [`portcullis_core::json`].

use portcullis_core::{
    Refusal,
    json::{self, JsonError, Members},
};
use serde_json::{Map, Value};

use crate::refusal::{Refused, code};

/// Reads `text` as one JSON object; `what` names it in the refusal.
pub(crate) fn object(text: &[u8], what: &'static str) -> Refused<Map<String, Value>> {
    json::object(text).map_err(|error| refusal(&error, what))
}

/// The same for those of its members that are wanted.
pub(crate) fn members<'t>(
    text: &'t [u8],
    what: &'static str,
    wanted: impl Fn(&str) -> bool,
) -> Refused<Members<'t>> {
    json::members(text, wanted).map_err(|error| refusal(&error, what))
}

fn refusal(error: &JsonError, what: &'static str) -> Refusal {
    let code = match error {
        JsonError::DuplicateMember(_) => code::DUPLICATE_MEMBER,
        _ => code::MALFORMED,
    };
    Refusal::new(code, format!("{what} {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_part_of_the_token_and_the_kind_of_mistake() {
        assert_eq!(object(br#"{"a":1}"#, "the payload").unwrap().len(), 1);
        let refused = |text: &str| object(text.as_bytes(), "the payload").unwrap_err().to_string();
        assert_eq!(
            refused(r#"{"x":{"a":1,"a":2}}"#),
            r#"the payload has the member "a" twice in one object (duplicate-member)"#
        );
        assert_eq!(refused("[]"), "the payload is not a JSON object (malformed-token)");
    }
}
