//! What a rightly signed token says.

use serde_json::{Value, json};

use crate::{
    Line,
    support::{Door, NOW},
    support_tokens::{ISSUER, Signer, claims, text, validator, with, without},
};

const RULES: &str = "crates/providers/jwt/src/validate/tests/rules.rs";
const HOSTILE: &str = "crates/providers/jwt/src/validate/tests/hostile.rs";

async fn door(key: &Signer, more: &str) -> Door {
    Door::open(&validator("key.jwk", more), &[("key.jwk", key.jwk().to_string().as_bytes())]).await
}

#[tokio::test]
async fn line_08_claims_of_another_type_value_or_spelling_refuse_the_token() {
    let mut line = Line::new(8, "Claims of the wrong type, and texts that read in two ways");
    let key = Signer::p256();
    let door = door(&key, "").await;
    door.rows(
        &mut line,
        [
            ("a good token", key.good(), "200"),
            ("a good token with `nbf` and `iat`", key.claims(&with("nbf", NOW.as_secs())), "200"),
        ],
    )
    .await;
    times(&mut line, &key, &door).await;
    names(&mut line, &key, &door).await;
    texts(&mut line, &key, &door).await;
    line.shown_by(
        "`exp` and `nbf` at their very moment",
        &format!("{RULES}::exp_is_the_first_moment_at_which_a_token_is_not_good_and_skew_moves_it"),
    );
    line.shown_by(
        "the payload's form",
        &format!("{HOSTILE}::the_payload_is_one_json_object_without_duplicates"),
    );
    line.shown_by(
        "every bit of a payload changed",
        &format!("{HOSTILE}::no_mutation_of_a_right_payload_panics"),
    );
    line.settle();
}

/// CVE-2026-25537: a time that is no number was no time at all, and so never past.
async fn times(line: &mut Line, key: &Signer, door: &Door) {
    let exp = format!("\"exp\":{}", NOW.as_secs() + 300);
    for (value, expected) in [
        ("\"1700000300\"", "401 malformed-claim"),
        ("\"\"", "401 malformed-claim"),
        ("null", "401 malformed-claim"),
        ("true", "401 malformed-claim"),
        ("[1700000300]", "401 malformed-claim"),
        ("{}", "401 malformed-claim"),
        ("-1", "401 malformed-claim"),
        ("-1e300", "401 malformed-claim"),
        ("0", "401 expired"),
        ("1700000000", "401 expired"),
        ("1700000000.5", "200"),
        ("1.7000003e9", "200"),
        ("1e300", "200"),
        ("1e999", "401 malformed-token"),
        ("NaN", "401 malformed-token"),
        ("Infinity", "401 malformed-token"),
        ("4294967296", "200"),
        ("9223372036854775808", "200"),
        ("18446744073709551616", "200"),
    ] {
        let token = key.payload(text(&exp, &format!("\"exp\":{value}")));
        door.rows(line, [(format!("`exp` {value}"), token, expected)]).await;
    }
    door.rows(line, [("no `exp`", key.claims(&without("exp")), "401 missing-expiration")]).await;
    for (value, expected) in [
        (json!("1700000000"), "401 malformed-claim"),
        (json!("x"), "401 malformed-claim"),
        (Value::Null, "401 malformed-claim"),
        (json!(-1), "401 malformed-claim"),
        (json!([0]), "401 malformed-claim"),
        (json!(1e300), "401 not-yet-valid"),
        (json!(9_223_372_036_854_775_808_u64), "401 not-yet-valid"),
        (json!(NOW.as_secs() + 1), "401 not-yet-valid"),
    ] {
        door.rows(line, [(format!("`nbf` {value}"), key.claims(&with("nbf", value)), expected)]).await;
    }
    for (value, expected) in [
        (json!("1700000000"), "401 malformed-claim"),
        (json!(-1), "401 malformed-claim"),
        (json!({}), "401 malformed-claim"),
        (json!(NOW.as_secs() + 1_000_000), "200"),
        (json!(1e300), "200"),
    ] {
        door.rows(line, [(format!("`iat` {value}"), key.claims(&with("iat", value)), expected)]).await;
    }
}

