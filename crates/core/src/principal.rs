//! The proof that a caller went through the chain.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use http::{Extensions, HeaderValue};

use crate::{
    Admission, Authorization, Clock, Element, Expired, Identity, Lease, Policy, Scheme, Standing, live::Held,
};

/// Who the caller turned out to be.
///
/// Only the chain makes one, from the answer of an element that authenticated the caller: holding a
/// `Principal` proves that it did. (To audit that, look for `Principal::assertion`.) Cheap to clone.
///
/// It dereferences to the [`Identity`] that the element's provider gave.
#[derive(Clone)]
pub struct Principal {
    identity: Arc<Identity>,
    /// What let the caller in. Name and clock are looked up in it: what threads share costs each of them to count.
    policy: Policy,
    /// Which of its elements did.
    element: usize,
    scheme: Scheme,
    shown: Shown,
    /// What judges it by later versions of the configuration, where there may be some.
    standing: Option<Arc<dyn Standing>>,
}

/// The token that the caller showed. A password is kept nowhere.
#[derive(Clone)]
enum Shown {
    Nothing,
    Header(Authorization),
    /// The identity keeps it. Made of it when somebody asks: what few handlers want, no request waits for. Boxed, since a
    /// principal is moved several times, and in a few instructions as long as it is small.
    WithIdentity(OnceLock<Box<Option<Authorization>>>),
}

impl Principal {
    /// States that an element's provider vouched for `identity`. The chain alone may say so.
    pub(crate) const fn assertion(
        identity: Arc<Identity>,
        policy: Policy,
        element: usize,
        scheme: Scheme,
    ) -> Self {
        Self { identity, policy, element, scheme, shown: Shown::Nothing, standing: None }
    }

    /// Takes along the token that the caller showed.
    pub(crate) fn shown(mut self, authorization: Option<Authorization>) -> Self {
        self.shown = authorization.map_or(Shown::Nothing, Shown::Header);
        self
    }

    /// The same, where the token stands in this header and is the one by which the identity was found.
    pub(crate) fn showing(mut self, header: &HeaderValue) -> Self {
        self.shown = match self.identity.token() {
            Some(_) => Shown::WithIdentity(OnceLock::new()),
            None => Shown::Header(Authorization::sensitive(self.scheme, header.clone())),
        };
        self
    }

    /// The principal of the request that carries `extensions`, where a layer put it there.
    ///
    /// For handlers that see a request's extensions and no axum extractor, such as tonic's. `None` on a public
    /// route, where `optional` admitted a request without credentials, and where no layer ran.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        Admission::of(extensions)?.principal()
    }

    /// The name of the element's provider: `file`, `jwt`, or the name given in the configuration.
    #[must_use]
    pub fn provider(&self) -> &str {
        self.policy.elements().get(self.element).map_or("", Element::name)
    }

    /// The scheme of the credential.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether `scope` is among the principal's scopes.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.identity.scopes().contains(scope)
    }

    /// Completes when the credential expires, by the service's clock, and when a later version of the configuration would
    /// not let the caller in; never where neither happens. For handlers of connections that stay open:
    ///
    /// ```
    /// # async fn serve(caller: portcullis_core::Principal, work: impl Future<Output = ()>) {
    /// tokio::select! {
    ///     () = work => {}
    ///     () = caller.expired() => { /* close the connection */ }
    /// }
    /// # }
    /// ```
    ///
    /// It knows nothing of revocation; [`Admission::lease`] does.
    pub fn expired(&self) -> Expired {
        match self.held() {
            None => Expired::at(self.clock(), self.identity.good_until()),
            Some(held) => {
                Expired::with(Lease::until(self.clock(), self.identity.good_until(), None).held(Some(held)))
            }
        }
    }

    /// The token that the caller showed, wherever in the request it stood, for calls on the caller's behalf
    /// ([`OnBehalfOf::caller`](crate::OnBehalfOf::caller)). `None` for a password: it is kept nowhere.
    #[must_use]
    pub fn authorization(&self) -> Option<&Authorization> {
        match &self.shown {
            Shown::Nothing => None,
            Shown::Header(authorization) => Some(authorization),
            Shown::WithIdentity(made) => {
                let token = || Authorization::of_token(self.identity.token()?).ok();
                made.get_or_init(|| Box::new(token())).as_ref().as_ref()
            }
        }
    }

    pub(crate) fn standing_on(mut self, standing: Arc<dyn Standing>) -> Self {
        self.standing = Some(standing);
        self
    }

    /// What it takes to judge it by later versions of the configuration.
    pub(crate) fn held(&self) -> Option<Held> {
        let standing = Arc::clone(self.standing.as_ref()?);
        Some(Held { standing, principal: Some(self.clone()), asks: false })
    }

    /// The same, vouched for by an element of a later version.
    pub(crate) fn resting_on(self, policy: &Policy, element: usize) -> Self {
        Self { policy: policy.own(), element, ..self }
    }

    /// The element that let the caller in.
    pub(crate) fn element(&self) -> Option<&Element> {
        self.policy.elements().get(self.element)
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        self.policy.clock()
    }

    /// The position of the element that let the caller in.
    pub(crate) const fn position(&self) -> usize {
        self.element
    }

    pub(crate) const fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) const fn shared_identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// What the provider found out.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl Deref for Principal {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("provider", &self.provider())
            .field("scheme", &self.scheme)
            .field("identity", &self.identity)
            .finish()
    }
}
