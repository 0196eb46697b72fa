//! Where an issuer says that its keys are (OpenID Connect Discovery 1.0 §4, RFC 8414 §3).

use http::StatusCode;
use portcullis_outbound::{Answer, ClientConfig, Endpoint, EndpointError};
use serde_json::{Map, Value};

use crate::refusal::shown;

/// An issuer that was configured.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    /// As it was written: tokens and documents have to say the same, byte for byte.
    pub(super) identifier: String,
    pub(super) endpoint: Endpoint,
}

impl Issuer {
    /// Reads an issuer identifier.
    ///
    /// # Errors
    ///
    /// When documents cannot be asked for by it.
    pub(super) fn parse(identifier: &str) -> Result<Self, String> {
        let endpoint = absolute(identifier)?;
        // RFC 8414 §2: an issuer identifier has no query and no fragment.
        if endpoint.uri().query().is_some() {
            return Err("has a query, which an issuer identifier never has".to_owned());
        }
        Ok(Self { identifier: identifier.to_owned(), endpoint })
    }

    /// The places of its document, in the order in which they are asked: with the well-known part after its path, and
    /// between its host and its path.
    pub(super) fn documents(&self) -> Result<[Endpoint; 2], EndpointError> {
        Ok([
            self.endpoint.with_path_appended("/.well-known/openid-configuration")?,
            self.endpoint.with_path_prepended("/.well-known/oauth-authorization-server")?,
        ])
    }

    /// Reads from a document of the issuer where its keys are.
    ///
    /// # Errors
    ///
    /// When it is another issuer's, or the keys would come by a way that is less safe than the document did.
    pub(super) fn keys_of(&self, document: &Answer, config: &ClientConfig) -> Result<Endpoint, String> {
        if document.status != StatusCode::OK {
            return Err(format!("the answer has the status {}", document.status.as_u16()));
        }
        let members = document.json_object().map_err(|error| format!("the discovery document {error}"))?;
        self.keys_in(&members, config)
    }

    fn keys_in(&self, members: &Map<String, Value>, config: &ClientConfig) -> Result<Endpoint, String> {
        let text = |name: &str| members.get(name).and_then(|value| value.as_str());
        // RFC 8414 §3.3: "The "issuer" value returned MUST be identical to the authorization server's issuer identifier
        // value into which the well-known URI string was inserted to create the URL used to retrieve the metadata." OpenID
        // Connect Discovery 1.0 §4.3 says the same.
        match text("issuer") {
            Some(issuer) if issuer == self.identifier => {}
            Some(issuer) => {
                return Err(format!(
                    "the discovery document is of the issuer {}, and the configured one is {}: they have to be equal \
                     byte for byte, a slash at the end included",
                    shown(issuer),
                    shown(&self.identifier)
                ));
            }
            None => return Err("the discovery document has no `issuer`".to_owned()),
        }
        let Some(keys) = text("jwks_uri") else {
            return Err("the discovery document has no `jwks_uri`".to_owned());
        };
        let keys = absolute(keys).map_err(|why| format!("`jwks_uri` of the discovery document {why}"))?;
        if !keys.is_secure() && self.endpoint.is_secure() {
            return Err(
                "`jwks_uri` of the discovery document is plain http, and the issuer is https".to_owned()
            );
        }
        config.permits(&keys).map_err(|why| format!("`jwks_uri` of the discovery document: {why}"))?;
        Ok(keys)
    }
}

/// The way from the bytes of a document to the place of the keys, for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(crate) fn discovered(issuer: &str, text: &[u8], config: &ClientConfig) -> Result<String, String> {
    let issuer = Issuer::parse(issuer)?;
    let members = portcullis_core::json::object(text).map_err(|error| error.to_string())?;
    issuer.keys_in(&members, config).map(|keys| keys.uri().to_string())
}

/// A URL that says its scheme.
fn absolute(text: &str) -> Result<Endpoint, String> {
    let endpoint = Endpoint::parse(text).map_err(|error| error.to_string())?;
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    if !scheme.is_some_and(|scheme| ["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
    {
        return Err("does not begin with https://".to_owned());
    }
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys_of(issuer: &str, jwks_uri: &str, config: &ClientConfig) -> Result<String, String> {
        let document = json!({"issuer": issuer, "jwks_uri": jwks_uri});
        let issuer = Issuer::parse(issuer).unwrap();
        issuer.keys_in(document.as_object().unwrap(), config).map(|keys| keys.to_string())
    }

    #[test]
    fn keys_come_by_no_way_that_is_less_safe_than_the_documents() {
        let config = ClientConfig::new();
        for (issuer, jwks_uri) in [
            ("https://issuer.example", "https://keys.example/jwks"),
            ("http://127.0.0.1:1", "https://keys.example/jwks"),
            ("http://127.0.0.1:1", "http://127.0.0.1:2/jwks"),
        ] {
            assert_eq!(keys_of(issuer, jwks_uri, &config).as_deref(), Ok(jwks_uri));
        }
        let lax = ClientConfig::new().allow_insecure_http(true);
        for config in [&config, &lax] {
            for jwks_uri in ["http://127.0.0.1:1/jwks", "http://localhost/jwks", "HTTP://[::1]/jwks"] {
                let error = keys_of("https://issuer.example", jwks_uri, config).unwrap_err();
                assert!(error.ends_with("is plain http, and the issuer is https"), "{jwks_uri}: {error}");
            }
        }
        let error = keys_of("http://127.0.0.1:1", "http://keys.example/jwks", &config).unwrap_err();
        assert!(error.contains("plain http to another machine"), "{error}");
        assert!(keys_of("http://127.0.0.1:1", "http://keys.example/jwks", &lax).is_ok());
    }
}
