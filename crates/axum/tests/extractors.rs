//! The extractors: who gets to a handler, and how mistakes in the wiring are told from those of callers.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "../../tower/tests/support/mod.rs"]
mod support;

use axum::{
    Router,
    body::{Body, to_bytes},
    response::Response,
    routing::{any, get},
};
use http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE, response::Parts};
use portcullis_axum::{
    AuthLayer, AuthRouter, Caller, Claims, GuardExt, Principal, Rejection, RejectionKind, ScopeSet, Scoped,
};
use portcullis_core::{Auth, AuthBuilder};
use portcullis_testing::TestPrincipal;
use support::{ByToken, Log, hello, request};
use tower::ServiceExt;

struct Admin;

impl ScopeSet for Admin {
    const ANY_OF: &'static [&'static str] = &["admin", "root"];
}

#[derive(serde::Deserialize)]
struct Tenant {
    tenant: u64,
}

#[derive(serde::Deserialize)]
struct Elsewhere {
    #[expect(dead_code, reason = "no token has it")]
    region: String,
}

/// A handler for each extractor.
fn handlers() -> Router {
    let name = |principal: &Principal| principal.subject().unwrap_or("nobody").to_owned();
    Router::new()
        .route("/caller", get(async move |caller: Caller| name(&caller)))
        .route(
            "/perhaps",
            get(async move |caller: Option<Caller>| {
                caller.map_or_else(|| "none".to_owned(), |caller| name(&caller.into_principal()))
            }),
        )
        .route("/claims", get(async |Claims(claims): Claims<Tenant>| claims.tenant.to_string()))
        .route("/elsewhere", get(async |_: Claims<Elsewhere>| "never"))
        .route("/scoped", get(async move |caller: Scoped<Admin>| name(&caller)))
        .route(
            "/request",
            get(async move |request: axum::extract::Request| {
                Principal::of(request.extensions()).map_or_else(|| "none".to_owned(), name)
            }),
        )
}

fn anyone() -> AuthBuilder {
    Auth::builder().realm("orders").element(ByToken::default(), "*")
}

async fn call(app: Router, path: &str, token: &str) -> (Response<()>, String) {
    let (head, body) = app.oneshot(request::<Body>("GET", path, token)).await.unwrap().into_parts();
    let text = String::from_utf8(to_bytes(body, 1_000).await.unwrap().to_vec()).unwrap();
    (Response::from_parts(head, ()), text)
}

#[tokio::test]
async fn a_handler_gets_the_caller_that_was_let_in() {
    let app = handlers().layer(AuthLayer::new(anyone().build().unwrap()));
    for (path, token, status, text) in [
        ("/caller", "alice.", 200, "alice"),
        ("/perhaps", "alice.", 200, "alice"),
        ("/claims", "alice.", 200, "7"),
        ("/scoped", "alice.admin", 200, "alice"),
        ("/scoped", "alice.x~root", 200, "alice"),
        ("/scoped", "alice.x", 403, ""),
        ("/request", "alice.", 200, "alice"),
    ] {
        let (response, body) = call(app.clone(), path, token).await;
        assert_eq!((response.status().as_u16(), body.as_str()), (status, text), "{path} {token}");
    }
}

