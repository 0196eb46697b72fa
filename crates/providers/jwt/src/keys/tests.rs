use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{ReadKeys, read_file, read_jwk, read_trust_store};
use crate::{
    Algorithm,
    fixtures::{SECRET, ballerina, data, ec_jwk, ec_key, ed25519_jwk, ed25519_key, public_crt},
    jws::base64url::encode,
};

/// RFC 7517 appendix A.1; the modulus of RFC 7515 appendix A.2 would do as well.
const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

fn rsa() -> Value {
    json!({"kty": "RSA", "n": N, "e": "AQAB"})
}

fn with(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

fn read(jwk: &Value) -> Result<ReadKeys, String> {
    read_jwk(jwk.to_string().as_bytes())
}

fn algorithms(jwk: &Value) -> String {
    read(jwk).unwrap().keys.algorithm_names()
}

fn why(jwk: &Value) -> String {
    read(jwk).unwrap_err()
}

#[test]
fn the_key_says_which_algorithms_there_are() {
    let p256 = ec_jwk("P-256", &ec_key(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING).1);
    let p384 = ec_jwk("P-384", &ec_key(&aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING).1);
    let ed25519 = ed25519_jwk(&ed25519_key().1);
    let oct = |bytes: usize| json!({"kty": "oct", "k": encode(&SECRET.as_bytes()[..bytes])});
    for (jwk, expected) in [
        (rsa(), "RS256, RS384, RS512, PS256, PS384, PS512"),
        (p256.clone(), "ES256"),
        (p384.clone(), "ES384"),
        (ed25519.clone(), "EdDSA"),
        (oct(32), "HS256"),
        (oct(47), "HS256"),
        (oct(48), "HS256, HS384"),
        (oct(64), "HS256, HS384, HS512"),
        (with(rsa(), "alg", "PS384".into()), "PS384"),
        (with(p256.clone(), "alg", "ES256".into()), "ES256"),
        (with(oct(64), "alg", "HS256".into()), "HS256"),
    ] {
        assert_eq!(algorithms(&jwk), expected, "{jwk}");
    }
    for (jwk, alg) in [
        (rsa(), "HS256"),
        (rsa(), "ES256"),
        (rsa(), "RSA-OAEP"),
        (rsa(), "none"),
        (rsa(), "rs256"),
        (p256.clone(), "ES384"),
        (p256, "RS256"),
        (p384, "ES512"),
        (ed25519, "ES256"),
        (oct(64), "RS256"),
        (oct(64), "A256GCM"),
        (oct(64), "dir"),
    ] {
        assert!(why(&with(jwk, "alg", alg.into())).contains("not for such a key"), "{alg}");
    }
    assert_eq!(why(&with(oct(40), "alg", "HS512".into())), "is too short: HS512 needs at least 64 bytes");
    assert_eq!(why(&oct(31)), "is too short: HS256 needs at least 32 bytes (HS384 48, HS512 64)");
    assert_eq!(why(&oct(0)), "is empty and protects nothing");
    assert_eq!(why(&with(rsa(), "alg", 1.into())), "has a `alg` that is not a string");
}

#[test]
fn a_key_is_for_signatures_where_it_says_what_it_is_for() {
    for jwk in [
        with(rsa(), "use", "sig".into()),
        with(rsa(), "key_ops", json!(["verify"])),
        with(rsa(), "key_ops", json!(["sign", "verify"])),
        // What else is in a key does not matter, nor does its private half.
        with(with(rsa(), "x5c", json!(["MIIB"])), "d", "not even base64".into()),
    ] {
        assert!(read(&jwk).is_ok(), "{jwk}");
    }
    for jwk in [
        with(rsa(), "use", "enc".into()),
        with(rsa(), "use", "SIG".into()),
        with(rsa(), "use", 1.into()),
        with(rsa(), "key_ops", json!([])),
        with(rsa(), "key_ops", json!(["encrypt"])),
        with(rsa(), "key_ops", json!("verify")),
        with(rsa(), "key_ops", json!(["sign, verify"])),
    ] {
        assert!(read(&jwk).is_err(), "{jwk}");
    }
}

#[test]
fn rsa_keys_that_protect_nothing_are_refused() {
    let modulus = crate::jws::base64url::decode(N).unwrap();
    let n = |bytes: &[u8]| with(rsa(), "n", encode(bytes).into());
    let mut even = modulus.clone();
    *even.last_mut().unwrap() &= 0xfe;
    assert_eq!(why(&n(&even)), "is an RSA key whose modulus is even");
    let mut divisible = modulus.clone();
    while divisible.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % 7) != 0 {
        let last = divisible.len() - 1;
        divisible[last] = divisible[last].wrapping_add(2);
    }
    assert!(why(&n(&divisible)).contains("with a tiny factor"));
    assert!(why(&n(&modulus[..255])).contains("of 2040 bits, and 2048 to 8192 are accepted"));
    assert!(
        why(&n(&[&modulus[..], &modulus[..], &modulus[..], &modulus[..], &[1]].concat()))
            .contains("are accepted")
    );
    assert!(why(&n(&[])).contains("RSA key of 0 bits"));
    let mut shorter = modulus.clone();
    shorter[0] = 0x7f;
    assert!(why(&n(&shorter)).contains("of 2047 bits"));
    // Some issuers send a zero first, and padding: the key is the same.
    assert!(read(&n(&[&[0], &modulus[..]].concat())).is_ok());
    assert!(read(&with(rsa(), "n", format!("{N}==").into())).is_ok());
    assert!(read(&with(rsa(), "n", format!("{N}=").into())).is_err());
    for e in ["AQ", "AA", "", "Ag", "AAAB"] {
        assert!(
            why(&with(rsa(), "e", e.into())).contains("exponent is not an odd number of 3 or more"),
            "{e}"
        );
    }
    assert!(why(&with(rsa(), "e", encode([1; 9]).into())).contains("more than 64 bits"));
    assert!(read(&with(rsa(), "e", encode([1; 8]).into())).is_ok());
    for e in ["Aw", "AQAB", "AAEAAQ"] {
        assert!(read(&with(rsa(), "e", e.into())).is_ok(), "{e}");
    }
}

