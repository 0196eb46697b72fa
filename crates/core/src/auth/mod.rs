//! A guarded service: its elements, its resources, its limits.

mod builder;
mod call;
#[cfg(test)]
mod tests;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, Method};

pub use self::{
    builder::AuthBuilder,
    call::{authenticate_header, authorize},
};
use crate::{
    BuildError, Clock, Contact, CredentialSources, Decision, Explanation, Observer, OfferedProtocols,
    Override, Policy, Protocol, Provider, Rejection, RejectionKind, Resource, Step, Throttle, TurnedAway,
    chain,
    policy::{self, Choice, Compiled, Resources, decode, pattern},
};

/// Who may call what in one service. Cheap to clone; a clone shares everything.
///
/// Built in code with [`Auth::builder`], or from Config.toml by the `portcullis` crate.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    /// The base path, `/` where none was given.
    path: Box<str>,
    realm: Box<str>,
    policy: Policy,
    resources: Resources,
    max_credential_bytes: usize,
    decision_timeout: Duration,
    forward_credential: bool,
    sources: CredentialSources,
    protocol: Protocol,
    revalidate_interval: Option<Duration>,
    clock: Arc<dyn Clock>,
    observer: Option<Arc<dyn Observer>>,
    throttle: Option<Throttle>,
}

/// What a decision needs to know of a request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path as the client sent it, percent-encoded, without query.
    pub path: &'a str,
    /// The pattern of the route that a router chose, in axum's syntax, where one did.
    pub route: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The caller's address, where it is known.
    pub client: Option<IpAddr>,
}

impl<'a> RequestHead<'a> {
    /// A request of which no router has chosen a route, from an unknown address.
    #[must_use]
    pub const fn new(method: &'a Method, path: &'a str, headers: &'a HeaderMap) -> Self {
        Self { method, path, route: None, headers, client: None }
    }

    /// The same with the pattern of the route that a router chose.
    #[must_use]
    pub const fn with_route(mut self, route: Option<&'a str>) -> Self {
        self.route = route;
        self
    }

    /// The same with the caller's address.
    #[must_use]
    pub const fn with_client(mut self, client: Option<IpAddr>) -> Self {
        self.client = client;
        self
    }

    pub(crate) const fn about(&self) -> chain::About<'a> {
        chain::About { request: Some((self.method, self.path)), client: self.client }
    }
}

/// A configured resource, for routers that settle at build time which route it speaks for.
#[derive(Clone, Copy, Debug)]
pub struct ResourceView<'a>(&'a Compiled);

impl<'a> ResourceView<'a> {
    /// Its method; `None` for all.
    #[must_use]
    pub const fn method(&self) -> Option<&'a Method> {
        self.0.method.as_ref()
    }

    /// Its whole path, that of the service included.
    #[must_use]
    pub fn pattern(&self) -> &'a str {
        &self.0.pattern
    }

    /// What guards it.
    #[must_use]
    pub const fn policy(&self) -> &'a Policy {
        &self.0.policy
    }

    /// Whether it ends in `{*rest}` and so covers a whole subtree.
    #[must_use]
    pub fn is_subtree(&self) -> bool {
        pattern::is_subtree(self.pattern())
    }

    /// Whether it has the route's pattern, parameter names and percent-encoding aside.
    #[must_use]
    pub fn equals_route(&self, route: &str) -> bool {
        pattern::same_shape(self.pattern(), &decode(route))
    }

    /// Whether it is a subtree that holds every path of the route.
    #[must_use]
    pub fn holds_route(&self, route: &str) -> bool {
        self.is_subtree() && pattern::covers(self.pattern(), &decode(route))
    }

    /// Whether it lies within the route: every path that it covers is one of the route's.
    #[must_use]
    pub fn lies_within_route(&self, route: &str) -> bool {
        pattern::covers(&decode(route), self.pattern())
    }

    /// Whether some path is covered by it and by the route.
    #[must_use]
    pub fn overlaps_route(&self, route: &str) -> bool {
        pattern::overlap(self.pattern(), &decode(route))
    }
}

impl Auth {
    /// Starts a service without elements.
    pub fn builder() -> AuthBuilder {
        AuthBuilder::new()
    }

    /// Decides on a request: chooses the resource that covers it and walks its elements.
    ///
    /// A refusal is logged. Awaiting [`Step::Wait`] takes no longer than the service's decision time-out.
    #[must_use]
    pub fn decide(&self, request: &RequestHead<'_>) -> Step {
        match self.policy_for(request) {
            Ok(policy) => self.decide_by(policy, request),
            Err(rejection) => Step::Ready(Err(self.refused_unasked(rejection, request))),
        }
    }

