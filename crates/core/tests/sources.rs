//! Where a service looks for the credential, and how it tells its callers that they are not let in.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use portcullis_core::{
    Auth, BoxFuture, Contact, Context, Credential, CredentialErrorKind, CredentialSources, Identity, Outcome,
    Protocol, Provider, Reason, RejectionKind, RequestHead, Resource, Scheme,
};

/// Knows the token `good`.
#[derive(Debug)]
struct ByToken;

impl Provider for ByToken {
    fn kind(&self) -> &'static str {
        "by-token"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(match credential {
            Credential::Bearer(bearer) if bearer.token() == "good" => {
                Outcome::known(Identity::new("alice").with_scopes(["hello"]))
            }
            _ => Outcome::refused(Reason::Other, "not the token"),
        })
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        let outcome = self.try_authenticate(credential, cx);
        Box::pin(async { outcome.unwrap() })
    }
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    lines.iter().map(line).collect()
}

fn browsers() -> CredentialSources {
    CredentialSources::none().websocket_protocol().cookie("sid").origin("https://app.example.org")
}

#[tokio::test]
async fn a_decision_and_its_explanation_look_in_the_same_places() {
    let auth = Auth::builder().element(ByToken, "hello").credential_sources(browsers()).build().unwrap();
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    for (method, lines, expected, read) in [
        (
            Method::GET,
            &[("sec-websocket-protocol", "bearer, good"), upgrade[0], upgrade[1]][..],
            200,
            "Bearer",
        ),
        (Method::CONNECT, &[("sec-websocket-protocol", "bearer, good")], 200, "Bearer"),
        (Method::GET, &[("sec-websocket-protocol", "bearer, good")], 401, "none"),
        (Method::CONNECT, &[("sec-websocket-protocol", "bearer, bad")], 401, "Bearer"),
        (Method::POST, &[("cookie", "sid=good"), ("origin", "https://app.example.org")], 200, "Bearer"),
        (Method::GET, &[("cookie", "sid=good"), ("sec-fetch-site", "same-origin")], 200, "Bearer"),
        (
            Method::GET,
            &[("cookie", "sid=good"), ("origin", "https://evil.example")],
            401,
            "the cookie does not count: Origin is neither publicOrigin nor one of allowedOrigins",
        ),
        (Method::GET, &[("authorization", "Bearer good")], 401, "none"),
    ] {
        let headers = headers(lines);
        let request = RequestHead::new(&method, "/", &headers);
        let decided = auth.decided(&request).await;
        let status = decided.as_ref().map_or_else(|rejection| rejection.status().as_u16(), |_| 200);
        assert_eq!(status, expected, "{method} {lines:?}");
        let explained = auth.explain(&request, Contact::Allowed).await;
        assert_eq!((explained.status().as_u16(), &*explained.credential), (expected, read), "{lines:?}");
        assert_eq!(
            explained.decision.map_err(|rejection| rejection.kind()).err(),
            decided.map_err(|rejection| rejection.kind()).err()
        );
    }
}

#[tokio::test]
async fn a_cookie_that_does_not_count_is_refused_where_credentials_are_optional() {
    let auth = Auth::builder()
        .element(ByToken, "hello")
        .optional(true)
        .credential_sources(browsers())
        .resource(Resource::new("/open").public())
        .build()
        .unwrap();
    let foreign = headers(&[("cookie", "sid=good"), ("origin", "https://evil.example")]);
    let other = headers(&[("cookie", "a=b"), ("origin", "https://evil.example")]);
    let decided = async |path, headers: &HeaderMap| {
        let decision = auth.decided(&RequestHead::new(&Method::GET, path, headers)).await;
        decision.map(|_| ()).map_err(|rejection| rejection.kind())
    };
    let refused = Err(RejectionKind::Malformed(CredentialErrorKind::ForeignOrigin));
    assert_eq!(decided("/", &foreign).await, refused);
    assert_eq!(decided("/", &other).await, Ok(()));
    assert_eq!(decided("/open", &foreign).await, Ok(()), "nobody looks at it there");
}

#[test]
fn sources_that_cannot_work_do_not_build() {
    let build = |sources| Auth::builder().element(ByToken, "hello").credential_sources(sources).build();
    assert!(build(browsers()).is_ok());
    let error = build(CredentialSources::none().cookie("a b").origin("app.example.org")).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("no name of a cookie") && text.contains("scheme://host[:port]"), "{text}");
    assert!(build(CredentialSources::none()).unwrap_err().to_string().contains("no source"));
}

