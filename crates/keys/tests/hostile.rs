//! Files made to harm: refused before they cost anything, and never a panic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use common::{STORE_PASSWORD, der, read};
use portcullis_keys::{
    Certificate, KeyErrorKind, KeyFile, KeyStore, MAX_FILE_BYTES, MAX_ITERATIONS, MAX_SCRYPT_MEMORY,
    PrivateKey, PublicKey, parse_certificates,
};

fn key(algorithm: Vec<u8>) -> KeyErrorKind {
    PrivateKey::from_bytes(&der::encrypted_key(algorithm), Some("password")).unwrap_err().kind().clone()
}

fn store(bytes: &[u8]) -> KeyErrorKind {
    KeyStore::from_bytes(bytes, "password").unwrap_err().kind().clone()
}

#[track_caller]
fn assert_too_expensive(kind: &KeyErrorKind, asked: u128, most: u64) {
    let KeyErrorKind::TooExpensive { found, limit, .. } = kind else { panic!("{kind}") };
    assert_eq!((*found, *limit), (u64::try_from(asked).unwrap_or(u64::MAX), most));
}

const TOO_MANY: [u128; 6] = [5_000_001, (1 << 31) - 1, 1 << 31, 1 << 32, 1 << 63, 1 << 80];

#[test]
fn too_many_iterations_of_a_key_file_are_refused() {
    for count in TOO_MANY {
        assert_too_expensive(&key(der::pbkdf2(count)), count, MAX_ITERATIONS);
        assert_too_expensive(&key(der::pbe(count)), count, MAX_ITERATIONS);
    }
}

#[test]
fn too_many_iterations_anywhere_in_a_key_store_are_refused() {
    let content = der::data(&der::sequence(&[]));
    for count in TOO_MANY {
        assert_too_expensive(
            &store(&der::pfx(std::slice::from_ref(&content), Some(der::mac(count)))),
            count,
            MAX_ITERATIONS,
        );
        for algorithm in [der::pbkdf2(count), der::pbe(count)] {
            let safes = [content.clone(), der::encrypted_safe(algorithm.clone())];
            assert_too_expensive(&store(&der::pfx(&safes, Some(der::mac(1)))), count, MAX_ITERATIONS);
            // The nested one is found when the key is asked for; opening does not touch it.
            let bag = der::bag(2, &der::encrypted_key(algorithm), &[der::friendly_name("key")]);
            let bytes = der::pfx(&[der::data(&der::sequence(&[bag]))], None);
            let opened = KeyStore::from_bytes(&bytes, "password").unwrap();
            let error = opened.private_key(Some("key"), None).unwrap_err();
            assert_too_expensive(error.kind(), count, MAX_ITERATIONS);
            assert_too_expensive(opened.identity(None, None).unwrap_err().kind(), count, MAX_ITERATIONS);
        }
    }
}

#[test]
fn many_affordable_parts_are_refused_together() {
    let safes: Vec<_> = (0..3).map(|_| der::encrypted_safe(der::pbkdf2(4_000_000))).collect();
    assert_too_expensive(&store(&der::pfx(&safes, None)), 12_000_000, 2 * MAX_ITERATIONS);
    // Each takes all the memory that one may take, one after the other.
    let safes: Vec<_> = (0..5).map(|_| der::encrypted_safe(der::scrypt(1 << 18, 8, 1))).collect();
    assert_too_expensive(&store(&der::pfx(&safes, None)), 5 << 21, 2 * MAX_ITERATIONS);
    let safes: Vec<_> = (0..20_000).map(|_| der::encrypted_safe(der::pbe(1_000))).collect();
    assert_too_expensive(&store(&der::pfx(&safes, Some(der::mac(1000)))), 10_001_000, 2 * MAX_ITERATIONS);
}

