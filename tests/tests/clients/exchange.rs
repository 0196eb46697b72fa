//! A service that calls another on behalf of its own callers, by token exchange (RFC 8693).

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use portcullis::{
    AuthLayer, Caller, Config,
    client::{OnBehalfOf, ReqwestClient},
};
use portcullis_testing::{GrantType, TestResource, TestTokenEndpoint};
use portcullis_tests::{ALICE, BOB, OidcProvider, ZOE};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    grants::{grant_types, parameter, token_requests},
    service::{Service, client, clock, orders, plain, serve},
};

/// What the service in the middle answers: the words of the one behind it.
async fn pass_on(State(stock): State<ReqwestClient>, caller: Caller) -> Result<String, (StatusCode, String)> {
    let told = |error: &dyn std::fmt::Display| (StatusCode::BAD_GATEWAY, error.to_string());
    let stock = stock.on_behalf_of(&caller).map_err(|error| told(&error))?;
    let answer = stock.get("/who").send().await.map_err(|error| told(&error))?;
    answer.text().await.map_err(|error| told(&error))
}

/// A service at `/order` with these elements, which calls `stock`.
async fn middle(auth: &str, stock: ReqwestClient) -> String {
    let text = format!(
        "[services.\"/order\"]\nauth = [{auth}]\n[[ballerina.auth.users]]\nusername = \"dan\"\npassword = \"dan-pass\"\nscopes = \
         [\"hello\"]\n"
    );
    let config = Config::parse(&text, ".").unwrap_or_else(|error| panic!("{error}"));
    let auth = config.service("/order").unwrap().build().await.unwrap();
    let app = Router::new().route("/order", get(pass_on)).with_state(stock);
    serve(app.layer(AuthLayer::new(auth))).await.0
}

fn elements(provider: &OidcProvider) -> String {
    let (id, secret) = OidcProvider::API;
    let payload = format!("customPayload = {{ client_id = \"{id}\", client_secret = \"{secret}\" }}");
    let opaque = format!(
        "{{ scopes = \"hello\", oauth2IntrospectionConfig = {{ url = \"{}\", clientConfig = {{ {payload} }} }} }}",
        provider.url("/token/introspection")
    );
    format!("{{ scopes = \"hello\", fileUserStoreConfig = {{}} }}, {opaque}")
}

fn exchanging(provider: &OidcProvider) -> String {
    let (id, secret) = OidcProvider::APP;
    format!(
        "grant = \"token_exchange\", tokenUrl = \"{}\", clientId = \"{id}\", clientSecret = \"{secret}\", scopes = \"hello\"",
        provider.url("/token")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_of_three_callers_are_three_exchanges_and_never_cross() {
    let provider = OidcProvider::start();
    let stock = Service::introspecting(&provider).await;
    let stock_client = client(&clock(), stock.origin(), &exchanging(&provider)).await;
    let middle = format!("{}/order", middle(&elements(&provider), stock_client).await);
    let callers: Vec<(String, &str)> =
        [ALICE, BOB, ZOE].map(|user| (provider.opaque_of(user, "hello", 600), user.0)).to_vec();
    let before = provider.count("/token");
    let reqwest = plain();
    let mut calls = JoinSet::new();
    for number in 0..1_000 {
        let (token, name) = callers[number % callers.len()].clone();
        let request = reqwest.get(&middle).bearer_auth(token);
        calls.spawn(async move {
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            let text = answer.text().await.unwrap();
            assert_eq!(status, 200, "{text}");
            let told: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&told["sub"], &told["act"]["sub"]), (&name.into(), &"app".into()), "{told}");
        });
    }
    calls.join_all().await;
    let asked = token_requests(provider.asked()).split_off(before);
    assert_eq!(asked.len(), 3, "one for each caller's token");
    let subjects: Vec<_> = asked.iter().filter_map(|asked| parameter(asked, "subject_token")).collect();
    assert!(callers.iter().all(|(token, _)| subjects.contains(token)));
    assert!(grant_types(provider.asked()).iter().skip(before).all(|grant| grant.ends_with("token-exchange")));
    assert_eq!(stock.answered(), 1_000);

    // Without a token there is nobody to call for: an error, and never the service's own name.
    let dan = reqwest.get(&middle).basic_auth("dan", Some("dan-pass")).send().await.unwrap();
    assert_eq!(dan.status(), 502);
    let text = dan.text().await.unwrap();
    assert!(text.contains("the caller showed no token"), "{text}");
    assert_eq!((provider.count("/token"), stock.answered()), (before + 3, 1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jwt_is_exchanged_too_and_one_that_is_no_longer_good_is_told() {
    let provider = OidcProvider::start();
    let stock = Service::introspecting(&provider).await;
    let clock = clock();
    let client = client(&clock, stock.origin(), &exchanging(&provider)).await;
    let of = |token: String| {
        let subject = OnBehalfOf::token(token, None);
        client.auth().on_behalf_of_token(&subject).unwrap()
    };
    let bob = of(provider.jwt_of(BOB, "ES256", "hello", 60));
    let reqwest = plain();
    let who = format!("{}/who", stock.origin());
    let answer = portcullis::SendVia::send_via(reqwest.get(&who), &bob).await.unwrap();
    let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(told["sub"], "bob");

    let gone = provider.opaque_of(ALICE, "hello", 60);
    provider.revoke(&gone);
    let error = format!("{:?}", of(gone.clone()).generate_token().await.unwrap_err());
    assert!(error.contains(&provider.url("/token")) && error.contains("invalid_request"), "{error}");
    assert!(!error.contains(&gone), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_at_once_are_each_given_their_own_token() {
    let tokens = Arc::new(TestTokenEndpoint::start().await);
    tokens.require_client("middle", "middle-secret");
    let stock = TestResource::start().await;
    stock.accept_if(|token| token.starts_with("access-"));
    let auth = format!(
        "grant = \"token_exchange\", tokenUrl = \"{}\", clientId = \"middle\", clientSecret = \"middle-secret\", audience = \"stock\"",
        tokens.url()
    );
    let config = Config::parse(&orders(&stock.origin(), &auth), ".").unwrap();
    let client = config.client("orders").unwrap().reqwest().await.unwrap();
    let mut calls = JoinSet::new();
    // Each subject comes twice, at the same time.
    for number in 0..2_000 {
        let (client, tokens) = (client.clone(), Arc::clone(&tokens));
        calls.spawn(async move {
            let subject = format!("subject-{}", number / 2);
            let own = client.auth().on_behalf_of_token(&OnBehalfOf::token(subject.as_str(), None)).unwrap();
            let token = own.generate_token().await.unwrap();
            assert_eq!(tokens.subject_of(token.expose()), Some(subject.clone()));
            (subject, token.expose().to_owned())
        });
    }
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (subject, token) in calls.join_all().await {
        let known = all.entry(subject).or_insert_with(|| token.clone());
        assert_eq!(*known, token, "one token for one subject");
    }
    assert_eq!((all.len(), tokens.count(GrantType::TokenExchange)), (1_000, 1_000));
}
