//! Opaque tokens, and the server that is asked about them.

use std::time::Duration;

use portcullis_testing::TestIntrospection;
use serde_json::{Value, json};

use crate::{
    Line,
    support::{Door, NOW, told},
};

const ANSWERS: &str = "crates/providers/oauth2/src/introspection/tests/answers.rs";
const CACHING: &str = "crates/providers/oauth2/src/introspection/tests/caching.rs";

pub(crate) const CACHED: &str = "cacheConfig = {},";

/// An element that asks this server.
pub(crate) fn asking(server: &TestIntrospection, scopes: &str, more: &str) -> String {
    format!("{{ scopes = {scopes}, oauth2IntrospectionConfig = {{ {more} url = \"{}\" }} }},", server.url())
}

pub(crate) async fn door(more: &str) -> (TestIntrospection, Door) {
    let server = TestIntrospection::start().await;
    let door = Door::open(&asking(&server, "\"hello\"", more), &[]).await;
    server.grant("good", json!({"sub": "alice", "scope": "hello"}));
    (server, door)
}

#[tokio::test]
async fn line_21_whatever_a_token_holds_it_is_one_parameter() {
    let mut line = Line::new(21, "Tokens that try to add parameters to the question");
    let (server, door) = door("tokenTypeHint = \"access_token\",").await;
    told(&mut line, "a good token", door.knock("good").await, "200");
    for token in [
        "x&client_id=evil&token_type_hint=refresh_token",
        "x&token=good",
        "good&active=true",
        "x%26client_id%3Devil",
        "x+y",
        "x%2By",
        "x%0d%0aX-Evil:1",
        "x;token=good",
        "x=y",
        "x#y",
        "x?token=good",
        "%00",
        "%",
        "%zz",
        "good%20",
    ] {
        let before = server.call_count();
        let seen = door.knock(token).await.to_string();
        assert_eq!(seen, "401 inactive", "{token}");
        let calls = server.calls();
        assert_eq!(calls.len(), before + 1, "{token}");
        let expected = [
            ("token".to_owned(), token.to_owned()),
            ("token_type_hint".to_owned(), "access_token".to_owned()),
        ];
        let call = &calls[before];
        assert_eq!(call.parameters(), expected, "{token}");
        assert!(call.uri.query().is_none() && call.header("x-evil").is_none());
        let raw = String::from_utf8_lossy(&call.body);
        assert_eq!(raw.matches('&').count(), 1, "{raw}");
        line.came(
            format!("`{token}`"),
            "401 inactive; the server got it as it is, as one `token`, and our hint",
        );
    }
    for (what, token, expected) in [
        ("CR and LF", "x\r\nX-Evil: 1", "401 inactive"),
        ("a NUL", "x\0", "400"),
        ("a blank and a second word", "x good", "401 trailing-words"),
        ("an umlaut", "gööd", "401 forbidden-byte"),
    ] {
        let before = server.call_count();
        let seen = door.knock(token).await.to_string();
        if what == "CR and LF" {
            // HTTP ends the header there: a token `x`, and another header of the caller's.
            assert_eq!(server.calls()[before].parameters()[0].1, "x");
            told(&mut line, format!("{what}: the token ends there"), seen, expected);
        } else {
            assert_eq!(server.call_count(), before, "{what}: {seen}");
            told(&mut line, format!("{what}; the server is not asked"), seen, expected);
        }
    }
    line.shown_by("any text at all", "crates/providers/oauth2/src/introspection/tests/asking.rs::whatever_a_token_holds_it_is_one_parameter");
    line.settle();
}

