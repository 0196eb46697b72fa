//! bcrypt, in the format of its own that every implementation writes: `$2b$cost$salthash`.
//!
//! It is taken apart here: a string that is not exactly that never reaches a function that slices it
//! (RUSTSEC-2026-0199).

use base64::{
    Engine,
    alphabet::BCRYPT,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroize;

use super::{Failed, HashError, Parameters as Any, PasswordHash};

/// Older implementations leave whatever was there in the last bits of a salt.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// bcrypt computes 24 bytes and writes 23.
pub(super) const OUTPUT: usize = 23;
const SALT: usize = 16;
const MIN_COST: u32 = 4;
/// Doubles with each step: 16 takes several seconds.
const MAX_COST: u32 = 16;
/// bcrypt looks at no more of a password.
const MAX_PASSWORD: usize = 72;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Parameters {
    cost: u32,
}

pub(super) fn parse(text: &str) -> Result<PasswordHash, HashError> {
    let malformed = || HashError::new("is no bcrypt hash: expected $2b$, two digits, $, and 53 characters");
    let mut parts = text.split('$').skip(1);
    let (Some(version), Some(cost), Some(rest), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed());
    };
    match version {
        "2a" | "2b" | "2y" => {}
        // Made by an implementation that mistook bytes over 127.
        "2x" => return Err(HashError::new("is a bcrypt hash of the faulty version $2x$: make a new one")),
        _ => return Err(malformed()),
    }
    let digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
    let cost = cost.parse::<u32>().ok().filter(|_| digits).ok_or_else(malformed)?;
    if !(MIN_COST..=MAX_COST).contains(&cost) {
        return Err(HashError::new(format!(
            "has the bcrypt cost {cost}, which is out of bounds: from {MIN_COST} to {MAX_COST}"
        )));
    }
    let (salt, hash) = rest.split_at_checked(22).ok_or_else(malformed)?;
    let salt = BASE64.decode(salt).map_err(|_| malformed())?;
    let expected = BASE64.decode(hash).map_err(|_| malformed())?;
    // So many characters of salt have the right length.
    if expected.len() != OUTPUT {
        return Err(malformed());
    }
    Ok(PasswordHash {
        parameters: Any::Bcrypt(Parameters { cost }),
        salt: salt.into(),
        expected: expected.into(),
    })
}

/// Whether bcrypt looks at the whole password. It stops after 72 bytes, and reads a password that holds a NUL like
/// the one that it repeats: others would be let in.
pub(super) fn fits(password: &[u8]) -> bool {
    password.len() <= MAX_PASSWORD && !password.contains(&0)
}

impl Parameters {
    /// Hashes as much of the password as bcrypt takes; whether that is all of it is for [`fits`] to say.
    pub(super) fn compute(self, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), Failed> {
        let failed = Failed("bcrypt could not be computed with its parameters");
        let salt: [u8; SALT] = salt.try_into().map_err(|_| failed)?;
        // The password and the NUL that ends it, unless it is cut off.
        let mut key = [0; MAX_PASSWORD];
        key.iter_mut().zip(password).for_each(|(to, from)| *to = *from);
        let length = (password.len() + 1).min(MAX_PASSWORD);
        let computed = ::bcrypt::bcrypt(self.cost, salt, key.get(..length).ok_or(failed)?);
        key.zeroize();
        output.iter_mut().zip(computed).for_each(|(to, from)| *to = from);
        Ok(())
    }
}
