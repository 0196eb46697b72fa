//! Certificates, and public keys of and without them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::time::Duration;

use common::{path, read};
use portcullis_keys::{
    Certificate, Identity, KeyAlgorithm, KeyErrorKind, KeyFile, KeyWarning, PrivateKey, PublicKey,
    parse_certificates, read_certificates,
};

fn labels(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|label| (*label).to_owned()).collect()
}

fn no_certificate(name: &str) -> KeyErrorKind {
    read_certificates(path(name)).unwrap_err().kind().clone()
}

fn no_public_key(name: &str) -> KeyErrorKind {
    PublicKey::from_file(path(name)).unwrap_err().kind().clone()
}

#[test]
fn certificates_are_read_from_pem_and_der() {
    let der = read_certificates(path("certs/server.der")).unwrap();
    let pem = read_certificates(path("certs/server.pem")).unwrap();
    let chain = read_certificates(path("certs/chain.pem")).unwrap();
    let with_key = read_certificates(path("certs/certificate-and-key.pem")).unwrap();
    assert_eq!(der, pem);
    assert_eq!(der, with_key);
    assert_eq!(chain.iter().map(Certificate::subject).collect::<Vec<_>>(), ["CN=localhost", "CN=Test CA"]);
    assert_eq!(chain[0], der[0]);
    assert_eq!(der[0].der(), read("certs/server.der"));
    assert_eq!(der[0].spki_der(), read("keys/rsa.public.der"));
    assert_eq!(der[0].algorithm(), &KeyAlgorithm::Rsa { bits: 2048 });
    let crlf: Vec<u8> = read("certs/chain.pem")
        .iter()
        .flat_map(|b| if *b == b'\n' { vec![13, 10] } else { vec![*b] })
        .collect();
    assert_eq!(parse_certificates(&crlf).unwrap(), chain);
    let longer_label = String::from_utf8(read("certs/server.pem")).unwrap().replace(" CERT", " X509 CERT");
    assert_eq!(parse_certificates(longer_label.as_bytes()).unwrap(), der);
}

#[test]
fn files_without_a_certificate_are_named() {
    assert_eq!(no_certificate("keys/rsa.pkcs8.pem"), KeyErrorKind::NoCertificate(labels(&["PRIVATE KEY"])));
    assert_eq!(no_certificate("certs/chain.p7b"), KeyErrorKind::NoCertificate(labels(&["PKCS7"])));
    assert_eq!(no_certificate("keys/rsa.pkcs8.der"), KeyErrorKind::NoCertificate(labels(&["PRIVATE KEY"])));
    assert_eq!(no_certificate("keys/rsa.public.der"), KeyErrorKind::NoCertificate(labels(&["PUBLIC KEY"])));
    assert_eq!(
        no_certificate("keys/encrypted.pbes2-default.der"),
        KeyErrorKind::NoCertificate(labels(&["ENCRYPTED PRIVATE KEY"]))
    );
    assert_eq!(no_certificate("stores/java.trust.p12"), KeyErrorKind::Pkcs12);
    assert_eq!(no_certificate("stores/java.jks"), KeyErrorKind::Jks);
    let missing = read_certificates(path("certs/none.pem")).unwrap_err();
    assert_eq!(missing.kind(), &KeyErrorKind::Unreadable(std::io::ErrorKind::NotFound));
    assert_eq!(missing.path(), Some(path("certs/none.pem").as_path()));
}

#[test]
fn a_damaged_certificate_is_refused() {
    let der = read("certs/server.der");
    for bytes in [&der[..der.len() - 1], &[der.as_slice(), b"x"].concat()] {
        assert!(Certificate::from_der(bytes).is_err());
        assert!(parse_certificates(bytes).is_err());
    }
}

#[test]
fn validity_includes_its_first_and_last_second() {
    let certificate = &read_certificates(path("ballerina/wso2Public.crt")).unwrap()[0];
    // Jan 26 09:32:58 2022 and Apr 30 09:32:58 2024, says openssl.
    assert_eq!((certificate.not_before(), certificate.not_after()), (1_643_189_578, 1_714_469_578));
    let valid = |now: u64| {
        let key = PublicKey::from(certificate);
        assert_eq!(
            key.is_valid_at(Duration::from_secs(now)),
            certificate.is_valid_at(Duration::from_secs(now))
        );
        key.is_valid_at(Duration::from_secs(now))
    };
    assert!(!valid(0));
    assert!(!valid(1_643_189_577));
    assert!(valid(1_643_189_578));
    assert!(valid(1_714_469_578));
    assert!(!valid(1_714_469_579));
    assert!(!valid(u64::MAX));
    assert!(certificate.is_valid_at(Duration::new(1_714_469_578, 999_999_999)));
}

