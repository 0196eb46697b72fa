//! On whose behalf a service calls another.

use std::fmt;

use crate::{Principal, Secret, UnixTime};

/// On whose behalf a call is made: a token that says who that is, and until when it says so.
///
/// Made of the principal of a request that a service answers ([`OnBehalfOf::caller`]), or of a token in hand.
#[derive(Clone)]
pub struct OnBehalfOf {
    token: Secret,
    expires: Option<UnixTime>,
}

impl OnBehalfOf {
    /// Of whoever is identified by `token`, which is good until `expires`; for as long as the token endpoint finds it good
    /// where that is not known.
    #[must_use]
    pub fn token(token: impl Into<Secret>, expires: Option<UnixTime>) -> Self {
        Self { token: token.into(), expires }
    }

    /// Of the caller of a request. `None` where the caller showed no token but, say, a password: there is nothing to
    /// exchange.
    #[must_use]
    pub fn caller(principal: &Principal) -> Option<Self> {
        let token = principal.authorization()?.token()?;
        Some(Self { token, expires: principal.good_until() })
    }

    /// The token that says who it is: RFC 8693 calls it the subject token.
    ///
    /// # Security
    ///
    /// Never pass it to a log or an error.
    #[must_use]
    pub const fn subject_token(&self) -> &Secret {
        &self.token
    }

    /// Until when that token is good, where it is known.
    #[must_use]
    pub const fn expires(&self) -> Option<UnixTime> {
        self.expires
    }
}

impl fmt::Debug for OnBehalfOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnBehalfOf").field("expires", &self.expires).finish_non_exhaustive()
    }
}
