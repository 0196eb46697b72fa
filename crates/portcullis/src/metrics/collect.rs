//! Numbers that are read when somebody asks for them.

use std::{collections::HashMap, fmt, sync::Arc};

use metrics::{Counter, Gauge, Histogram};
use portcullis_core::{Auth, Policy, Provider, RefreshObserver, Refreshed, ServerState, TokenSource};

#[cfg(feature = "config")]
use super::names::{RELOAD_LAST_SUCCESS, RELOAD_UP_TO_DATE, RELOADS};
use super::{
    AuthMetrics, Metric,
    names::{QUEUE_DEPTH, QUEUE_LIMIT, SERVERS, TOKEN_EXPIRY, TOKEN_REFRESH_DURATION, TOKEN_REFRESHES},
    observer::texts,
};
#[cfg(feature = "config")]
use crate::{Live, reload::Told};

/// What gauges are read from.
#[derive(Default)]
pub(super) struct Watched {
    /// The providers of the services, each once, under the name of an element.
    providers: Vec<(Box<str>, Arc<dyn Provider>)>,
    clients: Vec<(Box<str>, Arc<dyn TokenSource>)>,
    #[cfg(feature = "client")]
    auths: Vec<portcullis_tower::ClientAuth>,
    /// What became of the versions of a configuration.
    #[cfg(feature = "config")]
    reloads: Option<Arc<Told>>,
    /// The gauges that were set before.
    set: HashMap<(&'static str, Vec<String>), Gauge>,
}

impl AuthMetrics {
    /// Has [`AuthMetrics::collect`] read servers and queues of the providers of these services, and of no others: say it
    /// again where the services change.
    pub fn watch(&self, services: impl IntoIterator<Item = Auth>) {
        let mut providers: Vec<(Box<str>, Arc<dyn Provider>)> = Vec::new();
        for auth in services {
            let policies = std::iter::once(auth.policy()).chain(auth.resources().map(|one| one.policy()));
            for element in policies.flat_map(Policy::elements) {
                let provider = element.provider();
                if !providers.iter().any(|(_, known)| Arc::ptr_eq(known, provider)) {
                    providers.push((element.name().into(), Arc::clone(provider)));
                }
            }
        }
        self.lock().providers = providers;
    }

    /// Has [`AuthMetrics::collect`] tell for how long a client's token is good, and counts the tokens that it gets from now on.
    /// Say it once for each client.
    #[cfg(feature = "client")]
    pub fn watch_client(&self, client: &portcullis_tower::ClientAuth) {
        client.watch_refreshes(self.refreshes(name_of(client)));
        self.lock().auths.push(client.clone());
    }

    /// The same for a source of tokens that is no client's, under a name.
    pub fn watch_token_source(&self, name: impl Into<Box<str>>, source: Arc<dyn TokenSource>) {
        let name = name.into();
        source.watch_refreshes(self.refreshes(&name));
        self.lock().clients.push((name, source));
    }

    /// What counts the tokens that a client gets. All outcomes are there from the beginning, so that the first failure shows as a
    /// rise.
    fn refreshes(&self, client: &str) -> Arc<dyn RefreshObserver> {
        let handles = Refreshed::OUTCOMES.iter().map(|outcome| {
            let count = self.counter(&TOKEN_REFRESHES, texts([client, outcome]));
            (*outcome, count, self.histogram(&TOKEN_REFRESH_DURATION, texts([client, outcome])))
        });
        Arc::new(Refreshes(handles.collect()))
    }

    /// Has [`AuthMetrics::collect`] tell what became of the versions of this configuration.
    #[cfg(feature = "config")]
    pub fn watch_reloads(&self, live: &Live) {
        self.lock().reloads = Some(live.told());
    }

