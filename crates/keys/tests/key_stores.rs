//! PKCS#12 stores of keytool and OpenSSL, opened and refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::collections::BTreeSet;

use common::{STORE_PASSWORD, der, path, read};
use p12_keystore::Pkcs12Archive;
use portcullis_keys::{
    Certificate, Identity, KeyAlgorithm, KeyErrorKind, KeyStore, TrustAnchors, read_certificates,
};

fn open(name: &str, password: &str) -> KeyStore {
    KeyStore::open(path(name), password).unwrap_or_else(|error| panic!("{error}"))
}

fn store(name: &str) -> KeyStore {
    open(name, STORE_PASSWORD)
}

fn refusal(name: &str, password: &str) -> KeyErrorKind {
    let error = KeyStore::open(path(name), password).unwrap_err();
    assert_eq!(error.path(), Some(path(name).as_path()));
    error.kind().clone()
}

fn ca() -> Certificate {
    read_certificates(path("certs/ca.pem")).unwrap().remove(0)
}

fn server() -> Certificate {
    read_certificates(path("certs/server.pem")).unwrap().remove(0)
}

/// Stores that hold the RSA key as `server`, its certificate, and the authority's.
const KEY_STORES: [&str; 10] = [
    "stores/java.key.p12",
    "stores/java.legacy.key.p12",
    "stores/openssl.default.p12",
    "stores/openssl.legacy.p12",
    "stores/openssl.nomac.p12",
    "stores/openssl.nomac-encrypted.p12",
    "stores/openssl.clear-certificates.p12",
    "stores/openssl.mac-sha512.p12",
    "stores/openssl.aes-128-sha1.p12",
    "stores/java.several.p12",
];

#[test]
fn the_key_and_certificate_of_an_alias_come_out_of_every_store() {
    for name in KEY_STORES {
        let store = store(name);
        for alias in ["server", "SERVER", "Server"] {
            assert_eq!(store.certificate(alias).unwrap(), server(), "{name}");
            let key = store.private_key(Some(alias), None).unwrap();
            assert_eq!(key.pkcs8_der(), read("keys/rsa.pkcs8.der"), "{name}");
        }
        let identity = store.identity(Some("server"), None).unwrap();
        // The authority is self-issued: the other side has it or trusts nothing.
        assert_eq!(identity.chain().cloned().collect::<Vec<_>>(), [server()], "{name}");
    }
}

#[test]
fn another_password_opens_none_of_them() {
    for name in KEY_STORES {
        if name == "stores/openssl.nomac.p12" {
            continue;
        }
        for password in ["", "wrong", "Changeit", "changeit "] {
            assert_eq!(refusal(name, password), KeyErrorKind::WrongPassword, "{name} {password:?}");
        }
    }
}

/// With nothing to check the password against, only the key does.
#[test]
fn a_store_without_mac_and_encryption_keeps_its_key_to_the_password() {
    let store = open("stores/openssl.nomac.p12", "wrong");
    assert_eq!(store.certificate("server").unwrap(), server());
    for error in [store.private_key(None, None).unwrap_err(), store.identity(None, None).unwrap_err()] {
        assert_eq!(error.kind(), &KeyErrorKind::WrongKeyPassword("server".to_owned()));
    }
}

