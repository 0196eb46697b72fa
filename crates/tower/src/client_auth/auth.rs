use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderValue, Request, Uri, header::AUTHORIZATION};
use portcullis_core::{
    Authorization, BoxFuture, OnBehalfOf, Principal, Probe, RefreshObserver, Secret, TokenError, TokenLease,
    TokenSource,
};

use super::{
    ClientAuthBuilder, ClientAuthError, ClientAuthErrorKind as Kind, Target,
    origin::{NotLocated, Origin},
};

/// A credential and where it may go: what a client of a service has to know to call it.
///
/// Cheap to clone. See the [module](super) for the rules and an example.
#[derive(Clone)]
pub struct ClientAuth {
    shared: Arc<Shared>,
}

struct Shared {
    source: Arc<dyn TokenSource>,
    /// Whether answers are looked at for a refusal.
    watches: bool,
    rules: Arc<Rules>,
}

/// Where a credential may go.
pub(super) struct Rules {
    pub(super) name: Option<Box<str>>,
    pub(super) url: Option<Uri>,
    pub(super) origins: Box<[Origin]>,
    /// The first of them, where nearly all requests go.
    pub(super) own: Option<Origin>,
    pub(super) any_origin: bool,
    pub(super) retry_on_401: bool,
    pub(super) allow_insecure_http: bool,
}

impl ClientAuth {
    /// Begins with where the credential comes from: any [`TokenSource`], such as a fixed
    /// [`Authorization`] or one of the grants of OAuth 2.0.
    pub fn builder(source: impl TokenSource) -> ClientAuthBuilder {
        ClientAuthBuilder::new(Arc::new(source))
    }

    pub(super) fn new(source: Arc<dyn TokenSource>, rules: Arc<Rules>) -> Self {
        let watches = rules.retry_on_401 && source.renews();
        Self { shared: Arc::new(Shared { source, watches, rules }) }
    }