    /// Reads the gauges. Call it before the numbers are shown; nothing is asked of any server.
    ///
    /// What there was before and is no more, such as a server of an earlier configuration, is set to NaN.
    pub fn collect(&self) {
        let mut watched = self.lock();
        #[cfg(feature = "config")]
        if let Some(state) = watched.reloads.as_ref().map(|told| told.state()) {
            for (outcome, count) in [("success", state.taken), ("failure", state.refused)] {
                self.counter(&RELOADS, texts([outcome])).absolute(count);
            }
        }
        let mut before = std::mem::take(&mut watched.set);
        let mut set = HashMap::new();
        for (metric, values, number) in watched.numbers() {
            let key = (metric.name, values);
            let gauge = before.remove(&key).unwrap_or_else(|| {
                let values: Vec<&str> = key.1.iter().map(String::as_str).collect();
                self.to.gauge(metric, &values)
            });
            gauge.set(number);
            set.insert(key, gauge);
        }
        before.into_values().for_each(|gone| gone.set(f64::NAN));
        watched.set = set;
    }
}

impl Watched {
    fn numbers(&self) -> Vec<(&'static Metric, Vec<String>, f64)> {
        let mut numbers = Vec::new();
        let states = self.providers.iter().flat_map(|(_, provider)| provider.servers_or_panicked());
        for state in ServerState::each_once(states) {
            for (metric, number) in SERVERS.iter().zip(state.numbers()) {
                if let Some(number) = number {
                    numbers.push((metric, vec![state.role.to_owned(), state.url.clone()], number as f64));
                }
            }
        }
        // Of several providers under one name.
        let mut queues: Vec<(Vec<String>, usize, usize)> = Vec::new();
        for (element, provider) in &self.providers {
            for queue in provider.queues_or_panicked() {
                let labels = vec![element.to_string(), queue.queue.to_owned()];
                match queues.iter_mut().find(|(known, ..)| *known == labels) {
                    Some((_, depth, limit)) => {
                        *depth = depth.saturating_add(queue.depth);
                        *limit = limit.saturating_add(queue.limit);
                    }
                    None => queues.push((labels, queue.depth, queue.limit)),
                }
            }
        }
        for (labels, depth, limit) in queues {
            numbers.push((&QUEUE_DEPTH, labels.clone(), depth as f64));
            numbers.push((&QUEUE_LIMIT, labels, limit as f64));
        }
        let mut token = |name: &str, left: Option<std::time::Duration>| {
            if let Some(left) = left {
                numbers.push((&TOKEN_EXPIRY, vec![name.to_owned()], left.as_secs_f64()));
            }
        };
        self.clients.iter().for_each(|(name, source)| token(name, source.expires_in()));
        #[cfg(feature = "client")]
        self.auths.iter().for_each(|auth| token(name_of(auth), auth.expires_in()));
        #[cfg(feature = "config")]
        if let Some(state) = self.reloads.as_ref().map(|told| told.state()) {
            numbers.push((&RELOAD_UP_TO_DATE, Vec::new(), f64::from(u8::from(state.up_to_date))));
            if let Some(at) = state.in_use_since {
                numbers.push((&RELOAD_LAST_SUCCESS, Vec::new(), at.since_epoch().as_secs_f64()));
            }
        }
        numbers
    }
}

#[cfg(feature = "client")]
fn name_of(client: &portcullis_tower::ClientAuth) -> &str {
    client.name().unwrap_or("unnamed")
}

/// The numbers of one client, by what came of it.
struct Refreshes(Vec<(&'static str, Counter, Histogram)>);

impl RefreshObserver for Refreshes {
    fn refreshed(&self, refreshed: &Refreshed<'_>) {
        let outcome = refreshed.outcome();
        if let Some((_, count, durations)) = self.0.iter().find(|(word, ..)| *word == outcome) {
            count.increment(1);
            durations.record(refreshed.took.as_secs_f64());
        }
    }
}

impl fmt::Debug for Refreshes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refreshes")
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.providers.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Watched").field("providers", &names).finish_non_exhaustive()
    }
}
