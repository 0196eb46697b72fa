use std::{
    cell::Cell,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use tracing::Level;

use crate::{
    Auth, AuthBuilder, BoxFuture, ClaimsSource, Context, Credential, CredentialErrorKind, CredentialSources,
    Decided, Decision, Identity, Observer, Outcome, Provider, Reason, Recall, RejectionKind, RequestHead,
    Resource, Scheme, Step, Unavailable,
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

    fn recall(&self, text: &[u8], _: &Context<'_>) -> Recall {
        let known = || Outcome::known(Identity::new("alice").with_scopes(["hello"]));
        Recall::found((text == self.1.as_bytes()).then(known))
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

/// What is decided without asking where the request goes, if anything, and what is decided after all.
fn decided(auth: &Auth, headers: &HeaderMap) -> (Option<Decision>, Decision) {
    let ready = |step| match step {
        Step::Ready(decision) => decision,
        waiting @ Step::Wait(_) => panic!("{waiting:?}"),
    };
    let head = RequestHead::new(&Method::GET, "/", headers);
    let decision = ready(auth.decide(&head));
    let asked = Cell::new(false);
    let other = ready(auth.decide_with(&Method::GET, headers, || {
        asked.set(true);
        head
    }));
    match (&decision, &other) {
        (Ok(_), Ok(_)) => {}
        (Err(one), Err(other)) => assert_eq!(one.kind(), other.kind()),
        (one, other) => panic!("{one:?} {other:?}"),
    }
    ((!asked.get()).then_some(other), decision)
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

/// Remembers `token`, whose claims are read from it.
#[derive(Debug)]
struct KeepsTokens;

struct Kept;

impl ClaimsSource for Kept {
    fn claims(&self) -> serde_json::Map<String, serde_json::Value> {
        serde_json::Map::new()
    }

    fn token(&self) -> Option<&[u8]> {
        Some(b"token")
    }
}

impl Provider for KeepsTokens {
    fn kind(&self) -> &'static str {
        "keeps-tokens"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn recall(&self, text: &[u8], _: &Context<'_>) -> Recall {
        let identity = || Identity::new("alice").with_scopes(["hello"]).with_claims_from(Arc::new(Kept));
        Recall::found((text == b"token").then(identity).map(Outcome::known))
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(Outcome::refused(Reason::Other, "it is not remembered"))
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::refused(Reason::Other, "it is not remembered") })
    }
}

#[test]
fn a_token_that_is_remembered_whole_is_shown_from_there() {
    let auth = Auth::builder().element(KeepsTokens, "hello").build().unwrap();
    for value in ["Bearer token", "bearer token"] {
        let (at_once, _) = decided(&auth, &headers(&[value]));
        let principal = at_once.unwrap().unwrap().into_principal().unwrap();
        for principal in [principal.clone(), principal] {
            let shown = principal.authorization().unwrap();
            assert_eq!(
                (shown.scheme(), shown.header()),
                (Scheme::Bearer, &HeaderValue::from_static("Bearer token"))
            );
            assert!(shown.header().is_sensitive());
        }
    }
}

#[test]
fn who_is_remembered_without_a_scope_that_is_asked_for_is_not_let_in() {
    let auth = service("other").build().unwrap();
    let (at_once, decision) = decided(&auth, &headers(&["Bearer token"]));
    assert!(at_once.is_none());
    assert_eq!(kind(decision), RejectionKind::InsufficientScope);
}

#[test]
fn what_is_remembered_is_no_answer_where_the_request_shows_more_than_it() {
    let auth = service("hello").build().unwrap();
    for values in [["Bearer token", "Bearer token"], ["Bearer token", "Basic cGFpcg=="]] {
        let (_, decision) = decided(&auth, &headers(&values));
        assert_eq!(kind(decision), RejectionKind::Malformed(CredentialErrorKind::Repeated));
    }
    for value in ["Bearer  token", "Bearer token ", "Bearer", "token", "Basic token", "Bearer cGFpcg=="] {
        assert!(decided(&auth, &headers(&[value])).1.is_err(), "{value}");
    }
    let short = service("hello").max_credential_bytes("Bearer token".len() - 1).build().unwrap();
    let (_, decision) = decided(&short, &headers(&["Bearer token"]));
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
    for prepared in [&guard.no_credential, guard.refused(Scheme::Bearer), guard.refused(Scheme::Basic)] {
        let (mut copied, mut made) =
            (HeaderMap::new(), HeaderMap::from_iter([(http::header::VARY, HeaderValue::from_static("*"))]));
        prepared.write_headers(&mut copied);
        prepared.write_headers(&mut made);
        made.remove(http::header::VARY);
        assert_eq!(copied, made);
    }
}

/// Remembers what it is told to, and writes down what it is asked.
#[derive(Debug)]
struct Scripted {
    recall: Recall,
    waits: bool,
    asked: Mutex<Vec<&'static str>>,
}

impl Scripted {
    fn new(recall: Recall) -> Arc<Self> {
        Arc::new(Self { recall, waits: false, asked: Mutex::default() })
    }

    fn write(&self, what: &'static str) {
        self.asked.lock().unwrap().push(what);
    }

    fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn answer() -> Outcome {
        Outcome::known(Identity::new("alice").with_scopes(["hello"]))
    }
}

impl Provider for Scripted {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn recall(&self, _: &[u8], cx: &Context<'_>) -> Recall {
        assert!(cx.may_recall() && cx.may_remember());
        self.write("recall");
        self.recall.clone()
    }

    fn try_authenticate(&self, _: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        assert!(cx.may_remember());
        if let Some(state) = cx.searched_in() {
            assert!(!cx.may_recall());
            assert!(matches!(self.recall, Recall::NothingIn(said) if said == state));
            self.write("told what it said");
        }
        self.write(if cx.may_recall() { "try" } else { "try afresh" });
        (!self.waits).then(Self::answer)
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, cx: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        assert!(cx.may_recall() && cx.may_remember(), "somebody else may have been quicker");
        self.write("authenticate");
        Box::pin(async { Self::answer() })
    }
}

fn scripted(providers: &[(&Arc<Scripted>, &'static str)], value: &'static str) -> Decision {
    let builder = providers
        .iter()
        .fold(Auth::builder(), |builder, (provider, scope)| builder.element(Arc::clone(provider), *scope));
    let (auth, headers) = (builder.build().unwrap(), headers(&[value]));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(auth.decided(&RequestHead::new(&Method::GET, "/", &headers)))
}

#[test]
fn a_memory_that_holds_nothing_is_not_searched_again() {
    let one = Scripted::new(Recall::Nothing);
    assert!(scripted(&[(&one, "hello")], "Bearer token").is_ok());
    assert_eq!(one.asked(), ["recall", "try afresh"]);
    // What the first element found out the second one may recall.
    assert!(scripted(&[(&one, "other"), (&one, "hello")], "Bearer token").is_ok());
    assert_eq!(one.asked(), ["recall", "try afresh", "try"]);
    let other = Scripted::new(Recall::Nothing);
    assert!(scripted(&[(&one, "other"), (&other, "hello")], "Bearer token").is_ok());
    assert_eq!((one.asked(), other.asked()), (vec!["recall", "try afresh"], vec!["try"]));
}

#[test]
fn who_is_none_of_those_a_memory_knows_is_refused_without_asking_why() {
    let one = Scripted::new(Recall::NothingIn(7));
    let auth = Auth::builder().element(Arc::clone(&one), "hello").build().unwrap();
    let (at_once, decision) = decided(&auth, &headers(&["Bearer token"]));
    for decision in [at_once.unwrap(), decision] {
        let rejection = decision.unwrap_err();
        assert_eq!(rejection.kind(), RejectionKind::Refused);
        assert_eq!(rejection.challenges()[0], "Bearer realm=\"portcullis\", error=\"invalid_token\"");
    }
    assert_eq!(one.asked(), ["recall", "recall"]);
    // What cannot be read is refused for that.
    let malformed = RejectionKind::Malformed(CredentialErrorKind::TrailingWords);
    assert_eq!(kind(decided(&auth, &headers(&["Bearer to,ken"])).1), malformed);
    // An element of the other scheme has nothing to say to it.
    let other = Remembers(Scheme::Basic, "cGFpcg==");
    let auth = Auth::builder().element(one, "hello").element(other, "hello").build().unwrap();
    assert!(decided(&auth, &headers(&["Bearer token"])).0.is_some());
}

/// Wants to know.
#[derive(Debug)]
struct Curious;

impl Observer for Curious {
    fn decided(&self, _: &Decided<'_>) {}
}

#[test]
fn a_memory_that_names_its_state_is_told_so_with_the_question_and_no_other_is() {
    let one = Scripted::new(Recall::NothingIn(7));
    let auth =
        Auth::builder().element(Arc::clone(&one), "hello").observer(Arc::new(Curious)).build().unwrap();
    let headers = headers(&["Bearer token"]);
    let step = auth.decide(&RequestHead::new(&Method::GET, "/", &headers));
    assert!(matches!(step, Step::Ready(Ok(_))));
    assert_eq!(one.asked(), ["recall", "told what it said", "try afresh"]);
    let other = Scripted::new(Recall::NothingIn(7));
    assert!(scripted(&[(&one, "other"), (&other, "hello")], "Bearer token").is_ok());
    assert_eq!(
        (one.asked(), other.asked()),
        (vec!["recall", "told what it said", "try afresh"], vec!["try"])
    );
    // Where it has to be waited for, much may have changed.
    let waits = Arc::new(Scripted { recall: Recall::NothingIn(0), waits: true, asked: Mutex::default() });
    assert!(scripted(&[(&waits, "hello"), (&other, "hello")], "Bearer token").is_ok());
    assert_eq!(waits.asked(), ["recall", "told what it said", "try afresh", "authenticate"]);
}

#[test]
fn who_does_not_say_or_was_not_asked_may_recall_later() {
    let silent = Scripted::new(Recall::Unasked);
    assert!(scripted(&[(&silent, "hello")], "Bearer token").is_ok());
    assert_eq!(silent.asked(), ["recall", "try"]);
    // The text after the first space is not what will be read.
    let one = Scripted::new(Recall::Nothing);
    assert!(scripted(&[(&one, "hello")], "Bearer  token").is_ok());
    assert_eq!(one.asked(), ["try"]);
}

#[test]
fn an_element_that_has_to_be_waited_for_is_asked_once() {
    let one = Arc::new(Scripted { recall: Recall::Nothing, waits: true, asked: Mutex::default() });
    assert!(scripted(&[(&one, "hello")], "Bearer token").is_ok());
    assert_eq!(one.asked(), ["recall", "try afresh", "authenticate"]);
    assert!(scripted(&[(&one, "other"), (&one, "hello")], "Bearer token").is_ok());
    assert_eq!(one.asked(), ["recall", "try afresh", "authenticate", "try", "authenticate"]);
}

#[test]
fn an_answer_from_memory_that_lets_nobody_in_is_that_of_its_element() {
    let remembered = |outcome| Scripted::new(Recall::Answer(outcome));
    let refusing = remembered(Outcome::refused(Reason::Other, "it was revoked"));
    assert_eq!(kind(scripted(&[(&refusing, "hello")], "Bearer token")), RejectionKind::Refused);
    assert_eq!(refusing.asked(), ["recall"]);
    let away = remembered(Unavailable::new("the server is away").into());
    assert_eq!(kind(scripted(&[(&away, "hello")], "Bearer token")), RejectionKind::Unavailable);
    let known = remembered(Scripted::answer());
    assert_eq!(kind(scripted(&[(&known, "other")], "Bearer token")), RejectionKind::InsufficientScope);
    assert_eq!(known.asked(), ["recall"]);
    // Further elements are asked all the same.
    for first in [&refusing, &away, &known] {
        first.asked();
        let second = Scripted::new(Recall::Nothing);
        assert!(scripted(&[(first, "other"), (&second, "hello")], "Bearer token").is_ok());
        assert_eq!((first.asked(), second.asked()), (vec!["recall"], vec!["try"]));
    }
    // What cannot be read is refused for that, whatever somebody remembers of it.
    assert_eq!(
        kind(scripted(&[(&refusing, "hello")], "Bearer to ken")),
        RejectionKind::Malformed(CredentialErrorKind::TrailingWords)
    );
}

/// Refuses everything, and may want to know from whom it comes.
#[derive(Debug)]
struct Refuses {
    looks_at_client: bool,
    unavailable: bool,
}

impl Provider for Refuses {
    fn kind(&self) -> &'static str {
        "refuses"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn looks_at_client(&self) -> bool {
        self.looks_at_client
    }

    fn try_authenticate(&self, _: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        assert_eq!(cx.client().is_some(), self.looks_at_client);
        Some(match self.unavailable {
            true => Unavailable::new("away").into(),
            false => Outcome::refused(Reason::Other, "no"),
        })
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        unreachable!("it never has to be waited for")
    }
}

/// How often it is asked from whom a request comes that is refused.
fn asked_about(looks_at_client: bool, unavailable: bool) -> usize {
    let auth = Auth::builder().element(Refuses { looks_at_client, unavailable }, "hello").build().unwrap();
    let (headers, asked) = (headers(&["Bearer token"]), Cell::new(0));
    let step = auth.decide_with(&Method::GET, &headers, || {
        asked.set(asked.get() + 1);
        RequestHead::new(&Method::GET, "/", &headers).with_client(Some([192, 0, 2, 1].into()))
    });
    assert!(matches!(step, Step::Ready(Err(_))));
    asked.get()
}

#[test]
fn nobody_is_asked_from_whom_a_refused_request_comes_where_nobody_wants_to_know() {
    assert_eq!(asked_about(false, false), 0);
    assert_eq!(asked_about(true, false), 1);
}

#[test]
fn what_is_logged_tells_from_whom_it_comes_at_the_level_of_whose_fault_it_is() {
    for (level, refused, unavailable) in [(Level::INFO, 1, 1), (Level::WARN, 0, 1), (Level::ERROR, 0, 0)] {
        let subscriber = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::sink).finish();
        tracing::subscriber::with_default(subscriber, || {
            assert_eq!(
                (asked_about(false, false), asked_about(false, true)),
                (refused, unavailable),
                "{level}"
            );
            assert_eq!(asked_about(true, false), 1, "once");
        });
    }
}

#[test]
fn a_password_that_a_throttle_has_not_permitted_is_held_against_no_memory() {
    let throttled = service("hello").throttle(crate::Throttle::new()).build().unwrap();
    // What this memory would answer for has no colon.
    let (_, decision) = decided(&throttled, &headers(&["Basic cGFpcg=="]));
    assert_eq!(kind(decision), RejectionKind::Malformed(CredentialErrorKind::NoColon));
    // Nobody guesses a token.
    let (at_once, decision) = decided(&throttled, &headers(&["Bearer token"]));
    assert!(at_once.unwrap().is_ok() && decision.is_ok());
}

/// Breaks when it is asked what it remembers.
#[derive(Debug)]
struct Breaks(Arc<Scripted>);

impl Provider for Breaks {
    fn kind(&self) -> &'static str {
        "breaks"
    }

    fn scheme(&self) -> Scheme {
        self.0.scheme()
    }

    fn recall(&self, _: &[u8], _: &Context<'_>) -> Recall {
        panic!("as it was told")
    }

    fn try_authenticate(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        self.0.try_authenticate(credential, cx)
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        self.0.authenticate(credential, cx)
    }
}

#[test]
fn a_memory_that_breaks_is_as_one_that_was_not_asked() {
    let scripted = Scripted::new(Recall::Nothing);
    let auth = Auth::builder().element(Breaks(Arc::clone(&scripted)), "hello").build().unwrap();
    let (at_once, decision) = decided(&auth, &headers(&["Bearer token"]));
    assert!(at_once.is_none() && decision.is_ok());
    assert_eq!(scripted.asked(), ["try", "try"]);
}
