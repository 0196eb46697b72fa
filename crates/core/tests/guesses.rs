//! What a service with a throttle makes of the answers of its elements.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use portcullis_core::{
    Asked, Auth, AuthBuilder, BoxFuture, Clock, Context, Credential, Decided, Element, Identity, Observer,
    Outcome, Protocol, Provider, Reason, Rejection, RejectionKind, RequestHead, RequiredScopes, Resource,
    Scheme, Throttle, Unavailable, UnixTime,
};

#[derive(Debug, Default)]
struct Still(AtomicU64);

impl Clock for Still {
    fn now(&self) -> UnixTime {
        UnixTime::default()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Answers what the password says, at once or later.
#[derive(Debug)]
struct Store {
    name: &'static str,
    scheme: Scheme,
    later: bool,
    asked: AtomicUsize,
}

impl Store {
    fn new(name: &'static str, later: bool) -> Arc<Self> {
        Arc::new(Self { name, scheme: Scheme::Basic, later, asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// `a=right b=away`: what each store says.
    fn answer(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Outcome {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let said = match credential {
            Credential::Basic(basic) => basic.password().to_owned(),
            Credential::Bearer(bearer) => bearer.token().to_owned(),
            _ => String::new(),
        };
        let own = said.split(' ').find_map(|part| part.strip_prefix(self.name)?.strip_prefix('='));
        match own.unwrap_or("wrong") {
            "right" => Outcome::known(Identity::new("alice").with_scopes(["hello", "admin"])),
            "weak" => Outcome::known(Identity::new("alice")),
            "away" => Unavailable::new("away").into(),
            "unclear" => Unavailable::new("not about you").because(Reason::UnusableAnswer).into(),
            "busy" => Unavailable::new("busy").because(Reason::Overloaded).into(),
            "unfit" => Outcome::refused(Reason::BlankPassword, "nobody is asked"),
            "early" => early(7),
            "earlier" => early(9),
            "panic" => panic!("as it was told"),
            // It learns on the way whose account is meant, or asks a server.
            "found" => cx.guess().at("uid=alice").map_or_else(Outcome::from, |held| {
                held.wrong();
                refused()
            }),
            "called" => cx.permit_call().map_or_else(Outcome::from, |_| refused()),
            _ => refused(),
        }
    }
}

fn refused() -> Outcome {
    Outcome::refused(Reason::WrongPassword, "no")
}

fn early(seconds: u64) -> Outcome {
    let span = Duration::from_secs(seconds);
    Unavailable::new("early").because(Reason::TooManyAttempts).with_retry_after(span).into()
}

impl Provider for Store {
    fn kind(&self) -> &'static str {
        self.name
    }

    fn scheme(&self) -> Scheme {
        self.scheme
    }

    fn looks_at_client(&self) -> bool {
        false
    }

    fn try_authenticate(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        (!self.later).then(|| self.answer(credential, cx))
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async { self.answer(credential, cx) })
    }
}

struct Door {
    auth: Auth,
    still: Arc<Still>,
}

impl Door {
    /// Delays after 3 failures of a user and 6 of an address.
    fn new(builder: AuthBuilder) -> Self {
        let still = Arc::new(Still::default());
        let throttle = Throttle::new().per_user(3).per_address(6);
        let auth = builder.throttle(throttle).clock(still.clone()).build().unwrap();
        Self { auth, still }
    }

    fn of(stores: &[&Arc<Store>]) -> Self {
        let elements = stores.iter().map(|store| Element::new(Arc::clone(store), "hello").unwrap());
        Self::new(Auth::builder().elements(elements))
    }

    async fn send(&self, method: Method, path: &str, from: &str, value: &str) -> Result<(), Rejection> {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(value).unwrap())]);
        let client = (!from.is_empty()).then(|| from.parse::<IpAddr>().unwrap());
        let head = RequestHead::new(&method, path, &headers).with_client(client);
        self.auth.decided(&head).await.map(drop)
    }

    async fn rejection(&self, from: &str, user: &str, said: &str) -> Option<Rejection> {
        self.send(Method::GET, "/", from, &basic(user, said)).await.err()
    }

    async fn status(&self, from: &str, user: &str, said: &str) -> u16 {
        self.rejection(from, user, said).await.map_or(200, |rejection| rejection.status().as_u16())
    }

    fn seconds(&self, seconds: u64) {
        self.still.0.fetch_add(seconds, Ordering::SeqCst);
    }

    /// How many users are counted at addresses.
    fn pairs(&self) -> usize {
        self.auth.throttle().unwrap().counted()[2]
    }
}

fn basic(user: &str, said: &str) -> String {
    // An empty password is no credential.
    let said = if said.is_empty() { "none=right" } else { said };
    format!("Basic {}", STANDARD.encode(format!("{user}:{said}")))
}

const HERE: &str = "192.0.2.1";
const THERE: &str = "198.51.100.1";

#[tokio::test]
async fn a_401_of_all_counts_for_the_address_and_what_a_store_cannot_tell_for_the_address_at_that_store() {
    for later in [false, true] {
        let (a, b) = (Store::new("a", later), Store::new("b", later));
        for (said, status, counted) in [
            ("", 401, true),
            ("a=right", 200, false),
            ("b=right", 200, false),
            ("a=weak", 403, false),
            ("b=weak", 403, false),
            ("a=away", 503, true),
            ("b=away", 503, true),
            ("a=busy", 503, true),
            ("b=busy", 503, true),
            ("a=panic", 503, true),
            ("a=early b=early", 429, false),
            ("a=early b=away", 503, true),
            ("a=away b=right", 200, false),
            ("a=busy b=right", 200, false),
            ("a=busy b=weak", 503, false),
        ] {
            let door = Door::of(&[&a, &b]);
            for user in 0..6 {
                let user = format!("user-{user}");
                assert_eq!(door.status(HERE, &user, said).await, status, "{said} {later}");
            }
            // By the address, or as a store that could know him is left alone.
            let waits = door.status(HERE, "bob", "").await == 429;
            assert_eq!(waits, counted, "{said} {later}");
        }
    }
}

/// A directory is away, and an administrator is in the file behind it, for such a day.
#[tokio::test]
async fn an_outage_of_one_store_keeps_nobody_from_another() {
    for (later, [away, well]) in
        [false, true].into_iter().flat_map(|later| [(later, ["a", "b"]), (later, ["b", "a"])])
    {
        let (a, b) = (Store::new("a", later), Store::new("b", later));
        let door = Door::of(&[&a, &b]);
        let store = |name| if name == "a" { &a } else { &b };
        let outage = format!("{away}=away");
        for user in 0..6 {
            assert_eq!(door.status(HERE, &format!("user-{user}"), &outage).await, 503);
        }
        let asked = (store(away).asked(), store(well).asked());
        assert_eq!(door.status(HERE, "user-6", &outage).await, 429);
        for round in 1..=20 {
            let said = format!("{away}=away {well}=right");
            assert_eq!(door.status(HERE, &format!("admin-{round}"), &said).await, 200);
        }
        assert_eq!((store(away).asked(), store(well).asked()), (asked.0, asked.1 + 21), "{away} {later}");
        // Of those who know the caller each may say so.
        assert_eq!(door.status(HERE, "bob", &format!("{away}=right")).await, 429, "as nobody can tell");
        assert_eq!(door.status(HERE, "bob", &format!("{well}=weak")).await, 429);
        door.seconds(1);
        assert_eq!(door.status(HERE, "bob", &format!("{away}=right")).await, 200);
    }
}

/// Of a chain whose first store has an answer about one caller that it cannot use, and is not away.
#[tokio::test]
async fn what_a_store_cannot_tell_of_one_caller_makes_no_outage_for_others() {
    for later in [false, true] {
        let (a, b) = (Store::new("a", later), Store::new("b", later));
        let door = Door::of(&[&a, &b]);
        for round in 0..20 {
            assert_eq!(door.status(HERE, &format!("mallory-{round}"), "a=unclear").await, 503);
        }
        let asked = a.asked();
        for user in 0..6 {
            assert_eq!(door.status(HERE, &format!("user-{user}"), "").await, 401);
        }
        assert_eq!((a.asked() - asked, door.status(HERE, "user-6", "").await), (6, 429), "as ever");
        for _ in 0..3 {
            assert_eq!(door.status(THERE, "mallory", "a=unclear").await, 503);
        }
        assert_eq!(door.status(THERE, "mallory", "a=unclear").await, 429, "it counts for the user");
    }
}

#[tokio::test]
async fn what_is_refused_without_a_look_or_cannot_be_told_of_one_caller_counts_for_the_user() {
    for (said, status) in [("a=unfit", 401), ("a=unclear", 503)] {
        let a = Store::new("a", false);
        let door = Door::of(&[&a]);
        for _ in 0..3 {
            assert_eq!(door.status(HERE, "mallory", said).await, status);
        }
        assert_eq!(door.status(HERE, "mallory", said).await, 429, "{said}");
    }
}

/// Behind a store that is away, and is asked once in a while only.
#[tokio::test]
async fn a_store_that_is_left_alone_is_told_of_to_whom_it_matters() {
    let (a, b) = (Store::new("a", false), Store::new("b", false));
    let observer = Arc::new(Counting::default());
    let elements = [&a, &b].map(|store| Element::new(Arc::clone(store), "hello").unwrap());
    let door = Door::new(Auth::builder().elements(elements).observer(observer.clone()));
    for user in 0..6 {
        assert_eq!(door.status(HERE, &format!("user-{user}"), "a=away").await, 503);
    }
    assert_eq!(observer.answers.load(Ordering::SeqCst), 12);
    assert_eq!(door.status(HERE, "bob", "").await, 429);
    assert_eq!(door.status(HERE, "carol", "b=busy").await, 503);
    assert_eq!(observer.answers.load(Ordering::SeqCst), 14, "who was not asked did not answer");
    let said = observer.reasons.lock().unwrap();
    assert_eq!(said[6..], [Some(Reason::TooManyAttempts), Some(Reason::Overloaded)]);
}

#[derive(Debug, Default)]
struct Counting {
    answers: AtomicUsize,
    reasons: Mutex<Vec<Option<Reason>>>,
}

impl Observer for Counting {
    fn decided(&self, decided: &Decided<'_>) {
        self.reasons.lock().unwrap().push(decided.reason);
    }

