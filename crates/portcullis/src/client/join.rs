//! Paths that are joined to a client's URL.

use http::{Uri, uri::PathAndQuery};

/// What relative URLs are joined to: a client's own URL, as Ballerina joins them. Paths are put behind its path, whether they
/// begin with a slash or not; a `//host` in front is a path as well, and never another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// `scheme://authority`.
    origin: String,
    /// The path, without a slash at its end.
    path: String,
}

impl Base {
    pub(super) fn of(url: &Uri) -> Option<Self> {
        // What a WebSocket client calls by ws is the same server.
        let scheme = url.scheme_str()?.to_ascii_lowercase();
        let scheme = match &*scheme {
            "ws" => "http",
            "wss" => "https",
            scheme => scheme,
        };
        let origin = format!("{scheme}://{}", url.authority()?);
        Some(Self { origin, path: url.path().trim_end_matches('/').to_owned() })
    }

    /// Whether it is plain http.
    pub(super) fn is_plain(&self) -> bool {
        self.origin.starts_with("http://")
    }

    /// A request's URI, absolute. `None` where nothing is to be joined, or nothing can be.
    pub(super) fn uri(&self, uri: &Uri) -> Option<Uri> {
        if uri.scheme().is_some() || uri.authority().is_some() {
            return None;
        }
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        // `*` is no path.
        path.starts_with('/').then(|| format!("{}{}{path}", self.origin, self.path).parse().ok())?
    }

    /// A path, or a URL as it is.
    #[cfg(feature = "reqwest")]
    pub(super) fn url(&self, path_or_url: &str) -> String {
        if is_absolute(path_or_url) {
            return path_or_url.to_owned();
        }
        let slash = if path_or_url.starts_with('/') || path_or_url.starts_with('?') { "" } else { "/" };
        let slash = if path_or_url.is_empty() && !self.path.is_empty() { "" } else { slash };
        format!("{}{}{slash}{path_or_url}", self.origin, self.path)
    }
}

/// Whether a text begins with a scheme and `://`.
#[cfg(feature = "reqwest")]
fn is_absolute(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: &'static str) -> Base {
        Base::of(&Uri::from_static(url)).unwrap()
    }

    #[test]
    fn a_path_stands_behind_that_of_the_client_and_never_leads_elsewhere() {
        for (url, path, expected) in [
            ("https://h/base", "/foo", Some("https://h/base/foo")),
            ("https://h/base/", "/foo?a=b", Some("https://h/base/foo?a=b")),
            ("https://h:8443", "/", Some("https://h:8443/")),
            ("https://h/base", "//evil.example/x", Some("https://h/base//evil.example/x")),
            ("https://h", "//evil.example/x", Some("https://h//evil.example/x")),
            ("wss://h/chat", "/room", Some("https://h/chat/room")),
            ("WS://h/chat", "/room", Some("http://h/chat/room")),
            ("https://h/base", "https://other/foo", None),
            ("https://h/base", "other:80", None),
            ("https://h/base", "*", None),
        ] {
            let joined = base(url).uri(&path.parse().unwrap());
            assert_eq!(joined.as_ref().map(ToString::to_string).as_deref(), expected, "{url} {path}");
            if let Some(joined) = joined {
                assert_eq!(joined.authority(), Uri::from_static(url).authority(), "{path}");
            }
        }
    }

    #[cfg(feature = "reqwest")]
    #[test]
    fn a_text_is_a_path_unless_it_begins_with_a_scheme() {
        for (url, text, expected) in [
            ("https://h/base", "/foo", "https://h/base/foo"),
            ("https://h/base", "foo", "https://h/base/foo"),
            ("https://h/base", "", "https://h/base"),
            ("https://h", "", "https://h/"),
            ("https://h/base", "?a=b", "https://h/base?a=b"),
            ("https://h", ".evil.example/", "https://h/.evil.example/"),
            ("https://h", "@evil.example/", "https://h/@evil.example/"),
            ("https://h", ":80@evil.example/", "https://h/:80@evil.example/"),
            ("https://h", "//evil.example/", "https://h//evil.example/"),
            ("https://h", "://evil.example/", "https://h/://evil.example/"),
            ("https://h", "1a://evil.example/", "https://h/1a://evil.example/"),
            ("https://h", "\\\\evil.example/", "https://h/\\\\evil.example/"),
            ("https://h", "go?to=https://evil.example/", "https://h/go?to=https://evil.example/"),
            ("https://h", "HTTP://other/", "HTTP://other/"),
        ] {
            let joined = base(url).url(text);
            assert_eq!(joined, expected, "{url} {text}");
            if !is_absolute(text) {
                assert_eq!(reqwest::Url::parse(&joined).unwrap().host_str(), Some("h"), "{text}");
            }
        }
    }
}
