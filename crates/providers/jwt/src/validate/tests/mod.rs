mod caching;
mod configuration;
mod hostile;
mod near;
mod rules;
mod weight;

use portcullis_core::{Identity, Refusal};
use serde_json::Value;

use crate::{
    JwtValidator, JwtValidatorConfig, SignatureConfig,
    fixtures::{NOW, SECRET, Signs},
};

fn config() -> JwtValidatorConfig {
    JwtValidatorConfig::new(SignatureConfig::secret(SECRET))
}

fn validator(config: JwtValidatorConfig) -> JwtValidator {
    JwtValidator::new(config).unwrap()
}

/// What becomes of a token with these claims.
fn outcome(config: JwtValidatorConfig, claims: &Value) -> Result<Identity, Refusal> {
    validator(config).validate(&Signs::secret().claims(claims), NOW)
}

/// `accepted`, or the code.
fn code(config: JwtValidatorConfig, claims: &Value) -> &'static str {
    outcome(config, claims).map_or_else(|refusal| refusal.code(), |_| "accepted")
}

fn reason(config: JwtValidatorConfig, claims: &Value) -> String {
    outcome(config, claims).unwrap_err().text().to_owned()
}
