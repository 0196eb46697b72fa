//! Argon2 (RFC 9106).

use ::argon2::{Algorithm, Argon2, Params, Version};

use super::{Failed, HashError, MAX_MEMORY, MAX_WORK, phc::Fields};

/// Passes: RFC 9106 §4 recommends 1 to 3.
const MAX_PASSES: u32 = 64;
/// Lanes. They are computed one after the other; RFC 9106 §4 recommends 4.
const MAX_LANES: u32 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Parameters {
    pub(super) variant: Variant,
    pub(super) old_version: bool,
    /// KiB
    pub(super) memory: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Variant {
    D,
    I,
    Id,
}

impl Parameters {
    pub(super) fn read(fields: &mut Fields, variant: &str) -> Result<Self, HashError> {
        let variant = match variant {
            "argon2d" => Variant::D,
            "argon2i" => Variant::I,
            _ => Variant::Id,
        };
        let old_version = match fields.version() {
            Some(19) => false,
            // The reference implementation reads a string without a version as one of the first version.
            Some(16) | None => true,
            Some(version) => {
                return Err(HashError::new(format!("has the version {version}: argon2 knows 19 and 16")));
            }
        };
        let lanes = fields.number("p", 1..=MAX_LANES)?;
        let kib = u32::try_from(MAX_MEMORY >> 10).unwrap_or(u32::MAX);
        // RFC 9106 §3.1: at least eight blocks for each lane
        let memory = fields.number("m", lanes * 8..=kib)?;
        let passes = fields.number("t", 1..=MAX_PASSES)?;
        let work = u64::from(memory) * u64::from(passes);
        if work > MAX_WORK >> 10 {
            return Err(HashError::new(format!(
                "has m={memory} and t={passes}, which together are out of bounds: m times t up to {}",
                MAX_WORK >> 10
            )));
        }
        Ok(Self { variant, old_version, memory, passes, lanes })
    }

    pub(super) const fn memory(self) -> u64 {
        // Widening: `u64::from` is not const.
        (self.memory as u64) << 10
    }

    pub(super) fn compute(self, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), Failed> {
        let algorithm = match self.variant {
            Variant::D => Algorithm::Argon2d,
            Variant::I => Algorithm::Argon2i,
            Variant::Id => Algorithm::Argon2id,
        };
        let version = if self.old_version { Version::V0x10 } else { Version::V0x13 };
        Params::new(self.memory, self.passes, self.lanes, Some(output.len()))
            .and_then(|params| {
                Argon2::new(algorithm, version, params).hash_password_into(password, salt, output)
            })
            .map_err(|_| Failed("argon2 could not be computed: most likely there is not enough memory"))
    }
}
