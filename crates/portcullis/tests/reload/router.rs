//! Routers and layers whose service follows a configuration.

use axum::{Router, body::Body, routing::get};
use http::Request;
use portcullis::{AuthLayer, AuthRouter, GuardExt};
use tower::ServiceExt as _;

use super::{Folder, basic};

fn config(resource: &str) -> String {
    format!(
        r#"
        [[auth.users]]
        username = "alice"
        password = "a"
        scopes = ["hello"]
        [[auth.users]]
        username = "root"
        password = "r"
        scopes = ["hello", "root"]
        [services."/foo"]
        auth = [{{ scopes = "hello", fileUserStoreConfig = {{}} }}]
        {resource}
        "#
    )
}

async fn ask(app: &Router, path: &str, pair: &str) -> u16 {
    let mut request = Request::get(path);
    if !pair.is_empty() {
        request = request.header("authorization", basic(pair));
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
}

async fn ok() -> &'static str {
    "ok"
}

#[tokio::test]
async fn policies_of_routes_are_settled_anew_for_each_version() {
    let folder = Folder::new(&config(""));
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let app = AuthRouter::new()
        .route("/foo/a", get(ok))
        .route("/foo/{id}/b", get(ok))
        .route("/foo/root", get(ok).scopes("root"))
        .route("/foo/health", get(ok).public())
        .nest("/foo/nest", AuthRouter::new().route("/c", get(ok)))
        .guard(&foo)
        .unwrap();
    let paths = ["/foo/a", "/foo/7/b", "/foo/root", "/foo/health", "/foo/nest/c"];
    let statuses = async |pair: &'static str| {
        let mut all = Vec::new();
        for path in paths {
            all.push(ask(&app, path, pair).await);
        }
        all
    };
    assert_eq!(statuses("alice:a").await, [200, 200, 403, 200, 200]);
    folder.write(
        "Config.toml",
        &config(
            "resources.\"GET /a\" = { scopes = \"root\" }\nresources.\"/nest/{*rest}\" = { public = true }",
        ),
    );
    live.reload().await.unwrap();
    assert_eq!(statuses("alice:a").await, [403, 200, 403, 200, 200]);
    assert_eq!(statuses("root:r").await, [200; 5]);
    assert_eq!(statuses("").await, [401, 401, 401, 200, 200]);
    folder.write("Config.toml", &config("").replace("password = \"a\"", "password = \"b\""));
    live.reload().await.unwrap();
    assert_eq!(statuses("alice:a").await, [401, 401, 401, 200, 401]);
    assert_eq!(statuses("alice:b").await, [200, 200, 403, 200, 200]);
}

#[tokio::test]
async fn a_version_that_does_not_fit_the_routes_is_refused_as_a_whole() {
    let folder = Folder::new(&config(""));
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let app = AuthRouter::new()
        .route("/foo/a", get(ok))
        .route("/foo/r", get(ok).scopes("root"))
        .guard(&foo)
        .unwrap();
    for (resource, says) in [
        ("resources.\"/aa\" = { public = true }", "resource /foo/aa meets no route"),
        ("resources.\"/r\" = { public = true }", "has an override in code"),
    ] {
        folder.write("Config.toml", &config(resource).replace("\"hello\", \"root\"", "\"hello\""));
        let error = live.reload().await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert_eq!((ask(&app, "/foo/a", "").await, ask(&app, "/foo/r", "root:r").await), (401, 200));
    }
    // A router that is gone has no say.
    drop(app);
    folder.write("Config.toml", &config("resources.\"/aa\" = { public = true }"));
    assert!(live.reload().await.unwrap().changed);
}

#[tokio::test]
async fn a_layer_with_resources_of_its_own_keeps_them_in_every_version() {
    let folder = Folder::new(&config(""));
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let layer = AuthLayer::new(foo).resource(portcullis::Resource::new("/mine").scopes("root")).unwrap();
    let app = Router::new().route("/foo/mine", get(ok)).route("/foo/a", get(ok)).layer(layer);
    assert_eq!((ask(&app, "/foo/mine", "alice:a").await, ask(&app, "/foo/a", "alice:a").await), (403, 200));
    folder.write("Config.toml", &config("resources.\"/a\" = { public = true }"));
    live.reload().await.unwrap();
    assert_eq!((ask(&app, "/foo/mine", "alice:a").await, ask(&app, "/foo/a", "").await), (403, 200));
    folder.write("Config.toml", &config("resources.\"/mine\" = { public = true }"));
    let error = live.reload().await.unwrap_err().to_string();
    assert!(error.contains("/foo/mine"), "{error}");
    assert_eq!(ask(&app, "/foo/mine", "").await, 401);
}

#[tokio::test]
async fn a_layer_or_a_router_with_several_resources_follows_though_the_layers_between_are_gone() {
    let folder = Folder::new(&config(""));
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let layer = || {
        let resource = |path| portcullis::Resource::new(path).scopes("root");
        AuthLayer::new(&foo).resource(resource("/mine")).unwrap().resource(resource("/own")).unwrap()
    };
    let routes = || Router::new().route("/foo/own", get(ok)).route("/foo/a", get(ok));
    let layered = routes().layer(layer());
    let routed = AuthRouter::new()
        .route("/foo/own", get(ok))
        .route("/foo/mine", get(ok))
        .route("/foo/a", get(ok))
        .guard_with(&layer())
        .unwrap();
    for app in [&layered, &routed] {
        assert_eq!((ask(app, "/foo/own", "alice:a").await, ask(app, "/foo/a", "alice:a").await), (403, 200));
    }
    folder.write("Config.toml", &config("resources.\"/a\" = { public = true }").replace("alice", "anne"));
    assert!(live.reload().await.unwrap().changed);
    for app in [&layered, &routed] {
        assert_eq!((ask(app, "/foo/a", "").await, ask(app, "/foo/own", "anne:a").await), (200, 403));
        assert_eq!(ask(app, "/foo/own", "alice:a").await, 401);
    }
}