#[test]
fn points_are_on_their_curve_and_have_its_length() {
    let jwk = ec_jwk("P-256", &ec_key(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING).1);
    assert!(read(&jwk).is_ok());
    let x = crate::jws::base64url::decode(jwk["x"].as_str().unwrap()).unwrap();
    for (changed, part) in [
        (with(jwk.clone(), "x", encode(&x[..31]).into()), "`x` of 31 bytes instead of 32"),
        (with(jwk.clone(), "x", encode([&[0], &x[..]].concat()).into()), "`x` of 33 bytes"),
        (with(jwk.clone(), "x", jwk["y"].clone()), "not a point on P-256"),
        (with(jwk.clone(), "crv", "P-384".into()), "bytes instead of 48"),
        (with(jwk.clone(), "crv", "P-521".into()), "on the curve \"P-521\""),
        (with(jwk.clone(), "crv", "secp256k1".into()), "on the curve \"secp256k1\""),
        (with(jwk.clone(), "kty", "OKP".into()), "on the curve \"P-256\", and Ed25519 is supported"),
        (with(jwk.clone(), "kty", "ec".into()), "has the `kty` \"ec\""),
        (with(jwk.clone(), "y", Value::Null), "`y` that is not a string"),
        (with(jwk, "y", "!".into()), "`y` that is not base64url"),
    ] {
        assert!(why(&changed).contains(part), "{changed}: {}", why(&changed));
    }
}

#[test]
fn ed25519_keys_of_small_order_are_refused() {
    for y in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        let mut point: Vec<u8> =
            (0..32).map(|byte| u8::from_str_radix(&y[2 * byte..2 * byte + 2], 16).unwrap()).collect();
        for sign in [0, 0x80] {
            point[31] |= sign;
            assert!(why(&ed25519_jwk(&point)).contains("small order"), "{y}");
        }
    }
    for length in [0, 31, 33, 57] {
        assert!(why(&ed25519_jwk(&vec![2; length])).contains("has 32 bytes"));
    }
    assert!(read(&ed25519_jwk(&ed25519_key().1)).is_ok());
}

