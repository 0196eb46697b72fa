//! What becomes of connections when another version of the configuration is put in use.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, Method,
    header::{AUTHORIZATION, CONNECTION, UPGRADE},
};
use portcullis_core::{
    Admission, Auth, AuthBuilder, BoxFuture, Context, Credential, CredentialSources, Derived, Element, Ended,
    Identity, Lease, LiveAuth, Outcome, Override, Policy, Provider, Reason, RequestHead, Resource, Scheme,
    SettledPolicies, Unavailable, UnixTime, Vouch,
};

use super::script::{CLIENT, INTERVAL, PausedClock, START, TIMEOUT, alice};

/// Answers about every credential, and says what its records are.
#[derive(Debug)]
struct Source {
    scheme: Scheme,
    answers: Mutex<Vec<Reply>>,
    records: HashMap<&'static str, (Identity, u8)>,
    revokes: bool,
    asked: Mutex<Vec<u64>>,
    clock: Arc<PausedClock>,
}

#[derive(Clone, Debug)]
enum Reply {
    Known(Identity),
    /// Alice, for so many seconds.
    Until(u64),
    Refused,
    Away,
    /// After so many seconds.
    Late(u64, Identity),
}

impl Source {
    fn bearer(clock: &Arc<PausedClock>, answers: impl IntoIterator<Item = Reply>) -> Self {
        // The last answer is given again and again.
        let mut answers: Vec<Reply> = answers.into_iter().collect();
        answers.reverse();
        Self {
            scheme: Scheme::Bearer,
            answers: answers.into(),
            records: HashMap::new(),
            revokes: false,
            asked: Mutex::default(),
            clock: Arc::clone(clock),
        }
    }

    /// A store of users, with the record of `alice`.
    fn basic(clock: &Arc<PausedClock>, record: Option<(Identity, u8)>) -> Self {
        Self {
            scheme: Scheme::Basic,
            records: record.map(|record| ("alice", record)).into_iter().collect(),
            ..Self::bearer(clock, [Reply::Known(alice())])
        }
    }

    fn answer(&self) -> Reply {
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() }
    }
}

impl Provider for Source {
    fn kind(&self) -> &'static str {
        "source"
    }

    fn scheme(&self) -> Scheme {
        self.scheme
    }

    fn try_authenticate(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        assert_eq!(credential.scheme(), self.scheme);
        assert_eq!(cx.client(), Some(CLIENT));
        self.asked.lock().unwrap().push(self.clock.start.elapsed().as_secs());
        let answers = self.answers.lock().unwrap();
        match answers.last().unwrap() {
            Reply::Late(..) => return None,
            Reply::Known(_) | Reply::Until(_) | Reply::Refused | Reply::Away => {}
        }
        drop(answers);
        Some(match self.answer() {
            Reply::Known(identity) => Outcome::known(identity),
            Reply::Until(seconds) => {
                let now = START + self.clock.start.elapsed().as_secs();
                Outcome::known(alice().with_expiry(UnixTime::from_secs(now + seconds)))
            }
            Reply::Refused => Outcome::refused(Reason::Inactive, "no longer active"),
            Reply::Away | Reply::Late(..) => Unavailable::new("away").into(),
        })
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.answer() {
                Reply::Late(seconds, identity) => {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    Outcome::known(identity)
                }
                reply => {
                    self.answers.lock().unwrap().push(reply);
                    self.try_authenticate(credential, cx).unwrap()
                }
            }
        })
    }

    fn vouch(&self, identity: &Identity) -> Option<Vouch> {
        let (now, record) = self.records.get(identity.subject()?)?;
        Some(Vouch::new(Arc::new(now.clone()), [*record; 32]))
    }

    fn can_revoke(&self) -> bool {
        self.revokes
    }
}

fn service(clock: &Arc<PausedClock>) -> AuthBuilder {
    Auth::builder().clock(clock.clone()).decision_timeout(Duration::from_secs(TIMEOUT))
}

fn guarded(clock: &Arc<PausedClock>, source: &Arc<Source>) -> Auth {
    service(clock).element(Arc::clone(source), "hello").build().unwrap()
}

