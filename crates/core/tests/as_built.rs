//! What the parts of a service say of themselves is what they were made with.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::{error::Error, io, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header::AUTHORIZATION};
use portcullis_core::{
    AssertionPurpose, AssertionReader, Auth, AuthBuilder, Authorization, BoxFuture, BuildError, ClaimsSource,
    Clock, Context, Credential, CredentialErrorKind, CredentialSources, Element, Ended, Identity, OnBehalfOf,
    Outcome, Override, Probe, Protocol, Provider, QueueState, Reason, Recall, Refusal, RejectionKind,
    RequestHead, RequiredScopes, Resource, Scheme, Scopes, Secret, ServerState, SystemClock, Throttle,
    TokenError, TokenSource, Unavailable, UnixTime,
    config::{Reader, Table},
};

/// Lets everybody in who shows a credential of its scheme.
#[derive(Debug)]
struct Admits(Scheme);

impl Provider for Admits {
    fn kind(&self) -> &'static str {
        "admits"
    }

    fn scheme(&self) -> Scheme {
        self.0
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        let identity = Identity::new("alice").with_scopes(["hello", "more"]);
        Some(Outcome::known(identity.with_expiry(UnixTime::MAX)))
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

fn service() -> AuthBuilder {
    Auth::builder().element(Admits(Scheme::Bearer), "hello")
}

#[test]
fn a_service_says_what_it_was_built_with() {
    let plain = service().build().unwrap();
    let sources = CredentialSources::none().cookie("sid").origin("https://app.example.org");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let other = service()
        .path("/foo")
        .forward_credential(false)
        .max_credential_bytes(4711)
        .credential_sources(sources.clone())
        .protocol(Protocol::Grpc)
        .revalidate_interval(Duration::from_secs(7))
        .clock(clock.clone())
        .build()
        .unwrap();
    assert_eq!((plain.path(), other.path()), ("/", "/foo"));
    assert!(plain.forwards_credential() && !other.forwards_credential());
    assert_eq!(
        (plain.max_credential_bytes(), other.max_credential_bytes()),
        (portcullis_core::DEFAULT_MAX_CREDENTIAL_BYTES, 4711)
    );
    assert_eq!(plain.max_credential_bytes(), 16 * 1024);
    assert_eq!(
        (plain.credential_sources(), other.credential_sources()),
        (&CredentialSources::header(), &sources)
    );
    assert_eq!((plain.protocol(), other.protocol()), (Protocol::Http, Protocol::Grpc));
    assert_eq!(
        (plain.revalidate_interval(), other.revalidate_interval()),
        (None, Some(Duration::from_secs(7)))
    );
    assert!(Arc::ptr_eq(other.clock(), &clock));
}

#[test]
fn sources_say_where_they_look() {
    let header = CredentialSources::header();
    assert!(header.reads_header() && !header.reads_websocket_protocol());
    let more = CredentialSources::none()
        .websocket_protocol()
        .cookie("sid")
        .cookie("old")
        .origin("https://app.example.org")
        .origin("https://other.example.org");
    assert!(!more.reads_header() && more.reads_websocket_protocol());
    assert_eq!(more.cookies().collect::<Vec<_>>(), ["sid", "old"]);
    assert_eq!(more.origins().collect::<Vec<_>>(), ["https://app.example.org", "https://other.example.org"]);
    assert_eq!((header.cookies().count(), header.origins().count()), (0, 0));
}

#[test]
fn a_throttle_is_the_one_that_was_given() {
    let auth = service().build().unwrap();
    assert!(auth.throttle().is_none());
    let throttled = auth.with_throttle(Throttle::new().per_user(4711));
    assert!(format!("{:?}", throttled.throttle().unwrap()).contains("per_user: 4711"));
    assert!(auth.throttle().is_none());
}

#[test]
fn resources_say_what_they_cover() {
    let auth = service()
        .path("/foo")
        .resource(Resource::new("/all/{*rest}").method(Method::PUT))
        .resource(Resource::new("/one/{id}").public())
        .build()
        .unwrap();
    let told: Vec<_> = auth
        .resources()
        .map(|resource| (resource.method().cloned(), resource.pattern().to_owned(), resource.is_subtree()))
        .collect();
    assert_eq!(told.len(), 2);
    for expected in
        [(Some(Method::PUT), "/foo/all/{*rest}".to_owned(), true), (None, "/foo/one/{id}".to_owned(), false)]
    {
        assert!(told.contains(&expected), "{told:?}");
    }
    for resource in auth.resources() {
        assert_eq!(resource.policy().is_public(), !resource.is_subtree());
        assert_eq!(resource.holds_route("/foo/all/{id}"), resource.is_subtree());
    }
}

#[test]
fn the_schemes_of_a_policy_are_those_of_its_elements_each_once() {
    let element = |scheme| Element::new(Admits(scheme), "hello").unwrap();
    let (bearer, basic) = (Scheme::Bearer, Scheme::Basic);
    for (schemes, told) in [
        (vec![bearer], vec![bearer]),
        (vec![bearer, bearer], vec![bearer]),
        (vec![basic, bearer, basic], vec![basic, bearer]),
        (vec![bearer, basic, basic], vec![bearer, basic]),
    ] {
        let auth = Auth::builder().elements(schemes.into_iter().map(element)).build().unwrap();
        assert_eq!(auth.policy().schemes().collect::<Vec<_>>(), told);
    }
}

#[test]
fn an_override_keeps_what_it_was_told_before() {
    let auth = service().optional(true).build().unwrap();
    let policy = |over| auth.policy_with(over, "route").unwrap();
    for optional in [true, false] {
        let narrowed = policy(Override::scopes("admin").optional(optional));
        assert_eq!(narrowed.is_optional(), optional);
        assert_eq!(narrowed.elements()[0].scopes(), &RequiredScopes::from("admin"));
        let own = policy(
            Override::elements([Element::new(Admits(Scheme::Basic), "own").unwrap()]).optional(optional),
        );
        assert_eq!((own.is_optional(), own.elements()[0].scheme()), (optional, Scheme::Basic));
    }
    assert!(policy(Override::public()).is_public());
    assert!(auth.policy_with(Override::public().optional(true), "route").is_err());
}

#[test]
fn an_element_that_cannot_be_is_told_by_its_position() {
    let text = |builder: AuthBuilder| builder.build().unwrap_err().to_string();
    let none = || RequiredScopes::any_of([""; 0]);
    let wrong = |builder: AuthBuilder| builder.element(Admits(Scheme::Bearer), none());
    assert!(text(wrong(service())).starts_with("element 1: "));
    let lines = text(
        wrong(wrong(service().element(Admits(Scheme::Bearer), "more"))).element(Admits(Scheme::Basic), "x"),
    );
    let begins: Vec<&str> = lines.lines().map(|line| &line[..10]).collect();
    assert_eq!(begins, ["element 2:", "element 3:"], "{lines}");
}

#[test]
fn a_caller_holds_what_was_granted_and_no_more() {
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer token"))]);
    let auth = service().build().unwrap();
    let portcullis_core::Step::Ready(Ok(admission)) =
        auth.decide(&RequestHead::new(&Method::GET, "/", &headers))
    else {
        unreachable!("it admits everybody at once")
    };
    let principal = admission.principal().unwrap();
    assert!(principal.has_scope("hello") && principal.has_scope("more") && !principal.has_scope("admin"));
    assert_eq!(principal.provider(), "admits");
    assert!(Arc::ptr_eq(admission.lease().clock().unwrap(), auth.clock()));
}

#[test]
fn headers_that_come_twice_do_not_make_a_credential_come_twice() {
    let auth = service().build().unwrap();
    let status = |lines: &[(&'static str, &'static str)]| {
        let line = |(name, value): &(&'static str, &'static str)| {
            (http::HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers: HeaderMap = lines.iter().map(line).collect();
        match auth.decide(&RequestHead::new(&Method::GET, "/", &headers)) {
            portcullis_core::Step::Ready(decision) => {
                decision.map(|_| ()).map_err(|rejection| rejection.kind())
            }
            portcullis_core::Step::Wait(_) => unreachable!("nothing to wait for"),
        }
    };
    let credential = ("authorization", "Bearer token");
    assert_eq!(status(&[("accept", "a"), ("accept", "b"), credential]), Ok(()));
    assert_eq!(
        status(&[credential, credential]),
        Err(RejectionKind::Malformed(CredentialErrorKind::Repeated))
    );
    let mut many: Vec<_> = ["a", "b", "c", "d", "e", "f", "g"].map(|name| (name, "x")).into();
    many.push(credential);
    assert_eq!(status(&many), Ok(()));
}

#[test]
fn what_a_provider_need_not_say_is_nothing() {
    let provider = Admits(Scheme::Bearer);
    assert!(provider.servers().is_empty() && provider.queues().is_empty() && !provider.can_revoke());
    assert!(provider.vouch(&Identity::new("alice")).is_none() && provider.looks_at_client());
}

/// Tells what it is asked, where it is asked in full.
#[derive(Debug)]
struct Tells;

impl Provider for Tells {
    fn kind(&self) -> &'static str {
        "tells"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        None
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::pending())
    }

    fn queues(&self) -> Vec<QueueState> {
        vec![QueueState::new("hashing", 3, 8)]
    }

    fn servers(&self) -> Vec<ServerState> {
        vec![ServerState::unasked("jwks", "https://issuer.example/jwks")]
    }
}

#[test]
fn people_who_ask_a_provider_hear_what_it_says() {
    let provider: &dyn Provider = &Tells;
    assert_eq!(provider.queues_or_panicked(), [QueueState::new("hashing", 3, 8)]);
    assert_eq!(provider.servers_or_panicked()[0].url, "https://issuer.example/jwks");
}

/// Panics where it is asked for its servers.
#[derive(Debug)]
struct Panics;

impl Provider for Panics {
    fn kind(&self) -> &'static str {
        "panics"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        None
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::pending())
    }

    fn servers(&self) -> Vec<ServerState> {
        panic!("it panics")
    }
}

