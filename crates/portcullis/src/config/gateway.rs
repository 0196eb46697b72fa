//! The keys of a service that only the gateway looks at.

use std::{net::IpAddr, sync::Arc};

use portcullis_core::{
    UnixTime,
    config::{Node, Section, Value},
    credential::normalised_origin,
};

use super::keeping::Keeping;

/// What the gateway does with a request that was let in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GatewayConfig {
    /// Where the answer comes from; `None` where Rust code serves the service.
    pub answer: Option<Answer>,
    /// Whether other spellings of a resource's path are 404 (`strict`, the default) or go by what they are.
    pub path_matching: PathMatching,
    /// Whether the credential is forwarded; `None` for the gateway's own rule.
    pub forward_credential: Option<bool>,
    /// Which origins' scripts may read the answers.
    pub cors: Option<CorsConfig>,
    /// Whether who guesses is slowed down by [`Config::throttle`](crate::Config::throttle): the service says nothing of
    /// `throttle`.
    pub usual_throttle: bool,
}

/// Where the gateway's answer comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// This text.
    Respond(String),
    /// A server.
    Upstream(Upstream),
}

/// A server that the gateway stands in front of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Upstream {
    /// `http(s)://host:port[/base]`.
    pub url: http::Uri,
    /// How an https server is verified, and how the gateway shows itself to it; `None` for http.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Whether nothing is verified over https: `upstreamSecureSocket = { disable = true }`.
    pub unverified: bool,
}

/// How exactly a request has to spell a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "spellings are told apart or they are not")]
pub enum PathMatching {
    /// A path that falls under another policy, or another service, in another spelling is 404, for the upstream might
    /// read it so: in another case, without a slash at its end or with one, cut off at an encoded `?` or `#`, or without
    /// dots and blanks at the end of a segment.
    #[default]
    Strict,
    /// Every spelling goes by what it is: for upstreams that tell them apart.
    Exact,
}

/// Which origins' scripts may read the answers: Ballerina's keys.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CorsConfig {
    /// Origins as browsers write them, or `*`.
    pub allow_origins: Vec<String>,
    /// Methods, or `*`.
    pub allow_methods: Vec<String>,
    /// Request headers, or `*`.
    pub allow_headers: Vec<String>,
    /// Whether credentials may be sent.
    pub allow_credentials: bool,
    /// Response headers that scripts may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember a preflight's answer.
    pub max_age: Option<std::time::Duration>,
}

impl GatewayConfig {
    pub(super) fn read(section: &Section<'_>, forward_credential: Option<bool>, now: UnixTime) -> Self {
        let path_matching = match section.choice("pathMatching", &["strict", "exact"]) {
            Some("exact") => PathMatching::Exact,
            _ => PathMatching::Strict,
        };
        let cors = section.section("cors").map(|cors| read_cors(&cors));
        let usual_throttle = !section.has("throttle");
        let answer = read_answer(section, now);
        let in_clear_text = match &answer {
            Some(Answer::Upstream(upstream)) => upstream.tls.is_none() && !is_loopback(&upstream.url),
            _ => false,
        };
        if in_clear_text && forward_credential == Some(true) {
            section.warn(
                "forwardCredential",
                "callers' credentials go to another machine in clear text: whoever sits between reads them; use an https \
                 `upstream`, or leave it out",
            );
        }
        Self { answer, path_matching, forward_credential, cors, usual_throttle }
    }
}

fn read_answer(section: &Section<'_>, now: UnixTime) -> Option<Answer> {
    match section.at_most_one(&["respond", "upstream"]) {
        Some("upstream") => {
            let url = upstream_url(section);
            let tls = match &url {
                Some(url) if url.scheme_str() == Some("http") => {
                    needs(section, "an https `upstream`");
                    None
                }
                _ => Some(read_tls(section, now)?),
            };
            Some(Answer::Upstream(Upstream { url: url?, tls, unverified: is_unverified(section) }))
        }
        found => {
            needs(section, "`upstream`");
            section.string(found?).map(Answer::Respond)
        }
    }
}

/// Notes a `upstreamSecureSocket` that is there without what it needs.
fn needs(section: &Section<'_>, what: &str) {
    if section.node("upstreamSecureSocket").is_some() {
        section.problem("upstreamSecureSocket", format!("needs {what}"));
    }
}

