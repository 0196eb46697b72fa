//! Tokens of every algorithm, whole and changed in every way that is known to have fooled somebody.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_differential::{ALGORITHMS, Both, KEYS, Key, Verdict, base64url, sign};
use serde_json::Value;

const PAYLOAD: &[u8] = br#"{"iss":"wso2","sub":"alice","exp":1800000000}"#;

fn header(algorithm: &str) -> Vec<u8> {
    format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#).into_bytes()
}

fn token(algorithm: &str) -> String {
    sign(algorithm, &header(algorithm), PAYLOAD)
}

fn key_of(algorithm: &str) -> &'static Key {
    KEYS.iter().find(|key| key.algorithms.contains(&algorithm)).unwrap()
}

/// The places of a token that are changed: all of them for what is cheap, and some for what is not.
fn places(algorithm: &str, length: usize) -> impl Iterator<Item = usize> {
    let step = match algorithm.as_bytes() {
        [b'R' | b'P', ..] => 31,
        [b'E', b'S', ..] => 5,
        _ => 1,
    };
    (0..length).step_by(step).chain(length.saturating_sub(3)..length)
}

#[test]
fn every_algorithm_is_verified_by_its_own_key_and_by_no_other() {
    for algorithm in ALGORITHMS {
        for key in KEYS.iter() {
            let expected =
                if key.algorithms.contains(&algorithm) { Verdict::Accepted } else { Verdict::Refused };
            assert_eq!(key.both.verdict(&token(algorithm)), expected, "{algorithm}");
        }
    }
}

#[test]
fn no_token_is_accepted_with_a_bit_flipped_or_a_character_replaced_removed_or_added() {
    for algorithm in ALGORITHMS {
        let (whole, both) = (token(algorithm), &key_of(algorithm).both);
        for at in places(algorithm, whole.len()) {
            let refused = |bytes: Vec<u8>| {
                let Ok(text) = String::from_utf8(bytes) else { return };
                assert!(text == whole || both.verdict(&text) == Verdict::Refused, "{algorithm}: {text}");
            };
            for bit in 0..7 {
                let mut changed = whole.clone().into_bytes();
                changed[at] ^= 1 << bit;
                refused(changed);
            }
            for byte in *b"A-_.=+/ \n%" {
                let (before, after) = whole.as_bytes().split_at(at);
                refused([before, &[byte], after].concat());
                refused([before, &[byte], &after[1..]].concat());
            }
            refused(whole.as_bytes()[..at].to_vec());
            refused([&whole.as_bytes()[..at], &whole.as_bytes()[at + 1..]].concat());
        }
    }
}