#[test]
fn a_provider_that_panics_is_told_by_its_kind() {
    let provider: &dyn Provider = &Panics;
    let servers = provider.servers_or_panicked();
    assert_eq!((servers[0].role, servers[0].url.as_str(), servers[0].usable), ("provider", "panics", false));
}

#[test]
fn refusals_and_outages_say_what_they_were_made_with() {
    let refusal = Refusal::new(Reason::Expired, "it has expired");
    assert_eq!((refusal.code(), refusal.text()), ("expired", "it has expired"));
    assert_eq!(refusal.to_string(), "it has expired (expired)");
    let away = Unavailable::new("the server is away");
    assert_eq!(
        (away.text(), away.reason(), away.retry_after()),
        ("the server is away", Reason::Unavailable, None)
    );
}

#[test]
fn scopes_are_counted_and_a_star_alone_is_anyone() {
    for (text, len) in [("", 0), ("a", 1), ("a b", 2)] {
        let scopes = Scopes::split(text);
        assert_eq!((scopes.len(), scopes.is_empty(), scopes.iter().count()), (len, len == 0, len));
    }
    assert!(Scopes::none().is_empty());
    assert_eq!(RequiredScopes::from(["a", "b"]).iter().collect::<Vec<_>>(), ["a", "b"]);
    assert!(RequiredScopes::anyone().admits_anyone() && !RequiredScopes::from("a").admits_anyone());
}

