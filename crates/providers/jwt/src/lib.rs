//! JWT validation and issuing for portcullis (RFC 7519, RFC 7515).
//!
//! - [`JwtValidator`]: the provider of bearer tokens that are signed JWTs; [`JwtValidatorConfig`] says what a token has
//!   to be, [`SignatureConfig`] where the keys come from.
//! - [`JwtIssuer`]: makes such tokens; [`JwtIssuerConfig`], [`SigningConfig`].
//! - [`SelfSignedJwt`]: the source of what a client's requests carry: such a token, signed once and sent until it expires.
//! - [`JwtAssertionSigner`]: what a client says of itself to a token endpoint (RFC 7523); [`ClientAssertionConfig`].
//! - [`client::read`], [`assertion::read`]: the two as they stand in Config.toml.
//! - `JwksConfig` (feature `jwks`): keys that are fetched from an issuer, and renewed as it changes them.
//! - [`decode_unverified`]: shows what a token says, true or not.
//!
//! # Rules
//!
//! * Three segments of base64url in its one spelling; header and payload are JSON objects without duplicate names.
//! * The key decides the algorithm, never the token. `none` is refused, whatever the configuration says.
//! * `crit`, `b64`, `zip` and encrypted tokens are refused; `jku`, `jwk`, `x5u` and `x5c` are not looked at.
//! * The signature is verified before any claim is read. There is one exception, which admits nobody: where no key verifies
//!   a token and newer keys could be fetched, a token that its claims would refuse anyway is refused for them, and fetches
//!   nothing.
//! * A claim of the wrong JSON type refuses the token, whether or not the configuration asks for it: `exp`, `nbf` and
//!   `iat` are numbers of zero or more, `iss`, `sub` and `jti` strings, `aud` a string or an array of strings, and the
//!   claim that holds the scopes likewise.
//! * `exp` is the first moment at which a token is not good any more; `clockSkew` moves it, and `nbf`, by that much. A
//!   number beyond all time is the end of time.
//! * A token bound to a key of its sender (`cnf`) is refused.
//!
//! # Codes
//!
//! A refusal has one of these codes, which logs and explanations show:
//!
//! | code | why |
//! |---|---|
//! | `malformed` | not three segments, not base64url, not JSON, not an object; `typ`, `kid` or `cty` is not a string |
//! | `duplicate-member` | one JSON object has a name twice |
//! | `encrypted` | five segments: a JWE |
//! | `critical-header`, `unsupported-header` | `crit`; `b64` or `zip` |
//! | `unsupported-algorithm` | no key allows this `alg` |
//! | `unknown-key` | no key has this `kid` |
//! | `certificate-expired`, `certificate-not-yet-valid` | the key's certificate is outside its validity |
//! | `bad-signature` | no key verifies it |
//! | `no-keys` | [`JwtValidator::validate`] alone: the key set was not fetched yet, or is too old |
//! | `wrong-type`, `wrong-key-id` | `typ` is none of `types`; `kid` is not `keyId` |
//! | `malformed-claim` | a claim has the wrong JSON type |
//! | `bound-token` | `cnf` |
//! | `missing-expiration`, `expired`, `not-yet-valid` | `exp`, `nbf` |
//! | `wrong-issuer`, `wrong-audience`, `wrong-subject`, `wrong-jwt-id`, `wrong-claim` | not what the configuration asks for |

mod algorithm;
mod config_json;
mod decode;
#[cfg(test)]
mod fixtures;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod issue;
#[cfg(feature = "jwks")]
mod jwks;
mod jws;
mod keys;
mod refusal;
mod validate;

#[cfg(feature = "jwks")]
pub use self::jwks::{JwksConfig, JwksState};
pub use self::{
    algorithm::Algorithm,
    decode::{UnverifiedToken, decode_unverified},
    issue::{
        IssueError, JwtIssuer, JwtIssuerConfig, SigningConfig,
        assertion::{self, ClientAssertionConfig, JwtAssertionSigner},
        client::{self, SelfSignedJwt},
    },
    validate::{CacheConfig, JwtValidator, JwtValidatorConfig, SignatureConfig},
};
