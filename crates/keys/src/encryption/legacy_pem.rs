//! The encryption that OpenSSL writes into PEM headers (RFC 1421, section 4.6.1.1):
//!
//! ```text
//! Proc-Type: 4,ENCRYPTED
//! DEK-Info: AES-256-CBC,4DD1C2E6FF4A7A5E1B2F9D3D0A7CF2B1
//! ```
//!
//! The key is one round of MD5 over password and salt (OpenSSL's `EVP_BytesToKey`): weak, and still what old keys have.

use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use super::pkcs12::decrypt_cbc;
use crate::error::KeyErrorKind;

const DEK_INFO: KeyErrorKind = KeyErrorKind::Malformed("its DEK-Info header cannot be parsed");

/// Decrypts the content of a block with this `DEK-Info`.
pub(crate) fn decrypt(
    dek_info: &str,
    data: &[u8],
    password: &str,
) -> Result<Zeroizing<Vec<u8>>, KeyErrorKind> {
    let (cipher, iv) = dek_info.split_once(',').ok_or(DEK_INFO)?;
    let iv = unhex(iv.trim()).ok_or(DEK_INFO)?;
    match cipher.trim() {
        "DES-EDE3-CBC" => decrypt_cbc::<des::TdesEde3>(&key(password, &iv, 24)?, &iv, data),
        "AES-128-CBC" => decrypt_cbc::<aes::Aes128>(&key(password, &iv, 16)?, &iv, data),
        "AES-192-CBC" => decrypt_cbc::<aes::Aes192>(&key(password, &iv, 24)?, &iv, data),
        "AES-256-CBC" => decrypt_cbc::<aes::Aes256>(&key(password, &iv, 32)?, &iv, data),
        other => {
            let short = other.chars().filter(char::is_ascii_graphic).take(40).collect();
            Err(KeyErrorKind::UnsupportedEncryption(short))
        }
    }
}

/// D₁ = MD5(password ‖ salt), Dᵢ = MD5(Dᵢ₋₁ ‖ password ‖ salt); the salt is the start of the initial vector.
fn key(password: &str, iv: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>, KeyErrorKind> {
    let salt = iv.get(..8).ok_or(DEK_INFO)?;
    let mut key = Zeroizing::new(Vec::with_capacity(length + 16));
    let mut last: Zeroizing<Vec<u8>> = Zeroizing::default();
    while key.len() < length {
        let digest = Md5::new().chain_update(&*last).chain_update(password).chain_update(salt).finalize();
        last = Zeroizing::new(digest.to_vec());
        key.extend_from_slice(&last);
    }
    key.truncate(length);
    Ok(key)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    // No cipher here has a longer initial vector than 16 bytes.
    if !text.len().is_multiple_of(2) || text.len() > 32 {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            u8::from_str_radix(str::from_utf8(pair).ok().filter(|pair| !pair.contains('+'))?, 16).ok()
        })
        .collect()
}
