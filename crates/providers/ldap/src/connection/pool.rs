//! The connections to the directory: no more than allowed, opened when needed, used again while they are good.
//!
//! Searches and binds of users have connections of their own, half of the allowed number each. A connection is bound as
//! the service before it searches, and a user who binds never does so on one that searches.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use portcullis_core::{
    Clock, QueueState,
    fair::{Gate, Party, Permit},
};
use tokio::runtime::Handle;

use crate::{
    config::{settings::Settings, url::ServerUrl},
    connection::{Connection, GOODBYE, Protection, deadline::Deadline},
    failure::{Failure, named},
    login::refusal::active_directory,
    wire::Verdict,
};

/// Callers that wait for a connection of one purpose, at most.
const MAX_WAITING: usize = 8_192;

/// After so long without a word a connection may be one that a load balancer has forgotten without saying so: its first
/// answer has no more time than a new connection would take.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// For so long a server to which no connection came about is asked after the others.
const SHUN: Duration = Duration::from_secs(30);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Searches, bound as the service.
    Search,
    /// Binds of users.
    Bind,
}

/// The connections to one directory.
pub(crate) struct Pool {
    settings: Arc<Settings>,
    protection: Protection,
    searches: Lane,
    binds: Lane,
    servers: Vec<Server>,
    /// Whether the directory follows chains of groups by itself: 0 not known, 1 no, 2 yes.
    in_chain: AtomicU8,
}

struct Lane {
    permits: Gate,
    /// Those that wait to be used again, the last one used last. With those in use they are never more than permits.
    idle: Mutex<Vec<Idle>>,
    /// Since when something is wanted and nothing was answered.
    silent: Mutex<Option<Duration>>,
}

struct Idle {
    connection: Connection,
    since: Duration,
}

/// What is known of a server.
#[derive(Default)]
struct Server(Mutex<ServerState>);

#[derive(Clone, Default)]
pub(crate) struct ServerState {
    /// When it last did what it was asked.
    pub(crate) answered_at: Option<Duration>,
    /// When it last did not, and why.
    pub(crate) failed: Option<(Duration, String)>,
}

/// A connection in use. Dropped without being [given back](Pool::give_back), it is closed.
pub(crate) struct Lease {
    pub(crate) connection: Connection,
    /// For how long it had not been used.
    idle_for: Option<Duration>,
    purpose: Purpose,
    permit: Permit,
}

impl Lease {
    pub(crate) const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Whether it may be dead without anybody knowing.
    pub(crate) fn is_stale(&self) -> bool {
        self.idle_for.is_some_and(|span| span >= STALE_AFTER)
    }
}

impl Pool {
    pub(crate) fn new(settings: Arc<Settings>, protection: Protection) -> Self {
        Self::with(settings, protection, MAX_WAITING)
    }

    fn with(settings: Arc<Settings>, protection: Protection, waiting: usize) -> Self {
        let lane = |permits| Lane {
            permits: Gate::new(permits, waiting),
            idle: Mutex::default(),
            silent: Mutex::default(),
        };
        let binds = settings.max_connections / 2;
        Self {
            searches: lane(settings.max_connections - binds),
            binds: lane(binds),
            servers: settings.urls.iter().map(|_| Server::default()).collect(),
            in_chain: AtomicU8::new(0),
            settings,
            protection,
        }
    }

    /// A connection, one that is there or a new one; `fresh` demands a new one. Whoever has to wait takes turns with other
    /// parties.
    pub(crate) async fn take(
        &self,
        purpose: Purpose,
        fresh: bool,
        party: Party,
        deadline: &Deadline,
    ) -> Result<Lease, Failure> {
        let permit = self.permit(purpose, party, deadline).await?;
        let lane = self.lane(purpose);
        if fresh {
            // Where one turned out to be dead, the others are too: a server was restarted, or a line was cut.
            lane.lock().clear();
        }
        if let Some(Idle { connection, since }) = self.good_one(lane, deadline.now()) {
            let idle_for = Some(deadline.now().saturating_sub(since));
            return Ok(Lease { connection, idle_for, purpose, permit });
        }
        let connection = self.open(purpose, deadline).await?;
        Ok(Lease { connection, idle_for: None, purpose, permit })
    }

