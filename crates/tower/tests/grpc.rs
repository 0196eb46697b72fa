//! How gRPC services refuse, and that nobody else does.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::convert::Infallible;

use http::{
    Extensions, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    response::Parts,
};
use portcullis_core::{Auth, AuthBuilder, Protocol, Rejection, RejectionKind, Resource};
use portcullis_tower::{AuthLayer, AuthLayerWith, RequestSource, RequestView, RequireScopes};
use support::{ByToken, hello, request};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

/// As tonic routes: every method of a service under one wildcard.
#[derive(Clone, Copy, Default)]
struct Tonic;

impl RequestSource for Tonic {
    fn view<'a>(&'a self, _: &Method, uri: &'a Uri, _: &'a Extensions) -> RequestView<'a> {
        let route = uri.path().starts_with("/pkg.Greeter/").then_some("/pkg.Greeter/{*rest}");
        RequestView::new(uri.path()).with_route(route)
    }
}

fn greeter(protocol: Protocol) -> AuthBuilder {
    hello()
        .protocol(protocol)
        .resource(Resource::new("/pkg.Greeter/Shout").scopes("shout"))
        .resource(Resource::new("/pkg.Greeter/Ping").public())
}

async fn call(auth: AuthBuilder, request: Request<()>) -> Response<String> {
    let layer = AuthLayerWith::<Tonic>::new(auth.build().unwrap());
    let handler = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("in".to_owned())));
    layer.layer(handler).oneshot(request).await.unwrap()
}

/// `grpc-status`, after checking what goes with it.
#[track_caller]
fn grpc_status(response: &Response<String>) -> u16 {
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers();
    assert_eq!(headers[CONTENT_TYPE], "application/grpc");
    assert!(!headers.contains_key(CONTENT_LENGTH), "trailers-only");
    assert!(!headers["grpc-message"].is_empty());
    assert_eq!(response.body(), "");
    headers["grpc-status"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_grpc_service_refuses_in_grpcs_way_method_by_method() {
    for (path, token, expected) in [
        ("/pkg.Greeter/SayHello", "alice.hello", None),
        ("/pkg.Greeter/SayHello", "", Some(16)),
        ("/pkg.Greeter/SayHello", "wrong", Some(16)),
        ("/pkg.Greeter/SayHello", "a b", Some(16)),
        ("/pkg.Greeter/SayHello", "alice.shout", Some(7)),
        ("/pkg.Greeter/SayHello", "away", Some(14)),
        ("/pkg.Greeter/Shout", "alice.shout", None),
        ("/pkg.Greeter/Shout", "alice.hello", Some(7)),
        ("/pkg.Greeter/Ping", "", None),
        ("/pkg.Greeter//Shout", "alice.shout", Some(3)),
    ] {
        let response = call(greeter(Protocol::Grpc), request("POST", path, token)).await;
        let Some(code) = expected else {
            assert_eq!(response.body(), "in", "{path} {token}");
            continue;
        };
        assert_eq!(grpc_status(&response), code, "{path} {token}");
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.kind().grpc_status(), code);
        assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), matches!(code, 16 | 7));
        assert_eq!(response.headers().contains_key(RETRY_AFTER), code == 14);
    }
}

#[tokio::test]
async fn whatever_is_sent_there_is_answered_in_grpcs_way() {
    for method in ["GET", "HEAD", "OPTIONS"] {
        let response = call(greeter(Protocol::Grpc), request(method, "/pkg.Greeter/SayHello", "")).await;
        assert_eq!(grpc_status(&response), 16, "{method}");
    }
}

