//! Each rule, accepted and refused.

use std::time::Duration;

use portcullis_core::UnixTime;
use serde_json::{Value, json};

use super::{code, config, outcome, reason, validator};
use crate::{
    fixtures::{NOW, Signs, claims, claims_with},
    jws::base64url::encode,
};

const N: u64 = NOW.as_secs();

#[test]
fn a_good_token_is_its_subject_with_issuer_scopes_claims_and_expiry() {
    let identity = outcome(config(), &claims_with("level", json!({"a": [1, 2.5, null]}))).unwrap();
    assert_eq!(identity.subject(), Some("alice"));
    assert_eq!(identity.issuer(), Some("wso2"));
    assert_eq!(identity.scopes().iter().collect::<Vec<_>>(), ["read", "write"]);
    assert_eq!(identity.expires_at(), Some(UnixTime::from_secs(N + 300)));
    assert_eq!(identity.claims()["level"], json!({"a": [1, 2.5, null]}));
    assert_eq!(identity.claims().len(), 6);
}

#[test]
fn a_token_may_name_nobody() {
    let identity = outcome(config(), &json!({"exp": N + 1})).unwrap();
    assert_eq!((identity.subject(), identity.issuer()), (None, None));
    assert!(identity.scopes().is_empty());
}

#[test]
fn exp_is_the_first_moment_at_which_a_token_is_not_good_and_skew_moves_it() {
    let at = |exp: Value, skew: u64| {
        code(config().clock_skew(Duration::from_secs(skew)), &claims_with("exp", exp))
    };
    assert_eq!(at((N + 1).into(), 0), "accepted");
    assert_eq!(at(N.into(), 0), "expired");
    assert_eq!(at((N - 1).into(), 0), "expired");
    assert_eq!(at(0.into(), 0), "expired");
    assert_eq!(at((N - 59).into(), 60), "accepted");
    assert_eq!(at((N - 60).into(), 60), "expired");
    #[expect(clippy::cast_precision_loss, reason = "the number is small")]
    let fraction = N as f64 + 0.5;
    assert_eq!(at(fraction.into(), 0), "accepted");
    assert_eq!(at((fraction - 1.0).into(), 0), "expired");
    assert_eq!(at(1e300.into(), 0), "accepted");
    assert_eq!(at(u64::MAX.into(), 60), "accepted");
    assert_eq!(at((1_u64 << 63).into(), 0), "accepted");
    assert_eq!(at((-0.0).into(), 0), "expired");
    assert_eq!(
        reason(config(), &claims_with("exp", (N - 5).into())),
        "the token expired at 1699999995 (`exp`), and it is 1700000000"
    );
    assert_eq!(
        outcome(config(), &claims_with("exp", 1e300.into())).unwrap().expires_at(),
        Some(UnixTime::MAX)
    );
}

#[test]
fn nbf_is_the_first_moment_at_which_a_token_is_good_and_skew_moves_it() {
    let at = |nbf: Value, skew: u64| {
        code(config().clock_skew(Duration::from_secs(skew)), &claims_with("nbf", nbf))
    };
    assert_eq!(at(N.into(), 0), "accepted");
    assert_eq!(at(0.into(), 0), "accepted");
    assert_eq!(at((N + 1).into(), 0), "not-yet-valid");
    assert_eq!(at((N + 60).into(), 60), "accepted");
    assert_eq!(at((N + 61).into(), 60), "not-yet-valid");
    assert_eq!(at(1e300.into(), 60), "not-yet-valid");
    assert_eq!(at(u64::MAX.into(), 60), "not-yet-valid");
    assert_eq!(
        reason(config(), &claims_with("nbf", (N + 9).into())),
        "the token is good from 1700000009 (`nbf`) on, and it is 1700000000"
    );
}

#[test]
fn iat_is_not_compared_with_the_clock() {
    for iat in [json!(0), json!(N + 1_000_000), json!(1e300), json!(1.5)] {
        assert_eq!(code(config(), &claims_with("iat", iat.clone())), "accepted", "{iat}");
    }
}