#[test]
fn a_set_leaves_out_what_cannot_verify_and_says_so() {
    let read = read(&json!({"keys": [
        with(rsa(), "kid", "1".into()),
        with(with(rsa(), "kid", "1".into()), "use", "enc".into()),
        {"kty": "future", "kid": "2"},
        7,
        with(rsa(), "kid", 3.into()),
    ]}))
    .unwrap();
    assert_eq!(read.keys.algorithms(), Algorithm::RSA);
    assert_eq!(
        read.warnings,
        [
            "the key at position 1 has the `use` \"enc\", and is not for signatures; it is left out",
            "the key at position 2 has the `kty` \"future\", and RSA, EC, OKP and oct are supported; it is left out",
            "the key at position 3 is not an object; it is left out",
            "the key at position 4 has a `kid` that is not a string; it is left out",
        ]
    );
}

#[test]
fn sets_that_are_ambiguous_or_dangerous_or_useless_are_refused() {
    let oct = json!({"kty": "oct", "k": encode(SECRET)});
    let kid = |jwk: &Value, kid: &str| with(jwk.clone(), "kid", kid.into());
    for (set, part) in [
        (json!({"keys": [kid(&rsa(), "a"), kid(&rsa(), "a")]}), "two keys with the `kid` \"a\""),
        (json!({"keys": [kid(&rsa(), "a"), {"kty": "EC", "kid": "a"}]}), "two keys with the `kid` \"a\""),
        (json!({"keys": [kid(&rsa(), "a"), kid(&oct, "b")]}), "mixes shared secrets"),
        (json!({"keys": [kid(&oct, "b"), {"kty": "future"}]}), "mixes shared secrets"),
        (json!({"keys": []}), "no key that verifies signatures: it is empty"),
        (json!({"keys": [{}]}), "no key that verifies signatures: the key at position 0 has no `kty`"),
        (json!({"keys": {}}), "`keys` is not an array"),
        (json!({"keys": vec![rsa(); 257]}), "holds more than 256 keys"),
        (json!({}), "has no `kty`"),
    ] {
        assert!(why(&set).contains(part), "{}", why(&set));
    }
    for text in ["", "[]", "{", "null", r#"{"kty":"RSA","kty":"oct"}"#] {
        assert!(read_jwk(text.as_bytes()).unwrap_err().starts_with("is not a JWK"), "{text}");
    }
    assert!(read(&json!({"keys": [kid(&rsa(), "a"), kid(&rsa(), "b"), rsa(), rsa()]})).is_ok());
    assert!(read(&json!({"keys": [kid(&oct, "a"), kid(&oct, "b")]})).is_ok());
}

#[test]
fn narrowing_takes_algorithms_away_and_adds_none() {
    let keys = read(&rsa()).unwrap().keys;
    let narrowed = keys.clone().narrowed(&[Algorithm::Ps256, Algorithm::Rs512]).unwrap();
    assert_eq!(narrowed.algorithm_names(), "RS512, PS256");
    assert_eq!(keys.algorithms().len(), 6, "the set it came from keeps its own");
    assert_eq!(
        keys.narrowed(&[Algorithm::Rs256, Algorithm::Hs256]).unwrap_err(),
        "HS256 is not an algorithm of the key, which allows RS256, RS384, RS512, PS256, PS384, PS512"
    );
    let oct = read(&json!({"kty": "oct", "k": encode(&SECRET[..32])})).unwrap().keys;
    assert_eq!(
        oct.narrowed(&[Algorithm::Hs512]).unwrap_err(),
        "HS512 is not an algorithm of the key, which allows HS256; for HS512 the secret has to have at least 64 bytes"
    );
}