/// Another implementation sees the same keys and certificates.
#[test]
fn another_reader_finds_the_same() {
    let mut stores = vec![
        "stores/java.trust.p12",
        "stores/java.legacy.trust.p12",
        "stores/openssl.unnamed.p12",
        "stores/openssl.clear.p12",
        "stores/openssl.certificates-only.p12",
        "stores/openssl.certificates-only-named.p12",
        "stores/openssl.cheap-legacy.p12",
    ];
    // The other reader has no 3DES with two keys.
    stores.extend(KEY_STORES.into_iter().filter(|name| *name != "stores/openssl.aes-128-sha1.p12"));
    let mut all: Vec<(&str, &str)> = stores.into_iter().map(|name| (name, STORE_PASSWORD)).collect();
    all.push(("stores/openssl.empty-password.p12", ""));
    all.push(("stores/openssl.unicode-password.p12", "grüße€"));
    all.push(("ballerina/ballerinaKeystore.p12", "ballerina"));
    all.push(("ballerina/ballerinaTruststore.p12", "ballerina"));
    for (name, password) in all {
        let theirs = Pkcs12Archive::from_pkcs12(&read(name), password).unwrap();
        let ours = open(name, password);
        let aliases: BTreeSet<String> = ours.aliases().into_iter().map(str::to_owned).collect();
        let mut certificates: BTreeSet<Vec<u8>> =
            aliases.iter().map(|alias| ours.certificate(alias).unwrap().der().to_vec()).collect();
        certificates.extend(ours.trusted_certificates().iter().map(|certificate| certificate.der().to_vec()));
        let keys: BTreeSet<Vec<u8>> = aliases
            .iter()
            .filter_map(|alias| ours.private_key(Some(alias), None).ok())
            .map(|key| key.pkcs8_der().to_vec())
            .collect();
        assert_eq!(keys, theirs.keys.iter().map(|key| key.key.as_der().to_vec()).collect(), "{name}");
        let theirs: BTreeSet<_> = theirs.certs.iter().map(|bag| bag.cert.as_der().to_vec()).collect();
        assert!(certificates.is_subset(&theirs), "{name}");
        if keys.is_empty() {
            assert_eq!(certificates, theirs, "{name}");
        }
    }
}

#[test]
fn a_store_with_several_entries_is_asked_by_alias() {
    let store = store("stores/java.several.p12");
    let mut aliases = store.aliases();
    aliases.sort_unstable();
    // The name that keytool gives to the certificate of a chain is its subject; secret keys are passed over.
    assert_eq!(aliases, ["CN=Test CA", "authority", "server", "signing"]);
    assert_eq!(store.private_key(Some("signing"), None).unwrap().algorithm(), &KeyAlgorithm::EcP256);
    assert_eq!(store.certificate("authority").unwrap(), ca());
    assert_eq!(store.trusted_certificates(), [ca()]);

    let error = store.private_key(None, None).unwrap_err();
    let KeyErrorKind::SeveralKeyEntries(keys) = error.kind() else { panic!("{error}") };
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>(), ["server", "signing"]);
    assert_eq!(
        store.identity(Some("authority"), None).unwrap_err().kind(),
        &KeyErrorKind::NotAKeyEntry("authority".to_owned())
    );
    let error = store.certificate("aes").unwrap_err();
    let KeyErrorKind::UnknownAlias { alias, available } = error.kind() else { panic!("{error}") };
    assert_eq!((alias.as_str(), available.len()), ("aes", 4));
    assert!(error.to_string().contains("\"signing\""), "{error}");
    assert_eq!(error.path(), Some(path("stores/java.several.p12").as_path()));
}

#[test]
fn trust_stores_give_their_certificates() {
    for name in ["stores/java.trust.p12", "stores/java.legacy.trust.p12"] {
        let store = store(name);
        assert_eq!(store.aliases().join(" ").to_lowercase(), "authority", "{name}");
        assert_eq!(store.certificate("AUTHORITY").unwrap(), ca(), "{name}");
        assert_eq!(store.trusted_certificates(), [ca()], "{name}");
        assert_eq!(store.private_key(None, None).unwrap_err().kind(), &KeyErrorKind::NoKeyEntry, "{name}");
        assert_eq!(refusal(name, "wrong"), KeyErrorKind::WrongPassword, "{name}");
    }
    // OpenSSL does not mark what is trusted, nor name it unless told.
    let unnamed = store("stores/openssl.certificates-only.p12");
    assert_eq!(unnamed.aliases(), ["1", "2"]);
    assert_eq!(unnamed.trusted_certificates(), [server(), ca()]);
    assert_eq!(unnamed.certificate("2").unwrap(), ca());
    let named = store("stores/openssl.certificates-only-named.p12");
    assert_eq!(named.aliases(), ["Server Certificate", "The CA"]);
    assert_eq!(named.certificate("the ca").unwrap(), ca());
}

