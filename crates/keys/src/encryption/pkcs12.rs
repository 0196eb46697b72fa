//! The key derivation of PKCS#12 (RFC 7292, appendix B) and the ciphers that use it (appendix C).

use aws_lc_rs::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, digest};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt as _, KeyInit, KeyIvInit as _};
use pkcs8::der::asn1::ObjectIdentifier;
use zeroize::Zeroizing;

use super::Password;
use crate::error::KeyErrorKind;

/// What a derived key is for: the "diversifier" of appendix B.3.
#[derive(Clone, Copy)]
pub(crate) enum KeyPurpose {
    Encryption = 1,
    InitialVector = 2,
    Mac = 3,
}

/// Derives `length` bytes (RFC 7292, appendix B.2; the letters are its).
pub(crate) fn derive(
    hash: &'static Algorithm,
    purpose: KeyPurpose,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    let block = hash.block_len();
    let diversifier = vec![purpose as u8; block];
    let fill =
        |bytes: &[u8]| bytes.iter().copied().cycle().take(bytes.len().next_multiple_of(block)).collect();
    // I = S || P
    let mut input: Zeroizing<Vec<u8>> = Zeroizing::new(fill(salt));
    let password: Zeroizing<Vec<u8>> = Zeroizing::new(fill(password));
    let joined: Vec<u8> = input.iter().chain(password.iter()).copied().collect();
    input = Zeroizing::new(joined);

    let mut output = Zeroizing::new(Vec::with_capacity(length + hash.output_len()));
    while output.len() < length {
        let mut context = Context::new(hash);
        context.update(&diversifier);
        context.update(&input);
        let mut a = context.finish();
        for _ in 1..iterations {
            a = digest(hash, a.as_ref());
        }
        output.extend_from_slice(a.as_ref());
        // B is A repeated to the length of a block; each block of I becomes (I + B + 1) mod 2^v.
        for chunk in input.chunks_exact_mut(block) {
            let b = a.as_ref().iter().cycle().take(block);
            let b: Zeroizing<Vec<u8>> = Zeroizing::new(b.copied().collect());
            let mut carry = 1_u16;
            for (byte, add) in chunk.iter_mut().zip(b.iter()).rev() {
                let sum = u16::from(*byte) + u16::from(*add) + carry;
                let [high, low] = sum.to_be_bytes();
                *byte = low;
                carry = u16::from(high);
            }
        }
    }
    output.truncate(length);
    output
}

/// The ciphers of RFC 7292, appendix C, that are block ciphers.
#[derive(Clone, Copy)]
pub(super) enum Cipher {
    ThreeKeyTripleDes,
    TwoKeyTripleDes,
    Rc2With128Bits,
    Rc2With40Bits,
}

impl Cipher {
    pub(super) fn of(scheme: ObjectIdentifier) -> Option<Self> {
        const PBE: [(ObjectIdentifier, Cipher); 4] = [
            (ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3"), Cipher::ThreeKeyTripleDes),
            (ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.4"), Cipher::TwoKeyTripleDes),
            (ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.5"), Cipher::Rc2With128Bits),
            (ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6"), Cipher::Rc2With40Bits),
        ];
        PBE.into_iter().find(|(oid, _)| *oid == scheme).map(|(_, cipher)| cipher)
    }

    pub(super) fn decrypt(
        self,
        data: &[u8],
        password: &Password<'_>,
        salt: &[u8],
        iterations: u32,
    ) -> Result<Zeroizing<Vec<u8>>, KeyErrorKind> {
        let hash = &SHA1_FOR_LEGACY_USE_ONLY;
        let length = match self {
            Self::ThreeKeyTripleDes => 24,
            Self::TwoKeyTripleDes | Self::Rc2With128Bits => 16,
            Self::Rc2With40Bits => 5,
        };
        let key = derive(hash, KeyPurpose::Encryption, &password.bmp, salt, iterations, length);
        let iv = derive(hash, KeyPurpose::InitialVector, &password.bmp, salt, iterations, 8);
        match self {
            Self::ThreeKeyTripleDes => decrypt_cbc::<des::TdesEde3>(&key, &iv, data),
            Self::TwoKeyTripleDes => decrypt_cbc::<des::TdesEde2>(&key, &iv, data),
            Self::Rc2With128Bits | Self::Rc2With40Bits => decrypt_cbc::<rc2::Rc2>(&key, &iv, data),
        }
    }
}

/// CBC with the usual padding. Wrong padding is how a wrong password shows.
pub(super) fn decrypt_cbc<C: BlockCipherDecrypt + KeyInit>(
    key: &[u8],
    iv: &[u8],
    data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyErrorKind> {
    let cipher = cbc::Decryptor::<C>::new_from_slices(key, iv)
        .map_err(|_| KeyErrorKind::Malformed("its encryption parameters do not fit the cipher"))?;
    let mut buffer = Zeroizing::new(data.to_vec());
    let length = cipher.decrypt_padded::<Pkcs7>(&mut buffer).map_err(|_| KeyErrorKind::WrongPassword)?.len();
    buffer.truncate(length);
    Ok(buffer)
}
