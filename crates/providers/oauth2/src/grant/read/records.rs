//! The records of the single grants.

use std::sync::Arc;

use portcullis_core::{
    AssertionPurpose, BuildError, TokenSource,
    config::{Node, Section, Value},
};

use super::{
    Settled, Who,
    client::{self, signed},
    settings::{Request, anywhere, bare, request, settings},
};
use crate::{
    grant::{
        ClientAuthentication, ClientCredentials, ClientCredentialsConfig, JwtBearerGrant,
        JwtBearerGrantConfig, PasswordGrant, PasswordGrantConfig, RefreshConfig, RefreshTokenGrant,
        RefreshTokenGrantConfig, RotationHook, RotationHooks, jwt_bearer::Assertion, settings::Settings,
    },
    params::Mistake,
};

type Source = Arc<dyn TokenSource>;

pub(super) fn client_credentials(section: &Section<'_>) -> Option<Source> {
    let Settled { settings, complete } = settings(section, "tokenUrl", Who::Proved)?;
    let config = ClientCredentialsConfig { settings };
    let mistakes = config.mistakes();
    finished(section, complete, &mistakes, || ClientCredentials::new(config))
}

pub(super) fn password(section: &Section<'_>) -> Option<Source> {
    let Settled { settings, complete } = settings(section, "tokenUrl", Who::Anybody)?;
    let username = section.required_string("username");
    let password = section.required_secret("password");
    let (refresh, refresh_complete) = match refresh_config(section, &settings) {
        Ok(refresh) => (refresh, true),
        Err(Unreadable) => (None, false),
    };
    let complete = complete && refresh_complete && username.is_some() && password.is_some();
    let config = PasswordGrantConfig {
        settings,
        username: username.unwrap_or_else(|| "-".to_owned()),
        password: password.unwrap_or_else(|| "-".into()),
        refresh,
        rotation: rotation(section),
    };
    let mistakes = config.mistakes();
    finished(section, complete, &mistakes, || PasswordGrant::new(config))
}

pub(super) fn refresh_token(section: &Section<'_>) -> Option<Source> {
    let Settled { settings, complete } = settings(section, "refreshUrl", Who::Named)?;
    let refresh_token = section.required_secret("refreshToken");
    let complete = complete && refresh_token.is_some();
    let config = RefreshTokenGrantConfig {
        settings,
        refresh_token: refresh_token.unwrap_or_else(|| "-".into()),
        rotation: rotation(section),
    };
    let mistakes = config.mistakes();
    finished(section, complete, &mistakes, || RefreshTokenGrant::new(config))
}

pub(super) fn jwt_bearer(section: &Section<'_>) -> Option<Source> {
    let Settled { settings, complete } = settings(section, "tokenUrl", Who::Anybody)?;
    let assertion = assertion(section);
    let complete = complete && assertion.is_some();
    let assertion = assertion.unwrap_or_else(|| Assertion::Fixed("-".into()));
    let config = JwtBearerGrantConfig { settings, assertion, rotation: rotation(section) };
    let mistakes = config.mistakes();
    finished(section, complete, &mistakes, || JwtBearerGrant::new(config))
}

/// Notes the mistakes, and makes the source where nothing is wrong.
pub(crate) fn finished<S: TokenSource>(
    section: &Section<'_>,
    complete: bool,
    mistakes: &[Mistake],
    source: impl FnOnce() -> Result<S, BuildError>,
) -> Option<Source> {
    mistakes.iter().for_each(|mistake| mistake.note(section));
    if !complete || section.failed() {
        return None;
    }
    match source() {
        Ok(source) => Some(Arc::new(source)),
        Err(error) => {
            section.problem_here(format!("{error:?}"));
            None
        }
    }
}

fn rotation(section: &Section<'_>) -> Option<RotationHook> {
    section.reader().plugged::<RotationHooks>()?.of(section.path())
}

/// A secret in any of its forms, or a table that says how assertions are signed.
fn assertion(section: &Section<'_>) -> Option<Assertion> {
    const KEY: &str = "assertion";
    match section.node(KEY).map(Node::value) {
        Some(Value::Table(table)) if !table.keys().any(|key| matches!(key, "env" | "file")) => {
            signed(section, KEY, &AssertionPurpose::Grant).map(Assertion::Signed)
        }
        _ => section.required_secret(KEY).map(Assertion::Fixed),
    }
}

/// It is there, and cannot be read: what is wrong was noted.
struct Unreadable;

fn refresh_config(section: &Section<'_>, grant: &Settings) -> Result<Option<RefreshConfig>, Unreadable> {
    const KEY: &str = "refreshConfig";
    const INFER: &str = "INFER_REFRESH_CONFIG";
    match section.node(KEY).map(Node::value) {
        None => Ok(None),
        Some(Value::String(text)) if bare(text) == INFER => Ok(Some(RefreshConfig::inferred())),
        Some(Value::Table(_)) => {
            let table = section.section(KEY).ok_or(Unreadable)?;
            own_refresh(section, &table, grant).map(Some).ok_or(Unreadable)
        }
        Some(_) => {
            section.problem(KEY, format!("expected {INFER:?}, or a table with `refreshUrl`"));
            Err(Unreadable)
        }
    }
}

fn own_refresh(section: &Section<'_>, table: &Section<'_>, grant: &Settings) -> Option<RefreshConfig> {
    let Request { endpoint, client, scopes, optional_params, credential_bearer } =
        request(table, "refreshUrl");
    let complete = endpoint.is_some();
    let endpoint = endpoint.or_else(anywhere)?;
    let elsewhere = endpoint != grant.endpoint;
    let mut refresh = RefreshConfig::new(endpoint.clone()).scopes(scopes);
    for (name, value) in optional_params {
        refresh = refresh.optional_param(name, value);
    }
    if let Some(bearer) = credential_bearer {
        refresh = refresh.credential_bearer(bearer);
    }
    if let Some(client) = client {
        refresh = refresh.client(client);
    }
    refresh.mistakes(grant).iter().for_each(|mistake| mistake.note(table));
    // An assertion is for one endpoint. What is wrong with it was noted when it was read for the other.
    if elsewhere && section.has("clientAssertion") && !section.failed() {
        let id = section.string("clientId")?;
        let signer = client::signer(section, &id, Some(&endpoint))?;
        refresh = refresh.authentication(ClientAuthentication::assertion(id, signer));
    }
    (complete && !table.failed()).then_some(refresh)
}
