//! What is remembered, for how long, and what is not.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use portcullis_core::{Contact, Context, Credential, Outcome, Provider as _, RequiredScopes, UnixTime};
use serde_json::json;

use super::{Bench, CacheConfig, Limits, TOKEN, another, ask, code, known, unavailable};
use crate::fixtures::NOW;

const SECOND: Duration = Duration::from_secs(1);

/// Asks twice: whether the second answer comes from memory.
async fn is_remembered(bench: &Bench, token: &str) -> bool {
    let _ = bench.ask(token).await;
    let calls = bench.server.call_count();
    let _ = bench.ask(token).await;
    bench.server.call_count() == calls
}

#[tokio::test]
async fn without_a_cache_every_request_asks() {
    let bench = Bench::new().await;
    assert!(!is_remembered(&bench, TOKEN).await);
    assert!(!is_remembered(&bench, "unknown").await);
    let off = Bench::with(|config| config.cache(CacheConfig::default().capacity(0))).await;
    assert!(!is_remembered(&off, TOKEN).await);
}

#[tokio::test]
async fn an_active_token_is_remembered_for_a_minute() {
    let bench = Bench::remembering().await;
    let first = bench.known(TOKEN).await;
    bench.manual.advance(Duration::from_secs(60) - Duration::from_millis(1));
    assert!(Arc::ptr_eq(&first, &bench.known(TOKEN).await));
    let credential = Credential::Bearer(portcullis_core::Bearer::new(TOKEN).unwrap());
    assert!(bench.provider.try_authenticate(&credential, &bench.cx()).is_some(), "at once");
    assert_eq!(bench.server.call_count(), 1);

    bench.server.revoke(TOKEN);
    bench.manual.advance(Duration::from_millis(1));
    assert!(bench.provider.try_authenticate(&credential, &bench.cx()).is_none());
    assert_eq!(bench.code(TOKEN).await, "inactive");
    assert_eq!(bench.server.call_count(), 2);
}

/// A provider that remembers as `cache` says, after a question about the token that took so many seconds.
async fn after_a_long_answer(cache: CacheConfig, members: serde_json::Value, seconds: u64) -> Bench {
    let bench = Bench::with(|config| {
        let client = config.client.clone().request_timeout(Duration::from_secs(600));
        config.client(client).cache(cache)
    })
    .await;
    bench.server.grant(TOKEN, members);
    let hold = bench.server.hold();
    let asking = tokio::spawn({
        let (provider, clock) = (bench.provider.clone(), Arc::clone(&bench.clock));
        async move { ask(&provider, TOKEN, &Context::new(&clock)).await }
    });
    bench.server.called(1).await;
    bench.manual.advance(Duration::from_secs(seconds));
    hold.release();
    known(asking.await.unwrap());
    bench
}

#[tokio::test]
async fn its_age_counts_from_the_moment_at_which_the_server_was_asked() {
    let bench = after_a_long_answer(CacheConfig::default(), json!({}), 40).await;
    bench.manual.advance(Duration::from_secs(19));
    known(bench.ask(TOKEN).await);
    assert_eq!(bench.server.call_count(), 1);
    bench.manual.advance(SECOND);
    known(bench.ask(TOKEN).await);
    assert_eq!(bench.server.call_count(), 2);
}

#[tokio::test]
async fn an_answer_that_took_long_is_remembered_until_exp_all_the_same() {
    let members = json!({"exp": NOW.as_secs() + 60});
    let bench = after_a_long_answer(CacheConfig::default().unlimited_age(), members, 40).await;
    bench.manual.advance(Duration::from_millis(19_999));
    known(bench.ask(TOKEN).await);
    assert_eq!(bench.server.call_count(), 1);
    bench.manual.advance(Duration::from_millis(1));
    known(bench.ask(TOKEN).await);
    assert_eq!(bench.server.call_count(), 2);
}

#[tokio::test]
async fn a_token_is_not_remembered_beyond_its_exp() {
    let bench = Bench::with(|config| config.cache(CacheConfig::default().unlimited_age())).await;
    bench.server.grant("short", json!({"exp": NOW.as_secs() + 10}));
    known(bench.ask("short").await);
    bench.manual.advance(Duration::from_millis(9_999));
    known(bench.ask("short").await);
    assert_eq!(bench.server.call_count(), 1);
    bench.manual.advance(Duration::from_millis(1));
    assert_eq!(known(bench.ask("short").await).expires_at(), None, "the server calls it active still");
    assert_eq!(bench.server.call_count(), 2);
    assert!(!is_remembered(&bench, "short").await, "an answer whose exp has passed is not remembered");
}