#[test]
fn times_are_numbers_of_zero_or_more() {
    let wrong = [
        json!("1935400394"),
        json!(""),
        json!(true),
        json!([]),
        json!([1_935_400_394]),
        json!({}),
        json!(-1),
        json!(-0.5),
        json!(-1e300),
    ];
    for name in ["exp", "nbf", "iat"] {
        for value in &wrong {
            assert_eq!(
                code(config(), &claims_with(name, value.clone())),
                "malformed-claim",
                "{name} {value}"
            );
        }
        // `null` is there, and no number.
        let text = format!("{{\"exp\":{},\"{name}\":null}}", N + 1)
            .replace(&format!("\"exp\":{},\"exp\"", N + 1), "\"exp\"");
        let token = Signs::secret().text(r#"{"alg":"HS256"}"#, text);
        assert_eq!(
            validator(config()).validate(&token, NOW).unwrap_err().code(),
            "malformed-claim",
            "{name}"
        );
    }
    assert_eq!(reason(config(), &claims_with("exp", "1".into())), "the claim `exp` is not a number");
    assert_eq!(
        reason(config(), &claims_with("nbf", (-1).into())),
        "the claim `nbf` is not a number of zero or more"
    );
}

#[test]
fn exp_is_required_unless_it_is_not() {
    let without = claims_with("exp", Value::Null);
    assert_eq!(code(config(), &without), "missing-expiration");
    assert!(reason(config(), &without).contains("requireExpiration = false"));
    let lenient = config().require_expiration(false);
    let identity = outcome(lenient.clone(), &without).unwrap();
    assert_eq!(identity.expires_at(), None);
    assert_eq!(
        code(lenient.clone(), &claims_with("exp", N.into())),
        "expired",
        "where it is there it counts"
    );
    assert_eq!(code(lenient, &claims_with("exp", "x".into())), "malformed-claim");
}

#[test]
fn names_are_strings_whether_or_not_they_are_asked_for() {
    for name in ["iss", "sub", "jti"] {
        for value in [json!(1), json!(1.5), json!(true), json!(["wso2"]), json!({"a": "wso2"}), json!([])] {
            assert_eq!(
                code(config(), &claims_with(name, value.clone())),
                "malformed-claim",
                "{name} {value}"
            );
        }
        assert_eq!(code(config(), &claims_with(name, "x".into())), "accepted", "{name}");
    }
    assert_eq!(reason(config(), &claims_with("iss", 1.into())), "the claim `iss` is not a string");
}

#[test]
fn the_issuer_is_compared_exactly() {
    let wso2 = || config().issuer("wso2");
    assert_eq!(code(wso2(), &claims()), "accepted");
    for iss in ["wso2/", "WSO2", "wso", "wso22", " wso2", "wso2 ", "", "wso2\0", "wѕo2", "https://wso2"] {
        assert_eq!(code(wso2(), &claims_with("iss", iss.into())), "wrong-issuer", "{iss:?}");
    }
    assert_eq!(code(wso2(), &claims_with("iss", Value::Null)), "wrong-issuer");
    assert_eq!(code(wso2(), &claims_with("iss", json!(["wso2"]))), "malformed-claim");
    assert_eq!(
        reason(wso2(), &claims_with("iss", "evil\r\n\u{202e}".into())),
        r#"`iss` is "evil\r\n\u{202e}", expected "wso2""#
    );
    assert_eq!(
        reason(wso2(), &claims_with("iss", Value::Null)),
        r#"the token has no `iss`, expected "wso2""#
    );
}

#[test]
fn username_and_jwt_id_are_compared_exactly() {
    assert_eq!(code(config().username("alice"), &claims()), "accepted");
    assert_eq!(code(config().username("Alice"), &claims()), "wrong-subject");
    assert_eq!(code(config().username("alice"), &claims_with("sub", Value::Null)), "wrong-subject");
    let with_id = claims_with("jti", "7".into());
    assert_eq!(code(config().jwt_id("7"), &with_id), "accepted");
    assert_eq!(code(config().jwt_id("8"), &with_id), "wrong-jwt-id");
    assert_eq!(code(config().jwt_id("7"), &claims()), "wrong-jwt-id");
}

#[test]
fn any_overlap_of_audiences_is_enough() {
    let asks = |audience: &[&str]| config().audience(audience.iter().copied());
    for (aud, wanted, expected) in [
        (json!("ballerina"), &["ballerina"][..], "accepted"),
        (json!("ballerina"), &["other", "ballerina"], "accepted"),
        (json!(["a", "ballerina"]), &["ballerina"], "accepted"),
        (json!(["a", "b"]), &["b", "c"], "accepted"),
        (json!(["a", "b"]), &["c"], "wrong-audience"),
        (json!("Ballerina"), &["ballerina"], "wrong-audience"),
        (json!("ballerina,other"), &["ballerina"], "wrong-audience"),
        (json!(""), &["ballerina"], "wrong-audience"),
        (json!([]), &["ballerina"], "wrong-audience"),
        (json!([123]), &["123"], "malformed-claim"),
        (json!(["ballerina", 1]), &["ballerina"], "malformed-claim"),
        (json!(["ballerina", null]), &["ballerina"], "malformed-claim"),
        (json!([["ballerina"]]), &["ballerina"], "malformed-claim"),
        (json!({"ballerina": true}), &["ballerina"], "malformed-claim"),
        (json!(1), &["1"], "malformed-claim"),
    ] {
        assert_eq!(code(asks(wanted), &claims_with("aud", aud.clone())), expected, "{aud} for {wanted:?}");
    }
    assert_eq!(code(asks(&["ballerina"]), &claims_with("aud", Value::Null)), "wrong-audience");
    assert_eq!(code(config(), &claims_with("aud", Value::Null)), "accepted", "not asked for, not compared");
    assert_eq!(
        code(config(), &claims_with("aud", json!([1]))),
        "malformed-claim",
        "its type is held to all the same"
    );
    assert_eq!(
        reason(asks(&["a", "b"]), &claims_with("aud", json!(["x", "y"]))),
        r#"the token is for "x" (`aud`), expected one of: a, b"#
    );
}

#[test]
fn the_key_id_of_the_header_is_compared_where_it_is_asked_for() {
    let of = |header: &Value| {
        let token = Signs::secret().token(header, &claims());
        validator(config().key_id("k1"))
            .validate(&token, NOW)
            .map_or_else(|refusal| refusal.code(), |_| "accepted")
    };
    assert_eq!(of(&json!({"alg": "HS256", "kid": "k1"})), "accepted");
    assert_eq!(of(&json!({"alg": "HS256", "kid": "K1"})), "wrong-key-id");
    assert_eq!(of(&json!({"alg": "HS256"})), "wrong-key-id");
}

#[test]
fn types_are_checked_where_the_token_has_one() {
    let of = |types: Option<&[&str]>, typ: Option<&str>| {
        let config = match types {
            Some(types) => config().types(types.iter().copied()),
            None => config(),
        };
        let header = match typ {
            Some(typ) => json!({"alg": "HS256", "typ": typ}),
            None => json!({"alg": "HS256"}),
        };
        let token = Signs::secret().token(&header, &claims());
        validator(config).validate(&token, NOW).map_or_else(|refusal| refusal.code(), |_| "accepted")
    };
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt", "APPLICATION/JWT"] {
        assert_eq!(of(None, Some(typ)), "accepted", "{typ}");
    }
    for typ in ["dpop+jwt", "logout+jwt", "secevent+jwt", "JWE", ""] {
        assert_eq!(of(None, Some(typ)), "wrong-type", "{typ}");
    }
    assert_eq!(of(None, None), "accepted");
    assert_eq!(of(Some(&["at+jwt"]), Some("JWT")), "wrong-type");
    assert_eq!(of(Some(&["application/at+jwt"]), Some("at+jwt")), "accepted");
}

