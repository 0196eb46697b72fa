use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};

use crate::{
    Auth, AuthBuilder, BoxFuture, Context, Credential, CredentialErrorKind, CredentialSources, Decision,
    Identity, Outcome, Provider, Reason, RejectionKind, RequestHead, Resource, Scheme, Step,
};

/// Remembers one text, and refuses whatever it is asked for otherwise.
#[derive(Debug)]
struct Remembers(Scheme, &'static str);

impl Provider for Remembers {
    fn kind(&self) -> &'static str {
        "remembers"
    }

    fn scheme(&self) -> Scheme {
        self.0
    }

    fn recall(&self, text: &[u8], _: &Context<'_>) -> Option<Arc<Identity>> {
        (text == self.1.as_bytes()).then(|| Arc::new(Identity::new("alice").with_scopes(["hello"])))
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(Outcome::refused(Reason::Other, "it is not remembered"))
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::refused(Reason::Other, "it is not remembered") })
    }
}

fn service(scope: &'static str) -> AuthBuilder {
    Auth::builder()
        .element(Remembers(Scheme::Basic, "cGFpcg=="), scope)
        .element(Remembers(Scheme::Bearer, "token"), scope)
}

fn headers(values: &[&'static str]) -> HeaderMap {
    values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).collect()
}

/// What is decided at once, if anything, and what is decided after all.
fn decided(auth: &Auth, headers: &HeaderMap) -> (Option<Decision>, Decision) {
    let head = RequestHead::new(&Method::GET, "/", headers);
    match auth.decide(&head) {
        Step::Ready(decision) => (auth.decide_at_once(&Method::GET, headers), decision),
        waiting @ Step::Wait(_) => panic!("{waiting:?}"),
    }
}

fn kind(decision: Decision) -> RejectionKind {
    decision.unwrap_err().kind()
}

#[test]
fn who_is_remembered_is_let_in_at_once_with_the_token_that_was_shown() {
    let auth = service("hello").build().unwrap();
    for (value, scheme) in [
        ("Bearer token", Scheme::Bearer),
        ("bearer token", Scheme::Bearer),
        ("Basic cGFpcg==", Scheme::Basic),
    ] {
        let (at_once, decision) = decided(&auth, &headers(&[value]));
        for admission in [at_once.unwrap().unwrap(), decision.unwrap()] {
            let principal = admission.principal().unwrap();
            assert_eq!((principal.subject(), principal.scheme()), (Some("alice"), scheme));
            assert_eq!(principal.provider(), "remembers");
            let shown = principal.authorization().map(|shown| shown.header().is_sensitive());
            assert_eq!(shown, (scheme == Scheme::Bearer).then_some(true), "a password is kept nowhere");
        }
    }
}

#[test]
fn who_is_remembered_without_a_scope_that_is_asked_for_is_not_let_in() {
    let auth = service("other").build().unwrap();
    let (at_once, decision) = decided(&auth, &headers(&["Bearer token"]));
    assert!(at_once.is_none());
    assert_eq!(kind(decision), RejectionKind::Refused);
}

#[test]
fn what_is_remembered_is_no_answer_where_the_request_shows_more_than_it() {
    let auth = service("hello").build().unwrap();
    for values in [["Bearer token", "Bearer token"], ["Bearer token", "Basic cGFpcg=="]] {
        let (at_once, decision) = decided(&auth, &headers(&values));
        assert!(at_once.is_none());
        assert_eq!(kind(decision), RejectionKind::Malformed(CredentialErrorKind::Repeated));
    }
    for value in ["Bearer  token", "Bearer token ", "Bearer", "token", "Basic token", "Bearer cGFpcg=="] {
        let (at_once, decision) = decided(&auth, &headers(&[value]));
        assert!(at_once.is_none() && decision.is_err(), "{value}");
    }
    let short = service("hello").max_credential_bytes("Bearer token".len() - 1).build().unwrap();
    let (at_once, decision) = decided(&short, &headers(&["Bearer token"]));
    assert!(at_once.is_none());
    assert_eq!(kind(decision), RejectionKind::Malformed(CredentialErrorKind::TooLong));
}

#[test]
fn where_credentials_may_stand_elsewhere_too_all_places_are_looked_at() {
    let sources = CredentialSources::header().websocket_protocol();
    let auth = service("hello").credential_sources(sources).build().unwrap();
    let (at_once, decision) = decided(&auth, &headers(&["Bearer token"]));
    assert!(at_once.is_none());
    assert_eq!(kind(decision), RejectionKind::Refused, "the provider is asked");
}

#[test]
fn where_there_are_resources_the_path_is_needed() {
    let auth = service("hello").resource(Resource::new("/admin").scopes("admin")).build().unwrap();
    let (at_once, decision) = decided(&auth, &headers(&["Bearer token"]));
    assert!(at_once.is_none());
    assert!(decision.is_ok());
}

#[test]
fn who_shows_nothing_is_refused_at_once_or_let_in_where_nothing_is_needed() {
    let nothing = HeaderMap::new();
    let (at_once, decision) = decided(&service("hello").build().unwrap(), &nothing);
    assert_eq!(kind(at_once.unwrap()), RejectionKind::NoCredential);
    assert_eq!(kind(decision), RejectionKind::NoCredential);
    let (at_once, _) = decided(&service("hello").optional(true).build().unwrap(), &nothing);
    let admission = at_once.unwrap().unwrap();
    assert!(admission.principal().is_none() && !admission.is_public());
    let (at_once, _) = decided(&Auth::builder().public().build().unwrap(), &nothing);
    assert!(at_once.unwrap().unwrap().is_public());
}

#[test]
fn a_refusal_that_is_logged_waits_for_the_path() {
    let auth = service("hello").build().unwrap();
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
    tracing::subscriber::with_default(subscriber, || {
        let (at_once, _) = decided(&auth, &HeaderMap::new());
        assert!(at_once.is_none());
    });
}

#[test]
fn answers_that_are_made_beforehand_are_the_same() {
    let auth = service("hello").build().unwrap();
    let guard = auth.policy().guard().unwrap();
    for prepared in [&guard.no_credential, &guard.refused_bearer] {
        let (mut copied, mut made) =
            (HeaderMap::new(), HeaderMap::from_iter([(http::header::VARY, HeaderValue::from_static("*"))]));
        prepared.write_headers(&mut copied);
        prepared.write_headers(&mut made);
        made.remove(http::header::VARY);
        assert_eq!(copied, made);
    }
}
