//! `[reload]`: when files are looked at for changes.

use std::time::Duration;

use portcullis_core::config::Section;

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3600);

/// When the files of a configuration are looked at for changes. Only those who follow it look ([`Live`](crate::Live)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReloadConfig {
    /// Whether they are looked at without being asked to. Default true.
    pub watch: bool,
    /// How long after each other. Default 2 s; from 100 ms to an hour.
    pub interval: Duration,
}

impl Default for ReloadConfig {
    fn default() -> Self {
        Self { watch: true, interval: Duration::from_secs(2) }
    }
}

impl ReloadConfig {
    pub(super) fn read(section: Option<&Section<'_>>) -> Self {
        let mut config = Self::default();
        let Some(section) = section else { return config };
        config.watch = section.boolean("watch", true);
        match section.duration("interval") {
            Some(span) if !(SHORTEST..=LONGEST).contains(&span) => {
                section.problem("interval", "from 100 ms to an hour: each time all files are read");
            }
            Some(span) => config.interval = span,
            None => {}
        }
        config
    }
}
