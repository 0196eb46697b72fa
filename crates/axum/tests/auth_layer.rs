//! `AuthLayer` on routers, routes and services: which configured resource guards which request.
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

use std::{convert::Infallible, fmt::Debug};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    response::Response,
    routing::{MethodRouter, any, connect, get},
};
use http::{Method, StatusCode, Uri};
use portcullis_axum::{AuthLayer, Caller, ClientAddr, Resource};
use portcullis_core::AuthBuilder;
use support::{Log, hello, request};
use tower::{Layer, Service, ServiceExt, service_fn};

async fn call<S>(app: &S, method: &str, path: &str, token: &str) -> Response
where
    S: Service<Request, Response = Response> + Clone,
    S::Error: Debug,
{
    app.clone().oneshot(request(method, path, token)).await.unwrap()
}

/// `METHOD /path token status`, one request a line; `-` sends no token.
async fn answers<S>(app: &S, table: &str)
where
    S: Service<Request, Response = Response> + Clone,
    S::Error: Debug,
{
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let [method, path, token, status] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("four words: {line}")
        };
        let token = if token == "-" { "" } else { token };
        let response = call(app, method, path, token).await;
        assert_eq!(response.status().as_str(), status, "{line}");
    }
}

fn ok() -> MethodRouter {
    get(async || "ok")
}

fn layer(auth: AuthBuilder) -> AuthLayer {
    AuthLayer::new(auth.build().unwrap())
}

/// `/foo` for callers with `hello`, `/foo/admin` for those with `admin`, `/foo` itself for those with `root`.
fn foo() -> AuthBuilder {
    hello()
        .path("/foo")
        .resource(Resource::new("/admin").scopes("admin"))
        .resource(Resource::new("/").scopes("root"))
}

const FOO: &str = "
    GET  /foo/bar     a.hello  200
    GET  /foo/bar     a.admin  403
    GET  /foo/bar     -        401
    GET  /foo/bar     wrong    401
    GET  /foo/admin   a.hello  403
    GET  /foo/admin   a.admin  200
    HEAD /foo/admin   a.hello  403
    HEAD /foo/admin   a.admin  200
    GET  /foo/admin   -        401
    GET  /foo         a.hello  403
    GET  /foo         a.root   200
    POST /foo/admin   a.hello  403
    POST /foo/admin   a.admin  405
";

fn below_foo() -> Router {
    Router::new().route("/", ok()).route("/bar", ok()).route("/admin", ok())
}

#[tokio::test]
async fn plain_routes() {
    let app = Router::new().route("/foo", ok()).route("/foo/bar", ok()).route("/foo/admin", ok());
    answers(&app.layer(layer(foo())), FOO).await;
}

#[tokio::test]
async fn nested_routes_with_the_layer_within_and_without() {
    answers(&Router::new().nest("/foo", below_foo()).layer(layer(foo())), FOO).await;
    answers(&Router::new().nest("/foo", below_foo().layer(layer(foo()))), FOO).await;
    let twice =
        Router::new().nest("/x", Router::new().nest("/foo", below_foo().layer(layer(foo().path("/x/foo")))));
    answers(&twice, "GET /x/foo/admin a.hello 403\n GET /x/foo/admin a.admin 200\n GET /x/foo a.hello 403")
        .await;
}

