//! An introspection endpoint (RFC 7662).

use std::{
    collections::HashMap,
    fmt,
    ops::Deref,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    client_credentials::Required,
    server::{Bound, Call, TestServer, TestTls, json as as_json, lock, typed},
};

/// An introspection endpoint in the test's own process (RFC 7662).
///
/// It says of every token that it is not active, until it is [granted](Self::grant). It takes form POSTs with exactly one
/// `token` only; anything else is 400. Every method of [`TestServer`] works on it: [`calls`](TestServer::calls) shows the
/// parameters that arrived, and it can hang, go away and come back.
///
/// ```
/// use portcullis_testing::TestIntrospection;
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let introspection = TestIntrospection::start().await;
/// introspection.require_basic("orders", "secret");
/// introspection.grant("a-token", json!({"sub": "alice", "scope": "read write"}));
/// // The provider under test is given `introspection.url()`.
/// # assert!(introspection.url().starts_with("http://127.0.0.1:"));
/// assert_eq!(introspection.call_count(), 0);
/// # }
/// ```
pub struct TestIntrospection {
    server: TestServer,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    answers: Mutex<HashMap<String, Response<Bytes>>>,
    required: Mutex<Option<Required>>,
}

const PATH: &str = "/introspect";

impl TestIntrospection {
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
        let state = Arc::<State>::default();
        let answers = Arc::clone(&state);
        Self { server: bound.serve(move |call| answers.answer(call)).await, state }
    }

    /// The endpoint's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{PATH}", self.server.origin())
    }

    /// From now on this token is active, and the answer has these members beside `active`.
    ///
    /// # Panics
    ///
    /// If `members` is not a JSON object.
    pub fn grant(&self, token: &str, members: Value) {
        let Value::Object(mut members) = members else {
            panic!("the members of an introspection answer are a JSON object, not {members}");
        };
        members.insert("active".to_owned(), true.into());
        self.answer_as(token, as_json(StatusCode::OK, &Value::Object(members)));
    }

    /// From now on this token is answered with this text, as JSON.
    pub fn answer_raw(&self, token: &str, body: impl Into<Bytes>) {
        self.answer_as(token, typed(StatusCode::OK, "application/json", body));
    }

    /// From now on this token is answered with this.
    pub fn answer_as(&self, token: &str, answer: Response<impl Into<Bytes>>) {
        lock(&self.state.answers).insert(token.to_owned(), answer.map(Into::into));
    }

    /// From now on this token is not active.
    pub fn revoke(&self, token: &str) {
        lock(&self.state.answers).remove(token);
    }

    /// Callers have to say who they are by Basic, id and secret form-encoded (RFC 6749 §2.3.1). Others are answered 401.
    pub fn require_basic(&self, id: &str, secret: &str) {
        *lock(&self.state.required) = Some(Required::basic(id, secret));
    }

    /// Callers have to send this token as Bearer (RFC 7662 §2.1). Others are answered 401.
    pub fn require_bearer(&self, token: &str) {
        *lock(&self.state.required) = Some(Required::bearer(token));
    }
}

impl State {
    fn answer(&self, call: &Call) -> Response<Bytes> {
        if call.path() != PATH {
            return typed(StatusCode::NOT_FOUND, "text/plain", "nothing here");
        }
        if let Some(answer) = lock(&self.required).as_ref().and_then(|required| required.refusal(call)) {
            return answer;
        }
        match call.parameter("token").filter(|_| is_form(call)) {
            None => as_json(StatusCode::BAD_REQUEST, &json!({"error": "invalid_request"})),
            Some(token) => {
                let granted = lock(&self.answers).get(&token).cloned();
                granted.unwrap_or_else(|| as_json(StatusCode::OK, &json!({"active": false})))
            }
        }
    }
}

/// The protected resource calls by POST with `application/x-www-form-urlencoded` data (RFC 7662 §2.1).
pub(crate) fn is_form(call: &Call) -> bool {
    let content_type = call.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    call.method == Method::POST && essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

impl Deref for TestIntrospection {
    type Target = TestServer;

    fn deref(&self) -> &TestServer {
        &self.server
    }
}

impl fmt::Debug for TestIntrospection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIntrospection").field("server", &self.server).finish_non_exhaustive()
    }
}