#[test]
fn each_cause_has_one_status_of_http_and_one_of_grpc() {
    use RejectionKind as Kind;
    let malformed = Kind::Malformed(CredentialErrorKind::Empty);
    for (kinds, status, grpc) in [
        (
            &[Kind::NoCredential, malformed, Kind::NotLookedAt, Kind::Refused][..],
            StatusCode::UNAUTHORIZED,
            16,
        ),
        (&[Kind::InsufficientScope], StatusCode::FORBIDDEN, 7),
        (&[Kind::TooManyAttempts], StatusCode::TOO_MANY_REQUESTS, 8),
        (&[Kind::Unavailable], StatusCode::SERVICE_UNAVAILABLE, 14),
        (&[Kind::AmbiguousPath], StatusCode::BAD_REQUEST, 3),
        (&[Kind::NotMounted, Kind::LayerMissing, Kind::PublicRoute], StatusCode::INTERNAL_SERVER_ERROR, 13),
    ] {
        for kind in kinds {
            assert_eq!((kind.status(), kind.grpc_status()), (status, grpc), "{kind:?}");
            assert!(RejectionKind::NAMES.contains(&kind.as_str()));
        }
    }
    let auth = service().build().unwrap();
    let headers = HeaderMap::new();
    let portcullis_core::Step::Ready(Err(rejection)) =
        auth.decide(&RequestHead::new(&Method::GET, "/", &headers))
    else {
        unreachable!("there is no credential")
    };
    assert_eq!(rejection.to_string(), "the request was not let in: no-credential (401)");
}

