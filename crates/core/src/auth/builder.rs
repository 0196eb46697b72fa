use std::{sync::Arc, time::Duration};

use super::{Auth, Inner};
use crate::{
    BuildError, Clock, CredentialSources, DEFAULT_MAX_CREDENTIAL_BYTES, Element, IntoProvider, Observer,
    Policy, Protocol, RequiredScopes, Resource, SystemClock, Throttle, observe,
    policy::{Resources, Service, pattern},
};

/// How long all elements together may take, unless a service says otherwise.
pub(super) const DEFAULT_DECISION_TIMEOUT: Duration = Duration::from_secs(10);

/// The realm of challenges, unless a service says otherwise.
pub(super) const DEFAULT_REALM: &str = "portcullis";

/// Builds an [`Auth`] in code.
///
/// Mistakes are kept until [`AuthBuilder::build`], which reports them all at once.
#[derive(Debug)]
#[must_use]
pub struct AuthBuilder {
    path: String,
    realm: String,
    elements: Vec<Element>,
    resources: Vec<Resource>,
    public: bool,
    optional: bool,
    refuse_uncovered: bool,
    max_credential_bytes: usize,
    decision_timeout: Duration,
    forward_credential: bool,
    sources: CredentialSources,
    protocol: Protocol,
    revalidate_interval: Option<Duration>,
    clock: Option<Arc<dyn Clock>>,
    observers: Vec<Arc<dyn Observer>>,
    throttle: Option<Throttle>,
    problems: Vec<BuildError>,
}

impl AuthBuilder {
    pub(super) fn new() -> Self {
        Self {
            path: "/".to_owned(),
            realm: DEFAULT_REALM.to_owned(),
            elements: Vec::new(),
            resources: Vec::new(),
            public: false,
            optional: false,
            refuse_uncovered: false,
            max_credential_bytes: DEFAULT_MAX_CREDENTIAL_BYTES,
            decision_timeout: DEFAULT_DECISION_TIMEOUT,
            forward_credential: true,
            sources: CredentialSources::default(),
            protocol: Protocol::default(),
            revalidate_interval: None,
            clock: None,
            observers: Vec::new(),
            throttle: None,
            problems: Vec::new(),
        }
    }

    /// The service's base path, which resources are relative to. Default `/`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Adds an element at the end: `provider` authenticates, and any one of `scopes` is enough.
    /// [`RequiredScopes::anyone`] admits every caller that it authenticates.
    pub fn element(mut self, provider: impl IntoProvider, scopes: impl Into<RequiredScopes>) -> Self {
        match Element::new(provider, scopes) {
            Ok(element) => self.elements.push(element),
            Err(error) => {
                let position = self.elements.len() + self.problems.len();
                self.problems.push(BuildError::new(format!("element {position}: {error}")));
            }
        }
        self
    }

    /// Adds elements at the end.
    pub fn elements(mut self, elements: impl IntoIterator<Item = Element>) -> Self {
        self.elements.extend(elements);
        self
    }

    /// Adds a resource that overrides the service.
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    /// Opens the service: no credential is looked at. A contradiction beside elements.
    pub fn public(mut self) -> Self {
        self.public = true;
        self
    }

    /// Admits requests without credentials, without a principal; bad credentials are refused. Default false.
    pub fn optional(mut self, optional: bool) -> Self {
        self.optional = optional;
        self
    }

    /// Says that the service has no elements on purpose: its resources bring their own, and what none of them
    /// covers is refused with 401.
    pub fn refuse_uncovered(mut self) -> Self {
        self.refuse_uncovered = true;
        self
    }

