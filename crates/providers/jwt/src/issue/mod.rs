//! Makes tokens: what is behind `JwtIssuerConfig`.

pub mod assertion;
pub mod client;
mod config;
mod read;
mod rules;
mod signing;
#[cfg(test)]
mod tests;

use std::{error::Error, fmt};

use aws_lc_rs::rand;
use portcullis_core::{BuildError, Secret, UnixTime};
use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap as _},
};

use self::{config::Audience, rules::Rules};
pub use self::{config::JwtIssuerConfig, signing::SigningConfig};
use crate::jws::base64url;

/// Makes signed tokens (RFC 7519): for clients that identify themselves by one, for tests, and for trying things out.
///
/// A token has the header parameters `alg`, `typ` (`JWT`) and, where the configuration has one, `kid`; the claims `iss`,
/// `sub` and `aud` as configured, `exp`, `nbf` and `iat` from the time it is made at, a `jti` of its own unless the
/// configuration has one, and the custom claims.
pub struct JwtIssuer {
    config: JwtIssuerConfig,
    signer: signing::Signer,
    /// Encoded, and the same for every token.
    header: String,
}

/// The header's parameters in the order that they are written in.
#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    certificate: Option<&'a str>,
}

impl JwtIssuer {
    /// Builds the issuer: reads the key and checks that the configuration can work.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own.
    pub fn new(config: JwtIssuerConfig) -> Result<Self, BuildError> {
        let (signer, problems) = config.resolve(Rules::Token);
        Self::resolved(config, signer, problems, None)
    }

    /// `certificate`: the thumbprint of the key's, where the token names it.
    fn resolved(
        config: JwtIssuerConfig,
        signer: Option<signing::Signer>,
        problems: Vec<(String, String)>,
        certificate: Option<&str>,
    ) -> Result<Self, BuildError> {
        let Some(signer) = signer.filter(|_| problems.is_empty()) else {
            let lines: Vec<String> =
                problems.into_iter().map(|(key, text)| format!("{key}: {text}")).collect();
            return Err(BuildError::new(lines.join("\n")));
        };
        let header = Header { alg: signer.alg(), typ: "JWT", kid: config.key_id.as_deref(), certificate };
        let header = serde_json::to_vec(&header)
            .map_err(|error| BuildError::new("the header cannot be written").with_source(error))?;
        Ok(Self { header: base64url::encode(header), signer, config })
    }

    /// Makes a token at the time `now`. Whoever has it is who it says, so it is a secret.
    ///
    /// # Errors
    ///
    /// When the machine has no randomness to give, or the token would expire beyond the end of time.
    pub fn issue(&self, now: UnixTime) -> Result<Secret, IssueError> {
        let fresh;
        let jwt_id = match &self.config.jwt_id {
            Some(jwt_id) => jwt_id.as_str(),
            None => {
                fresh = fresh_id()?;
                &fresh
            }
        };
        let claims = Claims { config: &self.config, jwt_id, now: now.as_secs() };
        let claims =
            serde_json::to_vec(&claims).map_err(|_| IssueError("the claims cannot be written as JSON"))?;
        let mut token = format!("{}.{}", self.header, base64url::encode(claims));
        let signature =
            self.signer.sign(token.as_bytes()).map_err(|_| IssueError("the key could not sign the token"))?;
        token.push('.');
        token.push_str(&base64url::encode(signature));
        Ok(Secret::new(token))
    }
}

#[cfg(test)]
impl JwtIssuer {
    pub(crate) fn alg(&self) -> &'static str {
        self.signer.alg()
    }

    pub(crate) fn signature_of(&self, text: &[u8]) -> Vec<u8> {
        self.signer.sign(text).unwrap()
    }
}

/// Shows neither key nor claims.
impl fmt::Debug for JwtIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtIssuer").field("alg", &self.signer.alg()).finish_non_exhaustive()
    }
}

/// The claims of one token, in the order that they are written in.
struct Claims<'a> {
    config: &'a JwtIssuerConfig,
    jwt_id: &'a str,
    now: u64,
}

impl Serialize for Claims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let JwtIssuerConfig { issuer, username, audience, custom_claims, .. } = self.config;
        let expires = self
            .config
            .life()
            .and_then(|lives| self.now.checked_add(lives))
            .ok_or_else(|| S::Error::custom("beyond the end of time"))?;
        let mut claims = serializer.serialize_map(None)?;
        if let Some(issuer) = issuer {
            claims.serialize_entry("iss", issuer)?;
        }
        if let Some(username) = username {
            claims.serialize_entry("sub", username)?;
        }
        match audience {
            None => {}
            Some(Audience::One(audience)) => claims.serialize_entry("aud", audience)?,
            Some(Audience::Several(audience)) => claims.serialize_entry("aud", audience)?,
        }
        claims.serialize_entry("exp", &expires)?;
        claims.serialize_entry("nbf", &self.now)?;
        claims.serialize_entry("iat", &self.now)?;
        if !custom_claims.contains_key("jti") {
            claims.serialize_entry("jti", self.jwt_id)?;
        }
        for (name, value) in custom_claims {
            claims.serialize_entry(name, value)?;
        }
        claims.end()
    }
}

/// 122 random bits in the form of a UUID of version 4 (RFC 9562 §5.4).
fn fresh_id() -> Result<String, IssueError> {
    let mut bytes = [0_u8; 16];
    rand::fill(&mut bytes).map_err(|_| IssueError("the machine has no randomness to give"))?;
    let random = u128::from_be_bytes(bytes);
    let version = random & !(0xf << 76) | 0x4 << 76;
    let variant = version & !(0x3 << 62) | 0x2 << 62;
    let hex = format!("{variant:032x}");
    let groups = [hex.get(..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..)];
    Ok(groups.map(Option::unwrap_or_default).join("-"))
}

/// A token that could not be made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IssueError(&'static str);

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for IssueError {}
