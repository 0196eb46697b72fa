//! Private keys in all their containers, accepted and refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use common::{KEY_PASSWORD, path, read};
use portcullis_keys::{KeyAlgorithm, KeyErrorKind, KeyFile, KeyWarning, PrivateKey, PublicKey};

fn key(name: &str) -> PrivateKey {
    PrivateKey::from_file(path(name), None).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(name: &str, password: Option<&str>) -> KeyErrorKind {
    match PrivateKey::from_file(path(name), password) {
        Ok(key) => panic!("{name} was accepted: {key:?}"),
        Err(error) => {
            assert_eq!(error.path(), Some(path(name).as_path()));
            error.kind().clone()
        }
    }
}

#[test]
fn an_rsa_key_is_the_same_from_every_container() {
    let expected = read("keys/rsa.pkcs8.der");
    for name in [
        "keys/rsa.pkcs8.pem",
        "keys/rsa.pkcs8.der",
        "keys/rsa.pkcs1.pem",
        "keys/rsa.pkcs1.der",
        "keys/rsa.crlf.pem",
        "certs/certificate-and-key.pem",
    ] {
        let key = key(name);
        assert_eq!(key.pkcs8_der(), expected, "{name}");
        assert_eq!(key.algorithm(), &KeyAlgorithm::Rsa { bits: 2048 }, "{name}");
        assert_eq!(key.spki_der(), read("keys/rsa.public.der"), "{name}");
    }
}

#[test]
fn an_ec_key_is_read_from_every_container() {
    let public = PublicKey::from_file(path("keys/p256.public.pem")).unwrap();
    for name in ["keys/p256.pkcs8.pem", "keys/p256.pkcs8.der", "keys/p256.sec1.pem", "keys/p256.sec1.der"] {
        assert_eq!(key(name).spki_der(), public.spki_der(), "{name}");
        assert_eq!(key(name).algorithm(), &KeyAlgorithm::EcP256, "{name}");
    }
    assert_eq!(key("keys/p256.ec-parameters-first.pem").algorithm(), &KeyAlgorithm::EcP256);
    for (name, algorithm) in [
        ("keys/p384.pkcs8.pem", KeyAlgorithm::EcP384),
        ("keys/p384.sec1.pem", KeyAlgorithm::EcP384),
        ("keys/p521.pkcs8.pem", KeyAlgorithm::EcP521),
        ("keys/p521.sec1.pem", KeyAlgorithm::EcP521),
        ("keys/ed25519.pkcs8.pem", KeyAlgorithm::Ed25519),
    ] {
        assert_eq!(key(name).algorithm(), &algorithm, "{name}");
    }
}

#[test]
fn what_is_read_can_sign() {
    use aws_lc_rs::signature::KeyPair as _;

    let rsa = RsaKeyPair::from_pkcs8(key("keys/rsa.pkcs1.pem").pkcs8_der()).unwrap();
    let mut signature = vec![0; rsa.public_modulus_len()];
    rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), b"text", &mut signature).unwrap();
    let public = aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256,
        rsa.public_key(),
    );
    assert!(public.verify(b"text", &signature).is_ok());
    for name in ["keys/p256.sec1.pem", "keys/p256.pkcs8.der"] {
        let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key(name).pkcs8_der()).unwrap();
        assert_eq!(ec.sign(&SystemRandom::new(), b"text").unwrap().as_ref().len(), 64);
    }
    let ed = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key("keys/ed25519.pkcs8.pem").pkcs8_der()).unwrap();
    assert_eq!(ed.sign(b"text").as_ref().len(), 64);
}

const ENCRYPTED_RSA: [&str; 22] = [
    "keys/encrypted.pbes2-default.pem",
    "keys/encrypted.pbes2-default.der",
    "keys/encrypted.pbes2-hmac-sha1.pem",
    "keys/encrypted.pbes2-hmac-sha224.pem",
    "keys/encrypted.pbes2-hmac-sha256.pem",
    "keys/encrypted.pbes2-hmac-sha384.pem",
    "keys/encrypted.pbes2-hmac-sha512.pem",
    "keys/encrypted.pbes2-aes-128-cbc.pem",
    "keys/encrypted.pbes2-aes-192-cbc.pem",
    "keys/encrypted.pbes2-aes-256-cbc.pem",
    "keys/encrypted.pbes2-des3.pem",
    "keys/encrypted.scrypt.pem",
    "keys/encrypted.pbe-sha1-3des.pem",
    "keys/encrypted.pbe-sha1-2des.pem",
    "keys/encrypted.pbe-sha1-rc2-40.pem",
    "keys/encrypted.pbe-sha1-rc2-128.pem",
    "keys/proc-type.des3.pem",
    "keys/proc-type.aes128.pem",
    "keys/proc-type.aes192.pem",
    "keys/proc-type.aes256.pem",
    "keys/encrypted.p256.pem",
    "keys/proc-type.ec.pem",
];

