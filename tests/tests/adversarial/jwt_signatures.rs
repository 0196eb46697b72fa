//! Signatures that are nearly right.

use std::collections::BTreeMap;

use portcullis::Config;
use portcullis_tests::{data, temp_dir};
use serde_json::{Value, json};

use crate::{
    Line,
    support::Door,
    support_tokens::{Signer, claims, encode, validator},
};

const TESTS: &str = "crates/providers/jwt/src/jws/tests.rs";
const KEYS: &str = "crates/providers/jwt/src/keys/tests.rs";

/// The order of P-256, big-endian.
const N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
/// The order of Ed25519's group, little-endian.
const L: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

#[tokio::test]
async fn line_11_a_signature_that_is_nearly_right_is_wrong() {
    let mut line = Line::new(11, "Signatures at the edges of their algorithms");
    ecdsa(&mut line).await;
    ed25519(&mut line).await;
    pss(&mut line).await;
    for (vectors, file) in [
        ("ES256, special cases", 22),
        ("ES256", 1),
        ("RS256", 2),
        ("PS256, salts and paddings", 6),
        ("PS512, other algorithms", 8),
    ] {
        wycheproof(&mut line, vectors, file).await;
    }
    line.shown_by("all 401 vectors of Wycheproof", "crates/providers/jwt/src/jws/wycheproof.rs::every_signature_vector_comes_out_as_it_says_or_as_the_rules_say");
    line.shown_by("signatures of every algorithm", &format!("{TESTS}::hostile_signatures_are_refused"));
    line.shown_by(
        "every bit of a token changed",
        &format!("{TESTS}::no_mutation_of_a_token_is_accepted_or_panics"),
    );
    line.settle();
}

async fn ecdsa(line: &mut Line) {
    let key = Signer::p256();
    let door = Door::open(&validator("key.jwk", ""), &[("key.jwk", key.jwk().to_string().as_bytes())]).await;
    let good = key.good();
    let (text, _) = good.rsplit_once('.').unwrap();
    let raw = key.sign(text.as_bytes());
    let (r, s) = raw.split_at(32);
    let signed = |signature: &[u8]| format!("{text}.{}", encode(signature));
    let both = |r: &[u8], s: &[u8]| signed(&[r, s].concat());
    let (zero, one, n) = ([0; 32], number(&[1]), number(&hex(N)));
    let below = minus(&n, &one);
    let bad = "401 bad-signature";
    door.rows(
        line,
        [
            ("ES256: r and s as they should be", signed(&raw), "200"),
            (
                "ES256: s instead of n - s, or the other way round: the same key's word, spelled otherwise",
                both(r, &minus(&n, s)),
                "200",
            ),
            ("ES256: r = s = 0", both(&zero, &zero), bad),
            ("ES256: r = 0", both(&zero, s), bad),
            ("ES256: s = 0", both(r, &zero), bad),
            ("ES256: r = s = n", both(&n, &n), bad),
            ("ES256: r = n", both(&n, s), bad),
            ("ES256: s = n", both(r, &n), bad),
            ("ES256: r = s = 1", both(&one, &one), bad),
            ("ES256: r = s = n - 1", both(&below, &below), bad),
            ("ES256: s and r swapped", both(s, r), bad),
            ("ES256: in DER, as X.509 has it", signed(&der(r, s)), bad),
            ("ES256: 63 bytes", signed(&raw[..63]), bad),
            ("ES256: 65 bytes", signed(&[&raw[..], &[0]].concat()), bad),
            ("ES256: a zero before each", both(&[&[0], r].concat(), &[&[0], s].concat()), bad),
            ("ES256: 96 bytes, as ES384 has", signed(&[&raw[..], &zero].concat()), bad),
            ("ES256: empty", signed(&[]), bad),
        ],
    )
    .await;
}

async fn ed25519(line: &mut Line) {
    let key = Signer::ed25519();
    let door = Door::open(&validator("key.jwk", ""), &[("key.jwk", key.jwk().to_string().as_bytes())]).await;
    let good = key.good();
    let (text, _) = good.rsplit_once('.').unwrap();
    let raw = key.sign(text.as_bytes());
    let (r, s) = raw.split_at(32);
    let signed = |signature: &[u8]| format!("{text}.{}", encode(signature));
    let larger = plus_little_endian(s, &hex(L));
    let neutral = number(&[1]).into_iter().rev().collect::<Vec<u8>>();
    door.rows(
        line,
        [
            ("Ed25519: as it should be", signed(&raw), "200"),
            ("Ed25519: S + L, the same number modulo L", signed(&[r, &larger].concat()), "401 bad-signature"),
            ("Ed25519: R neutral, S = 0", signed(&[&neutral[..], &[0; 32]].concat()), "401 bad-signature"),
            ("Ed25519: all zeros", signed(&[0; 64]), "401 bad-signature"),
            ("Ed25519: 63 bytes", signed(&raw[..63]), "401 bad-signature"),
        ],
    )
    .await;
    // A key of small order verifies one signature for every text.
    for (what, point) in [
        ("the neutral point", "0100000000000000000000000000000000000000000000000000000000000000"),
        ("a point of order two", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        ("a point of order four", "0000000000000000000000000000000000000000000000000000000000000000"),
        ("a point of order eight", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    ] {
        let folder = temp_dir();
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(hex(point))});
        std::fs::write(folder.path().join("key.jwk"), jwk.to_string()).unwrap();
        let text = format!("[services.\"/\"]\nauth = [\n{}\n]\n", validator("key.jwk", ""));
        let error = Config::parse(&text, folder.path()).unwrap_err().to_string();
        assert!(error.contains("small order"), "{what}: {error}");
        line.came(format!("an Ed25519 key that is {what}"), "the configuration is refused: \"small order\"");
    }
    line.shown_by(
        "all of them, also in fetched sets",
        &format!("{KEYS}::ed25519_keys_of_small_order_are_refused"),
    );
}

