//! A JWS in its compact form.
//!
//! | the first line | the rest |
//! |---|---|
//! | `token` | a token |
//! | `header` | the header of a token that is signed rightly |
//! | `change`, an algorithm, a place and a number of bytes | what takes their place in a token that is signed rightly |

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_core::json;
use portcullis_jwt::{
    Algorithm, JwtIssuer, JwtIssuerConfig, JwtValidator, JwtValidatorConfig, SignatureConfig, SigningConfig,
    decode_unverified,
};
use serde_json::Value;

use crate::support::{NOW, SECRET, ballerina, base64url, hmac_sha256, line, signed};

/// One validator and one good token of each kind of key.
static KEYS: LazyLock<Vec<(Algorithm, JwtValidator, String)>> = LazyLock::new(|| {
    let secret = |algorithm| (algorithm, SignatureConfig::secret(SECRET), SigningConfig::secret(SECRET));
    let rsa = |algorithm| {
        let certificate = SignatureConfig::cert_file(ballerina().join("pub--public.crt"));
        (algorithm, certificate, SigningConfig::key_file(ballerina().join("key--private.key")))
    };
    let file = |algorithm, name: &str| {
        let folder = ballerina().join("../../../../crates/keys/tests/data/keys");
        let signing = SigningConfig::key_file(folder.join(format!("{name}.pkcs8.pem")));
        (algorithm, SignatureConfig::cert_file(folder.join(format!("{name}.public.pem"))), signing)
    };
    let all = [
        secret(Algorithm::Hs256),
        secret(Algorithm::Hs512),
        rsa(Algorithm::Rs256),
        rsa(Algorithm::Ps384),
        file(Algorithm::Es256, "p256"),
        file(Algorithm::EdDsa, "ed25519"),
    ];
    let made = all.map(|(algorithm, signature, signing)| {
        let issuer = JwtIssuerConfig::new(signing.algorithm(algorithm)).issuer("wso2").username("alice");
        let token = JwtIssuer::new(issuer).unwrap().issue(NOW).unwrap().expose().to_owned();
        let validator = JwtValidator::new(JwtValidatorConfig::new(signature).issuer("wso2")).unwrap();
        (algorithm, validator, token)
    });
    made.into()
});

/// Takes the lines.
pub fn run(data: &[u8]) {
    let (first, rest) = line(data);
    let Ok(first) = std::str::from_utf8(first) else { return };
    let mut words = first.split(' ');
    match words.next() {
        Some("token") => {
            if let Ok(token) = std::str::from_utf8(rest) {
                a_token(token);
            }
        }
        Some("header") => a_header(rest),
        Some("change") => {
            let mut number = || words.next().and_then(|word| word.parse::<usize>().ok());
            if let (Some(key), Some(at), Some(count)) = (number(), number(), number()) {
                a_change(key, at, count, rest);
            }
        }
        _ => {}
    }
}

/// Whoever accepts it has seen the signature, and there is one spelling.
fn a_token(token: &str) {
    let decoded = decode_unverified(token);
    if let Ok(shown) = &decoded {
        let segments: Vec<&str> = token.split('.').collect();
        assert_eq!(segments.len(), 3);
        for (segment, members) in segments.iter().zip([&shown.header, &shown.claims]) {
            let bytes = URL_SAFE_NO_PAD.decode(segment).expect("base64url");
            assert_eq!(base64url(&bytes), **segment, "two spellings of one token");
            assert_eq!(&json::object(&bytes).unwrap(), members);
        }
    }
    for (algorithm, validator, _) in KEYS.iter() {
        if validator.validate(token, NOW).is_ok() {
            let header = decoded.as_ref().expect("what is accepted can be shown").header.clone();
            // A key is good for its kind: one of RSA for RS and PS of every length.
            let alg = header.get("alg").and_then(Value::as_str).expect("an algorithm");
            let rsa = |name: &str| name.starts_with("RS") || name.starts_with("PS");
            let hmac = |name: &str| name.starts_with("HS");
            let own = algorithm.name();
            assert!(
                alg == own || (rsa(alg) && rsa(own)) || (hmac(alg) && hmac(own)),
                "{alg} by a key for {own}"
            );
            if *algorithm == Algorithm::Hs256 {
                let (signed, signature) = token.rsplit_once('.').unwrap();
                assert!(alg != own || base64url(hmac_sha256(signed.as_bytes())) == signature, "a forgery");
            }
        }
    }
}

/// A right signature makes good no header that asks for what is not there.
fn a_header(header: &[u8]) {
    let payload = br#"{"iss":"wso2","sub":"alice","exp":1800000000}"#;
    let token = signed(header, payload);
    let (_, validator, _) = &KEYS[0];
    let Err(refusal) = validator.validate(&token, NOW) else {
        let header: Value = serde_json::from_slice(header).expect("a header is JSON");
        let header = header.as_object().expect("an object");
        assert_eq!(header["alg"], "HS256");
        for name in ["crit", "b64", "zip"] {
            assert!(!header.contains_key(name), "{name}");
        }
        for name in ["kid", "typ", "cty"] {
            assert!(header.get(name).is_none_or(Value::is_string), "{name}");
        }
        if let Some(typ) = header.get("typ").and_then(Value::as_str) {
            let typ = typ.to_ascii_lowercase();
            let types = ["jwt", "at+jwt", "application/jwt", "application/at+jwt"];
            assert!(types.contains(&typ.as_str()), "{typ}");
        }
        return;
    };
    assert!(refusal.text().chars().all(|shown| matches!(shown, ' '..='~')), "{refusal}");
}

/// No change of a good token leaves it good.
fn a_change(key: usize, at: usize, count: usize, with: &[u8]) {
    let (_, validator, token) = &KEYS[key % KEYS.len()];
    assert!(validator.validate(token, NOW).is_ok());
    let at = at % (token.len() + 1);
    let end = at.saturating_add(count).min(token.len());
    let changed = [&token.as_bytes()[..at], with, &token.as_bytes()[end..]].concat();
    let Ok(changed) = String::from_utf8(changed) else { return };
    if changed != *token {
        assert!(validator.validate(&changed, NOW).is_err(), "accepted after a change: {changed}");
    }
}
