mod answers;
mod asking;
mod caching;
mod coalescing;
mod configuration;
mod fairness;
mod memory;
mod outages;
mod runtimes;
mod secrets;
mod throttled;

use std::sync::Arc;

use portcullis_core::{Bearer, Clock, Context, Credential, Identity, Outcome, Provider};
use portcullis_outbound::{ClientConfig, Endpoint};
use portcullis_testing::{ManualClock, TestIntrospection};
use serde_json::{Value, json};

use super::{CacheConfig, IntrospectionConfig, Limits, OAuth2Introspection};
use crate::fixtures::NOW;

/// A token that the server of a [`Bench`] knows.
const TOKEN: &str = "2YotnFZFEjr1zCsicMWpAA";

/// A provider, its server, and time.
struct Bench {
    server: TestIntrospection,
    manual: ManualClock,
    clock: Arc<dyn Clock>,
    provider: OAuth2Introspection,
}

impl Bench {
    /// A provider that remembers nothing.
    async fn new() -> Self {
        Self::with(|config| config).await
    }

    /// One that remembers.
    async fn remembering() -> Self {
        Self::with(|config| config.cache(CacheConfig::default())).await
    }

    async fn with(change: impl FnOnce(IntrospectionConfig) -> IntrospectionConfig) -> Self {
        Self::within(Limits::DEFAULT, change).await
    }

    async fn within(limits: Limits, change: impl FnOnce(IntrospectionConfig) -> IntrospectionConfig) -> Self {
        let server = TestIntrospection::start().await;
        server.grant(TOKEN, json!({"sub": "alice", "scope": "read write"}));
        let manual = ManualClock::at(NOW);
        let clock: Arc<dyn Clock> = Arc::new(manual.clone());
        let provider = another(&server, &clock, limits, change);
        Self { server, manual, clock, provider }
    }

    fn cx(&self) -> Context<'_> {
        Context::new(&self.clock)
    }

    async fn ask(&self, token: &str) -> Outcome {
        ask(&self.provider, token, &self.cx()).await
    }

    async fn known(&self, token: &str) -> Arc<Identity> {
        known(self.ask(token).await)
    }

    async fn code(&self, token: &str) -> &'static str {
        code(self.ask(token).await)
    }

    /// What is made of an active answer with these members beside it.
    async fn answer(&self, members: Value) -> Outcome {
        self.server.grant("asked", members);
        self.ask("asked").await
    }

    /// What is made of an answer.
    async fn raw(&self, body: impl Into<String>) -> Outcome {
        self.server.answer_raw("asked", body.into());
        self.ask("asked").await
    }

    /// How many answers are remembered.
    fn len(&self) -> usize {
        self.provider.cache.as_ref().map_or(0, |cache| cache.len())
    }
}

/// Another provider of the same server.
fn another(
    server: &TestIntrospection,
    clock: &Arc<dyn Clock>,
    limits: Limits,
    change: impl FnOnce(IntrospectionConfig) -> IntrospectionConfig,
) -> OAuth2Introspection {
    // The deadlines of calls go by the same clock: a server that hangs does so until the test says otherwise.
    let client = ClientConfig::new().clock(Arc::clone(clock));
    let endpoint = Endpoint::parse(&server.url()).unwrap();
    let config = change(IntrospectionConfig::new(endpoint).client(client));
    OAuth2Introspection::within(limits, config).unwrap()
}

/// As the chain asks.
async fn ask(provider: &OAuth2Introspection, token: &str, cx: &Context<'_>) -> Outcome {
    let credential = Credential::Bearer(Bearer::new(token).unwrap());
    match provider.try_authenticate(&credential, cx) {
        Some(outcome) => outcome,
        None => provider.authenticate(&credential, cx).await,
    }
}

fn known(outcome: Outcome) -> Arc<Identity> {
    match outcome {
        Outcome::Known(identity) => identity,
        other => panic!("known, not {other:?}"),
    }
}

fn code(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Refused(refusal) => refusal.code(),
        other => panic!("refused, not {other:?}"),
    }
}

/// The reason and its causes.
fn unavailable(outcome: Outcome) -> String {
    match outcome {
        Outcome::Unavailable(unavailable) => format!("{unavailable:?}"),
        other => panic!("unavailable, not {other:?}"),
    }
}

/// Lets other tasks run until `reached`.
async fn until(what: &str, reached: impl Fn() -> bool) {
    let waiting = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), waiting)
        .await
        .unwrap_or_else(|_| panic!("waited a minute for {what}"));
}
