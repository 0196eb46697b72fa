//! Connections that stay open while versions replace each other.

use std::{pin::Pin, sync::Arc, task::Poll};

use http::{HeaderMap, Method};
use portcullis::{
    Admission, BoxFuture, Config, Context, Credential, Ended, Identity, Live, LiveAuth, Outcome, Provider,
    RequestHead, Scheme, Unavailable, UnixTime,
    jwt::{Algorithm, JwtIssuer, JwtIssuerConfig, SigningConfig},
};
use portcullis_testing::ManualClock;

use super::{ALICE, BOB, Folder, basic, users};

/// What a request for `path` is let in with, as a layer attaches it.
async fn admitted(service: &LiveAuth, path: &str, authorization: &str) -> Admission {
    let mut headers = HeaderMap::new();
    if !authorization.is_empty() {
        headers.insert("authorization", authorization.parse().unwrap());
    }
    let head = RequestHead::new(&Method::GET, path, &headers);
    let standing = service.standing(&service.now(), &head, None);
    let auth = service.now().clone();
    auth.decided(&head).await.unwrap().standing_on(standing)
}

/// The same for a request that opens a WebSocket.
async fn opened(service: &LiveAuth, headers: &[(&'static str, &str)]) -> Admission {
    let opening = [("connection", "upgrade"), ("upgrade", "websocket")];
    let headers = opening.iter().chain(headers);
    let headers = headers.map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect();
    let head = RequestHead::new(&Method::GET, "/foo/a", &headers);
    let standing = service.standing(&service.now(), &head, None);
    let auth = service.now().clone();
    auth.decided(&head).await.unwrap().standing_on(standing)
}

/// A connection's end, as far as it has come.
struct Open(Pin<Box<dyn Future<Output = Ended>>>);

impl Open {
    async fn by(service: &LiveAuth, path: &str, authorization: &str) -> Self {
        Self(Box::pin(admitted(service, path, authorization).await.lease().ended()))
    }

    fn with(admission: &Admission) -> Self {
        Self(Box::pin(admission.lease().ended()))
    }

    /// `None` where it stays.
    async fn ended(&mut self) -> Option<Ended> {
        match std::future::poll_fn(|task| Poll::Ready(self.0.as_mut().poll(task))).await {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        }
    }
}

async fn followed(text: &str) -> (Folder, Live, LiveAuth) {
    let folder = Folder::new(text);
    let live = folder.live();
    let service = live.service("/foo").unwrap().build().await.unwrap();
    (folder, live, service)
}

#[tokio::test]
async fn a_user_is_held_to_name_password_and_scopes() {
    let before = [ALICE, BOB];
    let cases: [(&str, String, Option<Ended>); 8] = [
        ("nothing", users(&before), None),
        ("another user", users(&[ALICE, BOB, ("carol", "x", "hello")]), None),
        ("the other is gone", users(&[ALICE]), None),
        ("gone", users(&[BOB]), Some(Ended::Withdrawn)),
        ("another password", users(&[("alice", "other", "hello"), BOB]), Some(Ended::Withdrawn)),
        ("another scope", users(&[("alice", "password1", "other"), BOB]), Some(Ended::Withdrawn)),
        (
            "the element asks for more",
            users(&before).replace("scopes = \"hello\",", "scopes = \"more\","),
            Some(Ended::Withdrawn),
        ),
        ("the path is public now", users(&[BOB]).replace("\"/open\"", "\"/a\""), None),
    ];
    for (what, text, expected) in cases {
        let (folder, live, foo) = followed(&users(&before)).await;
        let mut open = Open::by(&foo, "/foo/a", &basic("alice:password1")).await;
        assert_eq!(open.ended().await, None);
        folder.write("Config.toml", &(text + "# again"));
        live.reload().await.unwrap();
        assert_eq!(open.ended().await, expected, "{what}");
    }
}

#[tokio::test]
async fn more_scopes_than_before_end_nothing_and_the_next_version_counts_again() {
    let (folder, live, foo) = followed(&users(&[ALICE])).await;
    let mut open = Open::by(&foo, "/foo/a", &basic("alice:password1")).await;
    let more = users(&[ALICE]).replace("scopes = [\"hello\"]", "scopes = [\"hello\", \"more\"]");
    for text in [more.clone(), users(&[ALICE]), more] {
        folder.write("Config.toml", &text);
        live.reload().await.unwrap();
        assert_eq!(open.ended().await, None);
    }
    folder.write("Config.toml", &users(&[BOB]));
    live.reload().await.unwrap();
    assert_eq!(open.ended().await, Some(Ended::Withdrawn));
    assert_eq!((Ended::Withdrawn.close_code(), Ended::Withdrawn.reason()), (1008, "access was withdrawn"));
}

#[tokio::test]
async fn a_version_between_decision_and_lease_is_not_missed() {
    let (folder, live, foo) = followed(&users(&[ALICE])).await;
    let admission = admitted(&foo, "/foo/a", &basic("alice:password1")).await;
    folder.write("Config.toml", &users(&[BOB]));
    live.reload().await.unwrap();
    assert_eq!(admission.lease().ended().await, Ended::Withdrawn);
    // Handlers of responses that take long ask the principal.
    admission.into_principal().unwrap().expired().await;
}

#[tokio::test]
async fn who_was_let_in_without_a_credential_stays_while_others_are() {
    for (path, stays, ends) in [
        ("/foo/open", "optional = true", "optional = false"),
        ("/foo/a", "public = true", "realm = \"other\""),
    ] {
        let with = |manners: &str| {
            let text = users(&[ALICE]).replace("resources.\"/open\" = { public = true }\n", "");
            let text = if manners == "public = true" {
                text.replace("auth = [{ scopes = \"hello\", fileUserStoreConfig = {} }]\n", "")
            } else {
                text
            };
            text.replace("[services.\"/foo\"]", &format!("[services.\"/foo\"]\n{manners}"))
        };
        let (folder, live, foo) = followed(&with(stays)).await;
        let mut open = Open::by(&foo, path, "").await;
        assert_eq!(open.ended().await, None);
        folder.write("Config.toml", &(with(stays) + "# again"));
        live.reload().await.unwrap();
        assert_eq!(open.ended().await, None, "{stays}");
        folder.write("Config.toml", &with(ends));
        live.reload().await.unwrap();
        assert_eq!(open.ended().await, Some(Ended::Withdrawn), "{ends}");
    }
}

const SECRETS: [&str; 2] = ["the first secret, of 32 characters", "the other secret, of 32 characters"];

fn tokens(secret: &str, more: &str) -> String {
    format!(
        r#"
        [services."/foo"]
        {more}
        auth = [{{ scopes = "hello", jwtValidatorConfig = {{ issuer = "i", audience = "a", clockSkew = 0, signatureConfig = {{ secret = {secret:?} }} }} }}]
        "#
    )
}

fn token(now: UnixTime) -> String {
    let signing = SigningConfig::secret(SECRETS[0]).algorithm(Algorithm::Hs256);
    let config = JwtIssuerConfig::new(signing).issuer("i").username("eve").single_audience("a");
    let config = config.custom_claim("scope", "hello").expiry(std::time::Duration::from_secs(300));
    format!("Bearer {}", JwtIssuer::new(config).unwrap().issue(now).unwrap().expose())
}

#[tokio::test]
async fn a_token_is_shown_again_and_ends_with_its_key_and_still_with_its_time() {
    let clock = ManualClock::at(UNIX);
    let folder = Folder::new(&tokens(SECRETS[0], ""));
    let own = clock.clone();
    let builder = move || Config::builder().clock(Arc::new(own.clone()));
    let live = Live::load_with(folder.path("Config.toml"), builder).unwrap();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let bearer = token(UNIX);
    let [mut expiring, mut losing] =
        [Open::by(&foo, "/foo/a", &bearer).await, Open::by(&foo, "/foo/a", &bearer).await];
    // Another definition, and so another provider: the token is shown to it.
    let other = tokens(SECRETS[0], "").replace("clockSkew = 0", "clockSkew = 1");
    folder.write("Config.toml", &other);
    assert_eq!(live.reload().await.unwrap().kept, 0);
    assert_eq!((expiring.ended().await, losing.ended().await), (None, None));
    clock.advance(std::time::Duration::from_secs(299));
    assert_eq!(losing.ended().await, None);
    folder.write("Config.toml", &tokens(SECRETS[1], ""));
    live.reload().await.unwrap();
    assert_eq!(losing.ended().await, Some(Ended::Withdrawn));
    folder.write("Config.toml", &other);
    live.reload().await.unwrap();
    clock.advance(std::time::Duration::from_secs(3));
    assert_eq!(expiring.ended().await, Some(Ended::Expired));
}

#[tokio::test]
async fn a_service_that_changes_its_paths_is_asked_about_the_path_of_the_request() {
    let (folder, live, foo) = followed(&tokens(SECRETS[0], "")).await;
    let bearer = token(UNIX);
    let [mut here, mut there] =
        [Open::by(&foo, "/foo/a", &bearer).await, Open::by(&foo, "/foo/b", &bearer).await];
    folder.write("Config.toml", &tokens(SECRETS[0], "resources.\"/b\" = { scopes = \"root\" }"));
    assert_eq!(live.reload().await.unwrap().kept, 1);
    assert_eq!((here.ended().await, there.ended().await), (None, Some(Ended::Withdrawn)));
}

/// Cannot tell for some time.
#[derive(Debug)]
struct Away(std::sync::atomic::AtomicU32);

impl Provider for Away {
    fn kind(&self) -> &'static str {
        "away"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        use std::sync::atomic::Ordering::Relaxed;
        if self.0.load(Relaxed) == 0 {
            return Some(Outcome::known(Identity::new("eve").with_scopes(["hello"])));
        }
        self.0.fetch_sub(1, Relaxed);
        Some(Unavailable::new("away").into())
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        unreachable!("it answers at once")
    }
}

#[tokio::test]
async fn a_provider_that_cannot_tell_is_asked_three_times() {
    for (times, expected) in [(2, None), (3, Some(Ended::Unavailable))] {
        let clock = ManualClock::at(UNIX);
        let auth = |away: u32| {
            let auth = portcullis::Auth::builder().element(Away(away.into()), "hello");
            auth.clock(Arc::new(clock.clone())).build().unwrap()
        };
        let live = LiveAuth::following(auth(0));
        let mut open = Open::by(&live, "/", "Bearer s3cr3t").await;
        assert_eq!(open.ended().await, None);
        live.replace(auth(times)).unwrap();
        for _ in 0..2 {
            assert_eq!(open.ended().await, None);
            clock.advance(std::time::Duration::from_secs(2));
        }
        assert_eq!(open.ended().await, expected);
    }
}

#[tokio::test]
async fn what_never_changes_is_held_to_nothing() {
    let fixed = LiveAuth::from(portcullis::Auth::builder().public().build().unwrap());
    let head = HeaderMap::new();
    let head = RequestHead::new(&Method::GET, "/", &head);
    assert!(fixed.standing(&fixed.now(), &head, None).is_none());
    assert!(admitted(&fixed, "/", "").await.lease().is_unlimited());
    assert!(fixed.replace(portcullis::Auth::builder().public().build().unwrap()).is_err());
}

#[tokio::test]
async fn a_token_is_held_to_the_places_and_origins_that_are_looked_at() {
    const COOKIE: &str =
        "credentialSources = [\"header\", \"cookie:t\"]\nallowedOrigins = [\"https://a.example\"]";
    const OTHER: &str =
        "credentialSources = [\"header\", \"cookie:t\"]\nallowedOrigins = [\"https://b.example\"]";
    const BOTH: &str =
        "credentialSources = [\"cookie:t\"]\nallowedOrigins = [\"https://b.example\", \"https://a.example\"]";
    const PROTOCOL: &str = "credentialSources = [\"websocketProtocol\"]";
    let bearer = token(UNIX);
    let cookie = format!("t={}", bearer.trim_start_matches("Bearer "));
    for (in_cookie, after, expected) in [
        (false, "", None),
        (false, OTHER, None),
        (false, BOTH, Some(Ended::Withdrawn)),
        (false, PROTOCOL, Some(Ended::Withdrawn)),
        (true, BOTH, None),
        (true, OTHER, Some(Ended::Withdrawn)),
        (true, "", Some(Ended::Withdrawn)),
        (true, PROTOCOL, Some(Ended::Withdrawn)),
    ] {
        let (folder, live, foo) = followed(&tokens(SECRETS[0], COOKIE)).await;
        let headers: &[(&str, &str)] = if in_cookie {
            &[("cookie", &cookie), ("origin", "https://a.example")]
        } else {
            &[("authorization", &bearer)]
        };
        let mut open = Open::with(&opened(&foo, headers).await);
        folder.write("Config.toml", &(tokens(SECRETS[0], COOKIE) + "# again"));
        live.reload().await.unwrap();
        assert_eq!(open.ended().await, None);
        folder.write("Config.toml", &tokens(SECRETS[0], after));
        assert_eq!(live.reload().await.unwrap().kept, 1);
        assert_eq!(open.ended().await, expected, "{in_cookie} {after}");
    }
}

const UNIX: UnixTime = UnixTime::from_secs(1_000_000);

/// Knows everybody, can take it back, and counts how often it is asked.
#[derive(Debug, Default)]
struct Counting(std::sync::atomic::AtomicU32);

impl Counting {
    fn asked(&self) -> u32 {
        self.0.swap(0, std::sync::atomic::Ordering::Relaxed)
    }
}

impl Provider for Counting {
    fn kind(&self) -> &'static str {
        "counting"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Some(Outcome::known(Identity::new("eve").with_scopes(["hello"])))
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        let outcome = self.try_authenticate(credential, cx).expect("it answers at once");
        Box::pin(std::future::ready(outcome))
    }

    fn can_revoke(&self) -> bool {
        true
    }
}

