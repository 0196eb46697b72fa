//! Tokens where a browser can put them: subprotocols and cookies.

use std::collections::BTreeSet;

use axum::{Router, extract::Request, response::Response, routing::any};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::StreamExt as _;
use http::{
    HeaderName,
    header::{COOKIE, ORIGIN, SEC_WEBSOCKET_PROTOCOL, WWW_AUTHENTICATE},
};
use portcullis_axum::{AuthLayer, AuthRouter, GuardedUpgrade};
use portcullis_core::{Auth, AuthBuilder, CredentialSources};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite;
use tower_http::trace::{DefaultMakeSpan, DefaultOnRequest, DefaultOnResponse, TraceLayer};
use tracing::Level;

use crate::{
    client::upgraded,
    support::{LIFETIME, Log, Running, soon},
};

/// Expires as `good` does. Nothing may show it.
const TOKEN: &str = "good.canary";

const PAGE: &str = "https://app.example.org";

fn encoded(token: &str) -> String {
    format!("base64url.bearer.{}", URL_SAFE_NO_PAD.encode(token))
}

/// What reached a handler: the protocols that axum read, and all headers but sensitive ones.
#[derive(Debug)]
struct Seen {
    protocols: BTreeSet<String>,
    shown: String,
    raw: Vec<(HeaderName, String)>,
}

/// How the routes are guarded.
#[derive(Clone, Copy, Debug)]
enum By {
    Layer,
    Router,
}

/// `/chat` speaks `chat`, and `/dumb` selects nothing; both are also below `/public`, where nobody is asked.
async fn start(by: By) -> (Running, mpsc::UnboundedReceiver<Seen>) {
    let (sender, seen) = mpsc::unbounded_channel();
    let handler = |speaks: &'static [&'static str]| {
        let sender = sender.clone();
        async move |upgrade: GuardedUpgrade, request: Request| -> Response {
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let protocols = upgrade.requested_protocols().map(text).collect();
            let raw = request.headers().iter().map(|(name, value)| (name.clone(), text(value))).collect();
            sender.send(Seen { protocols, shown: format!("{upgrade:?} {request:?}"), raw }).unwrap();
            upgrade.protocols(speaks.iter().copied()).on_upgrade(async |mut socket| {
                while let Some(Ok(message)) = socket.recv().await {
                    drop(socket.send(message).await);
                }
            })
        }
    };
    let (chat, dumb) = (any(handler(&["chat"])), any(handler(&[])));
    let sources = CredentialSources::header().websocket_protocol().cookie("sid").origin(PAGE);
    let change = |auth: AuthBuilder| {
        let public = portcullis_core::Resource::new("/public/{*rest}").public();
        auth.credential_sources(sources).resource(public)
    };
    let paths = [("/chat", chat.clone()), ("/dumb", dumb), ("/public/chat", chat.clone()), ("/open", chat)];
    let app = |auth: Auth| -> Router {
        let router: Router = match by {
            By::Layer => {
                let routes =
                    paths.into_iter().fold(Router::new(), |app, (path, route)| app.route(path, route));
                routes.layer(AuthLayer::new(auth))
            }
            By::Router => {
                let routes =
                    paths.into_iter().fold(AuthRouter::new(), |app, (path, route)| app.route(path, route));
                routes.guard(&auth).unwrap()
            }
        };
        router.layer(
            TraceLayer::new_for_http()
                .make_span_with(DefaultMakeSpan::new().level(Level::INFO).include_headers(true))
                .on_request(DefaultOnRequest::new().level(Level::INFO))
                .on_response(DefaultOnResponse::new().level(Level::INFO).include_headers(true)),
        )
    };
    (Running::serve(|listener| listener, change, app).await, seen)
}

fn offering(path: &str, protocols: &str) -> http::Request<()> {
    let mut request = Running::request(path, "");
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocols.parse().unwrap());
    request
}

#[tokio::test]
async fn a_token_among_the_subprotocols_opens_a_socket_and_is_seen_by_nobody() {
    let plain = format!("bearer, {TOKEN}");
    let behind = format!("superchat, chat, bearer, {TOKEN}");
    let before = format!("bearer, {TOKEN}, chat");
    let one = format!("chat, {}", encoded(TOKEN));
    let other = format!("{},superchat", encoded(TOKEN));
    for by in [By::Layer, By::Router] {
        let log = Log::start();
        let (server, mut seen) = start(by).await;
        let mut http2 = server.http2().await;
        for (path, offered, left, selected) in [
            ("/chat", &plain, &[][..], "bearer"),
            ("/chat", &behind, &["chat", "superchat"], "chat"),
            ("/chat", &before, &["chat"], "chat"),
            ("/chat", &one, &["chat"], "chat"),
            ("/chat", &other, &["superchat"], "superchat"),
            ("/dumb", &plain, &[], "bearer"),
            ("/dumb", &behind, &["chat", "superchat"], "superchat"),
            ("/dumb", &before, &["chat"], "chat"),
            ("/dumb", &one, &["chat"], "chat"),
            // Nobody looked at it, and still nobody sees it.
            ("/public/chat", &before, &["chat"], "chat"),
        ] {
            // This client insists on a protocol that it offered, as browsers do.
            let (mut over1, answer) = server.dial(offering(path, offered)).await.unwrap();
            assert_eq!(answer.headers()[SEC_WEBSOCKET_PROTOCOL], selected, "{by:?} {path} {offered}");
            over1.echoes("hello").await;
            let answer = http2.connect("websocket", path, "", &[(SEC_WEBSOCKET_PROTOCOL, offered)]).await;
            assert_eq!(answer.headers()[SEC_WEBSOCKET_PROTOCOL], selected, "{by:?} CONNECT {path} {offered}");
            upgraded(answer).await.echoes("hello").await;
            for _ in 0..2 {
                let seen = soon(seen.recv()).await.unwrap();
                assert_eq!(
                    seen.protocols,
                    left.iter().map(|&name| name.to_owned()).collect(),
                    "{by:?} {path}"
                );
                for secret in ["canary", &encoded(TOKEN)] {
                    assert!(!seen.shown.contains(secret), "{by:?} {path} {}", seen.shown);
                    assert!(seen.raw.iter().all(|(_, value)| !value.contains(secret)), "{by:?} {path}");
                }
            }
        }
        let lines = log.lines();
        let traced =
            |line: &String| line.contains("/chat") && line.contains("\"sec-websocket-protocol\": Sensitive");
        assert!(lines.iter().any(traced), "{lines:#?}");
        for secret in ["canary", &encoded(TOKEN)] {
            assert!(lines.iter().all(|line| !line.contains(secret)), "{by:?} {lines:#?}");
        }
    }
}

