//! The client's side: requests that carry a token which the service signs itself.

mod self_signed;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use portcullis_core::{TokenSource, config::Section};

pub use self::self_signed::SelfSignedJwt;
use super::{JwtIssuer, JwtIssuerConfig};

/// Reads a `JwtIssuerConfig` as the source of what a client's requests carry, by the reader's clock. Notes all that is wrong
/// at its place, and answers `None` if anything is.
#[must_use]
pub fn read(section: &Section<'_>) -> Option<Arc<dyn TokenSource>> {
    let config = JwtIssuerConfig::read(section)?;
    let issuer = JwtIssuer::new(config).map_err(|error| section.problem_here(error.to_string())).ok()?;
    Some(Arc::new(SelfSignedJwt::new(issuer).clock(section.reader().clock())))
}