    /// Keeps a connection on which nothing is under way, or closes it where none is kept.
    pub(crate) fn give_back(&self, lease: Lease, clock: &Arc<dyn Clock>) {
        let Lease { connection, purpose, permit, .. } = lease;
        if self.settings.pooling {
            let since = clock.monotonic();
            self.lane(purpose).lock().push(Idle { connection, since });
            // In this order: whoever gets the permit finds the connection.
            drop(permit);
        } else if let Ok(runtime) = Handle::try_current() {
            let clock = Arc::clone(clock);
            runtime.spawn(async move {
                // Its place is free only when the server has closed it too.
                Deadline::after(&clock, GOODBYE).within(GOODBYE, connection.close()).await;
                drop(permit);
            });
        }
    }

    /// A new connection to one server, bound as the service, for a look at it.
    pub(crate) async fn open_to_server(
        &self,
        server: usize,
        deadline: &Deadline,
    ) -> Result<Connection, Failure> {
        let url = self.settings.urls.get(server).ok_or(Failure::Closed)?;
        self.open_to(server, url, Purpose::Search, deadline).await
    }

    async fn permit(&self, purpose: Purpose, party: Party, deadline: &Deadline) -> Result<Permit, Failure> {
        let lane = self.lane(purpose);
        let patience = self.settings.connection_timeout;
        lane.wanted(deadline.now());
        if let Ok(entering) = lane.permits.enter(party)
            && let Some(Ok(permit)) = deadline.within(patience, entering).await
        {
            return Ok(permit);
        }
        // All are in use, and so they are where the directory takes questions and answers none.
        let silent = lane.silence().is_some_and(|since| deadline.now().saturating_sub(since) >= patience);
        Err(if silent { Failure::TimedOut("every answer") } else { Failure::Busy })
    }

    fn lane(&self, purpose: Purpose) -> &Lane {
        match purpose {
            Purpose::Search => &self.searches,
            Purpose::Bind => &self.binds,
        }
    }

    /// The last one used that is not too old and on which nothing happened since. All others are closed.
    fn good_one(&self, lane: &Lane, now: Duration) -> Option<Idle> {
        let mut idle = lane.lock();
        idle.retain(|idle| now.saturating_sub(idle.since) < self.settings.idle_timeout);
        while let Some(mut last) = idle.pop() {
            if last.connection.is_quiet() {
                return Some(last);
            }
        }
        None
    }