fn is_ec(name: &str) -> bool {
    name.contains("p256") || name.contains(".ec.")
}

#[test]
fn an_encrypted_key_opens_with_its_password() {
    let rsa = read("keys/rsa.pkcs8.der");
    let ec = PublicKey::from_file(path("keys/p256.public.pem")).unwrap();
    for name in ENCRYPTED_RSA {
        let key =
            PrivateKey::from_file(path(name), Some(KEY_PASSWORD)).unwrap_or_else(|error| panic!("{error}"));
        if is_ec(name) {
            assert_eq!(key.spki_der(), ec.spki_der(), "{name}");
        } else {
            assert_eq!(key.pkcs8_der(), rsa, "{name}");
        }
    }
    let key = PrivateKey::from_file(path("keys/encrypted.ed25519.pem"), Some(KEY_PASSWORD)).unwrap();
    assert_eq!(key.algorithm(), &KeyAlgorithm::Ed25519);
}

#[test]
fn an_encrypted_key_does_not_open_with_another_password_or_without() {
    for name in ENCRYPTED_RSA {
        assert_eq!(refusal(name, None), KeyErrorKind::Encrypted, "{name}");
        assert_eq!(refusal(name, Some("")), KeyErrorKind::WrongPassword, "{name}");
        // Of some 256 wrong passwords one has right padding by chance.
        for number in 0..if name.contains("proc-type") { 600 } else { 3 } {
            assert_eq!(
                refusal(name, Some(&format!("wrong {number}"))),
                KeyErrorKind::WrongPassword,
                "{name}"
            );
        }
    }
}

#[test]
fn the_encrypted_key_of_ballerina_opens() {
    let encrypted = PrivateKey::from_file(path("ballerina/encryptedPrivate.key"), Some("ballerina")).unwrap();
    assert_eq!(encrypted.pkcs8_der(), key("ballerina/private.key").pkcs8_der());
}

#[test]
fn a_password_for_a_key_that_is_not_encrypted_is_ignored() {
    assert!(PrivateKey::from_file(path("keys/rsa.pkcs8.pem"), Some("anything")).is_ok());
}

#[test]
fn encryptions_that_are_not_read_are_named() {
    for (name, algorithm) in [
        ("keys/encrypted.pbe-md5-des.pem", "pbeWithMD5AndDES-CBC"),
        ("keys/encrypted.pbe-sha1-rc4-128.pem", "pbeWithSHA1And128BitRC4"),
        ("keys/proc-type.des.pem", "DES-CBC"),
    ] {
        assert_eq!(
            refusal(name, Some(KEY_PASSWORD)),
            KeyErrorKind::UnsupportedEncryption(algorithm.to_owned())
        );
    }
}

#[test]
fn keys_that_are_not_used_are_named() {
    for (name, what) in [
        ("keys/rsa1024.pkcs8.pem", "RSA of 1024 bits"),
        ("keys/secp256k1.pkcs8.pem", "EC on the curve secp256k1"),
        ("keys/ed448.pkcs8.pem", "a key of the algorithm Ed448"),
        ("keys/p256.explicit-parameters.pem", "an EC key with explicit curve parameters"),
    ] {
        assert_eq!(refusal(name, None), KeyErrorKind::UnsupportedKey(what.to_owned()), "{name}");
    }
    let KeyErrorKind::UnsupportedKey(what) = refusal("keys/openssh.pem", None) else { panic!() };
    assert!(what.contains("ssh-keygen -p -m PKCS8"), "{what}");
}

#[test]
fn a_file_must_hold_exactly_one_private_key() {
    assert_eq!(refusal("keys/two-keys.pem", None), KeyErrorKind::SeveralPrivateKeys(2));
    let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
    assert_eq!(
        refusal("certs/chain.pem", None),
        KeyErrorKind::NoPrivateKey(labels(&["CERTIFICATE", "CERTIFICATE"]))
    );
    assert_eq!(refusal("certs/server.der", None), KeyErrorKind::NoPrivateKey(labels(&["CERTIFICATE"])));
    assert_eq!(refusal("keys/rsa.public.der", None), KeyErrorKind::NoPrivateKey(labels(&["PUBLIC KEY"])));
    assert_eq!(refusal("keys/rsa.public.pem", None), KeyErrorKind::NoPrivateKey(labels(&["PUBLIC KEY"])));
}