fn counted(provider: &Arc<Counting>, clock: &ManualClock, interval: Option<u64>) -> portcullis::Auth {
    let provider: Arc<dyn Provider> = provider.clone();
    let auth = portcullis::Auth::builder().element(provider, "hello").clock(Arc::new(clock.clone()));
    let auth = match interval {
        Some(seconds) => auth.revalidate_interval(std::time::Duration::from_secs(seconds)),
        None => auth,
    };
    auth.build().unwrap()
}

const EVE: &[(&str, &str)] = &[("authorization", "Bearer s3cr3t")];

#[tokio::test]
async fn a_version_asks_as_often_as_it_says() {
    let (clock, provider) = (ManualClock::at(UNIX), Arc::new(Counting::default()));
    let live = LiveAuth::following(counted(&provider, &clock, None));
    let mut open = Open::with(&opened(&live, EVE).await);
    // A principal knows nothing of revocation, and neither does a response that is no connection.
    let mut principal = Box::pin(opened(&live, EVE).await.into_principal().unwrap().expired());
    let mut answer = Open::by(&live, "/foo/a", "Bearer s3cr3t").await;
    provider.asked();
    let mut pass = async |seconds: u64| {
        // The version is judged before time passes.
        assert_eq!(open.ended().await, None);
        for _ in 0..seconds {
            clock.advance(std::time::Duration::from_secs(1));
            assert_eq!((open.ended().await, answer.ended().await), (None, None));
            let polled = std::future::poll_fn(|task| Poll::Ready(principal.as_mut().poll(task))).await;
            assert!(polled.is_pending());
        }
        provider.asked()
    };
    assert_eq!(pass(100).await, 0);
    for (interval, seconds, expected) in
        [(Some(10), 100, 9..=11), (Some(50), 100, 1..=3), (Some(10), 100, 9..=11), (None, 100, 0..=0)]
    {
        live.replace(counted(&provider, &clock, interval)).unwrap();
        let asked = pass(seconds).await;
        assert!(expected.contains(&asked), "{interval:?}: {asked}");
    }
}

