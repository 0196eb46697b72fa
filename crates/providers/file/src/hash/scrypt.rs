//! scrypt (RFC 7914).

use ::scrypt::Params;

use super::{Failed, HashError, MAX_MEMORY, MAX_WORK, phc::Fields};

/// RFC 7914 §2 recommends 8.
const MAX_BLOCK_SIZE: u32 = 32;
/// RFC 7914 §2 recommends 1. Computed one after the other.
const MAX_PARALLEL: u32 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Parameters {
    log_n: u8,
    r: u32,
    p: u32,
}

impl Parameters {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, HashError> {
        let log_n = u8::try_from(fields.number("ln", 1..=23)?).unwrap_or(u8::MAX);
        let r = fields.number("r", 1..=MAX_BLOCK_SIZE)?;
        let p = fields.number("p", 1..=MAX_PARALLEL)?;
        let table = (128 * u64::from(r)) << log_n;
        if table > MAX_MEMORY || table * u64::from(p) > MAX_WORK {
            return Err(HashError::new(format!(
                "has ln={log_n}, r={r} and p={p}, which together are out of bounds: 128·r·2^ln up to {MAX_MEMORY}, and up to {MAX_WORK} times p"
            )));
        }
        Ok(Self { log_n, r, p })
    }

    pub(super) const fn memory(self) -> u64 {
        // Widening: `u64::from` is not const.
        128 * (self.r as u64) * ((1 << self.log_n) + self.p as u64 + 1)
    }

    pub(super) fn compute(self, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), Failed> {
        let failed = Failed("scrypt could not be computed with its parameters");
        let params = Params::new(self.log_n, self.r, self.p).map_err(|_| failed)?;
        ::scrypt::scrypt(password, salt, &params, output).map_err(|_| failed)
    }
}
