//! The names of the metrics, each in one place.

/// How a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by size.
    Histogram,
}

/// A metric.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it counts.
    pub kind: Kind,
    /// The names of its labels. What callers choose is never among their values.
    pub labels: &'static [&'static str],
    /// What it means, in a line.
    pub help: &'static str,
}

const fn metric(
    kind: Kind,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind, labels, help }
}

pub(super) const DECISIONS: Metric = metric(
    Kind::Counter,
    "portcullis_decisions_total",
    &["resource", "element", "outcome", "reason"],
    "Decisions, by what came of them and why.",
);
pub(super) const DECISION_DURATION: Metric =
    metric(Kind::Histogram, "portcullis_decision_duration_seconds", &["outcome"], "How long decisions took.");
pub(super) const PROVIDER_DURATION: Metric = metric(
    Kind::Histogram,
    "portcullis_provider_duration_seconds",
    &["element", "outcome"],
    "How long elements took to answer.",
);
pub(super) const MEMORY_LOOKUPS: Metric = metric(
    Kind::Counter,
    "portcullis_memory_lookups_total",
    &["element", "result"],
    "Callers that were let in from memory (hit), and answers for which an element was asked (miss).",
);
pub(super) const QUEUE_DEPTH: Metric = metric(
    Kind::Gauge,
    "portcullis_queue_depth",
    &["element", "queue"],
    "Those in a queue of an element's provider.",
);
pub(super) const QUEUE_LIMIT: Metric =
    metric(Kind::Gauge, "portcullis_queue_limit", &["element", "queue"], "How many there may be in a queue.");
pub(super) const TOKEN_EXPIRY: Metric = metric(
    Kind::Gauge,
    "portcullis_client_token_expiry_seconds",
    &["client"],
    "For how long a client's token is good; absent where it has none.",
);

pub(super) const TOKEN_REFRESHES: Metric = metric(
    Kind::Counter,
    "portcullis_client_token_refreshes_total",
    &["client", "outcome"],
    "Tokens that a client got, or failed to get.",
);
pub(super) const TOKEN_REFRESH_DURATION: Metric = metric(
    Kind::Histogram,
    "portcullis_client_token_refresh_duration_seconds",
    &["client", "outcome"],
    "How long it took a client to get a token.",
);

#[cfg(feature = "config")]
pub(super) const RELOADS: Metric = metric(
    Kind::Counter,
    "portcullis_reloads_total",
    &["outcome"],
    "Versions of the configuration that were taken up, and that were refused.",
);
#[cfg(feature = "config")]
pub(super) const RELOAD_LAST_SUCCESS: Metric = metric(
    Kind::Gauge,
    "portcullis_reload_last_success_timestamp_seconds",
    &[],
    "When the version of the configuration that is in use was taken up.",
);
#[cfg(feature = "config")]
pub(super) const RELOAD_UP_TO_DATE: Metric = metric(
    Kind::Gauge,
    "portcullis_reload_up_to_date",
    &[],
    "Whether the version in use is what the files say: 0 after one was refused.",
);

const SERVER: &[&str] = &["role", "url"];
const fn server((name, help): (&'static str, &'static str)) -> Metric {
    metric(Kind::Gauge, name, SERVER, help)
}
pub(super) const SERVERS: [Metric; 4] = {
    let [usable, failing, held, age] = portcullis_core::ServerState::METRICS;
    [server(usable), server(failing), server(held), server(age)]
};

/// All of them.
pub const ALL: &[Metric] = &[
    DECISIONS,
    DECISION_DURATION,
    PROVIDER_DURATION,
    MEMORY_LOOKUPS,
    SERVERS[0],
    SERVERS[1],
    SERVERS[2],
    SERVERS[3],
    QUEUE_DEPTH,
    QUEUE_LIMIT,
    TOKEN_EXPIRY,
    TOKEN_REFRESHES,
    TOKEN_REFRESH_DURATION,
    #[cfg(feature = "config")]
    RELOADS,
    #[cfg(feature = "config")]
    RELOAD_LAST_SUCCESS,
    #[cfg(feature = "config")]
    RELOAD_UP_TO_DATE,
];
