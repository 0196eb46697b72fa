//! The provider.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use futures_util::FutureExt as _;
use portcullis_core::{
    Accounts, Basic, BoxFuture, BuildError, Clock, Context, Credential, Guess, Outcome, Probe, Provider,
    QueueState, Recall, Refusal, Scheme, ServerState, SystemClock, Unavailable,
};
use portcullis_keys::{ClientTls, KeyError, TrustAnchors, config::explained};

use crate::{
    config::{LdapConfig, check::Mistake},
    connection::{
        Protection,
        pool::{self, Pool},
    },
    health::Health,
    login::{Directory, Login, Memories, refusal},
    memory::{
        Caller, Credentials, Roles,
        flights::Flights,
        prf::{Digest, Prf},
    },
};

/// The provider of users that stand in a directory, such as OpenLDAP, Active Directory, ApacheDS or FreeIPA.
///
/// A login is a search for the user's entry, a bind as that entry with the password, and a search for its groups. What is
/// believed, how long each step may take and the codes of refusals are described [at the crate](crate).
///
/// Cheap to clone; clones share everything. Connections are opened when somebody logs in, not when the store is built.
#[derive(Clone)]
pub struct LdapUserStore(Arc<Store>);

struct Store {
    directory: Directory,
    prf: Prf,
    credentials: Option<Credentials>,
    flights: Flights,
    /// Ages and time-outs go by one clock, the first that is seen: two clocks may have two scales.
    clock: OnceLock<Arc<dyn Clock>>,
}

impl LdapUserStore {
    /// Builds the store. The directory is not asked.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own.
    pub fn new(config: LdapConfig) -> Result<Self, BuildError> {
        let settings = config.settings().map_err(|mistakes| {
            let lines: Vec<String> = mistakes.iter().map(Mistake::line).collect();
            BuildError::new(lines.join("\n"))
        })?;
        let encrypted = settings.start_tls || settings.urls.iter().any(|url| url.ldaps);
        let tls = if encrypted { Some(client_tls(config.trust).map_err(wrong_tls)?) } else { None };
        let protection = Protection { tls, start_tls: settings.start_tls };
        let settings = Arc::new(settings);
        Ok(Self(Arc::new(Store {
            prf: Prf::random()?,
            credentials: settings.credential_max_age.map(Credentials::new),
            flights: Flights::default(),
            clock: OnceLock::new(),
            directory: Directory {
                pool: Pool::new(Arc::clone(&settings), protection),
                health: Health::default(),
                roles: settings.roles_max_age.map(Roles::new),
                settings,
            },
        })))
    }

    /// How many connections are open at this moment: for searches, and for the binds of users.
    #[must_use]
    pub fn open_connections(&self) -> (usize, usize) {
        self.0.directory.pool.open_connections()
    }
}

fn client_tls(trust: Option<TrustAnchors>) -> Result<Arc<tokio_rustls::rustls::ClientConfig>, KeyError> {
    let anchors = trust.map_or_else(TrustAnchors::system, Ok)?;
    Ok(Arc::new(ClientTls::new(anchors).build()?))
}

#[expect(clippy::needless_pass_by_value, reason = "a mapper of errors")]
fn wrong_tls(error: KeyError) -> BuildError {
    BuildError::new(format!("secureSocket: {}", explained(&error)))
}

impl Store {
    fn clock(&self, cx: &Context<'_>) -> &Arc<dyn Clock> {
        self.clock.get_or_init(|| Arc::clone(cx.clock()))
    }

    /// The credentials that are remembered, if this question may be answered from memory.
    fn memory(&self, cx: &Context<'_>) -> Option<&Credentials> {
        self.credentials.as_ref().filter(|_| cx.may_recall())
    }

    fn remembered(&self, memory: &Credentials, credential: &Digest, cx: &Context<'_>) -> Option<Outcome> {
        let Caller { identity, dn } = memory.get(credential, self.clock(cx).coarse_monotonic())?;
        // While guesses at the entry have to wait, under whichever name, a remembered password is as any other.
        cx.guess().recalled(&dn)?.right();
        Some(Outcome::Known(identity))
    }
}

