//! The imperative way: one provider, one header, no service.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};

use super::builder::{DEFAULT_DECISION_TIMEOUT, DEFAULT_REALM as REALM};
use crate::{
    Clock, CredentialSources, DEFAULT_MAX_CREDENTIAL_BYTES, Element, Policy, Principal, Protocol, Provider,
    Rejection, RequiredScopes, Step,
    chain::{self, Subject},
    policy::Service,
    rejection::Challenges,
};

/// Authenticates the value of an `Authorization` header with one provider.
///
/// # Errors
///
/// With the same rejection that a service with this one element would give: 401, or 503 when the provider
/// cannot tell.
pub async fn authenticate_header(
    provider: &Arc<dyn Provider>,
    authorization: &HeaderValue,
    clock: &Arc<dyn Clock>,
) -> Result<Principal, Rejection> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, authorization.clone());
    let elements = Element::new(Arc::clone(provider), RequiredScopes::anyone());
    let policy = Policy::guarded(
        provider.kind().to_owned(),
        elements.into_iter().collect(),
        false,
        Protocol::Http,
        REALM,
        Service { clock: Arc::clone(clock), observer: None },
    );
    let sources = CredentialSources::header();
    let subject = Subject {
        method: &Method::GET,
        headers: &headers,
        sources: &sources,
        revalidate_interval: None,
        max_credential_bytes: DEFAULT_MAX_CREDENTIAL_BYTES,
        timeout: DEFAULT_DECISION_TIMEOUT,
        clock,
        observer: None,
        throttle: None,
    };
    let decision = match chain::decide(&policy, &subject, chain::About::default) {
        Step::Ready(decision) => decision,
        Step::Wait(deciding) => deciding.await,
    };
    decision?
        .into_principal()
        .ok_or_else(|| Rejection::no_credential(&Challenges::new(Protocol::Http, REALM, std::iter::empty())))
}

/// Authorizes a principal: any one of `scopes` is enough.
///
/// # Errors
///
/// With a 403 that, after a bearer token, names the scopes.
pub fn authorize(principal: &Principal, scopes: impl Into<RequiredScopes>) -> Result<(), Rejection> {
    let scopes = scopes.into();
    if scopes.satisfied_by(principal.scopes()) {
        return Ok(());
    }
    let challenges = Challenges::new(Protocol::Http, REALM, std::iter::once(principal.scheme()));
    Err(Rejection::forbidden(&challenges, principal.scheme(), scopes.iter()))
}
