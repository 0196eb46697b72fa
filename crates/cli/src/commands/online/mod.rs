//! The servers that a configuration depends on, asked: `check --online`, and `serve` once it has started.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use portcullis::{Auth, ClientAuth, Config, Element, Policy, Provider};
use portcullis_core::{BoxFuture, Probe, ServerState};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::output::Table;

/// How long a provider or client may take to ask its servers. Each of its calls has a shorter bound of its own.
const LONGEST: Duration = Duration::from_secs(30);

/// What depends on servers, and what cannot do without it.
#[derive(Debug)]
pub(super) struct Needed {
    what: Depends,
    by: Vec<String>,
}

/// What depends on servers.
#[derive(Clone, Debug)]
enum Depends {
    Provider(Arc<dyn Provider>),
    Client(ClientAuth),
}

impl Depends {
    fn is(&self, provider: &Arc<dyn Provider>) -> bool {
        matches!(self, Self::Provider(known) if Arc::ptr_eq(known, provider))
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Provider(provider) => provider.kind(),
            Self::Client(_) => "token",
        }
    }

    fn servers(&self) -> Vec<ServerState> {
        match self {
            Self::Provider(provider) => provider.servers_or_panicked(),
            Self::Client(_) => Vec::new(),
        }
    }

    fn probe(self) -> BoxFuture<'static, Vec<Probe>> {
        Box::pin(async move {
            match self {
                Self::Provider(provider) => provider.probe().await,
                Self::Client(client) => client.probe().await,
            }
        })
    }
}

/// A server's answer, and what cannot do without it.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) probe: Probe,
    pub(super) needed_by: Vec<String>,
}

/// The providers of services and of `[providers]`, each once, the unused ones as well; and the clients.
pub(super) fn of_config(config: &Config) -> Vec<Needed> {
    let mut all = of_services(config.services().iter().map(portcullis::ServiceConfig::auth));
    for (name, provider) in config.providers() {
        let by = format!("providers.{name}");
        match all.iter_mut().find(|known| known.what.is(provider)) {
            Some(known) => known.by.push(by),
            None => all.push(Needed {
                what: Depends::Provider(Arc::clone(provider)),
                by: vec![format!("{by}, which is unused")],
            }),
        }
    }
    all.extend(config.clients().iter().map(|client| Needed {
        what: Depends::Client(client.auth().clone()),
        by: vec![format!("clients.{}", client.name())],
    }));
    all
}

/// The providers of services, each once.
pub(super) fn of_services<'a>(services: impl IntoIterator<Item = &'a Auth>) -> Vec<Needed> {
    let mut all = Vec::new();
    for auth in services {
        let own = auth.policy().elements();
        add(&mut all, auth.policy(), own);
        for resource in auth.resources() {
            // A resource that only has other scopes has the service's elements: they are named once.
            let elements = resource.policy().elements();
            let inherits =
                |element: &Element| own.iter().any(|known| Arc::ptr_eq(known.provider(), element.provider()));
            if !elements.iter().all(inherits) {
                add(&mut all, resource.policy(), elements);
            }
        }
    }
    all
}

fn add(all: &mut Vec<Needed>, policy: &Policy, elements: &[Element]) {
    for (position, element) in elements.iter().enumerate() {
        let by = format!("{} [{position}] {}", policy.label(), element.name());
        match all.iter_mut().find(|known| known.what.is(element.provider())) {
            Some(known) => known.by.push(by),
            None => {
                all.push(Needed { what: Depends::Provider(Arc::clone(element.provider())), by: vec![by] })
            }
        }
    }
}

/// Asks every server once, all at the same time.
pub(super) async fn ask(all: Vec<Needed>) -> Vec<Answered> {
    ask_within(all, LONGEST).await
}

async fn ask_within(all: Vec<Needed>, longest: Duration) -> Vec<Answered> {
    let asked: Vec<_> = all
        .into_iter()
        .map(|Needed { what, by }| {
            let states = what.servers();
            let kind = what.kind();
            // In a task of its own: whatever becomes of one, the others are answered.
            let task = tokio::spawn(async move { timeout(longest, what.probe()).await });
            (task, states, kind, by)
        })
        .collect();
    let mut answered = Vec::new();
    for (task, states, kind, by) in asked {
        let failed = |reason: String| {
            let mut servers: Vec<_> = states.iter().map(|state| (state.role, state.url.clone())).collect();
            if servers.is_empty() {
                servers.push((kind, String::new()));
            }
            let probe = |(role, url)| Probe::new(role, url, longest, Err(reason.clone()));
            servers.into_iter().map(probe).collect()
        };
        let probes: Vec<Probe> = match task.await {
            Ok(Ok(probes)) => probes,
            Ok(Err(_)) => failed(format!("no answer within {} s", longest.as_secs())),
            Err(_) => failed("asking failed: this is a defect".to_owned()),
        };
        answered.extend(probes.into_iter().map(|probe| Answered { probe, needed_by: by.clone() }));
    }
    answered
}

impl Answered {
    pub(super) const fn is_right(&self) -> bool {
        self.probe.result.is_ok()
    }
}

/// What answered, how fast, what is wrong, and who needs it.
pub(super) fn table(all: &[Answered]) -> Table {
    let mut table = Table::new(2, &["ROLE", "SERVER", "STATE", "TOOK", "NEEDED BY", "ANSWER"]);
    for Answered { probe, needed_by } in all {
        let (word, answer) = match &probe.result {
            Ok(answer) => ("ok", answer),
            Err(problem) => ("WRONG", problem),
        };
        let took = format!("{} ms", probe.took.as_millis());
        table.row([probe.role, &probe.url, word, &took, &needed_by.join("; "), answer]);
    }
    table
}

pub(super) fn json(all: &[Answered]) -> Vec<Value> {
    let value = |Answered { probe, needed_by }: &Answered| {
        json!({
            "role": probe.role,
            "url": probe.url,
            "right": probe.result.is_ok(),
            "milliseconds": u64::try_from(probe.took.as_millis()).unwrap_or(u64::MAX),
            "answer": probe.result.as_ref().ok(),
            "problem": probe.result.as_ref().err(),
            "neededBy": needed_by,
        })
    };
    all.iter().map(value).collect()
}
