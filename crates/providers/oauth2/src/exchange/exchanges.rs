//! Exchanges on their way: one for all who want the same, each running by itself, and not too many.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use portcullis_core::{Authorization, Clock, RefreshObservers, Secret, TokenError, UnixTime};
use tokio::runtime::Handle;
use tracing::{info, warn};

use super::{
    endpoint::{Concern, ExchangeEndpoint, Exchanged, Failed},
    kept::{Held, Kept, Moment},
    outage::Outage,
};
use crate::{flight, grant::keeper::renewal_span, prf::Digest};

/// What a caller is told to wait who found no place.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A caller whose identity is passed on.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) token: Secret,
    pub(super) digest: Digest,
    pub(super) expires: Option<UnixTime>,
}

/// Who calls in the caller's name.
#[derive(Clone)]
pub(super) struct Actor {
    pub(super) token: Authorization,
    pub(super) digest: Digest,
}

/// All that is known of exchanges with one endpoint.
pub(super) struct Exchanges {
    pub(super) endpoint: ExchangeEndpoint,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) kept: Kept,
    /// How often refused tokens may cause an exchange.
    pub(super) min_refresh_interval: Duration,
    /// How many exchanges are on their way at most.
    pub(super) most: usize,
    pub(super) observers: RefreshObservers,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    flights: HashMap<Key, Flight>,
    begun: u64,
    outage: Outage,
}

impl Table {
    /// The exchange of this kind on its way. One that should have ended long ago is none.
    fn on_its_way(&mut self, key: &Key, now: Duration) -> Option<&Flight> {
        if let Some(lost) = self.flights.get(key).filter(|flight| now >= flight.until) {
            let number = lost.number;
            self.end(key, number);
        }
        self.flights.get(key)
    }

    /// Exchange `number` is not on its way any more.
    fn end(&mut self, key: &Key, number: u64) {
        if self.flights.get(key).is_some_and(|flight| flight.number == number) {
            self.flights.remove(key);
        }
    }
}

/// Which exchange it is: audience, resource and scopes are the configuration's, and the same for all.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    subject: Digest,
    actor: Option<Digest>,
}

impl Key {
    fn new(subject: &Subject, actor: Option<&Actor>) -> Self {
        Self { subject: subject.digest, actor: actor.map(|actor| actor.digest) }
    }
}

/// An exchange on its way.
pub(super) type Flight = flight::Flight<Authorization>;

/// What there is for a caller.
pub(super) enum Look {
    Held(Authorization),
    Waits(Flight),
}

impl Exchanges {
    pub(super) fn new(
        endpoint: ExchangeEndpoint,
        clock: Arc<dyn Clock>,
        kept: Kept,
        min_refresh_interval: Duration,
        most: usize,
    ) -> Self {
        Self {
            endpoint,
            clock,
            kept,
            min_refresh_interval,
            most,
            observers: RefreshObservers::default(),
            table: Mutex::default(),
        }
    }

    /// Whether the subject token says anything still.
    pub(super) fn live(&self, subject: &Subject) -> Result<(), TokenError> {
        if subject.token.is_empty() {
            return Err(TokenError::permanent("the caller's token is empty: there is nothing to exchange"));
        }
        if subject.expires.is_some_and(|expires| self.clock.now() >= expires) {
            return Err(TokenError::permanent(
                "the caller's token has expired: no call is made on the caller's behalf any more",
            ));
        }
        Ok(())
    }

    /// A token that is at hand. Where it is to be renewed, that begins.
    pub(super) fn at_hand(
        self: &Arc<Self>,
        subject: &Subject,
        actor: Option<&Actor>,
    ) -> Option<Authorization> {
        let now = self.moment();
        let held = self.kept.get(&subject.digest, actor.map(|actor| actor.digest), now)?;
        if held.is_due(now) {
            self.renew(subject, actor, now);
        }
        Some(held.token.clone())
    }

    /// A token that is at hand, or the exchange that will give one.
    pub(super) fn look(
        self: &Arc<Self>,
        subject: &Subject,
        actor: Option<&Actor>,
    ) -> Result<Look, TokenError> {
        if let Some(token) = self.at_hand(subject, actor) {
            return Ok(Look::Held(token));
        }
        let key = Key::new(subject, actor);
        let now = self.moment();
        let mut table = self.lock();
        if let Some(flight) = table.on_its_way(&key, now.monotonic) {
            return Ok(Look::Waits(flight.clone()));
        }
        // One that was on its way a moment ago may have landed meanwhile.
        if let Some(held) = self.kept.get(&key.subject, key.actor, now) {
            return Ok(Look::Held(held.token.clone()));
        }
        if let Some(error) = self.kept.refusal(&key.subject, key.actor, now.monotonic) {
            return Err(error);
        }
        self.begin(table, key, subject, actor, now.monotonic).map(Look::Waits)
    }

    /// A service refused a token. Tells whether another one can be had.
    pub(super) fn refused(&self, subject: &Subject, token: &Authorization, digest: Digest) -> bool {
        let now = self.clock.monotonic();
        let _one_at_a_time = self.lock();
        self.kept.drop_refused(&subject.digest, token, digest, now, self.min_refresh_interval)
    }