fn upstream_url(section: &Section<'_>) -> Option<http::Uri> {
    let text = section.required_string("upstream")?;
    let url = text.parse::<http::Uri>().ok().filter(|url| {
        let scheme = matches!(url.scheme_str(), Some("http" | "https"));
        let plain = url.authority().is_some_and(|authority| {
            let (text, host) = (authority.as_str(), authority.host());
            // What is no port, such as 99999, reads as none, and another port would be called.
            let port = text == host || authority.port_u16().is_some_and(|port| port > 0);
            port && !host.is_empty() && !text.contains('@')
        });
        scheme && plain && url.query().is_none()
    });
    if url.is_none() {
        section.problem(
            "upstream",
            "not an address of the form http://host:port or https://host:port/base, without user and query",
        );
    }
    url
}

fn is_loopback(url: &http::Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What is wrong with the key is noted where the TLS settings are read.
fn is_unverified(section: &Section<'_>) -> bool {
    let table = section.table().get("upstreamSecureSocket").map(Node::value);
    matches!(table, Some(Value::Table(table)) if matches!(table.get("disable").map(Node::value), Some(Value::Boolean(true))))
}

fn read_tls(section: &Section<'_>, now: UnixTime) -> Option<Arc<rustls::ClientConfig>> {
    const KEY: &str = "upstreamSecureSocket";
    let keeping = Keeping::of(section.reader());
    let mark = keeping.map_or(0, Keeping::mark);
    let tls = portcullis_keys::config::read_client_tls(section, KEY, now.since_epoch())?.build();
    let tls = tls.map_err(|error| section.problem(KEY, portcullis_keys::config::explained(&error)));
    let tls = Arc::new(tls.ok()?);
    let table = match section.table().get(KEY).map(Node::value) {
        Some(Value::Table(table)) => Some(table),
        _ => None,
    };
    Some(match keeping {
        Some(keeping) => keeping.keep(KEY, table.as_slice(), mark, tls),
        None => tls,
    })
}

fn read_cors(section: &Section<'_>) -> CorsConfig {
    let list = |key| section.strings(key).unwrap_or_default();
    let cors = CorsConfig {
        allow_origins: list("allowOrigins")
            .into_iter()
            .filter_map(|origin| read_origin(section, origin))
            .collect(),
        allow_methods: list("allowMethods"),
        allow_headers: list("allowHeaders"),
        allow_credentials: section.boolean("allowCredentials", false),
        expose_headers: list("exposeHeaders"),
        max_age: section.duration("maxAge"),
    };
    let star = |list: &[String]| list.iter().any(|item| item == "*");
    if cors.allow_origins.is_empty() && !section.failed_at("allowOrigins") {
        section.problem(
            "allowOrigins",
            "names no origin: list origins such as \"https://app.example.org\", or \"*\"",
        );
    }
    if cors.allow_credentials {
        // Fetch standard, "CORS protocol and credentials": with credentials `*` stands for itself only.
        for (key, list) in [
            ("allowOrigins", &cors.allow_origins),
            ("allowMethods", &cors.allow_methods),
            ("allowHeaders", &cors.allow_headers),
            ("exposeHeaders", &cors.expose_headers),
        ] {
            if star(list) {
                section.problem(key, "\"*\" does not work with `allowCredentials`: list them");
            }
        }
    }
    for (key, list) in [("allowHeaders", &cors.allow_headers), ("exposeHeaders", &cors.expose_headers)] {
        if list.iter().any(|name| name != "*" && name.parse::<http::HeaderName>().is_err()) {
            section.problem(key, "holds something that is not a header name");
        }
    }
    if cors.allow_methods.iter().any(|name| name != "*" && name.parse::<http::Method>().is_err()) {
        section.problem("allowMethods", "holds something that is not a method");
    }
    cors
}

/// An origin as browsers write it, which is how it is compared; notes what is none.
fn read_origin(section: &Section<'_>, text: String) -> Option<String> {
    if matches!(text.as_str(), "*" | "null") {
        return Some(text);
    }
    let origin = normalised_origin(&text);
    if origin.is_none() {
        // User-info may hold a password.
        let shown = if text.contains('@') { "one of them".to_owned() } else { format!("{text:?}") };
        section.problem(
            "allowOrigins",
            format!(
                "{shown} is not an origin as browsers write it: list each as scheme://host[:port], such as \
                 \"https://app.example.org\", or \"*\" for all"
            ),
        );
    }
    origin
}
