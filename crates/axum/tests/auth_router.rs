//! `AuthRouter`: one policy for each route and method, and the mistakes that it does not build with.
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
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::{MethodRouter, any, any_service, connect, get, post, put},
};
use http::{Method, StatusCode, Uri, response::Parts};
use portcullis_axum::{AuthLayer, AuthRouter, Caller, GuardExt, Rejection, Resource};
use portcullis_core::{Auth, AuthBuilder, BuildError, Element, Override};
use support::{ByToken, Log, hello, request};
use tower::ServiceExt;

/// `METHOD /path token status`, one request a line; `-` sends no token.
async fn answers(app: &Router, table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let [method, path, token, status] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("four words: {line}")
        };
        let token = if token == "-" { "" } else { token };
        let response = call(app, method, path, token).await;
        assert_eq!(response.status().as_str(), status, "{line}");
    }
}

async fn call(app: &Router, method: &str, path: &str, token: &str) -> Response {
    app.clone().oneshot(request::<Body>(method, path, token)).await.unwrap()
}

async fn ok() -> &'static str {
    "ok"
}

/// For callers with the scope `hello`.
fn auth(resources: impl IntoIterator<Item = Resource>) -> Auth {
    resources.into_iter().fold(hello(), AuthBuilder::resource).build().unwrap()
}

