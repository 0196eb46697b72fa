//! Key stores and trust stores.

use portcullis_keys::KeyStore;

use crate::{pem::derives_long, support::hides};

const CANARY: &str = "canary-password-7361";

/// Takes the file.
pub fn run(data: &[u8]) {
    if derives_long(data) {
        return;
    }
    for password in ["password", "", CANARY] {
        let store = match KeyStore::from_bytes(data, password) {
            Ok(store) => store,
            Err(error) => {
                hides(&error, CANARY);
                continue;
            }
        };
        assert!(!format!("{store:?}").contains(CANARY));
        let aliases = store.aliases();
        assert!(aliases.len() <= data.len());
        for alias in aliases.iter().take(8) {
            if let Ok(certificate) = store.certificate(alias) {
                assert!(!certificate.der().is_empty());
            }
            let (key, identity) = (store.private_key(Some(alias), None), store.identity(Some(alias), None));
            if let (Ok(key), Ok(identity)) = (&key, &identity) {
                assert_eq!(key.spki_der(), identity.key().spki_der());
                assert_eq!(identity.certificate().spki_der(), key.spki_der(), "another's certificate");
            }
            if let Err(error) = store.private_key(Some(alias), Some(CANARY)) {
                hides(&error, CANARY);
            }
        }
        for certificate in store.trusted_certificates() {
            assert!(!certificate.der().is_empty());
        }
        let again = KeyStore::from_bytes(data, password).expect("a store is read the same twice");
        assert_eq!(again.aliases(), aliases);
    }
}
