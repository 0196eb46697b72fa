//! Other crates in front of the same service, with the same key from memory and the same demands where they know them: issuer,
//! audience, expiry, and the scope.

use std::{fmt::Debug, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::StatusCode;
use huskarl_resource_server::{
    core::{
        Error,
        http::{HttpClient, HttpResponse, Idempotency},
        platform::MaybeSendBoxFuture,
    },
    validator::rfc9068::Rfc9068Validator,
};
use jwt_authorizer::{Authorizer, IntoLayer, JwtAuthorizer, RegisteredClaims, Validation};
use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator, axum::AuthLayer};
use tower::Service;
use tower_oauth2_resource_server::{
    claims::DefaultClaims, server::OAuth2ResourceServer, tenant::TenantConfiguration,
    validation::ClaimsValidationSpec,
};

use super::{Bench, Case, Requests, Serving, ours, plain::hello};
use crate::fixtures::{AUDIENCE, ISSUER, Keyed, SCOPE};

/// Whose tokens are shown.
type Key = fn(&Bench) -> &Keyed;

/// A peer that lets good tokens in, and was seen to refuse one whose signature is of another key: what is fast because it does
/// not look is no peer.
fn checked<S, B, R, M>(bench: &Bench, key: Key, app: M) -> Box<dyn Case>
where
    M: Fn(&Bench) -> S + Copy + Send + 'static,
    S: Service<http::Request<B>, Response = http::Response<R>, Error: Debug> + Send + 'static,
    B: Default + 'static,
    R: 'static,
{
    let forged = Serving::<_, _, B>::new(bench, ours::forged(key(bench)), app);
    forged.answering(StatusCode::UNAUTHORIZED).run(bench, 1);
    let mut case = Serving::<_, _, B>::new(bench, Requests::bearer(&key(bench).tokens), app);
    case.run(bench, 1);
    case.reset(bench);
    Box::new(case)
}

/// The unprotected route of axum 0.7, on which one of the peers stands.
pub fn route_of_axum_07(bench: &Bench) -> Box<dyn Case> {
    let requests = Requests::bearer(bench.fixtures.rsa.tokens.first());
    Box::new(Serving::<_, _, axum07::body::Body>::new(bench, requests, |_| {
        axum07::Router::new().route("/", axum07::routing::get(|| async { "Hello, World!" }))
    }))
}

/// jwt-authorizer, on axum 0.7.
pub fn jwt_authorizer(bench: &Bench, key: Key) -> Box<dyn Case> {
    let app = move |bench: &Bench| {
        let demands = Validation::new().iss(&[ISSUER]).aud(&[AUDIENCE]);
        let builder: JwtAuthorizer<RegisteredClaims> =
            JwtAuthorizer::from_jwks_text(&key(bench).jwks).validation(demands);
        let authorizer: Authorizer<RegisteredClaims> =
            bench.runtime.block_on(builder.build()).expect("the authorizer is built");
        axum07::Router::new()
            .route("/", axum07::routing::get(|| async { "Hello, World!" }))
            .layer(authorizer.into_layer())
    };
    checked::<_, axum07::body::Body, _, _>(bench, key, app)
}

/// tower-oauth2-resource-server.
pub fn tower_oauth2(bench: &Bench, key: Key) -> Box<dyn Case> {
    let app = move |bench: &Bench| {
        let demands = ClaimsValidationSpec::recommended(ISSUER, &vec![AUDIENCE.to_owned()]);
        let tenant = TenantConfiguration::static_builder(key(bench).jwks.as_str())
            .claims_validation(demands)
            .build()
            .expect("the tenant is built");
        let server = OAuth2ResourceServer::<DefaultClaims>::builder().add_tenant(tenant).build();
        let server = bench.runtime.block_on(server).expect("the server is built");
        hello("/").layer(server.into_layer())
    };
    checked::<_, Body, _, _>(bench, key, app)
}

/// oauth-resource-server.
pub fn oauth_resource_server(bench: &Bench, key: Key) -> Box<dyn Case> {
    let app = move |bench: &Bench| {
        let config = OAuthConfig {
            enabled: true,
            issuer: ISSUER.into(),
            audience: AUDIENCE.into(),
            resource: "https://orders.example/".into(),
            required_scope: Some(SCOPE.into()),
            ..OAuthConfig::default()
        };
        let config = config.resolve(KeyNaming::Dotted("oauth")).expect("the settings are good");
        let config = config.expect("it is switched on");
        let validator = OAuthValidator::builder(&config).initial_jwks(&key(bench).jwks).build();
        let validator = Arc::new(validator.expect("the validator is built"));
        let layer = AuthLayer::builder().oauth(validator).build().expect("the layer is built");
        hello("/").layer(layer)
    };
    checked::<_, Body, _, _>(bench, key, app)
}

/// huskarl-resource-server, which brings no layer: one of axum's own calls it.
pub fn huskarl(bench: &Bench, key: Key) -> Box<dyn Case> {
    let app = move |bench: &Bench| -> Router {
        let validator = Rfc9068Validator::builder()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .jwks_uri(
                "https://id.example/jwks"
                    .parse::<huskarl_resource_server::core::EndpointUrl>()
                    .expect("a URL"),
            )
            .jwks_source(Answering(Bytes::from(key(bench).jwks.clone())))
            .build();
        let validator = bench.runtime.block_on(validator).expect("the validator is built");
        hello("/").layer(from_fn_with_state(Arc::new(validator), huskarl_check))
    };
    checked::<_, Body, _, _>(bench, key, app)
}

async fn huskarl_check(
    State(validator): State<Arc<Rfc9068Validator>>,
    mut request: Request,
    next: Next,
) -> Response {
    let (headers, method, uri) = (request.headers(), request.method(), request.uri());
    let result = validator.validate_request(headers, method, uri, None).await;
    match result.outcome {
        Ok(Some(validated)) => {
            request.extensions_mut().insert(Arc::new(validated));
            next.run(request).await
        }
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// An HTTP client that answers the key set whatever it is asked.
struct Answering(Bytes);

impl HttpClient for Answering {
    fn execute(
        &self,
        _: http::Request<Bytes>,
        _: Idempotency,
    ) -> MaybeSendBoxFuture<'_, Result<HttpResponse, Error>> {
        let body = self.0.clone();
        Box::pin(async { Ok(HttpResponse { status: StatusCode::OK, headers: http::HeaderMap::new(), body }) })
    }
}
