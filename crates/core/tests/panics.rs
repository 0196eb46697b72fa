//! A provider, or an observer, that panics takes nothing else with it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header::AUTHORIZATION};
use portcullis_core::{
    Asked, Auth, BoxFuture, BuildError, Contact, Context, Credential, Decided, Decision, Ended, Identity,
    Looked, Observer, Outcome, Probe, Provider, Reason, Recall, RejectionKind, RequestHead, RequiredScopes,
    Scheme, ServerState,
};

/// Where a provider panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Recall,
    TryAuthenticate,
    Made,
    Polled,
    Dropped,
    Nowhere,
}

#[derive(Debug)]
struct Panics(At);

/// What is thrown is dropped with another panic.
struct Nested;

impl Drop for Nested {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("canary-4711 once more");
        }
    }
}

struct Answer(At);

impl Future for Answer {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Outcome> {
        match self.0 {
            At::Polled => std::panic::panic_any(Nested),
            At::Dropped => Poll::Pending,
            _ => Poll::Ready(Outcome::known(Identity::new("alice"))),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.0 == At::Dropped {
            panic!("canary-4711");
        }
    }
}

impl Provider for Panics {
    fn kind(&self) -> &'static str {
        "panics"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn recall(&self, _: &[u8], _: &Context<'_>) -> Recall {
        assert!(self.0 != At::Recall, "canary-4711");
        Recall::Nothing
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        assert!(self.0 != At::TryAuthenticate, "canary-4711");
        None
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        assert!(self.0 != At::Made, "canary-4711");
        Box::pin(Answer(self.0))
    }

    fn prepare(&self) -> BoxFuture<'_, Result<(), BuildError>> {
        panic!("canary-4711")
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(async { panic!("canary-4711") })
    }

    fn servers(&self) -> Vec<ServerState> {
        panic!("canary-4711")
    }

    fn can_revoke(&self) -> bool {
        panic!("canary-4711")
    }
}

/// Lets everybody in.
#[derive(Debug)]
struct Admits;

impl Provider for Admits {
    fn kind(&self) -> &'static str {
        "admits"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(Outcome::known(Identity::new("bob")))
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::known(Identity::new("bob")) })
    }
}

/// What was logged, line by line.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn lines(&self, containing: &str) -> usize {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(!text.contains("canary-4711"), "a panic's message may hold a secret: {text}");
        text.lines().filter(|line| line.contains(containing)).count()
    }
}

fn headers() -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer token"))])
}

async fn decided(auth: &Auth) -> Decision {
    let headers = headers();
    auth.decided(&RequestHead::new(&Method::GET, "/", &headers)).await
}

