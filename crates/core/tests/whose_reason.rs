//! Whose reason a decision has, and what an observer learns with it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header::AUTHORIZATION};
use portcullis_core::{
    Answer, Asked, Auth, BoxFuture, Clock, Contact, Context, Credential, Decided, Element, Identity, Looked,
    Observer, Outcome, Provider, Reason, Recall, RequestHead, Resource, Scheme, Unavailable, UnixTime,
};

/// Stands still between two looks, and goes on by a second with each.
#[derive(Debug, Default)]
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(1_000 + self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[derive(Debug)]
struct Says(Outcome);

impl Provider for Says {
    fn kind(&self) -> &'static str {
        "says"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(self.0.clone())
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { self.0.clone() })
    }
}

/// Remembers every caller.
#[derive(Debug)]
struct Remembers;

impl Provider for Remembers {
    fn kind(&self) -> &'static str {
        "remembers"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn recall(&self, _: &[u8], _: &Context<'_>) -> Recall {
        Recall::Answer(Outcome::known(Identity::new("alice").with_scopes(["hello"])))
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        panic!("nobody asks who remembers")
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        panic!("nobody asks who remembers")
    }
}

/// An answer as it was told, in short.
type Said = (&'static str, Option<Reason>, usize, Duration, bool);

/// A decision as it was told, in short.
type Told = (&'static str, Option<Reason>, Option<String>, bool);

#[derive(Debug, Default)]
struct Notes {
    decided: Mutex<Vec<Told>>,
    asked: Mutex<Vec<Said>>,
    took: Mutex<Vec<Duration>>,
}

impl Notes {
    fn decided(&self) -> Vec<Told> {
        std::mem::take(&mut self.decided.lock().unwrap())
    }
}

impl Observer for Notes {
    fn decided(&self, decided: &Decided<'_>) {
        let element = decided.element.map(|element| element.name().to_owned());
        self.took.lock().unwrap().push(decided.took);
        self.decided.lock().unwrap().push((decided.outcome(), decided.reason, element, decided.recalled));
    }

    fn asked(&self, asked: &Asked<'_>) {
        let Asked { answer, position, took, waited, .. } = *asked;
        self.asked.lock().unwrap().push((answer.outcome(), answer.reason(), position, took, waited));
    }
}

fn auth(answers: &[Outcome], notes: &Arc<Notes>) -> Auth {
    let element = |(at, answer): (usize, &Outcome)| {
        Element::new(Says(answer.clone()), "hello").unwrap().named(format!("element-{at}"))
    };
    Auth::builder()
        .elements(answers.iter().enumerate().map(element))
        .clock(Arc::new(Ticking::default()))
        .observer(notes.clone())
        .build()
        .unwrap()
}

fn bearer() -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer token"))])
}

fn refused(reason: Reason) -> Outcome {
    Outcome::refused(reason, "no")
}

#[tokio::test]
async fn the_reason_is_that_of_the_element_that_has_most_to_say() {
    let away = || Outcome::from(Unavailable::new("away"));
    let late = || Outcome::from(Unavailable::new("late").because(Reason::TimedOut));
    let known = || Outcome::known(Identity::new("alice"));
    let stranger = || refused(Reason::UnknownUser);
    let expired = || refused(Reason::Expired);
    for (answers, reason, at) in [
        (vec![stranger(), expired(), known(), away()], Reason::Unavailable, 3),
        (vec![away(), late()], Reason::Unavailable, 0),
        (vec![expired(), late(), away()], Reason::TimedOut, 1),
        (vec![stranger(), expired(), known(), known()], Reason::InsufficientScope, 2),
        (vec![stranger(), expired(), refused(Reason::WrongPassword)], Reason::Expired, 1),
        (vec![expired(), stranger()], Reason::Expired, 0),
        (vec![stranger(), refused(Reason::WrongIssuer)], Reason::WrongIssuer, 1),
        (vec![refused(Reason::WrongIssuer), stranger()], Reason::UnknownUser, 1),
    ] {
        let notes = Arc::new(Notes::default());
        let auth = auth(&answers, &notes);
        let headers = bearer();
        let head = RequestHead::new(&Method::GET, "/", &headers);
        let rejection = auth.decided(&head).await.unwrap_err();
        let outcome = match rejection.status() {
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::UNAUTHORIZED => "refused",
            other => panic!("{other}"),
        };
        assert_eq!(notes.decided(), [(outcome, Some(reason), Some(format!("element-{at}")), false)]);
        assert_eq!(auth.explain(&head, Contact::Allowed).await.reason, Some(reason));
    }
}

#[tokio::test]
async fn an_observer_is_told_of_every_kind_of_decision() {
    let notes = Arc::new(Notes::default());
    let builder = || Auth::builder().clock(Arc::new(Ticking::default())).observer(notes.clone());
    let remembered =
        builder().element(Remembers, "hello").resource(Resource::new("/open").public()).build().unwrap();
    let optional = builder().element(Remembers, "hello").optional(true).build().unwrap();
    let reading = auth(&[Outcome::known(Identity::new("alice").with_scopes(["hello"]))], &notes);
    let known = || Outcome::known(Identity::new("alice").with_scopes(["hello"]));
    let second = auth(&[refused(Reason::Expired), refused(Reason::Expired), known()], &notes);
    let (none, token) = (HeaderMap::new(), bearer());
    for (auth, path, headers, told) in [
        (&remembered, "/", &token, ("admitted", None, Some("remembers".to_owned()), true)),
        (&remembered, "/", &none, ("refused", Some(Reason::NoCredential), None, false)),
        (&remembered, "/open", &token, ("public", None, None, false)),
        (&optional, "/", &none, ("anonymous", None, None, false)),
        (&reading, "/", &token, ("admitted", None, Some("element-0".to_owned()), false)),
        (&second, "/", &token, ("admitted", None, Some("element-2".to_owned()), false)),
    ] {
        let _decision = auth.decided(&RequestHead::new(&Method::GET, path, headers)).await;
        assert_eq!(notes.decided(), [told], "{path}");
    }
}

#[tokio::test]
async fn an_observer_is_told_how_long_each_element_took() {
    let notes = Arc::new(Notes::default());
    let known = Outcome::known(Identity::new("alice"));
    let auth = auth(&[refused(Reason::Expired), Unavailable::new("away").into(), known], &notes);
    let headers = bearer();
    auth.decided(&RequestHead::new(&Method::GET, "/", &headers)).await.unwrap_err();
    let second = Duration::from_secs(1);
    assert_eq!(
        *notes.asked.lock().unwrap(),
        [
            ("refused", Some(Reason::Expired), 0, second, false),
            ("unavailable", Some(Reason::Unavailable), 1, second, false),
            ("forbidden", Some(Reason::InsufficientScope), 2, second, false),
        ]
    );
    assert_eq!((Answer::Admitted.outcome(), Answer::Admitted.reason()), ("admitted", None));
}

#[tokio::test]
async fn every_observer_is_told_how_long_the_decision_took() {
    let observers = [(); 2].map(|()| Arc::new(Notes::default()));
    let mut builder = Auth::builder().clock(Arc::new(Ticking::default()));
    for observer in &observers {
        builder = builder.observer(observer.clone());
    }
    let auth = builder.element(Says(refused(Reason::Expired)), "hello").build().unwrap();
    let headers = bearer();
    auth.decided(&RequestHead::new(&Method::GET, "/", &headers)).await.unwrap_err();
    for observer in observers {
        // The clock is looked at when the decision begins, about the element twice, and in the end.
        assert_eq!(*observer.took.lock().unwrap(), [Duration::from_secs(3)]);
        assert_eq!(observer.asked.lock().unwrap().len(), 1);
        assert_eq!(observer.decided().len(), 1);
    }
}

#[tokio::test]
async fn an_observer_is_told_of_who_is_slowed_down_and_of_paths_that_can_be_read_in_two_ways() {
    let notes = Arc::new(Notes::default());
    let auth = Auth::builder()
        .element(Says(Unavailable::new("wait").because(Reason::TooManyAttempts).into()), "hello")
        .resource(Resource::new("/a").public())
        .observer(notes.clone())
        .build()
        .unwrap();
    let headers = bearer();
    for (path, told) in [
        ("/", ("throttled", Some(Reason::TooManyAttempts), Some("says".to_owned()), false)),
        ("/x/../a", ("bad-request", Some(Reason::AmbiguousPath), None, false)),
    ] {
        auth.decided(&RequestHead::new(&Method::GET, path, &headers)).await.unwrap_err();
        assert_eq!(notes.decided(), [told]);
    }
}

#[test]
fn what_came_of_an_element_has_a_short_name() {
    for (looked, name) in [
        (Looked::NotReached, "not reached"),
        (Looked::OtherScheme, "not looked at"),
        (Looked::NothingToLookAt, "not looked at"),
        (Looked::Admitted, "admitted"),
        (Looked::NotAuthorized, "not authorized"),
        (Looked::Refused, "refused"),
        (Looked::Unavailable, "unavailable"),
    ] {
        assert_eq!((looked.as_str(), format!("{looked:>15}")), (name, format!("{name:>15}")));
    }
}