    /// Begins to replace a token that was due at `now`.
    pub(super) fn renew(self: &Arc<Self>, subject: &Subject, actor: Option<&Actor>, now: Moment) {
        let key = Key::new(subject, actor);
        let mut table = self.lock();
        // One that was on its way a moment ago may have landed meanwhile.
        let renewed = self.kept.get(&key.subject, key.actor, now).is_some_and(|held| !held.is_due(now));
        if renewed
            || table.on_its_way(&key, now.monotonic).is_some()
            || self.kept.refusal(&key.subject, key.actor, now.monotonic).is_some()
        {
            return;
        }
        // The token in hand is good: that another cannot be fetched is no error yet.
        _ = self.begin(table, key, subject, actor, now.monotonic);
    }

    /// Begins an exchange that nobody can end by going away.
    fn begin(
        self: &Arc<Self>,
        mut table: MutexGuard<'_, Table>,
        key: Key,
        subject: &Subject,
        actor: Option<&Actor>,
        asked: Duration,
    ) -> Result<Flight, TokenError> {
        let runtime = Handle::try_current().map_err(|error| {
            TokenError::transient("tokens are exchanged on a tokio runtime, and there is none")
                .with_source(error)
        })?;
        if table.flights.len() >= self.most {
            table.flights.retain(|_, flight| asked < flight.until);
        }
        if table.flights.len() >= self.most {
            return Err(
                TokenError::transient("too many tokens are being exchanged").with_retry_after(RETRY_AFTER)
            );
        }
        let number = table.begun + 1;
        let until = asked.saturating_add(self.endpoint.lost_after());
        table.outage.permit(number, asked, until)?;
        table.begun = number;
        let (tell, flight) = Flight::new(number, until);
        table.flights.insert(key, flight.clone());
        // A runtime that shuts down drops what it is given at once, which needs the table.
        drop(table);
        let landing = Landing { exchanges: Arc::clone(self), key, number };
        let (subject, actor) = (subject.clone(), actor.map(|actor| actor.token.clone()));
        runtime.spawn(async move {
            // Dropped after the landing, so that whoever is told that it broke off finds none on its way.
            let tell = tell;
            let landing = landing;
            let exchanges = &landing.exchanges;
            let result = exchanges.endpoint.exchange(&subject.token, actor.as_ref()).await;
            let result = exchanges.land(key, number, result, asked, subject.expires);
            let took = exchanges.clock.monotonic().saturating_sub(asked);
            exchanges.observers.tell(result.as_ref().err(), took);
            drop(landing);
            _ = tell.send(result);
        });
        Ok(flight)
    }

    /// Keeps what exchange `number` gave, which began at `asked`.
    fn land(
        &self,
        key: Key,
        number: u64,
        result: Result<Exchanged, Failed>,
        asked: Duration,
        subject_until: Option<UnixTime>,
    ) -> Result<Authorization, TokenError> {
        let now = self.moment();
        let mut table = self.lock();
        table.end(&key, number);
        let begun = table.begun;
        let (recovered, fell, result) = match result {
            Ok(Exchanged { token, lifetime }) => {
                let good_until = asked.saturating_add(lifetime);
                let renew_at = good_until.saturating_sub(renewal_span(lifetime));
                let held = Held {
                    token: token.clone(),
                    actor: key.actor,
                    number,
                    renew_at,
                    good_until,
                    subject_until,
                };
                self.kept.put(&key.subject, held, now);
                (table.outage.answered(number), false, Ok(token))
            }
            Err(Failed { error, concern: Concern::Caller }) => {
                self.kept.refuse(&key.subject, key.actor, error.clone(), now.monotonic);
                (table.outage.answered(number), false, Err(error))
            }
            Err(Failed { error, concern: Concern::Everybody }) => {
                (false, table.outage.failed(number, &error, now.monotonic, begun), Err(error))
            }
        };
        drop(table);
        let url = self.endpoint.address();
        if recovered {
            info!(target: "portcullis", url, "tokens are exchanged again");
        }
        // Once for an outage. Each caller that it concerns is told by itself.
        if let (true, Err(error)) = (fell, &result) {
            warn!(
                target: "portcullis",
                url,
                error = ?error,
                remedy = "tokens that are at hand are used while they are good",
                "no token could be exchanged"
            );
        }
        result
    }

    fn moment(&self) -> Moment {
        Moment { civil: self.clock.now(), monotonic: self.clock.monotonic() }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many exchanges are on their way.
    pub(super) fn on_their_way(&self) -> usize {
        self.lock().flights.len()
    }
}

/// Ends an exchange, also where it breaks off. Of one that has landed there is nothing left to end.
struct Landing {
    exchanges: Arc<Exchanges>,
    key: Key,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut table = self.exchanges.lock();
        table.end(&self.key, self.number);
        table.outage.broke_off(self.number);
    }
}

impl fmt::Debug for Exchanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchanges")
            .field("endpoint", &self.endpoint)
            .field("kept", &self.kept)
            .field("on_their_way", &self.on_their_way())
            .finish_non_exhaustive()
    }
}