    /// Opens a connection to the first server to which one comes about.
    async fn open(&self, purpose: Purpose, deadline: &Deadline) -> Result<Connection, Failure> {
        let mut failure = Failure::TimedOut("connecting");
        for server in self.order(deadline.now()) {
            if deadline.is_over() {
                break;
            }
            let Some(url) = self.settings.urls.get(server) else { continue };
            match self.open_to(server, url, purpose, deadline).await {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    self.failed(server, deadline.now(), format!("{url}: {error}"));
                    let refused = matches!(error, Failure::ServiceBind(_));
                    failure = error;
                    // Another server would refuse the service, too; and count it, perhaps, to lock it out.
                    if refused {
                        break;
                    }
                }
            }
        }
        Err(failure)
    }

    async fn open_to(
        &self,
        server: usize,
        url: &ServerUrl,
        purpose: Purpose,
        deadline: &Deadline,
    ) -> Result<Connection, Failure> {
        let opening = Connection::open(url, server, &self.protection);
        let opened = deadline.within(self.settings.connection_timeout, opening).await;
        let mut connection = opened.unwrap_or(Err(Failure::TimedOut("connecting")))?;
        if purpose == Purpose::Search {
            let Settings { service_name, service_password, read_timeout, .. } = &*self.settings;
            let binding = connection.bind(service_name, service_password.expose());
            let bound = deadline.within(*read_timeout, binding).await;
            let verdict = bound.unwrap_or(Err(Failure::TimedOut("the bind of the service")))?;
            if verdict.code != 0 {
                return Err(service_refused(&verdict));
            }
        }
        Ok(connection)
    }

    /// The servers in the order in which they are tried: as configured, those that were away a moment ago last.
    fn order(&self, now: Duration) -> Vec<usize> {
        let shunned = |server: &Server| {
            let failed = server.lock().failed.as_ref().map(|(at, _)| *at);
            failed.is_some_and(|at| now.saturating_sub(at) < SHUN)
        };
        let (last, mut order): (Vec<_>, Vec<_>) =
            self.servers.iter().enumerate().partition(|(_, server)| shunned(server));
        order.extend(last);
        order.into_iter().map(|(server, _)| server).collect()
    }

    /// A server did what it was asked.
    pub(crate) fn answered(&self, server: usize, purpose: Purpose, now: Duration) {
        *self.lane(purpose).silence() = None;
        if let Some(server) = self.servers.get(server) {
            *server.lock() = ServerState { answered_at: Some(now), failed: None };
        }
    }

    /// A server did not.
    pub(crate) fn failed(&self, server: usize, now: Duration, what: String) {
        if let Some(server) = self.servers.get(server) {
            server.lock().failed = Some((now, what));
        }
    }

    /// The servers as they were last seen, in the order of the configuration.
    pub(crate) fn servers(&self) -> impl Iterator<Item = (String, ServerState)> {
        let urls = self.settings.urls.iter().map(ToString::to_string);
        urls.zip(self.servers.iter().map(|server| server.lock().clone()))
    }

    /// Those who wait for a connection.
    pub(crate) fn queue(&self) -> QueueState {
        let gates = [&self.searches, &self.binds].map(|lane| &lane.permits);
        let [waiting, bound] = [Gate::waiting, Gate::bound].map(|of| gates.into_iter().map(of).sum());
        QueueState::new("connections", waiting, bound)
    }

    /// Whether the directory follows chains of groups by itself, where that is known.
    pub(crate) fn in_chain(&self) -> Option<bool> {
        match self.in_chain.load(Ordering::Relaxed) {
            0 => None,
            known => Some(known == 2),
        }
    }

    pub(crate) fn know_in_chain(&self, in_chain: bool) {
        self.in_chain.store(1 + u8::from(in_chain), Ordering::Relaxed);
    }

    /// How many connections are open: for searches, and for binds.
    pub(crate) fn open_connections(&self) -> (usize, usize) {
        let of = |lane: &Lane| lane.permits.inside() + lane.lock().len();
        (of(&self.searches), of(&self.binds))
    }
}

const CORRECT: &str = "correct `connectionName` and `connectionPassword`";

/// What it means that the service's bind did not succeed. The server's own words are left out: some repeat what they were
/// told.
fn service_refused(verdict: &Verdict) -> Failure {
    let code = named(verdict.code);
    match (verdict.code, active_directory(&verdict.text)) {
        // It may be better in a moment, or at another server.
        (1 | 3 | 51 | 52 | 80, _) => Failure::Connect(format!("the bind of the service ended with {code}")),
        (8 | 13, _) => Failure::ServiceBind(format!(
            "{code}: it takes passwords over TLS only, set `startTls` or use `ldaps://`"
        )),
        (_, Some((sub_code, what))) => Failure::ServiceBind(format!("{code}, {sub_code}: {what}; {CORRECT}")),
        (_, None) => Failure::ServiceBind(format!("{code}: {CORRECT}")),
    }
}

impl Lane {
    fn wanted(&self, now: Duration) {
        let mut silent = self.silence();
        // Whoever went without an answer says nothing of those who come after him.
        if self.permits.inside() == 0 {
            *silent = None;
        }
        silent.get_or_insert(now);
    }

    fn silence(&self) -> MutexGuard<'_, Option<Duration>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    fn lock(&self) -> MutexGuard<'_, ServerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (searches, binds) = self.open_connections();
        f.debug_struct("Pool").field("searches", &searches).field("binds", &binds).finish_non_exhaustive()
    }
}