async fn names(line: &mut Line, key: &Signer, door: &Door) {
    for (what, value, expected) in [
        ("as the only item of an array", json!([ISSUER]), "401 malformed-claim"),
        ("as one item of an array", json!(["https://evil.example", ISSUER]), "401 malformed-claim"),
        ("null", Value::Null, "401 malformed-claim"),
        ("a number", json!(1), "401 malformed-claim"),
        ("empty", json!(""), "401 wrong-issuer"),
        ("with a slash behind it", json!(format!("{ISSUER}/")), "401 wrong-issuer"),
        ("with a blank behind it", json!(format!("{ISSUER} ")), "401 wrong-issuer"),
        ("with a NUL behind it", json!(format!("{ISSUER}\0")), "401 wrong-issuer"),
        ("in upper case", json!(ISSUER.to_uppercase()), "401 wrong-issuer"),
        (
            "with a Cyrillic letter that looks like its Latin one",
            json!(ISSUER.replace('e', "е")),
            "401 wrong-issuer",
        ),
        ("of which ours is the beginning", json!(format!("{ISSUER}.evil.example")), "401 wrong-issuer"),
        ("that is the beginning of ours", json!("https://issuer"), "401 wrong-issuer"),
        ("over http", json!("http://issuer.example"), "401 wrong-issuer"),
    ] {
        door.rows(line, [(format!("`iss` {what}"), key.claims(&with("iss", value)), expected)]).await;
    }
    door.rows(line, [("no `iss`", key.claims(&without("iss")), "401 wrong-issuer")]).await;
    for (what, value, expected) in [
        ("an empty array", json!([]), "401 wrong-audience"),
        ("null", Value::Null, "401 malformed-claim"),
        ("a number", json!(1), "401 malformed-claim"),
        ("an object", json!({"orders": true}), "401 malformed-claim"),
        ("an array with ours and a number", json!(["orders", 1]), "401 malformed-claim"),
        ("an array in an array", json!([["orders"]]), "401 malformed-claim"),
        ("an array with ours", json!(["billing", "orders"]), "200"),
        ("an array with an empty text", json!([""]), "401 wrong-audience"),
        ("an array without ours", json!(["billing"]), "401 wrong-audience"),
        ("of which ours is a part", json!("orders2"), "401 wrong-audience"),
        ("a list with ours in one text", json!("billing orders"), "401 wrong-audience"),
        ("in another case", json!("Orders"), "401 wrong-audience"),
    ] {
        door.rows(line, [(format!("`aud` {what}"), key.claims(&with("aud", value)), expected)]).await;
    }
    door.rows(
        line,
        [
            ("no `aud`", key.claims(&without("aud")), "401 wrong-audience"),
            ("`sub` an array", key.claims(&with("sub", json!(["alice"]))), "401 malformed-claim"),
            ("`sub` a number", key.claims(&with("sub", 1)), "401 malformed-claim"),
            ("`jti` an object", key.claims(&with("jti", json!({}))), "401 malformed-claim"),
            (
                "`cnf`, which binds it to its sender",
                key.claims(&with("cnf", json!({"jkt": "x"}))),
                "401 bound-token",
            ),
        ],
    )
    .await;
}

