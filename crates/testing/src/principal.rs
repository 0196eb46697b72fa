//! A caller for tests of handlers, without a credential and without a server.

use std::{
    fmt,
    task::{Context as TaskContext, Poll},
};

use http::{HeaderMap, HeaderValue, Method, Request, header::AUTHORIZATION};
use portcullis_core::{
    Admission, Auth, BoxFuture, Context, Credential, Identity, Outcome, Principal, Provider, RequestHead,
    RequiredScopes, Scheme, Step, UnixTime,
};
use serde_json::{Map, Value};
use tower_layer::Layer;
use tower_service::Service;

/// A caller, for tests of what stands behind `AuthLayer`.
///
/// It is let in by the real chain, by a service whose one element knows nobody else: the [`Principal`] is one as
/// any other, and there is no second way to make one.
///
/// ```
/// use portcullis_core::Principal;
/// use portcullis_testing::TestPrincipal;
///
/// fn may_edit(caller: &Principal, document_of: &str) -> bool {
///     caller.has_scope("editor") || caller.subject() == Some(document_of)
/// }
///
/// let alice = TestPrincipal::new("alice").principal();
/// assert!(may_edit(&alice, "alice"));
/// assert!(!may_edit(&alice, "bob"));
/// assert!(may_edit(&TestPrincipal::new("eve").scopes(["editor"]).principal(), "bob"));
/// ```
///
/// As a layer it stands where the `AuthLayer` stands in the service, and every request comes from this caller:
///
/// ```
/// # use std::convert::Infallible;
/// use http::{Request, Response};
/// use portcullis_core::Principal;
/// use portcullis_testing::TestPrincipal;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// async fn greet(request: Request<()>) -> Result<Response<String>, Infallible> {
///     let caller = Principal::of(request.extensions()).and_then(|caller| caller.subject());
///     Ok(Response::new(format!("Hello, {}!", caller.unwrap_or("stranger"))))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Infallible> {
/// let service = TestPrincipal::new("alice").layer().layer(service_fn(greet));
/// assert_eq!(service.oneshot(Request::new(())).await?.body(), "Hello, alice!");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TestPrincipal {
    identity: Identity,
    claims: Map<String, Value>,
}

impl TestPrincipal {
    /// A caller known as `subject`, without scopes and claims.
    pub fn new(subject: impl Into<Box<str>>) -> Self {
        Self { identity: Identity::new(subject), claims: Map::new() }
    }

    /// What the caller holds.
    pub fn scopes<S: Into<Box<str>>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.identity = self.identity.with_scopes(scopes);
        self
    }

    /// One claim more. No claim is there by itself, `sub` neither.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Who vouches for the caller: a token's `iss`.
    pub fn issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.identity = self.identity.with_issuer(issuer);
        self
    }

    /// The moment from which the credential is no longer good.
    pub fn expires_at(mut self, moment: UnixTime) -> Self {
        self.identity = self.identity.with_expiry(moment);
        self
    }

    /// The caller as a value.
    ///
    /// # Panics
    ///
    /// If the chain refuses it, which is a mistake of ours: please report it.
    #[must_use]
    pub fn principal(&self) -> Principal {
        match self.admission().into_principal() {
            Some(principal) => principal,
            None => panic!("a caller that was authenticated has a principal"),
        }
    }

    /// A layer under which every request comes from this caller. Credentials on requests are not looked at.
    ///
    /// A real `AuthLayer` further inside decides by itself, and refuses requests without credentials.
    ///
    /// # Panics
    ///
    /// As [`TestPrincipal::principal`].
    pub fn layer(&self) -> TestPrincipalLayer {
        TestPrincipalLayer { admission: self.admission() }
    }

    fn admission(&self) -> Admission {
        let only = OnlyThis(self.identity.clone().with_claims(self.claims.clone()));
        let auth = match Auth::builder().element(only, RequiredScopes::anyone()).build() {
            Ok(auth) => auth,
            Err(error) => panic!("a service of one element can be built: {error:?}"),
        };
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer test"))]);
        match auth.decide(&RequestHead::new(&Method::GET, "/", &headers)) {
            Step::Ready(Ok(admission)) => admission,
            other => panic!("the one element lets its caller in: {other:?}"),
        }
    }
}

