use std::{fmt, sync::Arc};

use crate::{Accounts, BuildError, IntoProvider, Provider, RequiredScopes, Scheme};

/// One entry of `auth`: a provider, and the scopes of which a caller needs any one.
#[derive(Clone)]
pub struct Element {
    provider: Arc<dyn Provider>,
    scheme: Scheme,
    looks_at_client: bool,
    /// Those of a provider that says nothing of its accounts.
    own_accounts: Accounts,
    name: Arc<str>,
    scopes: RequiredScopes,
}

impl Element {
    /// An element named after its provider's kind.
    ///
    /// # Errors
    ///
    /// When the provider cannot be built, or when `scopes` would admit nobody.
    pub fn new(provider: impl IntoProvider, scopes: impl Into<RequiredScopes>) -> Result<Self, BuildError> {
        let provider = provider.into_provider()?;
        let (scheme, name) = (provider.scheme(), provider.kind().into());
        let looks_at_client = provider.looks_at_client();
        let own_accounts = Accounts::of_its_own(&provider);
        let any = RequiredScopes::anyone();
        Self { provider, scheme, looks_at_client, own_accounts, name, scopes: any }.with_scopes(scopes.into())
    }

    /// The same under a name of its own, which logs and the principal show.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// The same with other scopes.
    pub(crate) fn with_scopes(mut self, scopes: RequiredScopes) -> Result<Self, BuildError> {
        if let Some(problem) = scopes.problem() {
            return Err(BuildError::new(problem));
        }
        self.scopes = scopes;
        Ok(self)
    }

    /// The element's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The element's provider.
    #[must_use]
    pub const fn provider(&self) -> &Arc<dyn Provider> {
        &self.provider
    }

    /// The scheme its provider looks at.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) const fn looks_at_client(&self) -> bool {
        self.looks_at_client
    }

    /// The accounts of its provider, unless that says whose they are.
    pub(crate) const fn own_accounts(&self) -> Accounts {
        self.own_accounts
    }

    /// The scopes of which a caller needs any one.
    #[must_use]
    pub const fn scopes(&self) -> &RequiredScopes {
        &self.scopes
    }
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Element")
            .field("name", &self.name)
            .field("kind", &self.provider.kind())
            .field("scopes", &self.scopes)
            .finish()
    }
}
