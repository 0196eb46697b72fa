//! `portcullis token`

pub(super) mod decode;
pub(super) mod fetch;
pub(super) mod issue;
pub(super) mod verify;

use portcullis::Secret;

use crate::{
    failure::Result,
    input::{self, Content, Input},
};

/// The longest `Authorization` header that a service can be configured to look at.
const MAX_TOKEN_BYTES: u64 = 1024 * 1024;

/// A token from a file or from standard input.
enum Token {
    Text(Secret),
    /// It is nothing that a service would look at, for this reason.
    Unusable(&'static str),
}

impl Token {
    fn read(from: &str) -> Result<Self> {
        Ok(match Input::parse(from, "a token")?.read(MAX_TOKEN_BYTES)? {
            Content::Text(text) => Self::Text(Secret::new(input::without_line_end(text.expose()))),
            Content::NotText => Self::Unusable("it is not text"),
            Content::TooLong => Self::Unusable("it is longer than 1 MiB"),
        })
    }
}
