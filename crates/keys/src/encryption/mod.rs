//! Password-based encryption, as PKCS#8 files and PKCS#12 stores have it.
//!
//! How much work a decryption costs is written in the file, so it is read and limited before any is done.

mod legacy_pem;
mod pkcs12;

use pkcs8::der::asn1::ObjectIdentifier;
use pkcs8::der::{Decode as _, ErrorKind};
use pkcs8::pkcs5;
use pkcs8::pkcs5::pbes2::{self, PBES2_OID, PBKDF2_OID, SCRYPT_OID};
use zeroize::Zeroizing;

pub(crate) use self::legacy_pem::decrypt as decrypt_legacy_pem;
pub(crate) use self::pkcs12::{KeyPurpose, derive};

use crate::algorithm::name;
use crate::asn1::Fields;
use crate::error::KeyErrorKind;

/// The most iterations of one key derivation (PBKDF2, or that of PKCS#12): 5,000,000, the limit that Java has. A key
/// store may ask for twice that in all its parts together.
pub const MAX_ITERATIONS: u64 = 5_000_000;

/// The most memory, in bytes, that scrypt may use: 256 MiB. Its time is limited to four times what that takes.
pub const MAX_SCRYPT_MEMORY: u64 = 256 << 20;

/// A PKCS#12 KDF block is combined with salt and password before each round; no writer uses more than 64 bytes.
const MAX_SALT: usize = 1024;

/// A password in the encodings that the algorithms want.
pub(crate) struct Password<'a> {
    /// PBES2 and the PEM headers: UTF-8.
    pub(crate) utf8: &'a str,
    /// PKCS#12: UTF-16, big-endian, with a terminator of two zero bytes (RFC 7292, appendix B.1).
    pub(crate) bmp: Zeroizing<Vec<u8>>,
}

impl<'a> Password<'a> {
    pub(crate) fn new(utf8: &'a str) -> Self {
        let mut bmp = Zeroizing::new(Vec::with_capacity(utf8.len() * 2 + 2));
        bmp.extend(utf8.encode_utf16().flat_map(u16::to_be_bytes));
        bmp.extend([0, 0]);
        Self { utf8, bmp }
    }

    /// Some writers leave the terminator away when there is no password.
    pub(crate) fn absent() -> Self {
        Self { utf8: "", bmp: Zeroizing::default() }
    }
}

/// The work that may still be done for one file, counted in iterations.
pub(crate) struct Budget(u64);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(2 * MAX_ITERATIONS)
    }

    pub(crate) fn iterations(&mut self, what: &'static str, found: u64) -> Result<u32, KeyErrorKind> {
        if found > MAX_ITERATIONS {
            return Err(KeyErrorKind::TooExpensive { what, found, limit: MAX_ITERATIONS });
        }
        if found == 0 {
            return Err(KeyErrorKind::Malformed("it asks for zero iterations"));
        }
        self.spend(found)?;
        u32::try_from(found).map_err(|_| KeyErrorKind::Malformed("it asks for too many iterations"))
    }

    fn spend(&mut self, work: u64) -> Result<(), KeyErrorKind> {
        let limit = 2 * MAX_ITERATIONS;
        let what = "the number of iterations of all parts together";
        let found = (limit - self.0).saturating_add(work);
        self.0 = self.0.checked_sub(work).ok_or(KeyErrorKind::TooExpensive { what, found, limit })?;
        Ok(())
    }

    /// One step of scrypt, of which it does N·r·p, takes about as long as one iteration of PBKDF2.
    fn scrypt(&mut self, n: u64, r: u64, p: u64) -> Result<(), KeyErrorKind> {
        // RFC 7914, section 2: N is larger than 1 and a power of 2.
        if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
            return Err(KeyErrorKind::Malformed("its scrypt parameters are not valid"));
        }
        let memory = n.saturating_mul(r).saturating_mul(128);
        if memory > MAX_SCRYPT_MEMORY {
            let what = "the memory for scrypt";
            return Err(KeyErrorKind::TooExpensive { what, found: memory, limit: MAX_SCRYPT_MEMORY });
        }
        let (time, limit) = (memory.saturating_mul(p), 4 * MAX_SCRYPT_MEMORY);
        if time > limit {
            return Err(KeyErrorKind::TooExpensive { what: "the work for scrypt", found: time, limit });
        }
        self.spend(time / 128)
    }
}

const WHAT: &str = "its encryption parameters cannot be parsed";

