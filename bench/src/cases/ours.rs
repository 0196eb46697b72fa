//! portcullis in front of a service.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::StatusCode;
use portcullis::{
    Auth, AuthLayer, FileUserStore, IntoProvider, JwtValidator, JwtValidatorConfig, OAuth2Introspection,
    UnixTime, User,
    jwt::{CacheConfig, JwksConfig, SignatureConfig},
    oauth2, outbound,
};
use portcullis_testing::{ManualClock, TestIntrospection, TestIssuer};
use serde_json::json;
use tower::Layer;

use super::{Bench, Case, Requests, Serving, plain::hello};
use crate::fixtures::{AUDIENCE, ISSUER, Keyed, PASSWORD, SCOPE, SECRET};

/// What a service with tokens of one issuer says.
pub fn validator(signature: SignatureConfig) -> JwtValidatorConfig {
    JwtValidatorConfig::new(signature).issuer(ISSUER).audience([AUDIENCE])
}

pub fn jwt(keyed: &Keyed) -> JwtValidator {
    JwtValidator::new(validator(SignatureConfig::jwk(keyed.jwks.as_str()))).expect("the validator is built")
}

/// One element, with a scope.
pub fn auth(provider: impl IntoProvider) -> Auth {
    // Under callgrind, on a busy machine, the first request waits long for its keys.
    let patience = Duration::from_secs(300);
    let builder = Auth::builder().element(provider, SCOPE).decision_timeout(patience);
    builder.build().expect("the service is built")
}

/// The route behind the layer, put where users put it.
pub fn guarded(auth: Auth) -> Router {
    hello("/").layer(AuthLayer::new(auth))
}

fn hot(bench: &Bench) -> Requests {
    Requests::bearer(bench.fixtures.rsa.tokens.first())
}

/// A JWT that was seen before, its key from the configuration.
pub fn jwt_warm(bench: &Bench) -> Box<dyn Case> {
    let app = |bench: &Bench| guarded(auth(jwt(&bench.fixtures.rsa)));
    Box::new(Serving::<_, _, Body>::new(bench, hot(bench), app).warm(bench))
}

/// The same in front of the whole router.
pub fn jwt_warm_outside(bench: &Bench) -> Box<dyn Case> {
    let app = |bench: &Bench| AuthLayer::new(auth(jwt(&bench.fixtures.rsa))).layer(hello("/"));
    Box::new(Serving::<_, _, Body>::new(bench, hot(bench), app).warm(bench))
}

/// The same with a key that was fetched.
pub fn jwt_warm_fetched(bench: &Bench) -> Box<dyn Case> {
    fetched(bench, bench.fixtures.rsa.jwks.clone())
}

/// The key set is fetched, once.
pub fn fetched(bench: &Bench, jwks: String) -> Box<dyn Case> {
    let issuer = bench.runtime.block_on(TestIssuer::start());
    issuer.answer_jwks_with("application/json", jwks);
    let app = move |_: &Bench| {
        let client = outbound::ClientConfig::default().request_timeout(Duration::from_secs(300));
        let keys = SignatureConfig::jwks(JwksConfig::url(issuer.jwks_url()).client(client));
        guarded(auth(JwtValidator::new(validator(keys)).expect("the validator is built")))
    };
    Box::new(Serving::<_, _, Body>::new(bench, hot(bench), app).warm(bench))
}

/// An opaque token that its server was asked about before.
pub fn introspection_warm(bench: &Bench) -> Box<dyn Case> {
    introspected(bench, bench.fixtures.opaque.clone())
}

/// The same where the token is a long one.
pub fn introspection_warm_long(bench: &Bench) -> Box<dyn Case> {
    introspected(bench, bench.fixtures.rsa.tokens[0].clone())
}

fn introspected(bench: &Bench, token: String) -> Box<dyn Case> {
    let server = bench.runtime.block_on(TestIntrospection::start());
    server.grant(&token, json!({ "sub": "248289761001", "scope": format!("openid profile {SCOPE}") }));
    let requests = Requests::bearer([&token]);
    let app = move |_: &Bench| guarded(auth(introspection(&server)));
    Box::new(Serving::<_, _, Body>::new(bench, requests, app).warm(bench))
}

fn introspection(server: &TestIntrospection) -> OAuth2Introspection {
    let endpoint = outbound::Endpoint::parse(&server.url()).expect("a URL");
    // Under callgrind some seconds pass.
    let cache = oauth2::CacheConfig::default().negative_max_age(Duration::from_secs(300));
    let config = oauth2::IntrospectionConfig::new(endpoint).cache(cache);
    OAuth2Introspection::new(config).expect("the provider is built")
}

pub fn basic() -> Requests {
    Requests::valued([format!("Basic {}", BASE64_STANDARD.encode(format!("alice:{PASSWORD}")))])
}

pub fn alice(bench: &Bench) -> User {
    User::new("alice", &bench.fixtures.password_hash).scopes([SCOPE])
}

/// A user whose password was verified before.
pub fn basic_warm(bench: &Bench) -> Box<dyn Case> {
    let app = |bench: &Bench| guarded(auth(FileUserStore::new([alice(bench)])));
    Box::new(Serving::<_, _, Body>::new(bench, basic(), app).warm(bench))
}

/// The same where nothing is remembered, and the hash computed every time.
pub fn basic_cold(bench: &Bench) -> Box<dyn Case> {
    let app = |bench: &Bench| guarded(auth(FileUserStore::new([alice(bench)]).remember_for(Duration::ZERO)));
    Box::new(Serving::<_, _, Body>::new(bench, basic(), app))
}

