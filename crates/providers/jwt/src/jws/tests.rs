use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING};
use portcullis_core::Secret;
use portcullis_keys::PublicKey;
use serde_json::{Value, json};

use super::{base64url::encode, compact::Compact, verify};
use crate::{
    Algorithm, SigningConfig,
    fixtures::{
        NOW, SECRET, Signs, ballerina, claims, ec_jwk, ec_key, ed25519_jwk, ed25519_key, public_crt,
        rsa_signing,
    },
    keys::{Key, KeySet, read_file, read_jwk},
};

fn secret(text: &str) -> KeySet {
    KeySet::one(Key::configured_secret(&Secret::new(text), false).unwrap())
}

fn jwk(jwk: &Value) -> KeySet {
    read_jwk(jwk.to_string().as_bytes()).unwrap().keys
}

fn rsa() -> KeySet {
    read_file(&public_crt()).unwrap().keys
}

fn code(token: &str, keys: &KeySet) -> &'static str {
    verify(token, keys, NOW).map_or_else(|refusal| refusal.code(), |_| "accepted")
}

/// One key of every kind: what verifies, and what signs by an algorithm.
fn every_kind() -> Vec<(KeySet, Vec<(Algorithm, Signs)>)> {
    let (p256, p256_point) = ec_key(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let (p384, p384_point) = ec_key(&ECDSA_P384_SHA384_FIXED_SIGNING);
    let (ed, ed_point) = ed25519_key();
    let signing =
        |algorithm: Algorithm, signing: SigningConfig| (algorithm, Signs::by(signing.algorithm(algorithm)));
    let key = |pkcs8: &[u8], algorithm| vec![signing(algorithm, SigningConfig::key(pkcs8))];
    vec![
        (
            rsa(),
            Algorithm::RSA.into_iter().map(|algorithm| signing(algorithm, rsa_signing(algorithm))).collect(),
        ),
        (
            secret(SECRET),
            Algorithm::HMAC
                .into_iter()
                .map(|algorithm| signing(algorithm, SigningConfig::secret(SECRET)))
                .collect(),
        ),
        (jwk(&ec_jwk("P-256", &p256_point)), key(&p256, Algorithm::Es256)),
        (jwk(&ec_jwk("P-384", &p384_point)), key(&p384, Algorithm::Es384)),
        (jwk(&ed25519_jwk(&ed_point)), key(&ed, Algorithm::EdDsa)),
    ]
}

#[test]
fn each_algorithm_verifies_with_its_own_key_and_with_no_other() {
    let kinds = every_kind();
    for (position, (_, signers)) in kinds.iter().enumerate() {
        for (algorithm, signer) in signers {
            let token = signer.claims(&claims());
            for (other, (keys, _)) in kinds.iter().enumerate() {
                let expected = if other == position { "accepted" } else { "unsupported-algorithm" };
                assert_eq!(code(&token, keys), expected, "{algorithm} with key {other}");
            }
        }
    }
}

#[test]
fn a_token_that_names_another_algorithm_than_it_was_signed_by_is_refused() {
    for (keys, signers) in every_kind() {
        for (signed_by, signer) in &signers {
            for named in Algorithm::ALL {
                let token = signer.token(&json!({"alg": named.name()}), &claims());
                let expected = match keys.algorithms() {
                    _ if named == *signed_by => "accepted",
                    allowed if allowed.contains(&named) => "bad-signature",
                    _ => "unsupported-algorithm",
                };
                assert_eq!(code(&token, &keys), expected, "signed by {signed_by}, says {named}");
            }
        }
    }
}

#[test]
fn none_is_refused_in_every_spelling_with_and_without_a_signature() {
    for (keys, signers) in every_kind() {
        for alg in ["none", "None", "NONE", "nOnE", " none", "none ", "", "nоne", "null", "RS256,none"] {
            let header = json!({"alg": alg});
            let signed = signers[0].1.token(&header, &claims());
            let unsigned = format!("{}.{}.", encode(header.to_string()), encode(claims().to_string()));
            for token in [signed, unsigned] {
                assert_eq!(code(&token, &keys), "unsupported-algorithm", "{alg:?}");
            }
        }
        for header in [r#"{"alg":1}"#, r#"{"alg":["none"]}"#, r#"{"alg":null}"#, r#"{"typ":"JWT"}"#, "{}"] {
            assert_eq!(code(&signers[0].1.text(header, "{}"), &keys), "unsupported-algorithm", "{header}");
        }
        // Without the last dot it is no JWS at all.
        assert_eq!(
            code(&format!("{}.{}", encode(r#"{"alg":"none"}"#), encode("{}")), &keys),
            "malformed-token"
        );
    }
}

/// CVE-2016-10555 and its many children: the public key is known to everybody, and would be a fine secret.
#[test]
fn no_form_of_a_public_key_is_a_secret() {
    let pem = std::fs::read(public_crt()).unwrap();
    let spki = PublicKey::from_bytes(&pem).unwrap().spki_der().to_vec();
    let pkcs1 = aws_lc_rs::rsa::PublicKey::from_der(&spki).unwrap().as_ref().to_vec();
    let numbers = aws_lc_rs::rsa::PublicKey::from_der(&spki).unwrap();
    let n = numbers.modulus().big_endian_without_leading_zero();
    let certificate = portcullis_keys::parse_certificates(&pem).unwrap()[0].der().to_vec();
    let block = |label: &str, der: &[u8]| {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    };
    let spki_pem = block("PUBLIC KEY", &spki);
    let pkcs1_pem = block("RSA PUBLIC KEY", &pkcs1);
    let forms: Vec<Vec<u8>> = vec![
        pem.clone(),
        pem.trim_ascii().to_vec(),
        spki.clone(),
        spki_pem.clone().into_bytes(),
        spki_pem.trim_end().as_bytes().to_vec(),
        pkcs1.clone(),
        pkcs1_pem.clone().into_bytes(),
        pkcs1_pem.trim_end().as_bytes().to_vec(),
        certificate,
        n.to_vec(),
        encode(n).into_bytes(),
        json!({"kty": "RSA", "n": encode(n), "e": "AQAB"}).to_string().into_bytes(),
    ];
    let keys = rsa();
    for (position, form) in forms.iter().enumerate() {
        for (algorithm, hash) in [
            ("HS256", aws_lc_rs::hmac::HMAC_SHA256),
            ("HS384", aws_lc_rs::hmac::HMAC_SHA384),
            ("HS512", aws_lc_rs::hmac::HMAC_SHA512),
        ] {
            for header in [json!({"alg": algorithm}), json!({"alg": "RS256", "typ": "JWT"})] {
                let signed = format!("{}.{}", encode(header.to_string()), encode(claims().to_string()));
                let tag = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(hash, form), signed.as_bytes());
                let token = format!("{signed}.{}", encode(tag));
                let expected =
                    if header["alg"] == "RS256" { "bad-signature" } else { "unsupported-algorithm" };
                assert_eq!(code(&token, &keys), expected, "form {position} by {algorithm}");
            }
        }
    }
}

#[test]
fn keys_that_a_token_brings_are_not_looked_at() {
    let (pkcs8, point) = ec_key(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let (_, other) = ec_key(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let signer = Signs::by(SigningConfig::key(&pkcs8).algorithm(Algorithm::Es256));
    let header = json!({
        "alg": "ES256", "jwk": ec_jwk("P-256", &point), "jku": "https://evil.example/keys", "x5u": "file:///etc/passwd",
        "x5c": ["MIIB"], "x5t": "x", "x5t#S256": 1,
    });
    let token = signer.token(&header, &claims());
    assert_eq!(code(&token, &jwk(&ec_jwk("P-256", &point))), "accepted");
    assert_eq!(code(&token, &jwk(&ec_jwk("P-256", &other))), "bad-signature");
}

#[test]
fn kid_chooses_among_the_keys_and_a_token_without_one_is_tried_against_those_that_fit() {
    let named = |kid: &str, point: &[u8], curve: &str| {
        let mut jwk = ec_jwk(curve, point);
        jwk["kid"] = kid.into();
        jwk
    };
    let (first, first_point) = ec_key(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let (second, second_point) = ec_key(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let (third, third_point) = ec_key(&ECDSA_P384_SHA384_FIXED_SIGNING);
    let keys = jwk(&json!({"keys": [
        named("1", &first_point, "P-256"), named("2", &second_point, "P-256"), named("3", &third_point, "P-384"),
    ]}));
    let by = |pkcs8: &[u8], algorithm| Signs::by(SigningConfig::key(pkcs8).algorithm(algorithm));
    let (first, second, third) =
        (by(&first, Algorithm::Es256), by(&second, Algorithm::Es256), by(&third, Algorithm::Es384));
    for (signer, header, expected) in [
        (&first, json!({"alg": "ES256", "kid": "1"}), "accepted"),
        (&first, json!({"alg": "ES256", "kid": "2"}), "bad-signature"),
        (&first, json!({"alg": "ES256", "kid": "3"}), "unsupported-algorithm"),
        (&first, json!({"alg": "ES256", "kid": "4"}), "unknown-key"),
        (&first, json!({"alg": "ES256", "kid": ""}), "unknown-key"),
        (&first, json!({"alg": "ES256", "kid": "../../etc/passwd\0\r\n\u{1b}[31m"}), "unknown-key"),
        (&first, json!({"alg": "ES256", "kid": 1}), "malformed-token"),
        (&first, json!({"alg": "ES256", "kid": null}), "malformed-token"),
        (&first, json!({"alg": "ES256"}), "accepted"),
        (&second, json!({"alg": "ES256"}), "accepted"),
        (&second, json!({"alg": "ES384"}), "bad-signature"),
        (&third, json!({"alg": "ES384"}), "accepted"),
        (&third, json!({"alg": "ES384", "kid": "3"}), "accepted"),
        (&third, json!({"alg": "none", "kid": "9"}), "unsupported-algorithm"),
    ] {
        assert_eq!(code(&signer.token(&header, &claims()), &keys), expected, "{header}");
    }
    let huge = first.token(&json!({"alg": "ES256", "kid": "k".repeat(1 << 20)}), &claims());
    let refusal = verify(&huge, &keys, NOW).unwrap_err();
    assert_eq!(refusal.code(), "unknown-key");
    assert!(refusal.text().len() < 100, "{}", refusal.text().len());
}

#[test]
fn a_key_without_a_name_is_meant_by_every_kid() {
    let token = Signs::secret().token(&json!({"alg": "HS256", "kid": "whatever"}), &claims());
    assert_eq!(code(&token, &secret(SECRET)), "accepted");
    let rsa_token =
        Signs::by(rsa_signing(Algorithm::Rs256)).token(&json!({"alg": "RS256", "kid": "x"}), &claims());
    assert_eq!(code(&rsa_token, &rsa()), "accepted");
}

#[test]
fn a_certificate_outside_its_validity_refuses_whatever_the_signature_is() {
    let token = Signs::by(rsa_signing(Algorithm::Rs256)).claims(&claims());
    let expired = read_file(&ballerina("badpub--invalidPublic.crt")).unwrap().keys;
    assert_eq!(code(&token, &expired), "certificate-expired");
    let at = |seconds| verify(&token, &rsa(), portcullis_core::UnixTime::from_secs(seconds)).map(|_| ());
    // 2017-10-24T05:47:58Z to 2037-10-19T05:47:58Z, both ends included.
    let (from, until) = (1_508_824_078, 2_139_544_078);
    assert!(at(from).is_ok() && at(until).is_ok());
    assert_eq!(at(from - 1).unwrap_err().code(), "certificate-not-yet-valid");
    assert_eq!(at(until + 1).unwrap_err().code(), "certificate-expired");
    assert_eq!(at(u64::MAX).unwrap_err().code(), "certificate-expired");
}

#[test]
fn hostile_signatures_are_refused() {
    let (pkcs8, point) = ec_key(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let keys = jwk(&ec_jwk("P-256", &point));
    let token = Signs::by(SigningConfig::key(&pkcs8).algorithm(Algorithm::Es256)).claims(&claims());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let raw = super::base64url::decode(signature).unwrap();
    let der = {
        let integer = |bytes: &[u8]| {
            let mut body = if bytes[0] >= 0x80 { vec![0] } else { Vec::new() };
            body.extend_from_slice(bytes);
            [vec![2, u8::try_from(body.len()).unwrap()], body].concat()
        };
        let body = [integer(&raw[..32]), integer(&raw[32..])].concat();
        [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat()
    };
    for (what, bytes) in [
        ("empty", vec![]),
        ("r = s = 0", vec![0; 64]),
        ("r = 0", [vec![0; 32], raw[32..].to_vec()].concat()),
        ("s = 0", [raw[..32].to_vec(), vec![0; 32]].concat()),
        ("DER", der),
        ("cut", raw[..63].to_vec()),
        ("one more byte", [raw.clone(), vec![0]].concat()),
        ("twice", [raw.clone(), raw.clone()].concat()),
        ("all ones", vec![0xff; 64]),
        ("huge", vec![1; 1 << 20]),
    ] {
        assert_eq!(code(&format!("{signed}.{}", encode(bytes)), &keys), "bad-signature", "{what}");
    }
    assert_eq!(code(&format!("{signed}.{}", encode(&raw)), &keys), "accepted");
}

#[test]
fn an_ed25519_signature_has_one_spelling() {
    let (pkcs8, point) = ed25519_key();
    let keys = jwk(&ed25519_jwk(&point));
    let token = Signs::by(SigningConfig::key(&pkcs8).algorithm(Algorithm::EdDsa)).claims(&claims());
    assert_eq!(code(&token, &keys), "accepted");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut raw = super::base64url::decode(signature).unwrap();
    // S + L verifies where S is not held to be below L (RFC 8032 §5.1.7).
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10_u8,
    ];
    let mut carry = 0;
    for (byte, more) in raw[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert_eq!(code(&format!("{signed}.{}", encode(&raw)), &keys), "bad-signature");
}

#[test]
fn enormous_and_deep_texts_are_refused_and_nothing_panics() {
    let keys = secret(SECRET);
    let signer = Signs::secret();
    let deep = "[".repeat(10_000);
    let header = |inner: &str| format!("{{\"alg\":\"HS256\",\"x\":{inner}}}");
    for (token, expected) in [
        (".".repeat(1_000_000), "malformed-token"),
        ("a".repeat(1_000_000), "malformed-token"),
        (format!("{}..", "A".repeat(1_000_000)), "malformed-token"),
        (signer.text(header(&deep), "{}"), "malformed-token"),
        (signer.text(header(&format!("{deep}{}", "]".repeat(10_000))), "{}"), "malformed-token"),
        (signer.text("{\"x\":".repeat(10_000), "{}"), "malformed-token"),
        (signer.text("", "{}"), "malformed-token"),
        (signer.text(b"\xff\xfe", "{}"), "malformed-token"),
        (signer.text(r#"{"alg":"\ud800"}"#, "{}"), "malformed-token"),
        (signer.text("{\"alg\":\"HS256\"", "{}"), "malformed-token"),
        (signer.text("\u{feff}{\"alg\":\"HS256\"}", "{}"), "malformed-token"),
        (signer.text(r#"{"alg":"HS256","alg":"HS256"}"#, "{}"), "duplicate-member"),
        (String::new(), "malformed-token"),
        ("..".to_owned(), "malformed-token"),
        ("....".to_owned(), "encrypted"),
        ("{\"payload\":\"\",\"signatures\":[]}".to_owned(), "malformed-token"),
    ] {
        assert_eq!(code(&token, &keys), expected, "{token:.60}");
    }
}

/// Cost parameters of a JWE are never read: the token is refused for its five segments.
#[test]
fn encrypted_tokens_are_refused_before_any_key_is_derived() {
    let header = encode(r#"{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2s":"AAAA","p2c":2147483647}"#);
    assert_eq!(code(&format!("{header}.AA.AA.AA.AA"), &secret(SECRET)), "encrypted");
    let header = encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF"}"#);
    assert_eq!(code(&format!("{header}.AA.AA.AA.AA"), &rsa()), "encrypted");
}

#[test]
fn no_mutation_of_a_token_is_accepted_or_panics() {
    for (keys, signers) in every_kind() {
        let token = signers[0].1.claims(&claims());
        assert_eq!(code(&token, &keys), "accepted");
        let mut tried = 0;
        let mut refuse = |mutated: Vec<u8>| {
            let Ok(mutated) = String::from_utf8(mutated) else { return };
            if mutated != token {
                tried += 1;
                assert_ne!(code(&mutated, &keys), "accepted", "{mutated}");
            }
        };
        let bytes = token.as_bytes();
        for position in 0..bytes.len() {
            for bit in 0..7 {
                let mut mutated = bytes.to_vec();
                mutated[position] ^= 1 << bit;
                refuse(mutated);
            }
            refuse(bytes[..position].to_vec());
            refuse(bytes[position..].to_vec());
            refuse([&bytes[..position], &bytes[position + 1..]].concat());
            refuse([&bytes[..position], &bytes[position..=position], &bytes[position..]].concat());
            refuse([&bytes[..position], &b"="[..], &bytes[position..]].concat());
            refuse([&bytes[..position], &b"."[..], &bytes[position..]].concat());
        }
        assert!(tried > 2_000, "{tried}");
    }
}

/// RFC 7515 appendices A.1 and A.3, RFC 8037 appendix A.4, and a token that OpenSSL 3 signed.
#[test]
fn tokens_that_others_made_verify() {
    let a1 = jwk(&json!({
        "kty": "oct",
        "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    }));
    let a3 = jwk(&json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }));
    let ed25519 =
        jwk(&json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}));
    let openssl = jwk(&json!({
        "kty": "EC", "crv": "P-384",
        "x": "pnTNKxdGwefY97IaDoBH6DgUaBAkoUUK6Wd4UKbK7lr-zzM6y--oUCdH27t8xQqO",
        "y": "CnzH9Ga34aiK3gArdGUBGJk0UeYuweb2ZOiOLLpuB2j2ylaMTWsbHwWCdQdo9hPX",
    }));
    let payload =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    for (keys, token) in [
        (a1, format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{payload}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")),
        (
            a3,
            format!(
                "eyJhbGciOiJFUzI1NiJ9.{payload}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqP\
                 P3-Kg6NU1Q"
            ),
        ),
        (
            ed25519,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR\
             4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
                .to_owned(),
        ),
        (
            openssl,
            "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJvcGVuc3NsIiwic3ViIjoiYWxpY2UiLCJleHAiOjE3MDAwMDAzMDB9.ZCc0OIJVY\
             V2g6DnzSfeRgQFArxnBkomiHObkt8WPBsEljR_nE1sz-Wiu2xK3R4dH_uEb6uv-S4bzeSGIeLgVaUSxHF-gy7vThWzIrUFxj5dyvLFTDEJ3Vy0v3C\
             _RME3r"
                .to_owned(),
        ),
    ] {
        assert_eq!(code(&token, &keys), "accepted", "{token}");
    }
}

/// A header that was seen is not read again, and another one is, be it different by one byte.
#[test]
fn a_header_that_a_key_has_seen_says_what_it_said() {
    let keys = secret(SECRET);
    let signer = Signs::secret();
    let token = |header: Value| signer.token(&header, &claims());
    let read = |token: &str| {
        let unverified = super::Unverified::read(token.as_bytes(), Some(&keys)).unwrap();
        let header = unverified.header;
        (matches!(header, std::borrow::Cow::Borrowed(_)), header.alg.clone(), header.typ.clone())
    };
    let (first, second) =
        (token(json!({"alg": "HS256", "typ": "JWT"})), token(json!({"alg": "HS256", "typ": "at+jwt"})));
    let said = |known, typ: &str| (known, "HS256".to_owned(), Some(typ.to_owned()));
    assert_eq!(read(&first), said(false, "JWT"));
    let (signed, signature) = first.rsplit_once('.').unwrap();
    let forged =
        format!("{signed}.{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
    assert_ne!(code(&forged, &keys), "accepted");
    assert_eq!(read(&first), said(false, "JWT"), "a token that does not verify leaves no trace");
    assert_eq!(code(&first, &keys), "accepted");
    assert_eq!((read(&first), read(&second)), (said(true, "JWT"), said(false, "at+jwt")));
    assert_eq!(code(&second, &keys), "accepted");
    assert_eq!((read(&first), read(&second)), (said(true, "JWT"), said(false, "at+jwt")));
    assert_eq!(code(&forged, &keys), code(&forged, &secret(SECRET)));
    let none = first.replacen(
        &encode(r#"{"alg":"HS256","typ":"JWT"}"#),
        &encode(r#"{"alg":"none","typ":"JWT"}"#),
        1,
    );
    assert_eq!(code(&none, &keys), "unsupported-algorithm");
}

#[test]
fn the_number_of_segments_is_told() {
    for (token, text) in [
        ("", "fewer than three"),
        ("a", "fewer than three"),
        ("a.b", "fewer than three"),
        ("a.b.c.d", "more than three"),
        ("a.b.c.d.e", "five segments"),
        ("a.b.c.d.e.f", "more than three"),
    ] {
        let refusal = Compact::split(token.as_bytes()).map(|_| ()).unwrap_err();
        assert!(refusal.text().contains(text), "{token}: {refusal}");
    }
}
