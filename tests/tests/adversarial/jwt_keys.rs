//! Which key a token is held against, and what it says about that itself.

use http::{Response, StatusCode};
use portcullis_testing::{TestIssuer, TestServer};
use serde_json::{Value, json};

use crate::{
    Line,
    support::{Door, NOW},
    support_tokens::{ISSUER, Signer, certificate, claims, encode, validator, with, without},
};

const KEYS: &str = "crates/providers/jwt/src/keys/tests.rs";
const HEADER: &str = "crates/providers/jwt/src/jws/header.rs";

/// A validator of tokens by the keys at this address.
pub(crate) fn fetching(url: &str, more: &str) -> String {
    format!(
        r#"{{ scopes = "hello", jwtValidatorConfig = {{ issuer = "{ISSUER}", audience = "orders",
             signatureConfig = {{ jwksConfig = {{ url = "{url}", {more} }} }} }} }},"#
    )
}

/// A server of these keys, and a door that has them from there.
async fn door_of(keys: &[Value]) -> (TestIssuer, Door) {
    let issuer = TestIssuer::start().await;
    issuer.answer_jwks_with("application/json", json!({ "keys": keys }).to_string());
    let door = Door::open(&fetching(&issuer.jwks_url(), ""), &[]).await;
    (issuer, door)
}

