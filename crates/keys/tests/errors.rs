//! What the errors say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::collections::HashSet;
use std::error::Error as _;
use std::io::ErrorKind;

use common::{KEY_PASSWORD, STORE_PASSWORD, path};
use portcullis_keys::{Identity, KeyError, KeyErrorKind, KeyStore, PrivateKey, SelfSigned};

/// One of each kind, with words that its text must have.
fn all() -> Vec<(KeyErrorKind, &'static str)> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    vec![
        (KeyErrorKind::Unreadable(ErrorKind::NotFound), "check its path"),
        (KeyErrorKind::Unreadable(ErrorKind::PermissionDenied), "right to read"),
        (KeyErrorKind::Unreadable(ErrorKind::IsADirectory), "directory"),
        (KeyErrorKind::Unreadable(ErrorKind::Other), "cannot be read"),
        (KeyErrorKind::TooLarge, "8 MiB"),
        (KeyErrorKind::Empty, "empty"),
        (KeyErrorKind::Unrecognized, "neither PEM"),
        (KeyErrorKind::Utf16, "save it as UTF-8"),
        (KeyErrorKind::Json, "JSON"),
        (KeyErrorKind::Jks, "keytool -importkeystore"),
        (KeyErrorKind::Pkcs12, "{ path, password }"),
        (KeyErrorKind::NotPkcs12, "openssl pkcs12 -export"),
        (KeyErrorKind::DamagedPem { line: 7 }, "line 7"),
        (KeyErrorKind::Malformed("the certificate cannot be parsed"), "the certificate cannot be parsed"),
        (KeyErrorKind::Encrypted, "set `keyPassword`"),
        (KeyErrorKind::WrongPassword, "password is wrong"),
        (KeyErrorKind::WrongKeyPassword("a".to_owned()), "private key \"a\": check `keyPassword`"),
        (KeyErrorKind::UnsupportedEncryption("RC4".to_owned()), "RC4"),
        (KeyErrorKind::UnsupportedKey("DSA".to_owned()), "DSA is not supported: use RSA"),
        (
            KeyErrorKind::TooExpensive { what: "the number", found: 7_000_000, limit: 5 },
            "the number is 7000000, and 5",
        ),
        (
            KeyErrorKind::NoPrivateKey(names(&["CERTIFICATE"])),
            "no private key in the file; it holds \"CERTIFICATE\"",
        ),
        (KeyErrorKind::NoPrivateKey(Vec::new()), "no private key in the file"),
        (KeyErrorKind::SeveralPrivateKeys(2), "2 private keys"),
        (
            KeyErrorKind::NoCertificate(names(&["PKCS7", "X"])),
            "no certificate in the file; it holds \"PKCS7\", \"X\"",
        ),
        (KeyErrorKind::NoPublicKey(Vec::new()), "neither a certificate nor a public key"),
        (KeyErrorKind::SeveralPublicKeys(3), "3 public keys"),
        (KeyErrorKind::KeyMismatch, "does not belong to the certificate"),
        (
            KeyErrorKind::UnknownAlias { alias: "a".to_owned(), available: names(&["b", "c"]) },
            "no alias \"a\": it has \"b\", \"c\"",
        ),
        (KeyErrorKind::UnknownAlias { alias: "a".to_owned(), available: Vec::new() }, "it has none"),
        (
            KeyErrorKind::AmbiguousAlias("a".to_owned()),
            "several entries of the key store have the alias \"a\"",
        ),
        (KeyErrorKind::NotAKeyEntry("a".to_owned()), "without a private key"),
        (KeyErrorKind::NoCertificateEntry("a".to_owned()), "has no certificate"),
        (KeyErrorKind::NoKeyEntry, "has no private key"),
        (KeyErrorKind::SeveralKeyEntries(names(&["a", "b"])), "say which by its alias; it has \"a\", \"b\""),
        (KeyErrorKind::NoTrustAnchors, "no certificate to trust"),
        (KeyErrorKind::NoSystemRoots, "ca-certificates"),
        (KeyErrorKind::Tls, "TLS configuration"),
        (KeyErrorKind::SelfSigned, "self-signed"),
    ]
}