#[test]
fn a_public_key_is_the_same_from_certificate_and_key_file() {
    let expected = read("keys/rsa.public.der");
    for name in ["keys/rsa.public.pem", "keys/rsa.public.der", "keys/rsa.public.pkcs1.pem"] {
        let key = PublicKey::from_file(path(name)).unwrap();
        assert_eq!(key.spki_der(), expected, "{name}");
        assert_eq!(key.validity(), None, "{name}");
        assert!(key.is_valid_at(Duration::MAX), "{name}");
    }
    for name in ["certs/server.pem", "certs/server.der", "certs/chain.pem", "certs/certificate-and-key.pem"] {
        let key = PublicKey::from_file(path(name)).unwrap();
        assert_eq!(key.spki_der(), expected, "{name}");
        assert!(key.validity().is_some(), "{name}");
        assert_eq!(key.algorithm(), &KeyAlgorithm::Rsa { bits: 2048 }, "{name}");
    }
    for (name, algorithm) in [
        ("keys/p256.public.pem", KeyAlgorithm::EcP256),
        ("keys/ed25519.public.pem", KeyAlgorithm::Ed25519),
        ("ballerina/public.crt", KeyAlgorithm::Rsa { bits: 2048 }),
        ("ballerina/invalidPublic.crt", KeyAlgorithm::Rsa { bits: 2048 }),
    ] {
        assert_eq!(PublicKey::from_file(path(name)).unwrap().algorithm(), &algorithm, "{name}");
    }
}

#[test]
fn pkcs1_in_der_is_a_public_key_too() {
    let text = String::from_utf8(read("keys/rsa.public.pkcs1.pem")).unwrap();
    let base64: String = text.lines().filter(|line| !line.starts_with("---")).collect();
    let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, base64).unwrap();
    assert_eq!(PublicKey::from_bytes(&der).unwrap().spki_der(), read("keys/rsa.public.der"));
}

#[test]
fn files_without_a_public_key_are_named() {
    assert_eq!(no_public_key("keys/rsa.pkcs8.pem"), KeyErrorKind::NoPublicKey(labels(&["PRIVATE KEY"])));
    assert_eq!(no_public_key("keys/rsa.pkcs8.der"), KeyErrorKind::NoPublicKey(labels(&["PRIVATE KEY"])));
    assert_eq!(no_public_key("keys/rsa.pkcs1.der"), KeyErrorKind::NoPublicKey(labels(&["PRIVATE KEY"])));
    assert_eq!(no_public_key("stores/java.trust.p12"), KeyErrorKind::Pkcs12);
    assert_eq!(no_public_key("stores/java.jks"), KeyErrorKind::Jks);
    let twice = [read("keys/rsa.public.pem"), read("keys/p256.public.pem")].concat();
    assert_eq!(PublicKey::from_bytes(&twice).unwrap_err().kind(), &KeyErrorKind::SeveralPublicKeys(2));
}

#[test]
fn json_is_told_from_keys() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwk.json");
    std::fs::write(&file, "\n { \"kty\": \"OKP\" }").unwrap();
    let jwk = KeyFile::read(&file).unwrap();
    assert!(jwk.is_json());
    assert_eq!(PublicKey::from_key_file(&jwk).unwrap_err().kind(), &KeyErrorKind::Json);
    assert!(!KeyFile::read(path("keys/rsa.public.pem")).unwrap().is_json());
    assert!(!KeyFile::read(path("keys/rsa.public.der")).unwrap().is_json());
}

#[test]
fn an_identity_joins_a_key_and_its_certificate_only() {
    let identity = Identity::from_files(path("certs/chain.pem"), path("keys/rsa.pkcs1.pem"), None).unwrap();
    assert_eq!(
        identity.chain().map(Certificate::subject).collect::<Vec<_>>(),
        ["CN=localhost", "CN=Test CA"]
    );
    assert_eq!(identity.certificate().spki_der(), identity.key().spki_der());
    let both = path("certs/certificate-and-key.pem");
    assert!(Identity::from_files(&both, &both, None).is_ok());

    let error = Identity::from_files(path("certs/chain.pem"), path("keys/p256.pkcs8.pem"), None).unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::KeyMismatch);
    assert_eq!(error.path(), Some(path("certs/chain.pem").as_path()));
    let key = PrivateKey::from_file(path("keys/rsa.pkcs8.pem"), None).unwrap();
    assert_eq!(Identity::new(key, Vec::new()).unwrap_err().kind(), &KeyErrorKind::NoCertificate(Vec::new()));
}

#[test]
fn an_identity_warns_of_certificates_outside_their_validity() {
    let identity =
        Identity::from_files(path("ballerina/public.crt"), path("ballerina/private.key"), None).unwrap();
    let kinds = |now: i64| -> Vec<KeyWarning> {
        let all = identity.warnings(Duration::from_secs(now.unsigned_abs()));
        all.into_iter().filter(|warning| !matches!(warning, KeyWarning::ReadableByOthers(_))).collect()
    };
    let (first, last) = (identity.certificate().not_before(), identity.certificate().not_after());
    let subject = identity.certificate().subject().to_owned();
    assert_eq!(kinds(first), []);
    assert_eq!(kinds(last), []);
    assert_eq!(kinds(first - 1), [KeyWarning::NotYetValid(subject.clone(), first)]);
    assert_eq!(kinds(last + 1), [KeyWarning::Expired(subject.clone(), last)]);
    let texts: Vec<String> =
        [kinds(first - 1), kinds(last + 1)].concat().iter().map(ToString::to_string).collect();
    assert!(texts[0].contains("2017-10-24T05:47:58Z") && texts[0].contains(&subject), "{texts:?}");
    assert!(texts[1].contains("2037-10-19T05:47:58Z") && texts[1].contains("renew"), "{texts:?}");
    let file = KeyWarning::ReadableByOthers("private.key".into()).to_string();
    assert!(file.contains("private.key") && file.contains("chmod"), "{file}");
}