    /// The client's name, for errors and logs.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.shared.rules.name.as_deref()
    }

    /// What the client calls, where that was said.
    #[must_use]
    pub fn url(&self) -> Option<&Uri> {
        self.shared.rules.url.as_ref()
    }

    /// For how long the token at hand is good; `None` where there is none, or nobody knows. Nothing is fetched.
    #[must_use]
    pub fn expires_in(&self) -> Option<std::time::Duration> {
        self.shared.source.expires_in()
    }

    /// Has an observer told of each token that is got from now on, or failed to be got: also of those on behalf of callers.
    pub fn watch_refreshes(&self, observer: Arc<dyn RefreshObserver>) {
        self.shared.source.watch_refreshes(observer);
    }

    /// What requests carry in `Authorization`, good now.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn authorization(&self) -> Result<Authorization, ClientAuthError> {
        match self.shared.source.try_token() {
            Some(authorization) => Ok(authorization),
            None => self.shared.source.token().await.map_err(|error| self.no_credential(error)),
        }
    }

    /// The token itself, good now; for Basic user name and password, encoded as the header has them.
    ///
    /// # Errors
    ///
    /// When there is none.
    ///
    /// # Security
    ///
    /// Whoever takes it decides where it goes: the rules of origins are [`ClientAuth::enrich`]'s and the layer's.
    pub async fn generate_token(&self) -> Result<Secret, ClientAuthError> {
        let authorization = self.authorization().await?;
        let token = authorization.token().or_else(|| {
            let (_, credential) = authorization.header().to_str().ok()?.split_once(' ')?;
            Some(Secret::new(credential))
        });
        token.ok_or_else(|| {
            self.no_credential(TokenError::permanent("the credential holds more than letters of ASCII"))
        })
    }

    /// Puts the credential on a request: also on one that opens a WebSocket, whose URL has the scheme `ws` or `wss`. A
    /// request that has an `Authorization` keeps it, wherever it goes.
    ///
    /// # Errors
    ///
    /// When there is no credential, or it is not for where the request goes.
    pub async fn enrich<B>(&self, request: &mut Request<B>) -> Result<(), ClientAuthError> {
        let Some(authorization) = self.for_headers(&Target::from(request.uri()), request.headers())? else {
            return Ok(());
        };
        let authorization = authorization.get().await?;
        request.headers_mut().insert(AUTHORIZATION, authorization);
        Ok(())
    }

    /// The same for the headers of a request to `uri`, whatever kind of request that is.
    ///
    /// # Errors
    ///
    /// When there is no credential, or it is not for where the request goes.
    pub async fn enrich_headers(&self, uri: &Uri, headers: &mut HeaderMap) -> Result<(), ClientAuthError> {
        let Some(authorization) = self.for_headers(&Target::from(uri), headers)? else { return Ok(()) };
        let authorization = authorization.get().await?;
        headers.insert(AUTHORIZATION, authorization);
        Ok(())
    }

    /// The headers of the credential: one `Authorization`.
    ///
    /// # Errors
    ///
    /// When there is no credential.
    ///
    /// # Security
    ///
    /// As with [`ClientAuth::generate_token`], no rule of origins applies.
    pub async fn security_headers(&self) -> Result<HeaderMap, ClientAuthError> {
        Ok(HeaderMap::from_iter([(AUTHORIZATION, self.authorization().await?.header().clone())]))
    }

    /// Says that a server refused `authorization`, and asks whether another one can be had. See [`TokenSource::refused`].
    #[must_use]
    pub fn refused(&self, authorization: &Authorization) -> bool {
        self.shared.source.refused(authorization)
    }

    /// The same client, calling on behalf of the caller of a request that this service answers.
    ///
    /// # Errors
    ///
    /// When the caller showed no token, or this client's credential acts on behalf of nobody.
    pub fn on_behalf_of(&self, caller: &Principal) -> Result<Self, ClientAuthError> {
        match OnBehalfOf::caller(caller) {
            Some(subject) => self.on_behalf_of_token(&subject),
            None => Err(self.error(Kind::NoSubject)),
        }
    }

    /// The same client, calling on behalf of whoever a token identifies.
    ///
    /// # Errors
    ///
    /// When this client's credential acts on behalf of nobody.
    pub fn on_behalf_of_token(&self, subject: &OnBehalfOf) -> Result<Self, ClientAuthError> {
        match self.shared.source.on_behalf_of(subject) {
            Some(source) => Ok(Self::new(source, Arc::clone(&self.shared.rules))),
            None => Err(self.error(Kind::NotOnBehalf)),
        }
    }

    /// Asks the servers that the credential comes from once, for people.
    pub async fn probe(&self) -> Vec<Probe> {
        self.shared.source.probe().await
    }

    /// Whether the credential may go to `target`. `bound`: a target without authority is the client's own url.
    #[inline]
    pub(super) fn check(&self, target: &Target<'_>, bound: bool) -> Result<(), ClientAuthError> {
        if self.is_own_origin(target) { Ok(()) } else { self.check_closely(target, bound) }
    }

    /// Whether `target` is this client's first origin, spelled as usual: no name has to be taken apart. `false` says nothing.
    #[inline]
    pub(super) fn is_own_origin(&self, target: &Target<'_>) -> bool {
        self.shared.rules.own.as_ref().is_some_and(|own| own.is_spelled(target))
    }

    #[cold]
    pub(super) fn check_closely(&self, target: &Target<'_>, bound: bool) -> Result<(), ClientAuthError> {
        let rules = &*self.shared.rules;
        if rules.origins.iter().any(|origin| origin.is_spelled(target)) {
            return Ok(());
        }
        if bound && !target.has_authority() && rules.url.is_some() {
            return Ok(());
        }
        let located = target.locate().map_err(|problem| {
            self.error(match problem {
                NotLocated::Relative | NotLocated::Authority => Kind::NoOrigin,
                NotLocated::Scheme => Kind::Scheme,
            })
        })?;
        if rules.origins.iter().any(|origin| origin.located().same_origin(&located)) {
            return Ok(());
        }
        if !located.secure && !located.is_loopback() && !rules.allow_insecure_http {
            return Err(self.error(Kind::PlainHttp).going_to(located));
        }
        if rules.any_origin { Ok(()) } else { Err(self.error(Kind::ForeignOrigin).going_to(located)) }
    }

    /// The credential, where it can be told without waiting.
    pub(super) fn try_token(&self) -> Option<Authorization> {
        self.shared.source.try_token()
    }

    /// The credential, where it can be sent again without asking.
    pub(super) fn lease(&self) -> Option<Arc<TokenLease>> {
        self.shared.source.lease()
    }

    /// The credential, in a future that owns what it needs.
    pub(super) fn token(&self) -> BoxFuture<'static, Result<Authorization, TokenError>> {
        let source = Arc::clone(&self.shared.source);
        Box::pin(async move { source.token().await })
    }

    /// Whether an answer may be a refusal that another credential mends.
    #[inline]
    pub(super) fn watches(&self) -> bool {
        self.shared.watches
    }

    pub(super) fn no_credential(&self, error: TokenError) -> ClientAuthError {
        ClientAuthError::no_credential(self.name(), error)
    }

    fn error(&self, kind: Kind) -> ClientAuthError {
        ClientAuthError::new(self.name(), kind)
    }

    /// What the headers of a request to `target` are to be given, where they have no `Authorization`.
    fn for_headers(
        &self,
        target: &Target<'_>,
        headers: &HeaderMap,
    ) -> Result<Option<Pending<'_>>, ClientAuthError> {
        if headers.contains_key(AUTHORIZATION) {
            return Ok(None);
        }
        self.check(target, false)?;
        Ok(Some(Pending(self)))
    }
}

/// A credential that may be sent, and is still to be had.
struct Pending<'a>(&'a ClientAuth);

impl Pending<'_> {
    async fn get(self) -> Result<HeaderValue, ClientAuthError> {
        Ok(self.0.authorization().await?.header().clone())
    }
}

/// Shows where the credential may go, and nothing of it.
impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = &*self.shared.rules;
        f.debug_struct("ClientAuth")
            .field("name", &rules.name)
            .field("source", &self.shared.source)
            .field("origins", &rules.origins)
            .field("any_origin", &rules.any_origin)
            .field("retry_on_401", &rules.retry_on_401)
            .field("allow_insecure_http", &rules.allow_insecure_http)
            .finish()
    }
}
