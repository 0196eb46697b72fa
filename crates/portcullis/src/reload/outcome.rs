//! What became of a version, for programs and for the log.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use portcullis_core::UnixTime;

use super::{contain, locked};
use crate::{
    Config, ConfigError,
    config::keeping::{Contents, Noted},
};

pub(super) const TARGET: &str = "portcullis::reload";

/// A version that was taken up. Holds names and counts, no values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// Its number: the first version has 1.
    pub generation: u64,
    /// Whether there was anything new. Where not, nothing was done.
    pub changed: bool,
    /// The files that have another content than before, that were not read before, or are not read any more.
    pub files: Vec<PathBuf>,
    /// The services that were not there before, by their paths.
    pub added: Vec<String>,
    /// The services that are not there any more.
    pub removed: Vec<String>,
    /// How many users the file user store has.
    pub users: usize,
    /// How many providers, clients and TLS configurations there are.
    pub parts: usize,
    /// How many of them did not change, and were kept with all that they remember.
    pub kept: usize,
}

/// How a followed configuration stands: for metrics and readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReloadState {
    /// The number of the version that is in use: the first has 1.
    pub generation: u64,
    /// Whether the files say what is in use; `false` after a version was refused.
    pub up_to_date: bool,
    /// How many versions were taken up, the first not counted.
    pub taken: u64,
    /// How many were refused.
    pub refused: u64,
    /// When the last was taken up or refused.
    pub last: Option<UnixTime>,
    /// When the one that is in use was taken up.
    pub in_use_since: Option<UnixTime>,
}

/// Who is told.
#[derive(Default)]
pub(crate) struct Told {
    state: Mutex<ReloadState>,
    listeners: Mutex<Vec<Arc<Listener>>>,
}

type Listener = dyn Fn(&Result<Reloaded, ConfigError>) + Send + Sync;

impl Default for ReloadState {
    fn default() -> Self {
        Self { generation: 1, up_to_date: true, taken: 0, refused: 0, last: None, in_use_since: None }
    }
}

impl Told {
    /// The first version was taken up.
    pub(super) fn since(now: UnixTime) -> Self {
        let state = ReloadState { in_use_since: Some(now), ..ReloadState::default() };
        Self { state: Mutex::new(state), ..Self::default() }
    }

    pub(super) fn add(&self, listener: impl Fn(&Result<Reloaded, ConfigError>) + Send + Sync + 'static) {
        locked(&self.listeners).push(Arc::new(listener));
    }

    pub(crate) fn state(&self) -> ReloadState {
        *locked(&self.state)
    }

    pub(super) fn back_to_the_version_in_use(&self) {
        let mut state = locked(&self.state);
        if !state.up_to_date {
            state.up_to_date = true;
            tracing::info!(
                target: TARGET,
                generation = state.generation,
                "the configuration's files are again those of the version that is in use"
            );
        }
    }

    pub(super) fn unchanged(&self) {
        let generation = self.state().generation;
        tracing::info!(target: TARGET, generation, "the configuration's files did not change");
    }

    pub(super) fn taken(&self, mut reloaded: Reloaded, now: UnixTime) -> Reloaded {
        {
            let mut state = locked(&self.state);
            state.generation = state.generation.saturating_add(1);
            state.taken = state.taken.saturating_add(1);
            (state.up_to_date, state.last, state.in_use_since) = (true, Some(now), Some(now));
            reloaded.generation = state.generation;
        }
        let Reloaded { generation, users, parts, kept, .. } = reloaded;
        let files: Vec<String> = reloaded.files.iter().map(|file| file.display().to_string()).collect();
        tracing::info!(
            target: TARGET,
            generation,
            files = files.join(", "),
            added = reloaded.added.join(", "),
            removed = reloaded.removed.join(", "),
            users,
            parts,
            kept,
            "a new version of the configuration is in use"
        );
        self.tell(&Ok(reloaded.clone()));
        reloaded
    }

    pub(super) fn refused(&self, error: &ConfigError, now: UnixTime) {
        let generation = {
            let mut state = locked(&self.state);
            state.refused = state.refused.saturating_add(1);
            (state.up_to_date, state.last) = (false, Some(now));
            state.generation
        };
        tracing::error!(
            target: TARGET,
            generation,
            mistakes = error.problems().len(),
            problems = %error,
            "the new version of the configuration is refused, and the one before stays in use"
        );
        self.tell(&Err(error.clone()));
    }

    fn tell(&self, outcome: &Result<Reloaded, ConfigError>) {
        let listeners = locked(&self.listeners).clone();
        listeners.iter().for_each(|listener| contain::listener(|| listener(outcome)));
    }
}

/// What is different in `new`.
pub(super) fn compare(old: &Config, new: &Config, before: &Contents, after: &Contents) -> Reloaded {
    let path = |noted: &Noted| match noted {
        Noted::Text(path) | Noted::Opened(path) | Noted::Secret(path) => Some(path.clone()),
        Noted::Variable(_) => None,
    };
    let differs = |noted: &&Noted| before.get(*noted) != after.get(*noted);
    let files: BTreeSet<PathBuf> =
        before.keys().chain(after.keys()).filter(differs).filter_map(path).collect();
    let missing_in = |one: &Config, other: &Config| {
        let absent = |path: &&str| !one.services().iter().any(|service| service.path() == *path);
        let paths = other.services().iter().map(crate::ServiceConfig::path);
        paths.filter(absent).map(str::to_owned).collect::<Vec<_>>()
    };
    let (parts, kept) = new.keeping.counts();
    Reloaded {
        generation: 0,
        changed: true,
        files: files.into_iter().collect(),
        added: missing_in(old, new),
        removed: missing_in(new, old),
        users: new.users,
        parts,
        kept,
    }
}

/// Nothing new was found.
pub(super) fn nothing_new(config: &Config, generation: u64) -> Reloaded {
    let (parts, _) = config.keeping.counts();
    Reloaded {
        generation,
        changed: false,
        files: Vec::new(),
        added: Vec::new(),
        removed: Vec::new(),
        users: config.users,
        parts,
        kept: parts,
    }
}
