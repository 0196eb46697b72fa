//! What a token looks like before anything in it is believed.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    encoding::{AsDer as _, PublicKeyX509Der},
    rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey, PublicKey},
    signature::KeyPair as _,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use portcullis_tests::{Program, temp_dir, write};
use serde_json::json;

use crate::{
    Line,
    support::Door,
    support_tokens::{Signer, certificate, claims, encode, pem, validator, with},
};

const TESTS: &str = "crates/providers/jwt/src/jws/tests.rs";

#[tokio::test]
async fn line_01_a_token_without_a_signature_is_nobodys_however_it_spells_that() {
    let mut line = Line::new(1, "Tokens that say they need no signature, and tokens of another shape");
    let key = Signer::p256();
    let door = Door::open(&validator("key.jwk", ""), &[("key.jwk", key.jwk().to_string().as_bytes())]).await;
    let payload = encode(claims().to_string());
    let unsigned = |header: &str| format!("{}.{payload}.", encode(header));
    let good = key.good();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let mut rows = vec![("a good token".to_owned(), good.clone(), "200")];
    for alg in [
        r#""none""#,
        r#""None""#,
        r#""NONE""#,
        r#""nOnE""#,
        r#""none ""#,
        r#""""#,
        "null",
        "0",
        r#"["none"]"#,
        r#"["ES256"]"#,
        "{}",
    ] {
        let header = format!(r#"{{"alg":{alg}}}"#);
        rows.push((format!("`alg` {alg}, no signature"), unsigned(&header), "401 unsupported-algorithm"));
        rows.push((
            format!("`alg` {alg}, signed"),
            key.text(&header, claims().to_string()),
            "401 unsupported-algorithm",
        ));
    }
    let more = [
        ("no `alg`", unsigned("{}"), "401 unsupported-algorithm"),
        ("no `alg`, signed", key.text("{}", claims().to_string()), "401 unsupported-algorithm"),
        (
            "`alg` twice, the second one none",
            key.text(r#"{"alg":"ES256","alg":"none"}"#, claims().to_string()),
            "401 duplicate-member",
        ),
        ("two segments", signed.to_owned(), "401 malformed-token"),
        ("four segments", format!("{good}.{signature}"), "401 malformed-token"),
        ("a dot behind it", format!("{good}."), "401 malformed-token"),
        ("a dot before it", format!(".{good}"), "401 malformed-token"),
        ("an empty signature", format!("{signed}."), "401 bad-signature"),
        ("an empty header", format!(".{payload}.{signature}"), "401 malformed-token"),
        (
            "an empty payload",
            good.split('.')
                .enumerate()
                .map(|(at, part)| if at == 1 { "" } else { part })
                .collect::<Vec<_>>()
                .join("."),
            "401 bad-signature",
        ),
        ("one segment", signature.to_owned(), "401 malformed-token"),
        ("three empty segments", "..".to_owned(), "401 malformed-token"),
    ];
    rows.extend(more.map(|(what, token, expected)| (what.to_owned(), token, expected)));
    door.rows(&mut line, rows).await;
    line.shown_by(
        "every spelling of none, for keys of every kind",
        &format!("{TESTS}::none_is_refused_in_every_spelling_with_and_without_a_signature"),
    );
    line.settle();
}

#[tokio::test]
async fn line_02_a_public_key_is_no_secret_in_any_of_its_forms() {
    let mut line = Line::new(2, "HMAC by a key that everybody knows");
    let (rsa, ec) = (Signer::rsa(), Signer::p256());
    let Signer::Rsa(pair) = &rsa else { unreachable!() };
    let Signer::P256(ec_pair) = &ec else { unreachable!() };
    let pkcs1 = pair.public_key().as_ref().to_vec();
    let spki = PublicKey::from_der(&pkcs1).unwrap();
    let spki = x509(&spki.as_der().unwrap());
    let crt = certificate();
    let crt_text = String::from_utf8(crt.clone()).unwrap();
    let crt_base64: String = crt_text.lines().filter(|line| !line.starts_with('-')).collect();
    let ec_spki = x509(&ec_pair.public_key().as_der().unwrap());
    let jwk = ec.jwk().to_string();

    let of_rsa: Vec<(&str, Vec<u8>)> = vec![
        ("the certificate as PEM", crt.clone()),
        ("the certificate as PEM, without its last line end", crt.trim_ascii_end().to_vec()),
        ("the certificate as DER", STANDARD.decode(&crt_base64).unwrap()),
        ("the certificate as `x5c` writes it", crt_base64.into_bytes()),
        ("SPKI as PEM", pem("PUBLIC KEY", &spki).into_bytes()),
        ("SPKI as PEM, without its last line end", pem("PUBLIC KEY", &spki).trim_end().into()),
        ("SPKI as DER", spki),
        ("PKCS#1 as PEM", pem("RSA PUBLIC KEY", &pkcs1).into_bytes()),
        ("PKCS#1 as PEM, without its last line end", pem("RSA PUBLIC KEY", &pkcs1).trim_end().into()),
        ("PKCS#1 as DER", pkcs1),
        ("the JWK", rsa.jwk().to_string().into_bytes()),
        ("the modulus", encode_modulus(&rsa)),
        ("nothing", Vec::new()),
        ("the name of the file", b"public.crt".to_vec()),
    ];
    let of_ec: Vec<(&str, Vec<u8>)> = vec![
        ("SPKI as PEM", pem("PUBLIC KEY", &ec_spki).into_bytes()),
        ("SPKI as PEM, without its last line end", pem("PUBLIC KEY", &ec_spki).trim_end().into()),
        ("SPKI as DER", ec_spki),
        ("the point", ec_pair.public_key().as_ref().to_vec()),
        ("the JWK as it stands in the file", jwk.clone().into_bytes()),
        ("the JWK with a line end", format!("{jwk}\n").into_bytes()),
    ];
    for (kind, file, content, own, forms) in
        [("RSA", "public.crt", crt, &rsa, of_rsa), ("EC", "public.jwk", jwk.into_bytes(), &ec, of_ec)]
    {
        let door = Door::open(&validator(file, ""), &[(file, &content)]).await;
        let mut rows = vec![(format!("{kind}: signed by the private key"), own.good(), "200")];
        for (form, secret) in forms {
            for alg in ["HS256", "HS384", "HS512"] {
                let token = Signer::secret(secret.clone()).token(&json!({"alg": alg}), &claims());
                // The hash is SHA-256 for all: what refuses is the name, before any key is tried.
                let expected = "401 unsupported-algorithm";
                if alg == "HS256" {
                    rows.push((format!("{kind}: {alg} by {form}"), token, expected));
                } else {
                    assert_eq!(door.knock(token).await.to_string(), expected, "{kind} {form} {alg}");
                }
            }
        }
        door.rows(&mut line, rows).await;
    }
    line.shown_by("each form, each HMAC", &format!("{TESTS}::no_form_of_a_public_key_is_a_secret"));
    line.settle();
}

fn x509(der: &PublicKeyX509Der<'_>) -> Vec<u8> {
    der.as_ref().to_vec()
}

fn encode_modulus(rsa: &Signer) -> Vec<u8> {
    rsa.jwk()["n"].as_str().unwrap().as_bytes().to_vec()
}

#[test]
fn line_03_an_empty_or_short_secret_is_a_mistake_of_the_configuration() {
    let mut line = Line::new(3, "Secrets that are none");
    let folder = temp_dir();
    write(&folder, "empty", "");
    write(&folder, "newline", "\n");
    write(&folder, "good", format!("{}\n", "s".repeat(64)));
    let checked = |secret: &str, value: &str| {
        let config = format!(
            "[services.\"/foo\"]\nrespond = \"x\"\nauth = [{{ scopes = \"hello\", jwtValidatorConfig = {{ issuer = \"i\", {} signatureConfig = {{ secret = {secret} }} }} }}]\n",
            "audience = \"a\","
        );
        let file = write(&folder, "Config.toml", config);
        Program::new("portcullis").arg("check").arg(file).env("THE_SECRET", value).run()
    };
    for (what, secret, value, expected) in [
        ("64 bytes", "\"ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss\"", "", None),
        ("64 bytes of a file", "{ file = \"good\" }", "", None),
        ("64 bytes of the environment", "{ env = \"THE_SECRET\" }", &"s".repeat(64)[..], None),
        ("empty", "\"\"", "", Some("empty")),
        ("three blanks", "\"   \"", "", Some("too short")),
        ("31 bytes", "\"sssssssssssssssssssssssssssssss\"", "", Some("too short")),
        ("empty in the environment", "{ env = \"THE_SECRET\" }", "", Some("empty")),
        ("not in the environment", "{ env = \"ANOTHER_SECRET_THAT_IS_NOT_THERE\" }", "", Some("not set")),
        ("of an empty file", "{ file = \"empty\" }", "", Some("empty")),
        ("of a file of one line end", "{ file = \"newline\" }", "", Some("empty")),
    ] {
        let finished = checked(secret, value);
        let text = format!("{}{}", finished.stdout, finished.stderr);
        match expected {
            None => assert_eq!(finished.code, Some(0), "{what}: {text}"),
            Some(word) => {
                assert_eq!(finished.code, Some(1), "{what}: {text}");
                assert!(text.contains(word), "{what}: {text}");
                assert!(text.contains("signatureConfig.secret"), "{what}: {text}");
            }
        }
        let word = expected.map_or_else(|| "is taken".to_owned(), |word| format!("exit code 1: {word:?}"));
        line.came(format!("a secret that is {what}").replace("is of", "comes of"), word);
    }
    line.shown_by(
        "secrets shorter than their hash, per algorithm",
        "crates/providers/jwt/src/jws/wycheproof.rs::keys_are_refused_for_what_is_wrong_with_them",
    );
    line.settle();
}

#[tokio::test]
async fn line_07_what_is_encrypted_or_nested_is_refused_before_anything_is_derived() {
    let mut line = Line::new(7, "Encrypted and nested tokens");
    let key = Signer::rsa();
    let door = Door::open(&validator("public.crt", ""), &[("public.crt", &certificate())]).await;
    let jwe = |header: serde_json::Value, encrypted_key: &[u8], sealed: &[u8]| {
        let (text, tag) = sealed.split_at(sealed.len() - 16);
        [encode(header.to_string()), encode(encrypted_key), encode([7; 12]), encode(text), encode(tag)]
            .join(".")
    };
    // To our public key, and done right: whoever decrypts finds claims that would do.
    let content_key = [9; 32];
    let Signer::Rsa(pair) = &key else { unreachable!() };
    let public = PublicKey::from_der(pair.public_key().as_ref()).unwrap();
    let spki = x509(&public.as_der().unwrap());
    let to_us = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&spki).unwrap()).unwrap();
    let mut wrapped = vec![0; to_us.ciphertext_size()];
    to_us.encrypt(&OAEP_SHA1_MGF1SHA1, &content_key, &mut wrapped, None).unwrap();
    let header = json!({"alg": "RSA-OAEP", "enc": "A256GCM", "cty": "JWT"});
    let mut sealed = claims().to_string().into_bytes();
    let sealing = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &content_key).unwrap());
    let aad = Aad::from(encode(header.to_string()).into_bytes());
    sealing.seal_in_place_append_tag(Nonce::assume_unique_for_key([7; 12]), aad, &mut sealed).unwrap();

    let pbes2 =
        json!({"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2c": 2_147_483_647_u32, "p2s": "c2FsdA"});
    let good = key.good();
    door.rows(
        &mut line,
        [
            ("a signed token", good.clone(), "200"),
            ("a JWE to our public key", jwe(header, &wrapped, &sealed), "401 encrypted"),
            (
                "a JWE with the key agreed on directly",
                jwe(json!({"alg": "dir", "enc": "A256GCM"}), b"", &sealed),
                "401 encrypted",
            ),
            (
                "a JWE by a password, with 2^31-1 rounds that would take minutes",
                jwe(pbes2.clone(), &wrapped, &sealed),
                "401 encrypted",
            ),
            ("the same header in three segments", key.token(&pbes2, &claims()), "401 unsupported-algorithm"),
            (
                "a JWE whose header says ES256",
                jwe(json!({"alg": "ES256"}), &wrapped, &sealed),
                "401 encrypted",
            ),
            ("four dots", "....".to_owned(), "401 encrypted"),
            ("six segments", format!("{good}.a.b.c"), "401 malformed-token"),
            (
                "a token whose payload is a token",
                key.token(&json!({"cty": "JWT"}), &serde_json::Value::String(good.clone())),
                "401 malformed-token",
            ),
            (
                "a token whose payload is the bare text of a token",
                key.text(r#"{"alg":"RS256","cty":"JWT"}"#, &good),
                "401 malformed-token",
            ),
        ],
    )
    .await;
    line.shown_by(
        "no rounds, also where the count is any number",
        &format!("{TESTS}::encrypted_tokens_are_refused_before_any_key_is_derived"),
    );
    line.settle();
}

