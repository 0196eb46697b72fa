//! The source of tokens that callers' tokens were exchanged for.

use std::{fmt, sync::Arc};

use portcullis_core::{
    Authorization, BoxFuture, BuildError, Clock, OnBehalfOf, Probe, RefreshObserver, Scheme, TokenError,
    TokenSource,
};

use super::{
    config::{ActorSource, TokenExchangeConfig},
    endpoint::ExchangeEndpoint,
    exchanges::{Actor, Exchanges, Look, Subject},
    kept::Kept,
};
use crate::{params::whole, prf::Prf, server::nobodys_token};

/// How often a caller begins anew where exchanges break off with the runtime that they ran on.
const ROUNDS: u32 = 3;

/// How many exchanges are on their way at most. The outbound client sends 128 of them at once.
const MOST: usize = 4096;

/// Exchanges callers' tokens for tokens to call other services with, on the callers' behalf (RFC 8693), and keeps them as
/// [the module](super) says.
///
/// It has no token of its own: ask [`TokenSource::on_behalf_of`] for a caller's source. Cheap to clone; clones share
/// everything.
///
/// # Example
///
/// ```no_run
/// use portcullis_core::{OnBehalfOf, Principal, TokenSource};
/// use portcullis_oauth2::{ClientAuthentication, TokenExchange, TokenExchangeConfig};
/// use portcullis_outbound::Endpoint;
///
/// # async fn example(caller: Principal) -> Result<(), Box<dyn std::error::Error>> {
/// let endpoint = Endpoint::parse("https://localhost:9445/oauth2/token")?;
/// let client = ClientAuthentication::secret("gateway", "s3cret");
/// let exchange = TokenExchange::new(TokenExchangeConfig::new(endpoint, client).audience(["orders"]))?;
///
/// // In a handler: `caller` is the principal of the request.
/// let caller = OnBehalfOf::caller(&caller).ok_or("the caller showed no token")?;
/// let source = exchange.on_behalf_of(&caller).ok_or("a token exchange acts on behalf of callers")?;
/// let authorization = source.token().await?;
/// # drop(authorization);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TokenExchange(Arc<Inner>);

struct Inner {
    exchanges: Arc<Exchanges>,
    actor: Option<ActorSource>,
    prf: Prf,
}

impl TokenExchange {
    /// Builds the source. The endpoint is not asked.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own.
    pub fn new(config: TokenExchangeConfig) -> Result<Self, BuildError> {
        Self::within(MOST, config)
    }

    pub(super) fn within(most: usize, config: TokenExchangeConfig) -> Result<Self, BuildError> {
        whole(&config.mistakes())?;
        let clock = Arc::clone(&config.settings.clock);
        let kept = Kept::new(config.cache.capacity, config.cache.negative_max_age);
        let interval = config.settings.min_refresh_interval;
        let actor = config.actor.clone();
        let endpoint = ExchangeEndpoint::new(config)?;
        let exchanges = Arc::new(Exchanges::new(endpoint, clock, kept, interval, most));
        Ok(Self(Arc::new(Inner { exchanges, actor, prf: Prf::random()? })))
    }

    fn of(&self, subject: &OnBehalfOf) -> CallersToken {
        let token = subject.subject_token().clone();
        let digest = self.0.prf.question(token.expose(), &[]);
        CallersToken { subject: Subject { token, digest, expires: subject.expires() }, all: self.clone() }
    }

    /// How many exchanges are on their way.
    #[cfg(test)]
    pub(super) fn on_their_way(&self) -> usize {
        self.0.exchanges.on_their_way()
    }

    #[cfg(test)]
    pub(super) fn digest_of(&self, token: &str) -> crate::prf::Digest {
        self.0.prf.question(token, &[])
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> &Kept {
        &self.0.exchanges.kept
    }

    #[cfg(test)]
    pub(super) fn exchanges(&self) -> &Arc<Exchanges> {
        &self.0.exchanges
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.exchanges.clock
    }

    /// Tries the endpoint out with a token that nobody issued, and the source of the actor's.
    async fn probe_both(&self) -> Vec<Probe> {
        let begun = self.clock().monotonic();
        let result = self.try_out().await;
        let took = self.clock().monotonic().saturating_sub(begun);
        let mut probes = vec![Probe::new("token", self.0.exchanges.endpoint.address(), took, result)];
        if let Some(actor) = &self.0.actor {
            probes.extend(actor.source.probe().await);
        }
        probes
    }

    async fn try_out(&self) -> Result<String, String> {
        // `Debug` of an error prints the message and its causes.
        let whole = |error: TokenError| format!("{error:?}");
        let nobody = nobodys_token()?;
        let actor = self.0.actor().await.map_err(whole)?;
        let actor = actor.as_ref().map(|actor| &actor.token);
        self.0.exchanges.endpoint.try_out(&nobody, actor).await.map_err(whole)
    }
}

impl TokenSource for TokenExchange {
    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        Box::pin(std::future::ready(Err(TokenError::permanent(
            "this client calls on behalf of a caller: say whose, with `on_behalf_of`",
        ))))
    }

