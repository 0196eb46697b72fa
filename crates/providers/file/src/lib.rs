//! The file user store of portcullis: Basic credentials (RFC 7617) against configured users.
//!
//! - [`User`], [`FileUserStore`], [`FileUsers`]: users that stand in the configuration or in code.
//! - [`UserStore`], [`StoredUsers`]: users that stand elsewhere, such as in a database.
//! - [`Hashing`]: where password hashes are computed, and within which bounds.
//! - [`hash_password`]: a hash for `passwordHash`.
//! - [`FileUserStoreConfig`], [`read_users`]: their sections of Config.toml.
//!
//! # Passwords
//!
//! | algorithm | written as | bounds |
//! |---|---|---|
//! | argon2id, argon2i, argon2d | PHC string | `m` up to 1 GiB, `t` up to 64, `m` times `t` up to 4 GiB, `p` up to 16 |
//! | bcrypt | `$2b$`, `$2a$`, `$2y$` | cost 4 to 16 |
//! | scrypt | PHC string | `128·r·2^ln` up to 1 GiB, and 4 GiB times `p`; `r` up to 32, `p` up to 16 |
//! | pbkdf2-sha256, pbkdf2-sha512 | PHC string | `i` up to 10,000,000 |
//!
//! Salts have 8 to 48 bytes and hashes 10 to 64, as in every PHC string. A hash out of bounds is refused when the store
//! is built. bcrypt looks at no more than 72 bytes of a password and stops at a NUL: a password that is longer, or
//! holds one, is refused rather than cut off, since others would be right as well.
//!
//! Clear-text passwords work, as in Ballerina, and are warned about. They are held as keyed digests.
//!
//! # What an answer costs
//!
//! How long a refusal takes must not tell whether a user exists. Every refusal of a store computes the same hashes:
//! each kind of hash among its users (algorithm and parameters) once, the dearest among them. That holds for unknown
//! users, for wrong passwords, and for users whose password is clear text beside hashed ones. A store whose hashes are
//! all of one kind computes one. Where all passwords are clear text nothing is hashed, and every answer is given at
//! once. What is not equalised: the time that a [`UserStore`] takes to look up a user; the length of the password, which
//! the caller knows; and an accepted password, which says so itself.
//!
//! A right credential is remembered for at most 15 minutes, up to 10,000 of them, by a keyed digest of the whole credential
//! (HMAC-SHA-256 under a key of the store's own). On every hit the user is looked up again and the stored hash compared
//! with the one that was verified: a changed password and a removed user end it, and scopes are always those of now.
//!
//! At most so many hashes are computed at a time, and so many wait, see [`Hashing`]; whoever finds no place is told to
//! come back (503 with `Retry-After`). Remembered credentials need no place.

mod config;
mod file_users;
mod hash;
mod lookup;
mod refusal;
mod snapshot;
mod store;
mod user;
mod verify;

#[cfg(test)]
mod tests;

pub use self::{
    config::{FileUserStoreConfig, read_users},
    file_users::FileUsers,
    hash::hash_password,
    lookup::{StoredUsers, UserRecord, UserStore},
    store::FileUserStore,
    user::User,
    verify::Hashing,
};