#[tokio::test]
async fn scoped_refuses_with_the_challenge_of_the_service_and_logs_it() {
    let app = handlers().layer(AuthLayer::new(anyone().build().unwrap()));
    let log = Log::start();
    let (response, body) = call(app, "/scoped", "alice.hello").await;
    assert_eq!((response.status(), body.as_str()), (StatusCode::FORBIDDEN, ""));
    assert_eq!(
        response.headers()[WWW_AUTHENTICATE],
        "Bearer realm=\"orders\", error=\"insufficient_scope\", scope=\"admin root\""
    );
    assert_eq!(response.headers()["content-length"], "0");
    let kind = response.extensions().get::<Rejection>().map(Rejection::kind);
    assert_eq!(kind, Some(RejectionKind::InsufficientScope));
    let [line] = &log.lines()[..] else { panic!("one event: {:?}", log.lines()) };
    for part in ["INFO", "asker=\"Scoped\"", "method=GET", "path=/scoped"] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[tokio::test]
async fn a_check_below_a_nest_tells_the_path_and_the_address_as_they_came() {
    for (path, asker) in [("/scoped", "Scoped"), ("/caller", "RequireScopes")] {
        let mut inner = handlers();
        if asker == "RequireScopes" {
            inner = inner.layer(portcullis_axum::RequireScopes::any_of(["admin"]).unwrap());
        }
        let app = Router::new().nest("/nest", inner);
        let app = app.layer(AuthLayer::new(anyone().build().unwrap()));
        let client = portcullis_axum::ClientAddr([192, 0, 2, 7].into());
        let app = app.layer(axum::Extension(client));
        let log = Log::start();
        assert_eq!(call(app, &format!("/nest{path}"), "alice.hello").await.0.status(), StatusCode::FORBIDDEN);
        let [line] = &log.lines()[..] else { panic!("one event: {:?}", log.lines()) };
        for part in [&format!("asker=\"{asker}\""), &format!("path=/nest{path}"), "client=192.0.2.7"] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
}

#[tokio::test]
async fn where_optional_let_a_request_in_without_credentials_a_demanded_caller_is_401() {
    let app = handlers().layer(AuthLayer::new(anyone().optional(true).build().unwrap()));
    for path in ["/caller", "/claims", "/scoped"] {
        let (response, body) = call(app.clone(), path, "").await;
        assert_eq!((response.status(), body.as_str()), (StatusCode::UNAUTHORIZED, ""), "{path}");
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer realm=\"orders\"");
    }
    for path in ["/perhaps", "/request"] {
        assert_eq!(call(app.clone(), path, "").await.1, "none");
        assert_eq!(call(app.clone(), path, "alice.").await.1, "alice");
        assert_eq!(call(app.clone(), path, "wrong").await.0.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_missing_layer_is_the_operators_mistake_and_never_a_401() {
    for (path, asker) in
        [("/caller", "Caller"), ("/perhaps", "Option<Caller>"), ("/claims", "Claims"), ("/scoped", "Scoped")]
    {
        for token in ["", "alice.admin"] {
            let log = Log::start();
            let (response, body) = call(handlers(), path, token).await;
            assert_eq!((response.status(), body.as_str()), (StatusCode::INTERNAL_SERVER_ERROR, ""), "{path}");
            assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
            let [line] = &log.lines()[..] else { panic!("one event: {:?}", log.lines()) };
            for part in ["ERROR", "portcullis", "AuthLayer", &format!("asker=\"{asker}\"")] {
                assert!(line.contains(part), "{part} in {line}");
            }
        }
    }
    assert_eq!(call(handlers(), "/request", "alice.").await.1, "none");
}

#[tokio::test]
async fn a_public_route_has_no_caller_to_demand() {
    let app = handlers().layer(AuthLayer::new(Auth::builder().public().build().unwrap()));
    for path in ["/caller", "/claims", "/scoped"] {
        let log = Log::start();
        let (response, _) = call(app.clone(), path, "alice.admin").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert!(log.lines()[0].contains("ERROR") && log.lines()[0].contains("public"), "{:?}", log.lines());
    }
    for path in ["/perhaps", "/request"] {
        assert_eq!(call(app.clone(), path, "alice.").await.1, "none");
    }
}

#[tokio::test]
async fn claims_of_another_shape_are_500_and_the_log_tells_no_value() {
    let app = handlers().layer(AuthLayer::new(anyone().build().unwrap()));
    let log = Log::start();
    let (response, body) = call(app, "/elsewhere", "canary.").await;
    assert_eq!((response.status(), body.as_str()), (StatusCode::INTERNAL_SERVER_ERROR, ""));
    assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
    let [line] = &log.lines()[..] else { panic!("one event: {:?}", log.lines()) };
    for part in ["ERROR", "missing field `region`", "Elsewhere", "remedy="] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!line.contains("canary"), "{line}");
}

#[tokio::test]
async fn extractors_narrow_within_a_guarded_router_too() {
    let router = AuthRouter::new()
        .route("/scoped", get(async |caller: Scoped<Admin>| caller.subject().unwrap_or_default().to_owned()))
        .route("/open", get(async |_: Caller| "never").public());
    let app = router.guard(&hello().build().unwrap()).unwrap();
    for (path, token, status) in [
        ("/scoped", "alice.hello~admin", 200),
        ("/scoped", "alice.hello", 403),
        ("/scoped", "alice.admin", 403),
        ("/open", "alice.hello", 500),
    ] {
        assert_eq!(call(app.clone(), path, token).await.0.status(), status, "{path} {token}");
    }
}

#[tokio::test]
async fn a_test_principal_is_a_caller_like_any_other() {
    let alice = TestPrincipal::new("alice").scopes(["admin"]).claim("tenant", 7);
    let app = handlers().layer(alice.layer());
    for (path, text) in [("/caller", "alice"), ("/perhaps", "alice"), ("/claims", "7"), ("/scoped", "alice")]
    {
        let (response, body) = call(app.clone(), path, "").await;
        assert_eq!((response.status().as_u16(), body.as_str()), (200, text), "{path}");
    }
    let app = handlers().layer(TestPrincipal::new("bob").layer());
    assert_eq!(call(app, "/scoped", "").await.0.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn one_middleware_gives_all_refusals_the_same_body() {
    // Problem details (RFC 9457), for the layer's refusals and for those of extractors.
    async fn problem_details(response: Response) -> Response {
        let Some(rejection) = response.extensions().get::<Rejection>() else { return response };
        let text = serde_json::json!({
            "type": "about:blank",
            "title": rejection.status().canonical_reason(),
            "status": rejection.status().as_u16(),
            "kind": rejection.kind().as_str(),
        })
        .to_string();
        let (mut head, _) = response.into_parts();
        head.headers.insert("content-type", HeaderValue::from_static("application/problem+json"));
        head.headers.remove("content-length");
        Response::from_parts(head, Body::from(text))
    }
    let app = handlers()
        .layer(AuthLayer::new(anyone().build().unwrap()))
        .layer(axum::middleware::map_response(problem_details));
    for (path, token, status, kind) in
        [("/caller", "", 401, "no-credential"), ("/scoped", "alice.x", 403, "insufficient-scope")]
    {
        let (response, body) = call(app.clone(), path, token).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(response.headers().contains_key(WWW_AUTHENTICATE));
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&problem["status"], &problem["kind"]), (&status.into(), &kind.into()));
    }
    assert_eq!(call(app, "/caller", "alice.").await.1, "alice");
}

#[tokio::test]
async fn a_hook_answers_with_problem_details() {
    // RFC 9457 §3.1: `type`, `title` and `status` of a problem.
    let hook = |rejection: &Rejection, head: &mut Parts| {
        head.headers.insert("content-type", HeaderValue::from_static("application/problem+json"));
        let problem = serde_json::json!({
            "type": format!("https://api.example/problems/{}", rejection.kind().as_str()),
            "title": rejection.status().canonical_reason(),
            "status": rejection.status().as_u16(),
        });
        Body::from(problem.to_string())
    };
    let app = handlers().layer(AuthLayer::new(hello().build().unwrap()).on_rejection(hook));
    for (token, status, kind) in [
        ("", 401, "no-credential"),
        ("wrong", 401, "refused"),
        ("alice.x", 403, "insufficient-scope"),
        ("away", 503, "unavailable"),
    ] {
        let (response, body) = call(app.clone(), "/caller", token).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["content-length"], body.len().to_string());
        assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), status != 503);
        assert_eq!(response.extensions().get::<Rejection>().unwrap().kind().as_str(), kind);
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["type"], format!("https://api.example/problems/{kind}"));
        assert_eq!(problem["status"], status);
    }
    assert_eq!(call(app, "/caller", "alice.hello").await.1, "alice");
}

