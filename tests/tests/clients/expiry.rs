//! Many callers at one moment, and servers that refuse what was good.

use std::time::Duration;

use portcullis_testing::{Fault, FaultProxy, TestResource};
use portcullis_tests::{OidcProvider, PATIENCE};
use tokio::task::JoinSet;

use crate::{
    grants::grant_types,
    service::{Service, ask, client, clock},
};

/// So slow that all callers have come before the server's answer has.
const SLOW: Fault = Fault::Delay(Duration::from_secs(1));

/// A client that is given JWTs for a minute, by way of `origin`.
fn jwts(origin: &str) -> String {
    let (id, secret) = OidcProvider::APP;
    format!(
        "tokenUrl = \"{origin}/token\", clientId = \"{id}\", clientSecret = \"{secret}\", scopes = \"hello\", optionalParams = {{ \
         ttl = \"60\", resource = \"{}\" }}",
        OidcProvider::resource("ES256")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_are_one_token_request_at_first_and_at_the_moment_of_expiry() {
    let provider = OidcProvider::start();
    let proxy = FaultProxy::start(provider.address()).await;
    let service = Service::validating(&provider).await;
    let clock = clock();
    let orders = client(&clock, service.origin(), &jwts(&proxy.origin())).await;
    proxy.set(SLOW).await;
    for round in 1..=3 {
        let mut calls = JoinSet::new();
        for _ in 0..1_000 {
            let orders = orders.clone();
            calls.spawn(async move { ask(&orders).await.0 });
        }
        assert_eq!(calls.join_all().await, [200; 1_000]);
        assert_eq!(provider.count("/token"), round);
        assert_eq!(service.answered(), round * 1_000);
        // To the second at which it expires.
        clock.advance(Duration::from_secs(60));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_cancels_nothing() {
    let provider = OidcProvider::start();
    let proxy = FaultProxy::start(provider.address()).await;
    let service = Service::validating(&provider).await;
    let orders = client(&clock(), service.origin(), &jwts(&proxy.origin())).await;
    proxy.set(SLOW).await;
    let going = orders.clone();
    let going = tokio::spawn(async move { ask(&going).await });
    // It is the one that began the request, which is on its way.
    proxy.connected(1).await;
    let arrived = async {
        while tokio::task::block_in_place(|| provider.count("/token")) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, arrived).await.expect("the request arrives");
    going.abort();
    assert!(going.await.unwrap_err().is_cancelled());
    assert_eq!(ask(&orders).await.0, 200);
    assert_eq!(ask(&orders).await.0, 200);
    assert_eq!(provider.count("/token"), 1, "what it began served the others");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_in_the_background_while_calls_go_on_with_the_old_one() {
    let provider = OidcProvider::start();
    let proxy = FaultProxy::start(provider.address()).await;
    let service = Service::validating(&provider).await;
    let clock = clock();
    let orders = client(&clock, service.origin(), &jwts(&proxy.origin())).await;
    let shown = async || orders.auth().generate_token().await.unwrap().expose().to_owned();
    let old = shown().await;
    // Most of its life is over: what is left is less than any jitter.
    clock.advance(Duration::from_secs(58));
    proxy.set(SLOW).await;
    assert_eq!(shown().await, old, "nobody waits for the new one");
    assert_eq!(ask(&orders).await.0, 200);
    let renewed = async {
        while shown().await == old {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.expect("it is renewed");
    assert_eq!(ask(&orders).await.0, 200);
    assert_eq!(provider.count("/token"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_always_says_401_causes_one_token_request_per_interval() {
    let provider = OidcProvider::start();
    let refusing = TestResource::start().await;
    let clock = clock();
    for (more, interval) in [("", 10), (", minRefreshInterval = 120", 120)] {
        let auth = format!("{}{more}", jwts(&provider.url("")).replace("ttl = \"60\"", "ttl = \"3600\""));
        let orders = client(&clock, &refusing.origin(), &auth).await;
        let before = provider.count("/token");
        let storm = async || {
            let mut calls = JoinSet::new();
            for _ in 0..50 {
                let orders = orders.clone();
                calls.spawn(async move { ask(&orders).await.0 });
            }
            assert_eq!(calls.join_all().await, [401; 50]);
            for _ in 0..20 {
                assert_eq!(ask(&orders).await.0, 401);
            }
            provider.count("/token") - before
        };
        assert_eq!(storm().await, 2, "the first, and one more");
        clock.advance(Duration::from_secs(interval - 1));
        assert_eq!(storm().await, 2, "within the interval");
        clock.advance(Duration::from_secs(1));
        assert_eq!(storm().await, 3, "one per interval");
        refusing.challenge("Bearer error=\"insufficient_scope\"");
        clock.advance(Duration::from_secs(interval));
        assert_eq!(storm().await, 3, "another token has no more scopes");
        refusing.challenge("Bearer error=\"invalid_token\"");
    }
    assert!(grant_types(provider.asked()).iter().all(|grant| grant == "client_credentials"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_replaced_on_the_way() {
    let provider = OidcProvider::start();
    let service = Service::introspecting(&provider).await;
    let clock = clock();
    let (id, secret) = OidcProvider::APP;
    let auth = format!(
        "tokenUrl = \"{}\", clientId = \"{id}\", clientSecret = \"{secret}\", scopes = \"hello\"",
        provider.url("/token")
    );
    let orders = client(&clock, service.origin(), &auth).await;
    assert_eq!(ask(&orders).await, (200, "app".into()));
    let token = orders.auth().generate_token().await.unwrap();
    tokio::task::block_in_place(|| provider.revoke(token.expose()));
    assert_eq!(ask(&orders).await, (200, "app".into()), "refused, replaced, and sent once more");
    assert_eq!(provider.count("/token"), 2);
}