#[test]
fn no_token_is_accepted_with_its_parts_swapped_emptied_or_those_of_another() {
    for algorithm in ALGORITHMS {
        let both = &key_of(algorithm).both;
        let whole = token(algorithm);
        let other = sign(algorithm, &header(algorithm), br#"{"iss":"wso2","sub":"bob"}"#);
        let (one, two): (Vec<&str>, Vec<&str>) = (whole.split('.').collect(), other.split('.').collect());
        let parts = [one[0], one[1], one[2], two[1], two[2], ""];
        for header in parts {
            for payload in parts {
                for signature in parts {
                    let text = format!("{header}.{payload}.{signature}");
                    let expected =
                        if text == whole || text == other { Verdict::Accepted } else { Verdict::Refused };
                    assert_eq!(both.verdict(&text), expected, "{algorithm}: {text}");
                }
            }
        }
        for text in
            [format!("{whole}."), format!(".{whole}"), format!("{whole}.{whole}"), format!("{whole}.x.y")]
        {
            assert_eq!(both.verdict(&text), Verdict::Refused, "{algorithm}: {text}");
        }
    }
}

#[test]
fn no_token_names_another_algorithm_than_the_one_that_signed_it() {
    let mut names: Vec<&str> = ALGORITHMS.to_vec();
    names.extend([
        "none", "None", "NONE", "nOnE", "", "HS1", "ES512", "ES256K", "RSA1_5", "dir", "hs256", "EdDSA ",
    ]);
    for algorithm in ALGORITHMS {
        for name in &names {
            for key in KEYS.iter() {
                let text = sign(algorithm, &header(name), PAYLOAD);
                let right = *name == algorithm && key.algorithms.contains(&algorithm);
                let expected = if right { Verdict::Accepted } else { Verdict::Refused };
                assert_eq!(key.both.verdict(&text), expected, "{name}, signed by {algorithm}");
                let unsigned = format!("{}.{}.", base64url(header(name)), base64url(PAYLOAD));
                assert_eq!(key.both.verdict(&unsigned), Verdict::Refused, "{name}, not signed");
            }
        }
    }
}

#[test]
fn no_signature_of_another_form_is_accepted() {
    for (algorithm, half) in [("ES256", 32), ("ES384", 48), ("EdDSA", 32)] {
        let (whole, both) = (token(algorithm), &key_of(algorithm).both);
        let (signed, signature) = whole.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let (r, s) = signature.split_at(half);
        let zeros = vec![0; half];
        let integer = |bytes: &[u8]| {
            let padded = [&[0][..], bytes].concat();
            [&[2, u8::try_from(padded.len()).unwrap()][..], &padded].concat()
        };
        let pair = [integer(r), integer(s)].concat();
        let der = [&[0x30, u8::try_from(pair.len()).unwrap()][..], &pair].concat();
        for other in [
            [s, r].concat(),
            [r, &zeros].concat(),
            [&zeros[..], s].concat(),
            [&zeros[..], &zeros].concat(),
            [&[0][..], r, &[0], s].concat(),
            r.to_vec(),
            vec![0xff; 2 * half],
            der,
            Vec::new(),
        ] {
            let text = format!("{signed}.{}", base64url(&other));
            assert_eq!(both.verdict(&text), Verdict::Refused, "{algorithm}: {text}");
        }
    }
    for algorithm in &ALGORITHMS[3..9] {
        let (whole, both) = (token(algorithm), &key_of(algorithm).both);
        let (signed, signature) = whole.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for other in [
            [&[0][..], &signature].concat(),
            [&signature[..], &[0]].concat(),
            signature[1..].to_vec(),
            vec![0; signature.len()],
            [&vec![0; signature.len() - 1][..], &[1]].concat(),
            vec![0xff; signature.len()],
        ] {
            let text = format!("{signed}.{}", base64url(&other));
            assert_eq!(both.verdict(&text), Verdict::Refused, "{algorithm}: {text}");
        }
    }
}

#[test]
fn where_portcullis_is_stricter_and_where_it_does_not_look_is_what_the_list_says() {
    let both = &key_of("ES256").both;
    let stricter = Verdict::Stricter;
    for (header, payload, expected) in [
        (r#"{"alg":"ES256"}"#, r#"{"a":1}"#, Verdict::Accepted),
        (
            r#"{"alg":"ES256","typ":"application/AT+jwt","kid":"x","cty":"y","a":[{}]}"#,
            "{}",
            Verdict::Accepted,
        ),
        (r#" {"alg" : "ES256"} "#, "\n{}\t", Verdict::Accepted),
        (r#"{"alg":"HS256","alg":"ES256"}"#, "{}", Verdict::Refused),
        (r#"{"alg":"ES256","a":{"b":1,"b":2}}"#, "{}", stricter("duplicate-member")),
        (r#"{"alg":"ES256"}"#, r#"{"role":"a","\u0072ole":"b"}"#, stricter("duplicate-member")),
        (r#"{"alg":"ES256"}"#, r#"{"$serde_json::private::Number":"1"}"#, stricter("malformed-token")),
        (r#"{"alg":"ES256"}"#, r#"{"\u0024serde_json::private::Number":"1"}"#, stricter("malformed-token")),
        (r#"{"alg":"ES256","crit":[]}"#, "{}", stricter("critical-header")),
        (r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, "{}", stricter("critical-header")),
        (r#"{"alg":"ES256","b64":true}"#, "{}", stricter("unsupported-header")),
        (r#"{"alg":"ES256","zip":"DEF"}"#, "{}", stricter("unsupported-header")),
        (r#"{"alg":"ES256","typ":"secevent+jwt"}"#, "{}", stricter("wrong-type")),
        (r#"{"alg":"ES256","typ":null}"#, "{}", stricter("malformed-token")),
        (r#"{"alg":"ES256","kid":null}"#, "{}", stricter("malformed-token")),
        (r#"{"alg":"ES256","kid":1}"#, "{}", Verdict::Refused),
        (r#"{"alg":"ES256"}"#, r#"{"exp":"soon"}"#, stricter("malformed-claim")),
        (r#"{"alg":"ES256"}"#, r#"{"cnf":{}}"#, stricter("bound-token")),
        (r#"{"alg":"ES256"}"#, r#"{"exp":1600000000}"#, stricter("expired")),
        (r#"{"alg":"ES256"}"#, r#"{"nbf":1800000000}"#, stricter("not-yet-valid")),
        (r#"{"alg":"ES256"}"#, "{", Verdict::Refused),
        (r#"{"alg":"ES256"}"#, "{}{}", Verdict::Refused),
        (r#"{"alg":"ES256","jku":1}"#, "{}", Verdict::Unread),
        (r#"{"alg":"ES256","jwk":{"kty":"x"},"x5c":"y"}"#, "{}", Verdict::Unread),
        (r#"{"alg":"ES256","jku":"https://evil.example"}"#, "{}", Verdict::Accepted),
    ] {
        let text = sign("ES256", header.as_bytes(), payload.as_bytes());
        assert_eq!(both.verdict(&text), expected, "{header} {payload}");
    }
}

/// Vectors of Project Wycheproof: tokens that were made to be misread. Their payload is a text, so it is about signatures alone.
#[test]
fn both_say_the_same_of_public_vectors() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/data/wycheproof/json_web_signature_test.json");
    let vectors: Value = serde_json::from_slice(&fs::read(data).unwrap()).unwrap();
    let (mut counts, mut differing) = (BTreeMap::new(), BTreeSet::new());
    for group in vectors["testGroups"].as_array().unwrap() {
        let jwk = if group["public"].is_object() { &group["public"] } else { &group["private"] };
        // Keys that one of them does not take: P-521, and what no signature is by.
        let Some(both) = Both::of_jwk(jwk) else { continue };
        for test in group["tests"].as_array().unwrap() {
            let Some(jws) = test["jws"].as_str() else { continue };
            let said = both.signatures(jws);
            *counts.entry((said, test["result"].to_string())).or_insert(0) += 1;
            if said.0 != said.1 {
                differing.insert(test["comment"].to_string());
            }
        }
    }
    println!("{counts:?}\n{differing:?}");
    assert_eq!(differing, BTreeSet::new(), "{counts:?}");
    let count =
        |both: bool, result: &str| counts.get(&((both, both), format!("{result:?}"))).copied().unwrap_or(0);
    // Two that are called invalid are, byte for byte, a token that is called valid elsewhere.
    assert_eq!((count(true, "valid"), count(true, "invalid")), (40, 2), "{counts:?}");
    assert_eq!((count(false, "valid"), count(false, "invalid")), (4, 349), "{counts:?}");
}

/// The inputs of the fuzzer that are kept.
#[test]
fn every_kept_input_passes() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut inputs = 0;
    for kind in ["corpus", "regressions"] {
        let Ok(entries) = fs::read_dir(fuzz.join(kind).join("differential")) else { continue };
        for entry in entries {
            portcullis_differential::run(&fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
    }
    assert!(inputs > 20);
}