#[test]
fn scrypt_may_use_neither_too_much_memory_nor_too_much_time() {
    for (n, r) in [(1 << 22, 8), (1 << 62, 8), (1 << 15, 1 << 16), (1 << 63, 1 << 63)] {
        let memory = u128::from(u64::try_from(n * r).unwrap_or(u64::MAX).saturating_mul(128));
        assert_too_expensive(&key(der::scrypt(n, r, 1)), memory, MAX_SCRYPT_MEMORY);
    }
    assert_too_expensive(&key(der::scrypt(1 << 18, 8, 5)), 5 << 28, 4 * MAX_SCRYPT_MEMORY);
    assert_too_expensive(&key(der::scrypt(2, 1, 1 << 31)), 1 << 39, 4 * MAX_SCRYPT_MEMORY);
    let safe = der::encrypted_safe(der::scrypt(1 << 22, 8, 1));
    assert_too_expensive(&store(&der::pfx(&[safe], None)), 1 << 32, MAX_SCRYPT_MEMORY);
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    let invalid = KeyErrorKind::Malformed("its scrypt parameters are not valid");
    // Zero makes a common implementation panic.
    for (n, r, p) in [(0, 8, 1), (1, 8, 1), (3, 8, 1), (1 << 80, 8, 1), (16, 0, 1), (16, 8, 0)] {
        assert_eq!(key(der::scrypt(n, r, p)), invalid, "{n} {r} {p}");
        let bag = der::bag(2, &der::encrypted_key(der::scrypt(n, r, p)), &[]);
        let bytes = der::pfx(&[der::data(&der::sequence(&[bag]))], None);
        let opened = KeyStore::from_bytes(&bytes, "password").unwrap();
        assert_eq!(opened.private_key(None, None).unwrap_err().kind(), &invalid, "{n} {r} {p}");
    }
    let zero = KeyErrorKind::Malformed("it asks for zero iterations");
    assert_eq!(key(der::pbkdf2(0)), zero);
    assert_eq!(key(der::pbe(0)), zero);
    assert_eq!(store(&der::pfx(&[], Some(der::mac(0)))), zero);
    let salt = der::octets(&vec![0; 100_000]);
    let long = der::sequence(&[der::oid("1.2.840.113549.1.12.1.3"), der::sequence(&[salt, der::integer(1)])]);
    assert_eq!(key(long), KeyErrorKind::Malformed("its salt is too long"));
    let negative = der::sequence(&[
        der::oid("1.2.840.113549.1.12.1.3"),
        der::sequence(&[der::octets(b"saltsalt"), der::tlv(2, &[0xff])]),
    ]);
    assert!(matches!(key(negative), KeyErrorKind::Malformed(_)));
}

#[test]
fn a_file_of_any_size_is_refused_by_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(MAX_FILE_BYTES as u64 + 1).unwrap();
    for error in [
        KeyFile::read(&path).unwrap_err(),
        KeyStore::open(&path, "x").unwrap_err(),
        PrivateKey::from_file(&path, None).unwrap_err(),
    ] {
        assert_eq!(error.kind(), &KeyErrorKind::TooLarge);
        assert_eq!(error.path(), Some(path.as_path()));
    }
    file.set_len(MAX_FILE_BYTES as u64).unwrap();
    assert_eq!(KeyFile::read(&path).unwrap().bytes().len(), MAX_FILE_BYTES);
    #[cfg(unix)]
    {
        let endless = KeyFile::read("/dev/zero").unwrap_err();
        assert_eq!(endless.kind(), &KeyErrorKind::TooLarge);
    }
    let directory = KeyFile::read(folder.path()).unwrap_err();
    assert!(matches!(directory.kind(), KeyErrorKind::Unreadable(_)), "{directory}");
}

/// A store of the largest size with as many parts as fit must take time in proportion, or this test takes hours.
#[test]
fn many_small_parts_take_linear_time() {
    let key = der::bag(
        1,
        b"\x30\x00",
        &[der::sequence(&[der::oid("1.2.840.113549.1.9.21"), der::set(&[der::octets(b"id")])])],
    );
    let certificate = der::certificate_bag(b"\x30\x00", &[der::friendly_name("x")]);
    let bags: Vec<u8> = (0..40_000).flat_map(|_| [key.clone(), certificate.clone()].concat()).collect();
    let store = KeyStore::from_bytes(&der::pfx(&[der::data(&der::tlv(0x30, &bags))], None), "").unwrap();
    assert_eq!(store.aliases().len(), 80_000);
    assert!(store.trusted_certificates().is_empty());
    assert_eq!(store.certificate("x").unwrap_err().kind(), &KeyErrorKind::AmbiguousAlias("x".to_owned()));

    let values: Vec<Vec<u8>> =
        (0..200_000_u32).rev().map(|value| der::octets(&value.to_be_bytes())).collect();
    let attribute = der::sequence(&[der::oid("1.2.3"), der::set(&values)]);
    let bag = der::certificate_bag(&read("certs/ca.der"), &[attribute]);
    assert!(KeyStore::from_bytes(&der::pfx(&[der::data(&der::sequence(&[bag]))], None), "").is_ok());

    let begin = "-----BEGIN CERTIFICATE-----\n".repeat(200_000);
    assert_eq!(
        parse_certificates(begin.as_bytes()).unwrap_err().kind(),
        &KeyErrorKind::DamagedPem { line: 1 }
    );
    let empty = "-----BEGIN X-----\n-----END X-----\n".repeat(100_000);
    let error = parse_certificates(empty.as_bytes()).unwrap_err();
    assert!(error.to_string().len() < 1000, "{error}");
}

