//! What a service passes on of its caller.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context as Poller, Poll, Waker},
    time::Duration,
};

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method};
use portcullis_core::{
    Auth, BoxFuture, Context, Credential, CredentialSources, Identity, OnBehalfOf, Outcome, Principal,
    Provider, Reason, RequestHead, Resource, Scheme, UnixTime,
};
use tokio::sync::Semaphore;

/// Knows everybody whose credential does not begin with `bad`. Where it begins with `slow`, it waits for the gate.
#[derive(Clone, Debug)]
struct Anyone {
    scheme: Scheme,
    gate: Arc<Semaphore>,
}

impl Anyone {
    fn new(scheme: Scheme) -> Self {
        Self { scheme, gate: Arc::new(Semaphore::new(0)) }
    }

    fn answer(credential: &Credential<'_>) -> Outcome {
        if shown(credential).starts_with("bad") {
            return Outcome::refused(Reason::Other, "it is bad");
        }
        let expiry = UnixTime::from_secs(1_000);
        Outcome::known(Identity::new("alice").with_expiry(expiry).with_leeway(Duration::from_secs(5)))
    }
}

fn shown<'a>(credential: &'a Credential<'_>) -> &'a str {
    match credential {
        Credential::Bearer(bearer) => bearer.token(),
        Credential::Basic(basic) => basic.username(),
        _ => panic!("another credential"),
    }
}

impl Provider for Anyone {
    fn kind(&self) -> &'static str {
        "anyone"
    }

    fn scheme(&self) -> Scheme {
        self.scheme
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        (!shown(credential).starts_with("slow")).then(|| Self::answer(credential))
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        _: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            self.gate.acquire().await.unwrap().forget();
            Self::answer(credential)
        })
    }
}

fn everywhere() -> CredentialSources {
    CredentialSources::header().websocket_protocol().cookie("sid").origin("https://app.example.org")
}

fn auth(scheme: Scheme, sources: CredentialSources) -> (Auth, Anyone) {
    let provider = Anyone::new(scheme);
    let auth = Auth::builder()
        .element(provider.clone(), "*")
        .optional(true)
        .credential_sources(sources)
        .resource(Resource::new("/open").public());
    (auth.build().unwrap(), provider)
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    lines.iter().map(line).collect()
}

async fn caller(auth: &Auth, path: &str, lines: &[(&'static str, &'static str)]) -> Option<Principal> {
    let headers = headers(lines);
    let admission = auth.decided(&RequestHead::new(&Method::GET, path, &headers)).await.unwrap();
    admission.principal().cloned()
}

fn token(caller: &Principal) -> Option<String> {
    let shown = caller.authorization().map(|shown| {
        assert!(shown.header().is_sensitive());
        assert_eq!(shown.scheme(), Scheme::Bearer);
        shown.token().unwrap().expose().to_owned()
    });
    let subject = OnBehalfOf::caller(caller).map(|subject| {
        assert_eq!(subject.expires(), caller.good_until(), "never longer than the caller's own token");
        assert_eq!(subject.expires(), Some(UnixTime::from_secs(1_005)));
        subject.subject_token().expose().to_owned()
    });
    assert_eq!(shown, subject);
    subject
}

const UPGRADE: [(&str, &str); 2] = [("connection", "upgrade"), ("upgrade", "websocket")];

#[tokio::test]
async fn the_callers_token_is_passed_on_wherever_it_stood() {
    let (auth, _) = auth(Scheme::Bearer, everywhere());
    for lines in [
        &[("authorization", "Bearer token-7f3a")][..],
        &[("authorization", "bEARER    token-7f3a")],
        &[("cookie", "a=b; sid=token-7f3a"), ("origin", "https://app.example.org")],
        &[("sec-websocket-protocol", "bearer, token-7f3a"), UPGRADE[0], UPGRADE[1]],
        &[("sec-websocket-protocol", "base64url.bearer.dG9rZW4tN2YzYQ, chat"), UPGRADE[0], UPGRADE[1]],
    ] {
        let caller = caller(&auth, "/", lines).await.unwrap();
        assert_eq!(token(&caller).as_deref(), Some("token-7f3a"), "{lines:?}");
        assert!(!format!("{caller:?} {:?}", OnBehalfOf::caller(&caller)).contains("7f3a"));
    }
}