/// How something is encrypted, with parameters that were found affordable.
pub(crate) struct Scheme<'a>(Method<'a>);

enum Method<'a> {
    Pbes2(pbes2::Parameters),
    Pkcs12 { cipher: pkcs12::Cipher, salt: &'a [u8], iterations: u32 },
}

impl<'a> Scheme<'a> {
    /// Reads the DER of an `AlgorithmIdentifier`, and pays for the work it asks for.
    pub(crate) fn new(algorithm: &'a [u8], budget: &mut Budget) -> Result<Self, KeyErrorKind> {
        let mut fields = Fields::of_sequence(algorithm, WHAT)?;
        let scheme = fields.oid()?;
        if scheme == PBES2_OID {
            return Ok(Self(Method::Pbes2(pbes2(fields.raw()?, budget)?)));
        }
        let Some(cipher) = pkcs12::Cipher::of(scheme) else {
            return Err(KeyErrorKind::UnsupportedEncryption(name(scheme)));
        };
        // pkcs-12PbeParams ::= SEQUENCE { salt OCTET STRING, iterations INTEGER }
        let mut parameters = fields.sequence()?;
        let salt = parameters.octets()?;
        if salt.len() > MAX_SALT {
            return Err(KeyErrorKind::Malformed("its salt is too long"));
        }
        let iterations = budget.iterations("the number of iterations", parameters.integer()?)?;
        Ok(Self(Method::Pkcs12 { cipher, salt, iterations }))
    }

    /// Decrypts. There is no way to tell a wrong password from damaged data.
    pub(crate) fn decrypt(
        &self,
        data: &[u8],
        password: &Password<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, KeyErrorKind> {
        match &self.0 {
            Method::Pbes2(parameters) => decrypt_pbes2(parameters, data, password),
            Method::Pkcs12 { cipher, salt, iterations } => cipher.decrypt(data, password, salt, *iterations),
        }
    }
}

/// Decrypts an `EncryptedPrivateKeyInfo` (RFC 5958, section 3).
pub(crate) fn decrypt_info(der: &[u8], password: &Password<'_>) -> Result<Zeroizing<Vec<u8>>, KeyErrorKind> {
    let mut fields = Fields::of_sequence(der, "the encrypted private key cannot be parsed")?;
    let scheme = Scheme::new(fields.raw()?, &mut Budget::new())?;
    scheme.decrypt(fields.octets()?, password)
}

/// Reads the parameters of PBES2 (RFC 8018, appendix A.4) twice: first for what they cost, and whether the second
/// reader, which panics on some, can be let at them.
fn pbes2(parameters: &[u8], budget: &mut Budget) -> Result<pbes2::Parameters, KeyErrorKind> {
    let mut fields = Fields::of_sequence(parameters, WHAT)?;
    let mut derivation = fields.sequence()?;
    let function = derivation.oid()?;
    let mut arguments = derivation.sequence()?;
    // The salt comes first in both.
    arguments.any()?;
    match function {
        PBKDF2_OID => {
            budget.iterations("the number of PBKDF2 iterations", arguments.integer()?)?;
        }
        SCRYPT_OID => {
            let (n, r, p) = (arguments.integer()?, arguments.integer()?, arguments.integer()?);
            budget.scrypt(n, r, p)?;
        }
        other => return Err(unsupported(other)),
    }
    pbes2::Parameters::from_der(parameters).map_err(|error| match error.kind() {
        ErrorKind::OidUnknown { oid } => unsupported(oid),
        _ => KeyErrorKind::Malformed(WHAT),
    })
}

fn decrypt_pbes2(
    parameters: &pbes2::Parameters,
    data: &[u8],
    password: &Password<'_>,
) -> Result<Zeroizing<Vec<u8>>, KeyErrorKind> {
    let mut buffer = Zeroizing::new(data.to_vec());
    let decrypted = parameters.decrypt_in_place(password.utf8, &mut buffer).map_err(|error| match error {
        pkcs5::Error::UnsupportedAlgorithm { oid } => unsupported(oid),
        pkcs5::Error::AlgorithmParametersInvalid { .. } => KeyErrorKind::Malformed(WHAT),
        _ => KeyErrorKind::WrongPassword,
    })?;
    let length = decrypted.len();
    buffer.truncate(length);
    Ok(buffer)
}

fn unsupported(oid: ObjectIdentifier) -> KeyErrorKind {
    KeyErrorKind::UnsupportedEncryption(format!("PBES2 with {}", name(oid)))
}
