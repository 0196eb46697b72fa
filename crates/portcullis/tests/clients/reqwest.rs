//! reqwest: the ready client, and the one that is there already.

use std::process::Command;

use http::{Response, StatusCode, Version};
use portcullis::{Config, SendError, SendVia as _, client::ReqwestClient};
use portcullis_testing::{TestPrincipal, TestResource, TestServer, TestTls, TestTokenEndpoint};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{World, credentials};

const TOKEN: &str = "token = \"static-token\"";

async fn ready(config: &Config) -> ReqwestClient {
    config.client("orders").unwrap().reqwest().await.unwrap()
}

/// reqwest with TLS and without a provider of cryptography panics where a client is made.
#[test]
fn a_plain_client_of_reqwest_can_be_made_with_our_features_alone() {
    assert!(reqwest::Client::builder().build().is_ok());
}

#[tokio::test]
async fn a_ready_client_joins_paths_and_sends_what_reqwest_can() {
    let world = World::new().await;
    world.orders.accept("static-token");
    let orders = ready(&world.config(TOKEN, "")).await;
    let answer = orders
        .post("/foo")
        .header("x-one", "1")
        .headers(http::HeaderMap::from_iter([(
            http::header::ACCEPT,
            http::HeaderValue::from_static("text/plain"),
        )]))
        .query(&[("a", "b c")])
        .json(&json!({ "n": 1 }))
        .send()
        .await
        .unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
    let call = &world.orders.calls()[0];
    assert_eq!(call.uri.path_and_query().unwrap(), "/base/foo?a=b+c");
    assert_eq!((call.header("x-one"), call.header("accept")), (Some("1"), Some("text/plain")));
    assert_eq!(serde_json::from_slice::<Value>(&call.body).unwrap(), json!({ "n": 1 }));

    orders.put("foo").form(&[("a", "b")]).send().await.unwrap();
    orders.patch("").body("text").send().await.unwrap();
    orders.delete("?all").send().await.unwrap();
    orders.head("/foo").send().await.unwrap();
    orders
        .get(format!("{}/foo", world.orders.origin()))
        .map(|builder| builder.bearer_auth("own"))
        .send()
        .await
        .unwrap();
    let calls: Vec<String> = world.orders.calls()[1..]
        .iter()
        .map(|call| {
            format!(
                "{} {} {}",
                call.method,
                call.uri.path_and_query().unwrap(),
                call.header("authorization").unwrap()
            )
        })
        .collect();
    assert_eq!(
        calls,
        [
            "PUT /base/foo Bearer static-token",
            "PATCH /base Bearer static-token",
            "DELETE /base?all Bearer static-token",
            "HEAD /base/foo Bearer static-token",
            "GET /foo Bearer own",
        ]
    );
    assert_eq!(world.orders.calls()[1].parameter("a").as_deref(), Some("b"));
    assert_eq!(world.orders.calls()[2].body, "text");
}

#[tokio::test]
async fn the_version_of_http_is_the_configured_one() {
    for (more, version) in
        [("httpVersion = \"1.1\"", Version::HTTP_11), ("httpVersion = \"2\"", Version::HTTP_2)]
    {
        let world = World::new().await;
        ready(&world.config(TOKEN, more)).await.get("/").send().await.unwrap();
        assert_eq!(world.orders.calls()[0].version, version, "{more}");
    }
}

#[tokio::test]
async fn a_foreign_origin_is_an_error_and_a_path_without_a_url_too() {
    let (world, foreign) = (World::new().await, TestResource::start().await);
    let orders = ready(&world.config(TOKEN, "")).await;
    let error = orders.get(foreign.url()).send().await.unwrap_err();
    assert!(matches!(&error, SendError::Auth(_)), "{error:?}");
    assert_eq!(foreign.call_count(), 0);

    let config = Config::parse("[clients.orders]\nanyOrigin = true\nauth = { token = \"t\" }", ".").unwrap();
    let error = ready(&config).await.get("/foo").send().await.unwrap_err();
    assert!(matches!(&error, SendError::Service(error) if error.is_builder()), "{error:?}");
}