fn opening(scheme: Option<Scheme>) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
    ]);
    let value = match scheme {
        None => return headers,
        Some(Scheme::Basic) => format!("Basic {}", STANDARD.encode("alice:s3cr3t")),
        Some(_) => "Bearer s3cr3t".to_owned(),
    };
    headers.insert(AUTHORIZATION, value.parse().unwrap());
    headers
}

async fn admitted(live: &LiveAuth, path: &str, scheme: Option<Scheme>) -> Admission {
    let (now, headers) = (live.now(), opening(scheme));
    let request = RequestHead::new(&Method::GET, path, &headers).with_client(Some(CLIENT));
    let admission = now.decided(&request).await.unwrap();
    admission.standing_on(live.standing(&now, &request, None))
}

/// Why it ends within ten days, and after how many seconds.
async fn ends(clock: &Arc<PausedClock>, lease: Lease) -> Option<(Ended, u64)> {
    let start = clock.start.elapsed();
    let ended = tokio::time::timeout(Duration::from_secs(10 * 24 * 60 * 60), lease.ended()).await.ok()?;
    Some((ended, (clock.start.elapsed() - start).as_secs()))
}

/// What becomes of a connection that was opened under `before` when `after` is put in use.
async fn becomes(
    clock: &Arc<PausedClock>,
    before: Auth,
    scheme: Option<Scheme>,
    after: Auth,
) -> Option<(Ended, u64)> {
    let live = LiveAuth::following(before);
    let lease = admitted(&live, "/", scheme).await.lease();
    assert!(!lease.is_unlimited());
    live.replace(after).unwrap();
    ends(clock, lease).await
}

const WITHDRAWN: Option<(Ended, u64)> = Some((Ended::Withdrawn, 0));