#[tokio::test]
async fn line_09_a_token_has_one_spelling_and_a_size() {
    let mut line = Line::new(9, "Size, and other spellings of the same token");
    let key = Signer::p256();
    let door = Door::open(&validator("key.jwk", ""), &[("key.jwk", key.jwk().to_string().as_bytes())]).await;
    let sized = |length: usize| {
        let bare = key.claims(&with("pad", "")).len();
        // Three characters of text are four of base64url.
        let mut pad = (length - bare) / 4 * 3;
        loop {
            let token = key.claims(&with("pad", "x".repeat(pad)));
            if token.len() >= length {
                return token;
            }
            pad += 1;
        }
    };
    let good = key.good();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    // 64 bytes leave four bits of the last character unused.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.find(signature.chars().last().unwrap()).unwrap();
    let trailing = format!("{signed}.{}{}", &signature[..signature.len() - 1], &alphabet[last + 1..last + 2]);
    assert_eq!(last % 16, 0, "the unused bits are zero");
    // Signed as it stands, so that nothing but the spelling is wrong with it.
    let padded_payload = key.segments(parts[0], &format!("{}=", parts[1]));
    let standard = |json: &str| STANDARD.encode(json).replace('=', "");
    let plus = claims().to_string().replace("alice", "a>>>?~");
    let plus = [plus.replace("a>>>", "aa>>>"), plus.replace("a>>>", "aaa>>>"), plus];
    let plus = plus.iter().map(|text| standard(text)).find(|text| text.contains(['+', '/'])).unwrap();
    let (limit, over) = (sized(16 * 1024), sized(16 * 1024 + 1));
    assert!(limit.len() <= 16 * 1024 + 1 && over.len() > 16 * 1024);
    let rows = [
        ("a good token, remembered from now on", good.clone(), "200"),
        ("a token of 16,000 bytes", sized(16_000), "200"),
        ("a token of more than 16 KiB", sized(16 * 1024 + 64), "401 too-long"),
        ("a token of 60,000 bytes", sized(60_000), "401 too-long"),
        ("ten thousand dots", ".".repeat(10_000), "401 malformed-token"),
        ("a million dots", ".".repeat(1_000_000), "431"),
        ("padding behind the signature", format!("{good}="), "401 malformed-token"),
        ("padding behind the payload, signed with it", padded_payload, "401 malformed-token"),
        ("other bits behind the signature, which say nothing", trailing, "401 malformed-token"),
        (
            "`+` and `/` instead of `-` and `_`, signed with them",
            key.segments(parts[0], &plus),
            "401 malformed-token",
        ),
        ("a blank within", format!("{signed}. {signature}"), "401 trailing-words"),
        ("a tab within", format!("{signed}.\t{signature}"), "401 forbidden-byte"),
        ("a blank in front of it", format!(" {good}"), "200"),
        ("another letter's case", good.replacen("eyJ", "eyj", 1), "401 malformed-token"),
        ("a percent code for a letter", format!("%65{}", &good[1..]), "401 malformed-token"),
        ("a comma behind it", format!("{good},"), "401 trailing-words"),
        ("the good token again", good.clone(), "200"),
    ];
    door.rows(&mut line, rows).await;
    drop((limit, over));
    line.shown_by(
        "one spelling and no other",
        "crates/providers/jwt/src/jws/base64url.rs::there_is_one_spelling_and_every_other_is_refused",
    );
    line.shown_by("remembered tokens are compared whole", "crates/providers/jwt/src/validate/tests/caching.rs::an_accepted_token_is_remembered_and_compared_whole");
    line.settle();
}
