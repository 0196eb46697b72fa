//! The keys that the records of all grants have in common.

use portcullis_core::config::{Section, Value};
use portcullis_outbound::{ClientConfig, Endpoint, Purpose, read_endpoint};

use super::client::{self, Who};
use crate::{
    grant::{ClientAuthentication, CredentialBearer, settings::Settings},
    params,
};

/// Settings that were read. Where not all of them are there, something stands in for what is missing, so that what is wrong
/// with the others is told all the same.
pub(crate) struct Settled {
    pub(crate) settings: Settings,
    pub(crate) complete: bool,
}

/// Reads the common keys; the endpoint stands at `url`.
pub(crate) fn settings(section: &Section<'_>, url: &str, who: Who) -> Option<Settled> {
    let Request { endpoint, client, scopes, optional_params, credential_bearer } = request(section, url);
    let authentication = client::read(section, who, endpoint.as_ref(), client.as_ref());
    let default_token_exp_time = section.duration("defaultTokenExpTime");
    let clock_skew = section.duration("clockSkew");
    let min_refresh_interval = section.duration("minRefreshInterval");

    let complete = endpoint.is_some() && authentication.is_some();
    let authentication = authentication.unwrap_or_else(|| ClientAuthentication::secret("-", "-"));
    let mut settings = Settings::new(endpoint.or_else(anywhere)?, authentication);
    settings.scopes = scopes;
    settings.default_token_exp_time = default_token_exp_time.unwrap_or(settings.default_token_exp_time);
    settings.clock_skew = clock_skew.unwrap_or_default();
    settings.min_refresh_interval = min_refresh_interval.unwrap_or(settings.min_refresh_interval);
    settings.optional_params = optional_params;
    settings.credential_bearer = credential_bearer.unwrap_or_default();
    settings.clock = section.reader().clock();
    settings.client = client.unwrap_or(settings.client);
    Some(Settled { settings, complete })
}

/// What a request of its own may say, at the token endpoint and at the refresh endpoint.
pub(super) struct Request {
    pub(super) endpoint: Option<Endpoint>,
    /// `None` where it could not be read, or asks for a token itself; both are noted.
    pub(super) client: Option<ClientConfig>,
    pub(super) scopes: Vec<String>,
    pub(super) optional_params: Vec<(String, String)>,
    pub(super) credential_bearer: Option<CredentialBearer>,
}

pub(super) fn request(section: &Section<'_>, url: &str) -> Request {
    let nested_auth = has_nested_auth(section);
    let client = ClientConfig::read(section, Purpose::Tokens);
    let endpoint = read_endpoint(section, url, client.as_ref());
    // As in Ballerina, a blank scope is none.
    let scopes = section.strings("scopes").unwrap_or_default();
    Request {
        endpoint,
        client: client.filter(|_| !nested_auth),
        scopes: scopes.into_iter().filter(|scope| !scope.trim().is_empty()).collect(),
        optional_params: params::read(section),
        credential_bearer: credential_bearer(section),
    }
}

/// Stands in for an endpoint that could not be read.
pub(super) fn anywhere() -> Option<Endpoint> {
    Endpoint::parse("https://localhost").ok()
}

/// A constant that Ballerina writes with the name of its module.
pub(super) fn bare(text: &str) -> &str {
    ["http:", "oauth2:"].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text)
}

fn credential_bearer(section: &Section<'_>) -> Option<CredentialBearer> {
    let text = section.string("credentialBearer")?;
    match bare(&text) {
        "AUTH_HEADER_BEARER" => Some(CredentialBearer::AuthHeader),
        "POST_BODY_BEARER" => Some(CredentialBearer::PostBody),
        _ => {
            section.problem(
                "credentialBearer",
                format!("{text:?} is not one of \"AUTH_HEADER_BEARER\", \"POST_BODY_BEARER\""),
            );
            None
        }
    }
}

/// Whether the client that asks for the token would first have to ask for a token.
fn has_nested_auth(section: &Section<'_>) -> bool {
    let Some(Value::Table(table)) = section.node("clientConfig").map(|node| node.value()) else {
        return false;
    };
    if table.get("auth").is_none() {
        return false;
    }
    section.reader().problem(
        format!("{}.auth", section.path_of("clientConfig")),
        table.key_at("auth"),
        "a token endpoint is asked with the client's own id and secret: remove it",
    );
    true
}