#[test]
fn files_of_every_kind_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let jwks: Value = serde_json::from_slice(&fs::read(data("ballerina/data.json")).unwrap()).unwrap();
    let jwk_file = folder.path().join("jwks.json");
    fs::write(&jwk_file, jwks["jwks"].to_string()).unwrap();
    let keys = folder.path().join("../").join("nothing");
    let test_keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../keys/tests/data");
    for (path, expected) in [
        (public_crt(), "RS256, RS384, RS512, PS256, PS384, PS512"),
        (test_keys.join("keys/rsa.public.pem"), "RS256, RS384, RS512, PS256, PS384, PS512"),
        (test_keys.join("keys/rsa.public.pkcs1.pem"), "RS256, RS384, RS512, PS256, PS384, PS512"),
        (test_keys.join("keys/rsa.public.der"), "RS256, RS384, RS512, PS256, PS384, PS512"),
        (test_keys.join("keys/p256.public.pem"), "ES256"),
        (test_keys.join("keys/ed25519.public.pem"), "EdDSA"),
        (jwk_file, "RS256, RS384, RS512, PS256, PS384, PS512"),
    ] {
        let read = read_file(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        // One of the keys of Ballerina's set is for encryption; the others have `alg` RS256.
        let expected = if path.ends_with("jwks.json") { "RS256" } else { expected };
        assert_eq!(read.keys.algorithm_names(), expected, "{}", path.display());
    }
    for (path, part) in [
        (keys, "nothing: "),
        (test_keys.join("keys/rsa.pkcs8.pem"), "rsa.pkcs8.pem: "),
        (test_keys.join("stores/java.key.p12"), "java.key.p12: "),
    ] {
        let why = read_file(&path).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn a_file_of_public_keys_holds_no_shared_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.json");
    fs::write(&path, json!({"kty": "oct", "k": encode(SECRET)}).to_string()).unwrap();
    let why = read_file(&path).unwrap_err();
    assert!(why.ends_with("key.json: it holds a shared secret (`oct`): give it as `secret`"), "{why}");
    fs::write(&path, rsa().to_string()).unwrap();
    assert_eq!(read_file(&path).unwrap().warnings, [""; 0]);
}

#[test]
fn keys_of_files_are_held_to_the_same_rules() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let small = write(
        "small.pem",
        "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu\nKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==\n-----END PUBLIC KEY-----\n",
    );
    assert!(
        read_file(&small).unwrap_err().contains("small.pem: the key is an RSA key of 512 bits"),
        "{:?}",
        read_file(&small)
    );
    let jwk = write("key.json", &with(rsa(), "use", "enc".into()).to_string());
    assert!(read_file(&jwk).unwrap_err().contains("key.json: it has the `use` \"enc\""));
    // RFC 8410 §10.1, with the key replaced by the neutral element.
    let neutral = write(
        "neutral.pem",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----\n",
    );
    assert!(read_file(&neutral).unwrap_err().contains("small order"));
}

#[test]
fn a_trust_store_gives_the_certificate_of_its_alias_whatever_its_case() {
    let store = ballerina("ballerina-ts--ballerinaTruststore.p12");
    let read = |password: &str, alias: &str| read_trust_store(&store, &password.into(), alias);
    for alias in ["ballerina", "Ballerina"] {
        assert_eq!(read("ballerina", alias).unwrap().algorithms(), Algorithm::RSA);
    }
    let (fault, why) = read("ballerina", "balerina").unwrap_err();
    assert_eq!(fault, super::Fault::Alias);
    assert!(why.contains("no alias \"balerina\"") && why.contains("it has "), "{why}");
    assert_eq!(read("wrong", "ballerina").unwrap_err().0, super::Fault::Password);
    let (fault, why) = read("ballerina", "wso2carbon").unwrap_err();
    assert_eq!(fault, super::Fault::Alias);
    assert!(why.contains("an RSA key of 1024 bits"), "{why}");
    let (fault, why) = read_trust_store(&public_crt(), &"x".into(), "x").unwrap_err();
    assert_eq!(fault, super::Fault::Path);
    assert!(why.contains("pub--public.crt"), "{why}");
}

#[test]
fn debug_shows_no_key_material() {
    let set = read(&json!({"kty": "oct", "k": encode(SECRET), "kid": "a"})).unwrap();
    let text = format!("{set:?}");
    assert!(text.contains("\"a\"") && !text.contains(&encode(SECRET)) && !text.contains(SECRET), "{text}");
}

#[cfg(feature = "jwks")]
#[test]
fn a_file_holds_so_many_keys_and_no_more() {
    let keys = |count: usize| {
        let named = (0..count).map(|number| with(rsa(), "kid", number.to_string().into()));
        json!({"keys": named.collect::<Vec<Value>>()})
    };
    assert_eq!(read(&keys(256)).unwrap().keys.len(), 256);
    assert_eq!(why(&keys(257)), "holds more than 256 keys");
}
