//! A directory on loopback that remembers its requests and fails as a test says.

mod answer;
mod builder;
mod connection;
mod dn;
mod entry;
mod filter;
mod ldif;
mod listening;
mod received;
mod search;
mod store;
mod value;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use ldap3_proto::LdapResultCode;
use tokio::sync::watch;

use self::{
    answer::{Outcome, Whom},
    builder::Settings,
    connection::{Order, Stage},
    dn::Dn,
    entry::PASSWORD,
    listening::Listening,
    store::Store,
};
pub use self::{
    builder::TestDirectoryBuilder,
    entry::TestEntry,
    received::{DirectoryOperation, DirectoryRequest},
};
use crate::server::{Hold, PATIENCE, Port, TestTls, lock};

/// An LDAP directory on a free port of 127.0.0.1: binds, searches with every kind of filter, StartTLS and `ldaps://`.
///
/// It holds what the test [adds](Self::add), remembers [every request](Self::requests), and fails in the ways that
/// directories do: [it hangs](Self::hold), [it is away](Self::go_down), [it drops connections](Self::drop_connections),
/// [it refuses](Self::answer_bind). It runs on the runtime of the test that started it, and ends when it is dropped.
///
/// There is no schema: any entry may have any attribute. Text is compared without its case, names as names, and
/// `memberUid` exactly, as the usual schemas have it. Who is not bound may not search, unless
/// [that is allowed](TestDirectoryBuilder::allow_anonymous_search).
///
/// # Example
///
/// The service is the one that runs in production; only the address of the directory is another.
///
/// ```
/// use axum::{Router, body::Body, routing::get};
/// use base64::{Engine, engine::general_purpose::STANDARD};
/// use http::{Request, StatusCode};
/// use portcullis::{AuthLayer, Caller, Config};
/// use portcullis_testing::TestDirectory;
/// use tower::ServiceExt;
///
/// async fn orders(config: &Config) -> Result<Router, Box<dyn std::error::Error>> {
///     let auth = config.service("/orders")?.build().await?;
///     let handler = |caller: Caller| async move { format!("of {}", caller.subject().unwrap_or("nobody")) };
///     Ok(Router::new().route("/orders", get(handler)).layer(AuthLayer::new(auth)))
/// }
///
/// async fn get_orders(app: &Router, pair: &str) -> StatusCode {
///     let basic = format!("Basic {}", STANDARD.encode(pair));
///     let request = Request::get("/orders").header("authorization", basic);
///     let answer = app.clone().oneshot(request.body(Body::empty()).expect("a request")).await;
///     answer.expect("a router never fails").status()
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let directory = TestDirectory::start().await;
/// directory.add_ldif(
///     "dn: cn=orders,ou=Services,dc=example,dc=org\n\
///      objectClass: applicationProcess\n\
///      userPassword: secret of the service\n",
/// );
/// let (alice, bob) = ("uid=alice,ou=People,dc=example,dc=org", "uid=bob,ou=People,dc=example,dc=org");
/// directory.add_user(alice, "wonderland");
/// directory.add_user(bob, "builder");
/// directory.add_group("cn=sales,ou=Groups,dc=example,dc=org", [alice]);
///
/// let config = Config::parse(
///     &format!(
///         r#"
///         [services."/orders"]
///         auth = [{{ scopes = "sales", ldapUserStoreConfig = {{
///             domainName = "example.org",
///             connectionUrl = "{}",
///             connectionName = "cn=orders,ou=Services,dc=example,dc=org",
///             connectionPassword = "secret of the service",
///             userSearchBase = "ou=People,dc=example,dc=org",
///             userNameAttribute = "uid",
///             userNameSearchFilter = "(&(objectClass=inetOrgPerson)(uid=?))",
///             groupSearchBase = "ou=Groups,dc=example,dc=org",
///             groupNameAttribute = "cn",
///             membershipAttribute = "member",
///         }} }}]
///         "#,
///         directory.url()
///     ),
///     ".",
/// )?;
/// let app = orders(&config).await?;
///
/// assert_eq!(get_orders(&app, "alice:wonderland").await, StatusCode::OK);
/// assert_eq!(get_orders(&app, "bob:builder").await, StatusCode::FORBIDDEN);
/// assert_eq!(get_orders(&app, "alice:builder").await, StatusCode::UNAUTHORIZED);
/// assert_eq!(get_orders(&app, "*:wonderland").await, StatusCode::UNAUTHORIZED);
///
/// // An account that is locked, as Active Directory says it; a directory that is away, and comes back.
/// directory.answer_bind(alice, 49, &TestDirectory::active_directory_text("775"));
/// assert_eq!(get_orders(&app, "alice:wonderland").await, StatusCode::UNAUTHORIZED);
/// directory.recover();
/// directory.go_down().await;
/// assert_eq!(get_orders(&app, "alice:wonderland").await, StatusCode::SERVICE_UNAVAILABLE);
/// directory.come_back().await;
/// assert_eq!(get_orders(&app, "alice:wonderland").await, StatusCode::OK);
/// # Ok(())
/// # }
/// ```
pub struct TestDirectory {
    shared: Arc<Shared>,
    port: Port,
    tls: Option<TestTls>,
    listening: tokio::sync::Mutex<Option<Listening>>,
}

