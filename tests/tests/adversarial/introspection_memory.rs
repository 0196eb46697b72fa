//! What is remembered of opaque tokens, and what becomes of it when the server fails.

use std::time::Duration;

use http::{Response, StatusCode};
use portcullis_testing::{ManualClock, TestIntrospection};
use serde_json::json;

use crate::{
    Line,
    introspection::{CACHED, asking, door},
    support::{Door, NOW, knock, told},
};

const CACHING: &str = "crates/providers/oauth2/src/introspection/tests/caching.rs";
const COALESCING: &str = "crates/providers/oauth2/src/introspection/tests/coalescing.rs";
const OUTAGES: &str = "crates/providers/oauth2/src/introspection/tests/outages.rs";
const SECRETS: &str = "crates/providers/oauth2/src/introspection/tests/secrets.rs";

/// This many requests with this token at once: the statuses, as a set.
async fn together(door: &Door, token: &str, count: usize) -> Vec<u16> {
    let address = door.address;
    let requests: Vec<_> = (0..count)
        .map(|_| {
            let token = token.to_owned();
            tokio::spawn(async move { knock(address, &token).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for request in requests {
        statuses.push(request.await.unwrap());
    }
    statuses.dedup();
    statuses
}

#[tokio::test]
async fn line_26_what_many_ask_at_once_is_asked_once() {
    let mut line = Line::new(26, "A hundred first uses at once, and what is remembered of failures");
    let (server, door) = door(CACHED).await;
    for (what, token, statuses) in [("a good token", "good", [200]), ("an inactive token", "inactive", [401])]
    {
        let before = server.call_count();
        assert_eq!(together(&door, token, 100).await, statuses);
        told(
            &mut line,
            format!("{what}, 100 times at once: {} and calls", statuses[0]),
            server.call_count() - before,
            "1",
        );
    }
    server.fail_with(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(together(&door, "later", 100).await, [503]);
    line.came("a token, 100 times at once, while the server fails", "503");
    server.recover();
    server.grant("later", json!({"sub": "alice", "scope": "hello"}));
    told(
        &mut line,
        "the same token, when the server is back, without a wait",
        door.knock("later").await,
        "200",
    );
    server.grant("inactive", json!({"sub": "alice", "scope": "hello"}));
    told(
        &mut line,
        "a token that was inactive and has become active, at once",
        door.knock("inactive").await,
        "401 inactive",
    );
    door.clock.advance(Duration::from_secs(5));
    told(
        &mut line,
        "a token that was inactive and has become active, after 5 s",
        door.knock("inactive").await,
        "200",
    );
    line.shown_by(
        "a thousand, on many threads",
        &format!("{COALESCING}::they_are_one_call_on_many_threads_too_where_the_answer_is_remembered"),
    );
    line.shown_by(
        "the caller who asked first hangs up",
        &format!("{COALESCING}::a_caller_that_hangs_up_ends_the_call_for_nobody"),
    );
    line.settle();
}

#[tokio::test]
async fn line_27_a_server_that_does_not_answer_rightly_is_503_and_forgotten() {
    let mut line = Line::new(27, "Servers of introspection that fail");
    let (server, door) = door(CACHED).await;
    for (number, status) in [500, 502, 503, 504, 404, 400, 401, 403, 429, 204, 302].into_iter().enumerate() {
        let token = format!("t{number}");
        server.grant(&token, json!({"sub": "alice", "scope": "hello"}));
        server.answer_with(Response::builder().status(status).body("").unwrap());
        let seen = door.knock(&token).await;
        assert!(seen.head.to_lowercase().contains("\r\nretry-after: "), "{}", seen.head);
        assert!(!seen.head.to_lowercase().contains("www-authenticate"), "{}", seen.head);
        server.recover();
        assert_eq!(door.knock(&token).await.status, 200, "{status}: and then it recovers");
        told(
            &mut line,
            format!("{status}, and then a good answer"),
            format_args!("{seen}, and then 200"),
            "503 unavailable, and then 200",
        );
    }
    for (what, body) in [
        ("empty", ""),
        ("cut off", "{\"active\":tr"),
        ("an array", "[]"),
        ("a token", "good"),
        ("not UTF-8", "\u{fffd}{"),
    ] {
        server.answer_raw("t", body);
        told(&mut line, format!("a body that is {what}"), door.knock("t").await, "503 unavailable");
    }
    server.grant("t", json!({"sub": "alice", "scope": "hello"}));
    let hold = server.hold();
    let late = async {
        server.called(server.call_count() + 1).await;
        door.clock.advance(Duration::from_secs(10));
    };
    let (seen, ()) = tokio::join!(door.knock("t"), late);
    let expected = ["503 unavailable", "503 timed-out"];
    assert!(expected.contains(&seen.to_string().as_str()), "{seen}");
    line.came("no answer within 10 s", seen.status);
    hold.release();
    server.go_down().await;
    told(&mut line, "away", door.knock("t").await, "503 unavailable");
    server.come_back().await;
    told(&mut line, "back", door.knock("t").await, "200");
    server.go_down().await;
    told(&mut line, "away again; what is remembered", door.knock("t").await, "200");
    line.shown_by(
        "each status, and its words in the log",
        &format!("{OUTAGES}::only_200_says_something_about_the_token"),
    );
    line.shown_by(
        "our own credentials refused",
        &format!("{OUTAGES}::a_refusal_of_our_own_credentials_is_an_outage_that_says_so"),
    );
    line.settle();
}

#[tokio::test]
async fn line_28_random_tokens_take_no_more_than_their_room() {
    let mut line = Line::new(28, "A flood of tokens that nobody issued");
    let (server, door) = door("cacheConfig = { capacity = 16 },").await;
    assert_eq!(door.knock("good").await.status, 200);
    for number in 0..300 {
        assert_eq!(door.knock(format!("made-up-{number}")).await.status, 401);
    }
    line.came("300 tokens that nobody issued, at a memory of 16", "401");
    let before = server.call_count();
    told(&mut line, "the good token from before", door.knock("good").await, "200");
    told(&mut line, "calls for it: it was not displaced", server.call_count() - before, "0");
    line.shown_by(
        "a flood, and the good ones",
        &format!("{CACHING}::made_up_tokens_fill_no_memory_and_displace_no_good_one"),
    );
    line.shown_by("the bytes of answers", &format!("{CACHING}::the_memory_that_answers_take_is_bounded"));
    line.settle();
}

#[tokio::test]
async fn line_29_no_token_rests_where_answers_are_remembered() {
    let mut line = Line::new(29, "Traces of introspected tokens");
    let clock = ManualClock::at(NOW);
    let server = TestIntrospection::start().await;
    let door = Door::open_at(&clock, &asking(&server, "\"hello\"", CACHED), &[]).await;
    let token = "canary-4711-opaque";
    server.grant(token, json!({"sub": "alice", "scope": "hello", "token": token, "jti": token}));
    assert_eq!(door.knock(token).await.status, 200);
    assert_eq!(door.knock(format!("{token}-inactive")).await.status, 401);
    server.answer_raw("canary-broken", "{\"active\":\"canary-body");
    assert_eq!(door.knock("canary-broken").await.status, 503);
    server.go_down().await;
    assert_eq!(door.knock("canary-away").await.status, 503);
    told(&mut line, "the token, remembered", door.knock(token).await, "200");
    for (what, text) in [
        ("Debug of the service", format!("{:?}", door.auth)),
        ("the log of accepted, refused and failed questions", door.log.text()),
    ] {
        assert!(!text.is_empty() && !text.contains("canary"), "{what}: {text}");
        line.came(what, "no token");
    }
    line.shown_by(
        "everything that the memory holds, letter by letter, also where the server repeats the token",
        &format!("{SECRETS}::no_token_rests_in_the_cache_though_the_server_repeats_it"),
    );
    line.shown_by(
        "logs of the libraries beneath, errors and states",
        &format!("{SECRETS}::nothing_beneath_logs_a_secret_in_either_version_of_http"),
    );
    line.shown_by(
        "both steps to the key of an entry are keyed",
        "crates/providers/oauth2/src/prf.rs::every_step_is_keyed",
    );
    line.settle();
}