#[tokio::test]
async fn line_04_a_published_key_verifies_what_it_is_for_and_nothing_else() {
    let mut line = Line::new(4, "Keys that an issuer should not publish, in one set with a good one");
    let (good, rsa, ec, p384, ed) =
        (Signer::p256(), Signer::fresh_rsa(), Signer::p256(), Signer::p384(), Signer::ed25519());
    let secret = Signer::secret(*b"a secret that is published by mistake, and long enough for all..");
    let modulus = |change: fn(&mut Vec<u8>)| {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let mut n = URL_SAFE_NO_PAD.decode(rsa.jwk()["n"].as_str().unwrap()).unwrap();
        change(&mut n);
        json!(encode(n))
    };
    let point = ec.jwk();
    let swapped = json!({"x": point["y"], "y": point["x"]});
    let keys = [
        good.jwk_with("good", &json!({"alg": "ES256", "use": "sig"})),
        rsa.jwk_with("rsa", &json!({})),
        rsa.jwk_with("rsa-ps256", &json!({"alg": "PS256"})),
        rsa.jwk_with("rsa-es256", &json!({"alg": "ES256"})),
        rsa.jwk_with("rsa-hs256", &json!({"alg": "HS256"})),
        rsa.jwk_with("rsa-none", &json!({"alg": "none"})),
        rsa.jwk_with("rsa-oaep", &json!({"alg": "RSA-OAEP"})),
        rsa.jwk_with("rsa-1024", &json!({"n": modulus(|n| n.truncate(128))})),
        rsa.jwk_with("rsa-even", &json!({"n": modulus(|n| *n.last_mut().unwrap() &= 0xfe)})),
        rsa.jwk_with("rsa-e-1", &json!({"e": "AQ"})),
        rsa.jwk_with("rsa-e-even", &json!({"e": "AQAA"})),
        rsa.jwk_with("rsa-e-0", &json!({"e": "AA"})),
        rsa.jwk_with("rsa-e-missing", &json!({"e": null})),
        ec.jwk_with("ec-enc", &json!({"use": "enc"})),
        ec.jwk_with("ec-ops-encrypt", &json!({"key_ops": ["encrypt"]})),
        ec.jwk_with("ec-ops-sign", &json!({"key_ops": ["sign"]})),
        ec.jwk_with("ec-ops-none", &json!({"key_ops": []})),
        ec.jwk_with("ec-ops-verify", &json!({"key_ops": ["verify"]})),
        ec.jwk_with("ec-swapped", &swapped),
        p384.jwk_with("ec-384-as-256", &json!({"crv": "P-256"})),
        ec.jwk_with("ec-256-as-384", &json!({"crv": "P-384"})),
        ec.jwk_with("ec-521", &json!({"crv": "P-521"})),
        ec.jwk_with("ec-secp256k1", &json!({"crv": "secp256k1"})),
        ec.jwk_with("ec-no-curve", &json!({"crv": null})),
        ed.jwk_with("okp", &json!({})),
        ed.jwk_with("okp-x25519", &json!({"crv": "X25519"})),
        ed.jwk_with("okp-neutral", &json!({"x": encode([&[1][..], &[0; 31]].concat())})),
        secret.jwk_with("oct", &json!({"alg": "HS256"})),
    ];
    let (issuer, door) = door_of(&keys).await;
    let by = |signer: &Signer, kid: &str| signer.token(&json!({"kid": kid}), &claims());
    let pss = |kid: &str| {
        let text = format!(
            "{}.{}",
            encode(json!({"alg": "PS256", "kid": kid}).to_string()),
            encode(claims().to_string())
        );
        format!("{text}.{}", encode(rsa.sign_pss(text.as_bytes())))
    };
    let hmac = |kid: &str, secret: &[u8]| Signer::secret(secret).token(&json!({"kid": kid}), &claims());
    let n = rsa.jwk()["n"].as_str().unwrap().as_bytes().to_vec();
    let unknown = "401 unknown-key";
    let mut rows = vec![
        ("the good key", by(&good, "good"), "200"),
        ("an RSA key without `alg`: RS256", by(&rsa, "rsa"), "200"),
        ("an RSA key without `alg`: PS256", pss("rsa"), "200"),
        ("an RSA key without `alg`: HS256 by its modulus", hmac("rsa", &n), "401 unsupported-algorithm"),
        (
            "an RSA key without `alg`: HS256 by its JWK",
            hmac("rsa", rsa.jwk().to_string().as_bytes()),
            "401 unsupported-algorithm",
        ),
        ("an RSA key for PS256: PS256", pss("rsa-ps256"), "200"),
        ("an RSA key for PS256: RS256", by(&rsa, "rsa-ps256"), "401 unsupported-algorithm"),
        ("a key for verifying", by(&ec, "ec-ops-verify"), "200"),
        ("an Ed25519 key without `alg`: EdDSA", by(&ed, "okp"), "200"),
        (
            "an Ed25519 key without `alg`: HS256 by its `x`",
            hmac("okp", ed.jwk()["x"].as_str().unwrap().as_bytes()),
            "401 unsupported-algorithm",
        ),
        ("a published secret: HS256 by it", by(&secret, "oct"), "401 unsupported-algorithm"),
        ("a published secret: HS256 by it, without `kid`", secret.good(), "401 unsupported-algorithm"),
        ("a published secret: ES256 under its name", good.token(&json!({"kid": "oct"}), &claims()), unknown),
    ];
    for (what, signer, kid) in [
        ("an RSA key whose `alg` is ES256", &rsa, "rsa-es256"),
        ("an RSA key whose `alg` is HS256", &rsa, "rsa-hs256"),
        ("an RSA key whose `alg` is none", &rsa, "rsa-none"),
        ("an RSA key for encryption by its `alg`", &rsa, "rsa-oaep"),
        ("an RSA key of 1024 bits", &rsa, "rsa-1024"),
        ("an RSA key with an even modulus", &rsa, "rsa-even"),
        ("an RSA key with the exponent 1", &rsa, "rsa-e-1"),
        ("an RSA key with an even exponent", &rsa, "rsa-e-even"),
        ("an RSA key with the exponent 0", &rsa, "rsa-e-0"),
        ("an RSA key whose exponent is null", &rsa, "rsa-e-missing"),
        ("a key with `use` enc", &ec, "ec-enc"),
        ("a key whose `key_ops` says encrypt", &ec, "ec-ops-encrypt"),
        ("a key whose `key_ops` says sign", &ec, "ec-ops-sign"),
        ("a key whose `key_ops` is empty", &ec, "ec-ops-none"),
        ("a point that is not on its curve", &ec, "ec-swapped"),
        ("a point of P-384 that is said to be on P-256", &p384, "ec-384-as-256"),
        ("a point of P-256 that is said to be on P-384", &ec, "ec-256-as-384"),
        ("a point on a curve that is not supported", &ec, "ec-521"),
        ("a point on secp256k1", &ec, "ec-secp256k1"),
        ("a point whose curve is null", &ec, "ec-no-curve"),
        ("an X25519 key", &ed, "okp-x25519"),
        ("an Ed25519 key of small order", &ed, "okp-neutral"),
    ] {
        rows.push((what, by(signer, kid), unknown));
    }
    rows.push(("the good key, at the end", by(&good, "good"), "200"));
    door.rows(&mut line, rows).await;
    assert!(issuer.calls().iter().all(|call| call.path() == "/jwks"));
    line.shown_by(
        "the same in files, where they are mistakes of the configuration",
        &format!("{KEYS}::keys_of_files_are_held_to_the_same_rules"),
    );
    line.shown_by(
        "a file with a shared secret among public keys",
        &format!("{KEYS}::a_file_of_public_keys_holds_no_shared_secret"),
    );
    line.settle();
}