struct Shared {
    settings: Settings,
    state: Mutex<State>,
    received: Mutex<Vec<DirectoryRequest>>,
    /// Told of every request, after it stands in `received`.
    arrived: watch::Sender<()>,
    /// How many guards hold the answers back.
    held: watch::Sender<usize>,
    orders: watch::Sender<Order>,
    dropped: watch::Sender<()>,
    accepted: watch::Sender<usize>,
    open: watch::Sender<BTreeMap<usize, Stage>>,
    peak: AtomicUsize,
}

/// What a test changes while the directory runs.
struct State {
    store: Store,
    binds: Vec<(Whom, Outcome)>,
    searches: Vec<(Dn, Outcome)>,
    every: Option<Outcome>,
    start_tls: Option<Outcome>,
    bytes: Option<Bytes>,
}

impl TestDirectory {
    /// Starts one that is empty, without TLS.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// One with TLS, or that behaves as some directory does.
    pub fn builder() -> TestDirectoryBuilder {
        TestDirectoryBuilder::default()
    }

    async fn with(settings: Settings, tls: Option<TestTls>) -> Self {
        let store = Store::new(settings.member_of, settings.active_directory);
        let state = State {
            store,
            binds: Vec::new(),
            searches: Vec::new(),
            every: None,
            start_tls: None,
            bytes: None,
        };
        let shared = Shared {
            settings,
            state: Mutex::new(state),
            received: Mutex::default(),
            arrived: watch::Sender::default(),
            held: watch::Sender::default(),
            orders: watch::Sender::default(),
            dropped: watch::Sender::default(),
            accepted: watch::Sender::default(),
            open: watch::Sender::default(),
            peak: AtomicUsize::new(0),
        };
        let directory = Self {
            shared: Arc::new(shared),
            port: Port::free(),
            tls,
            listening: tokio::sync::Mutex::default(),
        };
        directory.come_back().await;
        directory
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// `ldap://127.0.0.1:PORT`, or with TLS `ldaps://localhost:PORT` and `ldap://localhost:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        let port = self.address().port();
        match &self.tls {
            None => format!("ldap://{}", self.address()),
            Some(_) if self.shared.settings.ldaps.is_some() => format!("ldaps://localhost:{port}"),
            Some(_) => format!("ldap://localhost:{port}"),
        }
    }

    /// The certificate that clients have to trust, as PEM; `None` without TLS, or where the test brought its own.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<&str> {
        self.tls.as_ref()?.certificate_pem()
    }
}

/// What it holds.
impl TestDirectory {
    /// Adds an entry, in the place of one of the same name. What stands above it need not be added.
    pub fn add(&self, entry: TestEntry) {
        lock(&self.shared.state).store.add(entry);
    }

    /// Adds the entries of an LDIF text (RFC 2849).
    ///
    /// # Panics
    ///
    /// If it cannot be read; the message names the line.
    pub fn add_ldif(&self, text: &str) {
        match ldif::read(text) {
            Ok(entries) => entries.into_iter().for_each(|entry| self.add(entry)),
            Err(message) => panic!("{message}"),
        }
    }

    /// Adds a person with a password, an `inetOrgPerson`.
    ///
    /// # Panics
    ///
    /// If this is no distinguished name.
    pub fn add_user(&self, dn: &str, password: &str) {
        let classes = ["top", "person", "organizationalPerson", "inetOrgPerson"];
        self.add(TestEntry::new(dn).attribute("objectClass", classes).password(password));
    }

    /// Adds a group with these members, a `groupOfNames`.
    ///
    /// # Panics
    ///
    /// If this is no distinguished name.
    pub fn add_group<'m>(&self, dn: &str, members: impl IntoIterator<Item = &'m str>) {
        let group = TestEntry::new(dn).attribute("objectClass", ["top", "groupOfNames"]);
        self.add(group.attribute("member", members));
    }

    /// Removes the entry of this name.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn remove(&self, dn: &str) {
        assert!(lock(&self.shared.state).store.remove(&name(dn)), "there is no {dn:?}");
    }

    /// Gives an entry another password. The old one is good no longer.
    ///
    /// # Panics
    ///
    /// If there is no such entry.
    pub fn set_password(&self, dn: &str, password: &str) {
        match lock(&self.shared.state).store.get_mut(&name(dn)) {
            Some(entry) => {
                entry.clear(PASSWORD);
                entry.push(PASSWORD, password.into());
            }
            None => panic!("there is no {dn:?}"),
        }
    }

    /// Says that this name, and what stands below it, is held by another directory. Searches that come by there answer with
    /// its URL beside what they find; those that start there are answered with a referral (10).
    ///
    /// # Panics
    ///
    /// If this is no distinguished name.
    pub fn add_referral(&self, dn: &str, url: &str) {
        lock(&self.shared.state).store.add_referral(name(dn), url.to_owned());
    }
}

