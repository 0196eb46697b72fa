//! PBKDF2 (RFC 8018 §5.2) with HMAC-SHA-256 or HMAC-SHA-512.

use ::pbkdf2::pbkdf2_hmac;
use sha2::{Sha256, Sha512};

use super::{HashError, phc::Fields};

const MAX_ROUNDS: u32 = 10_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Parameters {
    prf: Prf,
    rounds: u32,
    /// Each block of output costs all rounds again.
    blocks: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Prf {
    Sha256,
    Sha512,
}

impl Prf {
    const fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl Parameters {
    pub(super) fn read(fields: &mut Fields, prf: Prf, output: usize) -> Result<Self, HashError> {
        let rounds = fields.number("i", 1..=MAX_ROUNDS)?;
        if let Some(length) = fields.optional("l")?
            && u32::try_from(output) != Ok(length)
        {
            return Err(HashError::new(format!("has l={length} and a hash of {output} bytes")));
        }
        Ok(Self { prf, rounds, blocks: output.div_ceil(prf.len()) })
    }

    pub(super) const fn output_len(self) -> usize {
        self.prf.len() * self.blocks
    }

    pub(super) fn compute(self, password: &[u8], salt: &[u8], output: &mut [u8]) {
        match self.prf {
            Prf::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, self.rounds, output),
            Prf::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, self.rounds, output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_blocks_are_spent_as_a_hash_has() {
        for (prf, output, spent) in [
            (Prf::Sha256, 1_usize, 32),
            (Prf::Sha256, 16, 32),
            (Prf::Sha256, 32, 32),
            (Prf::Sha256, 33, 64),
            (Prf::Sha256, 64, 64),
            (Prf::Sha512, 32, 64),
            (Prf::Sha512, 64, 64),
        ] {
            let parameters = Parameters { prf, rounds: 1, blocks: output.div_ceil(prf.len()) };
            assert_eq!(parameters.output_len(), spent, "{prf:?} {output}");
        }
    }
}
