use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::{
    Parameters,
    argon2::{Parameters as Argon2Parameters, Variant},
};

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What [`hash_password`] computes with.
pub(crate) const RECOMMENDED: Parameters = Parameters::Argon2(Argon2Parameters {
    variant: Variant::Id,
    old_version: false,
    memory: MEMORY_KIB,
    passes: PASSES,
    lanes: LANES,
});

/// Hashes a password for `passwordHash`: argon2id with 19 MiB, two passes and one lane, under a fresh salt of 16
/// bytes from the operating system, as a PHC string. Takes some tens of milliseconds.
///
/// ```
/// use portcullis_file::{FileUserStore, User, hash_password};
///
/// let hash = hash_password("correct horse");
/// assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
/// FileUserStore::new([User::new("alice", hash)]).build()?;
/// # Ok::<(), portcullis_core::BuildError>(())
/// ```
///
/// # Panics
///
/// When the operating system has no randomness or no memory to give.
#[must_use]
#[expect(clippy::expect_used, reason = "a hash without salt must not exist, and its caller is a person")]
pub fn hash_password(password: &str) -> String {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).expect("the operating system gives randomness");
    let mut output = [0; 32];
    RECOMMENDED
        .compute(password.as_bytes(), &salt, &mut output)
        .expect("the operating system gives 19 MiB of memory");
    format!(
        "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(output)
    )
}