#[tokio::test]
async fn nested_services_with_the_layer_within_and_without() {
    answers(&Router::new().nest_service("/foo", below_foo()).layer(layer(foo())), FOO).await;
    answers(&Router::new().nest_service("/foo", below_foo().layer(layer(foo()))), FOO).await;
    let handler = service_fn(|_: Request| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let app = Router::new().nest_service("/foo", layer(foo()).layer(handler));
    let table = FOO.replace("405", "200") + "GET /foo/%61dmin a.hello 403";
    answers(&app, &table).await;
    let twice = Router::new().nest_service(
        "/x",
        Router::new().nest_service("/foo", below_foo().layer(layer(foo().path("/x/foo")))),
    );
    answers(&twice, "GET /x/foo/admin a.hello 403\n GET /x/foo a.hello 403\n GET /x/foo a.root 200").await;
}

#[tokio::test]
async fn the_root_of_a_nested_service_is_not_lost_between_two_slashes() {
    // axum says `/foo/` of `/foo`, and `/foo//` of `/foo/`, when the router within is a service.
    let auth = || hello().path("/foo").resource(Resource::new("/").scopes("root"));
    let app = Router::new().nest_service("/foo", below_foo().layer(layer(auth())));
    answers(&app, "GET /foo a.hello 403\n GET /foo a.root 200\n GET /foo/bar a.hello 200").await;
    let auth = hello().resource(Resource::new("/foo/{*rest}").scopes("root"));
    let app = Router::new().nest_service("/foo", below_foo().layer(layer(auth)));
    answers(&app, "GET /foo/ a.hello 403\n GET /foo/ a.root 200\n GET /foo/bar a.hello 403").await;
}

/// What a public resource with a parameter covers ends where a router has a route of its own, whichever router that is.
#[tokio::test]
async fn a_public_parameter_opens_no_route_of_a_router_within() {
    let auth = || hello().resource(Resource::new("/{page}").public());
    let inner = || Router::new().route("/", ok()).route("/more", ok());
    let outer = Router::new().route("/{page}", ok());
    let outside = outer.clone().nest_service("/admin", inner()).layer(layer(auth()));
    let inside = outer.layer(layer(auth())).nest_service("/admin", inner().layer(layer(auth())));
    for app in [outside, inside] {
        let table = "
            GET /start      -       200
            GET /admin      -       401
            GET /admin      a.hello 200
            GET /admin/     -       401
            GET /admin/more -       401
            GET /admin/more a.hello 200
        ";
        answers(&app, table).await;
    }
    // As a service at a wildcard, with something between that hides the router.
    let auth = || hello().resource(Resource::new("/users/{id}").public());
    let inner = Router::new().route("/users/{id}", ok()).route("/users/export", ok());
    let inner = tower::ServiceBuilder::new().layer(layer(auth())).service(inner.layer(layer(auth())));
    let inner = tower::util::MapRequest::new(inner, |request: Request| request);
    let app = Router::new().route_service("/{*path}", inner);
    let table = "
        GET /users/7      -       200
        GET /users/export -       401
        GET /users/export a.hello 200
        GET /users/export a.x     403
    ";
    answers(&app, table).await;
}

#[tokio::test]
async fn a_layer_around_the_whole_router_decides_before_routing() {
    let app = layer(foo()).layer(Router::new().nest("/foo", below_foo()));
    answers(&app, FOO).await;
    answers(&app, "GET /foo/nowhere - 401\n GET /foo/nowhere a.hello 404\n GET /elsewhere a.hello 500").await;
    // It is a service like any other.
    let _make_service = axum::ServiceExt::<Request>::into_make_service(app);
}

#[tokio::test]
async fn a_layer_on_the_methods_of_one_route() {
    let app = Router::new()
        .route("/foo/admin", get(async || "ok").layer(layer(foo())))
        .route("/foo/any", any(async || "ok").layer(layer(foo())))
        .route("/foo/open", ok());
    answers(
        &app,
        "
        GET  /foo/admin a.hello 403
        GET  /foo/admin a.admin 200
        PUT  /foo/admin -       401
        PUT  /foo/admin a.admin 405
        PUT  /foo/any   -       401
        PUT  /foo/any   a.hello 200
        GET  /foo/open  -       200
        GET  /foo/none  -       404
        ",
    )
    .await;
}

#[tokio::test]
async fn route_layer_on_the_methods_of_one_route_leaves_their_fallback_out() {
    // axum's doing, and the reason why the documentation says `layer`: `any` is a fallback.
    let app = Router::new().route("/foo/x", any(async || "ok").get(async || "ok").route_layer(layer(foo())));
    answers(&app, "GET /foo/x - 401\n PUT /foo/x - 200").await;
    // On a router it means all that the routes hold.
    let app = Router::new().route("/foo/x", any(async || "ok").get(async || "ok")).route_layer(layer(foo()));
    answers(&app, "GET /foo/x - 401\n PUT /foo/x - 401").await;
}

#[tokio::test]
async fn a_refusal_of_a_method_that_no_handler_takes_still_names_the_others() {
    let app = Router::new().route("/foo/x", ok()).layer(layer(foo()));
    let response = call(&app, "PUT", "/foo/x", "").await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        response.headers()["allow"],
        "GET,HEAD",
        "axum adds it to whatever a route's fallback answers"
    );
}