#[tokio::test]
async fn exp_is_looked_at_on_every_use_and_a_clock_set_back_keeps_nothing_alive() {
    let bench = Bench::with(|config| config.cache(CacheConfig::default().unlimited_age())).await;
    bench.server.grant("short", json!({"exp": NOW.as_secs() + 10, "nbf": NOW.as_secs()}));
    known(bench.ask("short").await);
    bench.manual.set(UnixTime::from_secs(NOW.as_secs() + 10));
    known(bench.ask("short").await);
    assert_eq!(bench.server.call_count(), 2, "civil time went past exp");

    bench.manual.set(NOW);
    known(bench.ask("short").await);
    bench.manual.advance(Duration::from_secs(10));
    bench.manual.set(NOW);
    let calls = bench.server.call_count();
    known(bench.ask("short").await);
    assert_eq!(bench.server.call_count(), calls + 1, "ten seconds have passed whatever the clock shows");

    bench.manual.set(UnixTime::from_secs(NOW.as_secs() - 1));
    assert_eq!(bench.code("short").await, "not-yet-valid");
}

#[tokio::test]
async fn without_exp_a_token_is_good_for_the_default_time() {
    let bench = Bench::with(|config| {
        config.default_token_exp_time(Duration::from_secs(20)).cache(CacheConfig::default().unlimited_age())
    })
    .await;
    known(bench.ask(TOKEN).await);
    bench.manual.advance(Duration::from_secs(19));
    known(bench.ask(TOKEN).await);
    assert_eq!(bench.server.call_count(), 1);
    bench.manual.advance(SECOND);
    known(bench.ask(TOKEN).await);
    assert_eq!(bench.server.call_count(), 2);
    let hour = Bench::with(|config| config.cache(CacheConfig::default().unlimited_age())).await;
    known(hour.ask(TOKEN).await);
    hour.manual.advance(Duration::from_secs(3599));
    known(hour.ask(TOKEN).await);
    assert_eq!(hour.server.call_count(), 1);
    hour.manual.advance(SECOND);
    known(hour.ask(TOKEN).await);
    assert_eq!(hour.server.call_count(), 2);
}

#[tokio::test]
async fn a_refused_token_is_remembered_for_five_seconds() {
    let bench = Bench::remembering().await;
    assert_eq!(bench.code("later").await, "inactive");
    bench.server.grant("later", json!({"sub": "alice"}));
    bench.manual.advance(Duration::from_millis(4_999));
    assert_eq!(bench.code("later").await, "inactive");
    assert_eq!(bench.server.call_count(), 1);
    bench.manual.advance(Duration::from_millis(1));
    assert_eq!(bench.known("later").await.subject(), Some("alice"));

    let never =
        Bench::with(|config| config.cache(CacheConfig::default().negative_max_age(Duration::ZERO))).await;
    assert_eq!(never.code("later").await, "inactive");
    never.server.grant("later", json!({"sub": "alice"}));
    never.known("later").await;
}

#[tokio::test]
async fn a_token_whose_time_comes_is_asked_about_when_it_has_come() {
    let bench = Bench::remembering().await;
    bench.server.grant("soon", json!({"nbf": NOW.as_secs() + 2}));
    assert_eq!(bench.code("soon").await, "not-yet-valid");
    bench.manual.advance(SECOND);
    assert_eq!(bench.code("soon").await, "not-yet-valid");
    assert_eq!(bench.server.call_count(), 1);
    bench.manual.advance(SECOND);
    bench.known("soon").await;
}

#[tokio::test]
async fn what_says_nothing_about_the_token_is_not_remembered() {
    let bench = Bench::remembering().await;
    bench.server.fail_with(StatusCode::INTERNAL_SERVER_ERROR);
    for _ in 0..3 {
        unavailable(bench.ask(TOKEN).await);
    }
    assert_eq!((bench.server.call_count(), bench.len()), (3, 0));
    bench.server.recover();
    bench.known(TOKEN).await;
    unavailable(bench.raw("garbage").await);
    assert_eq!(bench.len(), 1);
    // What is remembered serves while the server is away.
    bench.server.go_down().await;
    bench.known(TOKEN).await;
}

#[tokio::test]
async fn parameters_of_a_question_are_part_of_what_is_remembered() {
    let bench = Bench::remembering().await;
    let asked: [&[(&str, &str)]; 4] =
        [&[], &[("resource", "a")], &[("resource", "b")], &[("resource", "a"), ("x", "")]];
    for round in 0..2 {
        for parameters in asked {
            known(bench.provider.introspect(TOKEN, parameters, &bench.cx()).await);
        }
        assert_eq!(bench.server.call_count(), 4, "round {round}");
    }
}

#[tokio::test]
async fn two_definitions_share_nothing() {
    // The same server, the same token; only what is believed differs.
    let bench = Bench::remembering().await;
    let remembering = |config: super::IntrospectionConfig| config.cache(CacheConfig::default());
    let strict = another(&bench.server, &bench.clock, Limits::DEFAULT, |config| {
        remembering(config).audience(["orders"])
    });
    let by_roles = another(&bench.server, &bench.clock, Limits::DEFAULT, |config| {
        remembering(config).scope_key("roles")
    });
    // Another server, which does not know the token.
    let elsewhere = Bench::remembering().await;
    elsewhere.server.revoke(TOKEN);
    for _ in 0..2 {
        assert_eq!(bench.known(TOKEN).await.scopes().len(), 2);
        assert_eq!(code(ask(&strict, TOKEN, &bench.cx()).await), "wrong-audience");
        assert_eq!(known(ask(&by_roles, TOKEN, &bench.cx()).await).scopes().len(), 0);
        assert_eq!(elsewhere.code(TOKEN).await, "inactive");
    }
    assert_eq!(bench.server.call_count(), 3);
    assert_eq!(elsewhere.server.call_count(), 1);
}

