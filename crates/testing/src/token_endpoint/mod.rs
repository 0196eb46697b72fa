//! A token endpoint (RFC 6749 §3.2).

mod grant;
mod state;

use std::{fmt, ops::Deref, sync::Arc};

use bytes::Bytes;
use portcullis_keys::{Certificate, PublicKey};
use serde_json::Value;

pub use self::grant::GrantType;
use self::state::{Refreshing, State};
use crate::{
    assertion::VerificationKey,
    client_credentials::{Place, Required},
    server::{Bound, Call, TestServer, TestTls},
};

/// A token endpoint in the test's own process (RFC 6749 §3.2), with every [grant](GrantType) of the client's side.
///
/// It gives out `access-1`, `access-2` and so on, for an hour each, to any client until one is
/// [required](Self::require_client). Every method of [`TestServer`] works on it: it shows what was sent
/// ([`calls`](TestServer::calls)), hangs ([`hold`](TestServer::hold)), fails once
/// ([`answer_next`](TestServer::answer_next)) or for longer ([`answer_with`](TestServer::answer_with)).
///
/// ```
/// use portcullis_testing::{GrantType, TestTokenEndpoint};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let endpoint = TestTokenEndpoint::start().await;
/// endpoint.require_client("orders", "secret");
/// endpoint.expires_in(Some(60));
/// // The code under test is given `endpoint.url()`.
/// assert_eq!(endpoint.issued(), Vec::<String>::new());
/// assert_eq!(endpoint.count(GrantType::ClientCredentials), 0);
/// # }
/// ```
pub struct TestTokenEndpoint {
    server: TestServer,
    state: Arc<State>,
}

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
        let state = Arc::new(State::default());
        let answers = Arc::clone(&state);
        Self { server: bound.serve(move |call| answers.answer(call)).await, state }
    }

    /// The endpoint's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.server.origin(), state::PATH)
    }

    /// Only this client is given tokens. It says who it is by Basic, id and secret form-encoded, or in the body, and not in
    /// both ways at once (RFC 6749 §2.3).
    pub fn require_client(&self, id: &str, secret: &str) {
        self.require(Required::secret(id, secret, Place::Either));
    }

    /// Only this client is given tokens. It says who it is by Basic, id and secret form-encoded (RFC 6749 §2.3.1).
    pub fn require_client_in_header(&self, id: &str, secret: &str) {
        self.require(Required::secret(id, secret, Place::Header));
    }

    /// Only this client is given tokens. It says who it is in the body.
    pub fn require_client_in_body(&self, id: &str, secret: &str) {
        self.require(Required::secret(id, secret, Place::Body));
    }

    /// Only this client is given tokens. It has no secret, and sends `client_id` alone (RFC 6749 §3.2.1).
    pub fn require_public_client(&self, id: &str) {
        self.require(Required::Public(id.to_owned()));
    }

    /// Only this client is given tokens. It shows this certificate in the handshake, and sends `client_id` without a secret
    /// (RFC 8705 §2). The endpoint's [`TestTls`] has to ask for certificates.
    pub fn require_client_certificate(&self, id: &str, certificate: &Certificate) {
        let certificate = Bytes::copy_from_slice(certificate.der());
        self.require(Required::Certificate { id: id.to_owned(), certificate });
    }

    /// Only this client is given tokens. It sends assertions that this key verifies (`private_key_jwt`, RFC 7523 §2.2), each with a
    /// `jti` of its own; for this endpoint's URL or origin. What is wrong with one stands in `error_description`. `exp` has to be there, and
    /// is not compared with any clock.
    pub fn require_client_assertion(&self, id: &str, key: PublicKey) {
        self.require_assertion(id, VerificationKey::Public(key));
    }

    /// As [`require_client_assertion`](Self::require_client_assertion), with the client's secret as the key of an HMAC
    /// (`client_secret_jwt`).
    pub fn require_client_secret_jwt(&self, id: &str, secret: &str) {
        self.require_assertion(id, VerificationKey::Secret(secret.to_owned()));
    }

    /// As [`require_client_assertion`](Self::require_client_assertion), whoever signed it.
    pub fn require_any_client_assertion(&self, id: &str) {
        self.require_assertion(id, VerificationKey::Any);
    }

    fn require_assertion(&self, id: &str, key: VerificationKey) {
        self.require(Required::assertion(id, key, [self.url(), self.server.origin()]));
    }

    fn require(&self, required: Required) {
        self.state.require(required);
    }

    /// A resource owner who may use the grant `password`. There is none at first.
    pub fn user(&self, name: &str, password: &str) {
        self.state.add_user(name, password);
    }

    /// `expires_in` of the answers, in seconds; `None` leaves it out.
    pub fn expires_in(&self, seconds: Option<u64>) {
        self.state.given().expires_in = seconds;
    }

    /// Leaves `expires_in` out of the answers.
    pub fn without_expires_in(&self) {
        self.expires_in(None);
    }

    /// A further member of every answer that has a token, or another value of one; null removes it.
    pub fn member(&self, name: &str, value: impl Into<Value>) {
        self.state.given().members.insert(name.to_owned(), value.into());
    }

    /// From now on answers have a refresh token, a new one each time, good for one use.
    pub fn with_refresh_tokens(&self) {
        self.state.given().refreshing = Refreshing::Rotating;
    }

    /// From now on answers have a refresh token that is good for ever; to a refresh itself the answer has none.
    pub fn with_lasting_refresh_tokens(&self) {
        self.state.given().refreshing = Refreshing::Lasting;
    }

    /// This refresh token is good, for one use.
    pub fn accept_refresh_token(&self, token: &str) {
        self.state.given().refresh = Some(token.to_owned());
    }

    /// No refresh token is good that was given out so far: `invalid_grant`.
    pub fn forget_refresh_tokens(&self) {
        self.state.given().refresh = None;
    }

    /// Of the JWT bearer grant, on behalf of somebody or not, from now on only assertions that were named here are good: `invalid_grant`
    /// otherwise. At first any is.
    pub fn accept_assertion(&self, assertion: &str) {
        self.state.given().assertions.get_or_insert_default().insert(assertion.to_owned());
    }

    /// Of the JWT bearer grant, from now on only assertions are good that this key verifies, each for one use: it is told again by its
    /// `jti`. Those that were named are good beside them.
    pub fn accept_assertions_of(&self, key: PublicKey) {
        self.state.given().assertions_of = Some(VerificationKey::Public(key));
    }

    /// In token exchanges, from now on only subject tokens that were named here are good: `invalid_request` otherwise (RFC 8693
    /// §2.2.2). At first any is.
    pub fn accept_subject(&self, token: &str) {
        self.state.given().subjects.get_or_insert_default().insert(token.to_owned());
    }

    /// The next token it gives out is this one. Several are given out in order.
    pub fn will_issue(&self, token: &str) {
        self.state.given().next.push_back(token.to_owned());
    }

    /// The next refresh token it gives out is this one. Several are given out in order. It gives some out as
    /// [`with_refresh_tokens`](Self::with_refresh_tokens) says.
    pub fn will_issue_refresh_token(&self, token: &str) {
        self.state.given().next_refresh.push_back(token.to_owned());
    }

    /// The access tokens given out so far.
    #[must_use]
    pub fn issued(&self) -> Vec<String> {
        self.state.given().issued.clone()
    }

    /// The token of whom this access token was given out for: the subject token of a token exchange, or the assertion of the JWT bearer
    /// grant. `None` for tokens of other grants, and of others.
    #[must_use]
    pub fn subject_of(&self, access_token: &str) -> Option<String> {
        self.state.given().subject_of.get(access_token).cloned()
    }

    /// The requests by this grant so far, refused ones too.
    #[must_use]
    pub fn asked(&self, grant: GrantType) -> Vec<Call> {
        self.server.calls().into_iter().filter(|call| GrantType::of(call) == Some(grant)).collect()
    }

    /// How many requests by this grant came in, refused ones too.
    #[must_use]
    pub fn count(&self, grant: GrantType) -> usize {
        self.asked(grant).len()
    }
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
