//! The servers that providers depend on, as people ask about them: probes, readiness, `check --online`.

use std::{fmt, time::Duration};

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
