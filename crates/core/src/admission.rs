//! The proof that a request went through the chain and was let in.

use std::{fmt, sync::Arc};

use http::Extensions;

use crate::{
    Authorization, Lease, Policy, Principal, Protocol, Rejection, RejectionKind, RequestHead, RequiredScopes,
    Standing, chain, lease::Again, live::Held,
};

/// How a request was let in. Only the chain makes one.
///
/// The layer attaches it to the request, where [`Principal::of`] and the extractors look for it. Its absence
/// means that no layer ran: a wiring mistake, which is answered with 500 and never with 401.
#[derive(Clone, Debug)]
pub struct Admission {
    how: How,
    /// What it takes to ask again while a connection is open.
    again: Option<Arc<Again>>,
}

#[derive(Clone, Debug)]
enum How {
    Authenticated(Principal),
    /// `optional` let a request without credentials in. What judges it by later versions of the configuration stands beside
    /// the policy, where there may be some.
    Anonymous(Policy, Option<Arc<dyn Standing>>),
    Public(Policy, Option<Arc<dyn Standing>>),
}

/// Who asks for an admission inside the layer: its name, for logs and observers, and the request that it asks about, where
/// that is at hand. A name alone does.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    pub(crate) name: &'a str,
    request: Option<&'a dyn Fn() -> RequestHead<'a>>,
}

impl<'a> Asker<'a> {
    /// Who asks by this name.
    #[must_use]
    pub const fn new(name: &'a str) -> Self {
        Self { name, request: None }
    }

    /// The same, about a request. It is looked at only where it is refused.
    #[must_use]
    pub const fn about(self, request: &'a dyn Fn() -> RequestHead<'a>) -> Self {
        Self { request: Some(request), ..self }
    }

    pub(crate) fn request(self) -> chain::About<'a> {
        self.request.map(|request| request().about()).unwrap_or_default()
    }
}

impl<'a> From<&'a str> for Asker<'a> {
    fn from(name: &'a str) -> Self {
        Self::new(name)
    }
}

impl fmt::Debug for Asker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Asker").field(&self.name).finish()
    }
}

/// What holds the admission in a request's extensions. Nobody else can name it, so nobody else can put one there.
#[derive(Clone)]
struct Attached(Admission);

impl Admission {
    pub(crate) const fn authenticated(principal: Principal) -> Self {
        Self { how: How::Authenticated(principal), again: None }
    }

    pub(crate) fn anonymous(policy: &Policy) -> Self {
        Self { how: How::Anonymous(policy.own(), None), again: None }
    }

    pub(crate) fn public(policy: &Policy) -> Self {
        Self { how: How::Public(policy.own(), None), again: None }
    }

