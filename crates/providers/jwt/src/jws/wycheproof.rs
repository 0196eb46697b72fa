//! Project Wycheproof's vectors through the product's own verification.
//!
//! Every vector that is `invalid` is refused and every one that is `valid` accepted, except those in the tables below,
//! each with the rule that says why.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use crate::{
    fixtures::{NOW, data},
    jws,
    keys::read_jwk,
};

/// `valid` vectors that are refused, and the rule.
const REFUSED: [(u64, &str); 6] = [
    (346, "a JWK with `alg` PS256 verifies PS256 only, and the token says PS384 (RFC 7517 §4.4)"),
    (350, "a JWK with `alg` PS256 verifies PS256 only, and the token says PS384 (RFC 7517 §4.4)"),
    (347, "P-521 is not supported; the key's `alg` is \"ES521\" besides, which does not exist"),
    (351, "P-521 is not supported; the key's `alg` is \"ES521\" besides, which does not exist"),
    (372, "a character outside base64url in the header (RFC 7515 §2 has none)"),
    (373, "a character outside base64url in the payload (RFC 7515 §2 has none)"),
];

/// `invalid` vectors that are accepted: they are letter for letter vector 357, which is `valid`, under the same key.
/// The padding that their comments speak of is not in the text.
const SAME_AS_357: [u64; 2] = [367, 370];

fn groups(file: &str) -> Vec<Value> {
    let text = fs::read(data("wycheproof").join(file)).unwrap();
    let whole: Value = serde_json::from_slice(&text).unwrap();
    whole["testGroups"].as_array().unwrap().clone()
}

/// What becomes of a token under the key of its group: accepted, or a code.
fn outcome(group: &Value, token: &str) -> Result<(), String> {
    let key = group.get("public").unwrap_or(&group["private"]);
    let read = read_jwk(key.to_string().as_bytes()).map_err(|why| format!("key: {why}"))?;
    jws::verify(token, &read.keys, NOW).map(|_| ()).map_err(|refusal| refusal.code().to_owned())
}

/// All vectors of a file: number, result, text of the token, outcome.
fn outcomes(file: &str) -> Vec<(u64, String, String, Result<(), String>)> {
    let mut outcomes = Vec::new();
    for group in groups(file) {
        for test in group["tests"].as_array().unwrap() {
            // One vector is in the JSON serialization, which is no text of a token.
            let token = test["jws"].as_str().map_or_else(|| test["jws"].to_string(), str::to_owned);
            let outcome = outcome(&group, &token);
            outcomes.push((
                test["tcId"].as_u64().unwrap(),
                test["result"].as_str().unwrap().to_owned(),
                token,
                outcome,
            ));
        }
    }
    outcomes
}

#[test]
fn every_signature_vector_comes_out_as_it_says_or_as_the_rules_say() {
    let outcomes = outcomes("json_web_signature_test.json");
    assert_eq!(outcomes.len(), 401);
    let refused: BTreeMap<u64, &str> = REFUSED.into();
    for (number, result, token, outcome) in &outcomes {
        let expected = match result.as_str() {
            "valid" => !refused.contains_key(number),
            "invalid" => SAME_AS_357.contains(number),
            other => panic!("vector {number} has the result {other}"),
        };
        assert_eq!(outcome.is_ok(), expected, "vector {number} is {result}: {outcome:?} for {token}");
    }
    let token = |wanted| outcomes.iter().find(|(number, ..)| *number == wanted).map(|(.., token, _)| token);
    for number in SAME_AS_357 {
        assert_eq!(token(number), token(357));
    }
}

#[test]
fn the_exceptions_are_refused_for_the_reason_that_stands_beside_them() {
    let outcomes = outcomes("json_web_signature_test.json");
    let outcome = |wanted: u64| {
        let (.., outcome) = outcomes.iter().find(|(number, ..)| *number == wanted).unwrap();
        outcome.clone().unwrap_err()
    };
    assert_eq!([outcome(346), outcome(350)], ["unsupported-algorithm"; 2]);
    for number in [347, 351] {
        assert_eq!(outcome(number), "key: is on the curve \"P-521\", and P-256 and P-384 are supported");
    }
    assert_eq!([outcome(372), outcome(373)], ["malformed-token", "bad-signature"]);
}

#[test]
fn every_key_vector_comes_out_as_it_says() {
    let outcomes = outcomes("json_web_key_test.json");
    assert_eq!(outcomes.len(), 26);
    for (number, result, _, outcome) in &outcomes {
        assert_eq!(outcome.is_ok(), result == "valid", "vector {number} is {result}: {outcome:?}");
    }
}

#[test]
fn keys_are_refused_for_what_is_wrong_with_them() {
    let found: BTreeMap<u64, String> = outcomes("json_web_key_test.json")
        .into_iter()
        .filter_map(|(number, .., outcome)| Some((number, outcome.err()?)))
        .collect();
    for (number, part) in [
        (1, "mixes shared secrets"),
        (3, "bad-signature"),
        (4, "two keys with the `kid`"),
        (6, "has the `use` \"enc\""),
        (7, "ROCA"),
        (8, "RSA key of 1024 bits"),
        (9, "exponent is not an odd number of 3 or more"),
        (10, "too short: HS256 needs at least 32"),
        (11, "too short: HS384 needs at least 48"),
        (12, "too short: HS512 needs at least 64"),
        (16, "is empty"),
        (19, "`alg` \"ES521\""),
        (22, "not a point on P-256"),
        (23, "`x` of 32 bytes instead of 48"),
        (24, "has no `n`"),
        (25, "`alg` \"A256GCM\""),
    ] {
        assert!(found[&number].contains(part), "vector {number}: {}", found[&number]);
    }
}