/// Knows one caller, whatever the token.
#[derive(Debug)]
struct OnlyThis(Identity);

impl Provider for OnlyThis {
    fn kind(&self) -> &'static str {
        "test"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(Outcome::known(self.0.clone()))
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::known(self.0.clone()) })
    }
}

/// Makes every request come from one caller. Made by [`TestPrincipal::layer`].
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct TestPrincipalLayer {
    admission: Admission,
}

impl<S> Layer<S> for TestPrincipalLayer {
    type Service = TestPrincipalService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TestPrincipalService { inner, admission: self.admission.clone() }
    }
}

/// A service whose requests all come from one caller. Made by [`TestPrincipalLayer`].
#[derive(Clone)]
pub struct TestPrincipalService<S> {
    inner: S,
    admission: Admission,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for TestPrincipalService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        self.admission.clone().attach(request.extensions_mut());
        self.inner.call(request)
    }
}

impl<S: fmt::Debug> fmt::Debug for TestPrincipalService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestPrincipalService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Response, StatusCode};
    use portcullis_tower::{AuthLayer, RequireScopes};
    use tower::{ServiceBuilder, ServiceExt, service_fn};

    use super::*;

    #[test]
    fn the_value_is_what_was_asked_for() {
        let alice = TestPrincipal::new("alice")
            .scopes(["hello", "admin"])
            .claim("tenant", 7)
            .claim("roles", vec!["a", "b"])
            .issuer("https://issuer.example")
            .expires_at(UnixTime::from_secs(5_000))
            .principal();
        assert_eq!(alice.subject(), Some("alice"));
        assert!(alice.has_scope("hello") && alice.has_scope("admin") && !alice.has_scope("root"));
        assert_eq!(alice.claims().get("tenant"), Some(&Value::from(7)));
        assert_eq!(alice.claims().len(), 2);
        assert_eq!(alice.issuer(), Some("https://issuer.example"));
        assert_eq!(alice.expires_at(), Some(UnixTime::from_secs(5_000)));
        assert_eq!((alice.provider(), alice.scheme()), ("test", Scheme::Bearer));
    }

    async fn status(layers: impl Layer<Handler, Service = impl Answers>) -> StatusCode {
        layers.layer(service_fn(handler)).oneshot(Request::new(())).await.unwrap().status()
    }

    type Handler =
        tower::util::ServiceFn<fn(Request<()>) -> std::future::Ready<Result<Response<()>, Infallible>>>;

    trait Answers: Service<Request<()>, Response = Response<()>, Error = Infallible> {}
    impl<S: Service<Request<()>, Response = Response<()>, Error = Infallible>> Answers for S {}

    fn handler(_: Request<()>) -> std::future::Ready<Result<Response<()>, Infallible>> {
        std::future::ready(Ok(Response::new(())))
    }

    #[tokio::test]
    async fn checks_inside_the_layer_see_the_caller() {
        let alice = TestPrincipal::new("alice").scopes(["hello"]);
        for (scope, expected) in [("hello", StatusCode::OK), ("admin", StatusCode::FORBIDDEN)] {
            let inside =
                ServiceBuilder::new().layer(alice.layer()).layer(RequireScopes::any_of(scope).unwrap());
            assert_eq!(status(inside).await, expected, "{scope}");
        }
    }

    #[tokio::test]
    async fn it_opens_no_service_that_is_really_guarded() {
        let auth = Auth::builder().element(OnlyThis(Identity::new("eve")), "hello").build().unwrap();
        let guarded = ServiceBuilder::new()
            .layer(TestPrincipal::new("alice").scopes(["hello"]).layer())
            .layer(AuthLayer::new(auth));
        assert_eq!(status(guarded).await, StatusCode::UNAUTHORIZED);
    }
}