#[tokio::test]
async fn line_22_only_the_boolean_true_is_active() {
    let mut line = Line::new(22, "What a server may say instead of `\"active\": true`");
    let (server, door) = door("").await;
    told(&mut line, "`true`", door.knock("good").await, "200");
    for active in
        ["false", "\"true\"", "\"True\"", "1", "0", "null", "[true]", "[]", "{}", "{\"active\":true}", "\"\""]
    {
        server.answer_raw("t", format!("{{\"active\":{active},\"scope\":\"hello\",\"sub\":\"alice\"}}"));
        // null is how some servers write what they leave out.
        let expected =
            if ["false", "null"].contains(&active) { "401 inactive" } else { "401 malformed-claim" };
        told(&mut line, format!("`{active}`"), door.knock("t").await, expected);
    }
    for (what, body, expected) in [
        ("missing", "{\"scope\":\"hello\"}", "401 inactive"),
        ("`Active`", "{\"Active\":true,\"scope\":\"hello\"}", "401 inactive"),
        (
            "twice, false and then true",
            "{\"active\":false,\"active\":true,\"scope\":\"hello\"}",
            "503 unavailable",
        ),
        ("in an array", "[{\"active\":true,\"scope\":\"hello\"}]", "503 unavailable"),
        ("in a text", "\"{\\\"active\\\":true}\"", "503 unavailable"),
        ("`true` alone", "true", "503 unavailable"),
    ] {
        server.answer_raw("t", body);
        told(&mut line, what, door.knock("t").await, expected);
    }
    line.shown_by("each of them, at the provider", &format!("{ANSWERS}::only_the_boolean_true_is_active"));
    line.settle();
}

#[tokio::test]
async fn line_23_two_elements_share_no_answer() {
    let mut line = Line::new(23, "One token before two elements with servers and scopes of their own");
    let (first, second) = (TestIntrospection::start().await, TestIntrospection::start().await);
    let elements = format!("{}{}", asking(&first, "\"admin\"", CACHED), asking(&second, "\"hello\"", CACHED));
    let both = Door::open(&elements, &[]).await;
    first.grant("t", json!({"sub": "a", "scope": "hello"}));
    second.grant("t", json!({"sub": "b", "scope": "admin"}));
    for round in ["asked", "remembered"] {
        told(
            &mut line,
            format!("`hello` at the server of `admin`, and the other way round; {round}"),
            both.knock("t").await,
            "403 insufficient-scope",
        );
    }
    told(
        &mut line,
        "calls of the two servers",
        format_args!("{} and {}", first.call_count(), second.call_count()),
        "1 and 1",
    );
    second.grant("u", json!({"sub": "b", "scope": "hello"}));
    for round in ["asked", "remembered"] {
        told(
            &mut line,
            format!("inactive at the one, good at the other; {round}"),
            both.knock("u").await,
            "200",
        );
    }
    first.grant("v", json!({"sub": "a", "scope": "hello"}));
    told(
        &mut line,
        "active without its scope at the one, inactive at the other",
        both.knock("v").await,
        "403 insufficient-scope",
    );
    let same = format!("{}{}", asking(&second, "\"x\"", CACHED), asking(&second, "\"hello\"", CACHED));
    let same = Door::open(&same, &[]).await;
    let before = second.call_count();
    told(&mut line, "two definitions of one server", same.knock("u").await, "200");
    told(&mut line, "calls for them", second.call_count() - before, "2");
    line.shown_by("two definitions", &format!("{CACHING}::two_definitions_share_nothing"));
    line.shown_by(
        "texts that could be put together in two ways",
        "crates/providers/oauth2/src/prf.rs::one_question_has_one_digest_and_no_two_questions_share_one",
    );
    line.settle();
}

#[tokio::test]
async fn line_24_scopes_are_compared_on_every_hit() {
    let mut line = Line::new(24, "A remembered token at resources with scopes of their own");
    let server = TestIntrospection::start().await;
    server.grant("t", json!({"sub": "alice", "scope": "hello"}));
    let text = format!(
        "[services.\"/\"]\nauth = [{}]\nresources.\"GET /admin\" = {{ scopes = \"admin\" }}\nresources.\"GET /either\" = {{ scopes = [\"admin\", \"hello\"] }}",
        asking(&server, "\"hello\"", CACHED)
    );
    let config = portcullis::Config::parse(&text, ".").unwrap();
    let auth = config.service("/").unwrap().build().await.unwrap();
    for (path, expected) in [
        ("/", "200"),
        ("/admin", "403 insufficient-scope"),
        ("/either", "200"),
        ("/admin", "403 insufficient-scope"),
        ("/", "200"),
    ] {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", "Bearer t".parse().unwrap());
        let head = portcullis::RequestHead::new(&http::Method::GET, path, &headers);
        let seen = match auth.decided(&head).await {
            Ok(_) => "200".to_owned(),
            Err(rejection) => format!("{} {}", rejection.status().as_u16(), rejection.kind().as_str()),
        };
        told(&mut line, format!("`{path}`"), seen, expected);
    }
    told(&mut line, "calls for all of them", server.call_count(), "1");
    line.shown_by("scopes after the cache", &format!("{CACHING}::scopes_are_compared_after_the_cache"));
    line.settle();
}