#[test]
fn custom_claims_are_compared_as_json_values() {
    let asks = |value: Value| config().custom_claim("level", value);
    for (expected, found, outcome) in [
        (json!("5"), json!("5"), "accepted"),
        (json!("5"), json!(5), "wrong-claim"),
        (json!(5), json!(5), "accepted"),
        (json!(5), json!(5.0), "accepted"),
        (json!(5), json!("5"), "wrong-claim"),
        (json!(5), json!(-5), "wrong-claim"),
        (json!(-5), json!(-5), "accepted"),
        (json!(u64::MAX), json!(u64::MAX), "accepted"),
        (json!(u64::MAX), json!(-1), "wrong-claim"),
        (json!(u64::MAX), json!(u64::MAX - 1), "wrong-claim"),
        (json!(0.5), json!(0.5), "accepted"),
        (json!(0.5), json!(1.5), "wrong-claim"),
        (json!(0.5), json!(1), "wrong-claim"),
        (json!(true), json!(true), "accepted"),
        (json!(true), json!("true"), "wrong-claim"),
        (json!(true), json!(1), "wrong-claim"),
        (json!(["a", 1]), json!(["a", 1.0]), "accepted"),
        (json!(["a", "b"]), json!(["b", "a"]), "wrong-claim"),
        (json!(["a"]), json!(["a", "b"]), "wrong-claim"),
        (json!(["a"]), json!("a"), "wrong-claim"),
        (json!({"a": 1, "b": 2}), json!({"b": 2, "a": 1}), "accepted"),
        (json!({"a": 1}), json!({"a": 1, "b": 2}), "wrong-claim"),
        (json!({"a": 1, "b": 2}), json!({"a": 1}), "wrong-claim"),
        (json!({"a": 1}), json!({}), "wrong-claim"),
        (json!({"a": 1}), json!({"a": 1.0}), "accepted"),
        (json!({"a": {"b": 1}}), json!({"a": {"b": 2.0}}), "wrong-claim"),
        (json!(["a", "b"]), json!(["a"]), "wrong-claim"),
    ] {
        assert_eq!(
            code(asks(expected.clone()), &claims_with("level", found.clone())),
            outcome,
            "{expected} {found}"
        );
    }
    assert_eq!(code(asks(5.into()), &claims()), "wrong-claim");
    assert_eq!(reason(asks("5".into()), &claims_with("level", 5.into())), r#"the claim `level` is not "5""#);
    assert_eq!(reason(asks(5.into()), &claims()), "the token has no claim `level`, expected 5");
    assert_eq!(code(config().custom_claim("iss", "wso2"), &claims()), "accepted");
}

#[test]
fn scopes_are_words_of_a_string_or_items_of_an_array() {
    let of = |key: &str, name: &str, value: Value| {
        outcome(config().scope_key(key), &claims_with(name, value))
            .map(|identity| identity.scopes().iter().map(str::to_owned).collect::<Vec<_>>().join("|"))
            .map_err(|refusal| refusal.code())
    };
    for (key, name, value, expected) in [
        ("scope", "scope", json!("read write"), Ok("read|write")),
        ("scope", "scope", json!("  read \t write\n"), Ok("read|write")),
        ("scope", "scope", json!("read\u{a0}write"), Ok("read\u{a0}write")),
        ("scope", "scope", json!(""), Ok("")),
        ("scope", "scope", json!([]), Ok("")),
        ("scope", "scope", json!(["read", "write all"]), Ok("read|write all")),
        ("scp", "other", json!("read"), Ok("")),
        ("scp", "scp", json!("hello"), Ok("hello")),
        ("realm_access.roles", "realm_access", json!({"roles": ["a"]}), Ok("")),
        ("realm_access.roles", "realm_access.roles", json!(["a"]), Ok("a")),
        ("/realm_access/roles", "realm_access", json!({"roles": ["a", "b"]}), Ok("a|b")),
        ("/realm_access/roles", "realm_access", json!({"roles": "a b"}), Ok("a|b")),
        ("/realm_access/roles", "realm_access", json!({}), Ok("")),
        ("/realm_access/roles", "realm_access", json!("roles"), Ok("")),
        ("/a~1b/0", "a/b", json!(["x y", "z"]), Ok("x|y")),
        ("/a~0b/c", "a~b", json!({"c": "x"}), Ok("x")),
        ("/iss/c", "iss", json!("x"), Ok("")),
        ("jti", "jti", json!("x y"), Ok("x|y")),
        ("https://example.com/scopes", "https://example.com/scopes", json!("a"), Ok("a")),
        ("scope", "scope", json!(1), Err("malformed-claim")),
        ("scope", "scope", json!(true), Err("malformed-claim")),
        ("scope", "scope", json!({"read": true}), Err("malformed-claim")),
        ("scope", "scope", json!(["read", 1]), Err("malformed-claim")),
        ("scope", "scope", json!(["read", null]), Err("malformed-claim")),
        ("/realm_access/roles", "realm_access", json!({"roles": {"a": 1}}), Err("malformed-claim")),
    ] {
        assert_eq!(of(key, name, value.clone()), expected.map(str::to_owned), "{key} in {value}");
    }
}

#[test]
fn a_bound_token_is_refused() {
    for cnf in [json!({"jkt": "x"}), json!({"x5t#S256": "x"}), json!({}), json!("x")] {
        assert_eq!(code(config(), &claims_with("cnf", cnf.clone())), "bound-token", "{cnf}");
    }
}

#[test]
fn the_signature_is_verified_before_a_claim_is_looked_at() {
    let token = Signs::secret().claims(&json!({"exp": 1, "iss": 1}));
    let (head, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", encode([0; 32]));
    let of = |token: &str| validator(config()).validate(token, NOW).unwrap_err().code();
    assert_eq!(of(&forged), "bad-signature");
    assert_eq!(of(&token), "malformed-claim");
}

#[test]
fn algorithms_narrow_what_the_key_allows() {
    use crate::{Algorithm, SigningConfig, fixtures::SECRET};
    let by = |algorithm| Signs::by(SigningConfig::secret(SECRET).algorithm(algorithm)).claims(&claims());
    let narrow = validator(config().algorithms([Algorithm::Hs384]));
    let of = |algorithm| {
        narrow.validate(&by(algorithm), NOW).map_or_else(|refusal| refusal.code(), |_| "accepted")
    };
    assert_eq!(of(Algorithm::Hs384), "accepted");
    assert_eq!(of(Algorithm::Hs256), "unsupported-algorithm");
    assert_eq!(of(Algorithm::Hs512), "unsupported-algorithm");
}
