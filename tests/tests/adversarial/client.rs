//! Clients: where their credential goes, and what a refusal, an expiry and a bad token endpoint lead to.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use portcullis::{ClientAuthLayer, Config, client::ReqwestClient};
use portcullis_testing::{GrantType, ManualClock, TestResource, TestServer, TestTokenEndpoint};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::{support::NOW, support_http::Sheet};

pub const TOKEN: &str = "a-token-of-the-client";

/// The ready client of a service at this URL, with these keys in its `auth`.
pub async fn client(clock: &ManualClock, url: &str, auth: &str) -> ReqwestClient {
    let text = format!("[clients.orders]\nurl = \"{url}\"\nauth = {{ {auth} }}\n");
    let config = Config::builder().clock(Arc::new(clock.clone())).parse(&text, ".");
    config.unwrap_or_else(|error| panic!("{error}")).client("orders").unwrap().reqwest().await.unwrap()
}

/// What asks this endpoint with the client credentials grant.
pub fn grant(endpoint: &TestTokenEndpoint) -> String {
    format!("tokenUrl = \"{}\", clientId = \"shop\", clientSecret = \"secret\"", endpoint.url())
}

pub fn shown(resource: &TestResource) -> String {
    let seen: Vec<String> = resource
        .authorizations()
        .into_iter()
        .map(|value| value.unwrap_or_else(|| "nothing".to_owned()))
        .collect();
    if seen.is_empty() { "not called".to_owned() } else { seen.join(", ") }
}

#[tokio::test]
async fn line_59_a_credential_does_not_follow_a_redirect_to_another_origin() {
    let mut sheet = Sheet::new(59, "Redirects and URLs that lead elsewhere");
    let fixed = format!("token = \"{TOKEN}\"");
    let clock = ManualClock::at(NOW);
    for status in [301, 302, 303, 307, 308] {
        let (own, foreign) = (TestResource::start().await, TestResource::start().await);
        for (what, location) in [
            ("another port", foreign.url()),
            ("another port, without a scheme", foreign.url().replacen("http:", "", 1)),
            ("another name of this machine", foreign.url().replace("127.0.0.1", "localhost")),
        ] {
            let answer =
                Response::builder().status(status).header("location", location).body(Bytes::new()).unwrap();
            own.answer_with(answer);
            let before = foreign.call_count();
            let orders = client(&clock, &own.origin(), &fixed).await;
            let answer = orders.get("/resource").send().await.unwrap().status();
            let leaked = foreign.authorizations()[before..].iter().any(Option::is_some);
            sheet.row(
                format!("{status} to {what}: the answer, and whether the credential went there"),
                format!("{}, {leaked}", answer.as_u16()),
                "401, false",
            );
        }
    }
    let own = TestResource::start().await;
    own.accept(TOKEN);
    own.answer_next_with(Response::builder().status(307).header("location", "/elsewhere").body("").unwrap());
    let orders = client(&clock, &own.origin(), &fixed).await;
    let status = orders.get("/resource").send().await.unwrap().status().as_u16();
    sheet.row(
        "307 to a path of the same origin",
        format!("{status}, shown {}", shown(&own)),
        format!("200, shown Bearer {TOKEN}, Bearer {TOKEN}"),
    );

    let foreign = TestResource::start().await;
    let host = foreign.address();
    let own = TestResource::start().await;
    let orders = client(&clock, &own.origin(), &fixed).await;
    for (what, url, expected) in [
        ("a URL of another origin", foreign.url(), "an error, sent to nobody"),
        (
            "one with a user in it, who is the caller's own credential",
            format!("http://alice:password@{host}/resource"),
            "401, sent there without the token",
        ),
        (
            "one whose user is the right host",
            format!("http://{}@{host}/resource", own.address()),
            "401, sent there without the token",
        ),
        (
            "one with a backslash before that",
            format!("http://{}\\@{host}/resource", own.address()),
            "401, sent to the own origin",
        ),
        (
            "https where the origin is http",
            own.url().replacen("http:", "https:", 1),
            "an error, sent to nobody",
        ),
        ("another scheme", format!("ftp://{host}/resource"), "an error, sent to nobody"),
    ] {
        let before = (own.call_count(), foreign.call_count());
        let seen = match orders.get(&url).send().await {
            Ok(answer) => answer.status().as_u16().to_string(),
            Err(error) => {
                assert!(!format!("{error:?}").contains("password"), "{error:?}");
                "an error".to_owned()
            }
        };
        let there = match (own.call_count() - before.0, foreign.call_count() - before.1) {
            (0, 0) => "sent to nobody",
            (_, 0) => "sent to the own origin",
            _ if shown(&foreign).contains(TOKEN) => "sent there with the token",
            _ => "sent there without the token",
        };
        sheet.row(what, format!("{seen}, {there}"), expected);
    }
    let (before, called) = (own.call_count(), foreign.call_count());
    let seen = orders.get(format!("//{host}/resource")).send().await.is_ok();
    sheet.row(
        "a path that begins with two slashes and another host",
        if seen { "goes to the own origin" } else { "does not go" },
        "goes to the own origin",
    );
    assert_eq!((own.call_count(), foreign.call_count()), (before + 1, called));
    sheet.shown_by(
        "https to http",
        "crates/tower/tests/client_reqwest/redirects.rs::another_scheme_never_receives_it",
    );
    sheet.shown_by("redirects below and above the layer, with hyper", "crates/tower/tests/client/hyper.rs::redirects_below_the_layer_lose_the_credential_on_the_way_to_another_origin");
    sheet.settle();
}

