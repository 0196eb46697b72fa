//! What is told of decisions: to whom, once each, and to nobody else's span.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header::AUTHORIZATION};
use portcullis_core::{
    Admission, Asker, Auth, BoxFuture, Contact, Context, Credential, Decided, Identity, Looked, Observer,
    Outcome, Provider, Reason, RequestHead, Resource, Scheme, TurnedAway,
};
use tracing_subscriber::{Layer as _, filter::filter_fn, fmt::format::FmtSpan, layer::SubscriberExt as _};

/// Lets `good` in, and never answers about `hangs`.
#[derive(Debug)]
struct ByToken;

impl Provider for ByToken {
    fn kind(&self) -> &'static str {
        "by-token"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        let Credential::Bearer(bearer) = credential else { panic!("asked for another scheme") };
        match bearer.token() {
            "good" => Some(Outcome::known(Identity::new("alice").with_scopes(["hello"]))),
            "hangs" => None,
            _ => Some(Outcome::refused(Reason::Expired, "it has expired")),
        }
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::pending())
    }
}

/// What it was told, in words.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Notes {
    fn decided(&self, decided: &Decided<'_>) {
        let note = format!(
            "{} {} {} {} {} {}",
            decided.outcome(),
            decided.reason.map_or("-", Reason::as_str),
            decided.policy.label(),
            decided.element.map_or("-", |element| element.name()),
            decided.caller.and_then(Identity::subject).unwrap_or("-"),
            decided.asker.unwrap_or("-"),
        );
        self.0.lock().unwrap().push(note);
    }

    fn turned_away(&self, away: &TurnedAway<'_>) {
        let TurnedAway { reason, status, method, path, client, .. } = away;
        self.0.lock().unwrap().push(format!("{reason} {status} {method} {path} {client:?}"));
    }
}

fn auth(notes: &Arc<Notes>) -> Auth {
    Auth::builder()
        .path("/foo")
        .element(ByToken, "hello")
        .resource(Resource::new("/open").public())
        .resource(Resource::new("/maybe").optional(true))
        .decision_timeout(Duration::from_millis(20))
        .observer(notes.clone())
        // Another one, so that there are several.
        .observer(Arc::new(Notes::default()))
        .build()
        .unwrap()
}

fn headers(authorization: Option<&'static str>) -> HeaderMap {
    authorization.map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).into_iter().collect()
}

/// The extensions of a request that was let in.
async fn admitted(auth: &Auth, path: &str, authorization: Option<&'static str>) -> Extensions {
    let headers = headers(authorization);
    let admission = auth.decided(&RequestHead::new(&Method::GET, path, &headers)).await.unwrap();
    let mut extensions = Extensions::new();
    admission.attach(&mut extensions);
    extensions
}

#[tokio::test]
async fn a_check_inside_the_layer_that_refuses_is_told_after_the_decision() {
    let notes = Arc::new(Notes::default());
    let auth = auth(&notes);
    let extensions = admitted(&auth, "/foo/x", Some("Bearer good")).await;
    assert_eq!(notes.take(), ["admitted - service /foo by-token alice -"]);
    assert!(Admission::demand_scopes(&extensions, &"hello".into(), "RequireScopes").is_ok());
    assert_eq!(notes.take(), Vec::<String>::new());
    let rejection = Admission::demand_scopes(&extensions, &"admin".into(), "RequireScopes").unwrap_err();
    assert_eq!(rejection.status(), StatusCode::FORBIDDEN);
    assert_eq!(notes.take(), ["forbidden insufficient-scope service /foo by-token alice RequireScopes"]);
    for (path, told) in [
        ("/foo/open", "error public-route resource /foo/open - - Caller"),
        ("/foo/maybe", "refused no-credential resource /foo/maybe - - Caller"),
    ] {
        let extensions = admitted(&auth, path, None).await;
        notes.take();
        assert!(Admission::demand_caller(&extensions, "Caller").is_err());
        assert_eq!(notes.take(), [told]);
    }
}

/// Method, path and address of what it was told.
#[derive(Debug, Default)]
struct Places(Mutex<Vec<String>>);

impl Observer for Places {
    fn decided(&self, decided: &Decided<'_>) {
        let (request, client) = (decided.request, decided.client);
        self.0.lock().unwrap().push(format!("{} {request:?} {client:?}", decided.asker.unwrap_or("-")));
    }
}