/// What it was asked.
impl TestDirectory {
    /// The requests so far, in the order that they came in. Held and failed ones are among them.
    #[must_use]
    pub fn requests(&self) -> Vec<DirectoryRequest> {
        lock(&self.shared.received).clone()
    }

    /// How many binds came in.
    #[must_use]
    pub fn binds(&self) -> usize {
        count(&lock(&self.shared.received), DirectoryRequest::is_bind)
    }

    /// How many searches came in.
    #[must_use]
    pub fn searches(&self) -> usize {
        count(&lock(&self.shared.received), DirectoryRequest::is_search)
    }

    /// Waits until `count` binds have come in since the start.
    ///
    /// # Panics
    ///
    /// If they do not within a minute.
    pub async fn bound(&self, count: usize) {
        self.wait(&format!("{count} binds"), || self.binds() >= count).await;
    }

    /// Waits until `count` searches have come in since the start.
    ///
    /// # Panics
    ///
    /// If they do not within a minute.
    pub async fn searched(&self, count: usize) {
        self.wait(&format!("{count} searches"), || self.searches() >= count).await;
    }

    async fn wait(&self, what: &str, reached: impl Fn() -> bool) {
        let mut arrived = self.shared.arrived.subscribe();
        let waiting = async {
            while !reached() {
                // The sender lives as long as this directory.
                let _ = arrived.changed().await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let (binds, searches) = (self.binds(), self.searches());
            panic!("waited a minute for {what}; there came {binds} binds and {searches} searches");
        }
    }

    /// How many connections were accepted since the start.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.shared.accepted.borrow()
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.shared.open.borrow().len()
    }

    /// The most connections that were open at one time.
    #[must_use]
    pub fn peak_connections(&self) -> usize {
        self.shared.peak.load(Ordering::Relaxed)
    }

    /// Waits until no more than `count` connections are open.
    ///
    /// # Panics
    ///
    /// If that takes more than a minute.
    pub async fn closed_down_to(&self, count: usize) {
        self.wait_for_connections(&format!("no more than {count} connections"), |open| open.len() <= count)
            .await;
    }

    async fn wait_for_connections(&self, what: &str, reached: impl Fn(&BTreeMap<usize, Stage>) -> bool) {
        let mut open = self.shared.open.subscribe();
        let waiting = open.wait_for(|open| reached(open));
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("waited a minute for {what}; {} are open", self.open_connections());
        }
    }
}

/// How it goes wrong.
impl TestDirectory {
    /// From now on requests are read and counted, and not answered, until the guard is released or dropped. Then each
    /// is answered as the directory answers at that time.
    pub fn hold(&self) -> Hold {
        Hold::new(self.shared.held.clone())
    }

    /// Closes the port and every connection: connecting is refused. The port stays this directory's.
    pub async fn go_down(&self) {
        if let Some(listening) = self.listening.lock().await.take() {
            listening.end().await;
        }
    }

    /// Listens again, on the same port.
    ///
    /// # Panics
    ///
    /// If the port was taken meanwhile, which only systems without `SO_REUSEPORT` permit.
    pub async fn come_back(&self) {
        let mut listening = self.listening.lock().await;
        if listening.is_none() {
            *listening = Some(Listening::start(self.port.listen(), Arc::clone(&self.shared)));
        }
    }

    /// Closes every connection without a word, as a load balancer does. New ones are accepted.
    pub async fn drop_connections(&self) {
        let last = self.connections();
        self.shared.dropped.send_replace(());
        self.wait_for_connections("the connections to close", |open| open.keys().all(|&each| each > last))
            .await;
    }

    /// Ends this side of every connection, and leaves the other open: clients can send, and nothing comes back.
    pub async fn half_close(&self) {
        let last = self.connections();
        self.shared.orders.send_replace(Order::HalfClose);
        let closed = |(&each, &stage): (&usize, &Stage)| each > last || stage != Stage::Open;
        self.wait_for_connections("the connections to be half closed", |open| open.iter().all(closed)).await;
    }

