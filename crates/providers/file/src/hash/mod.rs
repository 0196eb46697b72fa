//! Password hashes: read once, bounded, then computed by parameters.
//!
//! A hash of the configuration is taken apart when it is read, and what it asks of the machine is checked
//! there: a file must not be able to ask for a terabyte. What remains computes without parsing and without a
//! way to fail but memory.

mod argon2;
mod bcrypt;
mod new;
mod pbkdf2;
mod phc;
mod scrypt;
#[cfg(test)]
mod tests;

use std::{fmt, hint::black_box};

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

pub(crate) use self::new::RECOMMENDED;
pub use self::new::hash_password;

/// The longest output of any algorithm: what a PHC string can hold.
const MAX_OUTPUT: usize = 64;

/// The most memory that one computation may take.
const MAX_MEMORY: u64 = 1 << 30;

/// The most memory that one computation may go over, all passes together.
const MAX_WORK: u64 = 4 << 30;

/// What a computation costs: the algorithm and its parameters. Two hashes with equal parameters take equally long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Parameters {
    Argon2(argon2::Parameters),
    Bcrypt(bcrypt::Parameters),
    Scrypt(scrypt::Parameters),
    Pbkdf2(pbkdf2::Parameters),
}

impl Parameters {
    /// How many bytes one computation takes.
    pub(crate) const fn memory(self) -> u64 {
        match self {
            Self::Argon2(parameters) => parameters.memory(),
            Self::Scrypt(parameters) => parameters.memory(),
            Self::Bcrypt(_) | Self::Pbkdf2(_) => 4096,
        }
    }

    /// Whether the algorithm tells this password from every other.
    pub(crate) fn fit(self, password: &[u8]) -> bool {
        !matches!(self, Self::Bcrypt(_)) || bcrypt::fits(password)
    }

    /// An output length that costs as much as a hash with these parameters.
    const fn output_len(self) -> usize {
        match self {
            Self::Argon2(_) | Self::Scrypt(_) => 32,
            Self::Bcrypt(_) => bcrypt::OUTPUT,
            Self::Pbkdf2(parameters) => parameters.output_len(),
        }
    }

    fn compute(self, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), Failed> {
        match self {
            Self::Argon2(parameters) => parameters.compute(password, salt, output),
            Self::Bcrypt(parameters) => parameters.compute(password, salt, output),
            Self::Scrypt(parameters) => parameters.compute(password, salt, output),
            Self::Pbkdf2(parameters) => {
                parameters.compute(password, salt, output);
                Ok(())
            }
        }
    }
}

/// A hash that can be computed and compared.
pub(crate) struct PasswordHash {
    parameters: Parameters,
    salt: Box<[u8]>,
    expected: Box<[u8]>,
}

impl PasswordHash {
    /// Reads a PHC string, or bcrypt's own format.
    pub(crate) fn parse(text: &str) -> Result<Self, HashError> {
        if text.is_empty() {
            return Err(HashError::new("is empty: `portcullis hash` makes one"));
        }
        if text.starts_with("$2") { bcrypt::parse(text) } else { phc::parse(text) }
    }

    pub(crate) const fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// Whether `password` is the one that was hashed. Takes time that depends on the parameters and the length
    /// of the password only.
    pub(crate) fn matches(&self, password: &[u8], hasher: &dyn Hasher) -> Result<bool, Failed> {
        let mut buffer = [0; MAX_OUTPUT];
        let output = buffer.get_mut(..self.expected.len()).ok_or(Failed("a hash is longer than 64 bytes"))?;
        hasher.compute(self.parameters, password, &self.salt, output)?;
        let equal = output.ct_eq(&self.expected);
        buffer.zeroize();
        // What bcrypt cannot hash whole never matches, and costs as much.
        Ok(bool::from(equal) & self.parameters.fit(password))
    }
}

/// The digest is worth a dictionary attack.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("parameters", &self.parameters).finish_non_exhaustive()
    }
}

/// Costs as much as verifying a hash with `parameters`, and finds out nothing.
pub(crate) fn spend(parameters: Parameters, password: &[u8], hasher: &dyn Hasher) -> Result<(), Failed> {
    let mut buffer = [0; MAX_OUTPUT];
    let output = buffer.get_mut(..parameters.output_len()).ok_or(Failed("a hash is longer than 64 bytes"))?;
    hasher.compute(parameters, password, b"nobody has this ", output)?;
    black_box(&buffer);
    buffer.zeroize();
    Ok(())
}

/// Computes hashes. Tests have one that counts, and stops where they want it to.
pub(crate) trait Hasher: fmt::Debug + Send + Sync + 'static {
    /// Fills `output`.
    fn compute(
        &self,
        parameters: Parameters,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), Failed>;
}

/// Computes hashes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu;

impl Hasher for Cpu {
    fn compute(
        &self,
        parameters: Parameters,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), Failed> {
        parameters.compute(password, salt, output)
    }
}

/// A computation that could not be done, such as for want of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed(pub(crate) &'static str);

/// What is wrong with a hash of the configuration. Goes on from "the password hash", and shows nothing of it but
/// parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HashError(String);

impl HashError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
