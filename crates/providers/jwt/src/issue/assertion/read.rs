//! An assertion's record read from a configuration.

use std::sync::Arc;

use portcullis_core::{AssertionPurpose, AssertionSigner, config::Section};

use super::{ClientAssertionConfig, JwtAssertionSigner};
use crate::issue::{JwtIssuerConfig, rules::Rules};

/// Reads who signs assertions for `purpose`, by the reader's clock. Notes all that is wrong at its place, and answers `None` if
/// anything is.
///
/// | purpose | keys |
/// |---|---|
/// | [`ClientAuthentication`](AssertionPurpose::ClientAuthentication) | `signatureConfig`, `keyId`, `certFile`, `audience` (the token endpoint's URL), `expTime` (60 s, at most 300), `customClaims` |
/// | [`Grant`](AssertionPurpose::Grant) | those of a [`JwtIssuerConfig`] but `jwtId`; `issuer` and `audience` are required |
#[must_use]
pub fn read(section: &Section<'_>, purpose: &AssertionPurpose) -> Option<Arc<dyn AssertionSigner>> {
    let signer = match purpose {
        AssertionPurpose::ClientAuthentication { client_id, token_url } => {
            JwtAssertionSigner::client(read_client(section, client_id, token_url)?)
        }
        AssertionPurpose::Grant => {
            JwtAssertionSigner::grant(JwtIssuerConfig::read_under(section, Rules::Grant)?)
        }
        _ => {
            section.problem_here("assertions for this purpose are not available");
            return None;
        }
    };
    let signer = signer.map_err(|error| section.problem_here(error.to_string())).ok()?;
    Some(Arc::new(signer.clock(section.reader().clock())))
}

fn read_client(section: &Section<'_>, client_id: &str, token_url: &str) -> Option<ClientAssertionConfig> {
    for (key, why) in [
        ("issuer", "is the client's identifier"),
        ("username", "is the client's identifier"),
        ("jwtId", "is another one for each assertion"),
    ] {
        if section.has(key) {
            section.node(key);
            section.problem(key, format!("{why}: remove it"));
        }
    }
    let (token, signed) = JwtIssuerConfig::read_signed(section, Rules::Client);
    // One alone: of two servers, each could show the assertion to the other.
    let audience = section.string("audience").unwrap_or_else(|| token_url.to_owned());
    let mut config = ClientAssertionConfig::of(token, client_id.to_owned(), audience);
    if let Some(expiry) = section.duration("expTime") {
        config = config.expiry(expiry);
    }
    config.cert_file = section.file("certFile");
    if !signed {
        // The certificate would be compared with a key that is not there.
        config.cert_file = None;
    }
    for (key, text) in config.resolve().2 {
        section.problem(&key, text);
    }
    (signed && !section.failed()).then_some(config)
}