/// A user whose password stands in clear text.
pub fn basic_clear(bench: &Bench) -> Box<dyn Case> {
    let app = |_: &Bench| guarded(auth(clear()));
    Box::new(Serving::<_, _, Body>::new(bench, basic(), app))
}

fn clear() -> FileUserStore {
    FileUserStore::new([User::with_password("alice", PASSWORD).scopes([SCOPE])])
}

/// Tokens that were never seen, and are remembered.
pub fn jwt_cold(bench: &Bench, keyed: fn(&Bench) -> &Keyed) -> Box<dyn Case> {
    let requests = Requests::bearer(&keyed(bench).tokens);
    let app = move |bench: &Bench| guarded(auth(jwt(keyed(bench))));
    Box::new(Serving::<_, _, Body>::new(bench, requests, app))
}

/// The same where nothing is remembered.
pub fn jwt_uncached(bench: &Bench, keyed: fn(&Bench) -> &Keyed) -> Box<dyn Case> {
    let requests = Requests::bearer(&keyed(bench).tokens);
    let app = move |bench: &Bench| {
        let config = validator(SignatureConfig::jwk(keyed(bench).jwks.as_str()));
        guarded(auth(JwtValidator::new(config.cache(CacheConfig::off())).expect("the validator is built")))
    };
    Box::new(Serving::<_, _, Body>::new(bench, requests, app))
}

/// No credential at all.
pub fn refused_without(bench: &Bench) -> Box<dyn Case> {
    refused(bench, Requests::without_credential())
}

/// A bearer token that is no JWT.
pub fn refused_random(bench: &Bench) -> Box<dyn Case> {
    refused(bench, Requests::bearer([&bench.fixtures.random]))
}

/// A token whose signature is of another key.
pub fn refused_forged(bench: &Bench) -> Box<dyn Case> {
    refused(bench, forged(&bench.fixtures.rsa))
}

/// Such tokens.
pub fn forged(keyed: &Keyed) -> Requests {
    let forged = keyed.tokens.iter().map(|token| {
        let (signed, signature) = token.rsplit_once('.').expect("a token has three segments");
        // The first character of a signature may be any.
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        format!("{signed}.{first}{}", &signature[1..])
    });
    Requests::bearer(&forged.collect::<Vec<_>>())
}

fn refused(bench: &Bench, requests: Requests) -> Box<dyn Case> {
    refused_by(bench, requests, StatusCode::UNAUTHORIZED, |bench| auth(jwt(&bench.fixtures.rsa)))
}

fn refused_by(
    bench: &Bench,
    requests: Requests,
    status: StatusCode,
    make: fn(&Bench) -> Auth,
) -> Box<dyn Case> {
    let app = move |bench: &Bench| guarded(make(bench));
    Box::new(Serving::<_, _, Body>::new(bench, requests, app).answering(status))
}

/// A token that has expired and was never seen.
pub fn refused_expired(bench: &Bench) -> Box<dyn Case> {
    refused_by(bench, Requests::bearer(&bench.fixtures.rsa.tokens), StatusCode::UNAUTHORIZED, |bench| {
        let late: Arc<ManualClock> = Arc::new(ManualClock::at(UnixTime::from_secs(10_000_000_000)));
        let builder = Auth::builder().clock(late).element(jwt(&bench.fixtures.rsa), SCOPE);
        builder.build().expect("the service is built")
    })
}

/// A token that was seen before, and does not hold the scope.
pub fn forbidden(bench: &Bench) -> Box<dyn Case> {
    let app = |bench: &Bench| {
        let builder = Auth::builder().element(jwt(&bench.fixtures.rsa), "orders:write");
        guarded(builder.build().expect("the service is built"))
    };
    Box::new(Serving::<_, _, Body>::new(bench, hot(bench), app).answering(StatusCode::FORBIDDEN).warm(bench))
}

/// A wrong password of a user whose right one is remembered.
pub fn refused_password(bench: &Bench) -> Box<dyn Case> {
    let app = |bench: &Bench| {
        let app = guarded(auth(FileUserStore::new([alice(bench)])));
        let mut right = Serving::<_, _, Body>::new(bench, basic(), |_| app.clone());
        right.run(bench, 1);
        app
    };
    let refused = StatusCode::UNAUTHORIZED;
    Box::new(Serving::<_, _, Body>::new(bench, wrong_password(), app).answering(refused))
}

/// A wrong password where the right one stands in clear text.
pub fn refused_clear(bench: &Bench) -> Box<dyn Case> {
    refused_by(bench, wrong_password(), StatusCode::UNAUTHORIZED, |_| auth(clear()))
}

fn wrong_password() -> Requests {
    Requests::valued([format!("Basic {}", BASE64_STANDARD.encode(format!("alice:{PASSWORD}?")))])
}

/// An opaque token of which the server said before that it is no good.
pub fn refused_inactive(bench: &Bench) -> Box<dyn Case> {
    let server = bench.runtime.block_on(TestIntrospection::start());
    let app = move |_: &Bench| guarded(auth(introspection(&server)));
    let requests = Requests::bearer([&bench.fixtures.opaque]);
    let refused = StatusCode::UNAUTHORIZED;
    Box::new(Serving::<_, _, Body>::new(bench, requests, app).answering(refused).warm(bench))
}

/// A validator of tokens by a shared secret, which are cheap to make by the hundred thousand.
pub fn by_secret(capacity: usize) -> JwtValidator {
    let config = validator(SignatureConfig::secret(SECRET)).cache(CacheConfig::default().capacity(capacity));
    JwtValidator::new(config).expect("the validator is built")
}