/// 200 would open what a CONNECT asks for, whatever `grpc-status` stands beside it.
#[tokio::test]
async fn a_connect_is_refused_by_the_status_in_grpc_too() {
    let auth = || anyone().protocol(portcullis_core::Protocol::Grpc).optional(true).build().unwrap();
    let lease = async |_: portcullis_axum::ConnectionLease| "open";
    let app = Router::new()
        .route("/caller", any(async |_: Caller| "open"))
        .route("/scoped", any(async |_: Scoped<Admin>| "open"))
        .route("/lease", any(lease))
        .layer(AuthLayer::new(auth()))
        .route("/unguarded", any(lease));
    for (path, token, by_status, by_grpc) in
        [("/caller", "", 401, "16"), ("/scoped", "", 401, "16"), ("/scoped", "alice.x", 403, "7")]
    {
        for (method, status, grpc) in [("CONNECT", by_status, None), ("POST", 200, Some(by_grpc))] {
            let response = app.clone().oneshot(request::<Body>(method, path, token)).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{method} {path} {token}");
            let told = response.headers().get("grpc-status").map(|value| value.to_str().unwrap());
            assert_eq!(told, grpc, "{method} {path} {token}");
        }
    }
    for (path, status) in [("/lease", 200), ("/unguarded", 500)] {
        let response = app.clone().oneshot(request::<Body>("CONNECT", path, "")).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
    }
}
