//! What the tests share.

#![allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "each test file uses its part")]

pub mod tls;

use std::path::PathBuf;

pub const KEY_PASSWORD: &str = "key-password";
pub const STORE_PASSWORD: &str = "changeit";

pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub fn read(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Writing DER, to make what no tool makes.
pub mod der {
    pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut out = vec![tag];
        if length < 128 {
            out.push(u8::try_from(length).unwrap());
        } else {
            let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | u8::try_from(bytes.len()).unwrap());
            out.extend(bytes);
        }
        out.extend(content);
        out
    }

    pub fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
        tlv(0x30, &parts.concat())
    }

    pub fn set(parts: &[Vec<u8>]) -> Vec<u8> {
        tlv(0x31, &parts.concat())
    }

    pub fn octets(content: &[u8]) -> Vec<u8> {
        tlv(0x04, content)
    }

    pub fn explicit(number: u8, content: &[u8]) -> Vec<u8> {
        tlv(0xa0 | number, content)
    }

    pub fn integer(value: u128) -> Vec<u8> {
        let mut bytes: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        if bytes.first().is_none_or(|first| first & 0x80 != 0) {
            bytes.insert(0, 0);
        }
        tlv(0x02, &bytes)
    }

    pub fn oid(dotted: &str) -> Vec<u8> {
        let arcs: Vec<u32> = dotted.split('.').map(|arc| arc.parse().unwrap()).collect();
        let mut bytes = vec![u8::try_from(arcs[0] * 40 + arcs[1]).unwrap()];
        for arc in &arcs[2..] {
            let mut groups = vec![(arc & 0x7f) as u8];
            let mut rest = arc >> 7;
            while rest > 0 {
                groups.push((rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            bytes.extend(groups.into_iter().rev());
        }
        tlv(0x06, &bytes)
    }

    fn pbes2(derivation: Vec<u8>) -> Vec<u8> {
        let aes256 = sequence(&[oid("2.16.840.1.101.3.4.1.42"), octets(&[0; 16])]);
        sequence(&[oid("1.2.840.113549.1.5.13"), sequence(&[derivation, aes256])])
    }

    pub fn pbkdf2(iterations: u128) -> Vec<u8> {
        pbes2(sequence(&[
            oid("1.2.840.113549.1.5.12"),
            sequence(&[
                octets(b"saltsalt"),
                integer(iterations),
                sequence(&[oid("1.2.840.113549.2.9"), tlv(5, &[])]),
            ]),
        ]))
    }

    pub fn scrypt(n: u128, r: u128, p: u128) -> Vec<u8> {
        let parameters = sequence(&[octets(b"saltsalt"), integer(n), integer(r), integer(p)]);
        pbes2(sequence(&[oid("1.3.6.1.4.1.11591.4.11"), parameters]))
    }

    pub fn pbe(iterations: u128) -> Vec<u8> {
        sequence(&[oid("1.2.840.113549.1.12.1.3"), sequence(&[octets(b"saltsalt"), integer(iterations)])])
    }

    pub fn encrypted_key(algorithm: Vec<u8>) -> Vec<u8> {
        sequence(&[algorithm, octets(&[0; 64])])
    }

    pub const DATA: &str = "1.2.840.113549.1.7.1";

    pub fn data(content: &[u8]) -> Vec<u8> {
        sequence(&[oid(DATA), explicit(0, &octets(content))])
    }

    pub fn encrypted_safe(algorithm: Vec<u8>) -> Vec<u8> {
        let info = sequence(&[oid(DATA), algorithm, tlv(0x80, &[0; 64])]);
        let encrypted = sequence(&[integer(0), info]);
        sequence(&[oid("1.2.840.113549.1.7.6"), explicit(0, &encrypted)])
    }

    pub fn mac(iterations: u128) -> Vec<u8> {
        let sha256 = sequence(&[oid("2.16.840.1.101.3.4.2.1"), tlv(5, &[])]);
        sequence(&[sequence(&[sha256, octets(&[0; 32])]), octets(b"saltsalt"), integer(iterations)])
    }

    pub fn friendly_name(name: &str) -> Vec<u8> {
        let utf16: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
        sequence(&[oid("1.2.840.113549.1.9.20"), set(&[tlv(0x1e, &utf16)])])
    }

    pub fn bag(kind: u8, value: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
        let id = oid(&format!("1.2.840.113549.1.12.10.1.{kind}"));
        let mut parts = vec![id, explicit(0, value)];
        if !attributes.is_empty() {
            parts.push(set(attributes));
        }
        sequence(&parts)
    }

    pub fn certificate_bag(certificate: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
        let value = sequence(&[oid("1.2.840.113549.1.9.22.1"), explicit(0, &octets(certificate))]);
        bag(3, &value, attributes)
    }

    pub fn pfx(safes: &[Vec<u8>], mac: Option<Vec<u8>>) -> Vec<u8> {
        let mut parts = vec![integer(3), data(&sequence(safes))];
        parts.extend(mac);
        sequence(&parts)
    }
}
