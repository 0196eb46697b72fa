//! What is computed for one password.
//!
//! The cost of a refusal must not tell whether the user exists, nor which kind of hash they have. So every refusal
//! computes the same set: each distinct kind of hash in the store (algorithm and parameters) exactly once. For a
//! known user the own hash stands for its kind; for an unknown one all are dummies. A store whose hashes are all of
//! one kind, which is the usual one, pays exactly one computation for either.
//!
//! A right password is told by the answer itself; it costs its own hash alone.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::hash::{Failed, Hasher, Parameters, PasswordHash, spend};

/// A password, and what it is held against.
pub(super) struct Attempt {
    pub(super) password: Zeroizing<Vec<u8>>,
    /// `None` where the password cannot be right any more.
    pub(super) hash: Option<Arc<PasswordHash>>,
    /// The kinds of hash that every refusal computes.
    pub(super) equalised: Arc<[Parameters]>,
}

/// Why an attempt ends that nobody waits for: nobody will read it.
pub(super) const ABANDONED: Failed = Failed("nobody waits for the answer any more");

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Right,
    Wrong,
    /// The user's algorithm does not look at the whole password, see [`Parameters::fit`].
    Unfit,
}

impl Attempt {
    /// The most memory that is taken at once.
    pub(super) fn memory(&self) -> u64 {
        let own = self.hash.iter().map(|hash| hash.parameters());
        own.chain(self.equalised.iter().copied()).map(Parameters::memory).max().unwrap_or_default()
    }

    /// Computes. Gives up between two computations once nobody waits any more.
    pub(super) fn run(&self, hasher: &dyn Hasher, abandoned: impl Fn() -> bool) -> Result<Finding, Failed> {
        let mut finding = Finding::Wrong;
        let own = self.hash.as_ref().map(|hash| hash.parameters());
        if let Some(hash) = &self.hash {
            if hash.matches(&self.password, hasher)? {
                return Ok(Finding::Right);
            }
            if !hash.parameters().fit(&self.password) {
                finding = Finding::Unfit;
            }
        }
        for parameters in self.equalised.iter().filter(|parameters| Some(**parameters) != own) {
            if abandoned() {
                return Err(ABANDONED);
            }
            spend(*parameters, &self.password, hasher)?;
        }
        Ok(finding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{ARGON2, DEARER_ARGON2, pbkdf2};

    #[test]
    fn an_attempt_takes_the_memory_of_its_dearest_hash_whoever_asks() {
        let parsed = |hash: &str| Arc::new(PasswordHash::parse(hash).unwrap());
        let memory = |hash: Option<&str>, kinds: &[&str]| {
            let equalised = kinds.iter().map(|hash| parsed(hash).parameters()).collect();
            Attempt { password: Zeroizing::default(), hash: hash.map(parsed), equalised }.memory()
        };
        let cheap = pbkdf2("right", 1);
        assert_eq!(memory(None, &[]), 0);
        assert_eq!(memory(None, &[ARGON2]), 8 << 10);
        assert_eq!(memory(None, &[ARGON2, DEARER_ARGON2, &cheap]), 16 << 10);
        assert_eq!(memory(Some(&cheap), &[&cheap, DEARER_ARGON2]), 16 << 10);
        assert_eq!(memory(Some(DEARER_ARGON2), &[ARGON2]), 16 << 10);
    }
}
