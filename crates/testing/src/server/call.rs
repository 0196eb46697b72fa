//! One request as it came in.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, Version, request};
use percent_encoding::percent_decode_str;

/// A request as it reached a test server.
///
/// It shows everything that was sent, secrets too: what arrived is what the test is about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The request target.
    pub uri: Uri,
    /// The version of HTTP.
    pub version: Version,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as it was sent.
    pub body: Bytes,
    /// The certificate that the client showed, in DER; `None` where it showed none, and over plain http.
    pub certificate: Option<Bytes>,
}

impl Call {
    pub(super) fn new(head: request::Parts, body: Bytes, certificate: Option<Bytes>) -> Self {
        let request::Parts { method, uri, version, headers, .. } = head;
        Self { method, uri, version, headers, body, certificate }
    }

    /// The path without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The value of a header; `None` where there is none, more than one, or one that is not ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).into_iter();
        values.next().filter(|_| values.next().is_none())?.to_str().ok()
    }

    /// The body read as a form, in the order it was sent, each name and value decoded once.
    #[must_use]
    pub fn parameters(&self) -> Vec<(String, String)> {
        form(&String::from_utf8_lossy(&self.body))
    }

    /// The one parameter of this name; `None` where there is none, or more than one.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut all = self.parameters().into_iter().filter(|(each, _)| each == name);
        let one = all.next().map(|(_, value)| value);
        one.filter(|_| all.next().is_none())
    }
}

/// `application/x-www-form-urlencoded` (WHATWG URL §5.1).
fn form(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (form_decoded(name), form_decoded(value)))
        .collect()
}

pub(crate) fn form_decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        form(text)
    }

    #[test]
    fn a_form_is_decoded_once_and_keeps_its_order() {
        let expected = [("token", "a b&c=d"), ("", "x"), ("token", "%41"), ("bare", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs("token=a+b%26c%3Dd&=x&&token=%2541&bare"), expected);
    }
}
