use std::{borrow::Cow, fmt, sync::Arc};

use http::Uri;
use portcullis_core::{BuildError, TokenSource};

use super::{
    ClientAuth, Target,
    auth::Rules,
    origin::{NotLocated, Origin},
};

/// Makes a [`ClientAuth`]: [`ClientAuth::builder`].
#[must_use = "a builder builds nothing by itself"]
pub struct ClientAuthBuilder {
    source: Arc<dyn TokenSource>,
    name: Option<Box<str>>,
    url: Option<String>,
    origins: Vec<String>,
    any_origin: bool,
    retry_on_401: bool,
    allow_insecure_http: bool,
}

impl ClientAuthBuilder {
    pub(super) fn new(source: Arc<dyn TokenSource>) -> Self {
        Self {
            source,
            name: None,
            url: None,
            origins: Vec::new(),
            any_origin: false,
            retry_on_401: true,
            allow_insecure_http: false,
        }
    }

    /// Names the client, for errors and logs.
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.name = Some(name.as_ref().into());
        self
    }

    /// What the client calls, such as `https://orders.example/v2`: its origin is where the credential may go. Without a
    /// scheme it is https. A WebSocket's `wss` and `ws` count as https and http.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// One more origin that the credential may go to, such as `https://orders.example:8443`.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Lets the credential go to whatever a request calls, over https or to this machine.
    ///
    /// # Security
    ///
    /// Whoever can have the service call a URL of his choice gets the credential.
    pub fn any_origin(mut self) -> Self {
        self.any_origin = true;
        self
    }

    /// Whether a request that is refused with 401 is sent once more with a newer credential, where there is one; it is by
    /// default. See the [module](super).
    pub fn retry_on_401(mut self, retries: bool) -> Self {
        self.retry_on_401 = retries;
        self
    }

    /// Whether the credential may go over plain http to other machines.
    ///
    /// # Security
    ///
    /// Whoever is on the way reads it.
    pub fn allow_insecure_http(mut self, allowed: bool) -> Self {
        self.allow_insecure_http = allowed;
        self
    }

    /// The client.
    ///
    /// # Errors
    ///
    /// When nothing says where the credential may go, when that is no URL or has more than belongs there, and when it would
    /// go over plain http to another machine. The error shows nothing of a URL but scheme, host and port.
    pub fn build(self) -> Result<ClientAuth, BuildError> {
        let name = self.name.as_deref();
        let says = |what: Cow<'static, str>| {
            BuildError::new(match name {
                Some(name) => format!("client `{name}`: {what}"),
                None => format!("client: {what}"),
            })
        };
        let mut origins = Vec::with_capacity(1 + self.origins.len());
        let mut add = |place: &'static str, uri: &Uri| {
            let origin = located(uri).and_then(|origin| self.travels_safely(origin));
            origin.map(|origin| origins.push(origin)).map_err(|problem| says(problem.at(place)))
        };

        let url = match &self.url {
            None => None,
            Some(text) => {
                let uri = parse(text).map_err(|problem| says(problem.at("url")))?;
                add("url", &uri)?;
                Some(uri)
            }
        };
        for text in &self.origins {
            let uri = parse(text).map_err(|problem| says(problem.at("origin")))?;
            add("origin", &uri)?;
            if uri.path() != "/" {
                return Err(says(Problem::Path.at("origin")));
            }
        }
        if origins.is_empty() && !self.any_origin {
            return Err(says(Cow::Borrowed(
                "nothing says where its credential may go; give it `url`, `origins`, or `anyOrigin`",
            )));
        }
        let rules = Rules {
            name: self.name.clone(),
            url,
            own: origins.first().cloned(),
            origins: origins.into(),
            any_origin: self.any_origin,
            retry_on_401: self.retry_on_401,
            allow_insecure_http: self.allow_insecure_http,
        };
        Ok(ClientAuth::new(self.source, Arc::new(rules)))
    }

    fn travels_safely(&self, origin: Origin) -> Result<Origin, Problem> {
        let located = origin.located();
        if located.secure || located.is_loopback() || self.allow_insecure_http {
            Ok(origin)
        } else {
            Err(Problem::PlainHttp(located.to_string()))
        }
    }
}

/// What is wrong with a URL.
enum Problem {
    Malformed,
    Scheme,
    UserInfo,
    Query,
    Path,
    PlainHttp(String),
}

impl Problem {
    fn at(&self, place: &'static str) -> Cow<'static, str> {
        let what = match self {
            Self::Malformed => {
                "is no URL; write it as in `https://orders.example:8443`, other letters than ASCII as punycode"
            }
            Self::Scheme => "has another scheme than https, http, wss and ws",
            Self::UserInfo => "has a user name; give the client Basic as its credential instead",
            Self::Query => "has a query or a fragment; leave it out",
            Self::Path => "has a path, which does not narrow where the credential may go; leave it out",
            Self::PlainHttp(origin) => {
                return Cow::Owned(format!(
                    "the {place} {origin} lets everybody on the way read its credential; use https, or set `allowInsecureHttp`"
                ));
            }
        };
        Cow::Owned(format!("the {place} {what}"))
    }
}

/// Reads a URL. Without a scheme it is https.
fn parse(text: &str) -> Result<Uri, Problem> {
    if text.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
        return Err(Problem::Malformed);
    }
    if text.contains(['?', '#']) {
        return Err(Problem::Query);
    }
    let has_scheme = text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains('/'));
    let uri: Uri = if has_scheme { text.parse() } else { format!("https://{text}").parse() }
        .map_err(|_: http::uri::InvalidUri| Problem::Malformed)?;
    match uri.authority() {
        None => Err(Problem::Malformed),
        Some(authority) if authority.as_str().contains('@') => Err(Problem::UserInfo),
        Some(_) => Ok(uri),
    }
}

fn located(uri: &Uri) -> Result<Origin, Problem> {
    match Target::from(uri).locate() {
        Ok(located) => Ok(Origin::of(located)),
        Err(NotLocated::Scheme) => Err(Problem::Scheme),
        Err(NotLocated::Relative | NotLocated::Authority) => Err(Problem::Malformed),
    }
}

impl fmt::Debug for ClientAuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuthBuilder")
            .field("name", &self.name)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