#[test]
fn a_store_with_keys_only_trusts_nobody() {
    assert!(store("stores/openssl.default.p12").trusted_certificates().is_empty());
    let error = TrustAnchors::from_key_store(path("stores/openssl.default.p12"), STORE_PASSWORD).unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::NoTrustAnchors);
    assert_eq!(error.path(), Some(path("stores/openssl.default.p12").as_path()));
    assert!(TrustAnchors::from_key_store(path("stores/java.trust.p12"), STORE_PASSWORD).is_ok());
}

#[test]
fn the_stores_of_ballerina_open() {
    let store = open("ballerina/ballerinaKeystore.p12", "ballerina");
    assert_eq!(store.aliases(), ["ballerina"]);
    assert_eq!(store.private_key(Some("ballerina"), Some("ballerina")).unwrap().pkcs8_der().len(), 1217);
    assert!(Identity::from_key_store(path("ballerina/ballerinaKeystore.p12"), "ballerina", None).is_ok());
    let trust = open("ballerina/ballerinaTruststore.p12", "ballerina");
    assert_eq!(trust.trusted_certificates().len(), 95);
    assert_eq!(trust.certificate("ballerina").unwrap(), store.certificate("ballerina").unwrap());
    assert_eq!(refusal("ballerina/ballerinaTruststore.p12", "ballerin"), KeyErrorKind::WrongPassword);
}

#[test]
fn names_are_made_where_there_are_none() {
    let store = store("stores/openssl.unnamed.p12");
    assert_eq!(store.aliases(), ["1"]);
    assert_eq!(store.certificate("1").unwrap(), server());
    assert_eq!(store.identity(None, None).unwrap().certificate(), &server());
}

#[test]
fn passwords_may_be_empty_or_beyond_ascii() {
    let empty = open("stores/openssl.empty-password.p12", "");
    assert!(empty.identity(Some("authority"), None).is_ok());
    let unicode = open("stores/openssl.unicode-password.p12", "grüße€");
    assert_eq!(unicode.aliases(), ["Schlüssel"]);
    assert!(unicode.identity(Some("SCHLÜSSEL"), None).is_ok());
    assert_eq!(refusal("stores/openssl.unicode-password.p12", "grusse€"), KeyErrorKind::WrongPassword);
}

#[test]
fn a_key_may_have_a_password_of_its_own() {
    let store = store("stores/java.key.p12");
    assert!(store.private_key(None, Some(STORE_PASSWORD)).is_ok());
    let error = store.private_key(None, Some("other")).unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::WrongKeyPassword("server".to_owned()));

    // A store that anyone may open, around a key with a password.
    let shrouded = read("keys/encrypted.pbes2-default.der");
    let bag = der::bag(2, &shrouded, &[der::friendly_name("mine")]);
    let bytes = der::pfx(&[der::data(&der::sequence(&[bag]))], None);
    let store = KeyStore::from_bytes(&bytes, "anything").unwrap();
    assert!(store.private_key(Some("mine"), Some(common::KEY_PASSWORD)).is_ok());
    let error = store.private_key(Some("mine"), None).unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::WrongKeyPassword("mine".to_owned()));
    let error = store.identity(None, Some(common::KEY_PASSWORD)).unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::NoCertificateEntry("mine".to_owned()));
    assert_eq!(
        store.certificate("mine").unwrap_err().kind(),
        &KeyErrorKind::NoCertificateEntry("mine".to_owned())
    );
}