#[tokio::test]
async fn a_socket_that_a_subprotocol_opened_ends_with_its_token() {
    let (server, _seen) = start(By::Router).await;
    let (mut client, _) = server.dial(offering("/chat", &format!("bearer, {TOKEN}"))).await.unwrap();
    client.echoes("hello").await;
    server.clock.advance(LIFETIME);
    assert_eq!(client.closed().await, (1008, "the token expired".to_owned()));
    assert!(client.0.next().await.is_none());
}

#[tokio::test]
async fn subprotocols_without_one_good_token_are_refused() {
    let lone = encoded(TOKEN);
    let two = format!("bearer, {TOKEN}, {}", encoded(TOKEN));
    for by in [By::Layer, By::Router] {
        let (server, mut seen) = start(by).await;
        let mut http2 = server.http2().await;
        for offered in [
            "chat",
            "bearer",
            "bearer, wrong",
            "bearer, wrong, chat",
            "chat, base64url.bearer.===",
            &lone,
            &two,
        ] {
            let refused = server.refusal(offering("/chat", offered)).await;
            assert_eq!(refused.status(), 401, "{by:?} {offered}");
            assert!(refused.headers().contains_key(WWW_AUTHENTICATE), "{by:?} {offered}");
            assert!(!refused.headers().contains_key(SEC_WEBSOCKET_PROTOCOL), "{by:?} {offered}");
            let refused = http2.connect("websocket", "/chat", "", &[(SEC_WEBSOCKET_PROTOCOL, offered)]).await;
            assert_eq!(refused.status(), 401, "{by:?} CONNECT {offered}");
        }
        let poor = server.refusal(offering("/chat", "bearer, poor")).await;
        assert_eq!(poor.status(), 403, "{by:?}");
        let mut twice = offering("/chat", &format!("bearer, {TOKEN}"));
        twice.headers_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
        assert_eq!(server.refusal(twice).await.status(), 401, "{by:?}: two sources");
        // What opens no WebSocket has no subprotocols.
        assert_eq!(http2.get_offering("/chat", &format!("bearer, {TOKEN}")).await, 401, "{by:?}");
        assert!(seen.try_recv().is_err(), "{by:?}");
    }
}

#[tokio::test]
async fn a_cookie_opens_a_socket_for_the_services_own_pages_only() {
    let cookie = format!("theme=dark; sid={TOKEN}");
    for by in [By::Layer, By::Router] {
        let log = Log::start();
        let (server, mut seen) = start(by).await;
        let mut http2 = server.http2().await;
        for (origin, admitted) in [
            (Some(PAGE), true),
            (Some("https://evil.example"), false),
            (Some("https://app.example.org.evil.example"), false),
            (Some("null"), false),
            (None, false),
        ] {
            let mut headers = vec![(COOKIE, cookie.as_str())];
            headers.extend(origin.map(|origin| (ORIGIN, origin)));
            let mut request = Running::request("/dumb", "");
            for (name, value) in &headers {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
            let status = match server.dial(request).await {
                Ok((mut client, response)) => {
                    client.echoes("hello").await;
                    response.status()
                }
                Err(tungstenite::Error::Http(response)) => response.status(),
                Err(error) => panic!("{error}"),
            };
            assert_eq!(status, if admitted { 101 } else { 401 }, "{by:?} {origin:?}");
            let answer = http2.connect("websocket", "/dumb", "", &headers).await;
            assert_eq!(answer.status(), if admitted { 200 } else { 401 }, "{by:?} CONNECT {origin:?}");
            for _ in 0..if admitted { 2 } else { 0 } {
                let seen = soon(seen.recv()).await.unwrap();
                assert!(!seen.shown.contains("canary"), "{by:?} {}", seen.shown);
            }
            assert!(seen.try_recv().is_err(), "{by:?} {origin:?}");
        }
        let lines = log.lines();
        assert!(lines.iter().any(|line| line.contains("\"cookie\": Sensitive")), "{lines:#?}");
        assert!(lines.iter().all(|line| !line.contains("canary")), "{by:?} {lines:#?}");
    }
}
