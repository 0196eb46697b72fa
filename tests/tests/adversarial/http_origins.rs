//! Requests of pages of other origins, and the order of what stands around a handler.

use portcullis::Config;

use crate::{
    http::{alice, ask, config, in_front},
    support_http::{Sheet, basic, header, raw},
};

const CORS: &str = "cors = { allowOrigins = [\"https://app.example\"], allowMethods = [\"GET\", \"PUT\"] }\n";

#[tokio::test(flavor = "multi_thread")]
async fn line_49_options_is_a_preflight_only_if_it_is_one() {
    let mut sheet = Sheet::new(49, "`OPTIONS` with and without what makes it a preflight");
    let (upstream, gateway) = in_front(CORS).await;
    let (origin, asks) = ("Origin: https://app.example\r\n", "Access-Control-Request-Method: PUT\r\n");
    for (what, lines, expected) in [
        ("a preflight, without credentials", format!("{origin}{asks}"), "200, and 0 requests behind"),
        (
            "a preflight with a wrong credential",
            format!("{origin}{asks}{}", basic("alice", "wrong")),
            "200, and 0 requests behind",
        ),
        ("without `Origin`", asks.to_owned(), "401, and 0 requests behind"),
        ("without a method that is asked for", origin.to_owned(), "401, and 0 requests behind"),
        ("with neither", String::new(), "401, and 0 requests behind"),
        ("with neither, and a wrong credential", basic("alice", "wrong"), "401, and 0 requests behind"),
        ("with neither, and a good credential", alice(), "200, and 1 requests behind"),
    ] {
        let before = upstream.call_count();
        let status = ask(&gateway, "OPTIONS /foo/x", &lines).await;
        sheet.row(
            what,
            format!("{status}, and {} requests behind", upstream.call_count() - before),
            expected,
        );
    }
    let status = ask(&gateway, "OPTIONS /foo/admin", &alice()).await;
    sheet.row("at a closed path, with a credential that is not enough", status, 403);
    sheet.shown_by(
        "a handler for OPTIONS behind the layer",
        "crates/axum/tests/order.rs::an_options_request_reaches_no_handler_without_a_credential",
    );
    sheet.settle();
}

#[tokio::test(flavor = "multi_thread")]
async fn line_50_refusals_can_be_read_and_routes_outside_the_layer_are_found_out() {
    let mut sheet =
        Sheet::new(50, "Refusals across origins, and routes that were added behind the layer's back");
    let (_upstream, gateway) = in_front(CORS).await;
    for (what, path, lines, expected) in [
        ("without a credential", "/foo/x", String::new(), "401 for https://app.example"),
        ("with a wrong one", "/foo/x", basic("alice", "wrong"), "401 for https://app.example"),
        ("with one that is not enough", "/foo/admin", alice(), "403 for https://app.example"),
        ("with a good one", "/foo/x", alice(), "200 for https://app.example"),
    ] {
        let seen = raw(gateway.address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: https://app.example\r\n{lines}\r\n")).await;
        sheet.row(
            what,
            format!(
                "{} for {}",
                seen.status,
                header(&seen, "access-control-allow-origin").unwrap_or("nobody")
            ),
            expected,
        );
    }
    let seen = raw(
        gateway.address,
        "GET /foo/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: https://evil.example\r\n\r\n",
    )
    .await;
    sheet.row(
        "a refusal, for another origin",
        format!("{} for {}", seen.status, header(&seen, "access-control-allow-origin").unwrap_or("nobody")),
        "401 for nobody",
    );

    let log = crate::support::Log::of_this_test();
    let text = config("[services.\"/\"]\nauth = [{ scopes = \"hello\", fileUserStoreConfig = {} }]\n");
    let auth = Config::parse(&text, ".").unwrap().service("/").unwrap().build().await.unwrap();
    let handler =
        || axum::routing::get(async |caller: portcullis::Caller| caller.subject().unwrap_or("?").to_owned());
    let app = axum::Router::new().route("/inside", handler()).layer(portcullis::AuthLayer::new(auth));
    let app = app.merge(axum::Router::new().route("/merged", handler()));
    let call = async |path: &str, authorization: &str| {
        use tower::ServiceExt as _;
        let mut request = http::Request::get(path);
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        app.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap().status().as_u16()
    };
    let good = alice();
    let good = good.trim_end().strip_prefix("Authorization: ").unwrap();
    sheet.row("a handler within the layer, with a good credential", call("/inside", good).await, 200);
    sheet.row("without", call("/inside", "").await, 401);
    log.reason();
    let status = call("/merged", good).await;
    sheet.row(
        "a handler that was merged after the layer and asks who calls, with a good credential",
        format!("{status} {}", log.reason().unwrap_or_default()),
        "500 layer-missing",
    );
    sheet.row("without", call("/merged", "").await, 500);
    sheet.shown_by(
        "tower-http's `CorsLayer` outside of the layer",
        "crates/axum/tests/order.rs::with_cors_outside_a_preflight_passes_and_refusals_carry_its_headers",
    );
    sheet.shown_by("and within it", "crates/axum/tests/order.rs::with_cors_inside_a_preflight_is_refused_and_refusals_tell_a_browser_nothing");
    sheet.settle();
}
