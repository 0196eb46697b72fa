//! A GET.

use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, IF_MODIFIED_SINCE, IF_NONE_MATCH},
};

/// A GET.
#[derive(Clone, Debug)]
#[must_use]
pub struct Get {
    pub(crate) headers: HeaderMap,
    pub(crate) credentials: bool,
}

impl Get {
    /// A GET with the client's credentials, whatever the answer's media type.
    pub fn new() -> Self {
        Self { headers: HeaderMap::new(), credentials: true }
    }

    /// The media types that the answer may have.
    pub fn accept(mut self, media_types: &'static str) -> Self {
        self.headers.insert(ACCEPT, HeaderValue::from_static(media_types));
        self
    }

    /// Only if the representation is no longer the one of this `ETag`; else the answer is 304.
    pub fn if_none_match(mut self, etag: HeaderValue) -> Self {
        self.headers.insert(IF_NONE_MATCH, etag);
        self
    }

    /// Only if it was modified since this `Last-Modified`; else the answer is 304.
    pub fn if_modified_since(mut self, last_modified: HeaderValue) -> Self {
        self.headers.insert(IF_MODIFIED_SINCE, last_modified);
        self
    }

    /// Without custom headers and without a token: for a URL that was learnt, and is of another origin.
    pub fn without_credentials(mut self) -> Self {
        self.credentials = false;
        self
    }
}

impl Default for Get {
    fn default() -> Self {
        Self::new()
    }
}