    fn refused(&self, _: &Authorization) -> bool {
        false
    }

    fn watch_refreshes(&self, observer: Arc<dyn RefreshObserver>) {
        self.0.exchanges.observers.add(observer);
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(self.probe_both())
    }

    fn on_behalf_of(&self, subject: &OnBehalfOf) -> Option<Arc<dyn TokenSource>> {
        Some(Arc::new(self.of(subject)))
    }
}

impl Inner {
    /// The actor's token, where it can be had without waiting. `Err` says that it is to be waited for.
    fn actor_at_hand(&self) -> Result<Option<Actor>, ()> {
        let Some(actor) = &self.actor else { return Ok(None) };
        let token = actor.source.try_token().ok_or(())?;
        self.acting(token).map(Some).map_err(|_| ())
    }

    async fn actor(&self) -> Result<Option<Actor>, TokenError> {
        let Some(actor) = &self.actor else { return Ok(None) };
        let token = actor.source.token().await.map_err(|error| {
            let reason = "there is no token of the actor's, which is this service";
            let told = error.retry_after();
            let whole = if error.is_transient() {
                TokenError::transient(reason)
            } else {
                TokenError::permanent(reason)
            };
            let whole = told.into_iter().fold(whole, TokenError::with_retry_after);
            whole.with_source(error)
        })?;
        self.acting(token).map(Some)
    }

    fn acting(&self, token: Authorization) -> Result<Actor, TokenError> {
        let text = token.header().to_str().ok().filter(|_| token.scheme() == Scheme::Bearer);
        let Some(text) = text else {
            return Err(TokenError::permanent(
                "the actor's credential is no token: give `actor` a grant, a token, or a JWT that is signed",
            ));
        };
        Ok(Actor { digest: self.prf.question(text, &[]), token })
    }
}

/// The token by which this service calls others on one caller's behalf.
struct CallersToken {
    subject: Subject,
    all: TokenExchange,
}

impl CallersToken {
    async fn get(&self) -> Result<Authorization, TokenError> {
        let exchanges = &self.all.0.exchanges;
        for _ in 0..ROUNDS {
            exchanges.live(&self.subject)?;
            let actor = self.all.0.actor().await?;
            // Waiting for the actor's token may have taken a while.
            exchanges.live(&self.subject)?;
            let flight = match exchanges.look(&self.subject, actor.as_ref())? {
                Look::Held(token) => return Ok(token),
                Look::Waits(flight) => flight,
            };
            if let Some(result) = flight.landed(&**self.all.clock()).await {
                let token = result?;
                // And so may the exchange.
                exchanges.live(&self.subject)?;
                return Ok(token);
            }
        }
        Err(TokenError::transient(
            "the exchange of a token broke off: the runtime that it ran on is gone, or stands still",
        ))
    }
}

impl TokenSource for CallersToken {
    fn try_token(&self) -> Option<Authorization> {
        self.all.0.exchanges.live(&self.subject).ok()?;
        let actor = self.all.0.actor_at_hand().ok()?;
        self.all.0.exchanges.at_hand(&self.subject, actor.as_ref())
    }

    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        Box::pin(self.get())
    }

    fn refused(&self, token: &Authorization) -> bool {
        let Ok(text) = token.header().to_str() else { return false };
        let digest = self.all.0.prf.question(text, &[]);
        self.all.0.exchanges.live(&self.subject).is_ok()
            && self.all.0.exchanges.refused(&self.subject, token, digest)
    }

    /// Of all callers' tokens: no observer is to be told of one.
    fn watch_refreshes(&self, observer: Arc<dyn RefreshObserver>) {
        self.all.watch_refreshes(observer);
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        self.all.probe()
    }

    /// Of another caller's.
    fn on_behalf_of(&self, subject: &OnBehalfOf) -> Option<Arc<dyn TokenSource>> {
        self.all.on_behalf_of(subject)
    }
}

impl fmt::Debug for TokenExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenExchange").field(&self.0.exchanges).finish()
    }
}

/// Says nothing of the caller but until when.
impl fmt::Debug for CallersToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallersToken")
            .field("expires", &self.subject.expires)
            .field("exchange", &self.all)
            .finish()
    }
}
