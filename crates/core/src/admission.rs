//! The proof that a request went through the chain and was let in.

use http::Extensions;

use crate::{Principal, Rejection};

/// How a request was let in. Only the chain makes one.
///
/// The layer attaches it to the request, where [`Principal::of`] and the extractors look for it. Its absence
/// means that no layer ran: a wiring mistake, which is answered with 500 and never with 401.
#[derive(Clone, Debug)]
pub struct Admission(How);

#[derive(Clone, Debug)]
enum How {
    Authenticated(Principal),
    /// `optional` let a request without credentials in; with the answer for a handler that wants a caller.
    Anonymous(Rejection),
    Public,
}

/// What holds the admission in a request's extensions. Nobody else can name it, so nobody else can put one there.
#[derive(Clone)]
struct Attached(Admission);

impl Admission {
    pub(crate) const fn authenticated(principal: Principal) -> Self {
        Self(How::Authenticated(principal))
    }

    pub(crate) const fn anonymous(rejection: Rejection) -> Self {
        Self(How::Anonymous(rejection))
    }

    pub(crate) const fn public() -> Self {
        Self(How::Public)
    }

    /// The admission of the request that carries `extensions`; `None` where no layer ran.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get::<Attached>().map(|Attached(admission)| admission)
    }

    /// Puts the admission into a request's extensions.
    ///
    /// A public admission does not replace an earlier one: an inner layer never takes the principal away that
    /// an outer one established.
    pub fn attach(self, extensions: &mut Extensions) {
        if !(self.is_public() && extensions.get::<Attached>().is_some()) {
            extensions.insert(Attached(self));
        }
    }

    /// The caller, where there is one.
    #[must_use]
    pub const fn principal(&self) -> Option<&Principal> {
        match &self.0 {
            How::Authenticated(principal) => Some(principal),
            How::Anonymous(_) | How::Public => None,
        }
    }

    /// The caller, where there is one.
    #[must_use]
    pub fn into_principal(self) -> Option<Principal> {
        match self.0 {
            How::Authenticated(principal) => Some(principal),
            How::Anonymous(_) | How::Public => None,
        }
    }

    /// Whether the route is public: the credential was not looked at.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        matches!(self.0, How::Public)
    }

    /// How to answer a request that `optional` let in without credentials, where a handler wants a caller
    /// after all: 401 with the challenges of the service.
    #[must_use]
    pub const fn rejection_without_caller(&self) -> Option<&Rejection> {
        match &self.0 {
            How::Anonymous(rejection) => Some(rejection),
            How::Authenticated(_) | How::Public => None,
        }
    }
}
