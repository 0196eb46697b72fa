mod cancellation;
mod configuration;
mod connections;
mod failover;
mod fairness;
mod groups;
mod matching;
mod memories;
mod names;
mod probing;
mod results;
mod server;
mod throttled;
mod tls;
mod wire;

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use portcullis_core::{Basic, Clock, Context, Credential, Identity, Outcome, Provider, UnixTime};
use portcullis_testing::{
    ManualClock,
    contract::{Case, provider_keeps_its_contract},
};
use tracing_subscriber::fmt::MakeWriter;

use self::server::{SERVICE, SERVICE_PASSWORD, TestDirectory, TestEntry};
use crate::{LdapConfig, LdapUserStore};

const ALICE: &str = "uid=alice,ou=Users,dc=x";

/// A store, its directory, and time.
struct Bench {
    server: TestDirectory,
    manual: ManualClock,
    clock: Arc<dyn Clock>,
    store: LdapUserStore,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|config| config).await
    }

    async fn with(change: impl FnOnce(LdapConfig) -> LdapConfig) -> Self {
        Self::of(TestDirectory::start().await, change)
    }

    fn of(server: TestDirectory, change: impl FnOnce(LdapConfig) -> LdapConfig) -> Self {
        let manual = ManualClock::at(UnixTime::from_secs(1_700_000_000));
        let clock: Arc<dyn Clock> = Arc::new(manual.clone());
        let store = LdapUserStore::new(change(config(&server.url()))).unwrap();
        Self { server, manual, clock, store }
    }

    fn cx(&self) -> Context<'_> {
        Context::new(&self.clock)
    }

    async fn login(&self, username: &str, password: &str) -> Outcome {
        ask(&self.store, username, password, &self.cx()).await
    }

    async fn known(&self, username: &str, password: &str) -> Arc<Identity> {
        known(self.login(username, password).await)
    }

    async fn code(&self, username: &str, password: &str) -> &'static str {
        code(self.login(username, password).await)
    }

    async fn unavailable(&self, username: &str, password: &str) -> String {
        unavailable(self.login(username, password).await)
    }

    /// A login on its way.
    fn begin(&self, username: &str, password: &str) -> tokio::task::JoinHandle<Outcome> {
        let (store, clock) = (self.store.clone(), Arc::clone(&self.clock));
        let (username, password) = (username.to_owned(), password.to_owned());
        tokio::spawn(async move { ask(&store, &username, &password, &Context::new(&clock)).await })
    }

    /// A user who can log in with `secret`.
    fn add_user(&self, name: &str) {
        let dn = format!("uid={name},ou=Users,dc=x");
        self.server.add(TestEntry::new(&dn).with("uid", &[name]).password("secret"));
    }
}

/// The seeds' configuration, for the directory at `url`.
fn config(url: &str) -> LdapConfig {
    LdapConfig::new(url)
        .domain_name("x.example")
        .service(SERVICE, SERVICE_PASSWORD)
        .user_search_base(["ou=Users,dc=x"])
        .user_name_attribute("uid")
        .user_name_search_filter("(&(objectClass=person)(uid=?))")
        .user_name_list_filter("(objectClass=person)")
        .group_search_base(["ou=Groups,dc=x"])
        .group_name_attribute("cn")
        .group_name_list_filter("(objectClass=group)")
        .membership_attribute("member")
}

fn header(username: &str, password: &str) -> HeaderValue {
    HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))).unwrap()
}

/// As the chain asks.
async fn ask(store: &LdapUserStore, username: &str, password: &str, cx: &Context<'_>) -> Outcome {
    let credential = Credential::Basic(
        Basic::decode(&STANDARD.encode(format!("{username}:{password}"))).expect("a credential"),
    );
    match store.try_authenticate(&credential, cx) {
        Some(outcome) => outcome,
        None => store.authenticate(&credential, cx).await,
    }
}

fn known(outcome: Outcome) -> Arc<Identity> {
    match outcome {
        Outcome::Known(identity) => identity,
        other => panic!("known, not {other:?}"),
    }
}

fn code(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Refused(refusal) => refusal.code(),
        other => panic!("refused, not {other:?}"),
    }
}

fn unavailable(outcome: Outcome) -> String {
    match outcome {
        Outcome::Unavailable(unavailable) => format!("{unavailable:?}"),
        other => panic!("unavailable, not {other:?}"),
    }
}

fn scopes(identity: &Identity) -> Vec<&str> {
    identity.scopes().iter().collect()
}

/// Lets other tasks run until `reached`.
async fn until(what: &str, reached: impl Fn() -> bool) {
    let waiting = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap_or_else(|_| panic!("waited a minute for {what}"));
}

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Logs of this thread go here while the guard lives.
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_writer(self.clone())
            .with_ansi(false)
            .without_time()
            .with_max_level(tracing::Level::TRACE)
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of this project.
    fn lines(&self) -> Vec<String> {
        self.text().lines().filter(|line| line.contains("portcullis:")).map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

async fn keeps_the_contract(bench: Bench, recalls: bool) {
    bench.server.add(TestEntry::new(ALICE).with("uid", &["alice"]).password("correct horse"));
    bench.server.add(TestEntry::new("uid=bob,ou=Users,dc=x").with("uid", &["bob"]));
    provider_keeps_its_contract(Case {
        provider: Arc::new(bench.store.clone()),
        good: header("alice", "correct horse"),
        subject: "alice",
        recalls,
        bad: vec![
            header("alice", "battery staple"),
            header("alice", "correct horse "),
            header("alice", "   "),
            header(" alice", "correct horse"),
            header("bob", "correct horse"),
            header("*", "correct horse"),
            header("alice)(uid=*", "correct horse"),
            header("alice", &"x".repeat(11_000)),
        ],
        clock: bench.clock,
    })
    .await;
}

#[tokio::test]
async fn the_contract_of_providers_is_kept() {
    keeps_the_contract(Bench::new().await, false).await;
}

#[tokio::test]
async fn with_memories_the_contract_is_kept() {
    let age = Duration::from_secs(60);
    let bench = Bench::with(|config| config.remember_credentials(age).remember_roles(age)).await;
    keeps_the_contract(bench, true).await;
}

#[tokio::test]
async fn without_pooling_the_contract_is_kept() {
    keeps_the_contract(Bench::with(|config| config.pooling(false)).await, false).await;
}

#[tokio::test]
async fn no_secret_shows_anywhere() {
    let log = Log::default();
    let _guard = log.listen();
    let bench = Bench::with(|config| config.remember_credentials(Duration::from_secs(60))).await;
    bench.server.add(TestEntry::new(ALICE).with("uid", &["alice"]).password("canary-right"));
    bench.known("alice", "canary-right").await;
    let refused = format!("{:?}", bench.login("alice", "canary-wrong").await);
    bench.server.script(|_| Some(vec![server::Reply::Op(server::result(1, 80, "canary-echo"))]));
    let failed = bench.unavailable("alice", "canary-other").await;
    bench.server.stop().await;
    let away = bench.unavailable("alice", "canary-other").await;
    let states = format!("{:?} {:?}", bench.store.servers(), bench.store.probe().await);
    let config = format!("{:?} {:?}", config(&bench.server.url()), bench.store);
    for text in [refused, failed, away, states, config, log.text()] {
        assert!(!text.contains("canary"), "{text}");
    }
    assert!(!log.lines().is_empty());
}