#[test]
fn a_key_finds_its_certificate_without_the_stores_help() {
    let key = der::bag(1, &read("keys/rsa.pkcs8.der"), &[der::friendly_name("mine")]);
    let ca = der::certificate_bag(&read("certs/ca.der"), &[]);
    let own = der::certificate_bag(&read("certs/server.der"), &[]);
    let bytes = der::pfx(&[der::data(&der::sequence(&[ca, key, own]))], None);
    let store = KeyStore::from_bytes(&bytes, "").unwrap();
    assert_eq!(store.identity(None, None).unwrap().certificate(), &server());
}

#[test]
fn one_alias_for_two_entries_is_ambiguous() {
    let name = [der::friendly_name("Same")];
    let other = [der::friendly_name("same")];
    let certificates = [
        der::certificate_bag(&read("certs/ca.der"), &name),
        der::certificate_bag(&read("certs/server.der"), &other),
    ];
    let store =
        KeyStore::from_bytes(&der::pfx(&[der::data(&der::sequence(&certificates))], None), "").unwrap();
    assert_eq!(
        store.certificate("same").unwrap_err().kind(),
        &KeyErrorKind::AmbiguousAlias("same".to_owned())
    );
    assert_eq!(store.trusted_certificates().len(), 2);
}

#[test]
fn a_certificate_that_cannot_be_parsed_spoils_only_itself() {
    let certificates = [
        der::certificate_bag(b"\x30\x03\x02\x01\x01", &[der::friendly_name("odd")]),
        der::certificate_bag(&read("certs/ca.der"), &[der::friendly_name("good")]),
    ];
    let store =
        KeyStore::from_bytes(&der::pfx(&[der::data(&der::sequence(&certificates))], None), "").unwrap();
    assert_eq!(store.trusted_certificates(), [ca()]);
    assert_eq!(store.certificate("good").unwrap(), ca());
    assert!(matches!(store.certificate("odd").unwrap_err().kind(), KeyErrorKind::Malformed(_)));
}

#[test]
fn what_is_no_pkcs12_store_is_named() {
    assert_eq!(refusal("stores/java.jks", STORE_PASSWORD), KeyErrorKind::Jks);
    assert_eq!(refusal("stores/java.jceks", STORE_PASSWORD), KeyErrorKind::Jks);
    assert_eq!(refusal("certs/chain.pem", STORE_PASSWORD), KeyErrorKind::NotPkcs12);
    assert_eq!(refusal("certs/server.der", STORE_PASSWORD), KeyErrorKind::NotPkcs12);
    assert_eq!(refusal("keys/rsa.pkcs8.der", STORE_PASSWORD), KeyErrorKind::NotPkcs12);
    let kind = |bytes: &[u8]| KeyStore::from_bytes(bytes, "").unwrap_err().kind().clone();
    assert_eq!(kind(b""), KeyErrorKind::Empty);
    let KeyErrorKind::Malformed(what) = kind(&[0x30, 0x80, 2, 1, 3]) else { panic!() };
    assert!(what.contains("BER"), "{what}");
    let signed = der::sequence(&[
        der::integer(3),
        der::sequence(&[der::oid("1.2.840.113549.1.7.2"), der::explicit(0, &der::octets(b""))]),
    ]);
    assert!(matches!(kind(&signed), KeyErrorKind::UnsupportedEncryption(_)));
    let pbmac1 = der::sequence(&[
        der::sequence(&[der::sequence(&[der::oid("1.2.840.113549.1.5.14")]), der::octets(&[0; 32])]),
        der::octets(b"salt"),
    ]);
    assert_eq!(
        kind(&der::pfx(&[], Some(pbmac1))),
        KeyErrorKind::UnsupportedEncryption("with a MAC of PBMAC1".to_owned())
    );
}

#[test]
fn debug_shows_aliases_and_no_secret() {
    let shown = format!("{:?}", store("stores/java.key.p12"));
    assert!(shown.contains("server") && !shown.contains(STORE_PASSWORD), "{shown}");
}
