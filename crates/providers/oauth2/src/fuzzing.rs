//! What the project's fuzz targets see of the answers of servers. No API: it may change with every release.

use std::time::Duration;

use portcullis_core::{Outcome, UnixTime};

use crate::{IntrospectionConfig, grant, introspection};

/// What the introspection answer `text` says of `token`, asked at the time `now`, and for how long that is remembered where it
/// admits; `None` for what is no answer.
#[must_use]
pub fn introspected(
    text: &[u8],
    token: &str,
    config: &IntrospectionConfig,
    now: UnixTime,
) -> Option<(Outcome, Option<Duration>)> {
    introspection::judged(text, token, config, now)
}

/// The value of `Authorization` that comes of the token endpoint's answer `text`, and for how long it is good.
///
/// # Errors
///
/// When there is no token in it that can be used.
pub fn granted(text: &[u8]) -> Result<(String, Duration), String> {
    grant::granted(text)
}
