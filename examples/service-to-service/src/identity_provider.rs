//! Stands for your identity provider: it vouches for people and services, and exchanges tokens.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use portcullis_testing::{Call, TestIssuer, TestServer};
use serde_json::json;

/// What it signs tokens with, and a token endpoint.
pub(crate) struct IdentityProvider {
    issuer: Arc<TestIssuer>,
    tokens: TestServer,
    people: Arc<People>,
}

/// Who has which token: a name, and what that person may do.
type People = Mutex<HashMap<String, (&'static str, &'static str)>>;

impl IdentityProvider {
    pub(crate) async fn start() -> Self {
        let (issuer, people) = (Arc::new(TestIssuer::start().await), Arc::<People>::default());
        let (signs, knows) = (Arc::clone(&issuer), Arc::clone(&people));
        let tokens = TestServer::start(move |call| answer(call, &signs, &knows)).await;
        Self { issuer, tokens, people }
    }

    /// A file of configuration with the addresses as they are.
    pub(crate) fn addresses_in(&self, file: &str) -> String {
        let file = file.replace("http://localhost:9093", &self.tokens.origin());
        file.replace("http://localhost:9092", self.issuer.url())
    }

    /// The token that somebody who has logged in uses the shop with.
    pub(crate) fn log_in(&self, name: &'static str, scopes: &'static str) -> String {
        let token = self.issuer.token().subject(name).audience("shop").scope(scopes).sign();
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.insert(token.clone(), (name, scopes));
        token
    }
}

/// The token endpoint, for its one client: the shop.
fn answer(call: &Call, issuer: &TestIssuer, people: &People) -> Response<Bytes> {
    // shop:shop-secret
    if call.header("authorization") != Some("Basic c2hvcDpzaG9wLXNlY3JldA==") {
        return json(StatusCode::UNAUTHORIZED, &json!({ "error": "invalid_client" }));
    }
    let parameter = |name: &str| call.parameter(name).unwrap_or_default();
    let token = match parameter("grant_type").as_str() {
        // The shop itself.
        "client_credentials" => issuer.token().subject("shop").audience("stock").scope(parameter("scope")),
        // Somebody, by way of the shop: the same person with the same rights, for another service (RFC 8693).
        "urn:ietf:params:oauth:grant-type:token-exchange" => {
            let people = people.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((name, scopes)) = people.get(&parameter("subject_token")) else {
                return json(StatusCode::BAD_REQUEST, &json!({ "error": "invalid_request" }));
            };
            let token = issuer.token().subject(name).scope(*scopes).audience(parameter("audience"));
            token.claim("act", json!({ "sub": "shop" }))
        }
        _ => return json(StatusCode::BAD_REQUEST, &json!({ "error": "unsupported_grant_type" })),
    };
    let answer = json!({
        "access_token": token.sign(),
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": 300,
    });
    json(StatusCode::OK, &answer)
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Bytes> {
    let mut answer = Response::new(value.to_string().into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    answer
}
