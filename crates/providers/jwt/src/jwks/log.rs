//! What the log tells of key sets. Never a key, and nothing that a server wrote as it wrote it.

use super::{fetch::Failure, held::Held};

/// As many keys that were left out are named.
const MOST_NAMED: usize = 8;

/// A set was fetched; said where it is another one than before.
pub(super) fn fetched(held: &Held, before: Option<&Held>) {
    if before.is_some_and(|before| held.is_same_as(before)) {
        return;
    }
    let (url, keys, skipped) = (&*held.url, held.keys().len(), held.skipped().len());
    let what = if before.is_some() { "changed" } else { "fetched" };
    tracing::info!(target: "portcullis", url, keys, skipped, "key set {what}");
    for why in held.skipped().iter().take(MOST_NAMED) {
        tracing::warn!(target: "portcullis", url, "a key of the set is left out: {why}");
    }
}

/// A fetch failed.
pub(super) fn failed(failure: &Failure, usable: bool) {
    let (url, error) = (&*failure.url, &*failure.reason);
    let meanwhile =
        if usable { "the keys of before stay in use" } else { "tokens that need them are answered with 503" };
    tracing::warn!(target: "portcullis", url, error, meanwhile, "cannot fetch the key set");
}

/// A service starts without its keys.
pub(super) fn lazy(url: &str) {
    tracing::info!(target: "portcullis", url, "keys are fetched with the first token; preload = true fetches them at start");
}