fn alone(at: At) -> Auth {
    Auth::builder()
        .element(Panics(at), RequiredScopes::anyone())
        .decision_timeout(Duration::from_millis(50))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_provider_that_panics_is_unavailable_and_logged_once_per_panic() {
    for (at, method) in [
        (At::TryAuthenticate, "method=\"try_authenticate\""),
        (At::Made, "method=\"authenticate\""),
        (At::Polled, "method=\"authenticate\""),
        (At::Dropped, "method=\"authenticate, given up\""),
    ] {
        let auth = alone(at);
        let (log, _guard) = Log::start();
        for round in 1..3 {
            let rejection = decided(&auth).await.unwrap_err();
            assert_eq!(rejection.status(), StatusCode::SERVICE_UNAVAILABLE, "{at:?}");
            assert_eq!(rejection.kind(), RejectionKind::Unavailable, "{at:?}");
            assert_eq!(log.lines("a provider panicked"), round, "{at:?}");
            assert_eq!(log.lines(method), round, "{at:?}");
            let counts = if at == At::Dropped { "its answer stands" } else { "unavailable" };
            assert_eq!(log.lines(&format!("meanwhile=\"{counts}\"")), round, "{at:?}");
            assert_eq!(log.lines("ERROR"), round, "{at:?}");
        }
    }
}

#[tokio::test]
async fn an_element_after_one_that_panics_admits() {
    for at in [At::TryAuthenticate, At::Made, At::Polled] {
        let auth = Auth::builder()
            .element(Panics(at), RequiredScopes::anyone())
            .element(Admits, RequiredScopes::anyone())
            .build()
            .unwrap();
        let admission = decided(&auth).await.unwrap();
        assert_eq!(admission.principal().unwrap().subject(), Some("bob"), "{at:?}");
    }
}

#[tokio::test]
async fn a_memory_that_panics_is_none_and_the_provider_is_asked_in_full() {
    let (log, _guard) = Log::start();
    let admission = decided(&alone(At::Recall)).await.unwrap();
    assert_eq!(admission.principal().unwrap().subject(), Some("alice"));
    assert_eq!(log.lines("method=\"recall\" meanwhile=\"asked in full\""), 1);
    assert_eq!(log.lines("unavailable"), 0);
}

#[tokio::test]
async fn an_explanation_tells_of_the_panic_and_goes_on() {
    let auth = Auth::builder()
        .element(Panics(At::Polled), RequiredScopes::anyone())
        .element(Admits, RequiredScopes::anyone())
        .build()
        .unwrap();
    let headers = headers();
    let head = RequestHead::new(&Method::GET, "/", &headers);
    let explanation = auth.explain(&head, Contact::Allowed).await;
    let looked: Vec<Looked> = explanation.elements.iter().map(|element| element.looked).collect();
    assert_eq!(looked, [Looked::Unavailable, Looked::Admitted]);
    assert_eq!(explanation.elements[0].reason, Some(Reason::Panicked));
}

#[tokio::test]
async fn a_question_about_servers_is_answered_whatever_the_provider_does() {
    let provider: Arc<dyn Provider> = Arc::new(Panics(At::Nowhere));
    let servers = provider.servers_or_panicked();
    assert_eq!(servers.len(), 1);
    assert!(!servers[0].usable);
    assert_eq!(servers[0].last_error.as_deref(), Some("the provider panicked"));
    assert!(provider.prepare_or_panicked().await.unwrap_err().to_string().contains("panicked"));

    let provider: Arc<dyn Provider> = Arc::new(Admits);
    assert!(provider.servers_or_panicked().is_empty());
    provider.prepare_or_panicked().await.unwrap();
}

/// Panics when it is asked for the second time.
#[derive(Debug, Default)]
struct Later(Mutex<u32>);

impl Provider for Later {
    fn kind(&self) -> &'static str {
        "later"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        None
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *asked += 1;
            assert!(*asked == 1, "while the lock is held");
            Outcome::known(Identity::new("alice"))
        })
    }

    fn can_revoke(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_provider_that_panics_when_a_connection_asks_again_ends_the_connection_as_unavailable() {
    let auth = Auth::builder()
        .element(Later::default(), RequiredScopes::anyone())
        .revalidate_interval(Duration::from_millis(1))
        .build()
        .unwrap();
    let mut headers = headers();
    headers.insert("upgrade", HeaderValue::from_static("websocket"));
    headers.insert("connection", HeaderValue::from_static("upgrade"));
    let admission = auth.decided(&RequestHead::new(&Method::GET, "/", &headers)).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(30), admission.lease().ended()).await.unwrap();
    assert_eq!(ended, Ended::Unavailable);
}

#[derive(Debug)]
struct Blind;

impl Observer for Blind {
    fn decided(&self, _: &Decided<'_>) {
        panic!("canary-4711")
    }

    fn asked(&self, _: &Asked<'_>) {
        panic!("canary-4711")
    }
}

#[tokio::test]
async fn an_observer_that_panics_decides_nothing() {
    let (log, _guard) = Log::start();
    let build = |auth: portcullis_core::AuthBuilder| auth.observer(Arc::new(Blind)).build().unwrap();
    let admits = build(Auth::builder().element(Admits, RequiredScopes::anyone()));
    assert!(decided(&admits).await.is_ok());
    assert_eq!(log.lines("an observer panicked"), 2, "once about the element, once about the decision");
    let refuses = build(Auth::builder().refuse_uncovered());
    assert_eq!(decided(&refuses).await.unwrap_err().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(log.lines("an observer panicked"), 3);
}
