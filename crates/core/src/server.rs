//! The servers that providers depend on, and their queues, as people ask about them: probes, metrics, `check --online`.

use std::{collections::BTreeMap, fmt, time::Duration};

/// What asking a server once gave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Probe {
    /// What the server is asked for: `jwks`, `introspection`, `token`.
    pub role: &'static str,
    /// Its address, without user-info and query.
    pub url: String,
    /// How long the answer took.
    pub took: Duration,
    /// What it answered, in a few words such as `3 keys`; or what is wrong, on one line and without a secret.
    pub result: Result<String, String>,
}

impl Probe {
    /// What came of asking the server at `url` for `role`.
    #[must_use]
    pub fn new(
        role: &'static str,
        url: impl Into<String>,
        took: Duration,
        result: Result<String, String>,
    ) -> Self {
        Self { role, url: url.into(), took, result }
    }
}

/// A server as a provider last saw it. Nothing is asked for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerState {
    /// What the server is asked for: `jwks`, `introspection`, `token`.
    pub role: &'static str,
    /// Its address, without user-info and query.
    pub url: String,
    /// Whether requests that need the server can be decided now.
    pub usable: bool,
    /// How many things of the server's are held, such as keys; `None` where nothing is kept.
    pub holds: Option<usize>,
    /// How long ago the server last answered rightly; `None` where it never did.
    pub age: Option<Duration>,
    /// What went wrong when it was last asked; `None` where that went well, or it was never asked.
    pub last_error: Option<String>,
}

impl ServerState {
    /// A server that was never asked.
    #[must_use]
    pub fn unasked(role: &'static str, url: impl Into<String>) -> Self {
        Self { role, url: url.into(), usable: true, holds: None, age: None, last_error: None }
    }
}

impl ServerState {
    /// The names of what [`ServerState::numbers`] gives as metrics, and what they mean.
    pub const METRICS: [(&'static str, &'static str); 4] = [
        ("portcullis_server_usable", "1 where requests that need the server can be decided."),
        ("portcullis_server_failing", "1 where the server did not answer rightly when it was last asked."),
        ("portcullis_server_held", "Things of the server that are held, such as keys."),
        ("portcullis_server_age_seconds", "Since the server last answered rightly."),
    ];

    /// The state in numbers, in the order of [`ServerState::METRICS`].
    #[must_use]
    pub fn numbers(&self) -> [Option<u64>; 4] {
        [
            Some(u64::from(self.usable)),
            Some(u64::from(self.last_error.is_some())),
            self.holds.map(|holds| holds as u64),
            self.age.map(|age| age.as_secs()),
        ]
    }

    /// Each server once, by what it is asked for and its address. Of providers that share a server, the worse off is shown.
    #[must_use]
    pub fn each_once(states: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let rank = |state: &Self| (!state.usable, state.last_error.is_some(), state.age);
        let mut servers: BTreeMap<(&'static str, String), Self> = BTreeMap::new();
        for state in states {
            let key = (state.role, state.url.clone());
            match servers.get(&key) {
                Some(known) if rank(known) >= rank(&state) => {}
                _ => _ = servers.insert(key, state),
            }
        }
        servers.into_values().collect()
    }
}

/// A bounded queue of a provider: those who wait, or are being served, where there is room for so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueState {
    /// What is queued for: `hashing`, `introspection`, `connections`.
    pub queue: &'static str,
    /// How many there are now.
    pub depth: usize,
    /// How many there may be; whoever comes then is told 503.
    pub limit: usize,
}

impl QueueState {
    /// A queue of `depth` where there may be `limit`.
    #[must_use]
    pub const fn new(queue: &'static str, depth: usize, limit: usize) -> Self {
        Self { queue, depth, limit }
    }
}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.role, self.url, if self.usable { "usable" } else { "not usable" })?;
        if let Some(holds) = self.holds {
            write!(f, ", {holds} held")?;
        }
        if let Some(age) = self.age {
            write!(f, ", {} s old", age.as_secs())?;
        }
        if let Some(error) = &self.last_error {
            write!(f, ", last error: {error}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_in_one_line() {
        let unasked = ServerState::unasked("jwks", "https://issuer.example/jwks");
        assert_eq!(unasked.to_string(), "jwks https://issuer.example/jwks: usable");
        let state = ServerState {
            usable: false,
            holds: Some(3),
            age: Some(Duration::from_millis(61_900)),
            last_error: Some("no answer".to_owned()),
            ..unasked
        };
        assert_eq!(
            state.to_string(),
            "jwks https://issuer.example/jwks: not usable, 3 held, 61 s old, last error: no answer"
        );
    }
}
