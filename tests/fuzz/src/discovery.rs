//! A discovery document: the issuer on the first line, the document behind it.

use portcullis_jwt::fuzzing::discovered;
use portcullis_outbound::{ClientConfig, Endpoint};
use serde_json::Value;

use crate::support::line;

/// Takes the lines.
pub fn run(data: &[u8]) {
    let (issuer, document) = line(data);
    let Ok(issuer) = std::str::from_utf8(issuer) else { return };
    let strict = discovered(issuer, document, &ClientConfig::new());
    let lax = discovered(issuer, document, &ClientConfig::new().allow_insecure_http(true));
    if strict.is_ok() {
        assert_eq!(strict, lax, "what is safe is safe");
    }
    let Ok(found) = lax else { return };
    let document: Value = serde_json::from_slice(document).expect("a document is JSON");
    assert_eq!(document["issuer"].as_str(), Some(issuer), "byte for byte");
    let keys = document["jwks_uri"].as_str().expect("a place of the keys");
    assert!(!keys.contains('@') || keys.find(['/', '?']).is_some(), "user-info");
    let keys = Endpoint::parse(&found).expect("it can be asked");
    let home = Endpoint::parse(issuer).expect("so can the issuer");
    assert!(keys.is_secure() || !home.is_secure(), "less safe than the document");
    if strict.is_ok() {
        assert!(keys.is_secure() || keys.is_loopback(), "in clear over a network");
    }
    assert_eq!(keys.uri().authority().map(|authority| authority.as_str().contains('@')), Some(false));
}
