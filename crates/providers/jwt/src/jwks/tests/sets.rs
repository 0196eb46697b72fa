//! Keys of fetched sets: what is left out, and why.

use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_core::UnixTime;
use serde_json::{Value, json};

use super::{Pair, rsa_jwk};
use crate::{
    Algorithm,
    fixtures::{Signs, claims_with, ec_jwk, ec_key, ed25519_jwk, public_crt, rsa_signing},
    jws::{base64url::encode, verify},
    keys::FetchedSet,
};

fn certificate() -> String {
    let pem = std::fs::read_to_string(public_crt()).unwrap();
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

fn with(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

fn read(keys: &Value) -> Result<FetchedSet, String> {
    FetchedSet::read(json!({ "keys": keys }).to_string().as_bytes(), None)
}

/// Why a key is left out of a set that holds a good one, too.
fn left_out(jwk: impl Into<Value>) -> String {
    let good = Pair::new("good");
    let set = read(&json!([good.jwk, jwk.into()])).unwrap();
    assert_eq!(set.keys().len() + set.skipped().len(), 2);
    set.skipped().first().cloned().unwrap_or_default()
}

#[test]
fn a_key_that_cannot_verify_is_left_out_by_name_and_the_others_stay() {
    let (_, point) = ec_key(&ECDSA_P384_SHA384_FIXED_SIGNING);
    let pair = Pair::new("k");
    for (jwk, part) in [
        (json!(7), "the key at position 1 is not an object"),
        (json!({}), "the key at position 1 has no `kty`"),
        (
            json!({"kty": "oct", "kid": "s", "k": "AA"}),
            "the key \"s\" at position 1 is a shared secret (`oct`)",
        ),
        (json!({"kty": "future"}), "has the `kty` \"future\""),
        (with(pair.jwk.clone(), "use", "enc".into()), "the key \"k\" at position 1 has the `use` \"enc\""),
        (with(pair.jwk.clone(), "key_ops", json!(["encrypt"])), "has `key_ops` without \"verify\""),
        (
            with(pair.jwk.clone(), "alg", "ES384".into()),
            "has the `alg` \"ES384\", which is not for such a key",
        ),
        (with(pair.jwk.clone(), "alg", "RSA-OAEP".into()), "has the `alg` \"RSA-OAEP\""),
        (with(pair.jwk.clone(), "crv", "P-384".into()), "bytes instead of 48"),
        (with(pair.jwk.clone(), "crv", "P-521".into()), "on the curve \"P-521\""),
        (with(pair.jwk.clone(), "x", pair.jwk["y"].clone()), "is not a point on P-256"),
        (with(ec_jwk("P-384", &point), "crv", "P-256".into()), "bytes instead of 32"),
        (with(pair.jwk.clone(), "d", "AA".into()), "comes with its private half (`d`)"),
        (with(pair.jwk.clone(), "kid", 1.into()), "has a `kid` that is not a string"),
        (with(pair.jwk.clone(), "kid", Value::Null), "has a `kid` that is not a string"),
        (with(rsa_jwk(), "e", "AQ".into()), "whose exponent is not an odd number of 3 or more"),
        (with(rsa_jwk(), "n", encode([0xff; 128]).into()), "is an RSA key of 1024 bits"),
        (with(rsa_jwk(), "n", encode([0xfe; 256]).into()), "whose modulus is even"),
        (json!({"kty": "OKP", "crv": "X25519", "x": encode([9; 32])}), "on the curve \"X25519\""),
        (json!({"kty": "OKP", "crv": "Ed25519", "x": encode([0; 32])}), "small order"),
    ] {
        let why = left_out(jwk);
        assert!(why.contains(part), "{why}");
    }
    assert_eq!(left_out(rsa_jwk()), "");
    assert_eq!(left_out(with(pair.jwk.clone(), "key_ops", json!(["verify", "sign"]))), "");
    assert_eq!(
        left_out(json!({"kty": "OKP", "crv": "Ed25519", "x": encode(crate::fixtures::ed25519_key().1)})),
        ""
    );
}

#[test]
fn names_of_keys_are_shown_escaped_and_short() {
    for (kid, shown) in [
        ("a\r\nb\u{1b}[31m".to_owned(), r#""a\r\nb\u{1b}[31m""#.to_owned()),
        ("x".repeat(1 << 20), format!("\"{}...\"", "x".repeat(48))),
        ("\u{202e}k\0../".to_owned(), r#""\u{202e}k\u{0}../""#.to_owned()),
    ] {
        let why = left_out(json!({"kty": "future", "kid": kid}));
        assert!(why.starts_with(&format!("the key {shown} at position 1 ")), "{why}");
        // As the name of a good key it is a name as any other.
        let pair = Pair::new(&kid);
        assert_eq!(read(&json!([pair.jwk])).unwrap().keys().len(), 1);
    }
}

#[test]
fn the_same_key_twice_is_one_and_two_keys_of_one_name_are_two() {
    let (one, other) = (Pair::new("k"), Pair::new("k"));
    assert_eq!(read(&json!([one.jwk, one.jwk])).unwrap().keys().len(), 1);
    assert_eq!(read(&json!([one.jwk, other.jwk, rsa_jwk()])).unwrap().keys().len(), 3);
}

#[test]
fn a_certificate_bounds_the_use_of_its_key() {
    let jwk = with(rsa_jwk(), "x5c", json!([certificate()]));
    let set = read(&json!([jwk])).unwrap();
    let token = Signs::by(rsa_signing(Algorithm::Rs256)).token(
        &json!({"alg": "RS256", "kid": rsa_jwk()["kid"]}),
        &claims_with("exp", 9_999_999_999_u64.into()),
    );
    let at = |seconds| {
        verify(&token, set.keys(), UnixTime::from_secs(seconds))
            .map_or_else(|refusal| refusal.code(), |_| "good")
    };
    // 2017-10-24T05:47:58Z to 2037-10-19T05:47:58Z
    assert_eq!(at(1_508_824_077), "certificate-not-yet-valid");
    assert_eq!((at(1_508_824_078), at(2_139_544_078)), ("good", "good"));
    assert_eq!(at(2_139_544_079), "certificate-expired");
}

#[test]
fn a_certificate_that_is_none_or_of_another_key_leaves_the_key_out() {
    let pair = Pair::new("k");
    let good = certificate();
    for (jwk, part) in [
        (with(pair.jwk.clone(), "x5c", json!([good])), "whose certificate is of another key"),
        (with(with(rsa_jwk(), "n", encode([0xab; 256]).into()), "x5c", json!([good])), "RSA key"),
        (with(rsa_jwk(), "x5c", json!(good)), "does not begin with a certificate"),
        (with(rsa_jwk(), "x5c", json!([1])), "does not begin with a certificate"),
        (with(rsa_jwk(), "x5c", json!(["AA"])), "does not begin with a certificate"),
        (with(rsa_jwk(), "x5c", json!([""])), "does not begin with a certificate"),
        (
            with(rsa_jwk(), "x5c", json!([good.replace('/', "_").replace('+', "-")])),
            "does not begin with a certificate",
        ),
        (with(rsa_jwk(), "x5c", Value::Null), "does not begin with a certificate"),
    ] {
        let why = left_out(jwk);
        assert!(why.contains(part), "{why}");
    }
    assert_eq!(left_out(with(rsa_jwk(), "x5c", json!([]))), "");
    assert_eq!(
        left_out(with(rsa_jwk(), "x5c", json!([STANDARD.encode(STANDARD.decode(&good).unwrap()), "rest"]))),
        ""
    );
}

#[test]
fn certificates_of_elliptic_keys_are_compared_with_the_whole_point() {
    let certified = rcgen::generate_simple_self_signed(["issuer.example".to_owned()]).unwrap();
    let jwk = |raw: &[u8]| with(ec_jwk("P-256", raw), "x5c", json!([STANDARD.encode(certified.cert.der())]));
    let point = rcgen::PublicKeyData::der_bytes(&certified.signing_key).to_vec();
    assert_eq!(left_out(jwk(&point)), "");
    let (_, other) = ec_key(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING);
    assert!(left_out(jwk(&other)).contains("of another key"));
}

#[test]
fn what_is_known_stays_the_same_object() {
    let (one, other) = (Pair::new("one"), Pair::new("other"));
    let before = read(&json!([one.jwk])).unwrap();
    let text = json!({"keys": [other.jwk, one.jwk]}).to_string();
    let after = FetchedSet::read(text.as_bytes(), Some(&before)).unwrap();
    let key = before.keys().named(Some("one")).next().unwrap();
    // Wherever in the set it is looked for first.
    assert!((0..3).all(|place| after.keys().holds(key, place)));
    assert!(!after.is_same_as(&before));
    // Under another name, with another algorithm or certificate it is another key; for another use it is none.
    for (name, value, count) in [("kid", "two", 1), ("alg", "ES256", 1), ("use", "enc", 0)] {
        let text = json!({"keys": [with(one.jwk.clone(), name, value.into()), other.jwk]}).to_string();
        let after = FetchedSet::read(text.as_bytes(), Some(&before)).unwrap();
        assert!((0..3).all(|place| !after.keys().holds(key, place)), "{name}");
        assert_eq!(after.keys().len(), 1 + count);
    }
}

#[test]
fn certificates_of_edwards_keys_are_compared_with_the_whole_point() {
    let certified = |pair: &rcgen::KeyPair| {
        let params = rcgen::CertificateParams::new(["issuer.example".to_owned()]).unwrap();
        STANDARD.encode(params.self_signed(pair).unwrap().der())
    };
    let pair = || rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let (one, other) = (pair(), pair());
    let jwk = |pair: &rcgen::KeyPair| ed25519_jwk(rcgen::PublicKeyData::der_bytes(pair));
    assert_eq!(left_out(with(jwk(&one), "x5c", json!([certified(&one)]))), "");
    assert!(left_out(with(jwk(&one), "x5c", json!([certified(&other)]))).contains("of another key"));
    assert!(left_out(with(jwk(&one), "x5c", json!([certificate()]))).contains("of another key"));
}

#[test]
fn a_certificate_of_the_same_modulus_with_another_exponent_is_of_another_key() {
    let jwk = with(with(rsa_jwk(), "e", "Aw".into()), "x5c", json!([certificate()]));
    assert!(left_out(jwk).contains("of another key"));
}

#[test]
fn sets_are_the_same_where_their_keys_and_what_they_lack_are() {
    let (one, other) = (Pair::new("one"), Pair::new("other"));
    let set = |keys: Value| read(&keys).unwrap();
    assert!(set(json!([one.jwk, other.jwk])).is_same_as(&set(json!([one.jwk, other.jwk]))));
    for keys in [json!([one.jwk]), json!([one.jwk, other.jwk, 7]), json!([other.jwk, one.jwk])] {
        assert!(!set(json!([one.jwk, other.jwk])).is_same_as(&set(keys)));
    }
}

#[test]
fn so_many_keys_are_read_and_no_more() {
    let one = Pair::new("one");
    let keys = |count: usize| {
        (0..count).map(|number| with(one.jwk.clone(), "kid", number.to_string().into())).collect()
    };
    assert_eq!(read(&Value::Array(keys(256))).unwrap().keys().len(), 256);
    assert_eq!(read(&Value::Array(keys(257))).unwrap_err(), "holds more than 256 keys");
}
