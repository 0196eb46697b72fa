//! How a configuration file says it: the section `clientConfig`, and URLs that are called with it.

mod payload;

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderName, header::AUTHORIZATION};
use portcullis_core::{
    TokenSource,
    config::{Node, Section, Value},
};
use portcullis_keys::config::read_client_tls;

use crate::{ClientConfig, Endpoint, HttpVersion, Purpose, header, tls};

const KEY: &str = "clientConfig";

impl ClientConfig {
    /// Reads the section `clientConfig` of `parent`; the defaults where it is absent. What is wrong is noted at its key.
    #[must_use]
    pub fn read(parent: &Section<'_>, purpose: Purpose) -> Option<Self> {
        let config = Self::new().clock(parent.reader().clock());
        match parent.section(KEY) {
            Some(section) => config.read_keys(&section, purpose),
            None if parent.has(KEY) => None,
            None => Some(config),
        }
    }

    /// Asks for every key, also when one is wrong: all problems are told at once.
    fn read_keys(mut self, section: &Section<'_>, purpose: Purpose) -> Option<Self> {
        if let Some(version) = section.string("httpVersion") {
            match version.parse::<HttpVersion>() {
                Ok(version) => self.version = version,
                Err(error) => section.problem("httpVersion", format!("{version:?} is {error}")),
            }
        }
        let has_auth = section.has("auth");
        read_headers(section, has_auth, &mut self);
        self.payload = payload::read(section);
        if purpose == Purpose::Keys && section.has("customPayload") {
            section.warn("customPayload", "has no effect: keys are fetched with GET, which sends no form");
        }
        self.auth = read_auth(section);
        self.read_tls(section, purpose);
        read_timeout(section, "connectTimeout", &mut self.connect_timeout);
        read_timeout(section, "requestTimeout", &mut self.request_timeout);
        self.allow_insecure_http = section.boolean("allowInsecureHttp", false);
        (!section.failed()).then_some(self)
    }

    fn read_tls(&mut self, section: &Section<'_>, purpose: Purpose) {
        let unverified = match section.node("secureSocket").map(Node::value) {
            Some(Value::Table(table)) => {
                matches!(table.get("disable").map(Node::value), Some(Value::Boolean(true)))
            }
            _ => false,
        };
        if section.has("secureSocket")
            && let Some(found) = read_client_tls(section, "secureSocket", self.clock.now().since_epoch())
        {
            self.tls = tls::Tls::given(found.time_provider(tls::time(&self.clock)));
            if let Some(error) = self.tls.error() {
                section.problem("secureSocket", error.to_string());
            }
        }
        let allowed = section.optional_boolean("allowUnverifiedKeys");
        let key = "allowUnverifiedKeys";
        match (unverified && purpose == Purpose::Keys, allowed) {
            (true, Some(true)) | (false, None) => {}
            (true, _) => section.problem(
                key,
                "keys of a server that is not verified can be anybody's, and so can every token: give `secureSocket.cert` \
                 instead of `secureSocket.disable`, or say here that you know (`true`)",
            ),
            (false, Some(_)) if purpose == Purpose::Keys => {
                section.problem(key, "allows nothing without `secureSocket.disable = true`: remove it");
            }
            (false, Some(_)) => section.problem(key, "belongs to a `clientConfig` that fetches keys: remove it"),
        }
    }
}

fn read_headers(section: &Section<'_>, has_auth: bool, config: &mut ClientConfig) {
    let Some(headers) = section.section("customHeaders") else { return };
    let mut seen: Vec<HeaderName> = Vec::new();
    for name in headers.keys() {
        let value = headers.secret(name);
        let checked = match &value {
            Some(value) => header::checked(name, value).map(|(name, _)| name),
            None => header::checked_name(name),
        };
        match checked {
            Err(problem) => headers.problem(name, problem),
            Ok(known) if known == AUTHORIZATION && has_auth => {
                headers.problem(name, "beside `auth` it would be sent twice: keep one of them");
            }
            Ok(known) if seen.contains(&known) => {
                headers.problem(name, "is set twice: the case of a header's name does not matter");
            }
            Ok(known) => {
                seen.push(known);
                config.headers.extend(value.map(|value| (name.to_owned(), value)));
            }
        }
    }
}

fn read_auth(section: &Section<'_>) -> Option<Arc<dyn TokenSource>> {
    section.node("auth")?;
    let Some(reader) = section.reader().plugged::<TokenSourceReader>() else {
        section.problem(
            "auth",
            "this build of portcullis cannot obtain tokens: add its feature `client`, or remove `auth`",
        );
        return None;
    };
    (reader.0)(&section.section("auth")?)
}

fn read_timeout(section: &Section<'_>, key: &str, timeout: &mut Duration) {
    match section.duration(key) {
        Some(Duration::ZERO) => {
            section.problem(key, "zero lets no call succeed: make it longer, or remove it")
        }
        Some(span) => *timeout = span,
        None => {}
    }
}

/// Reads the URL at a key that has to be there, and checks that `config` permits to call it. What is wrong is noted at the
/// key; nothing of the URL is shown.
///
/// `config` is `None` where it could not be read, which was noted then.
#[must_use]
pub fn read_endpoint<'c>(
    parent: &Section<'_>,
    key: &str,
    config: impl Into<Option<&'c ClientConfig>>,
) -> Option<Endpoint> {
    let text = parent.required_string(key)?;
    let endpoint = Endpoint::parse(&text).map_err(|error| parent.problem(key, error.to_string())).ok()?;
    let Some(config) = config.into() else { return Some(endpoint) };
    if let Err(problem) = config.permits(&endpoint) {
        parent.problem(key, problem);
        return None;
    }
    if !endpoint.is_secure() {
        if !endpoint.is_loopback() {
            parent.warn(
                key,
                "plain http to another machine: whoever sits between can read and change everything",
            );
        }
        if config.tls.is_given() {
            parent.warn(key, "is plain http: `clientConfig.secureSocket` has no effect");
        }
    } else if let Err(error) = config.tls.build(&config.clock) {
        parent.problem(key, error.to_string());
        return None;
    }
    Some(endpoint)
}

type Reads = dyn Fn(&Section<'_>) -> Option<Arc<dyn TokenSource>> + Send + Sync;

/// Makes a [`TokenSource`] of the section `auth` of a `clientConfig`. Plugged into the configuration's reader
/// ([`Reader::plug`](portcullis_core::config::Reader::plug)) by whoever assembles it, since grants live in another crate.
#[derive(Clone)]
pub struct TokenSourceReader(Arc<Reads>);

impl TokenSourceReader {
    /// `read` notes what is wrong in the section, and answers `None` then.
    #[must_use]
    pub fn new(read: impl Fn(&Section<'_>) -> Option<Arc<dyn TokenSource>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

impl fmt::Debug for TokenSourceReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSourceReader").finish_non_exhaustive()
    }
}
