//! A token, said piece by piece.

use std::time::Duration;

use portcullis_core::UnixTime;
use serde_json::{Map, Value};

use super::{
    TestIssuer,
    keys::{Algorithm, base64url},
};

/// A token of a [`TestIssuer`], before it is signed.
///
/// It starts as an access token that a validator of this issuer accepts: `iss` is the issuer's URL, `sub` is `alice`,
/// `iat` now, `exp` in five minutes, `jti` a fresh one; the header has `alg`, `kid` and `typ = "at+jwt"` (RFC 9068 §2.1).
/// There is no `aud` and no scope.
#[derive(Clone, Debug)]
#[must_use = "a token exists once it is signed"]
pub struct TestToken<'a> {
    issuer: &'a TestIssuer,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    key: Option<String>,
    algorithm: Option<Algorithm>,
}

impl<'a> TestToken<'a> {
    pub(super) fn new(issuer: &'a TestIssuer, jwt_id: u64) -> Self {
        let now = issuer.now();
        let token = Self { issuer, header: Map::new(), claims: Map::new(), key: None, algorithm: None };
        let token = token.issuer(issuer.url()).subject("alice").claim("iat", now.as_secs());
        token.claim("jti", jwt_id.to_string()).expires_in(Duration::from_secs(300)).typ("at+jwt")
    }

    /// `sub`.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// `iss`, another than the issuer's own.
    pub fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    /// `aud`: a string, or an array of them.
    pub fn audience(self, audience: impl Into<Value>) -> Self {
        self.claim("aud", audience)
    }

    /// `scope`, as it stands in the token: one string with blanks between, or an array.
    pub fn scope(self, scope: impl Into<Value>) -> Self {
        self.claim("scope", scope)
    }

    /// `scope` as one string.
    pub fn scopes<S: AsRef<str>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes: Vec<String> = scopes.into_iter().map(|scope| scope.as_ref().to_owned()).collect();
        self.scope(scopes.join(" "))
    }

    /// One claim more, or another value of one that is there.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Without this claim.
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// `exp`, so long after now. In whole seconds.
    pub fn expires_in(self, span: Duration) -> Self {
        let moment = self.issuer.now().saturating_add(span);
        self.expires_at(moment)
    }

    /// `exp`. In whole seconds.
    pub fn expires_at(self, moment: UnixTime) -> Self {
        self.claim("exp", moment.as_secs())
    }

    /// `nbf`. In whole seconds.
    pub fn not_before(self, moment: UnixTime) -> Self {
        self.claim("nbf", moment.as_secs())
    }

    /// `typ` in the header.
    pub fn typ(self, typ: &str) -> Self {
        self.header("typ", typ)
    }

    /// Without `typ`.
    pub fn without_typ(mut self) -> Self {
        self.header.remove("typ");
        self
    }

    /// `kid` in the header, whatever key signs.
    pub fn kid(self, kid: &str) -> Self {
        self.header("kid", kid)
    }

    /// Without `kid`.
    pub fn without_kid(self) -> Self {
        self.header("kid", Value::Null)
    }

    /// One member more of the header, or another value of one, `alg` too; null removes it.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Signed by this key of the issuer, a retired one too. Otherwise by the newest that is published.
    pub fn key(mut self, kid: &str) -> Self {
        self.key = Some(kid.to_owned());
        self
    }

    /// Signed by this algorithm, by the newest key that can. Otherwise by the algorithm that the key was made for.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// The token.
    ///
    /// # Panics
    ///
    /// If the issuer has no such key.
    #[must_use]
    pub fn sign(self) -> String {
        let keys = self.issuer.keys();
        let fits = |key: &&super::keys::Key| {
            let named = self.key.as_deref().map_or(key.published, |kid| kid == key.kid);
            named && self.algorithm.is_none_or(|algorithm| key.can(algorithm))
        };
        let Some(key) = keys.iter().rev().find(fits) else {
            panic!("the issuer has no key {:?} for {:?}", self.key, self.algorithm);
        };
        let algorithm = self.algorithm.unwrap_or(key.algorithm);
        let mut header = Map::new();
        header.insert("alg".to_owned(), algorithm.name().into());
        header.insert("kid".to_owned(), key.kid.as_str().into());
        header.extend(self.header);
        header.retain(|_, value| !value.is_null());
        let (header, claims) = (Value::Object(header).to_string(), Value::Object(self.claims).to_string());
        let text = format!("{}.{}", base64url(header), base64url(claims));
        let signature = key.sign(text.as_bytes(), algorithm);
        format!("{text}.{signature}")
    }
}