async fn texts(line: &mut Line, key: &Signer, door: &Door) {
    let payload = claims().to_string();
    let inner = payload.trim_matches(['{', '}']);
    for (what, text, expected) in [
        ("`exp` twice", format!("{{{inner},\"exp\":9999999999}}"), "401 duplicate-member"),
        ("`scope` twice", format!("{{\"scope\":\"admin\",{inner}}}"), "401 duplicate-member"),
        (
            "`iss` twice, once with a letter escaped",
            format!("{{\"\\u0069ss\":\"evil\",{inner}}}"),
            "401 duplicate-member",
        ),
        (
            "a member twice, deep inside",
            format!("{{{inner},\"a\":{{\"b\":[{{\"c\":1,\"c\":2}}]}}}}"),
            "401 duplicate-member",
        ),
        ("an array", format!("[{payload}]"), "401 malformed-token"),
        ("a string", Value::String(payload.clone()).to_string(), "401 malformed-token"),
        ("a number", "1".to_owned(), "401 malformed-token"),
        ("null", "null".to_owned(), "401 malformed-token"),
        ("an object and another", format!("{payload}{payload}"), "401 malformed-token"),
        ("an object and a NUL", format!("{payload}\0"), "401 malformed-token"),
        ("a byte order mark in front", format!("\u{feff}{payload}"), "401 malformed-token"),
        ("a comma behind the last member", format!("{{{inner},}}"), "401 malformed-token"),
        ("a comment", format!("{{{inner}/**/}}"), "401 malformed-token"),
        ("a lone surrogate", format!("{{{inner},\"a\":\"\\ud800\"}}"), "401 malformed-token"),
        ("a lone surrogate in a name", format!("{{{inner},\"\\udc00\":1}}"), "401 malformed-token"),
        (
            "the name by which serde_json marks numbers",
            payload.replace(
                &(NOW.as_secs() + 300).to_string(),
                "{\"$serde_json::private::Number\":\"9999999999\"}",
            ),
            "401 malformed-token",
        ),
        (
            "the name by which serde_json marks raw texts",
            payload.replace("\"alice\"", "{\"$serde_json::private::RawValue\":\"\\\"root\\\"\"}"),
            "401 malformed-token",
        ),
    ] {
        door.rows(line, [(format!("payload: {what}"), key.payload(text), expected)]).await;
    }
    let latin = [payload.trim_end_matches('}').as_bytes(), b",\"a\":\"\xff\"}"].concat();
    let header = |text: &[u8]| key.text(text, &payload);
    door.rows(
        line,
        [
            ("payload: not UTF-8", key.payload(latin), "401 malformed-token"),
            (
                "payload: UTF-16",
                key.payload(payload.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
                "401 malformed-token",
            ),
            ("header: `alg` twice", header(br#"{"alg":"ES256","alg":"ES256"}"#), "401 duplicate-member"),
            (
                "header: `kid` twice",
                header(br#"{"alg":"ES256","kid":"a","kid":"b"}"#),
                "401 duplicate-member",
            ),
            (
                "header: a member twice that nobody reads",
                header(br#"{"alg":"ES256","x":1,"x":1}"#),
                "401 duplicate-member",
            ),
            ("header: an array", header(br#"[{"alg":"ES256"}]"#), "401 malformed-token"),
            ("header: not UTF-8", header(b"{\"alg\":\"ES256\",\"x\":\"\xff\"}"), "401 malformed-token"),
            ("header: a lone surrogate", header(br#"{"alg":"ES256","x":"\ud800"}"#), "401 malformed-token"),
            ("header: NaN", header(br#"{"alg":"ES256","x":NaN}"#), "401 malformed-token"),
        ],
    )
    .await;
}

#[tokio::test]
async fn line_12_a_scope_is_a_whole_word_compared_exactly() {
    let mut line = Line::new(12, "Scopes in every form, for an element that asks for `hello`");
    let key = Signer::p256();
    let one = door(&key, "").await;
    for (value, expected) in [
        (json!("hello"), "200"),
        (json!("a hello b"), "200"),
        (json!("a  hello"), "200"),
        (json!(" hello "), "200"),
        (json!("a\thello"), "200"),
        (json!("a\nhello"), "200"),
        (json!(["a", "hello"]), "200"),
        (json!("hello hello"), "200"),
        (json!(["a hello"]), "403 insufficient-scope"),
        (json!([["hello"]]), "401 malformed-claim"),
        (json!(["hello", 1]), "401 malformed-claim"),
        (json!({"hello": true}), "401 malformed-claim"),
        (json!(1), "401 malformed-claim"),
        (json!(true), "401 malformed-claim"),
        (Value::Null, "401 malformed-claim"),
        (json!(""), "403 insufficient-scope"),
        (json!(" "), "403 insufficient-scope"),
        (json!([]), "403 insufficient-scope"),
        (json!([""]), "403 insufficient-scope"),
        (json!("hello2"), "403 insufficient-scope"),
        (json!("hell"), "403 insufficient-scope"),
        (json!("Hello"), "403 insufficient-scope"),
        (json!("hello,admin"), "403 insufficient-scope"),
        (json!("a\u{a0}hello"), "403 insufficient-scope"),
        (json!("a\u{3000}hello"), "403 insufficient-scope"),
        (json!("hello\u{200b}"), "403 insufficient-scope"),
        (json!("hello\0"), "403 insufficient-scope"),
        (json!("hеllo"), "403 insufficient-scope"),
        (json!("*"), "403 insufficient-scope"),
    ] {
        let shown = value.to_string().escape_unicode_spaces();
        one.rows(&mut line, [(format!("`scope` {shown}"), key.claims(&with("scope", value)), expected)])
            .await;
    }
    one.rows(
        &mut line,
        [
            ("no `scope`", key.claims(&without("scope")), "403 insufficient-scope"),
            (
                "`scp` where `scope` is asked for",
                key.claims(&{
                    let mut claims = without("scope");
                    claims["scp"] = "hello".into();
                    claims
                }),
                "403 insufficient-scope",
            ),
            (
                "`scp` beside a `scope` that does not do",
                key.claims(&{
                    let mut claims = with("scope", "a");
                    claims["scp"] = "hello".into();
                    claims
                }),
                "403 insufficient-scope",
            ),
        ],
    )
    .await;
    let scp = door(&key, "scopeKey = \"scp\",").await;
    scp.rows(
        &mut line,
        [
            ("`scopeKey = \"scp\"`: `scp`", key.claims(&with("scp", "hello")), "200"),
            ("`scopeKey = \"scp\"`: `scope` alone", key.good(), "403 insufficient-scope"),
        ],
    )
    .await;
    let several = validator("key.jwk", "").replace("\"hello\"", "[\"admin\", \"root\"]");
    let several = Door::open(&several, &[("key.jwk", key.jwk().to_string().as_bytes())]).await;
    for (value, expected) in [
        ("root", "200"),
        ("x admin", "200"),
        ("admin2 root2", "403 insufficient-scope"),
        ("admin root", "200"),
    ] {
        several
            .rows(
                &mut line,
                [(
                    format!("any one of `admin` and `root`: {value:?}"),
                    key.claims(&with("scope", value)),
                    expected,
                )],
            )
            .await;
    }
    line.shown_by(
        "each form, in words and items",
        &format!("{RULES}::scopes_are_words_of_a_string_or_items_of_an_array"),
    );
    line.settle();
}

/// Characters that nobody sees, as code points.
trait Escaped {
    fn escape_unicode_spaces(&self) -> String;
}

impl Escaped for String {
    fn escape_unicode_spaces(&self) -> String {
        self.chars()
            .map(
                |char| {
                    if char.is_ascii() { char.to_string() } else { format!("\\u{{{:x}}}", u32::from(char)) }
                },
            )
            .collect()
    }
}
