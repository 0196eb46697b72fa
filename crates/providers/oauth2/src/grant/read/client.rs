//! How the record says who the client is.

use std::sync::Arc;

use portcullis_core::{AssertionPurpose, AssertionReader, AssertionSigner, config::Section};
use portcullis_outbound::{ClientConfig, Endpoint};

use crate::grant::ClientAuthentication;

const KEY: &str = "clientAssertion";

/// What a grant has to know of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Its name, and proof of it.
    Proved,
    /// Its name.
    Named,
    /// Nothing.
    Anybody,
}

/// Reads `clientId`, and `clientSecret` or `clientAssertion`. Without these two the certificate of `client` tells who it is,
/// or nothing does.
///
/// `endpoint` and `client` are `None` where they could not be read, which was noted.
pub(super) fn read(
    section: &Section<'_>,
    who: Who,
    endpoint: Option<&Endpoint>,
    client: Option<&ClientConfig>,
) -> Option<ClientAuthentication> {
    let proof = ["clientSecret", KEY].into_iter().find(|key| section.has(key));
    let id = match (section.has("clientId"), proof) {
        (false, Some(proof)) => {
            section.node("clientId");
            section.problem("clientId", format!("required beside `{proof}`, and missing"));
            None
        }
        (false, None) if who == Who::Anybody => {
            section.node("clientId");
            section.node("clientSecret");
            section.node(KEY);
            return Some(ClientAuthentication::none());
        }
        _ => section.required_string("clientId"),
    };
    let secret = section.secret("clientSecret");
    if section.has(KEY) {
        if section.has("clientSecret") {
            section.problem(
                KEY,
                "stands beside `clientSecret`: a client says who it is in one way, keep one of them",
            );
        }
        let signer = signer(section, id.as_deref().filter(|id| !id.is_empty()).unwrap_or("-"), endpoint)?;
        return Some(ClientAuthentication::assertion(id?, signer));
    }
    section.node(KEY);
    if section.has("clientSecret") {
        return Some(ClientAuthentication::secret(id?, secret?));
    }
    match client {
        Some(client) if client.has_client_certificate() => id.map(ClientAuthentication::mutual_tls),
        Some(_) if who == Who::Proved => {
            section.problem(
                "clientSecret",
                "required, and missing: set it, or `clientAssertion`, or `clientConfig.secureSocket.key`, a certificate",
            );
            None
        }
        _ => id.map(ClientAuthentication::public),
    }
}

/// Reads `clientAssertion`. The audience is the endpoint, unless it says otherwise; something stands in for one that could
/// not be read.
pub(super) fn signer(
    section: &Section<'_>,
    id: &str,
    endpoint: Option<&Endpoint>,
) -> Option<Arc<dyn AssertionSigner>> {
    let token_url = endpoint.map_or_else(|| "-".to_owned(), |endpoint| endpoint.uri().to_string());
    signed(section, KEY, &AssertionPurpose::ClientAuthentication { client_id: id.to_owned(), token_url })
}

/// Reads what signs assertions at `key`.
pub(super) fn signed(
    section: &Section<'_>,
    key: &str,
    purpose: &AssertionPurpose,
) -> Option<Arc<dyn AssertionSigner>> {
    let Some(reader) = section.reader().plugged::<AssertionReader>() else {
        section.node(key);
        section.problem(key, "this build of portcullis cannot sign assertions: add its feature `jwt`");
        return None;
    };
    reader.read(&section.section(key)?, purpose)
}
