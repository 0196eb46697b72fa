//! Asks a server about tokens: the provider behind `oauth2IntrospectionConfig`.

mod answer;
mod cache;
mod config;
mod flights;
mod health;
mod lookup;
mod pass;
mod read;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use portcullis_core::{
    Bearer, BoxFuture, BuildError, Clock, Context, Credential, Outcome, Probe, Provider, QueueState, Recall,
    Scheme, ServerState, SystemClock, Unavailable,
};
use zeroize::Zeroizing;

#[cfg(feature = "fuzzing")]
pub(crate) use self::answer::judged;
pub use self::config::{CacheConfig, IntrospectionConfig};
use self::{
    cache::{AnswerCache, Moment},
    flights::{Asking, Boarding, Flights, Limits},
    lookup::{Lookup, Server, reserved},
};
use crate::{
    params::Mistake,
    prf::{Digest, Prf},
    refusal::code,
};

/// How much longer than its own deadline a question may take before it is given up for lost.
const GRACE: Duration = Duration::from_secs(5);

/// The provider of bearer tokens that only their server can tell about (RFC 7662).
///
/// Every token is asked about by a POST of its own, unless it is remembered (see [`CacheConfig`]; off by default). Callers
/// who bring the same token at the same time share one question, which runs by itself: one who hangs up ends it for
/// nobody; where nobody drives the runtime that it runs on, the next one who brings the token asks anew once it should have ended
/// long ago. At most 512 questions are on their way at a time, of which the server is asked 128 at once, and at most 16,384
/// callers wait for them. Both kinds of waiting are fair between client addresses: they take turns, and where all places are
/// taken a newcomer takes the last one of the address that has the most. Who finds no place is answered as unavailable, with a
/// second as `Retry-After`.
///
/// A server that cannot be asked, answers something else than the protocol has, or refuses our own credentials makes the
/// provider unavailable. That is told once when it begins and once when it ends.
///
/// What is believed of an answer, and the codes of refusals, are described [at the crate](crate).
///
/// Cheap to clone; clones share everything.
///
/// # Example
///
/// ```no_run
/// use portcullis_oauth2::{CacheConfig, IntrospectionConfig, OAuth2Introspection};
/// use portcullis_outbound::Endpoint;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let introspection = OAuth2Introspection::new(
///     IntrospectionConfig::new(Endpoint::parse("https://localhost:9445/oauth2/introspect")?)
///         .token_type_hint("access_token")
///         .client_secret("gateway", "s3cret")
///         .audience(["orders"])
///         .cache(CacheConfig::default()),
/// )?;
/// # drop(introspection);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OAuth2Introspection {
    server: Arc<Server>,
    prf: Prf,
    cache: Option<Arc<AnswerCache>>,
    flights: Flights,
    /// Ages are measured on one clock, the first that is seen: two clocks may have two scales.
    clock: Arc<OnceLock<Arc<dyn Clock>>>,
}

impl OAuth2Introspection {
    /// Builds the provider. The server is not asked.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own.
    pub fn new(config: IntrospectionConfig) -> Result<Self, BuildError> {
        Self::within(Limits::DEFAULT, config)
    }

    fn within(limits: Limits, config: IntrospectionConfig) -> Result<Self, BuildError> {
        let lines: Vec<String> = config.mistakes().iter().map(Mistake::line).collect();
        if !lines.is_empty() {
            return Err(BuildError::new(lines.join("\n")));
        }
        Ok(Self {
            prf: Prf::random()?,
            cache: config.cache.as_ref().and_then(AnswerCache::new).map(Arc::new),
            flights: Flights::new(limits, config.client.longest_call().saturating_add(GRACE)),
            clock: Arc::default(),
            server: Arc::new(Server::new(config)?),
        })
    }

