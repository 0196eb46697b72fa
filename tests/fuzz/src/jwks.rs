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
        let keys = match keys {
            Ok(keys) => keys,
            Err(why) => {
                if let Some(plain) = &plain {
                    shows_no_secret(why, plain, data);
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
        let again = if is_fetched { Keys::fetched(&again) } else { Keys::given(&again) };
        let again = again.expect("what is accepted is accepted in other words");
        assert_eq!((again.count(), again.algorithms()), (keys.count(), algorithms));
    }
    if fetched.is_ok() {
        assert_eq!(is_same_set(data, data), Some(true), "the same set is no rotation");
    }
}

/// The private members are not shown, unless they stand in the text as something else, too.
fn shows_no_secret(why: &str, value: &Value, text: &[u8]) {
    let members: Box<dyn Iterator<Item = (Option<&str>, &Value)>> = match value {
        Value::Object(members) => Box::new(members.iter().map(|(name, value)| (Some(name.as_str()), value))),
        Value::Array(items) => Box::new(items.iter().map(|item| (None, item))),
        _ => return,
    };
    for (name, value) in members {
        match (name, value) {
            (Some("k" | "d" | "p" | "q" | "dp" | "dq" | "qi"), Value::String(secret))
                if secret.len() >= 16 =>
            {
                let times = text.windows(secret.len()).filter(|part| *part == secret.as_bytes()).count();
                assert!(times > 1 || !why.contains(secret.as_str()), "a secret in an error");
            }
            _ => shows_no_secret(why, value, text),
        }
    }
}