#[test]
fn a_key_store_is_no_key_file() {
    assert_eq!(refusal("stores/java.key.p12", None), KeyErrorKind::Pkcs12);
    assert_eq!(refusal("stores/java.jks", None), KeyErrorKind::Jks);
    assert_eq!(refusal("stores/java.jceks", None), KeyErrorKind::Jks);
}

#[test]
fn what_is_neither_pem_nor_der_is_named() {
    let kind = |bytes: &[u8]| PrivateKey::from_bytes(bytes, None).unwrap_err().kind().clone();
    assert_eq!(kind(b""), KeyErrorKind::Empty);
    assert_eq!(kind(b" \r\n"), KeyErrorKind::Empty);
    assert_eq!(kind(b"hello"), KeyErrorKind::Unrecognized);
    assert_eq!(kind(b"  {\"kty\": \"EC\"}"), KeyErrorKind::Json);
    assert_eq!(kind(b"\xef\xbb\xbf{}"), KeyErrorKind::Json);
    let utf16: Vec<u8> = "\u{feff}-----BEGIN".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(kind(&utf16), KeyErrorKind::Utf16);
}

#[test]
fn damaged_pem_is_located() {
    let text = String::from_utf8(read("keys/rsa.pkcs8.pem")).unwrap();
    let kind = |text: &str| PrivateKey::from_bytes(text.as_bytes(), None).unwrap_err().kind().clone();
    let cut = text.replace("-----END PRIVATE KEY-----\n", "");
    assert_eq!(kind(&format!("one\ntwo\n{cut}")), KeyErrorKind::DamagedPem { line: 3 });
    assert_eq!(kind(&text.replacen("MII", "M!I", 1)), KeyErrorKind::DamagedPem { line: 1 });
    assert_eq!(kind(&text.replace("END PRIVATE", "END RSA PRIVATE")), KeyErrorKind::DamagedPem { line: 1 });
    // On one line, the key must not be taken for a label, which errors show.
    assert_eq!(kind(&text.replace('\n', " ")), KeyErrorKind::DamagedPem { line: 1 });
    assert_eq!(kind(&text.replace('\n', "")), KeyErrorKind::DamagedPem { line: 1 });
    let legacy = String::from_utf8(read("keys/proc-type.aes128.pem")).unwrap();
    let without = legacy.replace("DEK-Info", "Other");
    let error = PrivateKey::from_bytes(without.as_bytes(), Some("x")).unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::Malformed("it has no DEK-Info header"));
    for dek in ["AES-128-CBC", "AES-128-CBC,", "AES-128-CBC,zz", "AES-128-CBC,0011", "AES-128-CBC,+1"] {
        let lines = legacy.lines().map(|line| match line.starts_with("DEK-Info") {
            true => format!("DEK-Info: {dek}\n"),
            false => format!("{line}\n"),
        });
        let error = PrivateKey::from_bytes(lines.collect::<String>().as_bytes(), Some("x")).unwrap_err();
        assert!(matches!(error.kind(), KeyErrorKind::Malformed(_)), "{dek}: {error}");
    }
}

#[test]
fn text_and_a_byte_order_mark_around_the_block_are_ignored() {
    let text = String::from_utf8(read("keys/rsa.pkcs8.pem")).unwrap();
    for text in [format!("\u{feff}{text}"), format!("Bag Attributes\n    friendlyName: x\n{text}more\n")] {
        assert!(PrivateKey::from_bytes(text.as_bytes(), None).is_ok());
    }
}

#[test]
fn a_key_whose_numbers_do_not_fit_together_is_refused() {
    let mut der = read("keys/rsa.pkcs8.der");
    let middle = der.len() / 2;
    der[middle] ^= 1;
    let error = PrivateKey::from_bytes(&der, None).unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::Malformed("the numbers of the private key do not fit together"));
}

#[test]
fn debug_shows_no_key() {
    let shown =
        format!("{:?} {:?}", key("keys/p256.pkcs8.pem"), KeyFile::read(path("keys/p256.pkcs8.pem")).unwrap());
    let name = path("keys/p256.pkcs8.pem");
    assert_eq!(shown, format!("PrivateKey {{ algorithm: EcP256, .. }} KeyFile {{ path: {name:?}, .. }}"));
}

#[cfg(unix)]
#[test]
fn a_key_that_every_user_may_read_warns() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("private.key");
    std::fs::write(&file, read("keys/p256.pkcs8.pem")).unwrap();
    for (mode, warning) in [
        (0o600, None),
        (0o640, None),
        (0o644, Some(KeyWarning::ReadableByOthers(file.clone()))),
        (0o604, Some(KeyWarning::ReadableByOthers(file.clone()))),
    ] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(PrivateKey::from_file(&file, None).unwrap().warning(), warning, "{mode:o}");
    }
}