#[tokio::test]
async fn a_check_inside_the_layer_tells_the_request_that_it_names_and_looks_at_it_only_to_refuse() {
    let places = Arc::new(Places::default());
    let auth = Auth::builder().element(ByToken, "hello").observer(places.clone()).build().unwrap();
    let extensions = admitted(&auth, "/x", Some("Bearer good")).await;
    places.0.lock().unwrap().clear();
    let headers = HeaderMap::new();
    let asked = std::cell::Cell::new(0);
    let request = || {
        asked.set(asked.get() + 1);
        RequestHead::new(&Method::PUT, "/x/y", &headers).with_client(Some([192, 0, 2, 9].into()))
    };
    let asker = Asker::new("Scoped").about(&request);
    assert!(Admission::demand_caller(&extensions, asker).is_ok());
    assert!(Admission::demand_scopes(&extensions, &"hello".into(), asker).is_ok());
    assert!(Admission::demand(&extensions, asker).is_ok());
    assert_eq!(asked.get(), 0);
    assert!(Admission::demand_scopes(&extensions, &"admin".into(), asker).is_err());
    assert!(Admission::demand_scopes(&extensions, &"admin".into(), "Scoped").is_err());
    assert_eq!(
        *places.0.lock().unwrap(),
        ["Scoped Some((PUT, \"/x/y\")) Some(192.0.2.9)", "Scoped None None"]
    );
    assert_eq!(format!("{asker:?}"), "Asker(\"Scoped\")");
}

#[test]
fn what_a_gateway_answers_itself_is_told_to_all_observers() {
    let notes = Arc::new(Notes::default());
    let path = "/nowhere";
    let away = TurnedAway::new(Reason::NoService, StatusCode::NOT_FOUND, &Method::GET, path);
    auth(&notes).tell_turned_away(&away.with_client(Some([192, 0, 2, 1].into())));
    assert_eq!(notes.take(), ["no-service 404 Not Found GET /nowhere Some(192.0.2.1)"]);
}

#[tokio::test]
async fn an_explanation_waits_no_longer_than_the_decision_and_gives_the_same_reason() {
    let notes = Arc::new(Notes::default());
    let auth = Auth::builder()
        .element(ByToken, "hello")
        .element(ByToken, "hello")
        .decision_timeout(Duration::from_millis(20))
        .observer(notes.clone())
        .build()
        .unwrap();
    let headers = headers(Some("Bearer hangs"));
    let head = RequestHead::new(&Method::GET, "/", &headers);
    assert_eq!(auth.decided(&head).await.unwrap_err().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(notes.take(), ["unavailable timed-out service / by-token - -"]);
    let told = auth.explain(&head, Contact::Allowed).await;
    assert_eq!((told.reason, told.status()), (Some(Reason::TimedOut), StatusCode::SERVICE_UNAVAILABLE));
    let looked: Vec<Looked> = told.elements.iter().map(|element| element.looked).collect();
    assert_eq!(looked, [Looked::Unavailable, Looked::NotReached]);
    assert_eq!(notes.take(), Vec::<String>::new(), "nobody is told of an explanation");
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where a filter wants all of `portcullis` but its span, the current span is the service's own.
#[test]
fn nothing_is_noted_in_a_span_of_somebody_elses() {
    for (wants_span, spans) in [(true, 2), (false, 1)] {
        let captured = Captured::default();
        let writer = captured.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_span_events(FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(move || writer.clone());
        let filter = filter_fn(move |metadata| wants_span || metadata.name() != "decision");
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
        tracing::subscriber::with_default(subscriber, || {
            let none = tracing::field::Empty;
            let request = tracing::info_span!("request", outcome = none, reason = none, status = none);
            let _entered = request.enter();
            let headers = headers(Some("Bearer old"));
            let _ = auth(&Arc::default()).decide(&RequestHead::new(&Method::GET, "/foo/x", &headers));
        });
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        let closed: Vec<&str> = text.lines().filter(|line| line.contains(": close")).collect();
        assert_eq!(closed.len(), spans, "{text}");
        assert_eq!(text.contains("decision{"), wants_span, "{text}");
        let own = closed.last().unwrap();
        assert!(own.contains("request:") && !own.contains("expired"), "{own}");
    }
}
