//! `throttle` of a service: how long those wait who guess.

use std::time::Duration;

use portcullis_core::{
    Throttle,
    config::{Section, Value},
};

const KEY: &str = "throttle";

/// More than anybody could mean.
const MOST: usize = 1_000_000;

/// What a service says of it.
pub(super) enum Wanted {
    /// Nothing: a library has none, and the gateway its own.
    Unsaid,
    /// That there is to be none.
    No,
    Yes(Throttle),
}

/// Reads `throttle`; all services of a configuration count together with `shared`.
pub(super) fn read(section: &Section<'_>, shared: &Throttle) -> Wanted {
    let Some(node) = section.node(KEY) else { return Wanted::Unsaid };
    match node.value() {
        Value::Boolean(true) => Wanted::Yes(shared.clone()),
        Value::Boolean(false) => Wanted::No,
        Value::Table(_) => section.section(KEY).map_or(Wanted::No, |section| limits(&section, shared)),
        _ => {
            section.problem(
                KEY,
                "a table of `perAddress`, `perUser` and `maxDelay`, `true` for the usual ones, or `false` for none",
            );
            Wanted::No
        }
    }
}

fn limits(section: &Section<'_>, shared: &Throttle) -> Wanted {
    let mut throttle = shared.clone();
    let failures = |key| section.size(key, 1..=MOST).and_then(|failures| u32::try_from(failures).ok());
    if let Some(failures) = failures("perAddress") {
        throttle = throttle.per_address(failures);
    }
    if let Some(failures) = failures("perUser") {
        throttle = throttle.per_user(failures);
    }
    match section.duration("maxDelay") {
        Some(span) if !(Duration::from_secs(1)..=Throttle::HALF_LIFE).contains(&span) => {
            section.problem("maxDelay", "from a second to an hour: counts halve every hour");
        }
        Some(span) => throttle = throttle.max_delay(span),
        None => {}
    }
    Wanted::Yes(throttle)
}