fn mistakes(router: AuthRouter, auth: &Auth) -> Vec<String> {
    let error: BuildError = router.guard(auth).unwrap_err();
    error.to_string().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn what_is_said_beside_a_route_guards_it_and_everything_else_has_the_services_policy() {
    let own = Element::new(ByToken::default(), "own").unwrap();
    let app = AuthRouter::new()
        .route("/bar", get(ok))
        .route("/admin", get(ok).scopes(["admin"]).and(post(ok).scopes(["root"])))
        .route("/mixed", get(ok).and(post(ok).scopes("root")))
        .route("/health", get(ok).public())
        .route("/maybe", get(async |caller: Option<Caller>| caller.is_some().to_string()).optional())
        .route("/own", get(ok).elements([own]))
        .route("/with", get(ok).with(Override::scopes("a").optional(true)))
        .route_service("/service", any_service(any(ok)))
        .guard(&auth([]))
        .unwrap();
    answers(
        &app,
        "
        GET  /bar     a.hello 200
        HEAD /bar     a.hello 200
        GET  /bar     a.admin 403
        GET  /bar     -       401
        GET  /admin   a.hello 403
        GET  /admin   a.root  403
        GET  /admin   a.admin 200
        HEAD /admin   a.hello 403
        POST /admin   a.admin 403
        POST /admin   a.root  200
        GET  /mixed   a.hello 200
        POST /mixed   a.hello 403
        GET  /health  -       200
        GET  /health  wrong   200
        GET  /maybe   -       200
        GET  /maybe   wrong   401
        GET  /maybe   a.hello 200
        GET  /own     a.hello 403
        GET  /own     a.own   200
        GET  /with    -       200
        GET  /with    a.hello 403
        PUT  /service a.hello 200
        PUT  /service -       401
        GET  /none    -       404
        GET  /none    a.hello 404
        ",
    )
    .await;
}

#[tokio::test]
async fn a_method_that_no_handler_takes_is_405_for_those_who_may_call_the_route() {
    let app = AuthRouter::new()
        .route("/one", get(ok).scopes("admin"))
        .route("/open", get(ok).public())
        // Whichever part comes last.
        .route("/two", get(ok).scopes("admin").and(post(ok).public()))
        .route("/three", post(ok).public().and(get(ok).scopes("admin")))
        .route("/four", get(ok).public())
        .route("/four", post(ok).public())
        .route("/any", get(ok).scopes("admin").and(any(ok).scopes("root")))
        .guard(&auth([]))
        .unwrap();
    answers(
        &app,
        "
        PUT  /one   -       401
        PUT  /one   a.hello 403
        PUT  /one   a.admin 405
        PUT  /open  -       405
        PUT  /two   -       401
        PUT  /two   a.hello 405
        POST /two   -       200
        PUT  /three -       401
        PUT  /three a.hello 405
        PUT  /four  -       401
        POST /four  -       200
        GET  /any   a.root  403
        GET  /any   a.admin 200
        PUT  /any   a.admin 403
        PUT  /any   a.root  200
        ",
    )
    .await;
}

#[tokio::test]
async fn a_configured_resource_guards_the_route_of_its_pattern() {
    let auth = auth([
        Resource::new("/users/{user}").scopes("users"),
        Resource::new("/admin").method(Method::GET).scopes("reader"),
        Resource::new("/admin").method(Method::POST).scopes("writer"),
        Resource::new("/ws").method(Method::GET).scopes("ws"),
        Resource::new("/head").method(Method::HEAD).scopes("head"),
        Resource::new("/head").method(Method::GET).scopes("get"),
        Resource::new("/zo ë").scopes("zoe"),
    ]);
    let app = AuthRouter::new()
        .route("/users/{id}", get(ok))
        .route("/users/export", get(ok))
        .route("/admin", get(ok).post(ok).put(ok))
        .route("/ws", get(ok).merge(connect(ok)).post(ok))
        .route("/head", get(ok))
        .route("/zo%20%C3%AB", get(ok))
        .guard(&auth)
        .unwrap();
    answers(
        &app,
        "
        GET     /users/7      a.hello  403
        GET     /users/7      a.users  200
        GET     /users/export a.hello  200
        GET     /users/export a.users  403
        GET     /admin        a.hello  403
        HEAD    /admin        a.hello  403
        HEAD    /admin        a.reader 200
        POST    /admin        a.reader 403
        POST    /admin        a.writer 200
        PUT     /admin        a.hello  200
        PUT     /admin        a.writer 403
        PATCH   /admin        a.hello  405
        GET     /ws           a.hello  403
        CONNECT /ws           a.hello  403
        CONNECT /ws           a.ws     200
        POST    /ws           a.hello  200
        HEAD    /head         a.get    403
        HEAD    /head         a.head   200
        GET     /head         a.get    200
        GET     /head         a.head   403
        GET     /zo%20%C3%AB  a.hello  403
        GET     /zo%20%C3%AB  a.zoe    200
        ",
    )
    .await;
}

#[tokio::test]
async fn a_public_resource_opens_its_own_route_and_no_other() {
    let auth = auth([Resource::new("/users/{id}").public()]);
    let router = AuthRouter::new().route("/users/{name}", get(ok)).route("/users/export", get(ok));
    answers(&router.guard(&auth).unwrap(), "GET /users/7 - 200\n GET /users/export - 401").await;
}

#[tokio::test]
async fn a_subtree_guards_every_route_that_it_holds_and_the_most_specific_wins() {
    let auth = auth([
        Resource::new("/{*rest}").method(Method::DELETE).scopes("root"),
        Resource::new("/admin/{*rest}").scopes("admin"),
        Resource::new("/admin/users/{*rest}").scopes("users"),
        Resource::new("/admin/users/{id}/mail").scopes("mail"),
    ]);
    let app = AuthRouter::new()
        .route("/bar", get(ok).delete(ok))
        .route("/admin", get(ok))
        .route("/admin/{page}", get(ok).delete(ok))
        .route("/admin/users/{id}", get(ok))
        .route("/admin/users/{id}/mail", get(ok))
        .guard(&auth)
        .unwrap();
    answers(
        &app,
        "
        GET    /bar                a.hello 200
        DELETE /bar                a.hello 403
        DELETE /bar                a.root  200
        GET    /admin              a.hello 200
        GET    /admin/x            a.hello 403
        GET    /admin/x            a.admin 200
        DELETE /admin/x            a.admin 200
        GET    /admin/users/7      a.admin 403
        GET    /admin/users/7      a.users 200
        GET    /admin/users/7/mail a.users 403
        GET    /admin/users/7/mail a.mail  200
        ",
    )
    .await;
}

#[tokio::test]
async fn a_subtree_is_guarded_whichever_route_leads_into_it() {
    let auth = auth([Resource::new("/admin/{*rest}").scopes("admin")]);
    let app = AuthRouter::new()
        .route("/{section}/{page}", get(ok))
        .route("/admin/users", get(ok))
        .route("/files/{*path}", get(ok))
        .guard(&auth)
        .unwrap();
    answers(
        &app,
        "
        GET /news/today  a.hello 200
        GET /admin/other a.hello 403
        GET /admin/other a.admin 200
        GET /%61dmin/x   a.hello 403
        GET /admin/users a.hello 403
        GET /files/a/b   a.hello 200
        ",
    )
    .await;
}

#[tokio::test]
async fn nests_services_and_fallbacks_are_guarded() {
    let auth = auth([
        Resource::new("/api/users/{id}").scopes("users"),
        Resource::new("/files/private/{*rest}").scopes("private"),
        Resource::new("/files").scopes("list"),
        Resource::new("/pkg.Greeter/Shout").scopes("shout"),
        Resource::new("/elsewhere").scopes("elsewhere"),
        Resource::new("/{tenant}/docs/{page}").scopes("docs"),
    ]);
    let users = AuthRouter::new()
        .route("/", get(ok))
        .route("/{name}", get(async |uri: Uri| uri.path().to_owned()).and(post(ok)));
    let app = AuthRouter::new()
        .nest("/api", AuthRouter::new().nest("/users", users).route("/open", get(ok).public()))
        .nest("/{tenant}", AuthRouter::new().route("/docs/{id}", get(ok)))
        .nest_service("/files", Router::new().route("/", get(ok)).fallback(ok))
        .route_service("/pkg.Greeter/{*rest}", any(ok))
        .merge(AuthRouter::new().route("/merged", get(ok)).fallback(ok))
        .guard(&auth)
        .unwrap();
    answers(
        &app,
        "
        GET  /api/users           a.hello     200
        GET  /api/users           a.users     403
        GET  /api/users/7         a.hello     403
        GET  /api/users/7         a.users     200
        POST /api/users/7         a.hello     403
        GET  /api/open            -           200
        GET  /acme/docs/7         a.hello     403
        GET  /acme/docs/7         a.docs      200
        GET  /files               a.hello     403
        GET  /files               a.list      200
        GET  /files/x             a.hello     200
        GET  /files/x             -           401
        GET  /files/private/x     a.hello     403
        GET  /files/%70rivate/x   a.hello     403
        GET  /files/private/x     a.private   200
        POST /pkg.Greeter/Hello   a.hello     200
        POST /pkg.Greeter/Shout   a.hello     403
        POST /pkg.Greeter/Shout   a.shout     200
        GET  /merged              -           401
        GET  /merged              a.hello     200
        GET  /unknown             -           401
        GET  /unknown             a.hello     200
        GET  /elsewhere           a.hello     403
        GET  /elsewhere           a.elsewhere 200
        GET  /api/none            a.hello     200
        GET  /api/none            -           401
        ",
    )
    .await;
    let response = call(&app, "GET", "/api/users/7", "a.users").await;
    assert_eq!(axum::body::to_bytes(response.into_body(), 100).await.unwrap(), "/7", "as with Router::nest");
}

#[test]
fn a_resource_that_meets_no_route_is_a_mistake_that_lists_the_routes() {
    let auth = auth([
        Resource::new("/foo/admn").scopes("admin"),
        Resource::new("/foo/admin").method(Method::POST).scopes("admin"),
        Resource::new("/other/{*rest}").scopes("admin"),
        Resource::new("/foo/{page}/x").scopes("admin"),
        Resource::new("/foo/7").scopes("seven"),
    ]);
    let router = AuthRouter::new()
        .route("/foo/admin", get(ok).put(ok))
        .route("/foo/{id}", any(ok))
        .route("/ws", connect(ok))
        .nest("/api", AuthRouter::new().route("/", get(ok)));
    let mut found = mistakes(router, &auth);
    assert_eq!(found.pop().unwrap(), "the routes are: /foo/{id}, CONNECT /ws, GET /api, GET/PUT /foo/admin");
    found.sort();
    assert_eq!(
        found,
        [
            "resource /foo/7 meets no route: correct or remove it",
            "resource /foo/admn meets no route: correct or remove it",
            "resource /foo/{page}/x meets no route: correct or remove it",
            "resource /other/{*rest} meets no route: correct or remove it",
            "resource POST /foo/admin meets no route: correct or remove it",
        ]
    );
}

#[test]
fn a_route_that_is_overridden_twice_is_a_mistake_that_names_both() {
    let auth = auth([
        Resource::new("/admin").scopes("admin"),
        Resource::new("/one").method(Method::POST).scopes("one"),
        Resource::new("/tree/{*rest}").scopes("tree"),
        Resource::new("/get").method(Method::GET).scopes("get"),
    ]);
    let router = AuthRouter::new()
        .route("/admin", get(ok).scopes("other").and(post(ok)))
        .route("/one", get(ok).scopes("other").and(post(ok)))
        .route("/get", get(ok).and(any(ok).public()))
        .route("/tree/open", get(ok).public())
        .route("/{section}/{page}", get(ok).scopes("page"));
    assert_eq!(
        mistakes(router, &auth),
        [
            "the route GET /admin has an override in code, and resource /admin covers it too: keep one of them",
            "the route /get has an override in code, and resource GET /get covers it too: keep one of them",
            "the route GET /tree/open has an override in code, and resource /tree/{*rest} covers it too: keep one \
             of them",
            "the route GET /{section}/{page} has an override in code, and resource /tree/{*rest} covers it too: \
             keep one of them",
        ]
    );
}

#[tokio::test]
async fn an_override_and_a_resource_for_other_methods_of_one_route_are_no_mistake() {
    let auth = auth([Resource::new("/x").method(Method::POST).scopes("writer")]);
    let app = AuthRouter::new().route("/x", get(ok).scopes("reader").and(post(ok))).guard(&auth).unwrap();
    answers(
        &app,
        "
        GET  /x a.hello  403
        GET  /x a.reader 200
        POST /x a.hello  403
        POST /x a.writer 200
        PUT  /x a.hello  405
        ",
    )
    .await;
}

#[test]
fn all_mistakes_are_told_at_once() {
    let auth = auth([Resource::new("/lost").scopes("x"), Resource::new("/twice").scopes("x")]);
    let router = AuthRouter::new()
        .route("/twice", get(ok).public())
        .route("/nobody", get(ok).scopes(Vec::<String>::new()))
        .route("/contradiction", put(ok).with(Override::public().optional(true)))
        .nest("/in", AuthRouter::new().route("/empty", get(ok).elements([])))
        .fallback(ok)
        .merge(AuthRouter::new().fallback(ok));
    let found = mistakes(router, &auth);
    for expected in [
        "two fallbacks for /",
        "the route GET /twice has an override in code",
        "route GET /nobody: an empty list of scopes",
        "route PUT /contradiction: `public` beside",
        "route GET /in/empty: an empty `auth`",
    ] {
        assert!(found.iter().any(|line| line.contains(expected)), "{expected}: {found:#?}");
    }
    let public = Auth::builder().public().build().unwrap();
    let found = mistakes(AuthRouter::new().route("/x", get(ok).scopes("admin")), &public);
    assert!(found[0].contains("`scopes` without `auth` guards nothing"), "{found:?}");
}

#[tokio::test]
async fn routes_that_are_added_later_are_open_and_have_no_caller() {
    let greet = || get(async |caller: Caller| caller.subject().unwrap_or_default().to_owned());
    let app = AuthRouter::new().route("/in", greet()).guard(&auth([])).unwrap();
    let app = app.merge(Router::new().route("/late", greet()).route("/open", get(ok))).fallback(ok);
    let log = Log::start();
    answers(
        &app,
        "
        GET /in    -       401
        GET /in    a.hello 200
        GET /late  a.hello 500
        GET /open  -       200
        GET /other -       200
        ",
    )
    .await;
    assert!(log.lines().iter().any(|line| line.contains("ERROR") && line.contains("AuthRouter::guard")));
}

#[tokio::test]
async fn wherever_the_router_ends_up_its_routes_stay_guarded() {
    let guarded = || {
        let auth = hello().path("/foo").resource(Resource::new("/admin").scopes("admin")).build().unwrap();
        AuthRouter::new()
            .route("/foo/bar", get(ok))
            .nest("/foo", AuthRouter::new().route("/admin", get(ok)))
            .nest_service("/foo/svc", any(ok))
            .guard_with(&AuthLayer::new(auth).mounted_at("/api"))
            .unwrap()
    };
    let table = "
        GET /api/foo/bar   a.hello 200
        GET /api/foo/bar   -       401
        GET /api/foo/admin a.hello 403
        GET /api/foo/admin a.admin 200
        GET /api/foo/svc/x a.hello 200
        GET /api/foo/svc   -       401
    ";
    answers(&Router::new().nest("/api", guarded()), table).await;
    answers(&Router::new().nest_service("/api", guarded()), table).await;
    // Not below its prefix, what is judged by its path is refused; routes do not care.
    answers(&guarded(), "GET /foo/bar a.hello 200\n GET /foo/admin a.hello 403\n GET /foo/svc/x a.hello 500")
        .await;
}

#[tokio::test]
async fn state_is_given_before_or_after() {
    async fn handler(State(text): State<&'static str>) -> &'static str {
        text
    }
    async fn number(State(number): State<u8>) -> String {
        number.to_string()
    }
    let stateful = || AuthRouter::new().route("/x", get(handler)).fallback(handler);
    let table = "GET /x a.hello 200\n GET /x - 401\n GET /y a.hello 200\n GET /y - 401";
    let after: Router = stateful().guard(&auth([])).unwrap().with_state("text");
    answers(&after, table).await;
    let before = stateful().with_state("text");
    let nested = AuthRouter::new().nest("/n", AuthRouter::new().route("/", get(number))).with_state(7_u8);
    let app: Router = before.merge(nested).guard(&auth([])).unwrap();
    answers(&app, table).await;
    answers(&app, "GET /n a.hello 200\n GET /n - 401").await;
}

#[tokio::test]
async fn a_hook_writes_the_bodies_of_all_refusals() {
    let layer = AuthLayer::new(auth([]))
        .on_rejection(|rejection: &Rejection, _: &mut Parts| Body::from(rejection.kind().as_str()));
    let app = AuthRouter::new()
        .route("/x", get(ok))
        .route("/admin", get(ok).scopes("admin"))
        .nest_service("/svc", any(ok))
        .guard_with(&layer)
        .unwrap();
    for (path, token, body) in [
        ("/x", "", "no-credential"),
        ("/admin", "a.hello", "insufficient-scope"),
        ("/svc", "wrong", "refused"),
    ] {
        let response = call(&app, "GET", path, token).await;
        assert!(response.status().is_client_error());
        assert_eq!(axum::body::to_bytes(response.into_body(), 100).await.unwrap(), body);
    }
}

#[tokio::test]
async fn a_service_without_elements_of_its_own_refuses_what_is_not_overridden() {
    let own = Element::new(ByToken::default(), "own").unwrap();
    let auth = Auth::builder().refuse_uncovered().build().unwrap();
    let app = AuthRouter::new()
        .route("/own", get(ok).elements([own]))
        .route("/forgotten", get(ok))
        .guard(&auth)
        .unwrap();
    answers(&app, "GET /own a.own 200\n GET /forgotten a.own 401\n GET /forgotten - 401").await;
}

#[tokio::test]
async fn a_public_service_may_close_single_routes() {
    let own = Element::new(ByToken::default(), "own").unwrap();
    let auth = Auth::builder().public().build().unwrap();
    let app = AuthRouter::new()
        .route("/open", get(ok))
        .route("/own", get(ok).elements([own]))
        .guard(&auth)
        .unwrap();
    answers(&app, "GET /open - 200\n GET /own - 401\n GET /own a.own 200").await;
}

#[test]
fn it_can_be_cloned_sent_and_looked_at() {
    fn is_sendable<T: Send + Sync + Clone + 'static>(_: &T) {}
    let router: AuthRouter = AuthRouter::default()
        .route("/x", get(ok).scopes("admin"))
        .nest("/n", AuthRouter::new())
        .nest_service("/svc", MethodRouter::<()>::new());
    is_sendable(&router);
    let text = format!("{router:?}");
    assert!(text.contains("/x") && text.contains("admin") && text.contains("/svc"), "{text}");
}

#[tokio::test]
async fn an_allow_header_names_the_methods_of_all_parts() {
    let app =
        AuthRouter::new().route("/x", get(ok).public().and(post(ok).public())).guard(&auth([])).unwrap();
    let response = call(&app, "PUT", "/x", "a.hello").await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET,HEAD,POST");
    let _: Request = request("GET", "/", "");
}