#[tokio::test]
async fn wildcards_parameters_and_fallbacks_are_guarded_by_what_lies_within_them() {
    let table = "
        GET /foo/page        a.hello 200
        GET /foo/page        a.admin 403
        GET /foo/admin       a.hello 403
        GET /foo/admin       a.admin 200
        GET /foo/%61dmin     a.hello 403
        GET /foo/%61dmin     a.admin 200
        GET /foo/adm%69n?x=y a.hello 403
        GET /foo/%2561dmin   a.hello 200
        GET /foo/ADMIN       a.hello 200
        GET /foo/admin       -       401
    ";
    answers(&Router::new().route("/foo/{page}", ok()).layer(layer(foo())), table).await;
    answers(&Router::new().route("/foo/{*path}", ok()).layer(layer(foo())), table).await;
    answers(&Router::new().route("/{*path}", ok()).layer(layer(foo())), table).await;
    answers(&Router::new().fallback(async || "ok").layer(layer(foo())), table).await;
    answers(&Router::new().fallback_service(ok()).layer(layer(foo())), table).await;
    let nested = Router::new().nest("/foo", Router::new().fallback(async || "ok"));
    answers(&nested.layer(layer(foo())), table).await;
}

#[tokio::test]
async fn text_before_a_parameter_and_percent_encoded_routes_hide_no_resource() {
    let auth = || {
        hello()
            .resource(Resource::new("/img-7").scopes("admin"))
            .resource(Resource::new("/admin panel").scopes("admin"))
    };
    let app = Router::new().route("/img-{id}", ok()).route("/admin%20panel", ok()).layer(layer(auth()));
    answers(
        &app,
        "
        GET /img-6         a.hello 200
        GET /img-7         a.hello 403
        GET /img-%37       a.hello 403
        GET /admin%20panel a.hello 403
        GET /admin%20panel a.admin 200
        ",
    )
    .await;
}

#[tokio::test]
async fn parameters_may_have_other_names() {
    let auth = hello().resource(Resource::new("/users/{user}/mail/{*rest}").scopes("mail"));
    let app = Router::new().route("/users/{id}/mail/{*path}", ok()).layer(layer(auth));
    answers(&app, "GET /users/7/mail/x a.hello 403\n GET /users/7/mail/x/y a.mail 200").await;
}

#[tokio::test]
async fn a_public_parameter_opens_no_route_beside_it() {
    let auth = hello().resource(Resource::new("/users/{id}").public());
    let app = Router::new().route("/users/{id}", ok()).route("/users/export", ok()).layer(layer(auth));
    answers(
        &app,
        "
        GET /users/7        -       200
        GET /users/export   -       401
        GET /users/export   a.hello 200
        GET /users/%65xport -       200
        ",
    )
    .await;
}

#[tokio::test]
async fn a_parameter_that_is_empty_hides_no_route() {
    // axum's router lets a parameter be empty where a slash follows it.
    let auth = || hello().resource(Resource::new("/users/{id}/{page}").public());
    let app = Router::new().route("/users/{id}/{page}", ok()).route("/users/{id}/export", ok());
    let table = "
        GET /users/7/mail   -       200
        GET /users//mail    -       200
        GET /users/7/export -       401
        GET /users//export  -       401
        GET /users//export  a.hello 200
    ";
    answers(&app.layer(layer(auth())), table).await;
    // Nor a resource, where text stands before it.
    let auth = hello().resource(Resource::new("/v/mail").scopes("admin"));
    let app = Router::new().route("/v{version}/mail", ok()).layer(layer(auth));
    answers(&app, "GET /v/mail a.hello 403\n GET /v/mail a.admin 200\n GET /v1/mail a.hello 200").await;
}

#[tokio::test]
async fn a_subtree_covers_whatever_lies_in_it() {
    let auth = || hello().resource(Resource::new("/admin/{*rest}").scopes("admin"));
    let app = Router::new()
        .route("/admin", ok())
        .route("/admin/", ok())
        .route("/admin/users", ok())
        .route("/admin/users/{id}", ok())
        .route("/{section}/{page}", ok())
        .fallback(async || "ok")
        .layer(layer(auth()));
    answers(
        &app,
        "
        GET /admin           a.hello 200
        GET /admin/          a.hello 403
        GET /admin/users     a.hello 403
        GET /admin/users     a.admin 200
        GET /admin/users/7   a.hello 403
        GET /admin/other     a.hello 403
        GET /%61dmin/x       a.hello 403
        GET /admin/a/b/c     a.hello 403
        GET /news/today      a.hello 200
        ",
    )
    .await;
}

#[tokio::test]
async fn the_paths_of_grpc_are_guarded_method_by_method() {
    let auth = hello().resource(Resource::new("/pkg.Greeter/Shout").scopes("shout"));
    let app = Router::new().route_service("/pkg.Greeter/{*rest}", any(async || "ok")).layer(layer(auth));
    answers(
        &app,
        "
        POST /pkg.Greeter/SayHello a.hello 200
        POST /pkg.Greeter/Shout    a.hello 403
        POST /pkg.Greeter/Shout    a.shout 200
        ",
    )
    .await;
}

