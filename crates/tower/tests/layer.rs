//! Whom the layer lets in, what the inner service then sees, and what everyone else is told.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::{convert::Infallible, net::IpAddr, rc::Rc, sync::Arc};

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    response::Parts,
};
use portcullis_core::{Admission, Auth, AuthBuilder, Principal, Rejection, RejectionKind, Resource};
use portcullis_tower::{
    AuthLayer, AuthService, ClientAddr, EmptyBody, OnRejection, PlainRequest, RequireScopes,
};
use support::{ByToken, Log, hello, request};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

/// What reached the inner service.
#[derive(Clone, Debug, Default)]
struct Seen {
    subject: Option<String>,
    admitted: bool,
    headers: HeaderMap,
}

type Handler = tower::util::BoxCloneService<Request<()>, Response<Vec<Seen>>, Infallible>;

/// A service that answers with what it saw; refusals have the default body, which is empty.
fn seeing() -> Handler {
    service_fn(|request: Request<()>| async move {
        Ok(Response::new(vec![Seen {
            subject: Principal::of(request.extensions()).and_then(|p| p.subject()).map(str::to_owned),
            admitted: Admission::of(request.extensions()).is_some(),
            headers: request.headers().clone(),
        }]))
    })
    .boxed_clone()
}

async fn call(auth: AuthBuilder, request: Request<()>) -> Response<Vec<Seen>> {
    AuthLayer::new(auth.build().unwrap()).layer(seeing()).oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_request_is_let_in_or_answered_as_the_chain_decides() {
    for (token, status, challenges) in [
        ("alice.hello", 200, &[][..]),
        ("alice.admin~hello", 200, &[]),
        ("", 401, &["Bearer realm=\"portcullis\""]),
        ("wrong", 401, &["Bearer realm=\"portcullis\", error=\"invalid_token\""]),
        ("alice.admin", 403, &["Bearer realm=\"portcullis\", error=\"insufficient_scope\", scope=\"hello\""]),
        ("away", 503, &[]),
    ] {
        let response = call(hello(), request("GET", "/", token)).await;
        assert_eq!(response.status(), status, "{token}");
        assert_eq!(response.headers().get_all(WWW_AUTHENTICATE).iter().collect::<Vec<_>>(), challenges);
        assert_eq!(response.headers().contains_key(RETRY_AFTER), status == 503);
        let rejection = response.extensions().get::<Rejection>();
        if status == 200 {
            let [seen] = &response.body()[..] else { panic!("the inner service answered") };
            assert_eq!(seen.subject.as_deref(), Some("alice"));
            assert!(rejection.is_none());
        } else {
            assert!(response.body().is_empty(), "{token}: the inner service was not asked");
            assert_eq!(response.headers()[CONTENT_LENGTH], "0");
            assert_eq!(response.headers()[CONTENT_TYPE], "text/plain");
            assert_eq!(rejection.unwrap().status(), status);
        }
    }
}

#[tokio::test]
async fn waiting_for_an_element_changes_no_answer() {
    let provider = ByToken::default();
    provider.open(usize::from(u16::MAX));
    for (token, status) in
        [("slow-alice.hello", 200), ("slow-wrong", 401), ("slow-alice.admin", 403), ("slow-away", 503)]
    {
        let auth = Auth::builder().element(provider.clone(), "hello").forward_credential(false);
        let response = call(auth, request("GET", "/", token)).await;
        assert_eq!(response.status(), status, "{token}");
        if let [seen] = &response.body()[..] {
            assert_eq!(seen.subject.as_deref(), Some("alice"));
            assert!(!seen.headers.contains_key(AUTHORIZATION));
        }
        assert_eq!(response.extensions().get::<Rejection>().is_some(), status != 200);
    }
}

#[tokio::test]
async fn every_authorization_value_is_marked_sensitive() {
    let public = || Auth::builder().public();
    let mut two: Request<()> = request("GET", "/", "first");
    two.headers_mut().append(AUTHORIZATION, HeaderValue::from_static("Bearer second"));
    for (auth, request, count) in [(hello(), request("GET", "/", "alice.hello"), 1), (public(), two, 2)] {
        let response = call(auth, request).await;
        let headers = &response.body()[0].headers;
        let values: Vec<&HeaderValue> = headers.get_all(AUTHORIZATION).iter().collect();
        assert_eq!(values.len(), count);
        assert!(values.iter().all(|value| value.is_sensitive()));
        assert!(!format!("{headers:?}").contains("Bearer"));
    }
}

#[tokio::test]
async fn two_authorization_lines_are_refused() {
    let mut two: Request<()> = request("GET", "/", "alice.hello");
    two.headers_mut().append(AUTHORIZATION, HeaderValue::from_static("Bearer alice.hello"));
    let response = call(hello(), two).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(matches!(
        response.extensions().get::<Rejection>().map(Rejection::kind),
        Some(RejectionKind::Malformed(_))
    ));
}

#[tokio::test]
async fn the_handler_sees_the_credential_unless_the_service_keeps_it() {
    for (forward, path, seen) in
        [(true, "/x", true), (true, "/open", true), (false, "/x", false), (false, "/open", false)]
    {
        let auth = hello().forward_credential(forward).resource(Resource::new("/open").public());
        let mut request: Request<()> = request("GET", path, "alice.hello");
        request.headers_mut().insert("x-other", HeaderValue::from_static("stays"));
        let response = call(auth, request).await;
        let headers = &response.body()[0].headers;
        assert_eq!(headers.contains_key(AUTHORIZATION), seen, "{forward} {path}");
        assert!(headers.contains_key("x-other"));
    }
}

#[tokio::test]
async fn a_public_resource_has_no_caller_whatever_is_sent() {
    let auth = || hello().resource(Resource::new("/open").public());
    for token in ["", "alice.hello", "wrong"] {
        let response = call(auth(), request("GET", "/open", token)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.body()[0].subject, None);
        assert!(response.body()[0].admitted);
    }
}

#[tokio::test]
async fn options_is_a_method_like_any_other() {
    let mut preflight: Request<()> = request("OPTIONS", "/", "");
    for (name, value) in [("origin", "https://app.example"), ("access-control-request-method", "GET")] {
        preflight.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    assert_eq!(call(hello(), preflight).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(call(hello(), request("OPTIONS", "*", "")).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(call(hello(), request("OPTIONS", "/", "alice.hello")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn resources_are_found_by_method_and_decoded_path() {
    let auth = || {
        hello()
            .path("/foo")
            .resource(Resource::new("/admin").scopes("admin"))
            .resource(Resource::new("/ws").method(http::Method::GET).scopes("ws"))
    };
    for (method, path, token, status) in [
        ("GET", "/foo/bar", "alice.hello", 200),
        ("GET", "/foo/admin", "alice.hello", 403),
        ("GET", "/foo/admin", "alice.admin", 200),
        ("GET", "/foo/%61dmin", "alice.hello", 403),
        ("GET", "/f%6Fo/admin?x=/foo/bar", "alice.hello", 403),
        ("GET", "/foo/ws", "alice.hello", 403),
        ("HEAD", "/foo/ws", "alice.hello", 403),
        ("CONNECT", "/foo/ws", "alice.hello", 403),
        ("POST", "/foo/ws", "alice.hello", 200),
        ("GET", "/foo%2Fadmin", "alice.hello", 400),
        ("GET", "/elsewhere", "alice.hello", 500),
        ("GET", "/foobar", "alice.hello", 500),
        ("CONNECT", "example.com:443", "alice.hello", 200),
        ("CONNECT", "example.com:443", "", 401),
        ("OPTIONS", "*", "", 401),
    ] {
        let response = call(auth(), request(method, path, token)).await;
        assert_eq!(response.status(), status, "{method} {path} {token}");
    }
}

#[tokio::test]
async fn a_layer_takes_resources_in_code() {
    let layer = AuthLayer::new(hello().build().unwrap())
        .resource(Resource::new("/admin").scopes("admin"))
        .and_then(|layer| layer.resource(Resource::new("/open").public()))
        .unwrap();
    assert_eq!(layer.auth().resources().count(), 2);
    for (path, token, status) in [
        ("/admin", "alice.hello", 403),
        ("/admin", "alice.admin", 200),
        ("/open", "", 200),
        ("/other", "", 401),
    ] {
        let response = layer.layer(seeing()).oneshot(request("GET", path, token)).await.unwrap();
        assert_eq!(response.status(), status, "{path} {token}");
    }
    let twice = layer.resource(Resource::new("/admin")).unwrap_err().to_string();
    assert_eq!(twice, "resource /admin and resource /admin cover the same requests: keep one of them");
}

#[tokio::test]
async fn mounted_at_takes_the_prefix_off() {
    let layer = |auth: AuthBuilder| AuthLayer::new(auth.build().unwrap()).mounted_at("/api");
    let with_resources = || hello().path("/foo").resource(Resource::new("/admin").scopes("admin"));
    for (path, token, status) in [
        ("/api/foo/admin", "alice.hello", 403),
        ("/api/foo/admin", "alice.admin", 200),
        ("/api/foo/bar", "alice.hello", 200),
        ("/%61pi/foo/admin", "alice.hello", 403),
        ("/foo/admin", "alice.admin", 500),
        ("/api/bar", "alice.hello", 500),
        ("/apis/foo/admin", "alice.admin", 500),
    ] {
        let response =
            layer(with_resources()).layer(seeing()).oneshot(request("GET", path, token)).await.unwrap();
        assert_eq!(response.status(), status, "{path} {token}");
    }
    // Where the path decides nothing, it cannot be wrong.
    let response =
        layer(hello()).layer(seeing()).oneshot(request("GET", "/foo", "alice.hello")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_path_outside_the_mount_is_an_error_in_the_log_that_names_the_remedy() {
    let log = Log::start();
    let layer = AuthLayer::new(hello().resource(Resource::new("/x").public()).build().unwrap());
    let response = layer.mounted_at("/api").layer(seeing()).oneshot(request("GET", "/x", "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let kind = response.extensions().get::<Rejection>().map(Rejection::kind);
    assert_eq!(kind, Some(RejectionKind::NotMounted));
    let lines = log.lines();
    assert!(lines.len() == 1 && lines[0].contains("ERROR") && lines[0].contains("mounted_at"), "{lines:?}");
}

#[tokio::test]
async fn optional_goes_on_without_a_caller_and_refuses_a_bad_credential() {
    let auth = || hello().optional(true);
    for (token, status, subject) in
        [("", 200, None), ("alice.hello", 200, Some("alice")), ("wrong", 401, None), ("alice.x", 403, None)]
    {
        let response = call(auth(), request("GET", "/", token)).await;
        assert_eq!(response.status(), status, "{token}");
        let seen = response.body().first().and_then(|seen| seen.subject.as_deref());
        assert_eq!(seen, subject);
    }
}

#[tokio::test]
async fn the_client_address_reaches_the_log() {
    let log = Log::start();
    let mut request: Request<()> = request("GET", "/", "wrong");
    request.extensions_mut().insert(ClientAddr(IpAddr::from([192, 0, 2, 7])));
    call(hello(), request).await;
    assert!(log.lines()[0].contains("client=192.0.2.7"), "{:?}", log.lines());
    assert!(!log.lines()[0].contains("Bearer"));
}

#[tokio::test]
async fn an_error_of_the_inner_service_stays_its_own() {
    let failing = service_fn(|_: Request<()>| async { Err::<Response<()>, _>("broken") });
    let service = AuthLayer::new(hello().build().unwrap()).layer(failing);
    let error = service.clone().oneshot(request("GET", "/", "alice.hello")).await.unwrap_err();
    assert_eq!(error, "broken");
    let refused = service.oneshot(request("GET", "/", "")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_hook_makes_bodies_that_have_no_default() {
    struct Body(String);
    #[derive(Clone)]
    struct Hook;
    impl OnRejection<Body> for Hook {
        fn body(&self, rejection: &Rejection, head: &mut Parts) -> Body {
            head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
            head.status = StatusCode::OK;
            head.headers.remove(WWW_AUTHENTICATE);
            Body(rejection.kind().as_str().to_owned())
        }
    }
    let handler =
        service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Body("in".into()))) });
    let provider = ByToken::default();
    provider.open(1);
    let layer =
        AuthLayer::new(Auth::builder().element(provider, "hello").build().unwrap()).on_rejection(Hook);
    for (token, status, body) in [
        ("alice.hello", 200, "in"),
        ("", 401, "no-credential"),
        ("alice.x", 403, "insufficient-scope"),
        ("slow-wrong", 401, "refused"),
    ] {
        let response = layer.layer(handler).oneshot(request("GET", "/", token)).await.unwrap();
        assert_eq!(response.status(), status, "{token}");
        assert_eq!(response.body().0, body);
        if status != 200 {
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
            assert!(response.headers().contains_key(WWW_AUTHENTICATE));
            assert!(!response.headers().contains_key(CONTENT_LENGTH));
        }
    }
}

#[tokio::test]
async fn a_hook_that_panics_takes_only_its_own_words_with_it() {
    let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new("in".to_owned())) });
    let provider = ByToken::default();
    provider.open(1);
    let layer = AuthLayer::new(Auth::builder().element(provider, "hello").build().unwrap())
        .on_rejection(|_: &Rejection, _: &mut Parts| -> String { panic!("in a hook") });
    for (token, status, body) in
        [("alice.hello", 200, "in"), ("", 401, ""), ("alice.x", 403, ""), ("slow-wrong", 401, "")]
    {
        let response = layer.layer(handler).oneshot(request("GET", "/", token)).await.unwrap();
        assert_eq!(response.status(), status, "{token}");
        assert_eq!(response.body(), body);
        assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), status != 200, "{token}");
    }
}

#[tokio::test]
async fn an_inner_layer_narrows_and_a_public_one_takes_no_caller_away() {
    let outer = AuthLayer::new(Auth::builder().element(ByToken::default(), "*").build().unwrap());
    let public = AuthLayer::new(Auth::builder().public().build().unwrap());
    let service = ServiceBuilder::new().layer(outer.clone()).layer(public).service(seeing());
    let response = service.oneshot(request("GET", "/", "alice.")).await.unwrap();
    assert_eq!(response.body()[0].subject.as_deref(), Some("alice"));

    let inner = AuthLayer::new(hello().build().unwrap());
    let service = ServiceBuilder::new().layer(outer).layer(inner).service(seeing());
    assert_eq!(service.oneshot(request("GET", "/", "alice.")).await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn require_scopes_narrows_and_fails_closed() {
    let guarded = |auth: AuthBuilder| {
        ServiceBuilder::new()
            .layer(AuthLayer::new(auth.build().unwrap()))
            .layer(RequireScopes::any_of(["admin", "root"]).unwrap())
            .service(seeing())
    };
    let anyone = || Auth::builder().realm("orders").element(ByToken::default(), "*");
    for (auth, token, status, kind) in [
        (anyone(), "alice.admin", 200, None),
        (anyone(), "alice.x~root", 200, None),
        (anyone(), "alice.hello", 403, Some(RejectionKind::InsufficientScope)),
        (anyone(), "", 401, Some(RejectionKind::NoCredential)),
        (anyone().optional(true), "", 401, Some(RejectionKind::NoCredential)),
        (Auth::builder().public(), "alice.admin", 500, Some(RejectionKind::PublicRoute)),
    ] {
        let response = guarded(auth).oneshot(request("GET", "/", token)).await.unwrap();
        assert_eq!(response.status(), status, "{token}");
        assert_eq!(response.extensions().get::<Rejection>().map(Rejection::kind), kind);
        assert_eq!(response.body().len(), usize::from(status == 200));
        if status == 403 {
            assert_eq!(
                response.headers()[WWW_AUTHENTICATE],
                "Bearer realm=\"orders\", error=\"insufficient_scope\", scope=\"admin root\""
            );
        }
    }
}

#[tokio::test]
async fn require_scopes_without_the_layer_is_an_error_that_says_so() {
    let log = Log::start();
    let service = RequireScopes::any_of("admin").unwrap().layer(seeing());
    let response = service.oneshot(request("GET", "/", "alice.admin")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.body().is_empty());
    assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
    let lines = log.lines();
    assert!(lines.len() == 1 && lines[0].contains("ERROR") && lines[0].contains("AuthLayer"), "{lines:?}");
    for part in ["asker=\"RequireScopes\"", "method=GET", "path=/ "] {
        assert!(lines[0].contains(part), "{part} in {lines:?}");
    }
}

#[tokio::test]
async fn require_scopes_refuses_with_the_body_of_its_hook() {
    let layer =
        RequireScopes::any_of("admin").unwrap().on_rejection(|rejection: &Rejection, _: &mut Parts| {
            vec![Seen { subject: Some(rejection.kind().as_str().to_owned()), ..Seen::default() }]
        });
    let response = layer.layer(seeing()).oneshot(request("GET", "/", "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(response.body()[0].subject.as_deref(), Some("layer-missing"));
}

#[test]
fn scopes_that_nobody_could_hold_are_a_mistake() {
    for (scopes, reason) in [(vec![], "would admit nobody"), (vec![""], "can never be held")] {
        let error = RequireScopes::any_of(scopes).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn layer_and_service_can_go_wherever_the_inner_service_can() {
    fn is_sendable<T: Send + Sync + Clone + 'static>(_: &T) {}
    fn serves<S: Service<Request<B>, Response = Response<()>>, B>(_: &S) {}
    fn is_send<T: Send>() {}
    type InnerFn<B> = fn(Request<B>) -> std::future::Ready<Result<Response<()>, Infallible>>;

    let layer = AuthLayer::new(hello().build().unwrap());
    is_sendable(&layer);
    let inner: InnerFn<String> = |_| std::future::ready(Ok(Response::new(())));
    let service = layer.layer(service_fn(inner));
    is_sendable(&service);
    serves::<_, String>(&service);
    type Sending = AuthService<tower::util::ServiceFn<InnerFn<String>>, PlainRequest, EmptyBody>;
    is_send::<<Sending as Service<Request<String>>>::Future>();

    // A body or a service that stays on its thread is served there.
    let inner: InnerFn<Rc<()>> = |_| std::future::ready(Ok(Response::new(())));
    serves::<_, Rc<()>>(&layer.layer(service_fn(inner)));
    let local = Rc::new(());
    let inner = service_fn(move |_: Request<()>| {
        let local = Rc::clone(&local);
        async move {
            drop(local);
            Ok::<_, Infallible>(Response::new(()))
        }
    });
    serves::<_, ()>(&layer.layer(inner));
}

#[test]
fn debug_shows_the_policy_and_no_secret() {
    let auth = hello().path("/foo").build().unwrap();
    let text = format!("{:?}", AuthLayer::new(auth).mounted_at("/api").layer(Arc::new(())));
    assert!(text.contains("/foo") && text.contains("/api") && text.contains("by-token"), "{text}");
}