#[tokio::test]
async fn a_header_that_is_no_source_is_not_taken_for_the_token() {
    let sources = CredentialSources::none().cookie("sid").origin("https://app.example.org");
    let (auth, _) = auth(Scheme::Bearer, sources);
    let lines = [
        ("cookie", "sid=token-1"),
        ("origin", "https://app.example.org"),
        ("authorization", "Bearer another"),
    ];
    assert_eq!(token(&caller(&auth, "/", &lines).await.unwrap()).as_deref(), Some("token-1"));
}

#[tokio::test]
async fn it_is_passed_on_also_where_an_element_had_to_be_waited_for() {
    let (auth, provider) = auth(Scheme::Bearer, everywhere());
    for lines in [
        &[("authorization", "Bearer slow-token")][..],
        &[("cookie", "sid=slow-token"), ("origin", "https://app.example.org")],
    ] {
        let mut decision = pin!(caller(&auth, "/", lines));
        let mut poller = Poller::from_waker(Waker::noop());
        assert!(decision.as_mut().poll(&mut poller).is_pending());
        provider.gate.add_permits(1);
        let Poll::Ready(Some(caller)) = decision.poll(&mut poller) else { panic!("the gate is open") };
        assert_eq!(token(&caller).as_deref(), Some("slow-token"), "{lines:?}");
    }
}

#[tokio::test]
async fn a_password_is_kept_nowhere_and_cannot_be_passed_on() {
    for user in ["Basic YWxpY2U6MTIz", "Basic c2xvdzoxMjM="] {
        let (auth, provider) = auth(Scheme::Basic, everywhere());
        provider.gate.add_permits(1);
        let caller = caller(&auth, "/", &[("authorization", user)]).await.unwrap();
        assert!(caller.authorization().is_none(), "{user}");
        assert!(OnBehalfOf::caller(&caller).is_none(), "{user}");
    }
}

#[tokio::test]
async fn where_nobody_was_authenticated_there_is_nobody() {
    let (auth, _) = auth(Scheme::Bearer, everywhere());
    assert!(caller(&auth, "/", &[]).await.is_none());
    assert!(caller(&auth, "/open", &[("authorization", "Bearer token-1")]).await.is_none());
    let headers = headers(&[("authorization", "Bearer bad-token")]);
    let rejection = auth.decided(&RequestHead::new(&Method::GET, "/", &headers)).await.unwrap_err();
    assert_eq!(rejection.status(), 401);
}

#[tokio::test]
async fn a_handler_finds_it_in_the_extensions_of_its_request() {
    let (auth, _) = auth(Scheme::Bearer, everywhere());
    let headers = headers(&[("authorization", "Bearer token-1")]);
    let admission = auth.decided(&RequestHead::new(&Method::GET, "/", &headers)).await.unwrap();
    let mut extensions = Extensions::new();
    admission.attach(&mut extensions);
    assert_eq!(token(Principal::of(&extensions).unwrap()).as_deref(), Some("token-1"));
}

#[test]
fn a_token_in_hand_serves_as_well_and_is_not_shown() {
    let subject = OnBehalfOf::token("token-7f3a", None);
    assert_eq!((subject.subject_token().expose(), subject.expires()), ("token-7f3a", None));
    assert_eq!(format!("{subject:?}"), "OnBehalfOf { expires: None, .. }");
    let until = UnixTime::from_secs(7);
    assert_eq!(OnBehalfOf::token("token", Some(until)).expires(), Some(until));
}
