//! Argon2 (RFC 9106).

use std::sync::{Mutex, MutexGuard, PoisonError};

use ::argon2::{Algorithm, Argon2, Block, Error, Params, Version};

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
        self.compute_in(&KEPT, password, salt, output)
    }

    fn compute_in(self, kept: &Kept, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), Failed> {
        let algorithm = match self.variant {
            Variant::D => Algorithm::Argon2d,
            Variant::I => Algorithm::Argon2i,
            Variant::Id => Algorithm::Argon2id,
        };
        let version = if self.old_version { Version::V0x10 } else { Version::V0x13 };
        Params::new(self.memory, self.passes, self.lanes, Some(output.len()))
            .and_then(|params| {
                let count = params.block_count();
                let argon2 = Argon2::new(algorithm, version, params);
                kept.with(count, |memory| {
                    let done = argon2.hash_password_into_with_memory(password, salt, output, &mut *memory);
                    // A second pass writes over what one guess at the password could be told by at once.
                    if self.passes == 1 {
                        memory.fill(Block::default());
                    }
                    done
                })
                .unwrap_or(Err(Error::OutOfMemory))
            })
            .map_err(|_| Failed("argon2 could not be computed: most likely there is not enough memory"))
    }
}

/// Blocks of 1 KiB that are kept at most, all together: 64 MiB.
const MOST_KEPT: usize = 64 * 1024;

/// The memory of computations that ended, for the next ones. Each has a thread of its own, and an allocator with an arena for some
/// of them keeps 19 MiB in each.
struct Kept(Mutex<Vec<Vec<Block>>>);

static KEPT: Kept = Kept(Mutex::new(Vec::new()));

impl Kept {
    /// Works with that many blocks, where there is memory for them. What is in them is written before it is read.
    fn with<T>(&self, count: usize, work: impl FnOnce(&mut [Block]) -> T) -> Option<T> {
        let mut blocks = match self.take(count) {
            Some(blocks) => blocks,
            None => {
                let mut blocks = Vec::new();
                blocks.try_reserve_exact(count).ok()?;
                blocks.resize(count, Block::default());
                blocks
            }
        };
        let result = work(blocks.get_mut(..count)?);
        // What is too much to be kept takes nothing from the others: their time must not tell what was computed before.
        if blocks.len() <= MOST_KEPT {
            drop(self.keep(blocks));
        }
        Some(result)
    }

    fn take(&self, count: usize) -> Option<Vec<Block>> {
        let mut kept = self.lock();
        let at = kept.iter().position(|blocks| blocks.len() >= count)?;
        Some(kept.swap_remove(at))
    }

    /// Keeps it, and gives back what is too much with it.
    fn keep(&self, blocks: Vec<Block>) -> Vec<Vec<Block>> {
        let mut kept = self.lock();
        kept.push(blocks);
        let mut surplus = Vec::new();
        while kept.iter().map(Vec::len).sum::<usize>() > MOST_KEPT {
            // The least goes: the others can do what it does.
            let least = kept.iter().enumerate().min_by_key(|(_, blocks)| blocks.len());
            let Some((at, _)) = least else { break };
            surplus.push(kept.swap_remove(at));
        }
        surplus
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same hash, whatever was computed in the same memory before.
    #[test]
    fn memory_that_is_used_again_changes_no_hash() {
        let parameters = |memory, passes, old_version| Parameters {
            variant: Variant::Id,
            old_version,
            memory,
            passes,
            lanes: 1,
        };
        let all = [parameters(64, 1, false), parameters(32, 3, false), parameters(128, 2, true)];
        let fresh: Vec<[u8; 32]> = all
            .iter()
            .map(|one| {
                let algorithm = if one.old_version { Version::V0x10 } else { Version::V0x13 };
                let params = Params::new(one.memory, one.passes, one.lanes, Some(32)).unwrap();
                let mut output = [0; 32];
                let argon2 = Argon2::new(Algorithm::Argon2id, algorithm, params);
                argon2.hash_password_into(b"password", b"a salt of 16 b.", &mut output).unwrap();
                output
            })
            .collect();
        let kept = Kept(Mutex::new(Vec::new()));
        for _ in 0..3 {
            for (one, fresh) in all.iter().zip(&fresh) {
                let mut output = [0; 32];
                one.compute_in(&kept, b"password", b"a salt of 16 b.", &mut output).unwrap();
                assert_eq!(output, *fresh, "{one:?}");
                let is_blank = |block: &Block| block.as_ref().iter().all(|word: &u64| *word == 0);
                // What was used last lies on top.
                let blank = kept.lock().last().unwrap().iter().take(one.memory as usize).all(is_blank);
                assert_eq!(blank, one.passes == 1, "{one:?}");
            }
        }
        assert_eq!(sizes(&kept), [64, 128]);
    }

    fn sizes(kept: &Kept) -> Vec<usize> {
        kept.lock().iter().map(Vec::len).collect()
    }

    #[test]
    fn no_more_memory_is_kept_than_may_be_and_what_is_too_much_takes_nothing_away() {
        let kept = Kept(Mutex::new(Vec::new()));
        const LESS: usize = MOST_KEPT - 1;
        for (count, rest) in [
            (1, &[1][..]),
            (MOST_KEPT + 1, &[1]),
            (3, &[1, 3]),
            (2, &[1, 3]),
            (LESS, &[LESS]),
            (1, &[LESS]),
            (MOST_KEPT, &[MOST_KEPT]),
            (MOST_KEPT + 1, &[MOST_KEPT]),
        ] {
            assert_eq!(kept.with(count, |memory| memory.len()), Some(count));
            assert_eq!(sizes(&kept), rest, "{count}");
        }
        assert_eq!(kept.with(usize::MAX, |memory| memory.len()), None, "there is no such memory");
    }

    #[test]
    fn each_of_several_at_once_has_memory_of_its_own_and_all_is_kept() {
        let kept = Kept(Mutex::new(Vec::new()));
        let run = || {
            kept.with(4, |_| {
                kept.with(4, |_| assert_eq!(sizes(&kept), [0_usize; 0])).unwrap();
                assert_eq!(sizes(&kept), [4]);
            })
        };
        run().unwrap();
        assert_eq!(sizes(&kept), [4, 4]);
        run().unwrap();
        assert_eq!(sizes(&kept), [4, 4], "nothing new was needed");
    }
}
