use http::Method;

use super::Element;
use crate::{BuildError, RequiredScopes};

/// A method and path in a service that overrides it.
///
/// ```
/// use http::Method;
/// use portcullis_core::Resource;
///
/// let admin = Resource::new("/admin").method(Method::GET).scopes("admin");
/// let health = Resource::new("/health").public();
/// # let _ = (admin, health);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Resource {
    pub(crate) method: Option<Method>,
    pub(crate) path: String,
    pub(crate) over: Override,
}

/// How a resource or a route differs from its service.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Override {
    pub(crate) public: bool,
    pub(crate) elements: Option<Vec<Element>>,
    pub(crate) scopes: Option<RequiredScopes>,
    pub(crate) optional: Option<bool>,
}

impl Resource {
    /// A resource for all methods of `path`, which is relative to the service and written percent-decoded:
    /// `/admin`, `/users/{id}`, `/files/{*rest}` (a whole subtree), or `/` for the service's own path.
    pub fn new(path: impl Into<String>) -> Self {
        Self { method: None, path: path.into(), over: Override::default() }
    }

    /// For `method` only. `GET` covers `HEAD` and extended CONNECT (RFC 8441) too; `CONNECT` by itself covers nothing, and is
    /// a mistake.
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// With this override.
    pub fn with(mut self, over: Override) -> Self {
        self.over = over;
        self
    }

    /// Open: the credential is not looked at, and there is no principal.
    pub fn public(mut self) -> Self {
        self.over.public = true;
        self
    }

    /// Keeps the service's elements and puts these scopes on each. Not `optional`, even where the service is, unless it
    /// says so itself.
    pub fn scopes(mut self, scopes: impl Into<RequiredScopes>) -> Self {
        self.over.scopes = Some(scopes.into());
        self
    }

    /// Replaces the service's elements. Not `optional`, even where the service is, unless it says so itself.
    pub fn elements(mut self, elements: impl IntoIterator<Item = Element>) -> Self {
        self.over.elements = Some(elements.into_iter().collect());
        self
    }

    /// Admits a request without credentials, without a principal; a bad credential is refused.
    pub fn optional(mut self, optional: bool) -> Self {
        self.over.optional = Some(optional);
        self
    }
}

impl Override {
    /// Open: the credential is not looked at, and there is no principal.
    pub fn public() -> Self {
        Self { public: true, ..Self::default() }
    }

    /// Keeps the service's elements and puts these scopes on each. Not `optional`, even where the service is, unless it
    /// says so itself.
    pub fn scopes(scopes: impl Into<RequiredScopes>) -> Self {
        Self { scopes: Some(scopes.into()), ..Self::default() }
    }

    /// Replaces the service's elements. Not `optional`, even where the service is, unless it says so itself.
    pub fn elements(elements: impl IntoIterator<Item = Element>) -> Self {
        Self { elements: Some(elements.into_iter().collect()), ..Self::default() }
    }

    /// The same, admitting a request without credentials, or not.
    pub fn optional(mut self, optional: bool) -> Self {
        self.optional = Some(optional);
        self
    }

    /// The elements and `optional` that result in a service with `elements`; `None` where it is public.
    pub(crate) fn apply(
        self,
        service: &[Element],
        optional: bool,
    ) -> Result<Option<(Vec<Element>, bool)>, BuildError> {
        let error = |text| Err(BuildError::new(text));
        if self.public && (self.elements.is_some() || self.scopes.is_some() || self.optional.is_some()) {
            return error(
                "`public` beside `auth`, `scopes` or `optional` is a contradiction: keep one of them",
            );
        }
        if self.public {
            return Ok(None);
        }
        // What asks for something asks it of everybody: that the service lets requests without a credential in does
        // not open what it singles out.
        let asks = self.elements.is_some() || self.scopes.is_some();
        let optional = self.optional.unwrap_or(optional && !asks);
        let elements = match (self.elements, self.scopes) {
            (Some(_), Some(_)) => {
                return error(
                    "`auth` and `scopes` exclude each other here: put the scopes into the elements of `auth`",
                );
            }
            (Some(elements), None) if elements.is_empty() => {
                return error("an empty `auth` would refuse everybody: name at least one element");
            }
            (Some(elements), None) => elements,
            (None, Some(_)) if service.is_empty() => {
                return error(
                    "`scopes` without `auth` guards nothing: the service has no elements to put them on; give it `auth`",
                );
            }
            (None, Some(scopes)) => service
                .iter()
                .map(|element| element.clone().with_scopes(scopes.clone()))
                .collect::<Result<_, _>>()?,
            (None, None) if self.optional.is_some() && service.is_empty() => {
                return error(
                    "`optional` without `auth` has nothing to look at a credential with; give the service `auth`",
                );
            }
            (None, None) => service.to_vec(),
        };
        Ok(Some((elements, optional)))
    }
}
