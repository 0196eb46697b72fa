//! Tokens that come as a subprotocol or in a cookie: what the inner service sees of them, and what browsers are told.
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
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL},
};
use portcullis_core::{
    Auth, AuthBuilder, CredentialErrorKind, CredentialSources, Principal, Rejection, RejectionKind, Resource,
};
use portcullis_tower::AuthLayer;
use support::{ByToken, Log, hello};
use tower::{Layer, ServiceExt, service_fn};

const APP: &str = "https://app.example.org";

fn browsers() -> CredentialSources {
    CredentialSources::header().websocket_protocol().cookie("sid").origin(APP)
}

/// A request that opens a WebSocket, over HTTP/2 where `method` is CONNECT.
fn opening(method: &Method, path: &str, lines: &[(&'static str, &str)]) -> Request<()> {
    let upgrade = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let upgrade = upgrade.iter().filter(|_| *method == Method::GET).copied();
    let mut request = Request::builder().method(method).uri(path).body(()).unwrap();
    for (name, value) in lines.iter().copied().chain(upgrade) {
        request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    request
}

/// What the inner service saw: the caller and the headers. It opens the WebSocket and selects `handler`.
async fn call(
    auth: AuthBuilder,
    request: Request<()>,
    handler: Option<&'static str>,
) -> Response<Vec<(Option<String>, HeaderMap)>> {
    let service = service_fn(move |request: Request<()>| async move {
        let subject = Principal::of(request.extensions()).and_then(|caller| caller.subject());
        let seen = vec![(subject.map(str::to_owned), request.headers().clone())];
        let by_connect = request.method() == Method::CONNECT;
        let status = if by_connect { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS };
        let mut response = Response::builder().status(status);
        if let Some(name) = handler {
            response = response.header(SEC_WEBSOCKET_PROTOCOL, name);
        }
        Ok::<_, Infallible>(response.body(seen).unwrap())
    });
    AuthLayer::new(auth.build().unwrap()).layer(service).oneshot(request).await.unwrap()
}

fn lines(headers: &HeaderMap, name: HeaderName) -> Vec<&str> {
    headers.get_all(name).iter().map(|line| line.to_str().unwrap()).collect()
}

#[tokio::test]
async fn the_token_is_taken_out_and_an_offered_protocol_is_selected() {
    // `alice.hello` in base64url.
    let one = "base64url.bearer.YWxpY2UuaGVsbG8";
    for method in [Method::GET, Method::CONNECT] {
        for (offer, handler, offered, selected) in [
            ("bearer, alice.hello", None, &[][..], "bearer"),
            ("bearer, alice.hello", Some("chat"), &[], "bearer"),
            ("bearer, alice.hello, chat, json", None, &["chat, json"], "chat"),
            ("bearer, alice.hello, chat, json", Some("json"), &["chat, json"], "json"),
            ("bearer, alice.hello, chat", Some("alice.hello"), &["chat"], "chat"),
            (&format!("chat, {one}"), Some(one), &["chat"], "chat"),
        ] {
            let request = opening(&method, "/", &[("sec-websocket-protocol", offer)]);
            let response = call(hello().credential_sources(browsers()), request, handler).await;
            assert!(matches!(response.status().as_u16(), 101 | 200), "{offer}");
            let [(subject, seen)] = &response.body()[..] else { panic!("the inner service answered") };
            assert_eq!(subject.as_deref(), Some("alice"));
            assert_eq!(lines(seen, SEC_WEBSOCKET_PROTOCOL), offered, "{offer}");
            assert_eq!(lines(response.headers(), SEC_WEBSOCKET_PROTOCOL), [selected], "{offer} {handler:?}");
        }
    }
}

#[tokio::test]
async fn waiting_for_an_element_changes_nothing_about_it() {
    let provider = ByToken::default();
    provider.open(1);
    let auth = Auth::builder().element(provider, "hello").credential_sources(browsers());
    let auth = auth.forward_credential(false);
    let offer = [("sec-websocket-protocol", "chat, bearer, slow-alice.hello"), ("cookie", "a=b; sid=c")];
    let response = call(auth, opening(&Method::GET, "/", &offer), None).await;
    let [(subject, seen)] = &response.body()[..] else { panic!("the inner service answered") };
    assert_eq!(subject.as_deref(), Some("alice"));
    assert_eq!(lines(seen, SEC_WEBSOCKET_PROTOCOL), ["chat"]);
    assert_eq!(lines(seen, COOKIE), ["a=b"]);
    assert_eq!(lines(response.headers(), SEC_WEBSOCKET_PROTOCOL), ["chat"]);
}

#[tokio::test]
async fn a_public_resource_sees_no_token_either() {
    let auth = || hello().credential_sources(browsers()).resource(Resource::new("/open").public());
    for (offer, offered, selected) in [
        ("bearer, wrong, chat", &["chat"][..], &["chat"][..]),
        ("bearer, wrong", &[], &["bearer"]),
        ("Bearer, alice.hello, chat", &[], &[]),
        ("bearer alice.hello", &[], &[]),
        ("base64url.bearer.YWxpY2UuaGVsbG8", &[], &[]),
        ("chat, json", &["chat, json"], &[]),
    ] {
        let request = opening(&Method::GET, "/open", &[("sec-websocket-protocol", offer)]);
        let response = call(auth(), request, None).await;
        let [(subject, seen)] = &response.body()[..] else { panic!("the inner service answered") };
        assert_eq!(*subject, None);
        assert_eq!(lines(seen, SEC_WEBSOCKET_PROTOCOL), offered, "{offer}");
        assert_eq!(lines(response.headers(), SEC_WEBSOCKET_PROTOCOL), selected, "{offer}");
    }
}

#[tokio::test]
async fn a_refusal_is_a_plain_one_and_selects_nothing() {
    use CredentialErrorKind as Form;
    use RejectionKind as Kind;
    for (lines, status, kind) in [
        (&[("sec-websocket-protocol", "chat")][..], 401, Kind::NoCredential),
        (&[("sec-websocket-protocol", "bearer, wrong")], 401, Kind::Refused),
        (&[("sec-websocket-protocol", "bearer, alice.other")], 403, Kind::InsufficientScope),
        (&[("sec-websocket-protocol", "bearer, away")], 503, Kind::Unavailable),
        (&[("sec-websocket-protocol", "chat, bearer")], 401, Kind::Malformed(Form::BearerWithoutToken)),
        (
            &[("sec-websocket-protocol", "base64url.bearer.YWxpY2UuaGVsbG8")],
            401,
            Kind::Malformed(Form::LoneToken),
        ),
        (
            &[("sec-websocket-protocol", "bearer, alice.hello"), ("authorization", "Bearer alice.hello")],
            401,
            Kind::Malformed(Form::SeveralSources),
        ),
        (&[("cookie", "sid=alice.hello")], 401, Kind::Malformed(Form::MissingOrigin)),
        (
            &[("cookie", "sid=alice.hello"), ("origin", "https://evil.example")],
            401,
            Kind::Malformed(Form::ForeignOrigin),
        ),
    ] {
        for optional in [false, true] {
            if optional && kind == Kind::NoCredential {
                continue;
            }
            let auth = hello().credential_sources(browsers()).optional(optional);
            let response = call(auth, opening(&Method::GET, "/", lines), None).await;
            assert_eq!(response.status(), status, "{lines:?}");
            assert_eq!(response.extensions().get::<Rejection>().unwrap().kind(), kind);
            assert!(response.body().is_empty(), "the inner service was not asked");
            assert!(!response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
        }
    }
}

#[tokio::test]
async fn a_cookie_goes_on_to_the_handler_unless_the_service_keeps_credentials() {
    for (forward, path, left) in [
        (true, "/", &["a=b; sid=alice.hello"][..]),
        (true, "/open", &["a=b; sid=alice.hello"]),
        (false, "/", &["a=b"]),
        (false, "/open", &["a=b"]),
    ] {
        let auth = hello().credential_sources(browsers()).forward_credential(forward);
        let auth = auth.resource(Resource::new("/open").public());
        let from_page = [("cookie", "a=b; sid=alice.hello"), ("origin", APP)];
        let response = call(auth, opening(&Method::GET, path, &from_page), None).await;
        let [(subject, seen)] = &response.body()[..] else { panic!("the inner service answered") };
        assert_eq!(subject.as_deref(), (path == "/").then_some("alice"));
        assert_eq!(lines(seen, COOKIE), left, "{forward} {path}");
    }
}

#[tokio::test]
async fn a_service_that_does_not_look_there_leaves_everything_as_it_is() {
    let sent = [("sec-websocket-protocol", "bearer, alice.hello"), ("cookie", "sid=x"), ("origin", APP)];
    let mut request = opening(&Method::GET, "/", &sent);
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer bob.hello"));
    let response = call(hello().forward_credential(false), request, Some("alice.hello")).await;
    let [(subject, seen)] = &response.body()[..] else { panic!("the inner service answered") };
    assert_eq!(subject.as_deref(), Some("bob"));
    assert_eq!(lines(seen, SEC_WEBSOCKET_PROTOCOL), ["bearer, alice.hello"]);
    assert_eq!(lines(seen, COOKIE), ["sid=x"]);
    assert_eq!(lines(response.headers(), SEC_WEBSOCKET_PROTOCOL), ["alice.hello"]);

    let response = call(hello(), opening(&Method::GET, "/", &sent), None).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_may_hold_a_token_is_marked_sensitive_where_the_service_looks_there() {
    for (sources, marked) in [(browsers(), true), (CredentialSources::header(), false)] {
        let auth = Auth::builder().public().credential_sources(sources);
        let sent = [("sec-websocket-protocol", "chat"), ("cookie", "a=b"), ("cookie", "sid=c")];
        let response = call(auth, opening(&Method::GET, "/", &sent), None).await;
        let (_, seen) = &response.body()[0];
        assert!(seen.get_all(COOKIE).iter().all(|line| line.is_sensitive() == marked));
        assert_eq!(seen[SEC_WEBSOCKET_PROTOCOL].is_sensitive(), marked);
    }
}

#[tokio::test]
async fn no_token_is_logged() {
    let log = Log::start();
    for sent in [
        ("sec-websocket-protocol", "bearer, s3cr3t"),
        ("sec-websocket-protocol", "bearer s3cr3t"),
        ("sec-websocket-protocol", "bearer, s3cr3t, s3cr3t"),
        ("cookie", "sid=s3cr3t"),
        ("cookie", "sid=s3cr3t; sid=s3cr3t"),
    ] {
        let request = opening(&Method::GET, "/", &[sent, ("origin", APP)]);
        let response = call(hello().credential_sources(browsers()), request, None).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{sent:?}");
        assert!(!format!("{response:?}").contains("s3cr3t"));
    }
    let foreign = [("cookie", "sid=s3cr3t"), ("origin", "https://evil.example")];
    call(hello().credential_sources(browsers()), opening(&Method::GET, "/", &foreign), None).await;
    let lines = log.lines();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains("s3cr3t")), "{lines:?}");
    let last = &lines[5];
    assert!(last.contains("cause=ForeignOrigin") && last.contains("allowedOrigins"), "{last}");
}