#[tokio::test]
async fn line_60_a_refused_request_is_sent_once_more_at_most() {
    let mut sheet = Sheet::new(60, "Answers that refuse the client's token");
    let clock = ManualClock::at(NOW);
    for (what, challenge, accepted, expected) in [
        ("200", "", Some(0), "200 after 1 requests and 1 tokens"),
        (
            "401 to the first token",
            "Bearer error=\"invalid_token\"",
            Some(1),
            "200 after 2 requests and 2 tokens",
        ),
        ("401 to every token", "Bearer error=\"invalid_token\"", None, "401 after 2 requests and 2 tokens"),
        ("401 without a reason", "Bearer", Some(1), "200 after 2 requests and 2 tokens"),
        (
            "401 that says the scope is not enough",
            "Bearer error=\"insufficient_scope\", scope=\"admin\"",
            Some(1),
            "401 after 1 requests and 1 tokens",
        ),
    ] {
        let (endpoint, resource) = (TestTokenEndpoint::start().await, TestResource::start().await);
        let number = AtomicUsize::new(0);
        let first = std::sync::OnceLock::new();
        resource.accept_if(move |token| {
            let seen = number.fetch_add(1, Ordering::SeqCst);
            let first = first.get_or_init(|| token.to_owned());
            accepted.is_some_and(|least| seen >= least && (least == 0 || token != first))
        });
        if !challenge.is_empty() {
            resource.challenge(challenge);
        }
        let orders = client(&clock, &resource.origin(), &grant(&endpoint)).await;
        let status = orders.get("/resource").send().await.unwrap().status().as_u16();
        let tokens = endpoint.count(GrantType::ClientCredentials);
        sheet.row(
            what,
            format!("{status} after {} requests and {tokens} tokens", resource.call_count()),
            expected,
        );
    }
    for status in [403, 500, 503] {
        let endpoint = TestTokenEndpoint::start().await;
        let server = TestServer::start(move |_| {
            let mut answer = Response::new(Bytes::new());
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            answer
        })
        .await;
        let orders = client(&clock, &server.origin(), &grant(&endpoint)).await;
        let seen = orders.get("/resource").send().await.unwrap().status().as_u16();
        let tokens = endpoint.count(GrantType::ClientCredentials);
        sheet.row(
            status,
            format!("{seen} after {} requests and {tokens} tokens", server.call_count()),
            format!("{status} after 1 requests and 1 tokens"),
        );
    }
    for (what, body, cloned, expected) in [
        ("a body, behind the layer as it is", "two", false, "1 requests"),
        ("a body, where copying it is allowed", "two", true, "2 requests"),
        ("an empty body", "", false, "2 requests"),
    ] {
        let endpoint = TestTokenEndpoint::start().await;
        let clock = ManualClock::at(NOW);
        let text = format!(
            "[clients.orders]\nurl = \"https://orders.example\"\nauth = {{ {} }}\n",
            grant(&endpoint)
        );
        let config = Config::builder().clock(Arc::new(clock.clone())).parse(&text, ".").unwrap();
        let auth = config.client("orders").unwrap().auth().clone();
        let calls = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&calls);
        let refuses = service_fn(move |_: Request<Full<Bytes>>| {
            seen.fetch_add(1, Ordering::SeqCst);
            let answer = Response::builder().status(401).body(()).unwrap();
            async { Ok::<_, Infallible>(answer) }
        });
        let request = Request::post("https://orders.example/v2").body(Full::from(body)).unwrap();
        let layer = ClientAuthLayer::new(auth);
        let status = if cloned {
            layer.replay_cloned().layer(refuses).oneshot(request).await.unwrap().status()
        } else {
            layer.layer(refuses).oneshot(request).await.unwrap().status()
        };
        assert_eq!(status, 401);
        sheet.row(
            format!("401 to every token: {what}"),
            format!("{} requests", calls.load(Ordering::SeqCst)),
            expected,
        );
    }
    sheet.shown_by(
        "a body that streams",
        "crates/tower/tests/client_reqwest/middleware.rs::what_is_streamed_is_sent_once",
    );
    sheet.settle();
}

