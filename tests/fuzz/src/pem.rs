//! Files of keys and certificates: PEM, and DER.

use portcullis_keys::{Certificate, PrivateKey, PublicKey, parse_certificates};

use crate::support::{hides, shown};

const PASSWORD: &str = "changeit";
const CANARY: &str = "canary-password-7361";

/// Takes the file.
pub fn run(data: &[u8]) {
    let plain = PrivateKey::from_bytes(data, None);
    if let Ok(key) = &plain {
        let again = PrivateKey::from_bytes(key.pkcs8_der(), None).expect("it is read as it is kept");
        assert_eq!(again.pkcs8_der(), key.pkcs8_der());
        assert_eq!(again.spki_der(), key.spki_der());
        assert_eq!(again.algorithm(), key.algorithm());
        let public = PublicKey::from_bytes(key.spki_der());
        assert!(public.is_err() || public.unwrap().spki_der() == key.spki_der());
        assert!(!format!("{key:?}").contains(&format!("{:?}", key.pkcs8_der())));
    }
    if !is_expensive(data) {
        for password in [PASSWORD, CANARY] {
            match PrivateKey::from_bytes(data, Some(password)) {
                Ok(key) => assert!(PrivateKey::from_bytes(key.pkcs8_der(), None).is_ok()),
                Err(error) => hides(&error, CANARY),
            }
        }
    }

    let certificates = parse_certificates(data);
    for certificate in certificates.iter().flatten() {
        let again = Certificate::from_der(certificate.der()).expect("it is read as it is kept");
        assert_eq!(again.der(), certificate.der());
        assert!(
            certificate.not_before() <= certificate.not_after()
                || !certificate.is_valid_at(std::time::Duration::ZERO)
        );
        assert!(certificate.subject().len() <= 8 * data.len());
    }
    if let Ok(certificates) = &certificates {
        assert!(!certificates.is_empty());
    }
    let public = PublicKey::from_bytes(data);
    if let Ok(public) = &public {
        assert!(data.len() >= public.spki_der().len() / 2);
        // A certificate may hold a key of a kind that nobody knows; it is kept, and good for nothing.
        match PublicKey::from_bytes(public.spki_der()) {
            Ok(again) => assert_eq!(again.spki_der(), public.spki_der()),
            Err(_) => assert!(public.validity().is_some(), "a bare key that is not read again"),
        }
    }

    // No error shows a line of the file that could be a key's.
    let errors = [plain.err(), certificates.err(), public.err()].into_iter().flatten();
    let shown = errors.map(|error| shown(&error)).collect::<String>();
    for line in data.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).take(64) {
        if line.len() >= 32
            && !line.starts_with(b"-----")
            && line.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
        {
            assert!(!shown.contains(std::str::from_utf8(line).unwrap()), "a line of a key in an error");
        }
    }
}

/// Whether a key derivation might take a good part of a second. That it is bounded is a test of its own; here it would cost
/// ten thousand other inputs.
fn is_expensive(data: &[u8]) -> bool {
    match std::str::from_utf8(data) {
        Ok(text) => {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            let lines =
                text.lines().map(str::trim).filter(|line| !line.starts_with('-') && !line.contains(':'));
            let all: String = lines.collect();
            // A part that decodes badly is refused before any key is derived.
            let parts = all.split('=').filter(|part| !part.is_empty());
            parts
                .filter_map(|part| {
                    STANDARD.decode(format!("{part}{}", &"==="[..(4 - part.len() % 4) % 4])).ok()
                })
                .any(|der| derives_long(&der))
        }
        Err(_) => derives_long(data),
    }
}

/// Whether a number of more than 5,000 stands where a count could: iterations of a key derivation, or a cost of scrypt.
pub(crate) fn derives_long(der: &[u8]) -> bool {
    der.windows(6).any(|window| match *window {
        [0x02, 2, high, low, ..] => u16::from_be_bytes([high, low]) > 5000,
        [0x02, 3, first, high, low, _] => u32::from_be_bytes([0, first, high, low]) > 5000 && first < 0x80,
        [0x02, 4, first, second, high, low] => {
            u32::from_be_bytes([first, second, high, low]) > 5000 && first < 0x80
        }
        _ => false,
    })
}