    /// Decides on a request as [`Auth::decide`] does, where it costs something to find out where it goes and from whom:
    /// `head` is asked only if that makes a difference. It makes none in a service without resources, for a caller who is
    /// remembered and for a request without credential, unless somebody is told of the decision.
    #[must_use]
    pub fn decide_with<'a>(
        &'a self,
        method: &'a Method,
        headers: &'a HeaderMap,
        head: impl FnOnce() -> RequestHead<'a>,
    ) -> Step {
        let inner = &*self.0;
        if !inner.resources.is_empty() {
            return self.decide(&head());
        }
        chain::decide(&inner.policy, &self.subject(method, headers), || head().about())
    }

    /// Decides on a request by a policy that was settled before, for instance when a router was built.
    #[must_use]
    pub fn decide_by(&self, policy: &Policy, request: &RequestHead<'_>) -> Step {
        chain::decide(policy, &self.subject(request.method, request.headers), || request.about())
    }

    fn subject<'a>(&'a self, method: &'a Method, headers: &'a HeaderMap) -> chain::Subject<'a> {
        let inner = &*self.0;
        chain::Subject {
            method,
            headers,
            sources: &inner.sources,
            revalidate_interval: inner.revalidate_interval,
            max_credential_bytes: inner.max_credential_bytes,
            timeout: inner.decision_timeout,
            clock: &inner.clock,
            observer: inner.observer.as_ref(),
            throttle: inner.throttle.as_ref(),
        }
    }

    /// Tells of a refusal before any element could have a say in it.
    fn refused_unasked(&self, rejection: Rejection, request: &RequestHead<'_>) -> Rejection {
        let subject = self.subject(request.method, request.headers);
        chain::refuse_unasked(&self.0.policy, rejection, &subject, request.about())
    }

    fn refusal(&self, kind: RejectionKind, request: &RequestHead<'_>) -> Rejection {
        Rejection::without_challenge(kind, self.0.protocol).answering(request.method)
    }

    /// Decides on a request and waits for the elements that have to be waited for.
    ///
    /// # Errors
    ///
    /// When the request is not let in.
    pub async fn decided(&self, request: &RequestHead<'_>) -> Decision {
        match self.decide(request) {
            Step::Ready(decision) => decision,
            Step::Wait(deciding) => deciding.await,
        }
    }

    /// Tells how a decision comes about, element by element. It writes no cache and no log; it asks servers
    /// only where `contact` allows it.
    pub async fn explain(&self, request: &RequestHead<'_>, contact: Contact) -> Explanation {
        let policy = match self.policy_for(request) {
            Ok(policy) => policy,
            Err(rejection) => {
                return Explanation::of(self.0.policy.label().to_owned(), Err(rejection), "not looked at");
            }
        };
        let subject = self.subject(request.method, request.headers);
        chain::explain(policy, subject, request.client, contact).await
    }

    /// Takes the token out of the subprotocols that a WebSocket client offers, so that neither a handler nor a log sees it.
    /// For whoever calls [`Auth::decide`]: after it, on public resources too, and whatever was decided.
    ///
    /// What comes back has the answer to the request select a protocol. `None` where the service does not look at
    /// subprotocols ([`CredentialSources::websocket_protocol`]), or there is no token among them. A list that cannot be read
    /// is taken away whole.
    pub fn conceal(&self, method: &Method, headers: &mut HeaderMap) -> Option<OfferedProtocols> {
        self.0.sources.conceal(method, headers, self.0.max_credential_bytes)
    }

    /// Takes away the cookies that the service looks at for a token, and leaves the others.
    pub fn conceal_cookies(&self, headers: &mut HeaderMap) {
        self.0.sources.conceal_cookies(headers);
    }

    /// The policy that covers a request.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::NotMounted`] for a path outside the service, and [`RejectionKind::AmbiguousPath`].
    pub fn policy_for(&self, request: &RequestHead<'_>) -> Result<&Policy, Rejection> {
        let inner = &*self.0;
        // Without resources the path decides nothing, and need not be read.
        if inner.resources.is_empty() {
            return Ok(&inner.policy);
        }
        // A request without a path (`OPTIONS *`, plain CONNECT) meets no resource and lies outside nothing.
        let decoded = decode(request.path);
        if request.path.starts_with('/') && !pattern::is_within(&inner.path, &decoded) {
            return Err(self.refusal(RejectionKind::NotMounted, request));
        }
        match inner.resources.choose(request.method, request.path, &decoded, request.route) {
            Choice::Resource(resource) => Ok(&resource.policy),
            Choice::Service => Ok(&inner.policy),
            Choice::Ambiguous => Err(self.refusal(RejectionKind::AmbiguousPath, request)),
        }
    }

    /// Refuses a request that lies outside the path where a layer serves the service, and logs it as
    /// [`RejectionKind::NotMounted`].
    #[must_use]
    pub fn refuse_not_mounted(&self, request: &RequestHead<'_>) -> Rejection {
        let rejection = self.refusal(RejectionKind::NotMounted, request);
        self.refused_unasked(rejection, request)
    }

    /// Tells the observers of a request that a gateway answers itself, whatever its policies say.
    pub fn tell_turned_away(&self, away: &TurnedAway<'_>) {
        if let Some(observer) = &self.0.observer {
            chain::contain::observer(&**observer, |observer| observer.turned_away(away));
        }
    }

    /// The service's own policy, which applies where no resource does.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// The service's policy with an override, for a route named `label` in logs.
    ///
    /// # Errors
    ///
    /// When the override contradicts itself or would admit nobody.
    pub fn policy_with(&self, over: Override, label: impl Into<String>) -> Result<Policy, BuildError> {
        self.0.policy_with(over, label.into())
    }

    /// The service with one more resource. For many, [`Auth::with_resources`] does the work once.
    ///
    /// # Errors
    ///
    /// When its path cannot be used, its override contradicts itself, or another resource covers the same.
    pub fn with_resource(&self, resource: Resource) -> Result<Self, BuildError> {
        self.with_resources([resource])
    }

    /// The service with more resources.
    ///
    /// # Errors
    ///
    /// With the first that is wrong, as [`Auth::with_resource`].
    pub fn with_resources(&self, resources: impl IntoIterator<Item = Resource>) -> Result<Self, BuildError> {
        let mut inner = Inner::clone(&self.0);
        let mut all: Vec<Compiled> = inner.resources.iter().cloned().collect();
        for resource in resources {
            all.push(inner.compile(resource)?);
        }
        inner.take(Resources::new(all)?);
        Ok(Self(Arc::new(inner)))
    }

    /// The configured resources, the most specific first.
    pub fn resources(&self) -> impl Iterator<Item = ResourceView<'_>> {
        self.0.resources.iter().map(ResourceView)
    }

    /// The service's base path; `/` where it has none.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Whether the handler gets to see the `Authorization` header, and the cookies that are looked at for a token.
    #[must_use]
    pub fn forwards_credential(&self) -> bool {
        self.0.forward_credential
    }

    /// The longest credential that is looked at, in bytes.
    #[must_use]
    pub fn max_credential_bytes(&self) -> usize {
        self.0.max_credential_bytes
    }

    /// Where the credential is looked for.
    pub fn credential_sources(&self) -> &CredentialSources {
        &self.0.sources
    }

    /// How long all elements together may take.
    pub(crate) fn decision_timeout(&self) -> Duration {
        self.0.decision_timeout
    }

    /// How refusals are told.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// How long after each other an open WebSocket's token is asked about again; `None` where it is not.
    #[must_use]
    pub fn revalidate_interval(&self) -> Option<Duration> {
        self.0.revalidate_interval
    }

    /// The providers of all elements, the service's and its resources', each once.
    #[must_use]
    pub fn providers(&self) -> Vec<Arc<dyn Provider>> {
        let policies = std::iter::once(self.policy()).chain(self.0.resources.iter().map(|one| &one.policy));
        let mut providers: Vec<Arc<dyn Provider>> = Vec::new();
        for element in policies.flat_map(Policy::elements) {
            if !providers.iter().any(|known| Arc::ptr_eq(known, element.provider())) {
                providers.push(Arc::clone(element.provider()));
            }
        }
        providers
    }

    /// The service with a throttle in the place of its own. [`Throttle`] says what it does.
    #[must_use]
    pub fn with_throttle(&self, throttle: Throttle) -> Self {
        Self(Arc::new(Inner { throttle: Some(throttle), ..Inner::clone(&self.0) }))
    }

    /// What slows down who guesses, where something does.
    #[must_use]
    pub fn throttle(&self) -> Option<&Throttle> {
        self.0.throttle.as_ref()
    }

    /// The clock of the service.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }
}

