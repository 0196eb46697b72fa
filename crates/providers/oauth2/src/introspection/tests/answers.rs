//! What is made of an answer (RFC 7662 §2.2).

use portcullis_core::{Context, Credential, Outcome, Provider as _, UnixTime};
use serde_json::json;

use super::{Bench, code, known, unavailable};
use crate::fixtures::NOW;

#[tokio::test]
async fn an_active_token_is_known_by_what_the_server_says() {
    let bench = Bench::new().await;
    let members = json!({
        "sub": "Z5O3upPC88QrAjx00dis", "username": "jdoe", "client_id": "l238j323ds-23ij4", "scope": "read write dolphin",
        "iss": "https://server.example.com/", "aud": "https://protected.example.net/resource", "token_type": "Bearer",
        "exp": NOW.as_secs() + 60, "iat": 1_419_350_238, "nbf": NOW.as_secs(), "jti": "x", "extension_field": {"a": [1]},
    });
    let identity = known(bench.answer(members).await);
    assert_eq!(identity.subject(), Some("Z5O3upPC88QrAjx00dis"));
    assert_eq!(identity.issuer(), Some("https://server.example.com/"));
    assert_eq!(identity.scopes().iter().collect::<Vec<_>>(), ["read", "write", "dolphin"]);
    assert_eq!(identity.expires_at(), Some(UnixTime::from_secs(NOW.as_secs() + 60)));
    assert_eq!(identity.claims()["client_id"], "l238j323ds-23ij4");
    assert_eq!(identity.claims()["active"], true);
    assert_eq!(identity.claims()["extension_field"], json!({"a": [1]}));
}