#[tokio::test]
async fn who_was_asked_once_about_a_new_version_is_not_asked_about_the_next_that_changes_nothing() {
    let clock = ManualClock::at(UNIX);
    let [first, second] = [Arc::new(Counting::default()), Arc::new(Counting::default())];
    let live = LiveAuth::following(counted(&first, &clock, None));
    let mut open = Open::with(&opened(&live, EVE).await);
    assert_eq!((open.ended().await, first.asked()), (None, 1));
    live.replace(counted(&second, &clock, None)).unwrap();
    assert_eq!((open.ended().await, first.asked(), second.asked()), (None, 0, 1));
    // Nothing holds the version of before.
    let before = Arc::downgrade(&first);
    drop(first);
    assert!(before.upgrade().is_none());
    for _ in 0..3 {
        live.replace(counted(&second, &clock, None)).unwrap();
        assert_eq!((open.ended().await, second.asked()), (None, 0));
    }
}

#[tokio::test]
async fn a_password_that_was_vouched_for_holds_no_version_of_before() {
    let (folder, live, foo) = followed(&users(&[ALICE])).await;
    let mut open = Open::by(&foo, "/foo/a", &basic("alice:password1")).await;
    let before = Arc::downgrade(&foo.now().providers().remove(0));
    folder.write("Config.toml", &users(&[ALICE, BOB]));
    live.reload().await.unwrap();
    assert!(before.upgrade().is_some(), "until it is judged");
    assert_eq!(open.ended().await, None);
    assert!(before.upgrade().is_none());
}