#[tokio::test]
async fn line_61_an_expired_token_is_fetched_once_whatever_becomes_of_those_who_wait() {
    let mut sheet = Sheet::new(61, "A thousand callers at the end of a token, and token endpoints that fail");
    let clock = ManualClock::at(NOW);
    let (endpoint, resource) = (TestTokenEndpoint::start().await, TestResource::start().await);
    endpoint.expires_in(Some(60));
    let orders = client(&clock, &resource.origin(), &grant(&endpoint)).await;
    orders.auth().generate_token().await.unwrap();
    clock.advance(Duration::from_secs(61));
    let hold = endpoint.hold();
    let first = tokio::spawn({
        let orders = orders.clone();
        async move { orders.auth().generate_token().await }
    });
    endpoint.called(2).await;
    first.abort();
    let others = (0..1000).map(|_| orders.auth().generate_token());
    let others = futures_util::future::join_all(others);
    let (others, ()) = tokio::join!(others, async {
        tokio::task::yield_now().await;
        hold.release();
    });
    let good = others.iter().filter(|token| token.is_ok()).count();
    sheet.row("a thousand callers when the token has ended, of whom the first goes away: tokens that were had, and requests", format!("{good}, {}", endpoint.count(GrantType::ClientCredentials) - 1), "1000, 1");

    for (what, status, retry_after) in [
        ("500", 500, None),
        ("429 that asks for 30 seconds", 429, Some("30")),
        ("503 that asks for a day", 503, Some("86400")),
    ] {
        let clock = ManualClock::at(NOW);
        let endpoint = TestTokenEndpoint::start().await;
        let orders = client(&clock, &resource.origin(), &grant(&endpoint)).await;
        let mut answer = Response::builder().status(status);
        if let Some(seconds) = retry_after {
            answer = answer.header("retry-after", seconds);
        }
        endpoint.answer_with(answer.body("").unwrap());
        let mut failed = 0;
        for _ in 0..50 {
            failed += usize::from(orders.auth().generate_token().await.is_err());
        }
        let asked = endpoint.call_count();
        endpoint.recover();
        clock.advance(Duration::from_secs(61));
        let after = orders.auth().generate_token().await.is_ok();
        sheet.row(
            format!("{what}: errors of fifty callers, requests, and a token a minute later"),
            format!("{failed}, {asked}, {after}"),
            "50, 1, true",
        );
    }
    // Refresh tokens that are good for one use.
    let clock = ManualClock::at(NOW);
    let endpoint = TestTokenEndpoint::start().await;
    endpoint.user("alice", "password");
    endpoint.with_refresh_tokens();
    endpoint.expires_in(Some(60));
    let auth = format!(
        "{}, username = \"alice\", password = \"password\", refreshConfig = \"INFER_REFRESH_CONFIG\"",
        grant(&endpoint)
    );
    let orders = client(&clock, &resource.origin(), &auth).await;
    let counts =
        || format!("{} and {}", endpoint.count(GrantType::Password), endpoint.count(GrantType::RefreshToken));
    for round in 0..4 {
        assert!(orders.auth().generate_token().await.is_ok(), "{round}");
        clock.advance(Duration::from_secs(61));
    }
    sheet.row(
        "refresh tokens that are good for one use, four times: password grants and refreshes",
        counts(),
        "1 and 3",
    );
    endpoint.forget_refresh_tokens();
    let after = orders.auth().generate_token().await.is_ok();
    sheet.row(
        "a refresh token that is `invalid_grant`: whether there is a token, and both counts",
        format!("{after}, {}", counts()),
        "true, 2 and 4",
    );
    for (what, test) in [
        (
            "an endpoint that does not answer",
            "crates/providers/oauth2/tests/grants.rs::a_server_that_does_not_answer_in_time_is_an_error_that_names_it",
        ),
        (
            "a real provider that hangs, dies and comes back",
            "tests/tests/clients/outages.rs::a_server_that_was_killed_is_asked_again_when_it_is_back",
        ),
        (
            "trouble that costs no refresh token",
            "crates/providers/oauth2/src/grant/tests/refreshing.rs::trouble_costs_no_refresh_token_and_retry_after_is_waited_for",
        ),
    ] {
        sheet.shown_by(what, test);
    }
    sheet.settle();
}
