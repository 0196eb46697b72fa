//! What a provider found out about a caller.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Scopes, UnixTime};

/// What a provider says of a caller whose credential is right: who it is, what it holds, until when.
///
/// An identity proves nothing: any provider, and any test, can make one. The chain turns the identity that it
/// got from an element into a [`Principal`](crate::Principal), which does.
#[derive(Clone, PartialEq)]
#[must_use]
pub struct Identity {
    subject: Option<Box<str>>,
    issuer: Option<Box<str>>,
    scopes: Scopes,
    claims: Claims,
    expires_at: Option<UnixTime>,
    leeway: Duration,
}

/// Where claims are kept in a form that is smaller than their JSON form.
pub trait ClaimsSource: Send + Sync + 'static {
    /// All that the credential says. Says the same whenever it is asked.
    fn claims(&self) -> Map<String, Value>;

    /// The bearer token that says it, where that is what is kept: the very one that was shown, whole. The principal then need
    /// not keep it, too.
    fn token(&self) -> Option<&[u8]> {
        None
    }
}

/// Read when they are first asked for: most services never do, and remember thousands of callers.
#[derive(Clone, Default)]
struct Claims {
    source: Option<Arc<dyn ClaimsSource>>,
    read: OnceLock<Box<Map<String, Value>>>,
}

impl Claims {
    fn get(&self) -> &Map<String, Value> {
        self.read.get_or_init(|| {
            let source = self.source.as_ref();
            Box::new(source.map(|source| source.claims()).unwrap_or_default())
        })
    }
}

impl From<Map<String, Value>> for Claims {
    fn from(claims: Map<String, Value>) -> Self {
        Self { source: None, read: OnceLock::from(Box::new(claims)) }
    }
}

impl PartialEq for Claims {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Identity {
    /// A caller known as `subject`: a user name, or a token's `sub`.
    pub fn new(subject: impl Into<Box<str>>) -> Self {
        Self { subject: Some(subject.into()), ..Self::anonymous() }
    }

    /// A caller whose credential is right and names nobody, such as a token without `sub`.
    pub fn anonymous() -> Self {
        Self {
            subject: None,
            issuer: None,
            scopes: Scopes::none(),
            claims: Claims::default(),
            expires_at: None,
            leeway: Duration::ZERO,
        }
    }

    /// Who vouches for the caller: a token's `iss`.
    pub fn with_issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// What the caller holds.
    pub fn with_scopes<S: Into<Box<str>>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().collect();
        self
    }

    /// All that the credential says, in its JSON form.
    pub fn with_claims(mut self, claims: Map<String, Value>) -> Self {
        self.claims = claims.into();
        self
    }

    /// All that the credential says, read from `source` when it is first asked for.
    pub fn with_claims_from(mut self, source: Arc<dyn ClaimsSource>) -> Self {
        self.claims = Claims { source: Some(source), read: OnceLock::new() };
        self
    }

    /// The moment from which the credential is no longer good.
    pub fn with_expiry(mut self, expires_at: UnixTime) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// How much longer than its expiry the credential is accepted, for clocks that differ.
    pub const fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The user name, or a token's `sub`; `None` where the credential names nobody.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// A token's `iss`.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// What the caller holds.
    #[must_use]
    pub const fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// All that the credential says; empty for users of a file.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        self.claims.get()
    }

    /// The token that was shown, where it is kept.
    pub(crate) fn token(&self) -> Option<&[u8]> {
        self.claims.source.as_ref()?.token()
    }

    /// The claims as a type of yours.
    ///
    /// # Errors
    ///
    /// When the claims do not have the type's shape.
    pub fn claims_as<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(self.claims())
    }

    /// The moment from which the credential is no longer good; `None` where it does not expire.
    #[must_use]
    pub const fn expires_at(&self) -> Option<UnixTime> {
        self.expires_at
    }

    /// The moment from which the provider refuses the credential: its expiry, and the leeway for clocks that differ.
    #[must_use]
    pub fn good_until(&self) -> Option<UnixTime> {
        self.expires_at.map(|expires_at| expires_at.saturating_add(self.leeway))
    }
}

/// Leaves the claims out: they may hold personal data.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("subject", &self.subject)
            .field("issuer", &self.issuer)
            .field("scopes", &self.scopes)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_credential_is_good_until_its_expiry_and_the_leeway_are_over() {
        let at = |seconds| Identity::new("alice").with_expiry(UnixTime::from_secs(seconds));
        let leeway = Duration::from_secs(5);
        assert_eq!(at(100).good_until(), Some(UnixTime::from_secs(100)));
        assert_eq!(at(100).with_leeway(leeway).good_until(), Some(UnixTime::from_secs(105)));
        assert_eq!(at(100).with_leeway(leeway).expires_at(), Some(UnixTime::from_secs(100)));
        assert_eq!(Identity::new("alice").with_leeway(leeway).good_until(), None);
        let for_ever = Identity::new("alice").with_expiry(UnixTime::MAX).with_leeway(leeway);
        assert_eq!(for_ever.good_until(), Some(UnixTime::MAX));
    }

    #[test]
    fn claims_are_read_from_their_source_once_and_only_when_asked_for() {
        struct Source(AtomicU32);
        impl ClaimsSource for Source {
            fn claims(&self) -> Map<String, Value> {
                self.0.fetch_add(1, Ordering::Relaxed);
                Map::from_iter([("tenant".to_owned(), 7.into())])
            }
        }
        let source = Arc::new(Source(AtomicU32::new(0)));
        let identity = Identity::new("alice").with_claims_from(source.clone());
        assert_eq!(source.0.load(Ordering::Relaxed), 0);
        assert_eq!(identity.claims()["tenant"], 7);
        assert_eq!(identity.claims_as::<Map<String, Value>>().unwrap(), *identity.claims());
        assert_eq!(identity, Identity::new("alice").with_claims(identity.claims().clone()));
        assert_eq!(source.0.load(Ordering::Relaxed), 1);
        assert!(Identity::new("alice").claims().is_empty());
        assert_ne!(identity, Identity::new("alice"));
    }

    #[test]
    fn debug_leaves_the_claims_out() {
        let claims = serde_json::json!({ "email": "alice@example.org" });
        let identity = Identity::new("alice").with_claims(claims.as_object().cloned().unwrap());
        assert!(!format!("{identity:?}").contains("example.org"));
    }
}
