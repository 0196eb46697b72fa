use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use metrics::{Counter, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, Unit};
use portcullis_core::{Answer, Asked, ConnectionEnded, Decided, Element, Observer, TurnedAway};

use super::{
    collect::Watched,
    names::{ALL, DECISION_DURATION, DECISIONS, Kind, MEMORY_LOOKUPS, Metric, PROVIDER_DURATION},
};

/// What a label says that has nothing to say.
const NONE: &str = "none";

const METADATA: Metadata<'static> = Metadata::new("portcullis", Level::INFO, None);

/// Counts decisions, and tells numbers about providers and clients. See the [module](super).
pub struct AuthMetrics {
    pub(super) to: To,
    decisions: Handles<[Box<str>; 2], [&'static str; 2], Counter>,
    durations: Handles<[Box<str>; 0], [&'static str; 1], Histogram>,
    providers: Handles<[Box<str>; 1], [&'static str; 1], Histogram>,
    lookups: Handles<[Box<str>; 1], [&'static str; 1], Counter>,
    pub(super) watched: Mutex<Watched>,
}

/// Where the numbers go.
pub(super) enum To {
    /// The recorder that the process installed.
    Global,
    Own(Arc<dyn Recorder + Send + Sync>),
}

impl To {
    pub(super) fn with<T>(&self, ask: impl FnOnce(&dyn Recorder) -> T) -> T {
        match self {
            Self::Global => metrics::with_recorder(ask),
            Self::Own(recorder) => ask(&**recorder),
        }
    }

    fn describe(&self) {
        for Metric { name, kind, help, .. } in ALL {
            let (name, help) = (KeyName::from_const_str(name), (*help).into());
            self.with(|recorder| match kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Histogram => recorder.describe_histogram(name, Some(Unit::Seconds), help),
            });
        }
    }

    /// The handle of a gauge.
    pub(super) fn gauge(&self, metric: &Metric, values: &[&str]) -> metrics::Gauge {
        let key = key(metric, values.iter().map(|value| (*value).to_owned()));
        self.with(|recorder| recorder.register_gauge(&key, &METADATA))
    }
}

fn key(metric: &Metric, values: impl Iterator<Item = String>) -> Key {
    let labels: Vec<Label> =
        metric.labels.iter().zip(values).map(|(name, value)| Label::new(*name, value)).collect();
    Key::from_parts(metric.name, labels)
}

impl AuthMetrics {
    /// Numbers for `recorder` alone.
    #[must_use]
    pub fn new(recorder: Arc<dyn Recorder + Send + Sync>) -> Self {
        Self::of(To::Own(recorder))
    }

    /// Numbers for the recorder that the process has installed. Install it before: what is counted earlier is lost.
    #[must_use]
    pub fn global() -> Self {
        Self::of(To::Global)
    }

    fn of(to: To) -> Self {
        to.describe();
        Self {
            to,
            decisions: Handles::default(),
            durations: Handles::default(),
            providers: Handles::default(),
            lookups: Handles::default(),
            watched: Mutex::default(),
        }
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn counter(&self, metric: &Metric, values: impl Iterator<Item = String>) -> Counter {
        self.to.with(|recorder| recorder.register_counter(&key(metric, values), &METADATA))
    }

    pub(super) fn histogram(&self, metric: &Metric, values: impl Iterator<Item = String>) -> Histogram {
        self.to.with(|recorder| recorder.register_histogram(&key(metric, values), &METADATA))
    }

    fn count(&self, names: [&str; 2], words: [&'static str; 2]) {
        let ([resource, element], [outcome, reason]) = (names, words);
        let make = || self.counter(&DECISIONS, texts([resource, element, outcome, reason]));
        self.decisions.with(names, words, make, |counter| counter.increment(1));
    }

    fn looked_up(&self, element: &str, result: &'static str) {
        let make = || self.counter(&MEMORY_LOOKUPS, texts([element, result]));
        self.lookups.with([element], [result], make, |counter| counter.increment(1));
    }
}

pub(super) fn texts<const N: usize>(values: [&str; N]) -> impl Iterator<Item = String> {
    values.map(str::to_owned).into_iter()
}

impl Observer for AuthMetrics {
    fn decided(&self, decided: &Decided<'_>) {
        let outcome = decided.outcome();
        let reason = decided.reason.map_or(NONE, |reason| reason.as_str());
        let element = decided.element.map_or(NONE, Element::name);
        self.count([decided.policy.label(), element], [outcome, reason]);
        // The layer's own decision, which it follows, was measured.
        if decided.asker.is_some() {
            return;
        }
        self.durations.with(
            [],
            [outcome],
            || self.histogram(&DECISION_DURATION, texts([outcome])),
            |histogram| histogram.record(decided.took.as_secs_f64()),
        );
        if decided.recalled {
            self.looked_up(element, "hit");
        }
    }

    fn asked(&self, asked: &Asked<'_>) {
        let (element, outcome) = (asked.element.name(), Answer::outcome(&asked.answer));
        self.providers.with(
            [element],
            [outcome],
            || self.histogram(&PROVIDER_DURATION, texts([element, outcome])),
            |histogram| histogram.record(asked.took.as_secs_f64()),
        );
        self.looked_up(element, "miss");
    }

    fn turned_away(&self, away: &TurnedAway<'_>) {
        self.count([NONE, NONE], [TurnedAway::OUTCOME, away.reason.as_str()]);
    }

    fn ended(&self, ended: &ConnectionEnded<'_>) {
        let element = ended.element.map_or(NONE, Element::name);
        self.count([ended.policy.label(), element], [ConnectionEnded::OUTCOME, ended.reason.as_str()]);
    }
}

impl fmt::Debug for AuthMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthMetrics").field("watched", &*self.lock()).finish_non_exhaustive()
    }
}

/// The handles of one metric by its labels: names of the configuration, and words. Both are few, so that they are copied
/// when one is added, and read without a lock.
struct Handles<N, W, H>(ArcSwap<HashMap<W, Vec<(N, H)>>>);

impl<N, W, H> Default for Handles<N, W, H> {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(HashMap::new()))
    }
}

impl<const N: usize, const W: usize, H: Clone> Handles<[Box<str>; N], [&'static str; W], H>
where
    [&'static str; W]: Hash + Eq,
{
    fn with(&self, names: [&str; N], words: [&'static str; W], make: impl Fn() -> H, act: impl Fn(&H)) {
        let is = |known: &[Box<str>; N]| known.iter().zip(names).all(|(known, name)| **known == *name);
        let all = self.0.load();
        if let Some((_, handle)) = all.get(&words).and_then(|of| of.iter().find(|(known, _)| is(known))) {
            return act(handle);
        }
        let handle = make();
        act(&handle);
        self.0.rcu(|all| {
            let mut all = HashMap::clone(all);
            let of = all.entry(words).or_default();
            if !of.iter().any(|(known, _)| is(known)) {
                of.push((names.map(Into::into), handle.clone()));
            }
            all
        });
    }
}