#[tokio::test]
async fn get_covers_head_and_extended_connect() {
    let auth = hello().resource(Resource::new("/ws").method(Method::GET).scopes("ws"));
    let app =
        Router::new().route("/ws", ok().merge(connect(async || "ok")).post(async || "ok")).layer(layer(auth));
    answers(
        &app,
        "
        GET     /ws a.hello 403
        GET     /ws a.ws    200
        HEAD    /ws a.hello 403
        HEAD    /ws a.ws    200
        CONNECT /ws a.hello 403
        CONNECT /ws a.ws    200
        POST    /ws a.hello 200
        POST    /ws a.ws    403
        ",
    )
    .await;
}

#[tokio::test]
async fn an_encoded_slash_that_changes_the_resource_is_ambiguous() {
    let auth = hello().resource(Resource::new("/files/admin/{*rest}").scopes("admin"));
    let app = Router::new().route("/files/{*path}", ok()).route("/other/{id}", ok()).layer(layer(auth));
    answers(
        &app,
        "
        GET /files/admin%2Fx  a.admin 400
        GET /files/admin%2fx  a.hello 400
        GET /files/admin/x%2Fy a.admin 200
        GET /other/a%2Fb      a.hello 200
        ",
    )
    .await;
}

#[tokio::test]
async fn file_servers_that_skip_segments_reach_nothing_under_another_policy() {
    // As tower-http's `ServeDir` finds its files: by the segments that are neither empty nor a dot.
    let files = service_fn(|request: Request| async move {
        let names: Vec<&str> =
            request.uri().path().split('/').filter(|name| !matches!(*name, "" | ".")).collect();
        Ok::<_, Infallible>(Response::new(Body::from(names.join("/"))))
    });
    let auth = || layer(hello().resource(Resource::new("/files/admin/{*rest}").scopes("admin")));
    let table = "
        GET /files/admin/x       a.admin 200
        GET /files/admin/x       a.hello 403
        GET /files//admin/x      a.hello 400
        GET /files/./admin/x     a.hello 400
        GET /files/%2e/admin/x   a.hello 400
        GET /files/a/../admin/x  a.hello 400
        GET /files/admin//x      a.hello 403
        GET /files/admin//x      a.admin 200
        GET /files//other/x      a.hello 200
        GET /files//other/x      -       401
    ";
    answers(&Router::new().nest_service("/files", files).layer(auth()), table).await;
    answers(&Router::new().nest_service("/files", auth().layer(files)), table).await;
    answers(&Router::new().route_service("/files/{*path}", files).layer(auth()), table).await;
    answers(&Router::new().fallback_service(files).layer(auth()), table).await;
    answers(&auth().layer(Router::new().fallback_service(files)), table).await;
}

#[tokio::test]
async fn mounted_at_says_where_the_service_is_nested() {
    let inner = |layer: AuthLayer| Router::new().nest("/foo", below_foo()).layer(layer);
    let table = FOO.replace("/foo", "/api/foo");
    answers(&Router::new().nest("/api", inner(layer(foo()).mounted_at("/api"))), &table).await;
    answers(&Router::new().nest_service("/api", inner(layer(foo()).mounted_at("/api"))), &table).await;
    let tenant = Router::new().nest("/{tenant}/api", inner(layer(foo()).mounted_at("/{tenant}/api")));
    answers(&tenant, &FOO.replace("/foo", "/acme/api/foo")).await;

    let log = Log::start();
    let forgotten = Router::new().nest("/api", inner(layer(foo())));
    answers(&forgotten, "GET /api/foo/admin a.admin 500").await;
    assert!(log.lines()[0].contains("ERROR") && log.lines()[0].contains("mounted_at"), "{:?}", log.lines());
}

#[tokio::test]
async fn handlers_below_a_nest_see_the_rest_of_the_path_and_are_judged_by_the_whole() {
    let inner =
        Router::new().route("/admin", get(async |uri: Uri| uri.path().to_owned())).layer(layer(foo()));
    let app = Router::new().nest("/foo", inner);
    answers(&app, "GET /foo/admin a.hello 403").await;
    let response = call(&app, "GET", "/foo/admin", "a.admin").await;
    assert_eq!(axum::body::to_bytes(response.into_body(), 100).await.unwrap(), "/admin");
}

