use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header::AUTHORIZATION};

use super::*;
use crate::{
    Admission, BoxFuture, Context, Credential, Element, Identity, Outcome, Principal, Provider, Reason,
    RequiredScopes, Scheme, SystemClock,
};

/// Knows a bearer token of the form `scope~scope`, and holds these scopes.
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
        let Credential::Bearer(bearer) = credential else {
            return Some(Outcome::refused(Reason::OtherScheme, "not a token"));
        };
        Some(match bearer.token() {
            "wrong" => Outcome::refused(Reason::Other, "the token is wrong"),
            scopes => Outcome::known(Identity::new("alice").with_scopes(scopes.split('~'))),
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

fn status(auth: &Auth, method: &str, path: &str, token: Option<&str>) -> u16 {
    let headers: HeaderMap = token
        .map(|token| (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap()))
        .into_iter()
        .collect();
    let method: Method = method.parse().unwrap();
    match auth.decide(&RequestHead::new(&method, path, &headers)) {
        Step::Ready(Ok(_)) => 200,
        Step::Ready(Err(rejection)) => rejection.status().as_u16(),
        Step::Wait(_) => panic!("nothing to wait for"),
    }
}

fn element() -> Element {
    Element::new(ByToken, "hello").unwrap()
}

#[test]
fn resources_override_their_service() {
    let auth = Auth::builder()
        .path("/foo")
        .element(ByToken, "hello")
        .resource(Resource::new("/admin").scopes("admin"))
        .resource(Resource::new("/health").public())
        .resource(
            Resource::new("/own").method(Method::POST).elements([Element::new(ByToken, "own").unwrap()]),
        )
        .resource(Resource::new("/maybe").optional(true))
        .resource(Resource::new("/"))
        .build()
        .unwrap();
    for (method, path, token, expected) in [
        ("GET", "/foo/x", Some("hello"), 200),
        ("GET", "/foo/x", Some("admin"), 403),
        ("GET", "/foo/x", None, 401),
        ("GET", "/foo", Some("hello"), 200),
        ("GET", "/foo/admin", Some("hello"), 403),
        ("GET", "/foo/admin", Some("admin"), 200),
        ("GET", "/foo/health", None, 200),
        ("GET", "/foo/health", Some("wrong"), 200),
        ("POST", "/foo/own", Some("own"), 200),
        ("POST", "/foo/own", Some("hello"), 403),
        ("GET", "/foo/own", Some("hello"), 200),
        ("GET", "/foo/maybe", None, 200),
        ("GET", "/foo/maybe", Some("wrong"), 401),
        ("GET", "/f%6fo/%61dmin", Some("hello"), 403),
    ] {
        assert_eq!(status(&auth, method, path, token), expected, "{method} {path} {token:?}");
    }
}

#[test]
fn an_optional_service_does_not_open_the_resources_that_ask_for_more() {
    let admin = || Resource::new("/admin").scopes("admin");
    let own = || Resource::new("/own").elements([Element::new(ByToken, "own").unwrap()]);
    let service =
        || Auth::builder().element(ByToken, "hello").optional(true).resource(Resource::new("/same"));
    let auth = service().resource(admin()).resource(own()).build().unwrap();
    for (path, token, expected) in [
        ("/", None, 200),
        ("/same", None, 200),
        ("/same", Some("wrong"), 401),
        ("/admin", None, 401),
        ("/admin", Some("hello"), 403),
        ("/admin", Some("admin"), 200),
        ("/own", None, 401),
        ("/own", Some("own"), 200),
    ] {
        assert_eq!(status(&auth, "GET", path, token), expected, "{path} {token:?}");
    }
    // Who says so gets it.
    let auth = service().resource(admin().optional(true)).resource(own().optional(true)).build().unwrap();
    for (path, token, expected) in [
        ("/admin", None, 200),
        ("/admin", Some("hello"), 403),
        ("/own", None, 200),
        ("/own", Some("hello"), 403),
    ] {
        assert_eq!(status(&auth, "GET", path, token), expected, "{path} {token:?}");
    }
    // Beside a route it is the same.
    let route = |over| service().build().unwrap().policy_with(over, "route").unwrap().is_optional();
    assert!(!route(Override::scopes("admin")));
    assert!(!route(Override::elements([element()])));
    assert!(route(Override::default()));
    assert!(route(Override::scopes("admin").optional(true)));
}

#[test]
fn a_service_with_resources_refuses_to_judge_paths_outside_its_own() {
    let with = Auth::builder()
        .path("/foo")
        .element(ByToken, "hello")
        .resource(Resource::new("/x").public())
        .build()
        .unwrap();
    assert_eq!(status(&with, "GET", "/api/foo/x", Some("hello")), 500);
    assert_eq!(status(&with, "GET", "/foobar", Some("hello")), 500);
    let without = Auth::builder().path("/foo").element(ByToken, "hello").build().unwrap();
    assert_eq!(status(&without, "GET", "/api/foo/x", Some("hello")), 200);
}

#[test]
fn what_no_resource_covers_is_refused_where_the_service_has_no_elements() {
    let auth = Auth::builder()
        .path("/foo")
        .refuse_uncovered()
        .resource(Resource::new("/own").elements([element()]))
        .build();
    let auth = auth.unwrap();
    assert_eq!(status(&auth, "GET", "/foo/own", Some("hello")), 200);
    assert_eq!(status(&auth, "GET", "/foo/other", Some("hello")), 401);
    assert_eq!(status(&auth, "GET", "/foo/other", None), 401);
    // RFC 9110 §15.5.2: a 401 names a challenge.
    let headers = HeaderMap::new();
    let Step::Ready(Err(rejection)) = auth.decide(&RequestHead::new(&Method::GET, "/foo/other", &headers))
    else {
        panic!("refused at once")
    };
    assert_eq!(rejection.challenges(), ["Bearer realm=\"portcullis\""]);
}

#[test]
fn mistakes_are_told_all_at_once() {
    let error = Auth::builder()
        .path("foo")
        .realm("a\nb")
        .max_credential_bytes(0)
        .decision_timeout(Duration::ZERO)
        .element(ByToken, Vec::<String>::new())
        .public()
        .optional(true)
        .build()
        .unwrap_err();
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    for expected in [
        "path \"foo\" cannot be used",
        "realm holds",
        "maxCredentialBytes of 0",
        "decisionTimeout of 0",
        "element 0: an empty list",
        "`public` beside",
    ] {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected}: {lines:?}");
    }
    assert_eq!(lines.len(), 6, "{lines:?}");
}

#[test]
fn a_door_is_never_open_by_omission() {
    let refused = |builder: AuthBuilder, expected: &str| {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    refused(Auth::builder(), "a service without `auth` would refuse everybody");
    refused(
        Auth::builder().refuse_uncovered().resource(Resource::new("/x").scopes("a")),
        "`scopes` without `auth` guards nothing",
    );
    refused(
        Auth::builder().refuse_uncovered().resource(Resource::new("/x").optional(true)),
        "`optional` without `auth`",
    );
    refused(
        Auth::builder().element(ByToken, "a").resource(Resource::new("/x").elements([])),
        "an empty `auth`",
    );
    refused(
        Auth::builder().element(ByToken, "a").resource(Resource::new("/x").public().scopes("a")),
        "`public` beside",
    );
    refused(
        Auth::builder().element(ByToken, "a").resource(Resource::new("/x").scopes("a").elements([element()])),
        "exclude each other",
    );
    refused(
        Auth::builder()
            .element(ByToken, "a")
            .resource(Resource::new("/{x}"))
            .resource(Resource::new("/{y}").public()),
        "resource /{x} and resource /{y} cover the same requests",
    );
}

#[tokio::test]
async fn the_imperative_way_gives_the_same_answers() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let provider: Arc<dyn Provider> = Arc::new(ByToken);
    let principal = authenticate_header(&provider, &HeaderValue::from_static("Bearer write~update"), &clock)
        .await
        .unwrap();
    assert_eq!((principal.subject(), principal.provider()), (Some("alice"), "by-token"));
    assert!(authorize(&principal, "write").is_ok());
    assert!(authorize(&principal, ["admin", "update"]).is_ok());
    assert!(authorize(&principal, RequiredScopes::anyone()).is_ok());
    let forbidden = authorize(&principal, "admin").unwrap_err();
    assert_eq!(forbidden.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        forbidden.challenges(),
        ["Bearer realm=\"portcullis\", error=\"insufficient_scope\", scope=\"admin\""]
    );
    for value in ["Bearer wrong", "Bearer", "", "Basic YWxpY2U6MTIz", "nonsense"] {
        let refused =
            authenticate_header(&provider, &HeaderValue::from_static(value), &clock).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{value}");
    }
}

#[test]
fn a_resource_tells_how_it_stands_to_a_route() {
    let auth = Auth::builder()
        .path("/foo")
        .element(ByToken, "hello")
        .resource(Resource::new("/a b/{id}").scopes("admin"))
        .resource(Resource::new("/admin/{*rest}").scopes("admin"))
        .build()
        .unwrap();
    let [one, subtree]: [ResourceView<'_>; 2] = auth.resources().collect::<Vec<_>>().try_into().unwrap();
    assert!(one.equals_route("/foo/a%20b/{user}") && !one.equals_route("/foo/a%2520b/{user}"));
    assert!(one.lies_within_route("/foo/{*path}") && !one.lies_within_route("/foo/{page}"));
    assert!(subtree.holds_route("/foo/admin/users") && subtree.holds_route("/foo/%61dmin/{id}"));
    assert!(!subtree.holds_route("/foo/{section}/{page}") && subtree.overlaps_route("/foo/{section}/{page}"));
    assert!(!subtree.overlaps_route("/foo/users/{page}"));
}

#[test]
fn a_layer_can_refuse_what_lies_outside_its_mount() {
    let auth = Auth::builder().element(ByToken, "hello").build().unwrap();
    let headers = HeaderMap::new();
    let rejection = auth.refuse_not_mounted(&RequestHead::new(&Method::GET, "/elsewhere", &headers));
    assert_eq!(
        (rejection.kind(), rejection.status()),
        (RejectionKind::NotMounted, StatusCode::INTERNAL_SERVER_ERROR)
    );
}

/// The extensions of a request that `auth` let in.
fn admitted(auth: &Auth, token: Option<&str>) -> Extensions {
    let headers: HeaderMap = token
        .map(|token| (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap()))
        .into_iter()
        .collect();
    let mut extensions = Extensions::new();
    match auth.decide(&RequestHead::new(&Method::GET, "/", &headers)) {
        Step::Ready(Ok(admission)) => admission.attach(&mut extensions),
        other => panic!("not let in: {other:?}"),
    }
    extensions
}

#[test]
fn checks_inside_the_layer_narrow_and_never_widen() {
    let auth = Auth::builder().realm("orders").element(ByToken, RequiredScopes::anyone()).build().unwrap();
    let extensions = admitted(&auth, Some("read~write"));
    let demanded = |extensions: &Extensions, scope: &str| {
        Admission::demand_scopes(extensions, &scope.into(), "test")
            .map(|principal| principal.has_scope(scope))
    };
    assert!(demanded(&extensions, "write").unwrap());
    let rejection = demanded(&extensions, "admin").unwrap_err();
    assert_eq!(rejection.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        rejection.challenges(),
        ["Bearer realm=\"orders\", error=\"insufficient_scope\", scope=\"admin\""]
    );

    let optional = Auth::builder().element(ByToken, "hello").optional(true).build().unwrap();
    let rejection = demanded(&admitted(&optional, None), "hello").unwrap_err();
    assert_eq!(rejection.kind(), RejectionKind::NoCredential);

    let public = admitted(&Auth::builder().public().build().unwrap(), Some("hello"));
    let rejection = demanded(&public, "hello").unwrap_err();
    assert_eq!(
        (rejection.kind(), rejection.status()),
        (RejectionKind::PublicRoute, StatusCode::INTERNAL_SERVER_ERROR)
    );

    let rejection = demanded(&Extensions::new(), "hello").unwrap_err();
    assert_eq!(
        (rejection.kind(), rejection.status()),
        (RejectionKind::LayerMissing, StatusCode::INTERNAL_SERVER_ERROR)
    );
    assert!(rejection.challenges().is_empty());
}

#[test]
fn an_inner_layer_takes_no_principal_away_and_may_bring_another() {
    let admission = |auth: &Auth, token: Option<&'static str>| {
        let headers: HeaderMap =
            token.map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).into_iter().collect();
        match auth.decide(&RequestHead::new(&Method::GET, "/", &headers)) {
            Step::Ready(Ok(admission)) => admission,
            other => panic!("{other:?}"),
        }
    };
    let outer = Auth::builder().element(ByToken, "hello").build().unwrap();
    let optional = Auth::builder().element(ByToken, "hello").optional(true).build().unwrap();
    let public = Auth::builder().public().build().unwrap();
    let mut extensions = Extensions::new();
    admission(&outer, Some("Bearer hello")).attach(&mut extensions);
    for inner in [&optional, &public] {
        admission(inner, None).attach(&mut extensions);
        assert!(Principal::of(&extensions).unwrap().has_scope("hello"));
    }
    admission(&optional, Some("Bearer hello~more")).attach(&mut extensions);
    assert!(Principal::of(&extensions).unwrap().has_scope("more"));

    // Without a principal to keep, the stricter of the two stays: 401 for who wants a caller, not 500.
    let mut extensions = Extensions::new();
    admission(&public, None).attach(&mut extensions);
    admission(&optional, None).attach(&mut extensions);
    admission(&public, None).attach(&mut extensions);
    let rejection = Admission::demand_caller(&extensions, "test").unwrap_err();
    assert_eq!(rejection.status(), StatusCode::UNAUTHORIZED);
}
