//! Payloads that no honest issuer signs, under a right signature.

use serde_json::json;

use super::{config, validator};
use crate::fixtures::{NOW, Signs, claims};

fn code(payload: impl AsRef<[u8]>) -> &'static str {
    let token = Signs::secret().text(r#"{"alg":"HS256"}"#, payload);
    validator(config()).validate(&token, NOW).map_or_else(|refusal| refusal.code(), |_| "accepted")
}

#[test]
fn the_payload_is_one_json_object_without_duplicates() {
    assert_eq!(code(claims().to_string()), "accepted");
    for payload in [
        "",
        " ",
        "[]",
        "\"{}\"",
        "null",
        "1",
        "true",
        "{",
        "{}{}",
        "{}x",
        "[{\"exp\":1}]",
        "{\"exp\":NaN}",
        "{\"exp\":1e999}",
        "{\"exp\":0x7fffffff}",
        "{\"exp\":+1}",
        "{\"exp\":1.}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\q\"}",
        "{'exp':1}",
        "\u{feff}{}",
    ] {
        assert_eq!(code(payload), "malformed-token", "{payload:?}");
    }
    for payload in [&b"{\"iss\":\"\xff\"}"[..], b"{\"iss\":\"\xed\xa0\x80\"}", b"\xfe\xff\0{\0}", b"\0"] {
        assert_eq!(code(payload), "malformed-token", "{payload:?}");
    }
    for payload in [
        r#"{"exp":1,"exp":9999999999}"#,
        r#"{"iss":"wso2","exp":9999999999,"\u0069ss":"evil"}"#,
        r#"{"exp":9999999999,"realm_access":{"roles":[],"roles":["admin"]}}"#,
    ] {
        assert_eq!(code(payload), "duplicate-member", "{payload}");
    }
}

#[test]
fn deep_and_large_payloads_are_refused_or_read_and_nothing_panics() {
    let deep =
        |depth: usize| format!("{{\"exp\":9999999999,\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(code(deep(100)), "accepted");
    assert_eq!(code(deep(10_000)), "malformed-token");
    assert_eq!(code("{\"a\":".repeat(10_000)), "malformed-token");
    let many: String = (0..20_000).map(|number| format!("\"a{number}\":{number},")).collect();
    assert_eq!(code(format!("{{{many}\"exp\":9999999999}}")), "accepted");
}

#[test]
fn names_that_serde_json_uses_inside_are_refused() {
    for payload in [
        r#"{"exp":{"$serde_json::private::Number":"9999999999"}}"#,
        r#"{"iss":{"$serde_json::private::RawValue":"\"wso2\""},"exp":9999999999}"#,
        r#"{"iss":{"\u0024serde_json::private::RawValue":"\"wso2\""},"exp":9999999999}"#,
    ] {
        assert_eq!(code(payload), "malformed-token", "{payload}");
    }
    assert_eq!(code(r#"{"$serde_json":"1","exp":9999999999}"#), "accepted");
}

#[test]
fn no_mutation_of_a_right_payload_panics() {
    let text = json!({"iss": "wso2", "exp": 9_999_999_999_u64, "aud": ["a"], "cnf2": {"a": [1, -2.5e3]}})
        .to_string();
    let bytes = text.as_bytes();
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut mutated = bytes.to_vec();
            mutated[position] ^= 1 << bit;
            let _ = code(mutated);
        }
        let _ = code(&bytes[..position]);
    }
}

#[test]
fn refusals_show_nothing_of_payload_or_signature() {
    let token = Signs::secret().claims(&json!({"iss": "canary-issuer", "exp": 1, "canary": "canary-value"}));
    let refusal = validator(config()).validate(&token, NOW).unwrap_err();
    let text = format!("{refusal} {refusal:?}");
    assert!(!text.contains("canary") && !text.contains(token.rsplit('.').next().unwrap()), "{text}");
    assert!(!format!("{:?}", validator(config())).contains(crate::fixtures::SECRET));
}
