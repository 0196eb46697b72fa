//! Servers behind the gateway: where they are, and how requests get there.
//!
//! Connections are kept and used again; https ones speak HTTP/2 where the server does, http ones HTTP/1.1, or HTTP/2
//! where the service is one of gRPC. A WebSocket has a connection of its own, in HTTP/1.1. No redirect is followed and no
//! proxy of the environment is asked. A request is sent once more only where a kept connection turned out to be closed
//! before a byte of it was sent.

mod connect;
mod exchange;
mod failure;

use std::{net::IpAddr, sync::Arc};

use http::{
    Request, Response, StatusCode, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body_util::Empty;
use hyper::body::Incoming;
use portcullis_core::{BuildError, Clock, Protocol};

use self::connect::{Client, Speaks};
pub(super) use self::{exchange::Progress, failure::Failure};
use super::{
    body::{self, ClientBody},
    headers::Onward,
    path,
    reply::{Kind, Refused},
};

/// A server that the gateway stands in front of.
#[derive(Clone, Debug)]
pub struct Upstream {
    scheme: Scheme,
    authority: Authority,
    /// What is put before a request's path; without a slash at its end, empty for the root.
    base: String,
    tls: Option<Arc<rustls::ClientConfig>>,
    /// Whether what is sent there stays secret: over https to whom it is meant for, or on this machine.
    keeps_secrets: bool,
}

impl Upstream {
    /// The server at `http(s)://host:port[/base]`; `tls` says how an https one is verified, and how the gateway
    /// shows itself to it.
    ///
    /// # Errors
    ///
    /// When the address is of another form, or `tls` does not fit its scheme.
    pub fn new(url: &Uri, tls: Option<Arc<rustls::ClientConfig>>) -> Result<Self, BuildError> {
        let error = |text: &str| Err(BuildError::new(format!("the upstream {text}")));
        let (Some(scheme), Some(authority)) = (url.scheme(), url.authority()) else {
            return error("has no host: write http://host:port or https://host:port");
        };
        if authority.as_str().contains('@') || url.query().is_some() {
            return error("has a user or a query: write http(s)://host:port[/base] alone");
        }
        let is_https = *scheme == Scheme::HTTPS;
        match (&tls, is_https, *scheme == Scheme::HTTP) {
            (_, false, false) => return error("is neither http nor https"),
            (None, true, _) => return error("is https and nothing says which certificates to trust"),
            (Some(_), false, _) => return error("is http and has TLS settings"),
            _ => {}
        }
        if let Err(problem) = path::read(url.path()) {
            return error(&format!("has a base path that servers read in two ways ({problem})"));
        }
        let base = url.path().trim_end_matches('/').to_owned();
        let keeps_secrets = *scheme == Scheme::HTTPS || is_loopback(authority.host());
        Ok(Self { scheme: scheme.clone(), authority: authority.clone(), base, tls, keeps_secrets })
    }

    /// The same where `tls` verifies nothing: whoever sits between reads what is sent there.
    #[must_use]
    pub fn unverified(self) -> Self {
        Self { keeps_secrets: is_loopback(self.authority.host()), ..self }
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The way to one upstream.
#[derive(Debug)]
pub(super) struct Way {
    upstream: Upstream,
    protocol: Protocol,
    client: Client,
    speaks: Speaks,
    /// For WebSockets.
    upgrades: Client,
    clock: Arc<dyn Clock>,
}

impl Way {
    pub(super) fn new(upstream: Upstream, protocol: Protocol, clock: &Arc<dyn Clock>) -> Self {
        let tls = upstream.tls.as_deref();
        let speaks = match (tls, protocol) {
            (Some(_), _) => Speaks::Negotiated,
            // gRPC knows no other, and servers of it that serve http expect the preface at once.
            (None, Protocol::Grpc) => Speaks::Http2,
            (None, _) => Speaks::Http1,
        };
        let client = Client::new(tls, speaks, clock);
        let upgrades = Client::new(tls, Speaks::Upgrades, clock);
        Self { upstream, protocol, client, speaks, upgrades, clock: Arc::clone(clock) }
    }

    /// Whether this is the way to that server, spoken to in the same manner.
    pub(super) fn leads_to(&self, upstream: &Upstream, protocol: Protocol) -> bool {
        let own = &self.upstream;
        let same_tls = match (&own.tls, &upstream.tls) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            _ => false,
        };
        same_tls
            && self.protocol == protocol
            && own.scheme == upstream.scheme
            && own.authority == upstream.authority
            && own.base == upstream.base
            && own.keeps_secrets == upstream.keeps_secrets
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Whether bearer tokens may go there without being told so.
    pub(super) const fn keeps_secrets(&self) -> bool {
        self.upstream.keeps_secrets
    }

    /// Which protocols are spoken there.
    pub(super) fn onward(&self) -> Onward {
        if self.speaks == Speaks::Http1 { Onward::Http1 } else { Onward::Negotiated }
    }

    /// The address of a request: the upstream's, and the path and query exactly as the client sent them.
    pub(super) fn address(&self, asked: &Uri) -> Result<Uri, Refused> {
        let base = &self.upstream.base;
        let path = match asked.path_and_query() {
            Some(sent) if base.is_empty() && sent.as_str().starts_with('/') => Ok(sent.clone()),
            sent => {
                let sent = sent.map_or("/", PathAndQuery::as_str);
                // An absolute-form target without a path may have a query (RFC 9112 §3.2.2).
                let slash = if sent.starts_with('/') { "" } else { "/" };
                PathAndQuery::try_from(format!("{base}{slash}{sent}"))
            }
        };
        let address = Uri::builder()
            .scheme(self.upstream.scheme.clone())
            .authority(self.upstream.authority.clone())
            .path_and_query(path.map_err(|_| Refused::from(Kind::TooLong))?);
        address.build().map_err(|_| Kind::TooLong.into())
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        &self,
        head: http::request::Parts,
        body: ClientBody,
    ) -> Result<Response<Incoming>, Failure> {
        let request = Request::from_parts(head, body);
        let response = exchange::exchange(&self.client, &self.clock, request).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::new(StatusCode::BAD_GATEWAY, "the upstream switched protocols unasked"));
        }
        Ok(response)
    }

    /// Asks to switch protocols, and waits for the head of the answer.
    pub(super) async fn open(&self, head: http::request::Parts) -> Result<Response<Incoming>, Failure> {
        let request = Request::from_parts(head, body::client(Empty::new()));
        exchange::exchange(&self.upgrades, &self.clock, request).await
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::SystemClock;

    use super::*;

    fn tls() -> Option<Arc<rustls::ClientConfig>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        Some(Arc::new(config))
    }

    fn upstream(url: &'static str) -> Upstream {
        let tls = if url.starts_with("https") { tls() } else { None };
        Upstream::new(&Uri::from_static(url), tls).unwrap()
    }

    fn way(url: &'static str) -> Way {
        way_to(upstream(url))
    }

    fn way_to(upstream: Upstream) -> Way {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Way::new(upstream, Protocol::Http, &clock)
    }

    #[test]
    fn the_path_goes_on_as_it_was_sent_behind_the_base() {
        for (url, asked, expected) in [
            ("http://h:1", "/foo/%61?x=%2F;//#f", "http://h:1/foo/%61?x=%2F;//"),
            ("http://h:1/", "/", "http://h:1/"),
            ("http://h:1/base", "/foo/", "http://h:1/base/foo/"),
            ("http://h:1/a%20b/", "/foo", "http://h:1/a%20b/foo"),
            ("http://h:1", "http://evil:2/foo?q", "http://h:1/foo?q"),
            ("http://h:1/base", "http://evil:2?q", "http://h:1/base/?q"),
            ("http://h", "/foo?", "http://h/foo?"),
        ] {
            let address = way(url).address(&asked.parse().unwrap()).unwrap();
            assert_eq!(address.to_string(), expected, "{url} {asked}");
        }
        let long = format!("/{}", "a".repeat(65_530));
        assert!(way("http://h:1").address(&long.parse().unwrap()).is_ok());
        let error = way("http://h:1/base").address(&long.parse().unwrap()).unwrap_err();
        assert_eq!(error.kind, Kind::TooLong);
    }

    #[test]
    fn secrets_are_kept_by_https_and_by_this_machine() {
        for url in [
            "https://example.org",
            "http://127.0.0.1:1",
            "http://127.9.9.9",
            "http://[::1]:1",
            "http://LOCALHOST",
        ] {
            assert!(way(url).keeps_secrets(), "{url}");
        }
        for url in ["http://example.org", "http://10.0.0.1", "http://localhost.example.org", "http://[::2]"] {
            assert!(!way(url).keeps_secrets(), "{url}");
        }
    }

    #[test]
    fn https_that_verifies_nothing_keeps_secrets_on_this_machine_alone() {
        for (url, keeps) in [
            ("https://example.org", false),
            ("https://10.0.0.1:8443", false),
            ("https://127.0.0.1:1", true),
            ("https://localhost", true),
        ] {
            assert!(way(url).keeps_secrets(), "{url}");
            let unverified = upstream(url).unverified();
            assert_eq!(way_to(unverified.clone()).keeps_secrets(), keeps, "{url}");
            let same = Upstream { keeps_secrets: true, ..unverified.clone() };
            assert_eq!(way_to(same).leads_to(&unverified, Protocol::Http), keeps, "{url}");
        }
    }

    #[test]
    fn addresses_of_another_form_are_refused_with_the_reason() {
        for (url, tls, reason) in [
            ("/foo", None, "has no host"),
            ("example.org", None, "has no host"),
            ("ftp://h", None, "neither http nor https"),
            ("http://user:secret@h", None, "a user or a query"),
            ("http://h/?x", None, "a user or a query"),
            ("http://h/a/../b", None, "path-dot-segment"),
            ("http://h//b", None, "path-empty-segment"),
            ("https://h", None, "which certificates to trust"),
            ("http://h", tls(), "has TLS settings"),
        ] {
            let error = Upstream::new(&Uri::from_static(url), tls).unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains("secret"), "{url}: {error}");
        }
    }
}