async fn pss(line: &mut Line) {
    let key = Signer::fresh_rsa();
    let door = Door::open(&validator("key.jwk", ""), &[("key.jwk", key.jwk().to_string().as_bytes())]).await;
    let text =
        |alg: &str| format!("{}.{}", encode(json!({"alg": alg}).to_string()), encode(claims().to_string()));
    let (rs, ps) = (text("RS256"), text("PS256"));
    let signed = |text: &str, signature: &[u8]| format!("{text}.{}", encode(signature));
    let raw = key.sign(rs.as_bytes());
    let n = encoded(&key.jwk()["n"]);
    door.rows(
        line,
        [
            ("RS256: as it should be", signed(&rs, &raw), "200"),
            ("PS256: as it should be", signed(&ps, &key.sign_pss(ps.as_bytes())), "200"),
            ("PS256 with RS256's signature", signed(&ps, &key.sign(ps.as_bytes())), "401 bad-signature"),
            ("RS256 with PS256's signature", signed(&rs, &key.sign_pss(rs.as_bytes())), "401 bad-signature"),
            ("RS256: 0", signed(&rs, &[0; 256]), "401 bad-signature"),
            ("RS256: 1", signed(&rs, &[&[0; 255][..], &[1]].concat()), "401 bad-signature"),
            ("RS256: the modulus", signed(&rs, &n), "401 bad-signature"),
            ("RS256: a zero before it", signed(&rs, &[&[0], &raw[..]].concat()), "401 bad-signature"),
            ("RS256: cut short", signed(&rs, &raw[..255]), "401 bad-signature"),
        ],
    )
    .await;
}

/// The vectors of a group, shown at a door with the group's key. No payload of theirs holds claims, so a signature that
/// is right comes as far as the payload.
async fn wycheproof(line: &mut Line, what: &str, group: usize) {
    let text = std::fs::read(data("wycheproof/json_web_signature_test.json")).unwrap();
    let whole: Value = serde_json::from_slice(&text).unwrap();
    let group = &whole["testGroups"][group];
    let key = group.get("public").unwrap_or(&group["private"]).to_string();
    let door = Door::open(&validator("key.jwk", ""), &[("key.jwk", key.as_bytes())]).await;
    let mut counts = BTreeMap::<(String, String), u32>::new();
    for vector in group["tests"].as_array().unwrap() {
        let token = vector["jws"].as_str().map_or_else(|| vector["jws"].to_string(), str::to_owned);
        let seen = door.knock(token).await.to_string();
        let result = vector["result"].as_str().unwrap();
        let shown = format!("{}: {}", vector["tcId"], vector["comment"]);
        assert!(seen.starts_with("401 "), "{shown}: {seen}");
        match result {
            "valid" => assert_eq!(seen, "401 malformed-token", "{shown}"),
            // What has another form than a token is told apart from a wrong signature in the list of the vectors.
            _ => assert!(
                !vector["comment"].as_str().unwrap().contains("Salt") || seen == "401 bad-signature",
                "{shown}: {seen}"
            ),
        }
        *counts.entry((result.to_owned(), seen)).or_default() += 1;
    }
    for ((result, seen), count) in counts {
        let so_far =
            if result == "valid" { ", for the payload, which comes after the signature" } else { "" };
        line.came(
            format!("Wycheproof, {what}: {count} of the `{result}` vectors"),
            format!("{seen}{so_far}"),
        );
    }
}

fn encoded(value: &Value) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A number of 32 bytes.
fn number(bytes: &[u8]) -> Vec<u8> {
    [&vec![0; 32 - bytes.len()], bytes].concat()
}

/// `a - b`, big-endian, where `a` is the larger one.
fn minus(a: &[u8], b: &[u8]) -> Vec<u8> {
    let (mut result, mut borrow) = (vec![0; 32], 0);
    for at in (0..32).rev() {
        let digit = i16::from(a[at]) - i16::from(b[at]) - borrow;
        borrow = i16::from(digit < 0);
        result[at] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    assert_eq!(borrow, 0);
    result
}

fn plus_little_endian(a: &[u8], b: &[u8]) -> Vec<u8> {
    let (mut result, mut carry) = (vec![0; 32], 0);
    for at in 0..32 {
        let digit = u16::from(a[at]) + u16::from(b[at]) + carry;
        carry = digit / 256;
        result[at] = u8::try_from(digit % 256).unwrap();
    }
    assert_eq!(carry, 0);
    result
}

/// The two numbers as a DER sequence.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let start = number.iter().position(|byte| *byte != 0).unwrap();
        let sign: &[u8] = if number[start] < 0x80 { &[] } else { &[0] };
        let body = [sign, &number[start..]].concat();
        [&[2, u8::try_from(body.len()).unwrap()], &body[..]].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}
