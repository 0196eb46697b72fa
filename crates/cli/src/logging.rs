//! Log events on standard error.

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, fmt};

use crate::failure::{Failure, Result};

/// How log events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One readable line each.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The target of events that are written whatever the filter says.
pub(crate) const ALWAYS: &str = "portcullis::program";

/// Starts logging: by `--log`, else by `RUST_LOG`, else by `default`.
pub(crate) fn start(filter: Option<&str>, default: &str, format: LogFormat) -> Result<()> {
    let variable = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|text| !text.is_empty());
    let (text, whence) = match (filter, &variable) {
        (Some(text), _) => (text, "--log"),
        (None, Some(text)) => (text.as_str(), "RUST_LOG"),
        (None, None) => (default, "the default filter"),
    };
    let filter = EnvFilter::try_new(text).map_err(|error| {
        Failure::new(format!(
            "{whence}: not a log filter ({error}); write a level such as `debug`, or `portcullis=debug,warn`"
        ))
    })?;
    let always = format!("{ALWAYS}=info").parse()?;
    let filter = filter.add_directive(always);
    // Where standard error is gone there is nobody to tell, and nothing to panic about.
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .log_internal_errors(false);
    let started = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::new(format!("cannot start logging: {error}")))
}