#[tokio::test]
async fn line_05_a_kid_chooses_among_known_keys_and_reaches_nothing_else() {
    let mut line = Line::new(5, "Names of keys");
    let (rsa, ec, stranger) = (Signer::fresh_rsa(), Signer::p256(), Signer::p256());
    let (issuer, door) =
        door_of(&[rsa.jwk_with("twice", &json!({})), ec.jwk_with("twice", &json!({}))]).await;
    let by = |signer: &Signer, kid: Value| signer.token(&json!({ "kid": kid }), &claims());
    door.rows(
        &mut line,
        [
            ("an RSA and an EC key of one name: RS256", by(&rsa, "twice".into()), "200"),
            ("an RSA and an EC key of one name: ES256", by(&ec, "twice".into()), "200"),
            (
                "an RSA and an EC key of one name: ES256 by a stranger",
                by(&stranger, "twice".into()),
                "401 bad-signature",
            ),
            (
                "an RSA and an EC key of one name: HS256",
                Signer::secret(rsa.jwk().to_string()).token(&json!({"kid": "twice"}), &claims()),
                "401 unsupported-algorithm",
            ),
        ],
    )
    .await;
    let (first, second) = (Signer::p256(), Signer::p256());
    let (_issuer, one) = door_of(&[first.jwk_with("a", &json!({}))]).await;
    one.rows(
        &mut line,
        [
            ("no `kid`, one key", first.good(), "200"),
            ("no `kid`, one key, a stranger", stranger.good(), "401 bad-signature"),
        ],
    )
    .await;
    let (_issuer, two) = door_of(&[first.jwk_with("a", &json!({})), second.jwk_with("b", &json!({}))]).await;
    two.rows(
        &mut line,
        [
            ("no `kid`, two keys: by the first", first.good(), "200"),
            ("no `kid`, two keys: by the second", second.good(), "200"),
            ("no `kid`, two keys: by a stranger", stranger.good(), "401 bad-signature"),
            ("the other key's `kid`", by(&first, "b".into()), "401 bad-signature"),
        ],
    )
    .await;
    let (malformed, unknown) = ("401 malformed-token", "401 unknown-key");
    let eight = "k".repeat(8_000);
    for (what, kid, expected) in [
        ("a number", json!(1), malformed),
        ("null", Value::Null, malformed),
        ("an array", json!(["twice"]), malformed),
        ("an object", json!({"twice": 1}), malformed),
        ("empty", json!(""), unknown),
        ("of 8,000 letters", json!(eight), unknown),
        ("of a million letters", json!("k".repeat(1 << 20)), "431"),
        ("with a NUL behind it", json!("twice\0"), unknown),
        ("with CR and LF", json!("twice\r\nINFO forged=1"), unknown),
        ("a path", json!("../../../../../../dev/null"), unknown),
        ("an absolute path", json!("/proc/self/environ"), unknown),
        ("a piece of SQL", json!("twice' OR '1'='1"), unknown),
        ("a piece of a shell", json!("$(touch /pwned)"), unknown),
        ("a URL", json!("http://127.0.0.1:1/keys?x=y"), unknown),
        ("with terminal codes", json!("\u{1b}[31mred\u{1b}[0m\u{7}"), unknown),
        ("with a mark that turns the direction of text", json!("a\u{202e}b\u{2066}c"), unknown),
        ("in another case", json!("TWICE"), unknown),
        ("with a blank", json!("twice "), unknown),
    ] {
        door.rows(&mut line, [(format!("`kid` {what}"), by(&rsa, kid), expected)]).await;
    }
    let logged = door.log.text();
    let control = |char: char| {
        (char.is_control() && char != '\n')
            || ('\u{202a}'..='\u{202e}').contains(&char)
            || ('\u{2066}'..='\u{2069}').contains(&char)
    };
    assert!(logged.contains("forged") && !logged.lines().any(|line| line.starts_with("INFO")), "{logged}");
    assert!(!logged.contains(control), "{logged:?}");
    assert!(!logged.contains(&eight));
    line.came(
        "all of these names in the log",
        "no control character, no mark of direction, no line of its own, and not 8,000 letters",
    );
    let asked: Vec<String> = issuer.calls().iter().map(|call| call.uri.to_string()).collect();
    assert!(!asked.is_empty() && asked.iter().all(|uri| uri == "/jwks"), "{asked:?}");
    line.came("all of these names at the issuer", "it is asked for `/jwks` and nothing else");
    line.shown_by(
        "names compared byte for byte",
        "crates/providers/jwt/src/jwks/tests/rotation.rs::a_kid_is_compared_byte_for_byte",
    );
    line.shown_by(
        "names in logs",
        "crates/providers/jwt/src/jwks/tests/sets.rs::names_of_keys_are_shown_escaped_and_short",
    );
    line.settle();
}

