//! Where in a request the credential stood that it was let in by.

use http::{
    HeaderMap, HeaderValue, Method,
    header::{AUTHORIZATION, ORIGIN},
};

use super::{CredentialSources, cookie, origin};

/// Where the one credential of a request stood.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Header,
    WebsocketProtocol,
    /// The cookie of this name, sent by a page of this origin; `None` where the browser said `same-origin`.
    Cookie {
        name: Box<str>,
        origin: Option<HeaderValue>,
    },
}

impl Place {
    /// That of a request which `sources` let in: it has one credential, where they look for it.
    pub(crate) fn of(sources: &CredentialSources, method: &Method, headers: &HeaderMap) -> Self {
        if sources.reads_header_alone() || sources.reads_header() && headers.contains_key(AUTHORIZATION) {
            return Self::Header;
        }
        let sent = sources.cookies.iter().find(|name| cookie::is_sent(headers, name));
        match sent.filter(|_| origin::counts(method, headers, &sources.origins).is_ok()) {
            Some(name) => Self::Cookie { name: name.clone(), origin: headers.get(ORIGIN).cloned() },
            None => Self::WebsocketProtocol,
        }
    }

    /// Whether it is one where `sources` look for credentials.
    pub(crate) fn is_among(&self, sources: &CredentialSources) -> bool {
        match self {
            Self::Header => sources.header,
            Self::WebsocketProtocol => sources.websocket_protocol,
            Self::Cookie { name, origin } => {
                let knows = |origin: &HeaderValue| {
                    sources.origins.iter().any(|known| known.as_bytes() == origin.as_bytes())
                };
                sources.cookies.contains(name) && origin.as_ref().is_none_or(knows)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::{CONNECTION, COOKIE, SEC_WEBSOCKET_PROTOCOL, UPGRADE};

    use super::*;

    const HERE: &str = "https://app.example.org";
    const THERE: &str = "https://other.example.org";

    fn all() -> CredentialSources {
        CredentialSources::header().websocket_protocol().cookie("a").cookie("b").origin(HERE)
    }

    fn place(sources: &CredentialSources, sent: &[(http::HeaderName, &'static str)]) -> Place {
        let opening = [(CONNECTION, "upgrade"), (UPGRADE, "websocket")];
        let headers = opening.iter().chain(sent);
        let headers = headers.map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        assert!(sources.read(&Method::GET, &headers, 100).unwrap().is_some());
        Place::of(sources, &Method::GET, &headers)
    }

    #[test]
    fn a_credential_counts_where_it_stood_and_nowhere_else() {
        let header = place(&all(), &[(AUTHORIZATION, "Bearer x")]);
        let alone = place(&CredentialSources::header(), &[(AUTHORIZATION, "Bearer x"), (COOKIE, "a=y")]);
        // A cookie from elsewhere is ignored beside another credential.
        let beside = place(&all(), &[(AUTHORIZATION, "Bearer x"), (COOKIE, "a=y"), (ORIGIN, THERE)]);
        let protocol =
            place(&all(), &[(SEC_WEBSOCKET_PROTOCOL, "bearer, x"), (COOKIE, "a=y"), (ORIGIN, THERE)]);
        let cookie = place(&all(), &[(COOKIE, "b=x"), (ORIGIN, HERE)]);
        let none = CredentialSources::none();
        for (place, sources, expected) in [
            (&header, CredentialSources::header(), true),
            (&alone, CredentialSources::header(), true),
            (&beside, CredentialSources::header(), true),
            (&header, none.clone().websocket_protocol().cookie("a").origin(HERE), false),
            (&protocol, none.clone().websocket_protocol(), true),
            (&protocol, CredentialSources::header().cookie("a").origin(HERE).origin(THERE), false),
            (&cookie, none.clone().cookie("b").origin(THERE).origin(HERE), true),
            (&cookie, none.clone().cookie("b").origin(THERE), false),
            (&cookie, none.cookie("a").origin(HERE), false),
            (&cookie, CredentialSources::header().websocket_protocol(), false),
        ] {
            assert_eq!(place.is_among(&sources), expected, "{place:?} in {sources:?}");
        }
    }

    #[test]
    fn a_header_that_is_not_looked_at_is_not_the_place() {
        let sources = CredentialSources::none().cookie("a").origin(HERE);
        let cookie = place(&sources, &[(AUTHORIZATION, "Bearer x"), (COOKIE, "a=y"), (ORIGIN, HERE)]);
        assert!(cookie.is_among(&sources) && !cookie.is_among(&CredentialSources::header()));
    }

    #[test]
    fn a_cookie_that_the_browser_called_its_own_needs_no_origin() {
        let sources = CredentialSources::none().cookie("a").origin(HERE);
        let headers = [(COOKIE, "a=y"), (http::HeaderName::from_static("sec-fetch-site"), "same-origin")];
        let headers =
            headers.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
        let place = Place::of(&sources, &Method::GET, &headers);
        assert!(place.is_among(&CredentialSources::none().cookie("a").origin(THERE)));
        assert!(!place.is_among(&CredentialSources::none().cookie("b").origin(HERE)));
    }
}
