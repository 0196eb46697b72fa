//! Grants: how a service of ours gets the token that it shows to a server (RFC 6749 §4).
//!
//! A grant is two things. What is sent, and what the answer means, is its own ([`ClientCredentials`]); that a token is
//! fetched once for all who wait, kept while it is good, and renewed before it is not, is the same for all of them.
//!
//! # How tokens are kept
//!
//! * One fetch at a time. It runs by itself: a caller that goes away ends it for nobody.
//! * A token is good for `expires_in`, else for `defaultTokenExpTime`, less `clockSkew`, from the moment at which it was
//!   asked for. In its last part, a fifth of that and five minutes at most, with some jitter, the next use begins to fetch
//!   another one and is given the old one, which is good as long as it lives.
//! * A fetch that fails is tried again after 1 s, 2 s, 4 s and so on, a minute at most, with some jitter; where no token is
//!   left, callers get the error meanwhile and it is tried again after 5 s at most. A `Retry-After` of the server's is
//!   waited for, a minute at most.
//! * A token that a server refuses is not used again, and another one is fetched; not more often than every 10 s.
//! * A token that comes with no lifetime left is given to those who waited for it, and not kept.

mod client_credentials;
mod keeper;
mod read;
mod response;
#[cfg(test)]
mod tests;

#[cfg(feature = "fuzzing")]
pub(crate) use self::response::granted;
pub use self::{
    client_credentials::{ClientCredentials, ClientCredentialsConfig, CredentialBearer},
    read::read,
};