#[tokio::test]
async fn line_06_what_a_header_brings_along_is_not_used() {
    let mut line = Line::new(6, "Headers that bring keys, conditions and types");
    let (key, evil) = (Signer::rsa(), Signer::fresh_rsa());
    let canary = TestServer::start({
        let set = json!({"keys": [evil.jwk_with("evil", &json!({}))]}).to_string();
        move |_| Response::builder().status(StatusCode::OK).body(set.clone().into()).unwrap()
    })
    .await;
    let door = Door::open(&validator("public.crt", ""), &[("public.crt", &certificate())]).await;
    let (_issuer, fetched) = door_of(&[key.jwk_with("good", &json!({}))]).await;
    let url = |path: &str| json!(format!("{}/{path}", canary.origin()));
    let x5c = json!([String::from_utf8(certificate())
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect::<String>()]);
    for (name, value) in [
        ("jwk", evil.jwk()),
        ("jku", url("jwks")),
        ("x5u", url("chain.pem")),
        ("x5c", x5c),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
    ] {
        let header =
            |kid: &str| if kid.is_empty() { json!({name: value}) } else { json!({name: value, "kid": kid}) };
        door.rows(
            &mut line,
            [
                (format!("`{name}`, signed by our key"), key.token(&header(""), &claims()), "200"),
                (
                    format!("`{name}`, signed by the key it brings"),
                    evil.token(&header(""), &claims()),
                    "401 bad-signature",
                ),
            ],
        )
        .await;
        fetched
            .rows(
                &mut line,
                [
                    (
                        format!("keys that are fetched; `{name}`, signed by our key"),
                        key.token(&header("good"), &claims()),
                        "200",
                    ),
                    (
                        format!("keys that are fetched; `{name}` and a `kid` of its own"),
                        evil.token(&header("evil"), &claims()),
                        "401 unknown-key",
                    ),
                    (
                        format!("keys that are fetched; `{name}`, no `kid`"),
                        evil.token(&header(""), &claims()),
                        "401 bad-signature",
                    ),
                ],
            )
            .await;
    }
    assert_eq!((canary.call_count(), canary.connections()), (0, 0));
    line.came("the server that these headers name", "no connection");

    let header = |header: Value| key.token(&header, &claims());
    door.rows(
        &mut line,
        [
            (
                "`crit` with a name that nobody knows",
                header(json!({"crit": ["x"], "x": 1})),
                "401 critical-header",
            ),
            (
                "`crit` with a name that is known",
                header(json!({"crit": ["exp"], "exp": 1})),
                "401 critical-header",
            ),
            ("`crit` empty", header(json!({"crit": []})), "401 critical-header"),
            ("`crit` a text", header(json!({"crit": "x"})), "401 critical-header"),
            ("`crit` null", header(json!({"crit": null})), "401 critical-header"),
            (
                "`b64` false, and critical",
                header(json!({"b64": false, "crit": ["b64"]})),
                "401 critical-header",
            ),
            ("`b64` false", header(json!({"b64": false})), "401 unsupported-header"),
            ("`b64` true", header(json!({"b64": true})), "401 unsupported-header"),
            ("`zip`", header(json!({"zip": "DEF"})), "401 unsupported-header"),
        ],
    )
    .await;
    for (typ, expected) in [
        (json!("JWT"), "200"),
        (json!("jwt"), "200"),
        (json!("at+jwt"), "200"),
        (json!("AT+JWT"), "200"),
        (json!("application/at+jwt"), "200"),
        (json!("dpop+jwt"), "401 wrong-type"),
        (json!("logout+jwt"), "401 wrong-type"),
        (json!("secevent+jwt"), "401 wrong-type"),
        (json!("at+jwt "), "401 wrong-type"),
        (json!("application/application/at+jwt"), "401 wrong-type"),
        (json!(""), "401 wrong-type"),
        (json!(["JWT"]), "401 malformed-token"),
        (Value::Null, "401 malformed-token"),
    ] {
        door.rows(&mut line, [(format!("`typ` {typ}"), header(json!({ "typ": typ })), expected)]).await;
    }
    door.rows(&mut line, [("no `typ`", key.good(), "200")]).await;

    let id_token =
        json!({"iss": ISSUER, "sub": "alice", "aud": "some-app", "nonce": "n", "exp": NOW.as_secs() + 300});
    let mut for_us = without("scope");
    for_us["nonce"] = "n".into();
    let typed = |claims: &Value| key.token(&json!({"typ": "JWT"}), claims);
    door.rows(
        &mut line,
        [
            ("an ID token of some client", typed(&id_token), "401 wrong-audience"),
            ("an ID token whose client has our name", typed(&for_us), "403 insufficient-scope"),
        ],
    )
    .await;
    let strict =
        Door::open(&validator("public.crt", "types = [\"at+jwt\"],"), &[("public.crt", &certificate())])
            .await;
    strict
        .rows(
            &mut line,
            [
                (
                    "`types = [\"at+jwt\"]`: an access token",
                    key.token(&json!({"typ": "at+jwt"}), &claims()),
                    "200",
                ),
                (
                    "`types = [\"at+jwt\"]`: an ID token with our scope in it",
                    typed(&with("nonce", "n")),
                    "401 wrong-type",
                ),
            ],
        )
        .await;
    line.shown_by(
        "parameters that bring keys",
        &format!("{HEADER}::the_header_is_read_and_parameters_that_bring_keys_are_not_looked_at"),
    );
    line.shown_by("`crit`, whatever it holds", &format!("{HEADER}::crit_is_refused_whatever_it_holds"));
    line.settle();
}
