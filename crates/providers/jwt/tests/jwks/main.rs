//! Keys of an issuer over HTTP: by URL and by discovery, with the issuer's faults.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod configuration;
mod discovery;
mod faults;
mod keys;
mod throttled;

use std::sync::Arc;

use portcullis_core::{Bearer, Clock, Context, Credential, Provider as _, UnixTime};
use portcullis_jwt::{JwksConfig, JwtValidator, JwtValidatorConfig, SignatureConfig};
use portcullis_testing::{ManualClock, TestIssuer, TestToken};

/// 2023-11-14T22:13:20Z.
const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// An issuer, and a clock that it shares with the validators.
struct Bench {
    issuer: TestIssuer,
    manual: ManualClock,
    clock: Arc<dyn Clock>,
}

impl Bench {
    async fn new() -> Self {
        Self::at("").await
    }

    /// With a path of the issuer.
    async fn at(path: &str) -> Self {
        let manual = ManualClock::at(NOW);
        let clock: Arc<dyn Clock> = Arc::new(manual.clone());
        let mut builder = TestIssuer::builder().clock(Arc::clone(&clock));
        if !path.is_empty() {
            builder = builder.path(path);
        }
        Self { issuer: builder.start().await, manual, clock }
    }

    fn by_url(&self) -> JwksConfig {
        JwksConfig::url(self.issuer.jwks_url()).clock(Arc::clone(&self.clock))
    }

    fn by_discovery(&self) -> JwksConfig {
        JwksConfig::issuer(self.issuer.url()).clock(Arc::clone(&self.clock))
    }

    fn validator(&self, jwks: JwksConfig) -> JwtValidator {
        let config = JwtValidatorConfig::new(SignatureConfig::jwks(jwks));
        JwtValidator::new(config.issuer(self.issuer.url()).audience(["orders"])).unwrap()
    }

    /// A token that the validators accept, if they have its key.
    fn token(&self) -> TestToken<'_> {
        self.issuer.token().audience("orders")
    }

    /// `known`, or the code of the refusal, or `unavailable: ` and why.
    async fn ask(&self, validator: &JwtValidator, token: &str) -> String {
        use portcullis_core::Outcome;
        let credential = Credential::Bearer(Bearer::new(token).unwrap());
        let cx = Context::new(&self.clock);
        let outcome = match validator.try_authenticate(&credential, &cx) {
            Some(outcome) => outcome,
            None => validator.authenticate(&credential, &cx).await,
        };
        match outcome {
            Outcome::Known(_) => "known".to_owned(),
            Outcome::Refused(refusal) => refusal.code().to_owned(),
            Outcome::Unavailable(why) => format!("unavailable: {why}"),
        }
    }
}