#[tokio::test]
async fn line_25_what_else_an_answer_says_is_read_strictly() {
    let mut line = Line::new(25, "Active answers with times, names and bindings");
    let (server, door) =
        door(&format!("{CACHED} issuer = \"https://as.example\", audience = \"orders\",")).await;
    let now = NOW.as_secs();
    let (malformed, calls) = ("401 malformed-claim", |count: usize| count.to_string());
    for (number, (what, member, value, expected, asked)) in [
        ("nothing else", "x", json!(1), "200", 1),
        ("`exp` in a minute", "exp", json!(now + 60), "200", 1),
        (
            "`exp` past: the server says active, and that holds for this request alone",
            "exp",
            json!(now - 1),
            "200",
            2,
        ),
        ("`exp` a text", "exp", json!((now + 60).to_string()), malformed, 1),
        ("`exp` null, as some servers write what they leave out", "exp", Value::Null, "200", 1),
        ("`exp` negative", "exp", json!(-1), malformed, 1),
        ("`exp` 1e300", "exp", json!(1e300), "200", 1),
        ("`nbf` to come", "nbf", json!(now + 60), "401 not-yet-valid", 1),
        ("`nbf` a text", "nbf", json!("0"), malformed, 1),
        ("`iat` a text", "iat", json!("0"), malformed, 1),
        ("`aud` another", "aud", json!("billing"), "401 wrong-audience", 1),
        ("`aud` an array with ours", "aud", json!(["billing", "orders"]), "200", 1),
        ("`aud` an empty array", "aud", json!([]), "401 wrong-audience", 1),
        ("`aud` a number", "aud", json!(1), malformed, 1),
        ("`iss` another", "iss", json!("https://evil.example"), "401 wrong-issuer", 1),
        ("`iss` an array", "iss", json!(["https://as.example"]), malformed, 1),
        ("`cnf`, which binds it to its sender", "cnf", json!({"jkt": "x"}), "401 bound-token", 1),
        ("`scope` a number", "scope", json!(1), malformed, 1),
        ("`scope` an array", "scope", json!(["a", "hello"]), "200", 1),
        ("`sub` an array", "sub", json!(["alice"]), malformed, 1),
        ("`scope` another", "scope", json!("hello2"), "403 insufficient-scope", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let token = format!("t{number}");
        let mut members =
            json!({"sub": "alice", "scope": "hello", "iss": "https://as.example", "aud": "orders"});
        members[member] = value;
        server.grant(&token, members);
        let before = server.call_count();
        let first = door.knock(&token).await.to_string();
        assert_eq!(door.knock(&token).await.to_string(), first, "{what}, the second time");
        let calls = calls(server.call_count() - before);
        told(
            &mut line,
            what,
            format_args!("{first}, {calls} of 2 requests ask"),
            &format!("{expected}, {asked} of 2 requests ask"),
        );
    }
    server.grant("no-names", json!({"sub": "alice", "scope": "hello"}));
    told(
        &mut line,
        "neither `iss` nor `aud`, which are asked for",
        door.knock("no-names").await,
        "401 wrong-issuer",
    );
    server.grant(
        "no-exp",
        json!({"sub": "alice", "scope": "hello", "iss": "https://as.example", "aud": "orders"}),
    );
    told(&mut line, "no `exp`", door.knock("no-exp").await, "200");
    server.revoke("no-exp");
    door.clock.advance(Duration::from_secs(59));
    told(&mut line, "no `exp`, revoked, 59 s later", door.knock("no-exp").await, "200");
    door.clock.advance(Duration::from_secs(1));
    told(&mut line, "no `exp`, revoked, 60 s later", door.knock("no-exp").await, "401 inactive");
    line.shown_by(
        "an `exp` that has passed",
        &format!("{ANSWERS}::an_active_answer_whose_exp_has_passed_is_accepted_and_has_no_expiry"),
    );
    line.shown_by(
        "members of the wrong type",
        &format!("{ANSWERS}::members_of_the_wrong_type_refuse_the_token_and_nothing_panics"),
    );
    line.settle();
}
