//! What the project's fuzz targets see of the frames.

use super::frames::{Frames, Writer, close};

fn frames(by_client: bool) -> Frames {
    Frames::of(if by_client { Writer::Client } else { Writer::Server })
}

/// Where the parts of one direction leave its frames: whether between two of them, and the code of the first Close frame.
///
/// # Errors
///
/// When they are no frames.
pub fn follow<'p>(
    by_client: bool,
    parts: impl IntoIterator<Item = &'p [u8]>,
) -> Result<(bool, Option<u16>), String> {
    let mut frames = frames(by_client);
    for part in parts {
        frames.follow_all(part).map_err(|malformed| malformed.to_string())?;
    }
    Ok((frames.is_between(), frames.closed()))
}

/// How many bytes of a direction the first frame takes.
///
/// # Errors
///
/// When it is none.
pub fn first_frame(by_client: bool, bytes: &[u8]) -> Result<usize, String> {
    frames(by_client).follow(bytes).map_err(|malformed| malformed.to_string())
}

/// The Close frame of the gateway.
#[must_use]
pub fn close_frame(code: u16, reason: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    close(code, reason, mask)
}
