//! DER that no tool writes: key stores and encrypted keys that ask for any number of rounds.

pub fn tlv(tag: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let length = match content.len() {
        short @ 0..128 => vec![u8::try_from(short).unwrap()],
        long => {
            let bytes = shortest(u64::try_from(long).unwrap());
            [vec![0x80 | u8::try_from(bytes.len()).unwrap()], bytes].concat()
        }
    };
    [vec![tag], length, content.to_vec()].concat()
}

/// Big-endian, without zeros before it.
fn shortest(value: u64) -> Vec<u8> {
    value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

pub fn sequence(parts: impl AsRef<[Vec<u8>]>) -> Vec<u8> {
    tlv(0x30, parts.as_ref().concat())
}

pub fn octets(content: &[u8]) -> Vec<u8> {
    tlv(4, content)
}

pub fn number(value: u64) -> Vec<u8> {
    let bytes = shortest(value);
    let sign = if bytes.first().is_none_or(|first| *first >= 0x80) { &[0][..] } else { &[] };
    tlv(2, [sign, &bytes].concat())
}

/// An object identifier by its encoded content.
fn oid(content: &[u8]) -> Vec<u8> {
    tlv(6, content)
}

fn pkcs5(last: u8) -> Vec<u8> {
    oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, last])
}

fn pkcs7(last: u8) -> Vec<u8> {
    oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, last])
}

fn pbes2(derivation: Vec<u8>) -> Vec<u8> {
    let aes256 = oid(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a]);
    sequence([pkcs5(13), sequence([derivation, sequence([aes256, octets(&[0; 16])])])])
}

/// PBES2 with PBKDF2 and so many rounds.
pub fn pbkdf2(rounds: u64) -> Vec<u8> {
    let hmac = oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x09]);
    let parameters = sequence([octets(b"saltsalt"), number(rounds), sequence([hmac, tlv(5, [])])]);
    pbes2(sequence([pkcs5(12), parameters]))
}

/// PBES2 with scrypt.
pub fn scrypt(n: u64, r: u64, p: u64) -> Vec<u8> {
    let scrypt = oid(&[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b]);
    pbes2(sequence([scrypt, sequence([octets(b"saltsalt"), number(n), number(r), number(p)])]))
}

/// The older encryption of PKCS#12, 3DES.
pub fn pbe(rounds: u64) -> Vec<u8> {
    let three_des = oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x03]);
    sequence([three_des, sequence([octets(b"saltsalt"), number(rounds)])])
}

/// An encrypted PKCS#8 key that nothing decrypts.
pub fn encrypted_key(algorithm: Vec<u8>) -> Vec<u8> {
    sequence([algorithm, octets(&[0; 64])])
}

/// A PKCS#12 store of these parts.
pub fn store(safe: Vec<u8>, mac: Option<u64>) -> Vec<u8> {
    let mac = mac.map_or_else(Vec::new, |rounds| {
        let sha256 = sequence([oid(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01]), tlv(5, [])]);
        sequence([sequence([sha256, octets(&[0; 32])]), octets(b"saltsalt"), number(rounds)])
    });
    tlv(0x30, [number(3), data(&tlv(0x30, safe)), mac].concat())
}

/// Content that is not encrypted.
pub fn data(content: &[u8]) -> Vec<u8> {
    sequence([pkcs7(1), tlv(0xa0, octets(content))])
}

/// Content that is.
pub fn encrypted(algorithm: Vec<u8>) -> Vec<u8> {
    let info = sequence([pkcs7(1), algorithm, tlv(0x80, [0; 64])]);
    sequence([pkcs7(6), tlv(0xa0, sequence([number(0), info]))])
}

/// A bag with an encrypted key.
pub fn shrouded(algorithm: Vec<u8>) -> Vec<u8> {
    let kind = oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x02]);
    data(&sequence([sequence([kind, tlv(0xa0, encrypted_key(algorithm))])]))
}