/// Logs in, and remembers what came of it.
async fn login(
    store: Arc<Store>,
    basic: Basic,
    credential: Digest,
    clock: Arc<dyn Clock>,
    memories: Memories,
    guess: Guess,
) -> Outcome {
    let asked = clock.monotonic();
    let Login { outcome, dn } = store.directory.login(&basic, &clock, memories, &guess).await;
    if let Some(credentials) = store.credentials.as_ref().filter(|_| memories.may_remember) {
        match (&outcome, dn) {
            (Outcome::Known(identity), Some(dn)) => {
                let identity = Arc::clone(identity);
                credentials.put(credential, Caller { identity, dn }, asked);
            }
            (Outcome::Refused(_), _) => credentials.forget(&credential),
            (Outcome::Known(_), None) | (Outcome::Unavailable(_), _) => {}
        }
    }
    outcome
}

/// The login, or why no directory is asked about it.
fn beforehand<'c>(credential: &'c Credential<'_>) -> Result<&'c Basic, Refusal> {
    let Credential::Basic(basic) = credential else { return Err(refusal::not_basic()) };
    refusal::beforehand(basic.username(), basic.password()).map_or(Ok(basic), Err)
}

impl Provider for LdapUserStore {
    fn kind(&self) -> &'static str {
        "ldap"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Basic
    }

    fn recall(&self, text: &[u8], cx: &Context<'_>) -> Recall {
        let Some(memory) = self.0.memory(cx) else { return Recall::Unasked };
        // What is not remembered may be no login at all, which is found out where it is read.
        let Some(credential) = self.0.prf.shown(text) else { return Recall::Unasked };
        Recall::found(self.0.remembered(memory, &credential, cx))
    }

    fn try_authenticate(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        let basic = match beforehand(credential) {
            Ok(basic) => basic,
            Err(refusal) => return Some(refusal.into()),
        };
        let memory = self.0.memory(cx)?;
        self.0.remembered(memory, &self.0.prf.credential(basic.pair()), cx)
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let basic = match beforehand(credential) {
                Ok(basic) => basic,
                Err(refusal) => return refusal.into(),
            };
            let digest = self.0.prf.credential(basic.pair());
            if let Some(outcome) = self.0.memory(cx).and_then(|memory| self.0.remembered(memory, &digest, cx))
            {
                return outcome;
            }
            if !cx.may_contact() {
                return Unavailable::new("the directory would have to be asked about the user").into();
            }
            let memories = Memories {
                party: cx.client().into(),
                may_recall: cx.may_recall(),
                may_remember: cx.may_remember(),
            };
            let clock = Arc::clone(self.0.clock(cx));
            let begin = || login(Arc::clone(&self.0), basic.clone(), digest, clock, memories, cx.guess());
            // An answer to what was asked before is none where it has to be asked afresh.
            if memories.may_recall && memories.may_remember {
                self.0.flights.join(digest, || begin().boxed()).await
            } else {
                begin().await
            }
        })
    }

    fn accounts(&self) -> Option<Accounts> {
        Some(self.0.directory.settings.accounts)
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(async move {
            let clock = self.0.clock.get().cloned().unwrap_or_else(|| Arc::new(SystemClock::new()));
            self.0.directory.probe(&clock).await
        })
    }

    fn servers(&self) -> Vec<ServerState> {
        let now = self.0.clock.get().map(|clock| clock.monotonic());
        let failing = self.0.directory.health.failing();
        let holds = self.0.credentials.as_ref().map(Credentials::len);
        let state = |(url, server): (String, pool::ServerState)| {
            let mut seen = ServerState::unasked("directory", url);
            seen.last_error = server.failed.map(|(_, what)| what).or_else(|| failing.clone());
            seen.usable = seen.last_error.is_none();
            seen.holds = holds;
            seen.age = now.zip(server.answered_at).map(|(now, at)| now.saturating_sub(at));
            seen
        };
        self.0.directory.pool.servers().map(state).collect()
    }

    fn queues(&self) -> Vec<QueueState> {
        vec![self.0.directory.pool.queue()]
    }
}

impl fmt::Debug for LdapUserStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LdapUserStore")
            .field("directory", &self.0.directory)
            .field("credentials", &self.0.credentials)
            .field("flights", &self.0.flights)
            .finish_non_exhaustive()
    }
}
