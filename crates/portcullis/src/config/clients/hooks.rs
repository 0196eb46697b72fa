//! Who is told of new refresh tokens, by client.

use std::collections::BTreeMap;

use portcullis_core::config::{Reader, Section, Table};
use portcullis_oauth2::grant::{RotationHook, RotationHooks};

/// Hooks by the names of clients.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Hooks(BTreeMap<String, RotationHook>);

impl Hooks {
    pub(in crate::config) fn add(&mut self, client: impl Into<String>, hook: RotationHook) {
        self.0.insert(client.into(), hook);
    }

    pub(super) fn has(&self, client: &str) -> bool {
        self.0.contains_key(client)
    }

    /// Lets grants that are read find them.
    pub(in crate::config) fn plug(&self, reader: Reader) -> Reader {
        if self.0.is_empty() {
            return reader;
        }
        // Asked only for how it writes paths.
        let (naming, clients) = (Reader::new(""), Table::default());
        let clients = naming.section(&clients, "clients");
        let hooks =
            self.0.iter().map(|(client, hook)| (format!("{}.auth", clients.path_of(client)), hook.clone()));
        let hooks: BTreeMap<String, RotationHook> = hooks.collect();
        reader.plug(RotationHooks::new(move |path| hooks.get(path).cloned()))
    }

    /// Notes hooks for clients that are not there: their tokens would be lost with the process.
    pub(super) fn check(&self, root: &Section<'_>, clients: Option<&Section<'_>>) {
        for client in self.0.keys() {
            if !clients.is_some_and(|clients| clients.has(client)) {
                root.problem(
                    "clients",
                    format!("there is no client {client:?}, for which the program has a rotation hook"),
                );
            }
        }
    }
}