impl Inner {
    fn service(&self) -> policy::Service {
        policy::Service { clock: Arc::clone(&self.clock), observer: self.observer.clone() }
    }

    fn policy_with(&self, over: Override, label: String) -> Result<Policy, BuildError> {
        let described = |error: BuildError| BuildError::new(format!("{label}: {error}"));
        let applied = over.apply(self.policy.elements(), self.policy.is_optional()).map_err(described)?;
        Ok(match applied {
            None => Policy::public(label, self.protocol, self.service()),
            Some((elements, optional)) => {
                Policy::guarded(label, elements, optional, self.protocol, &self.realm, self.service())
            }
        })
    }

    /// Takes the resources. Where the service has no elements of its own, what they leave uncovered is refused with
    /// their challenges.
    fn take(&mut self, resources: Resources) {
        self.resources = resources;
        if !self.policy.is_public() && self.policy.elements().is_empty() {
            let schemes = self.resources.iter().flat_map(|resource| resource.policy.schemes());
            self.policy =
                Policy::closed(self.policy.label(), schemes, self.protocol, &self.realm, self.service());
        }
    }

    fn compile(&self, resource: Resource) -> Result<Compiled, BuildError> {
        let pattern = pattern::join(&self.path, &resource.path)?;
        let method = resource.method.as_ref().map_or("", Method::as_str);
        let label = format!("resource {method}{}{pattern}", if method.is_empty() { "" } else { " " });
        pattern::check(&pattern)?;
        let policy = self.policy_with(resource.over, label)?;
        Ok(Compiled { method: resource.method, pattern, policy })
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("path", &self.0.path)
            .field("policy", &self.0.policy)
            .field("resources", &self.0.resources)
            .finish_non_exhaustive()
    }
}
