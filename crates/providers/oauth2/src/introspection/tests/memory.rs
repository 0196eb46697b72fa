//! What rests in memory, and who is known from it before a credential is read.

use std::{sync::Arc, time::Duration};

use portcullis_core::{Contact, Context, Identity, Outcome, Provider as _, Recall};
use serde_json::{Value, json};

use super::{Bench, CacheConfig, TOKEN, known};

fn recalled(bench: &Bench, text: &[u8], cx: &Context<'_>) -> Option<Arc<Identity>> {
    match bench.provider.recall(text, cx) {
        Recall::Answer(Outcome::Known(identity)) => Some(identity),
        Recall::Unasked | Recall::Nothing | Recall::NothingIn(_) | Recall::Answer(_) => None,
    }
}

/// Whether somebody is let in by it.
fn recalls(bench: &Bench, text: &[u8], cx: &Context<'_>) -> bool {
    recalled(bench, text, cx).is_some()
}

#[tokio::test]
async fn a_token_is_known_from_the_text_of_a_header_once_it_was_active_and_as_long_as_that_is_believed() {
    let bench = Bench::remembering().await;
    let long = "x".repeat(800);
    bench.server.grant(&long, json!({"sub": "alice"}));
    for token in [TOKEN, &long] {
        assert!(!recalls(&bench, token.as_bytes(), &bench.cx()));
        let identity = bench.known(token).await;
        assert!(Arc::ptr_eq(&identity, &recalled(&bench, token.as_bytes(), &bench.cx()).unwrap()));
        assert!(!recalls(&bench, token.as_bytes(), &bench.cx().afresh()));
        assert!(!recalls(&bench, token.as_bytes(), &bench.cx().explaining(Contact::Forbidden)));
        for other in [&token[1..], &token[..token.len() - 1], &format!(" {token}"), &format!("{token} "), ""]
        {
            assert!(!recalls(&bench, other.as_bytes(), &bench.cx()), "{other:?}");
        }
    }
    assert_eq!(bench.code("refused").await, "inactive");
    let Recall::Answer(Outcome::Refused(_)) = bench.provider.recall(b"refused", &bench.cx()) else {
        panic!("a refusal is remembered as one, and says whose it is to nobody");
    };
    for cx in [bench.cx().afresh(), bench.cx().explaining(Contact::Forbidden)] {
        assert!(matches!(bench.provider.recall(b"refused", &cx), Recall::Nothing | Recall::Unasked));
    }
    bench.manual.advance(Duration::from_secs(60));
    assert!(!recalls(&bench, TOKEN.as_bytes(), &bench.cx()));
}

#[tokio::test]
async fn a_text_that_no_header_may_hold_is_known_to_who_asks_for_it_by_name_only() {
    let bench = Bench::remembering().await;
    for token in ["two words", "one,two", "z\u{e9}"] {
        bench.server.grant(token, json!({"sub": "alice"}));
        for _ in 0..2 {
            known(bench.provider.introspect(token, &[], &bench.cx()).await);
        }
        assert!(!recalls(&bench, token.as_bytes(), &bench.cx()), "{token:?}");
    }
    assert_eq!(bench.server.call_count(), 3);
}

#[tokio::test]
async fn parameters_of_a_question_are_not_those_of_a_header() {
    let bench = Bench::remembering().await;
    known(bench.provider.introspect(TOKEN, &[("resource", "a")], &bench.cx()).await);
    assert!(!recalls(&bench, TOKEN.as_bytes(), &bench.cx()));
}

#[tokio::test]
async fn an_answer_is_believed_until_the_earlier_end_and_then_forgotten() {
    // The answer names no end.
    let cache = CacheConfig::default().max_age(Duration::from_secs(3600));
    let bench =
        Bench::with(|config| config.default_token_exp_time(Duration::from_secs(20)).cache(cache)).await;
    bench.known(TOKEN).await;
    bench.manual.advance(Duration::from_millis(19_999));
    assert!(recalls(&bench, TOKEN.as_bytes(), &bench.cx()));
    bench.manual.advance(Duration::from_millis(1));
    assert!(!recalls(&bench, TOKEN.as_bytes(), &bench.cx()));
    assert_eq!(bench.len(), 0, "it rests no longer than that, once somebody asked");
}