#[test]
fn concealing_touches_what_the_service_looks_at_and_nothing_else() {
    let sent = || headers(&[("sec-websocket-protocol", "bearer, good, chat"), ("cookie", "a=b; sid=good")]);
    let service = |sources| Auth::builder().public().credential_sources(sources).build().unwrap();

    let mut untouched = sent();
    let header = service(CredentialSources::header());
    assert!(header.conceal(&Method::GET, &mut untouched).is_none());
    header.conceal_cookies(&mut untouched);
    assert_eq!(untouched, sent());

    let mut concealed = sent();
    let auth = service(browsers());
    assert!(auth.conceal(&Method::GET, &mut concealed).is_some());
    auth.conceal_cookies(&mut concealed);
    assert_eq!(concealed, headers(&[("sec-websocket-protocol", "chat"), ("cookie", "a=b")]));
}

#[tokio::test]
async fn every_refusal_of_a_grpc_service_is_one_in_grpc() {
    let auth = |protocol| {
        Auth::builder()
            .path("/v1")
            .element(ByToken, "hello")
            .protocol(protocol)
            .resource(Resource::new("/admin").scopes("admin"))
            .build()
            .unwrap()
    };
    for (protocol, response_status) in [(Protocol::Grpc, None), (Protocol::Http, Some(()))] {
        let auth = auth(protocol);
        for (path, token, kind) in [
            ("/v1/x", None, RejectionKind::NoCredential),
            ("/v1/x", Some("Bearer bad"), RejectionKind::Refused),
            ("/v1/x", Some("Basic YTpi"), RejectionKind::NotLookedAt),
            ("/v1/x", Some("Bearer"), RejectionKind::Malformed(CredentialErrorKind::Empty)),
            ("/v1/admin", Some("Bearer good"), RejectionKind::InsufficientScope),
            ("/v1//admin", Some("Bearer good"), RejectionKind::AmbiguousPath),
            ("/v2/x", Some("Bearer good"), RejectionKind::NotMounted),
        ] {
            let headers: HeaderMap = token
                .map(|value| (http::header::AUTHORIZATION, HeaderValue::from_static(value)))
                .into_iter()
                .collect();
            let request = RequestHead::new(&Method::POST, path, &headers);
            let rejection = auth.decided(&request).await.unwrap_err();
            assert_eq!((rejection.kind(), rejection.protocol()), (kind, protocol), "{path} {token:?}");
            let expected = response_status.map_or(200, |()| kind.status().as_u16());
            assert_eq!(rejection.response_status(), expected);
            let explained = auth.explain(&request, Contact::Allowed).await;
            assert_eq!(explained.status(), kind.status(), "what it means, not what is sent");
            let connect =
                auth.decided(&RequestHead::new(&Method::CONNECT, path, &headers)).await.unwrap_err();
            assert_eq!((connect.kind(), connect.protocol()), (kind, Protocol::Http), "200 would open it");
        }
        let outside = auth.refuse_not_mounted(&RequestHead::new(&Method::POST, "/v2", &HeaderMap::new()));
        assert_eq!(outside.protocol(), protocol);
        // What overrides the service, and what no resource covers, answer as the service does.
        let closed = Auth::builder().refuse_uncovered().protocol(protocol).build().unwrap();
        let headers = HeaderMap::new();
        let request = RequestHead::new(&Method::POST, "/x", &headers);
        assert_eq!(closed.decided(&request).await.unwrap_err().protocol(), protocol);
        let widened = auth.with_resource(Resource::new("/late").scopes("late")).unwrap();
        let request = RequestHead::new(&Method::POST, "/v1/late", &headers);
        assert_eq!(widened.decided(&request).await.unwrap_err().protocol(), protocol);
    }
}

#[test]
fn each_provider_of_a_service_is_listed_once() {
    let auth = Auth::builder()
        .element(ByToken, "hello")
        .element(ByToken, "other")
        .resource(Resource::new("/admin").scopes("admin"))
        .resource(Resource::new("/open").public())
        .build()
        .unwrap();
    assert_eq!(auth.providers().len(), 2);
    assert!(Auth::builder().public().build().unwrap().providers().is_empty());
}
