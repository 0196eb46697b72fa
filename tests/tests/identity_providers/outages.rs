//! A proxy between the product and `oidc-provider` that delays, cuts, answers errors or garbage, drips, refuses.

use std::time::{Duration, Instant};

use http::StatusCode;
use portcullis_testing::{Fault, FaultProxy};
use portcullis_tests::{Keys, OidcProvider, Place};

use crate::client::until;
use crate::gateway::Gateway;
use crate::jwks::{by_discovery, by_introspection};

/// A provider that is known by the address of a proxy before it.
async fn behind_a_proxy() -> (OidcProvider, FaultProxy) {
    let place = Place::free();
    let proxy = FaultProxy::start(place.address()).await;
    let provider = OidcProvider::start_at(place, &proxy.origin());
    (provider, proxy)
}

/// Every way to fail, but for those that take their time.
const QUICK: [Fault; 6] = [
    Fault::CutAfter(0),
    Fault::CutAfter(150),
    Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR),
    Fault::Answer(StatusCode::NOT_FOUND),
    Fault::Garbage,
    Fault::Refuse,
];

#[tokio::test(flavor = "multi_thread")]
async fn introspection_that_fails_in_any_way_is_503_and_is_right_again_at_once() {
    let (provider, proxy) = behind_a_proxy().await;
    let url = format!("{}/token/introspection", proxy.origin());
    let gateway = Gateway::start(&by_introspection(&url, "cacheConfig = {},"));
    let remembered = provider.opaque("hello", 60);
    assert_eq!(gateway.status(&remembered), 200);
    for (number, fault) in QUICK.into_iter().enumerate() {
        let token = provider.opaque("hello", 60);
        let unknown = format!("nobody-issued-this-{number}");
        proxy.set(fault).await;
        let answer = gateway.ask(&token);
        assert_eq!(answer.status, 503, "{fault:?}");
        assert!(answer.header("retry-after").is_some(), "{fault:?}");
        assert_eq!(gateway.status(&unknown), 503, "{fault:?}: nobody can tell");
        assert_eq!(gateway.status(&remembered), 200, "{fault:?}");
        proxy.set(Fault::None).await;
        assert_eq!(gateway.status(&token), 200, "after {fault:?}");
        assert_eq!(gateway.status(&unknown), 401, "after {fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_slow_is_waited_for_within_request_timeout_and_then_503() {
    let (provider, proxy) = behind_a_proxy().await;
    let url = format!("{}/token/introspection", proxy.origin());
    let element = by_introspection(&url, "")
        .replace("clientConfig = {", "clientConfig = { requestTimeout = \"500ms\",");
    let gateway = Gateway::start(&element);
    let token = provider.opaque("hello", 60);
    for (fault, status) in [
        (Fault::Delay(Duration::from_millis(100)), 200),
        (Fault::Delay(Duration::from_secs(20)), 503),
        (Fault::Drip(Duration::from_millis(50)), 503),
        (Fault::BlackHole, 503),
    ] {
        proxy.set(fault).await;
        let start = Instant::now();
        assert_eq!(gateway.status(&token), status, "{fault:?}");
        assert!(start.elapsed() < Duration::from_secs(10), "{fault:?} took {:?}", start.elapsed());
    }
    proxy.set(Fault::None).await;
    assert_eq!(gateway.status(&token), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_set_that_cannot_be_fetched_leaves_known_keys_in_use_and_lets_nothing_unknown_in() {
    let (mut provider, proxy) = behind_a_proxy().await;
    // The interval is short, so that every fault is met by a fetch.
    let gateway = Gateway::start(&by_discovery(provider.issuer(), "minRefreshInterval = \"100ms\""));
    let known = provider.jwt("ES256", "hello", 60);
    assert_eq!(gateway.status(&known), 200);
    for fault in QUICK {
        tokio::task::block_in_place(|| provider.start_again(Keys::Added));
        let new = provider.jwt("ES256", "hello", 60);
        proxy.set(fault).await;
        let answer = gateway.ask(&new);
        assert_eq!(answer.status, 503, "{fault:?}");
        assert!(answer.header("retry-after").is_some(), "{fault:?}");
        assert_eq!(gateway.status(&known), 200, "{fault:?}");
        proxy.set(Fault::None).await;
        let before = until(gateway.address(), "/foo", &new, 200).await;
        assert!(before.iter().all(|reply| reply.status == 503), "after {fault:?}: {before:?}");
    }
}

#[test]
fn known_keys_serve_for_max_stale_after_the_server_died_and_no_longer() {
    let mut provider = OidcProvider::start();
    let unknown = provider.jwt("RS256", "hello", 600);
    provider.start_again(Keys::Replaced);
    let short = "minRefreshInterval = \"200ms\", maxStale = \"2s\", cacheConfig = { defaultMaxAge = 1 }";
    let gateway = Gateway::start(&by_discovery(provider.issuer(), short));
    let known = provider.jwt("RS256", "hello", 600);
    assert_eq!(gateway.status(&known), 200);
    provider.kill();
    let died = Instant::now();
    // Asked all the time: 200 first, then 503, and never anything else.
    let mut served = None;
    let refused = loop {
        let answer = gateway.ask(&known);
        match answer.status {
            200 => served = Some(died.elapsed()),
            503 => break answer,
            other => panic!("{other} after {:?}", died.elapsed()),
        }
        assert!(died.elapsed() < portcullis_tests::PATIENCE, "keys are used for ever");
    };
    let (served, ended) = (served.expect("known keys serve at first"), died.elapsed());
    assert!(served > Duration::from_secs(1), "they served for {served:?} only");
    assert!(ended < Duration::from_secs(10), "they served for {ended:?}");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(gateway.status(&unknown), 503);
    let nobody = portcullis_tests::curl([format!("http://{}/foo", gateway.address())]);
    assert_eq!(nobody.status, 401);

    provider.start_again(Keys::Same);
    assert_eq!(gateway.status(&known), 200, "the next request is right");
    assert_eq!(gateway.status(&unknown), 401, "its key is gone");
}

#[test]
fn it_starts_without_the_issuer_says_so_and_serves_once_it_is_there() {
    let mut provider = OidcProvider::start();
    let token = provider.jwt("PS256", "hello", 60);
    provider.kill();
    let mut gateway = Gateway::start(&by_discovery(provider.issuer(), "minRefreshInterval = \"100ms\""));
    gateway.logged(&["jwks", provider.issuer()]);
    let answer = gateway.ask(&token);
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    assert_eq!(gateway.status("not.a.token"), 401);
    provider.start_again(Keys::Same);
    assert_eq!(gateway.status(&token), 200, "the next request is right");
}

#[test]
fn preload_makes_the_issuer_a_requirement_of_the_start() {
    let mut provider = OidcProvider::start();
    let token = provider.jwt("PS256", "hello", 60);
    let element = by_discovery(provider.issuer(), "preload = true");
    assert_eq!(Gateway::start(&element).status(&token), 200);
    provider.kill();
    let folder = portcullis_tests::temp_dir();
    let config = crate::gateway::config(&format!("respond = \"Hello\"\nauth = [{element}]"));
    let file = portcullis_tests::write(&folder, "Config.toml", config);
    let ended = portcullis_tests::Program::new("portcullis").args(["serve", "--config"]).arg(file).run();
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains(provider.issuer()), "{}", ended.stderr);
}