    /// The admission of the request that carries `extensions`; `None` where no layer ran.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get::<Attached>().map(|Attached(admission)| admission)
    }

    /// Puts the admission into a request's extensions.
    ///
    /// An inner layer never takes the principal away that an outer one established: an admission without one
    /// does not replace it. Nor does a public one replace that of an outer layer which is stricter.
    pub fn attach(self, extensions: &mut Extensions) {
        let keeps_earlier = match self.how {
            How::Authenticated(_) => false,
            How::Anonymous(..) => Self::of(extensions).is_some_and(|earlier| earlier.principal().is_some()),
            How::Public(..) => Self::of(extensions).is_some(),
        };
        if !keeps_earlier {
            extensions.insert(Attached(self));
        }
    }

    /// The admission, for what stands inside the layer and cannot do without, a caller or none. A refusal is logged,
    /// with `asker` as what asks: a name, or an [`Asker`].
    ///
    /// # Errors
    ///
    /// 500, the operator's fault, where no layer ran ([`RejectionKind::LayerMissing`]).
    pub fn demand<'e, 'a>(
        extensions: &'e Extensions,
        asker: impl Into<Asker<'a>>,
    ) -> Result<&'e Self, Rejection> {
        Self::of(extensions).ok_or_else(|| chain::narrowed(None, None, Self::missing(), asker.into()))
    }

    /// The caller, for a check inside the layer that cannot do without. A refusal is logged, and observers are told,
    /// with `asker` as the check: its name, or an [`Asker`].
    ///
    /// # Errors
    ///
    /// 401 where `optional` let a request without credentials in. 500, the operator's fault, where no layer ran
    /// ([`RejectionKind::LayerMissing`]) and where the route is public ([`RejectionKind::PublicRoute`]).
    pub fn demand_caller<'e, 'a>(
        extensions: &'e Extensions,
        asker: impl Into<Asker<'a>>,
    ) -> Result<&'e Principal, Rejection> {
        Self::demanded(extensions).map(|(principal, _)| principal).map_err(|rejection| {
            chain::narrowed(Self::of(extensions).map(Self::policy), None, rejection, asker.into())
        })
    }

    /// The caller, if it holds any one of `scopes`, for a check inside the layer. A refusal is logged, and
    /// observers are told, with `asker` as the check: its name, or an [`Asker`].
    ///
    /// # Errors
    ///
    /// As [`Admission::demand_caller`], and 403 for a caller that holds none of the scopes.
    pub fn demand_scopes<'e, 'a>(
        extensions: &'e Extensions,
        scopes: &RequiredScopes,
        asker: impl Into<Asker<'a>>,
    ) -> Result<&'e Principal, Rejection> {
        let asker = asker.into();
        let principal = Self::demand_caller(extensions, asker)?;
        if scopes.satisfied_by(principal.scopes()) {
            return Ok(principal);
        }
        let (_, policy) = Self::demanded(extensions)?;
        Err(chain::narrowed(Some(policy), Some(principal), policy.forbid(principal, scopes), asker))
    }

    /// Of which service the request is nobody can tell, and so not in which protocol to refuse it.
    fn missing() -> Rejection {
        Rejection::without_challenge(RejectionKind::LayerMissing, Protocol::Http)
    }

    fn demanded(extensions: &Extensions) -> Result<(&Principal, &Policy), Rejection> {
        let Some(Self { how, .. }) = Self::of(extensions) else {
            return Err(Self::missing());
        };
        match how {
            How::Authenticated(principal) => Ok((principal, principal.policy())),
            How::Anonymous(policy, _) => Err(policy.without_credential()),
            How::Public(policy, _) => Err(policy.without_caller()),
        }
    }

    /// What let the request in: the service, or the resource or route that overrides it.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        match &self.how {
            How::Authenticated(principal) => principal.policy(),
            How::Anonymous(policy, _) | How::Public(policy, _) => policy,
        }
    }

    /// The caller, where there is one.
    #[must_use]
    pub const fn principal(&self) -> Option<&Principal> {
        match &self.how {
            How::Authenticated(principal) => Some(principal),
            How::Anonymous(..) | How::Public(..) => None,
        }
    }

    /// The caller, where there is one.
    #[must_use]
    pub fn into_principal(self) -> Option<Principal> {
        match self.how {
            How::Authenticated(principal) => Some(principal),
            How::Anonymous(..) | How::Public(..) => None,
        }
    }

    /// Until when a connection that this request opened may stay open. [`Lease::for_request`] has observers learn of which
    /// request it was.
    pub fn lease(&self) -> Lease {
        let lease = match &self.how {
            How::Authenticated(principal) => {
                Lease::until(principal.clock(), principal.good_until(), self.again.clone())
                    .held(principal.held().map(Held::asking))
            }
            How::Anonymous(_, None) | How::Public(_, None) => Lease::unlimited(),
            How::Anonymous(policy, Some(standing)) | How::Public(policy, Some(standing)) => {
                let held = Held { standing: Arc::clone(standing), principal: None, asks: false };
                Lease::until(policy.clock(), None, None).held(Some(held))
            }
        };
        lease.opened(self.policy(), self.principal())
    }

    /// Takes along the token that the caller showed.
    pub(crate) fn shown(mut self, authorization: Option<Authorization>) -> Self {
        self.how = match self.how {
            How::Authenticated(principal) => How::Authenticated(principal.shown(authorization)),
            other => other,
        };
        self
    }

    /// The same, judged by every later version of the configuration: connections that are opened with it end when one
    /// would not let them in, see [`Admission::lease`]. `None` changes nothing. For layers.
    #[must_use]
    #[inline]
    pub fn standing_on(self, standing: Option<Arc<dyn Standing>>) -> Self {
        match standing {
            None => self,
            Some(standing) => self.held_to(standing),
        }
    }

    fn held_to(mut self, standing: Arc<dyn Standing>) -> Self {
        self.how = match self.how {
            How::Authenticated(principal) => How::Authenticated(principal.standing_on(standing)),
            How::Anonymous(policy, _) => How::Anonymous(policy, Some(standing)),
            How::Public(policy, _) => How::Public(policy, Some(standing)),
        };
        self
    }

    pub(crate) fn asking_again(mut self, again: Option<Arc<Again>>) -> Self {
        self.again = again;
        self
    }

    /// Whether the route is public: the credential was not looked at.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        matches!(self.how, How::Public(..))
    }
}