#[tokio::test]
async fn scopes_are_compared_after_the_cache() {
    let bench = Bench::remembering().await;
    for _ in 0..2 {
        let identity = bench.known(TOKEN).await;
        assert!(RequiredScopes::from("read").satisfied_by(identity.scopes()));
        assert!(!RequiredScopes::from("admin").satisfied_by(identity.scopes()));
    }
    assert_eq!(bench.server.call_count(), 1);
}

#[tokio::test]
async fn asking_afresh_goes_past_the_cache_and_corrects_it() {
    let bench = Bench::remembering().await;
    bench.known(TOKEN).await;
    bench.server.revoke(TOKEN);
    bench.known(TOKEN).await;
    assert_eq!(code(ask(&bench.provider, TOKEN, &bench.cx().afresh()).await), "inactive");
    assert_eq!(bench.code(TOKEN).await, "inactive", "the revocation is remembered");
    assert_eq!(bench.server.call_count(), 2);

    bench.server.grant(TOKEN, json!({"sub": "alice"}));
    known(ask(&bench.provider, TOKEN, &bench.cx().afresh()).await);
    bench.known(TOKEN).await;
    assert_eq!(bench.server.call_count(), 3);

    // A yes that is not to be remembered leaves no earlier no behind.
    bench.server.revoke(TOKEN);
    assert_eq!(code(ask(&bench.provider, TOKEN, &bench.cx().afresh()).await), "inactive");
    bench.server.grant(TOKEN, json!({"exp": NOW.as_secs() - 1}));
    known(ask(&bench.provider, TOKEN, &bench.cx().afresh()).await);
    bench.known(TOKEN).await;
    assert_eq!(bench.server.call_count(), 6);

    // With no memory of refusals, what was remembered is gone at least.
    let bench =
        Bench::with(|config| config.cache(CacheConfig::default().negative_max_age(Duration::ZERO))).await;
    bench.known(TOKEN).await;
    bench.server.revoke(TOKEN);
    assert_eq!(code(ask(&bench.provider, TOKEN, &bench.cx().afresh()).await), "inactive");
    assert_eq!(bench.code(TOKEN).await, "inactive");
}

#[tokio::test]
async fn an_outage_displaces_nothing_that_is_remembered() {
    let bench = Bench::remembering().await;
    bench.known(TOKEN).await;
    bench.server.fail_with(StatusCode::BAD_GATEWAY);
    unavailable(ask(&bench.provider, TOKEN, &bench.cx().afresh()).await);
    bench.known(TOKEN).await;
    // An answer that is not to be remembered is an answer all the same.
    bench.server.recover();
    bench.server.grant(TOKEN, json!({"sub": "bob", "exp": 2}));
    known(ask(&bench.provider, TOKEN, &bench.cx().afresh()).await);
    assert_eq!(bench.known(TOKEN).await.subject(), Some("bob"));
}

#[tokio::test]
async fn an_explanation_neither_reads_nor_writes_the_cache() {
    let bench = Bench::remembering().await;
    let explaining = bench.cx().explaining(Contact::Allowed);
    known(ask(&bench.provider, TOKEN, &explaining).await);
    assert_eq!(bench.len(), 0);
    bench.known(TOKEN).await;
    bench.server.revoke(TOKEN);
    assert_eq!(code(ask(&bench.provider, TOKEN, &explaining).await), "inactive");
    assert!(matches!(bench.ask(TOKEN).await, Outcome::Known(_)), "and corrects nothing either");
}

#[tokio::test]
async fn made_up_tokens_fill_no_memory_and_displace_no_good_one() {
    let bench = Bench::with(|config| config.cache(CacheConfig::default().capacity(10))).await;
    bench.known(TOKEN).await;
    for number in 0..200 {
        assert_eq!(bench.code(&format!("made-up-{number}")).await, "inactive");
    }
    assert!(bench.len() <= 20, "{} remembered", bench.len());
    let calls = bench.server.call_count();
    bench.known(TOKEN).await;
    assert_eq!(bench.server.call_count(), calls);
}

#[tokio::test]
async fn the_memory_that_answers_take_is_bounded() {
    let bench = Bench::with(|config| config.cache(CacheConfig::default().capacity(10))).await;
    for number in 0..40 {
        let token = format!("large-{number}");
        bench.server.grant(&token, json!({"sub": "alice", "groups": vec!["g"; 1_000]}));
        bench.known(&token).await;
    }
    let cache = bench.provider.cache.as_ref().unwrap();
    assert!(cache.weight() <= 10 * 8 * 1024, "{} bytes", cache.weight());
    assert!(cache.len() < 10, "answers of some 30 KiB each: {}", cache.len());
}