#[test]
fn a_hook_that_panics_writes_nothing_and_the_refusal_stands() {
    let auth = service().build().unwrap();
    let headers = HeaderMap::new();
    let portcullis_core::Step::Ready(Err(rejection)) =
        auth.decide(&RequestHead::new(&Method::GET, "/", &headers))
    else {
        unreachable!("there is no credential")
    };
    assert_eq!(rejection.written(|| 7), Some(7));
    assert_eq!(rejection.written(|| -> u8 { panic!("a hook") }), None);
}

#[test]
fn each_end_of_a_connection_says_why() {
    for (ended, reason) in [
        (Ended::Expired, "the token expired"),
        (Ended::Revoked, "the token was revoked"),
        (Ended::Unavailable, "the token cannot be checked now"),
        (Ended::Withdrawn, "access was withdrawn"),
    ] {
        assert_eq!((ended.reason(), ended.to_string()), (reason, reason.to_owned()));
    }
}

#[test]
fn moments_and_spans_are_told_as_they_were_made() {
    let moment = UnixTime::from_duration(Duration::from_millis(4_711_500));
    assert_eq!((moment.as_secs(), moment.since_epoch()), (4711, Duration::from_millis(4_711_500)));
    let clock = SystemClock::new();
    let (before, now) = (clock.monotonic(), clock.now());
    while clock.monotonic() == before {
        std::hint::spin_loop();
    }
    assert!(clock.monotonic() > before && now > UnixTime::from_secs(1_700_000_000));
}

#[test]
fn errors_have_the_causes_that_they_were_given() {
    let cause = || io::Error::other("reset");
    let error = BuildError::new("the file cannot be read").with_source(cause());
    assert_eq!(error.source().unwrap().to_string(), "reset");
    assert_eq!(format!("{error} / {error:?}"), "the file cannot be read / the file cannot be read: reset");
    assert!(BuildError::new("x").source().is_none());
    let token = TokenError::transient("no answer").with_source(cause());
    assert_eq!(format!("{token} / {token:?}"), "no answer / no answer: reset");
}

#[test]
fn a_secret_has_a_length() {
    for text in ["", "a", "grüße"] {
        assert_eq!((Secret::new(text).len(), Secret::new(text).is_empty()), (text.len(), text.is_empty()));
    }
}