#[tokio::test]
async fn only_the_boolean_true_is_active() {
    let bench = Bench::new().await;
    for (body, expected) in [
        (r#"{"active":false,"sub":"alice"}"#, "inactive"),
        (r#"{"active":null,"sub":"alice"}"#, "inactive"),
        (r#"{"sub":"alice"}"#, "inactive"),
        ("{}", "inactive"),
        (r#"{"Active":true}"#, "inactive"),
        (r#"{"active":"true"}"#, "malformed-claim"),
        (r#"{"active":1}"#, "malformed-claim"),
        (r#"{"active":[true]}"#, "malformed-claim"),
        (r#"{"active":{}}"#, "malformed-claim"),
        (r#"{"active":{"active":true}}"#, "malformed-claim"),
    ] {
        assert_eq!(code(bench.raw(body).await), expected, "{body}");
    }
    known(bench.raw(r#" {"active" : true} "#).await);
    assert_eq!(bench.code("another").await, "inactive");
}

#[tokio::test]
async fn what_is_no_json_object_says_nothing_about_the_token() {
    let bench = Bench::new().await;
    let deep = format!(r#"{{"active":true,"a":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    for body in [
        "",
        "true",
        "[]",
        r#"[{"active":true}]"#,
        "<html>Sign in</html>",
        r#"{"active":true"#,
        r#"{"active":true}{"active":true}"#,
        r#"{"active":false,"active":true}"#,
        r#"{"active":true,"sub":"alice","sub":"root"}"#,
        r#"{"active":true,"x":{"$serde_json::private::Number":"1"}}"#,
        r#"{"active":true,"exp":1e999}"#,
        deep.as_str(),
    ] {
        let reason = unavailable(bench.raw(body).await);
        assert!(reason.contains("gave an answer that"), "{reason}");
        assert!(!reason.contains("Sign in"), "{reason}");
    }
}

#[tokio::test]
async fn members_of_the_wrong_type_refuse_the_token_and_nothing_panics() {
    let bench = Bench::new().await;
    for members in [
        json!({"exp": "1700000060"}),
        json!({"exp": -1}),
        json!({"exp": -0.5}),
        json!({"exp": true}),
        json!({"exp": [1]}),
        json!({"nbf": "0"}),
        json!({"nbf": -1e300}),
        json!({"iat": {}}),
        json!({"sub": 7}),
        json!({"sub": ["alice"]}),
        json!({"username": 1}),
        json!({"client_id": 1}),
        json!({"token_type": ["Bearer"]}),
        json!({"jti": 1}),
        json!({"iss": ["https://a"]}),
        json!({"aud": 5}),
        json!({"aud": ["a", 5]}),
        json!({"aud": {"a": "b"}}),
        json!({"scope": 5}),
        json!({"scope": {"read": true}}),
        json!({"scope": ["read", 5]}),
    ] {
        assert_eq!(code(bench.answer(members.clone()).await), "malformed-claim", "{members}");
    }
    for members in [
        json!({"exp": 1e300}),
        json!({"exp": u64::MAX}),
        json!({"exp": 1_700_000_060.5}),
        json!({"aud": []}),
        json!({"aud": ["a", "b"]}),
        json!({"scope": ["read"]}),
        json!({"exp": null, "nbf": null, "sub": null, "aud": null, "scope": null, "cnf": null, "iss": null}),
    ] {
        known(bench.answer(members).await);
    }
}

#[tokio::test]
async fn an_active_answer_whose_exp_has_passed_is_accepted_and_has_no_expiry() {
    let bench = Bench::new().await;
    for exp in [json!(0), json!(2), json!(3600), json!(NOW.as_secs()), json!(NOW.as_secs() - 1)] {
        let identity = known(bench.answer(json!({"exp": exp})).await);
        assert_eq!(identity.expires_at(), None, "{exp}");
    }
    let identity = known(bench.answer(json!({"exp": NOW.as_secs() + 1})).await);
    assert_eq!(identity.expires_at(), Some(UnixTime::from_secs(NOW.as_secs() + 1)));
}

#[tokio::test]
async fn a_token_whose_time_has_not_come_is_refused() {
    let bench = Bench::new().await;
    assert_eq!(code(bench.answer(json!({"nbf": NOW.as_secs() + 1})).await), "not-yet-valid");
    assert_eq!(code(bench.answer(json!({"nbf": 1e300})).await), "not-yet-valid");
    known(bench.answer(json!({"nbf": NOW.as_secs()})).await);
}

#[tokio::test]
async fn a_bound_token_is_refused() {
    let bench = Bench::new().await;
    for members in [
        json!({"cnf": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}),
        json!({"cnf": {}}),
        json!({"cnf": false}),
        json!({"token_type": "DPoP"}),
        json!({"token_type": "dpop"}),
    ] {
        assert_eq!(code(bench.answer(members).await), "bound-token");
    }
    for kind in ["Bearer", "bearer", "access_token"] {
        known(bench.answer(json!({"token_type": kind})).await);
    }
}

#[tokio::test]
async fn issuer_and_audience_are_compared_where_they_are_configured() {
    let bench = Bench::with(|config| config.issuer("https://issuer").audience(["orders", "stock"])).await;
    let good = json!({"iss": "https://issuer", "aud": ["other", "stock"]});
    known(bench.answer(good).await);
    known(bench.answer(json!({"iss": "https://issuer", "aud": "orders"})).await);
    for (members, expected) in [
        (json!({"aud": "orders"}), "wrong-issuer"),
        (json!({"iss": null, "aud": "orders"}), "wrong-issuer"),
        (json!({"iss": "https://issuer/", "aud": "orders"}), "wrong-issuer"),
        (json!({"iss": "HTTPS://issuer", "aud": "orders"}), "wrong-issuer"),
        (json!({"iss": "", "aud": "orders"}), "wrong-issuer"),
        (json!({"iss": "https://issuer"}), "wrong-audience"),
        (json!({"iss": "https://issuer", "aud": []}), "wrong-audience"),
        (json!({"iss": "https://issuer", "aud": "order"}), "wrong-audience"),
        (json!({"iss": "https://issuer", "aud": "orders stock"}), "wrong-audience"),
    ] {
        assert_eq!(code(bench.answer(members.clone()).await), expected, "{members}");
    }
    let anyone = Bench::new().await;
    known(anyone.answer(json!({"iss": "https://other", "aud": "other"})).await);
}

#[tokio::test]
async fn the_subject_is_sub_then_username_and_never_the_client() {
    let bench = Bench::new().await;
    for (members, expected) in [
        (json!({"sub": "1", "username": "alice", "client_id": "app"}), Some("1")),
        (json!({"username": "alice", "client_id": "app"}), Some("alice")),
        (json!({"client_id": "alice"}), None),
        (json!({}), None),
    ] {
        assert_eq!(known(bench.answer(members).await).subject(), expected);
    }
}

#[tokio::test]
async fn scopes_are_a_string_or_an_array_under_the_configured_key() {
    let scopes = async |key: &str, members: serde_json::Value| {
        let bench = Bench::with(|config| config.scope_key(key)).await;
        match bench.answer(members).await {
            Outcome::Known(identity) => Ok(identity.scopes().iter().map(str::to_owned).collect::<Vec<_>>()),
            other => Err(code(other)),
        }
    };
    assert_eq!(
        scopes("scope", json!({"scope": " read \t write\u{2003}x "})).await.unwrap(),
        ["read", "write\u{2003}x"]
    );
    assert_eq!(
        scopes("scp", json!({"scope": "read", "scp": ["write now", "x"]})).await.unwrap(),
        ["write now", "x"]
    );
    let nested = json!({"realm_access": {"roles": ["admin"]}, "/realm_access/roles": "trap"});
    assert_eq!(scopes("/realm_access/roles", nested).await.unwrap(), ["admin"]);
    for members in [json!({}), json!({"scope": ""}), json!({"scope": []}), json!({"scp": "read"})] {
        assert_eq!(scopes("scope", members).await.unwrap(), [""; 0]);
    }
    assert_eq!(scopes("/a/b", json!({"a": {"b": 5}})).await.unwrap_err(), "malformed-claim");
    assert_eq!(scopes("/a/b", json!({"a": {"b": null}})).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_credential_of_another_scheme_is_refused_without_a_call() {
    let bench = Bench::new().await;
    let value = http::HeaderValue::from_static("Basic YWxpY2U6MTIz");
    let credential: Credential<'_> = portcullis_core::credential::from_header_value(&value, 100).unwrap();
    let cx = Context::new(&bench.clock);
    assert_eq!(code(bench.provider.try_authenticate(&credential, &cx).unwrap()), "other-scheme");
    assert_eq!(code(bench.provider.authenticate(&credential, &cx).await), "other-scheme");
    assert_eq!(bench.server.call_count(), 0);
}