#[tokio::test]
async fn what_may_not_be_believed_for_a_moment_does_not_rest_in_memory() {
    let cache = CacheConfig::default().max_age(Duration::ZERO).negative_max_age(Duration::ZERO);
    let bench = Bench::with(|config| config.cache(cache)).await;
    bench.known(TOKEN).await;
    assert_eq!(bench.code("unknown").await, "inactive");
    assert_eq!(bench.len(), 0);
}

#[tokio::test]
async fn small_answers_are_as_few_as_the_capacity_says() {
    let bench = Bench::with(|config| config.cache(CacheConfig::default().capacity(10))).await;
    for number in 0..200 {
        let token = format!("small-{number}");
        bench.server.grant(&token, json!({}));
        assert!(matches!(bench.ask(&token).await, Outcome::Known(_)));
        assert!(bench.len() <= 10, "{}", bench.len());
    }
}

/// What the memory of one answer with these members counts, in bytes.
async fn weight(members: Value) -> u64 {
    let bench = Bench::remembering().await;
    bench.server.grant(TOKEN, members);
    bench.known(TOKEN).await;
    bench.provider.cache.as_ref().unwrap().weight()
}

#[tokio::test]
async fn a_small_answer_counts_as_eight_kib_and_a_large_one_by_all_that_it_holds() {
    for small in [json!({}), json!({"groups": vec!["g"; 10]})] {
        assert_eq!(weight(small).await, 8 * 1024);
    }
    let text = |bytes| "x".repeat(bytes);
    let large = weight(json!({"text": text(10_000)})).await;
    assert!((10_000..12_000).contains(&large), "{large}");
    let value = size_of::<Value>() as u64;
    let node = 11 * (size_of::<String>() as u64 + value) + 2 * size_of::<usize>() as u64;
    // An array has room for four at least, and whatever is allocated takes some bytes more.
    let array = 4 * value + 32;
    for (other, more) in [
        (json!({"text": text(10_001)}), 1),
        (json!({"text2": text(10_000)}), 1),
        (json!({"text": [text(10_000)]}), array),
        (json!({"text": [text(10_000), null, 7, true]}), array),
        (json!({"text": [text(10_000), null, 7, {}, "x"]}), array + 4 * value + 1 + 32),
        (json!({"text": {"four": text(10_000)}}), node + 32 + 4 + 32),
        (json!({"text": [text(10_000), {"a": 1}, {"a": 1}]}), array + 2 * (node + 32 + 1 + 32)),
        (json!({"text": text(10_000), "sub": "alice"}), (3 + 32) + (5 + 32) + (16 + 5 + 32)),
        (json!({"text": text(10_000), "iss": "us"}), (3 + 32) + (2 + 32) + (16 + 2 + 32)),
        (json!({"text": text(10_000), "scope": "a bc a"}), (5 + 32) + (6 + 32) + 3 * (16 + 32) + 4),
    ] {
        assert_eq!(weight(other.clone()).await, large + more, "{other:.60}");
    }
    // `active` is one of them.
    let members = |count: usize| -> Value {
        (0..count)
            .map(|number| (format!("{number:03}"), Value::Bool(true)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let each = 3 + 32;
    assert_eq!(weight(members(101)).await - weight(members(100)).await, each, "there is room in a node");
    assert_eq!(weight(members(104)).await - weight(members(100)).await, 4 * each);
    assert_eq!(weight(members(105)).await - weight(members(100)).await, 5 * each + node + 32);
}

#[tokio::test]
async fn an_answer_of_many_scopes_leaves_room_for_fewer() {
    let bench = Bench::with(|config| config.cache(CacheConfig::default().capacity(100))).await;
    for number in 0..100 {
        let token = format!("many-{number}");
        bench.server.grant(&token, json!({"scope": "a ".repeat(4_000)}));
        assert!(matches!(bench.ask(&token).await, Outcome::Known(_)));
        // 48 bytes each, and their text twice.
        assert!(bench.len() <= 100 * 8 * 1024 / (4_000 * (48 + 1 + 2)), "{}", bench.len());
    }
    assert_ne!(bench.len(), 0);
}