#[test]
fn deeply_nested_values_do_not_overflow_the_stack() {
    let mut bytes = Vec::new();
    for _ in 0..2_000 {
        bytes = der::tlv(0x30, &bytes);
    }
    for bytes in [bytes.clone(), der::pfx(&[bytes.clone()], None), der::pfx(&[der::data(&bytes)], None)] {
        assert!(KeyStore::from_bytes(&bytes, "").is_err());
        assert!(PrivateKey::from_bytes(&bytes, Some("")).is_err());
        assert!(PublicKey::from_bytes(&bytes).is_err());
        assert!(parse_certificates(&bytes).is_err());
    }
}

/// A generator of the same numbers each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// Changes, cuts, doubles and drops bytes.
fn mutate(original: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(bytes.len().max(1));
        match numbers.below(8) {
            0 => bytes.truncate(at),
            1 => {
                let end = (at + numbers.below(16)).min(bytes.len());
                drop(bytes.drain(at..end));
            }
            2 => {
                let piece = bytes[at..(at + numbers.below(16)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = [0, 1, 0x7f, 0x80, 0xff][at % 5]),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (at % 8)),
        }
    }
    bytes
}

fn use_store(bytes: &[u8]) -> bool {
    let Ok(store) = KeyStore::from_bytes(bytes, STORE_PASSWORD) else { return false };
    for alias in store.aliases() {
        let _ = (store.certificate(alias), store.identity(Some(alias), None));
    }
    let _ = (store.trusted_certificates(), store.identity(None, None));
    true
}

#[test]
fn mutated_key_stores_never_panic() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for name in ["stores/openssl.clear.p12", "stores/openssl.cheap.p12", "stores/openssl.cheap-legacy.p12"] {
        let original = read(name);
        assert!(use_store(&original), "{name}");
        let opened = (0..4_000).filter(|_| use_store(&mutate(&original, &mut numbers))).count();
        // Without a MAC many changes go unnoticed, so that what lies deeper is exercised, too.
        assert_eq!(opened > 500, name.contains("clear"), "{name}: {opened}");
    }
}

#[test]
fn cut_key_stores_never_panic() {
    for name in ["stores/openssl.clear.p12", "stores/openssl.cheap.p12"] {
        let original = read(name);
        for length in 0..original.len() {
            assert!(!use_store(&original[..length]), "{name} {length}");
        }
    }
}

#[test]
fn mutated_keys_and_certificates_never_panic() {
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for name in [
        "keys/p256.pkcs8.der",
        "keys/p256.sec1.der",
        "keys/p256.ec-parameters-first.pem",
        "keys/ed25519.pkcs8.pem",
        "keys/rsa.pkcs1.der",
        "keys/rsa.public.der",
        "keys/rsa.public.pkcs1.pem",
        "keys/proc-type.ec.pem",
        "certs/ca.der",
        "certs/server.pem",
    ] {
        let original = read(name);
        for _ in 0..1_500 {
            let bytes = mutate(&original, &mut numbers);
            let _ = PrivateKey::from_bytes(&bytes, Some(common::KEY_PASSWORD));
            let _ = PublicKey::from_bytes(&bytes);
            let _ = parse_certificates(&bytes);
            let _ = Certificate::from_der(&bytes);
        }
    }
    let encrypted = read("keys/encrypted.pbes2-default.der");
    for _ in 0..500 {
        let _ = PrivateKey::from_bytes(&mutate(&encrypted, &mut numbers), Some(common::KEY_PASSWORD));
    }
}