    /// Closes every connection with a notice of disconnection (RFC 4511 §4.4.1), as a directory does to those that were
    /// idle too long. New ones are accepted.
    pub async fn disconnect_with_notice(&self) {
        let last = self.connections();
        let outcome = Outcome::new(LdapResultCode::Unavailable, "idle for too long");
        self.shared.orders.send_replace(Order::Notice(outcome));
        let closed = |(&each, &stage): (&usize, &Stage)| each > last || stage == Stage::Greeting;
        self.wait_for_connections("the connections to close", |open| open.iter().all(closed)).await;
    }

    /// Every bind as this name is answered with a result code and a text, whatever the password, until
    /// [`recover`](Self::recover).
    ///
    /// # Panics
    ///
    /// If no such code is known (RFC 4511 §4.1.9), or it is 0: a bind that succeeds needs its password.
    pub fn answer_bind(&self, dn: &str, code: u16, text: &str) {
        assert!(code != 0, "a bind succeeds by its password");
        lock(&self.shared.state).binds.push((Whom::new(dn), outcome(code, text)));
    }

    /// Every search that starts at this name is answered with a result code, a text, and no entry, until
    /// [`recover`](Self::recover).
    ///
    /// # Panics
    ///
    /// If this is no distinguished name, or no such code is known.
    pub fn answer_search(&self, base: &str, code: u16, text: &str) {
        lock(&self.shared.state).searches.push((name(base), outcome(code, text)));
    }

    /// Every bind, search and extended operation is answered with a result code and a text, until
    /// [`recover`](Self::recover).
    ///
    /// # Panics
    ///
    /// If no such code is known, or it is 0.
    pub fn fail_with(&self, code: u16, text: &str) {
        assert!(code != 0, "0 is no failure");
        lock(&self.shared.state).every = Some(outcome(code, text));
    }

    /// The wish for TLS is refused with a result code and a text, until [`recover`](Self::recover).
    ///
    /// # Panics
    ///
    /// If no such code is known, or it is 0.
    pub fn refuse_start_tls(&self, code: u16, text: &str) {
        assert!(code != 0, "0 is no refusal");
        lock(&self.shared.state).start_tls = Some(outcome(code, text));
    }

    /// Every request is answered with these bytes, LDAP or not, until [`recover`](Self::recover).
    pub fn answer_with_bytes(&self, bytes: impl Into<Bytes>) {
        lock(&self.shared.state).bytes = Some(bytes.into());
    }

    /// Every request is answered with what is no LDAP, until [`recover`](Self::recover).
    pub fn answer_garbage(&self) {
        // A number where a message should begin: wrong at once, with no length that a client would wait for.
        self.answer_with_bytes(&b"\x02\x01\x05 this is no LDAP"[..]);
    }

    /// Takes back whatever was said of answers. What is held stays so.
    pub fn recover(&self) {
        let mut state = lock(&self.shared.state);
        state.binds.clear();
        state.searches.clear();
        (state.every, state.start_tls, state.bytes) = (None, None, None);
    }

    /// What Active Directory says beside code 49, with its sub-code: `52e` wrong password, `525` no such user, `530` not at this
    /// time, `532` password expired, `533` account disabled, `701` account expired, `773` password must be changed, `775`
    /// account locked.
    #[must_use]
    pub fn active_directory_text(sub_code: &str) -> String {
        answer::active_directory_text(sub_code)
    }
}

fn name(dn: &str) -> Dn {
    Dn::parse(dn).unwrap_or_else(|| panic!("{dn:?} is no distinguished name"))
}

fn outcome(code: u16, text: &str) -> Outcome {
    match LdapResultCode::try_from(i64::from(code)) {
        Ok(code) => Outcome::new(code, text),
        Err(_) => panic!("{code} is no result code of LDAP"),
    }
}

fn count(requests: &[DirectoryRequest], of: impl Fn(&DirectoryRequest) -> bool) -> usize {
    requests.iter().filter(|request| of(request)).count()
}

impl Shared {
    fn note(&self, request: DirectoryRequest) {
        lock(&self.received).push(request);
        self.arrived.send_replace(());
    }

    async fn unheld(&self) {
        let _ = self.held.subscribe().wait_for(|held| *held == 0).await;
    }

    /// The number of a connection that has just been accepted.
    fn accept(&self) -> usize {
        let mut number = 0;
        self.accepted.send_modify(|count| {
            *count += 1;
            number = *count;
        });
        number
    }

    fn reached(&self, number: usize, stage: Stage) {
        self.open.send_modify(|open| _ = open.insert(number, stage));
    }
}

/// Shows what came in, and nothing that is held.
impl fmt::Debug for TestDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDirectory")
            .field("url", &self.url())
            .field("binds", &self.binds())
            .field("searches", &self.searches())
            .field("open_connections", &self.open_connections())
            .finish_non_exhaustive()
    }
}