#[tokio::test]
async fn a_refused_token_is_replaced_and_the_request_sent_once_more_with_its_body() {
    let world = World::new().await;
    let tokens = TestTokenEndpoint::start().await;
    world.orders.accept("access-2");
    let orders = ready(&world.config(&credentials(&tokens), "")).await;
    let answer = orders.post("/").json(&json!({ "n": 1 })).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let calls = world.orders.calls();
    assert_eq!((calls.len(), &calls[0].body), (2, &calls[1].body));
    assert_eq!(tokens.call_count(), 2);
}

#[tokio::test]
async fn calls_on_behalf_of_somebody_carry_that_ones_token() {
    let (world, tokens) = (World::new().await, TestTokenEndpoint::start().await);
    world.orders.accept("access-1");
    let exchange = format!("grant = \"token_exchange\", {}", credentials(&tokens));
    let orders = ready(&world.config(&exchange, "")).await;
    // Never under the service's own name.
    assert!(matches!(orders.get("/").send().await, Err(SendError::Auth(_))));
    assert_eq!(world.orders.call_count(), 0);

    let caller = TestPrincipal::new("alice").principal();
    let shown = caller.authorization().unwrap().token().unwrap();
    tokens.accept_subject(shown.expose());
    let alice = orders.on_behalf_of(&caller).unwrap();
    assert_eq!(alice.get("/").send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(tokens.subject_of("access-1").as_deref(), Some(shown.expose()));

    let own = ready(&world.config(TOKEN, "")).await;
    let error = own.on_behalf_of(&caller).unwrap_err();
    assert!(error.to_string().contains("acts on behalf of nobody"), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_as_long_as_was_said() {
    // The system takes the connections, and nobody reads from them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    for (scheme, key, connecting) in [("http", "requestTimeout", false), ("https", "connectTimeout", true)] {
        let text = format!(
            "[clients.orders]\nurl = \"{scheme}://{address}\"\n{key} = \"50ms\"\nauth = {{ {TOKEN} }}\n\
             secureSocket = {{ disable = true }}"
        );
        let config = Config::parse(&text, ".").unwrap();
        let shown = format!("{:?}", config.client("orders").unwrap().transport());
        assert_eq!(shown.matches(": 50ms").count(), 1, "{shown}");
        let orders = ready(&config).await;
        let sent = crate::soon(key, orders.get("/").send()).await;
        let Err(SendError::Service(error)) = sent else { panic!("{key}: nobody answers") };
        assert_eq!((error.is_timeout(), error.is_connect()), (true, connecting), "{key}: {error:?}");
    }
}

#[tokio::test]
async fn nothing_of_a_query_is_shown() {
    let world = World::new().await;
    let orders = ready(&world.config(TOKEN, "")).await;
    let request = || orders.get("/here?key=canary-query#canary-query").query(&[("more", "canary-query")]);
    let request = || request().header("x-key", "canary-query");
    let shown = format!("{:?} {:#?}", request(), request());
    assert!(!shown.contains("canary-query"), "{shown}");
    world.orders.go_down().await;
    let Err(SendError::Service(error)) = request().send().await else { panic!("nobody is there") };
    let url = format!("{}/base/here", world.orders.origin());
    assert_eq!(error.url().map(|url| url.as_str()), Some(&*url));
    for shown in [error.to_string(), format!("{error:?}")] {
        assert!(shown.contains(&url) && !shown.contains("canary-query"), "{shown}");
    }
}

/// A server that redirects every request to `location`.
async fn redirecting(tls: TestTls, location: String) -> TestServer {
    TestServer::start_https(tls, move |call| {
        if call.path() == "/there" {
            return Response::new("there".into());
        }
        let answer = Response::builder().status(307).header("location", &location);
        answer.body(bytes::Bytes::new()).unwrap()
    })
    .await
}

#[tokio::test]
async fn a_redirect_takes_the_credential_along_within_its_origin_and_nowhere_else() {
    let tls = TestTls::self_signed();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.crt"), tls.certificate_pem().unwrap()).unwrap();
    let (other, plain) = (TestResource::start_https(tls.clone()).await, TestResource::start().await);
    let client = async |server: &TestServer, more: String| {
        let text = format!(
            "[clients.orders]\nurl = \"{}\"\n{more}\nsecureSocket = {{ cert = \"ca.crt\" }}\nauth = {{ {TOKEN} }}",
            server.origin()
        );
        ready(&Config::parse(&text, folder.path()).unwrap()).await
    };

    let own = redirecting(tls.clone(), "/there".to_owned()).await;
    let answer = client(&own, String::new()).await.get("/here").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let shown: Vec<_> =
        own.calls().iter().map(|call| call.header("authorization").map(str::to_owned)).collect();
    assert_eq!(shown, [Some("Bearer static-token".to_owned()), Some("Bearer static-token".to_owned())]);
    assert_eq!(own.calls()[1].header("referer"), None);

    // Another origin gets the request without the credential, even where it is one of the client's own.
    for more in [String::new(), format!("origins = \"{}\"", other.origin())] {
        let away = redirecting(tls.clone(), other.url()).await;
        let before = other.call_count();
        let answer = client(&away, more).await.get("/here?secret=1").send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(other.authorizations()[before..], [None]);
        assert_eq!(other.calls()[before].header("referer"), None);
        assert_eq!(away.call_count(), 1, "the refusal was another's: nothing is sent once more");
    }

    // Nor does it get it back by redirecting to itself.
    let itself = TestServer::start_https(tls.clone(), |_| {
        Response::builder().status(307).header("location", "/again").body(bytes::Bytes::new()).unwrap()
    })
    .await;
    let away = redirecting(tls.clone(), itself.origin()).await;
    let Err(SendError::Service(error)) = client(&away, String::new()).await.get("/here").send().await else {
        panic!("it ends there")
    };
    assert!(error.is_redirect(), "{error:?}");
    let shown: Vec<_> =
        itself.calls().iter().map(|call| call.header("authorization").map(str::to_owned)).collect();
    assert_eq!(shown, [None]);

    let down = redirecting(tls.clone(), plain.url()).await;
    let Err(SendError::Service(error)) = client(&down, String::new()).await.get("/here").send().await else {
        panic!("https to http is not followed")
    };
    assert!(error.is_redirect(), "{error:?}");
    assert_eq!(plain.call_count(), 0);

    let round = redirecting(tls, "/again".to_owned()).await;
    let Err(SendError::Service(error)) = client(&round, String::new()).await.get("/here").send().await else {
        panic!("a loop ends")
    };
    assert!(error.is_redirect(), "{error:?}");
    assert_eq!(round.call_count(), 11);
}

#[tokio::test]
async fn the_client_that_is_there_already_sends_by_the_same_credential() {
    let orders = TestResource::start().await;
    orders.accept("static-token");
    let text = format!("[clients.orders]\nurl = \"{}\"\nauth = {{ {TOKEN} }}", orders.origin());
    let config = Config::parse(&text, ".").unwrap();
    let auth = config.client("orders").unwrap().build().await.unwrap();
    let inner = ready(&config).await.inner().clone();
    let answer = inner.get(orders.url()).send_via(&auth).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(inner.get(orders.url()).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

/// Whether this is a process of the test's own, with these variables in its environment. Elsewhere it starts one, and fails
/// where that fails.
fn is_alone(test: &str, variables: &[(&str, &str)]) -> bool {
    const ALONE: &str = "PORTCULLIS_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut alone = Command::new(std::env::current_exe().unwrap());
    alone.args(["--exact", test, "--nocapture"]).env_clear().envs(variables.iter().copied());
    let output = alone.env(ALONE, test).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("1 passed"), "{output:?}");
    false
}

#[tokio::test]
async fn no_proxy_of_the_environment_is_asked() {
    // Nobody listens there.
    let proxy = "http://127.0.0.1:9";
    let variables =
        [("http_proxy", proxy), ("https_proxy", proxy), ("HTTPS_PROXY", proxy), ("ALL_PROXY", proxy)];
    if !is_alone("reqwest::no_proxy_of_the_environment_is_asked", &variables) {
        return;
    }
    assert_eq!(std::env::var("https_proxy").as_deref(), Ok(proxy));
    let world = World::new().await;
    world.orders.accept("static-token");
    let config = world.config(TOKEN, "");
    assert_eq!(ready(&config).await.get("/").send().await.unwrap().status(), StatusCode::OK);
    let hyper = config.client("orders").unwrap().hyper().await.unwrap();
    let request = http::Request::get("/").body(String::new()).unwrap();
    assert_eq!(hyper.request(request).await.unwrap().status(), StatusCode::OK);
}