#[test]
fn every_kind_says_something_of_its_own() {
    let mut texts = HashSet::new();
    for (kind, words) in all() {
        let text = kind.to_string();
        assert!(text.contains(words), "{text:?} lacks {words:?}");
        assert!(text.starts_with(|c: char| !c.is_uppercase()) || text.starts_with("DSA"), "{text}");
        assert!(!text.ends_with('.'), "{text}");
        assert!(texts.insert(text.clone()), "twice: {text}");
    }
}

#[test]
fn names_from_a_file_are_escaped_and_short() {
    let available = (0..100).map(|number| format!("{number}\n\u{1b}[31m{}", "x".repeat(1000))).collect();
    let text = KeyErrorKind::UnknownAlias { alias: "a\nb".to_owned(), available }.to_string();
    assert!(!text.contains('\n') && !text.contains('\u{1b}'), "{text:?}");
    assert!(text.ends_with(" and 88 more") && text.len() < 2000, "{text}");
}

fn missing() -> KeyError {
    PrivateKey::from_file("no/such.key", None).unwrap_err()
}

#[test]
fn the_text_begins_with_the_file_and_does_not_repeat_the_source() {
    let error = missing();
    assert_eq!(error.to_string(), "no/such.key: the file does not exist: check its path");
    assert_eq!(format!("{error:?}"), error.to_string());
    let source = error.source().unwrap().to_string();
    assert!(!error.to_string().contains(&source), "{source}");
    assert!(PrivateKey::from_bytes(b"x", None).unwrap_err().source().is_none());
    assert!(SelfSigned::generate(std::time::Duration::MAX).unwrap_err().source().is_some());
}

#[test]
fn the_error_names_the_file_that_is_wrong() {
    let error = Identity::from_files(path("certs/server.pem"), "no/such.key", None).unwrap_err();
    assert_eq!(error.path().unwrap().to_str(), Some("no/such.key"));
    let error = Identity::from_files("no/such.crt", path("keys/rsa.pkcs8.pem"), None).unwrap_err();
    assert_eq!(error.path().unwrap().to_str(), Some("no/such.crt"));
    assert_eq!(PrivateKey::from_bytes(b"x", None).unwrap_err().path(), None);
}

#[test]
fn no_password_is_in_an_error() {
    const CANARY: &str = "canary-3f1c";
    let errors = [
        PrivateKey::from_file(path("keys/encrypted.pbes2-default.pem"), Some(CANARY)).unwrap_err(),
        PrivateKey::from_file(path("keys/proc-type.aes128.pem"), Some(CANARY)).unwrap_err(),
        PrivateKey::from_file(path("keys/encrypted.pbe-md5-des.pem"), Some(CANARY)).unwrap_err(),
        KeyStore::open(path("stores/java.key.p12"), CANARY).unwrap_err(),
        KeyStore::open(path("stores/java.jks"), CANARY).unwrap_err(),
        KeyStore::open(path("stores/java.key.p12"), STORE_PASSWORD)
            .unwrap()
            .private_key(None, Some(CANARY))
            .unwrap_err(),
        KeyStore::open(path("stores/java.key.p12"), STORE_PASSWORD).unwrap().certificate("x").unwrap_err(),
    ];
    for error in errors {
        let mut text = format!("{error} {error:?} {:?}", error.kind());
        let mut source = error.source();
        while let Some(inner) = source {
            text.push_str(&format!(" {inner} {inner:?}"));
            source = inner.source();
        }
        for secret in [CANARY, KEY_PASSWORD, STORE_PASSWORD] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn an_error_is_an_error_that_threads_may_carry() {
    fn assert_error<T: std::error::Error + Send + Sync + 'static>() {}
    assert_error::<KeyError>();
}
