//! The answer of a token endpoint.

use std::time::Duration;

use portcullis_oauth2::fuzzing::granted;
use serde_json::Value;

/// Takes the body.
pub fn run(data: &[u8]) {
    let answer = serde_json::from_slice::<Value>(data).ok();
    match granted(data) {
        Ok((header, lifetime)) => {
            let answer = answer.expect("an answer is JSON");
            let token = answer["access_token"].as_str().expect("a token");
            assert_eq!(header, format!("Bearer {token}"));
            assert!(!token.is_empty() && token.bytes().all(|byte| matches!(byte, b'!'..=b'~')));
            assert!(answer["token_type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer")));
            if answer["expires_in"].is_null() {
                assert_eq!(lifetime, Duration::from_secs(300));
            } else if let Some(stated) = answer["expires_in"].as_u64() {
                assert!(lifetime.as_secs().abs_diff(stated) <= stated >> 50, "{lifetime:?}");
            }
        }
        Err(why) => {
            assert!(why.chars().all(|shown| matches!(shown, ' '..='~')), "{why}");
            let token =
                answer.as_ref().and_then(|answer| answer["access_token"].as_str()).unwrap_or_default();
            let elsewhere =
                data.windows(token.len().max(1)).filter(|part| *part == token.as_bytes()).count() > 1;
            assert!(token.len() < 16 || elsewhere || !why.contains(token), "a token in an error");
        }
    }
}