#[tokio::test]
async fn a_uri_that_was_rewritten_between_two_routers_is_judged_as_it_was_routed() {
    let auth = || hello().resource(Resource::new("/admin").scopes("admin"));
    for inner in [
        Router::new().route("/admin", ok()).layer(layer(auth())),
        Router::new().fallback(async || "ok").layer(layer(auth())),
    ] {
        let rewriting = tower::util::MapRequestLayer::new(|mut request: Request| {
            *request.uri_mut() = Uri::from_static("/admin");
            request
        });
        let app = Router::new().fallback_service(rewriting.layer(inner));
        answers(&app, "GET /x a.hello 403\n GET /x a.admin 200").await;
    }
}

#[tokio::test]
async fn routes_that_are_merged_after_the_layer_are_open_and_have_no_caller() {
    let greet = || get(async |caller: Caller| caller.subject().unwrap_or_default().to_owned());
    let before = Router::new().route("/foo/x", greet()).merge(Router::new().route("/foo/early", greet()));
    let after =
        before.layer(layer(foo())).merge(Router::new().route("/foo/late", greet()).route("/foo/open", ok()));
    let log = Log::start();
    answers(
        &after,
        "
        GET /foo/x     a.hello 200
        GET /foo/early -       401
        GET /foo/early a.hello 200
        GET /foo/open  -       200
        GET /foo/late  -       500
        GET /foo/late  a.hello 500
        ",
    )
    .await;
    let missing = log.lines().iter().filter(|line| line.contains("layer-missing")).count();
    assert_eq!(missing, 2, "{:?}", log.lines());
}

#[tokio::test]
async fn an_unknown_route_is_404_with_route_layer_and_401_with_layer() {
    let router = || Router::new().route("/foo/bar", ok());
    answers(&router().layer(layer(foo())), "GET /foo/none - 401\n GET /foo/none a.hello 404").await;
    answers(
        &router().route_layer(layer(foo())),
        "
        GET /foo/none -       404
        GET /foo/bar  -       401
        PUT /foo/bar  -       401
        PUT /foo/bar  a.hello 405
        ",
    )
    .await;
}

#[tokio::test]
async fn state_can_be_given_before_and_after() {
    async fn handler(axum::extract::State(text): axum::extract::State<&'static str>) -> &'static str {
        text
    }
    let app: Router = Router::new().route("/foo/x", get(handler)).layer(layer(foo())).with_state("state");
    answers(&app, "GET /foo/x a.hello 200\n GET /foo/x - 401").await;
}

#[tokio::test]
async fn the_client_address_is_the_listeners_or_the_sockets() {
    let app = Router::new().route("/foo/x", ok()).layer(layer(foo()));
    let peer = std::net::SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0207], 5000));
    let log = Log::start();
    let mut asked: Request = request("GET", "/foo/x", "");
    asked.extensions_mut().insert(ConnectInfo(peer));
    app.clone().oneshot(asked).await.unwrap();
    let mut asked: Request = request("GET", "/foo/x", "");
    asked.extensions_mut().insert(ConnectInfo(peer));
    asked.extensions_mut().insert(ClientAddr([198, 51, 100, 9].into()));
    app.oneshot(asked).await.unwrap();
    let lines = log.lines();
    assert!(lines[0].contains("client=192.0.2.7"), "{lines:?}");
    assert!(lines[1].contains("client=198.51.100.9"), "{lines:?}");
}

#[tokio::test]
async fn the_layer_of_axum_serves_plain_services_too() {
    let handler =
        service_fn(|_: http::Request<()>| async { Ok::<_, Infallible>(http::Response::new(String::new())) });
    let service = AuthLayer::new(layer(foo()).auth()).layer(handler);
    for (path, token, status) in [("/foo/admin", "a.hello", 403), ("/foo/admin", "a.admin", 200)] {
        let response = service.clone().oneshot(request("GET", path, token)).await.unwrap();
        assert_eq!(response.status(), status);
    }
}

#[test]
fn guarded_routers_and_services_can_be_shared_between_threads() {
    fn is_sendable<T: Send + Sync + Clone + 'static>(_: &T) {}
    fn is_send<T: Send>(_: &T) {}
    let app = Router::new().route("/foo/x", ok()).layer(layer(foo()));
    is_sendable(&app);
    let around = layer(foo()).layer(app);
    is_sendable(&around);
    is_send(&around.oneshot(request::<Body>("GET", "/foo/x", "")));
}