#[tokio::test(start_paused = true)]
async fn what_needs_no_caller_any_more_stays_and_what_needs_one_now_goes() {
    let clock = PausedClock::new();
    let source = || Arc::new(Source::bearer(&clock, [Reply::Known(alice())]));
    let optional = || service(&clock).element(source(), "hello").optional(true).build().unwrap();
    let strict = || service(&clock).element(source(), "hello").build().unwrap();
    let public = || service(&clock).public().build().unwrap();
    let bearer = Some(Scheme::Bearer);
    assert_eq!(becomes(&clock, strict(), bearer, public()).await, None);
    assert_eq!(becomes(&clock, optional(), None, public()).await, None);
    assert_eq!(becomes(&clock, optional(), None, optional()).await, None);
    assert_eq!(becomes(&clock, optional(), None, strict()).await, WITHDRAWN);
    assert_eq!(becomes(&clock, public(), None, strict()).await, WITHDRAWN);
    assert_eq!(becomes(&clock, public(), None, optional()).await, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_served_no_more_goes() {
    let clock = PausedClock::new();
    let source = Arc::new(Source::bearer(&clock, [Reply::Known(alice())]));
    let below = |path: &str| {
        let builder = service(&clock).element(Arc::clone(&source), "hello").path(path);
        builder.resource(Resource::new("/x").scopes("more")).build().unwrap()
    };
    let live = LiveAuth::following(below("/foo"));
    let lease = admitted(&live, "/foo/x", Some(Scheme::Bearer)).await.lease();
    live.replace(below("/bar")).unwrap();
    assert_eq!(ends(&clock, lease).await, WITHDRAWN);
}

#[tokio::test(start_paused = true)]
async fn whoever_the_same_provider_vouched_for_stays_without_a_question() {
    let clock = PausedClock::new();
    for scheme in [Scheme::Bearer, Scheme::Basic] {
        let source =
            || Arc::new(Source { scheme, ..Source::bearer(&clock, [Reply::Known(alice()), Reply::Refused]) });
        let (one, other) = (source(), source());
        let with_scopes = |scopes: &'static str| {
            let element = || Element::new(Arc::clone(&one), scopes).unwrap();
            service(&clock)
                .element(Arc::clone(&other), "nobody-has-it")
                .elements([element()])
                .build()
                .unwrap()
        };
        let before = || guarded(&clock, &one);
        assert_eq!(becomes(&clock, before(), Some(scheme), with_scopes("more")).await, None);
        let asked = |source: &Source| source.asked.lock().unwrap().len();
        assert_eq!((asked(&one), asked(&other)), (1, 0), "when it was opened");
    }
    // Where it asks for what the caller has not, nothing else is left.
    let one = Arc::new(Source::bearer(&clock, [Reply::Known(alice())]));
    let after = service(&clock).element(Arc::clone(&one), "admin").build().unwrap();
    assert_eq!(becomes(&clock, guarded(&clock, &one), Some(Scheme::Bearer), after).await, WITHDRAWN);
}

#[tokio::test(start_paused = true)]
async fn a_password_holds_as_long_as_its_record_is_the_same() {
    let clock = PausedClock::new();
    let source = |record: Option<(Identity, u8)>| Arc::new(Source::basic(&clock, record));
    let known = || Some((alice(), 1));
    let more = || alice().with_scopes(["hello", "more", "new"]);
    let elsewhere = || alice().with_issuer("https://other.example");
    for (before, after, scopes, stays) in [
        (known(), known(), "hello", true),
        (known(), Some((more(), 1)), "new", true),
        (known(), Some((alice(), 2)), "hello", false),
        (known(), None, "hello", false),
        (None, known(), "hello", false),
        (known(), known(), "admin", false),
        (known(), Some((alice().with_scopes(["hello"]), 1)), "hello", false),
        (known(), Some((elsewhere(), 1)), "hello", false),
    ] {
        let about = format!("{before:?} {after:?} {scopes}");
        let old = guarded(&clock, &source(before));
        // A token is nothing to it.
        let token = Arc::new(Source::bearer(&clock, [Reply::Known(more())]));
        let new = service(&clock).element(token, "hello").element(source(after), scopes).build().unwrap();
        let ended = becomes(&clock, old, Some(Scheme::Basic), new).await;
        assert_eq!(ended, if stays { None } else { WITHDRAWN }, "{about}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_shown_again_to_whoever_looks_at_tokens_now() {
    let clock = PausedClock::new();
    let known = || Reply::Known(alice());
    let late = |seconds| Reply::Late(seconds, alice());
    let less = || Reply::Known(alice().with_scopes(["more"]));
    let bob = || Reply::Known(Identity::new("bob").with_scopes(["hello", "more"]));
    let unavailable = |seconds| Some((Ended::Unavailable, seconds));
    for (answers, ended) in [
        (vec![known()], None),
        (vec![Reply::Refused], WITHDRAWN),
        (vec![less()], WITHDRAWN),
        (vec![bob()], WITHDRAWN),
        // Three times, with two seconds between.
        (vec![Reply::Away], unavailable(4)),
        (vec![Reply::Away, Reply::Away, known()], None),
        (vec![Reply::Away, Reply::Refused], Some((Ended::Withdrawn, 2))),
        (vec![late(TIMEOUT - 1)], None),
        (vec![late(TIMEOUT + 1)], unavailable(3 * TIMEOUT + 4)),
        (vec![Reply::Until(100)], Some((Ended::Expired, 100))),
    ] {
        let about = format!("{answers:?}");
        let before = Arc::new(Source::bearer(&clock, [known()]));
        let after = Arc::new(Source::bearer(&clock, answers));
        let users = Arc::new(Source::basic(&clock, None));
        let new = service(&clock).element(users, "hello").element(after, "hello").build().unwrap();
        let old = guarded(&clock, &before);
        assert_eq!(becomes(&clock, old, Some(Scheme::Bearer), new).await, ended, "{about}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_lets_the_token_in_is_enough() {
    let clock = PausedClock::new();
    for (first, second, ended) in [
        (Reply::Away, Reply::Known(alice()), None),
        (Reply::Refused, Reply::Known(alice()), None),
        (Reply::Away, Reply::Refused, Some((Ended::Unavailable, 4))),
        (Reply::Refused, Reply::Refused, WITHDRAWN),
    ] {
        let about = format!("{first:?} {second:?}");
        let source = |reply| Arc::new(Source::bearer(&clock, [reply]));
        let old = guarded(&clock, &source(Reply::Known(alice())));
        let new =
            service(&clock).element(source(first), "hello").element(source(second), "hello").build().unwrap();
        assert_eq!(becomes(&clock, old, Some(Scheme::Bearer), new).await, ended, "{about}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_on_is_asked_about_as_the_new_version_says() {
    let clock = PausedClock::new();
    for (interval, revokes, asked_again) in [(true, true, true), (true, false, false), (false, true, false)] {
        let source = Source::bearer(&clock, [Reply::Known(alice()), Reply::Refused]);
        let source = Arc::new(Source { revokes, ..source });
        let mut new = service(&clock).element(Arc::clone(&source), "hello");
        if interval {
            new = new.revalidate_interval(Duration::from_secs(INTERVAL));
        }
        let old = guarded(&clock, &Arc::new(Source::bearer(&clock, [Reply::Known(alice())])));
        let ended = becomes(&clock, old, Some(Scheme::Bearer), new.build().unwrap()).await;
        let revoked = ended.is_some_and(|(ended, after)| {
            // Somewhere in the second half of the interval.
            ended == Ended::Revoked && (INTERVAL / 2..=INTERVAL).contains(&after)
        });
        assert_eq!((revoked, ended.is_some()), (asked_again, asked_again), "{interval} {revokes}: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_version_is_looked_at() {
    let clock = PausedClock::new();
    let source = |reply| Arc::new(Source::bearer(&clock, [reply]));
    let live = LiveAuth::following(guarded(&clock, &source(Reply::Known(alice()))));
    let admission = admitted(&live, "/", Some(Scheme::Bearer)).await;
    let expired = tokio::spawn(admission.principal().unwrap().expired());
    let ended = tokio::spawn(admission.lease().ended());
    for _ in 0..3 {
        live.replace(guarded(&clock, &source(Reply::Known(alice())))).unwrap();
        tokio::time::sleep(Duration::from_secs(1000)).await;
        assert!(!ended.is_finished() && !expired.is_finished());
    }
    live.replace(guarded(&clock, &source(Reply::Refused))).unwrap();
    assert_eq!(ended.await.unwrap(), Ended::Withdrawn);
    expired.await.unwrap();
    assert_eq!(clock.start.elapsed().as_secs(), 3000);
}

#[tokio::test(start_paused = true)]
async fn a_credential_counts_only_where_the_version_looks_for_it() {
    let clock = PausedClock::new();
    let source = Arc::new(Source::bearer(&clock, [Reply::Known(alice())]));
    for (sources, ended) in [
        (CredentialSources::none().websocket_protocol(), WITHDRAWN),
        (CredentialSources::header().websocket_protocol(), None),
    ] {
        let new = service(&clock).element(Arc::clone(&source), "hello").credential_sources(sources);
        let old = guarded(&clock, &source);
        assert_eq!(becomes(&clock, old, Some(Scheme::Bearer), new.build().unwrap()).await, ended);
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_provider_is_asked_as_often_as_the_new_version_says_where_a_connection_may_be_open() {
    let clock = PausedClock::new();
    for opens in [true, false] {
        let source = Source::bearer(&clock, [Reply::Known(alice()), Reply::Refused]);
        let source = Arc::new(Source { revokes: true, ..source });
        let live = LiveAuth::following(guarded(&clock, &source));
        let mut headers = opening(Some(Scheme::Bearer));
        if !opens {
            headers.remove(UPGRADE);
            headers.remove(CONNECTION);
        }
        let (lease, expired) = {
            let now = live.now();
            let request = RequestHead::new(&Method::GET, "/", &headers).with_client(Some(CLIENT));
            let admission = now.decided(&request).await.unwrap();
            let admission = admission.standing_on(live.standing(&now, &request, None));
            (admission.lease(), admission.principal().unwrap().expired())
        };
        let new = service(&clock).element(Arc::clone(&source), "hello");
        live.replace(new.revalidate_interval(Duration::from_secs(INTERVAL)).build().unwrap()).unwrap();
        let ended = ends(&clock, lease).await.map(|(ended, _)| ended);
        assert_eq!(ended, opens.then_some(Ended::Revoked));
        // It knows nothing of revocation.
        let for_ever = Duration::from_secs(10 * 24 * 60 * 60);
        assert!(tokio::time::timeout(for_ever, expired).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn an_admission_rests_on_the_element_that_vouched_last() {
    let clock = PausedClock::new();
    let source = |replies: &[Reply]| Arc::new(Source::bearer(&clock, replies.to_vec()));
    let first = source(&[Reply::Known(alice())]);
    let refuses = source(&[Reply::Refused]);
    let second = source(&[Reply::Known(alice()), Reply::Refused]);
    let live = LiveAuth::following(guarded(&clock, &first));
    let ended = tokio::spawn(admitted(&live, "/", Some(Scheme::Bearer)).await.lease().ended());
    let with_both =
        || service(&clock).element(Arc::clone(&refuses), "hello").element(Arc::clone(&second), "hello");
    let alone = || service(&clock).element(Arc::clone(&second), "hello");
    for version in [with_both(), with_both(), alone(), with_both()] {
        live.replace(version.build().unwrap()).unwrap();
        tokio::time::sleep(Duration::from_secs(1000)).await;
    }
    assert!(!ended.is_finished());
    let asked = |source: &Source| source.asked.lock().unwrap().len();
    assert_eq!((asked(&refuses), asked(&second)), (1, 1), "once, and not again where nothing has changed");
    // And no longer on the first.
    live.replace(guarded(&clock, &source(&[Reply::Refused]))).unwrap();
    assert_eq!(ended.await.unwrap(), Ended::Withdrawn);
}

/// Every route is public but that at 1.
struct Settled(Auth);

impl SettledPolicies for Settled {
    fn policy(&self, position: usize, method: &Method) -> Option<&Policy> {
        (position == 1 && method == Method::GET).then(|| self.0.policy())
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_router_settled_belongs_to_the_version() {
    let clock = PausedClock::new();
    let source = Arc::new(Source::bearer(&clock, [Reply::Known(alice())]));
    let live = LiveAuth::following(service(&clock).public().build().unwrap());
    let router = {
        let guarded = guarded(&clock, &source);
        let public = service(&clock).public().build().unwrap();
        live.derive(move |auth| {
            let settled = if auth.policy().is_public() { public.clone() } else { guarded.clone() };
            Ok(Derived::of(auth.clone()).settled(Arc::new(Settled(settled))))
        })
        .unwrap()
    };
    let headers = opening(None);
    let request = RequestHead::new(&Method::GET, "/", &headers);
    let lease = |position| {
        let now = router.now();
        let settled = now.settled(1, &Method::GET).unwrap();
        assert!(settled.is_public() && now.settled(0, &Method::GET).is_none());
        let step = now.decide_by(settled, &request);
        let portcullis_core::Step::Ready(decision) = step else { panic!("nothing to wait for") };
        decision.unwrap().standing_on(router.standing(&now, &request, Some(position))).lease()
    };
    let (by_route, by_path) = (lease(1), lease(0));
    let after = service(&clock).element(Arc::clone(&source), "hello").optional(true).build().unwrap();
    live.replace(after).unwrap();
    assert!(!router.now().settled(1, &Method::GET).unwrap().is_public());
    assert_eq!(ends(&clock, by_route).await, WITHDRAWN);
    assert_eq!(ends(&clock, by_path).await, None, "the service lets requests without a credential in");
    assert!(LiveAuth::from(&guarded(&clock, &source)).now().settled(1, &Method::GET).is_none());
}

#[tokio::test]
async fn what_was_derived_follows_and_a_version_that_does_not_fit_is_refused_as_a_whole() {
    let admin = || Resource::new("/admin").public();
    let live = LiveAuth::following(Auth::builder().public().build().unwrap());
    let (one, other) = (live.with_resource(Resource::new("/x").public()).unwrap(), live.clone());
    let deeper =
        one.derive(|auth| auth.with_resource(Resource::new("/y").public()).map(Derived::of)).unwrap();
    let doubled = live.with_resource(admin()).unwrap();
    let count = |live: &LiveAuth| live.now().resources().count();
    assert_eq!([&live, &one, &deeper, &other].map(count), [0, 1, 2, 0]);
    let next = || Auth::builder().public().resource(Resource::new("/z").public()).build().unwrap();
    let ready = live.prepare(next()).unwrap();
    assert_eq!(count(&live), 0, "not in use before it is committed");
    ready.commit();
    assert_eq!([&live, &one, &deeper, &other].map(count), [1, 2, 3, 1]);
    let clashes = || Auth::builder().public().resource(admin()).build().unwrap();
    let text = live.replace(clashes()).unwrap_err().to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!([&live, &one, &deeper].map(count), [1, 2, 3]);
    // Nobody follows any more with whom it would clash.
    drop(doubled);
    live.replace(clashes()).unwrap();
    let two = live.with_resource(Resource::new("/a").public()).unwrap();
    let three = live.with_resource(Resource::new("/b").public()).unwrap();
    let both = Auth::builder()
        .public()
        .resource(Resource::new("/a").public())
        .resource(Resource::new("/b").public())
        .build();
    let text = live.replace(both.unwrap()).unwrap_err().to_string();
    assert_eq!(text.lines().count(), 2, "{text}");
    drop((two, three));
}

#[tokio::test(start_paused = true)]
async fn what_was_derived_follows_though_nobody_holds_what_it_was_derived_from() {
    let clock = PausedClock::new();
    let source = Arc::new(Source::bearer(&clock, [Reply::Known(alice())]));
    let live = LiveAuth::following(guarded(&clock, &source));
    let open = |live: &LiveAuth, path: &str| live.with_resource(Resource::new(path).public()).unwrap();
    let deepest = open(&open(&open(&live, "/x"), "/y"), "/z");
    let lease = admitted(&deepest, "/", Some(Scheme::Bearer)).await.lease();
    live.replace(service(&clock).refuse_uncovered().build().unwrap()).unwrap();
    let of_version = |live: &LiveAuth| (live.now().resources().count(), live.now().providers().len());
    assert_eq!([&live, &deepest].map(of_version), [(0, 0), (3, 0)]);
    assert_eq!(ends(&clock, lease).await, WITHDRAWN);
    // Whoever is asked to replace it: what was derived is derived again.
    deepest.replace(guarded(&clock, &source)).unwrap();
    assert_eq!([&live, &deepest].map(of_version), [(0, 1), (3, 1)]);
    let other = admitted(&live, "/", Some(Scheme::Bearer)).await.lease();
    deepest.replace(service(&clock).refuse_uncovered().build().unwrap()).unwrap();
    assert_eq!(ends(&clock, other).await, WITHDRAWN);
    let clashes = Auth::builder().public().resource(Resource::new("/x").public()).build().unwrap();
    assert!(live.replace(clashes).unwrap_err().to_string().contains("/x"));
    assert_eq!([&live, &deepest].map(of_version), [(0, 0), (3, 0)]);
}

#[test]
fn a_service_that_never_changes_says_so() {
    let auth = Auth::builder().public().build().unwrap();
    let headers = HeaderMap::new();
    let request = RequestHead::new(&Method::GET, "/", &headers);
    for (live, following) in [
        (LiveAuth::from(&auth), false),
        (LiveAuth::from(auth.clone()), false),
        (LiveAuth::following(auth.clone()), true),
        (LiveAuth::from(&LiveAuth::following(auth.clone())), true),
    ] {
        assert_eq!(live.is_following(), following);
        assert_eq!(live.replace(auth.clone()).is_ok(), following);
        let standing = live.standing(&live.now(), &request, None);
        assert_eq!(standing.is_some(), following);
        let more = live.with_resource(Resource::new("/x").public()).unwrap();
        assert_eq!((more.is_following(), more.now().resources().count()), (following, 1));
        let narrowed = auth.policy_with(Override::public(), "route").unwrap();
        assert!(narrowed.is_public());
    }
}

#[tokio::test]
async fn a_standing_tells_versions_apart() {
    let auth = || Auth::builder().public().build().unwrap();
    let live = LiveAuth::following(auth());
    let headers = HeaderMap::new();
    let request = RequestHead::new(&Method::GET, "/", &headers).with_client(Some(CLIENT));
    live.replace(auth()).unwrap();
    let standing = live.standing(&live.now(), &request, None).unwrap();
    assert_eq!((standing.admitted_by(), standing.version(), standing.client()), (1, 1, Some(CLIENT)));
    let replaced = tokio::spawn(standing.replaced(1));
    tokio::task::yield_now().await;
    assert!(!replaced.is_finished());
    live.replace(auth()).unwrap();
    replaced.await.unwrap();
    assert_eq!((standing.admitted_by(), standing.version()), (1, 2));
    standing.replaced(1).await;
}
