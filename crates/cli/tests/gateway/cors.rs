//! Cross-origin requests: preflights pass without credentials, and refusals can be read by scripts.

use std::{sync::Arc, time::Duration};

use http::Response;
use portcullis_cli::gateway::{Cors, Gateway};

use crate::support::{Reply, Server, basic, echo, full, gateway, guarded, in_front_of, raw, server};

fn cors() -> Cors {
    let list = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
    let mut cors = Cors::default();
    cors.allow_origins = list(&["https://app.example", "https://other.example"]);
    cors.allow_methods = list(&["GET", "PUT"]);
    cors.allow_headers = list(&["authorization", "x-custom"]);
    cors.expose_headers = list(&["x-total"]);
    cors.allow_credentials = true;
    cors.max_age = Some(Duration::from_secs(600));
    cors
}

async fn behind(cors: Cors) -> (Server, std::net::SocketAddr) {
    let upstream = echo().await;
    let gateway = gateway([in_front_of(guarded("/foo").build().unwrap(), &upstream).cors(cors)]).await;
    (upstream, gateway)
}

fn allowed_origin(reply: &Reply) -> Vec<&str> {
    reply.all("access-control-allow-origin")
}

const PREFLIGHT: &str = "Origin: https://app.example
    Access-Control-Request-Method: PUT
    Access-Control-Request-Headers: authorization";

#[tokio::test]
async fn a_preflight_is_answered_without_credentials_and_without_the_upstream() {
    let (mut upstream, gateway) = behind(cors()).await;
    let reply = raw(gateway, &format!("OPTIONS /foo/x\n{PREFLIGHT}")).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    assert_eq!(allowed_origin(&reply), ["https://app.example"]);
    assert_eq!(reply.all("access-control-allow-methods"), ["GET,PUT"]);
    assert_eq!(reply.all("access-control-allow-headers"), ["authorization,x-custom"]);
    assert_eq!(reply.all("access-control-allow-credentials"), ["true"]);
    assert_eq!(reply.all("access-control-max-age"), ["600"]);
    let foreign = PREFLIGHT.replace("app.example", "evil.example");
    let reply = raw(gateway, &format!("OPTIONS /foo/x\n{foreign}")).await;
    assert_eq!(allowed_origin(&reply), Vec::<&str>::new());
    assert_eq!(upstream.reached().len(), 0);
}

#[tokio::test]
async fn an_options_that_is_no_preflight_is_decided_on_like_any_request() {
    let (mut upstream, gateway) = behind(cors()).await;
    for head in [
        "OPTIONS /foo",
        "OPTIONS /foo\nOrigin: https://app.example",
        "OPTIONS /foo\nAccess-Control-Request-Method: PUT",
    ] {
        assert_eq!(raw(gateway, head).await.status, 401, "{head}");
        assert_eq!(upstream.reached().len(), 0);
        let reply = raw(gateway, &format!("{head}\nAuthorization: {}", basic("alice"))).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "upstream"), "{head}");
        assert_eq!(upstream.reached_once().method, "OPTIONS", "{head}");
    }
}

#[tokio::test]
async fn refusals_and_answers_can_be_read_by_scripts_of_the_origin() {
    let (mut upstream, gateway) = behind(cors()).await;
    let alice = format!("Authorization: {}", basic("alice"));
    for (head, status) in
        [("GET /foo".to_owned(), 401), ("OPTIONS /foo".to_owned(), 401), (format!("GET /foo\n{alice}"), 200)]
    {
        let reply = raw(gateway, &format!("{head}\nOrigin: https://app.example")).await;
        assert_eq!(reply.status, status, "{head}");
        assert_eq!(allowed_origin(&reply), ["https://app.example"], "{head}");
        assert_eq!(reply.all("access-control-expose-headers"), ["x-total"], "{head}");
        assert!(reply.all("vary").iter().any(|vary| vary.contains("origin")), "{head}: {reply:?}");
        let reply = raw(gateway, &format!("{head}\nOrigin: https://evil.example")).await;
        assert_eq!((reply.status, allowed_origin(&reply)), (status, vec![]), "{head}");
    }
    assert_eq!(upstream.reached().len(), 2, "an origin is not a credential: it is the browser that obeys");
}

#[tokio::test]
async fn without_cors_a_preflight_is_a_request_like_any_other() {
    let mut upstream = echo().await;
    let gateway = gateway([in_front_of(guarded("/foo").build().unwrap(), &upstream)]).await;
    let reply = raw(gateway, &format!("OPTIONS /foo\n{PREFLIGHT}")).await;
    assert_eq!((reply.status, allowed_origin(&reply)), (401, vec![]));
    assert_eq!(upstream.reached().len(), 0);
}

#[tokio::test]
async fn the_upstreams_own_words_on_origins_count_only_where_the_gateway_has_none() {
    let permissive = || {
        server(Arc::new(|_| {
            let mut response = Response::new(full("upstream"));
            response.headers_mut().insert("access-control-allow-origin", "*".parse().unwrap());
            response.headers_mut().insert("access-control-allow-private-network", "true".parse().unwrap());
            response
        }))
    };
    let head = format!("GET /foo\nOrigin: https://evil.example\nAuthorization: {}", basic("alice"));
    let upstream = permissive().await;
    let auth = || guarded("/foo").build().unwrap();
    let with = gateway([in_front_of(auth(), &upstream).cors(cors())]).await;
    let reply = raw(with, &head).await;
    assert_eq!((reply.status, allowed_origin(&reply)), (200, vec![]));
    assert!(reply.all("access-control-allow-private-network").is_empty());
    let without = gateway([in_front_of(auth(), &upstream)]).await;
    assert_eq!(allowed_origin(&raw(without, &head).await), ["*"]);
}

#[tokio::test]
async fn methods_and_headers_that_are_not_listed_are_granted_as_asked_for() {
    let mut open = Cors::default();
    open.allow_origins = vec!["*".to_owned()];
    let (_upstream, gateway) = behind(open).await;
    let reply = raw(gateway, &format!("OPTIONS /foo\n{PREFLIGHT}")).await;
    assert_eq!(allowed_origin(&reply), ["*"]);
    assert_eq!(reply.all("access-control-allow-methods"), ["PUT"]);
    assert_eq!(reply.all("access-control-allow-headers"), ["authorization"]);
    assert!(reply.all("access-control-max-age").is_empty());
}

#[tokio::test]
async fn settings_that_browsers_would_not_accept_are_refused_when_the_gateway_is_built() {
    let upstream = echo().await;
    let mut star = cors();
    star.allow_origins = vec!["*".to_owned()];
    let service = in_front_of(guarded("/foo").build().unwrap(), &upstream).cors(star);
    let error = Gateway::new([service]).unwrap_err().to_string();
    assert_eq!(
        error,
        "service /foo: cors.allowOrigins of \"*\" does not work with `allowCredentials`: list them"
    );
}