    fn asked(&self, _: &Asked<'_>) {
        self.answers.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn what_is_refused_without_a_look_ends_no_outage() {
    for later in [false, true] {
        for (said, ends) in [("a=unfit", false), ("", true), ("a=right", true)] {
            let a = Store::new("a", later);
            let door = Door::of(&[&a]);
            for user in 0..5 {
                assert_eq!(door.status(HERE, &format!("user-{user}"), "a=away").await, 503);
            }
            door.status(HERE, "mallory", said).await;
            let more = [door.status(HERE, "bob", "a=away").await, door.status(HERE, "carol", "a=away").await];
            assert_eq!(more, if ends { [503, 503] } else { [503, 429] }, "{said} {later}");
        }
    }
}

#[tokio::test]
async fn each_store_counts_what_it_said_itself() {
    for later in [false, true] {
        let (a, b) = (Store::new("a", later), Store::new("b", later));
        for (said, of_a, of_b) in [
            ("", true, true),
            ("a=right", false, false),
            ("b=right", false, false),
            ("b=weak", false, false),
            ("a=weak", false, false),
            ("a=away", true, true),
            ("b=away", true, true),
            ("a=early", false, true),
            ("a=early b=early", false, false),
            ("b=early", true, false),
            ("a=panic b=panic", true, true),
            ("a=away b=right", false, false),
        ] {
            let both = Door::of(&[&a, &b]);
            for _ in 0..3 {
                both.status(HERE, "alice", said).await;
            }
            for (store, counted) in [(&a, of_a), (&b, of_b)] {
                let alone = Auth::builder().element(Arc::clone(store), "hello");
                let throttle = both.auth.throttle().unwrap().clone();
                let still = both.still.clone();
                let auth = alone.throttle(throttle).clock(still.clone()).build().unwrap();
                let alone = Door { auth, still };
                let waits = alone.status(THERE, "alice", "a=right b=right").await == 429;
                assert_eq!(waits, counted, "{said} {} {later}", store.name);
            }
        }
    }
}

#[tokio::test]
async fn who_knows_the_password_has_succeeded_whatever_he_may_do() {
    for later in [false, true] {
        for said in ["a=right", "a=weak"] {
            let door = Door::of(&[&Store::new("a", later)]);
            for _ in 0..10 {
                assert_eq!(door.status(HERE, "alice", "").await, 401);
                assert_ne!(door.status(HERE, "alice", said).await, 401);
                assert_eq!(door.pairs(), 0, "a success resets");
                door.seconds(3600);
            }
            for guess in 0..3 {
                assert_eq!(door.status(&format!("198.51.100.{guess}"), "alice", "").await, 401);
            }
            assert_eq!(door.status("198.51.100.9", "alice", said).await, 429);
            assert_ne!(door.status(HERE, "alice", said).await, 429, "where she comes from");
        }
    }
}

#[tokio::test]
async fn a_store_that_two_elements_ask_counts_once() {
    for later in [false, true] {
        let a = Store::new("a", later);
        let door = Door::new(
            Auth::builder().element(Arc::clone(&a), "nobody-has-it").element(Arc::clone(&a), "hello"),
        );
        for _ in 0..3 {
            assert_eq!(door.status(HERE, "alice", "").await, 401);
        }
        assert_eq!(door.status(HERE, "alice", "").await, 429);
        assert_eq!(door.pairs(), 1);
        door.seconds(1);
        assert_eq!(door.status(HERE, "alice", "a=right").await, 200);
        assert_eq!(door.pairs(), 0);
    }
}

#[tokio::test]
async fn who_has_to_wait_is_told_so_before_any_store_is_asked() {
    for later in [false, true] {
        let a = Store::new("a", later);
        let door = Door::of(&[&a]);
        for _ in 0..3 {
            door.status(HERE, "alice", "").await;
        }
        let asked = a.asked();
        for said in ["", "a=right"] {
            let rejection = door.rejection(HERE, "alice", said).await.unwrap();
            assert_eq!(rejection.kind(), RejectionKind::TooManyAttempts);
            assert_eq!(rejection.retry_after(), Some(Duration::from_secs(1)));
            assert!(rejection.challenges().is_empty());
        }
        assert_eq!(a.asked(), asked);
    }
}

#[tokio::test]
async fn a_service_counts_for_all_its_methods_and_resources_and_for_those_that_share_its_throttle() {
    let a = Store::new("a", false);
    let resources = [
        Resource::new("/admin").scopes("admin"),
        Resource::new("/own").elements([Element::new(Arc::clone(&a), "admin").unwrap()]),
        Resource::new("/maybe").optional(true),
        Resource::new("/open").public(),
    ];
    let builder =
        resources.into_iter().fold(Auth::builder().element(Arc::clone(&a), "hello"), AuthBuilder::resource);
    let door = Door::new(builder);
    let throttle = door.auth.throttle().unwrap().clone();
    let other = Auth::builder()
        .element(Arc::clone(&a), RequiredScopes::anyone())
        .throttle(throttle.per_user(100))
        .clock(door.still.clone())
        .build()
        .unwrap();
    let other = Door { auth: other, still: door.still.clone() };
    assert_eq!(other.status(HERE, "alice", "").await, 401);
    let status = async |method: Method, path: &str, said: &str| {
        let answer = door.send(method, path, HERE, &basic("alice", said)).await;
        answer.map_or_else(|rejection| rejection.status().as_u16(), |()| 200)
    };
    assert_eq!(status(Method::OPTIONS, "/own", "").await, 401);
    assert_eq!(status(Method::HEAD, "/maybe", "").await, 401);
    for path in ["/", "/admin", "/own", "/maybe", "/else"] {
        for method in [Method::GET, Method::OPTIONS, Method::HEAD, Method::CONNECT] {
            assert_eq!(status(method, path, "a=right").await, 429, "{path}");
        }
    }
    assert_eq!(status(Method::GET, "/open", "a=right").await, 200, "nobody looks at it there");
    assert_eq!(other.status(HERE, "alice", "a=right").await, 200, "a limit is the service's own");
}

#[tokio::test]
async fn a_credential_that_no_element_looks_at_is_not_counted() {
    let token =
        Arc::new(Store { scheme: Scheme::Bearer, ..Arc::into_inner(Store::new("t", false)).unwrap() });
    let door = Door::of(&[&token]);
    for _ in 0..20 {
        assert_eq!(door.status(HERE, "alice", "").await, 401);
        let refused = door.send(Method::GET, "/", HERE, "Bearer t=wrong").await.unwrap_err();
        assert_eq!(refused.kind(), RejectionKind::Refused, "nobody was asked outside");
        assert!(door.send(Method::GET, "/", HERE, "Basic !").await.is_err());
        assert!(door.send(Method::GET, "/", HERE, "Digest x").await.is_err());
    }
    assert_eq!(door.auth.throttle().unwrap().counted(), [0, 0, 0]);
    assert!(door.send(Method::GET, "/", HERE, "Bearer t=right").await.is_ok());
    for _ in 0..6 {
        door.send(Method::GET, "/", HERE, "Bearer t=called").await.unwrap_err();
    }
    assert_eq!(door.send(Method::GET, "/", HERE, "Bearer t=called").await.unwrap_err().status(), 429);
    let kind = door.rejection(HERE, "alice", "").await.unwrap().kind();
    assert_eq!(kind, RejectionKind::NotLookedAt, "nor does it wait");
}

#[tokio::test]
async fn of_several_waits_the_longest_is_told_and_an_outage_is_none() {
    let (a, b) = (Store::new("a", true), Store::new("b", false));
    let door = Door::of(&[&a, &b]);
    for said in ["a=early b=earlier", "a=earlier b=early"] {
        let rejection = door.rejection(HERE, "alice", said).await.unwrap();
        assert_eq!(rejection.status(), 429);
        assert_eq!(rejection.retry_after(), Some(Duration::from_secs(9)));
    }
    assert_eq!(door.status(HERE, "alice", "a=early b=away").await, 503);
    assert_eq!(door.status(HERE, "alice", "a=early").await, 429, "refused by the other one");
    assert_eq!(door.status(HERE, "bob", "a=early b=right").await, 200);
}

/// RFC 9110 §9.3.6: a CONNECT that is answered with 2xx opens a tunnel.
#[tokio::test]
async fn a_connect_is_told_to_wait_by_the_status_in_grpc_too() {
    let door = Door::new(Auth::builder().element(Store::new("a", false), "hello").protocol(Protocol::Grpc));
    for _ in 0..3 {
        door.status(HERE, "alice", "").await;
    }
    for (method, status) in [(Method::POST, 200), (Method::CONNECT, 429)] {
        let rejection = door.send(method, "/", HERE, &basic("alice", "")).await.unwrap_err();
        assert_eq!(rejection.status(), 429);
        assert_eq!(rejection.response_status(), status);
    }
}

#[tokio::test]
async fn a_provider_that_finds_the_account_or_asks_a_server_asks_the_throttle_of_its_service() {
    for later in [false, true] {
        let a = Store::new("a", later);
        let door = Door::of(&[&a]);
        for user in ["1", "2", "3"] {
            assert_eq!(door.status(HERE, user, "a=found").await, 401);
        }
        assert_eq!(door.status(THERE, "4", "a=found").await, 429);
        let other = Door::of(&[&a, &Store::new("b", later)]);
        assert_eq!(other.status(THERE, "4", "a=found").await, 401, "another throttle");

        let token = Arc::into_inner(Store::new("t", later)).unwrap();
        let door = Door::of(&[&Arc::new(Store { scheme: Scheme::Bearer, ..token })]);
        for status in [401, 401, 401, 401, 401, 401, 429, 429] {
            let refused = door.send(Method::GET, "/", HERE, "Bearer t=called").await.unwrap_err();
            assert_eq!(refused.status(), status);
        }
        assert!(door.send(Method::GET, "/", HERE, "Bearer t=right").await.is_ok());
        assert_eq!(door.send(Method::GET, "/", "", "Bearer t=called").await.unwrap_err().status(), 401);
    }
}

/// `a` finds an account that has to wait: that is no outage, in which guesses at `b` had delays of a few seconds.
#[tokio::test]
async fn an_account_that_has_to_wait_lets_nobody_guess_faster_at_another_store() {
    for later in [false, true] {
        let (a, b) = (Store::new("a", later), Store::new("b", later));
        let both = [&a, &b].map(|store| Element::new(Arc::clone(store), "hello").unwrap());
        let still = Arc::new(Still::default());
        let throttle = Throttle::new().per_user(3).per_address(1_000);
        let auth = Auth::builder().elements(both).throttle(throttle).clock(still.clone()).build().unwrap();
        let door = Door { auth, still };
        // The account is guessed at under other names.
        for name in 0..12 {
            door.status(THERE, &format!("alias-{name}"), "a=found").await;
            door.seconds(if name < 11 { 300 } else { 0 });
        }
        let mut waits = Vec::new();
        for _ in 0..10 {
            let refused = door.rejection(HERE, "admin", "a=found").await.unwrap();
            assert_eq!(refused.status().as_u16(), 429);
            let is_asked = refused.retry_after() > Some(Duration::from_secs(200));
            if !is_asked {
                let wait = refused.retry_after().unwrap().as_secs();
                waits.push(wait);
                door.seconds(wait);
            }
        }
        assert_eq!(waits, [1, 2, 4, 8], "{later}");
    }
}

/// Of a chain whose first store finds an account that somebody else keeps waiting: the password may be right there.
#[tokio::test]
async fn an_account_that_has_to_wait_keeps_an_address_out_for_a_few_seconds_at_most() {
    let (a, b) = (Store::new("a", false), Store::new("b", false));
    let door = Door::of(&[&a, &b]);
    for name in 0..12 {
        door.status(THERE, &format!("alias-{name}"), "a=found").await;
        door.seconds(if name < 11 { 300 } else { 0 });
    }
    let mut waits = Vec::new();
    for user in 0..11 {
        let said = async || door.rejection(HERE, &format!("alice-{user}"), "a=found").await.unwrap();
        let mut refused = said().await;
        while refused.retry_after().unwrap() < Duration::from_secs(200) {
            waits.push(refused.retry_after().unwrap().as_secs());
            door.seconds(refused.retry_after().unwrap().as_secs());
            refused = said().await;
        }
    }
    assert_eq!(waits, [1, 2, 4, 4, 4], "a failure of the address has longer ones");
}