    /// The realm that challenges name: printable ASCII. Default `portcullis`.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = realm.into();
        self
    }

    /// The longest credential that is looked at, in bytes: the value of `Authorization`, the offered subprotocols, a
    /// cookie's value. Default 16 KiB.
    pub fn max_credential_bytes(mut self, bytes: usize) -> Self {
        self.max_credential_bytes = bytes;
        self
    }

    /// How long all elements together may take before the answer is 503. Default 10 s.
    pub fn decision_timeout(mut self, span: Duration) -> Self {
        self.decision_timeout = span;
        self
    }

    /// Whether the handler gets to see the credential: the `Authorization` header, and the cookies that are looked at.
    /// Default true. A token among the subprotocols of a WebSocket is taken out in any case.
    pub fn forward_credential(mut self, forward: bool) -> Self {
        self.forward_credential = forward;
        self
    }

    /// Where the credential is looked for. Default: the `Authorization` header. A source that cannot work is reported by
    /// [`AuthBuilder::build`].
    pub fn credential_sources(mut self, sources: CredentialSources) -> Self {
        self.sources = sources;
        self
    }

    /// How refusals are told, whatever a request looks like. Default: by the status of the response.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// While a WebSocket is open, asks again after each interval whether its token still is good, where a server can
    /// revoke it, see [`Lease::ended`](crate::Lease::ended). Default: never.
    pub fn revalidate_interval(mut self, interval: Duration) -> Self {
        self.revalidate_interval = Some(interval);
        self
    }

    /// Another clock than the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Has `observer` told of every decision, beside those that are told already. Default: nobody is, and nothing is
    /// measured.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Slows down who guesses passwords. A clone shares the counts: give one to all services that the same callers reach.
    /// Default: nobody is slowed down.
    pub fn throttle(mut self, throttle: Throttle) -> Self {
        self.throttle = Some(throttle);
        self
    }

    /// Builds the service.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own.
    pub fn build(mut self) -> Result<Auth, BuildError> {
        let mut problems = std::mem::take(&mut self.problems);
        let mut problem = |text: String| problems.push(BuildError::new(text));
        if let Err(error) = pattern::check(&self.path) {
            problem(error.to_string());
        } else if self.path.contains(['{', '}']) {
            problem(format!(
                "the service path {:?} holds a parameter: parameters belong to resources",
                self.path
            ));
        }
        if !self.realm.chars().all(|character| matches!(character, ' '..='~')) {
            problem("the realm holds characters outside printable ASCII".to_owned());
        }
        if self.max_credential_bytes == 0 {
            problem("maxCredentialBytes of 0 would refuse every credential".to_owned());
        }
        if self.decision_timeout.is_zero() {
            problem("a decisionTimeout of 0 would refuse whatever has to be waited for".to_owned());
        }
        if self.public && (!self.elements.is_empty() || self.optional) {
            problem("`public` beside `auth` or `optional` is a contradiction: keep one of them".to_owned());
        }
        if self.revalidate_interval.is_some_and(|interval| interval.is_zero()) {
            problem("a revalidateInterval of 0 would ask without a pause".to_owned());
        }
        self.sources.problems().into_iter().for_each(&mut problem);
        let covers_nothing = self.elements.is_empty() && self.resources.is_empty();
        let guards_nothing = covers_nothing && !self.public && !self.refuse_uncovered;
        if guards_nothing && problems.is_empty() {
            problems.push(BuildError::new(
                "a service without `auth` would refuse everybody: add an element, give resources their own, or say `public`",
            ));
        }
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let label = format!("service {}", self.path);
        let observer = observe::together(self.observers);
        let of = Service { clock: Arc::clone(&clock), observer: observer.clone() };
        let policy = if self.public {
            Policy::public(label, self.protocol, of)
        } else {
            Policy::guarded(label, self.elements, self.optional, self.protocol, &self.realm, of)
        };
        let mut inner = Inner {
            path: self.path.into(),
            realm: self.realm.into(),
            policy,
            resources: Resources::default(),
            max_credential_bytes: self.max_credential_bytes,
            decision_timeout: self.decision_timeout,
            forward_credential: self.forward_credential,
            sources: self.sources,
            protocol: self.protocol,
            revalidate_interval: self.revalidate_interval,
            clock,
            observer,
            throttle: self.throttle,
        };
        let mut compiled = Vec::new();
        for resource in self.resources {
            match inner.compile(resource) {
                Ok(resource) => compiled.push(resource),
                Err(error) => problems.push(error),
            }
        }
        match Resources::new(compiled) {
            Ok(resources) => inner.take(resources),
            Err(error) => problems.push(error),
        }
        if problems.is_empty() {
            return Ok(Auth(Arc::new(inner)));
        }
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Err(BuildError::new(lines.join("\n")))
    }
}
