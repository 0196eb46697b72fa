//! What a provider found out about a caller.

use std::{fmt, time::Duration};

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
    claims: Map<String, Value>,
    expires_at: Option<UnixTime>,
    leeway: Duration,
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
            claims: Map::new(),
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
        self.claims = claims;
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
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The claims as a type of yours.
    ///
    /// # Errors
    ///
    /// When the claims do not have the type's shape.
    pub fn claims_as<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.claims)
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
    fn debug_leaves_the_claims_out() {
        let claims = serde_json::json!({ "email": "alice@example.org" });
        let identity = Identity::new("alice").with_claims(claims.as_object().cloned().unwrap());
        assert!(!format!("{identity:?}").contains("example.org"));
    }
}
