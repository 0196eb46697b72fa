//! The record of a grant read from a configuration.

use std::sync::Arc;

use portcullis_core::{
    TokenSource,
    config::{Section, Value},
};
use portcullis_outbound::{ClientConfig, Endpoint, Purpose, read_endpoint};

use super::{
    CredentialBearer,
    client_credentials::{ClientCredentials, ClientCredentialsConfig},
};
use crate::params;

/// Reads the record of a grant, and makes the source of its tokens. Notes all that is wrong at its place, and answers
/// `None` if anything is.
///
/// Records are told apart by their keys, or named by `grant`. This version has the client credentials grant.
#[must_use]
pub fn read(section: &Section<'_>) -> Option<Arc<dyn TokenSource>> {
    let named = section.choice("grant", &NAMES);
    match told_by_keys(section).or(named.map(|name| ("grant", name))) {
        Some((key, grant)) if grant != CLIENT_CREDENTIALS => {
            section.problem(
                key,
                format!(
                    "belongs to the grant `{grant}`, which is not available in this version: use \
                     `{CLIENT_CREDENTIALS}` (`tokenUrl`, `clientId`, `clientSecret`)"
                ),
            );
            // One mistake is enough: the other keys are the other grant's.
            section.keys().for_each(|key| _ = section.node(key));
            None
        }
        _ => client_credentials(section),
    }
}

const CLIENT_CREDENTIALS: &str = "client_credentials";
const NAMES: [&str; 4] = [CLIENT_CREDENTIALS, "password", "refresh_token", "jwt_bearer"];

/// The keys that only one grant has, and that grant.
const TELLING: [(&str, &str); 6] = [
    ("username", "password"),
    ("password", "password"),
    ("refreshConfig", "password"),
    ("refreshUrl", "refresh_token"),
    ("refreshToken", "refresh_token"),
    ("assertion", "jwt_bearer"),
];

fn told_by_keys(section: &Section<'_>) -> Option<(&'static str, &'static str)> {
    TELLING.into_iter().find(|(key, _)| section.has(key))
}

fn client_credentials(section: &Section<'_>) -> Option<Arc<dyn TokenSource>> {
    let nested_auth = has_nested_auth(section);
    let client = ClientConfig::read(section, Purpose::Tokens);
    let endpoint = read_endpoint(section, "tokenUrl", client.as_ref());
    let id = section.required_string("clientId");
    let secret = client_secret(section);
    let scopes = section.strings("scopes");
    let default_token_exp_time = section.duration("defaultTokenExpTime");
    let clock_skew = section.duration("clockSkew");
    let optional_params = params::read(section);
    let credential_bearer = credential_bearer(section);

    // What is wrong with the other keys is told whether or not these are right.
    let anywhere = || Endpoint::parse("https://localhost").ok();
    let complete = endpoint.is_some() && id.is_some() && secret.is_some();
    let mut config = ClientCredentialsConfig::new(
        endpoint.or_else(anywhere)?,
        id.unwrap_or_else(|| "-".to_owned()),
        secret.unwrap_or_else(|| "-".into()),
    );
    // As in Ballerina, a blank scope is none.
    let scopes = scopes.unwrap_or_default();
    config.settings.scopes = scopes.into_iter().filter(|scope| !scope.trim().is_empty()).collect();
    config.settings.default_token_exp_time =
        default_token_exp_time.unwrap_or(config.settings.default_token_exp_time);
    config.settings.clock_skew = clock_skew.unwrap_or_default();
    config.settings.optional_params = optional_params;
    config.settings.credential_bearer = credential_bearer.unwrap_or_default();
    config.settings.clock = section.reader().clock();
    // What is wrong with an `auth` is told at its own place.
    config.settings.client = client.filter(|_| !nested_auth).unwrap_or(config.settings.client);
    config.mistakes().iter().for_each(|mistake| mistake.note(section));
    if !complete || section.failed() {
        return None;
    }
    match ClientCredentials::new(config) {
        Ok(source) => Some(Arc::new(source)),
        Err(error) => {
            section.problem_here(format!("{error:?}"));
            None
        }
    }
}

fn client_secret(section: &Section<'_>) -> Option<portcullis_core::Secret> {
    if section.node("clientAssertion").is_some() {
        section.problem("clientAssertion", "is not available in this version: use `clientSecret`");
        // Asked for, so that it is known.
        return section.secret("clientSecret");
    }
    section.required_secret("clientSecret")
}

/// Ballerina writes its constants with the module's name.
fn credential_bearer(section: &Section<'_>) -> Option<CredentialBearer> {
    let text = section.string("credentialBearer")?;
    let bare = ["http:", "oauth2:"].iter().find_map(|prefix| text.strip_prefix(prefix));
    match bare.unwrap_or(&text) {
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
