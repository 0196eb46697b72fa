//! A token endpoint (RFC 6749 §3.2).

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    ops::Deref,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{
    client_credentials::Required,
    introspection::is_form,
    server::{Bound, Call, TestServer, TestTls, json as as_json, lock, typed},
};

/// A token endpoint in the test's own process (RFC 6749 §3.2), with the grants `client_credentials`, `password` and
/// `refresh_token`.
///
/// It gives out `access-1`, `access-2` and so on, for an hour each, to any client until one is
/// [required](Self::require_client). Every method of [`TestServer`] works on it.
///
/// ```
/// use portcullis_testing::TestTokenEndpoint;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let endpoint = TestTokenEndpoint::start().await;
/// endpoint.require_client("orders", "secret");
/// endpoint.expires_in(Some(60));
/// // The code under test is given `endpoint.url()`.
/// assert_eq!(endpoint.issued(), Vec::<String>::new());
/// # }
/// ```
pub struct TestTokenEndpoint {
    server: TestServer,
    state: Arc<State>,
}

struct State {
    client: Mutex<Option<Required>>,
    users: Mutex<HashMap<String, String>>,
    given: Mutex<Given>,
}

struct Given {
    expires_in: Option<u64>,
    refreshable: bool,
    next: VecDeque<String>,
    issued: Vec<String>,
    /// The one refresh token that is good: each is used once.
    refresh: Option<String>,
}

const PATH: &str = "/token";

impl TestTokenEndpoint {
    /// Starts one over plain http.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start() -> Self {
        Self::on(Bound::new(None)).await
    }

    /// Starts one over https.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start_https(tls: TestTls) -> Self {
        Self::on(Bound::new(Some(tls))).await
    }

    async fn on(bound: Bound) -> Self {
        let given = Given {
            expires_in: Some(3600),
            refreshable: false,
            next: VecDeque::new(),
            issued: Vec::new(),
            refresh: None,
        };
        let state =
            Arc::new(State { client: Mutex::default(), users: Mutex::default(), given: Mutex::new(given) });
        let answers = Arc::clone(&state);
        Self { server: bound.serve(move |call| answers.answer(call)).await, state }
    }

    /// The endpoint's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{PATH}", self.server.origin())
    }

    /// Only this client is given tokens. It says who it is by Basic, id and secret form-encoded, or in the body, and not in
    /// both ways at once (RFC 6749 §2.3).
    pub fn require_client(&self, id: &str, secret: &str) {
        *lock(&self.state.client) = Some(Required::either(id, secret));
    }

    /// A resource owner who may use the grant `password`. There is none at first.
    pub fn user(&self, name: &str, password: &str) {
        lock(&self.state.users).insert(name.to_owned(), password.to_owned());
    }

    /// `expires_in` of the answers, in seconds; `None` leaves it out.
    pub fn expires_in(&self, seconds: Option<u64>) {
        lock(&self.state.given).expires_in = seconds;
    }

    /// From now on answers have a refresh token, a new one each time, good for one use.
    pub fn with_refresh_tokens(&self) {
        lock(&self.state.given).refreshable = true;
    }

    /// This refresh token is good, for one use.
    pub fn accept_refresh_token(&self, token: &str) {
        lock(&self.state.given).refresh = Some(token.to_owned());
    }

    /// The next token it gives out is this one. Several are given out in order.
    pub fn will_issue(&self, token: &str) {
        lock(&self.state.given).next.push_back(token.to_owned());
    }

    /// The access tokens given out so far.
    #[must_use]
    pub fn issued(&self) -> Vec<String> {
        lock(&self.state.given).issued.clone()
    }
}

impl State {
    fn answer(&self, call: &Call) -> Response<Bytes> {
        if call.path() != PATH {
            return typed(StatusCode::NOT_FOUND, "text/plain", "nothing here");
        }
        if !is_form(call) {
            return refused("invalid_request");
        }
        if let Some(answer) = lock(&self.client).as_ref().and_then(|client| client.refusal(call)) {
            return answer;
        }
        let parameter = |name| call.parameter(name);
        match parameter("grant_type").as_deref() {
            Some("client_credentials") => self.issue(call, false),
            Some("password") => match (parameter("username"), parameter("password")) {
                (Some(name), Some(password)) if lock(&self.users).get(&name) == Some(&password) => {
                    self.issue(call, true)
                }
                (Some(_), Some(_)) => refused("invalid_grant"),
                _ => refused("invalid_request"),
            },
            Some("refresh_token") => match parameter("refresh_token") {
                None => refused("invalid_request"),
                Some(token) => {
                    let known = lock(&self.given).refresh.take_if(|refresh| *refresh == token).is_some();
                    if known { self.issue(call, true) } else { refused("invalid_grant") }
                }
            },
            Some(_) => refused("unsupported_grant_type"),
            None => refused("invalid_request"),
        }
    }

    /// A refresh token should not be part of an answer to `client_credentials` (RFC 6749 §4.4.3).
    fn issue(&self, call: &Call, may_refresh: bool) -> Response<Bytes> {
        let mut given = lock(&self.given);
        let number = given.issued.len() + 1;
        let token = given.next.pop_front().unwrap_or_else(|| format!("access-{number}"));
        given.issued.push(token.clone());
        let mut members = Map::new();
        members.insert("access_token".to_owned(), token.into());
        members.insert("token_type".to_owned(), "Bearer".into());
        if let Some(seconds) = given.expires_in {
            members.insert("expires_in".to_owned(), seconds.into());
        }
        if let Some(scope) = call.parameter("scope") {
            members.insert("scope".to_owned(), scope.into());
        }
        if may_refresh && given.refreshable {
            let refresh = format!("refresh-{number}");
            given.refresh = Some(refresh.clone());
            members.insert("refresh_token".to_owned(), refresh.into());
        }
        let mut answer = as_json(StatusCode::OK, &Value::Object(members));
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }
}

fn refused(error: &str) -> Response<Bytes> {
    as_json(StatusCode::BAD_REQUEST, &json!({ "error": error }))
}

impl Deref for TestTokenEndpoint {
    type Target = TestServer;

    fn deref(&self) -> &TestServer {
        &self.server
    }
}

impl fmt::Debug for TestTokenEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestTokenEndpoint").field("server", &self.server).finish_non_exhaustive()
    }
}
