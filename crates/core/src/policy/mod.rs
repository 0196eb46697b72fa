//! What guards a request: elements, resources that override their service, and which of them applies.

mod choose;
mod element;
pub(crate) mod pattern;
mod resource;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

pub(crate) use self::choose::{Choice, Compiled, Resources, decode};
pub use self::{
    element::Element,
    resource::{Override, Resource},
};
use crate::{
    Clock, Lanes, Observer, Principal, Protocol, Rejection, RejectionKind, RequiredScopes, Scheme,
    rejection::Challenges,
};

/// What guards one request: the outcome of service, resource and route together. Cheap to clone.
#[derive(Clone)]
pub struct Policy(Arc<Handle>);

/// Alone in its cache line: what is written there is the count of those who hold it.
#[repr(align(64))]
struct Handle {
    inner: Arc<Inner>,
    /// The same policy for each thread, so that those who let callers in do not count together. Empty in these.
    own: OnceLock<Lanes<Policy>>,
}

struct Inner {
    /// What it belongs to, for logs: `service /foo`, `resource GET /foo/admin`.
    label: Box<str>,
    /// How its refusals are told.
    protocol: Protocol,
    of: Service,
    guard: Option<Guard>,
}

/// What a policy has of its service.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

pub(crate) struct Guard {
    pub(crate) elements: Box<[Element]>,
    pub(crate) optional: bool,
    pub(crate) challenges: Challenges,
    /// Made once, since crawlers and browsers ask without credentials all the time.
    pub(crate) no_credential: Rejection,
    /// Where all elements refused a bearer token, and where they refused a password.
    refused_bearer: Rejection,
    refused_basic: Rejection,
}

impl Guard {
    /// Whether some element that looks at such credentials wants to know from whom they come.
    pub(crate) fn looks_at_client(&self, scheme: Scheme) -> bool {
        self.elements.iter().any(|element| element.scheme() == scheme && element.looks_at_client())
    }

    /// The answer where all elements refused a credential of this scheme.
    pub(crate) const fn refused(&self, sent: Scheme) -> &Rejection {
        match sent {
            Scheme::Bearer => &self.refused_bearer,
            Scheme::Basic => &self.refused_basic,
        }
    }
}

impl Policy {
    /// Everybody is let in.
    pub(crate) fn public(label: String, protocol: Protocol, of: Service) -> Self {
        Self::holding(Inner { label: label.into(), protocol, of, guard: None }.into())
    }

    /// One of `elements` has to let the caller in. Without elements nobody is.
    pub(crate) fn guarded(
        label: String,
        elements: Vec<Element>,
        optional: bool,
        protocol: Protocol,
        realm: &str,
        of: Service,
    ) -> Self {
        let challenges = Challenges::new(protocol, realm, elements.iter().map(Element::scheme));
        Self::challenging(label, elements, optional, challenges, of)
    }

    /// Nobody is let in. RFC 9110 §15.5.2 has a 401 name some challenge all the same: that of `schemes`.
    pub(crate) fn closed(
        label: &str,
        schemes: impl Iterator<Item = Scheme>,
        protocol: Protocol,
        realm: &str,
        of: Service,
    ) -> Self {
        let challenges = Challenges::new(protocol, realm, schemes);
        Self::challenging(label.to_owned(), Vec::new(), false, challenges, of)
    }

    fn challenging(
        label: String,
        elements: Vec<Element>,
        optional: bool,
        challenges: Challenges,
        of: Service,
    ) -> Self {
        let no_credential = Rejection::no_credential(&challenges).prepared();
        let refused =
            |sent| Rejection::unauthorized(RejectionKind::Refused, &challenges, Some(sent)).prepared();
        let (refused_bearer, refused_basic) = (refused(Scheme::Bearer), refused(Scheme::Basic));
        let (protocol, elements) = (challenges.protocol(), elements.into());
        let guard = Guard { elements, optional, challenges, no_credential, refused_bearer, refused_basic };
        Self::holding(Inner { label: label.into(), protocol, of, guard: Some(guard) }.into())
    }

    fn holding(inner: Arc<Inner>) -> Self {
        Self(Arc::new(Handle { inner, own: OnceLock::new() }))
    }

    fn inner(&self) -> &Inner {
        &self.0.inner
    }

    /// The same, for a principal: counted by this thread alone, or nearly.
    pub(crate) fn own(&self) -> Self {
        let own = self.0.own.get_or_init(|| Lanes::new(|| Self::holding(Arc::clone(&self.0.inner))));
        own.own().clone()
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner().of.clock
    }

    pub(crate) fn observer(&self) -> Option<&Arc<dyn Observer>> {
        self.inner().of.observer.as_ref()
    }

    pub(crate) fn guard(&self) -> Option<&Guard> {
        self.inner().guard.as_ref()
    }

    /// The answer to a check that asks for the caller where there never is one.
    pub(crate) fn without_caller(&self) -> Rejection {
        Rejection::without_challenge(RejectionKind::PublicRoute, self.inner().protocol)
    }

    /// The answer to a request without credentials.
    pub(crate) fn without_credential(&self) -> Rejection {
        self.guard().map_or_else(|| self.without_caller(), |guard| guard.no_credential.clone())
    }

    /// The answer to a caller that it let in, who holds none of the scopes that a check inside asks for.
    pub(crate) fn forbid(&self, principal: &Principal, scopes: &RequiredScopes) -> Rejection {
        self.guard().map_or_else(
            || self.without_caller(),
            |guard| Rejection::forbidden(&guard.challenges, principal.scheme(), scopes.iter()),
        )
    }

    /// What it belongs to, for logs.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.inner().label
    }

    /// Whether everybody is let in, with the credential not looked at.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.inner().guard.is_none()
    }

    /// Whether a request without credentials is let in.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.guard().is_some_and(|guard| guard.optional)
    }

    /// The elements, in order; empty where it is public.
    #[must_use]
    pub fn elements(&self) -> &[Element] {
        self.guard().map_or(&[], |guard| &guard.elements)
    }

    /// The schemes of the elements, each once, in order.
    pub fn schemes(&self) -> impl Iterator<Item = Scheme> + '_ {
        let elements = self.elements();
        elements.iter().enumerate().filter_map(move |(at, element)| {
            let scheme = element.scheme();
            elements.iter().take(at).all(|before| before.scheme() != scheme).then_some(scheme)
        })
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Policy");
        debug.field("label", &self.label());
        match self.guard() {
            None => debug.field("public", &true),
            Some(guard) => debug.field("elements", &guard.elements).field("optional", &guard.optional),
        };
        debug.finish()
    }
}