#[tokio::test]
async fn no_answer_to_a_connect_looks_as_if_it_were_open() {
    for (token, status) in
        [("", 401), ("a b", 401), ("wrong", 401), ("alice.other", 403), ("away", 503), ("slow-wrong", 401)]
    {
        let provider = ByToken::default();
        provider.open(1);
        let auth = Auth::builder().element(provider, "hello").protocol(Protocol::Grpc);
        let response = call(auth, request("CONNECT", "/pkg.Greeter/SayHello", token)).await;
        assert_eq!(response.status(), status, "{token}");
        assert!(!response.headers().contains_key("grpc-status"));
    }
    let ambiguous = request("CONNECT", "/pkg.Greeter//Shout", "alice.hello");
    let auth = || {
        greeter(Protocol::Grpc).resource(Resource::new("/pkg.Greeter/Shout").method(Method::GET).scopes("x"))
    };
    assert_eq!(call(auth(), ambiguous).await.status(), StatusCode::BAD_REQUEST);
    let elsewhere = request("CONNECT", "/x", "alice.hello");
    assert_eq!(call(auth().path("/v1"), elsewhere).await.status(), StatusCode::INTERNAL_SERVER_ERROR);

    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(greeter(Protocol::Grpc).build().unwrap()))
        .layer(RequireScopes::any_of("root").unwrap())
        .service(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new()))));
    let response = service.oneshot(request("CONNECT", "/x", "alice.hello")).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn elsewhere_a_grpc_content_type_changes_nothing() {
    for content_type in ["application/grpc", "application/grpc+proto", "application/json"] {
        for (token, status) in [("", 401), ("alice.other", 403), ("away", 503)] {
            let mut request: Request<()> = request("POST", "/pkg.Greeter/SayHello", token);
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            let response = call(greeter(Protocol::Http), request).await;
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[CONTENT_TYPE], "text/plain");
            assert!(!response.headers().contains_key("grpc-status"));
        }
    }
}

#[tokio::test]
async fn a_service_outside_its_path_is_an_internal_error() {
    let auth = greeter(Protocol::Grpc).path("/v1");
    let response = call(auth, request("POST", "/pkg.Greeter/SayHello", "alice.hello")).await;
    assert_eq!(grpc_status(&response), 13);
}

#[tokio::test]
async fn checks_inside_answer_as_the_service_does() {
    for (path, token, code, kind) in [
        ("/x", "alice.hello", 7, RejectionKind::InsufficientScope),
        ("/maybe", "", 16, RejectionKind::NoCredential),
        ("/open", "", 13, RejectionKind::PublicRoute),
    ] {
        let auth = hello()
            .protocol(Protocol::Grpc)
            .resource(Resource::new("/maybe").optional(true))
            .resource(Resource::new("/open").public());
        let service = ServiceBuilder::new()
            .layer(AuthLayer::new(auth.build().unwrap()))
            .layer(RequireScopes::any_of("root").unwrap())
            .service(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("in".to_owned()))));
        let response = service.oneshot(request("POST", path, token)).await.unwrap();
        assert_eq!(grpc_status(&response), code, "{path}");
        assert_eq!(response.extensions().get::<Rejection>().unwrap().kind(), kind);
    }
    // Without a layer nobody knows of gRPC.
    let lone = RequireScopes::any_of("root").unwrap();
    let lone =
        lone.layer(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new()))));
    let response = lone.oneshot(request("POST", "/x", "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_hook_has_no_say_about_the_headers() {
    let hook = |rejection: &Rejection, head: &mut Parts| {
        assert_eq!((rejection.protocol(), head.status), (Protocol::Grpc, StatusCode::OK));
        head.status = StatusCode::IM_A_TEAPOT;
        for (name, value) in
            [("grpc-status", "0"), ("content-type", "text/html"), ("content-length", "3"), ("x-own", "1")]
        {
            head.headers.insert(name, HeaderValue::from_static(value));
        }
        head.headers.remove(WWW_AUTHENTICATE);
        String::new()
    };
    let layer = AuthLayer::new(greeter(Protocol::Grpc).build().unwrap()).on_rejection(hook);
    let service =
        layer.layer(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("in".to_owned()))));
    let response = service.oneshot(request("POST", "/pkg.Greeter/SayHello", "")).await.unwrap();
    assert_eq!(grpc_status(&response), 16);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer realm=\"portcullis\"");
    assert_eq!(response.headers()["x-own"], "1");
}
