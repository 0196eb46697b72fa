//! What the project's fuzz targets see of the gateway's own parsers. No API: it may change with every release.

pub use super::websocket::fuzzing::{close_frame, first_frame, follow};
use super::{path, spelling};

/// A path of a request, percent-decoded, or why it is refused.
///
/// # Errors
///
/// When it could be read in more than one way.
pub fn request_path(raw: &str) -> Result<String, &'static str> {
    path::read(raw).map(Into::into).map_err(|problem| problem.reason().as_str())
}

/// How else a server might read a decoded path, without the slash at its end.
#[must_use]
pub fn readings(path: &str) -> Vec<String> {
    spelling::readings(path).map(|reading| spelling::without_slash(&reading.path).to_owned()).collect()
}