    /// Asks about a token, whatever it looks like, with further parameters for this question alone. They go after the
    /// `optionalParams` of the configuration, and in the place of those with the same name. Answers are remembered by the
    /// token and by all of them; their order counts.
    ///
    /// A parameter named `token` or `token_type_hint`, without a name, or given twice is refused as `reserved-parameter`:
    /// two values for one name are read differently by different servers.
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// # use portcullis_core::{Clock, Context, Outcome, SystemClock};
    /// # async fn f(introspection: portcullis_oauth2::OAuth2Introspection) {
    /// let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    /// let cx = Context::new(&clock);
    /// match introspection.introspect("2YotnFZFEjr1zCsicMWpAA", &[("resource", "orders")], &cx).await {
    ///     Outcome::Known(identity) => println!("{:?}", identity.subject()),
    ///     Outcome::Refused(why) => println!("no: {why}"),
    ///     Outcome::Unavailable(why) => println!("cannot tell: {why}"),
    /// }
    /// # }
    /// ```
    pub async fn introspect(&self, token: &str, parameters: &[(&str, &str)], cx: &Context<'_>) -> Outcome {
        if token.is_empty() {
            return Outcome::refused(code::EMPTY_TOKEN, "there is no token to ask about");
        }
        if let Some(name) = reserved(parameters) {
            return Outcome::refused(
                code::RESERVED_PARAMETER,
                format!("the parameter {} would be sent twice", portcullis_core::json::shown(name)),
            );
        }
        let question = self.prf.question(token, parameters);
        if let Some(outcome) = self.remembered(&question, cx) {
            return outcome;
        }
        if !cx.may_contact() {
            return Unavailable::new("the server would have to be asked about the token").into();
        }
        let call = match cx.permit_call() {
            Ok(call) => call,
            Err(unavailable) => return unavailable.into(),
        };
        let boarding = match (cx.may_recall(), cx.may_remember()) {
            (true, true) => Boarding::Join,
            (false, true) => Boarding::Afresh,
            (_, false) => Boarding::Alone,
        };
        let ages = Arc::clone(self.ages(cx));
        let asked = ages.monotonic();
        let asking = Asking { party: cx.client().into(), question, boarding, clock: Arc::clone(&ages) };
        let (begun, permitted) = (AtomicBool::new(false), call.clone());
        let begin = |number| {
            begun.store(true, Ordering::Relaxed);
            let lookup = Lookup {
                server: Arc::clone(&self.server),
                token: Zeroizing::new(token.to_owned()),
                form: self.server.form(token, parameters),
                clock: Arc::clone(cx.clock()),
                ages,
                asked,
                number,
            };
            async move {
                let landed = lookup.run().await;
                if let Outcome::Refused(_) = landed.outcome {
                    call.refused();
                }
                landed
            }
        };
        let cache = self.cache.clone();
        let keep = move |question: &Digest, answer| {
            if let Some(cache) = cache {
                cache.put(question, answer, asked);
            }
        };
        let recall = || self.remembered(&question, cx);
        let outcome = self.flights.ask(asking, recall, begin, keep).await;
        if !begun.load(Ordering::Relaxed) {
            permitted.joined();
        }
        outcome
    }

    /// What is remembered, if this question may be answered from memory.
    fn remembered(&self, question: &Digest, cx: &Context<'_>) -> Option<Outcome> {
        let cache = self.cache.as_ref().filter(|_| cx.may_recall())?;
        cache.get(question, Moment { civil: cx.clock().now(), monotonic: self.ages(cx).monotonic() })
    }

    fn ages<'a>(&'a self, cx: &'a Context<'_>) -> &'a Arc<dyn Clock> {
        self.clock.get_or_init(|| Arc::clone(cx.clock()))
    }
}

impl Provider for OAuth2Introspection {
    fn kind(&self) -> &'static str {
        "introspection"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn recall(&self, text: &[u8], cx: &Context<'_>) -> Recall {
        if self.cache.is_none() {
            return Recall::Unasked;
        }
        // Of what is remembered not all was read from a header: `introspect` asks about any text.
        let text = std::str::from_utf8(text).ok();
        let Some(bearer) = text.and_then(|text| Bearer::new(text).ok()) else { return Recall::Unasked };
        Recall::found(self.remembered(&self.prf.question(bearer.as_bytes(), &[]), cx))
    }

    fn try_authenticate(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        let Credential::Bearer(bearer) = credential else { return Some(other_scheme()) };
        self.cache.as_ref().filter(|_| cx.may_recall())?;
        self.remembered(&self.prf.question(bearer.as_bytes(), &[]), cx)
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match credential {
                Credential::Bearer(bearer) => self.introspect(bearer.token(), &[], cx).await,
                _ => other_scheme(),
            }
        })
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(async move {
            let clock = self.clock.get().cloned().unwrap_or_else(|| Arc::new(SystemClock::new()));
            self.server.probe(&clock).await
        })
    }

    fn servers(&self) -> Vec<ServerState> {
        let now = self.clock.get().map(|clock| clock.monotonic());
        let holds = self.cache.as_ref().map(|cache| cache.len());
        vec![self.server.health.state(self.server.address().to_owned(), holds, now)]
    }

    fn queues(&self) -> Vec<QueueState> {
        self.flights.queues()
    }

    /// A server that introspects tokens is one that may say otherwise the next time.
    fn can_revoke(&self) -> bool {
        true
    }
}

fn other_scheme() -> Outcome {
    Outcome::refused(code::OTHER_SCHEME, "the credential is not a bearer token")
}

impl fmt::Debug for OAuth2Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Introspection")
            .field("config", &self.server.config)
            .field("cache", &self.cache)
            .field("flights", &self.flights)
            .finish_non_exhaustive()
    }
}
