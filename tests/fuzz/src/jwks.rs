//! JWKs and sets of them: as an issuer sends them, and as a file or a configuration holds them.

use portcullis_jwt::{
    Algorithm,
    fuzzing::{Keys, is_same_set},
};
use serde_json::Value;

use crate::support::{NOW, SECRET, base64url, signed};

/// Takes the text.
pub fn run(data: &[u8]) {
    let (fetched, given) = (Keys::fetched(data), Keys::given(data));
    let plain = serde_json::from_slice::<Value>(data).ok();
    for (keys, is_fetched) in [(&fetched, true), (&given, false)] {
        let read = |text: &[u8]| if is_fetched { Keys::fetched(text) } else { Keys::given(text) };
        let keys = match keys {
            Ok(keys) => keys,
            Err(why) => {
                if let Some(plain) = &plain {
                    let other = read(&serde_json::to_vec(&with_other_secrets(plain, false)).unwrap());
                    shows_no_secret(why, &other.err().unwrap_or_default(), plain, data);
                }
                continue;
            }
        };
        let plain = plain.as_ref().expect("keys are JSON");
        let algorithms = keys.algorithms();
        assert!(!algorithms.is_empty(), "a key that is good for nothing");
        assert!((1..=256).contains(&keys.count()));
        let secret = [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512];
        assert!(!is_fetched || !algorithms.iter().any(|one| secret.contains(one)), "everybody's secret");
        // Nobody signs with what everybody knows.
        let text = base64url(data);
        for forged in [
            "eyJhbGciOiJub25lIn0.e30.".to_owned(),
            "eyJhbGciOiJIUzI1NiJ9.e30.".to_owned(),
            format!("eyJhbGciOiJSUzI1NiJ9.e30.{text}"),
            format!("eyJhbGciOiJFUzI1NiJ9.e30.{}", base64url([0; 64])),
            format!("eyJhbGciOiJFUzM4NCJ9.e30.{}", base64url([0; 96])),
            format!("eyJhbGciOiJFZERTQSJ9.e30.{}", base64url([0; 64])),
            format!("eyJhbGciOiJFZERTQSJ9.e30.{}", base64url([&[1_u8][..], &[0; 63]].concat())),
        ] {
            assert!(!keys.verify(&forged, NOW), "{forged}");
        }
        if plain.to_string().contains(&base64url(SECRET)) {
            continue;
        }
        assert!(!keys.verify(&signed(br#"{"alg":"HS256"}"#, b"{}"), NOW), "a secret that is not in the set");
        // It says the same when it is written again.
        let again = serde_json::to_vec(plain).unwrap();
        let again = read(&again).expect("what is accepted is accepted in other words");
        assert_eq!((again.count(), again.algorithms()), (keys.count(), algorithms));
    }
    if fetched.is_ok() {
        assert_eq!(is_same_set(data, data), Some(true), "the same set is no rotation");
    }
}

const PRIVATE: [&str; 7] = ["k", "d", "p", "q", "dp", "dq", "qi"];

/// The private members are not shown, unless they stand in the text as something else, too, or are words of ours, which are
/// said whatever the secrets are.
fn shows_no_secret(why: &str, of_others: &str, value: &Value, text: &[u8]) {
    let members: Box<dyn Iterator<Item = (Option<&str>, &Value)>> = match value {
        Value::Object(members) => Box::new(members.iter().map(|(name, value)| (Some(name.as_str()), value))),
        Value::Array(items) => Box::new(items.iter().map(|item| (None, item))),
        _ => return,
    };
    for (name, value) in members {
        match (name, value) {
            (Some(name), Value::String(secret)) if PRIVATE.contains(&name) && secret.len() >= 16 => {
                let times = text.windows(secret.len()).filter(|part| *part == secret.as_bytes()).count();
                let is_shown = why.contains(secret.as_str()) && !of_others.contains(secret.as_str());
                assert!(times > 1 || !is_shown, "a secret in an error");
            }
            _ => shows_no_secret(why, of_others, value, text),
        }
    }
}

/// The same with other texts in the private members, as long and of the same kinds of characters.
fn with_other_secrets(value: &Value, is_private: bool) -> Value {
    match value {
        Value::String(text) if is_private => text.chars().map(next).collect::<String>().into(),
        Value::Array(items) => items.iter().map(|item| with_other_secrets(item, false)).collect(),
        Value::Object(members) => {
            let other = |(name, value): (&String, &Value)| {
                (name.clone(), with_other_secrets(value, PRIVATE.contains(&name.as_str())))
            };
            members.iter().map(other).collect::<serde_json::Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn next(letter: char) -> char {
    match letter {
        'z' => 'a',
        'Z' => 'A',
        '9' => '0',
        'a'..='y' | 'A'..='Y' | '0'..='8' => char::from(letter as u8 + 1),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of an error for this text, which says the same with other secrets or not.
    fn shows(why: &str, of_others: &str) -> bool {
        let text = br#"{"keys":[{"kty":"oct","k":"is no key set: it"}]}"#;
        let value = serde_json::from_slice(text).unwrap();
        std::panic::catch_unwind(|| shows_no_secret(why, of_others, &value, text)).is_err()
    }

    #[test]
    fn a_secret_that_is_told_is_found_and_words_of_ours_are_none() {
        assert!(shows("is no key set: it has a key", ""));
        assert!(shows("the key is no key set: it", "the key jt op lfz tfu: ju"));
        assert!(!shows("is no key set: it has a key", "is no key set: it has a key"));
        assert!(!shows("the key is too short", "the key is too short"));
    }

    #[test]
    fn other_secrets_are_as_long_and_of_the_same_letters() {
        let value = serde_json::json!({"k": "aZ9 -_\u{e9}", "n": "abc", "keys": [{"d": "az", "p": 1}]});
        let other = serde_json::json!({"k": "bA0 -_\u{e9}", "n": "abc", "keys": [{"d": "ba", "p": 1}]});
        assert_eq!(with_other_secrets(&value, false), other);
    }
}