#[test]
fn a_server_is_told_in_numbers_and_of_two_that_are_one_the_worse() {
    let state = |usable, error: Option<&str>, age: Option<u64>| {
        let mut state = ServerState::unasked("jwks", "https://issuer.example/jwks");
        (state.usable, state.age) = (usable, age.map(Duration::from_secs));
        (state.last_error, state.holds) = (error.map(str::to_owned), Some(3));
        state
    };
    assert_eq!(state(true, None, Some(61)).numbers(), [Some(1), Some(0), Some(3), Some(61)]);
    assert_eq!(state(false, Some("away"), None).numbers(), [Some(0), Some(1), Some(3), None]);
    let well = || state(true, None, Some(10));
    for worse in
        [state(true, None, Some(20)), state(true, Some("away"), Some(1)), state(false, None, Some(1))]
    {
        for states in [[well(), worse.clone()], [worse.clone(), well()]] {
            let told = ServerState::each_once(states);
            assert_eq!(told.len(), 1);
            assert_eq!(told[0].numbers(), worse.numbers());
        }
    }
    let other = ServerState::unasked("token", "https://issuer.example/jwks");
    assert_eq!(ServerState::each_once([well(), other, well()]).len(), 2);
}

/// Claims that are kept without the token that says them.
#[derive(Debug)]
struct Claims;

impl ClaimsSource for Claims {
    fn claims(&self) -> serde_json::Map<String, serde_json::Value> {
        serde_json::Map::from_iter([("tenant".to_owned(), "blue".into())])
    }
}

#[derive(Debug)]
struct WithClaims;

impl Provider for WithClaims {
    fn kind(&self) -> &'static str {
        "with-claims"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn recall(&self, _: &[u8], _: &Context<'_>) -> Recall {
        let identity = Identity::new("alice").with_scopes(["hello"]).with_claims_from(Arc::new(Claims));
        Recall::Answer(Outcome::known(identity))
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        None
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn the_token_that_was_shown_is_kept_where_the_claims_do_not_keep_it() {
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer s3cr3t"))]);
    let auth = Auth::builder().element(WithClaims, "hello").build().unwrap();
    let portcullis_core::Step::Ready(Ok(admission)) =
        auth.decide(&RequestHead::new(&Method::GET, "/", &headers))
    else {
        unreachable!("it admits everybody at once")
    };
    let principal = admission.principal().unwrap();
    assert_eq!(principal.claims()["tenant"], "blue");
    assert_eq!(principal.authorization().unwrap().token().unwrap().expose(), "s3cr3t");
}

/// Never has a token.
#[derive(Debug)]
struct Bare;

impl TokenSource for Bare {
    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        Box::pin(async { Err(TokenError::permanent("there is none")) })
    }

    fn refused(&self, _: &Authorization) -> bool {
        false
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(async { Vec::new() })
    }
}

#[test]
fn a_source_of_tokens_renews_unless_it_says_otherwise_and_a_shared_one_is_the_same() {
    let fixed = Authorization::bearer(&Secret::new("token")).unwrap();
    assert!(Bare.renews() && Arc::new(Bare).renews() && !fixed.renews() && !Arc::new(fixed).renews());
    assert!(Authorization::bearer(&Secret::new("token")).unwrap().lease().is_some());
    assert!(Bare.expires_in().is_none() && Bare.lease().is_none() && Bare.try_token().is_none());
    assert!(Bare.on_behalf_of(&OnBehalfOf::token("token", None)).is_none());
}

#[test]
fn what_reads_assertions_is_asked_with_the_purpose() {
    #[derive(Debug)]
    struct Signer;
    impl portcullis_core::AssertionSigner for Signer {
        fn sign(&self) -> Result<Secret, TokenError> {
            Ok(Secret::new("signed"))
        }
    }
    let reads = AssertionReader::new(|section, purpose| {
        (section.path() == "signing" && *purpose == AssertionPurpose::Grant).then(|| Arc::new(Signer) as _)
    });
    let (table, reader) = (Table::default(), Reader::new(""));
    let section = reader.section(&table, "signing");
    assert_eq!(reads.read(&section, &AssertionPurpose::Grant).unwrap().sign().unwrap().expose(), "signed");
    assert!(reads.read(&reader.section(&table, "other"), &AssertionPurpose::Grant).is_none());
}
