//! When there is no token to be had.

use portcullis_core::TokenError;

use super::{Bench, SECOND, down, settle};
use crate::{fixtures::Log, grant::keeper::BACK_OFF_MOST};

#[tokio::test]
async fn the_old_token_serves_while_it_lives_and_failures_are_tried_again_more_and_more_rarely() {
    let bench = Bench::new();
    bench.will(Ok(("first", 1_000)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(900 * SECOND);
    // 90 s are left. Each try is asked for-every half second.
    let mut tries = Vec::new();
    for half in 0..180_u32 {
        let calls = bench.calls();
        bench.will(Err(down()));
        assert_eq!(bench.token().await, "first");
        settle().await;
        if bench.calls() > calls {
            tries.push(half);
        }
        bench.server.ready.lock().unwrap().clear();
        bench.clock.advance(SECOND / 2);
    }
    let pauses: Vec<u32> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((5..=8).contains(&tries.len()), "{tries:?}");
    for (position, pause) in pauses.iter().enumerate() {
        // 1, 2, 4, ... s, a quarter more or less, seen every half second.
        let expected = 2_u32 << position;
        assert!(*pause >= expected * 3 / 4 && *pause <= expected * 5 / 4 + 1, "{pauses:?}");
    }
    // The server comes back before the token's end.
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Err(down())).will(Ok(("second", 100)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(90 * SECOND);
    assert_eq!(bench.token().await, "first");
    bench.until_called(2).await;
    settle().await;
    bench.clock.advance(2 * SECOND);
    assert_eq!(bench.token().await, "first");
    bench.until_called(3).await;
    settle().await;
    assert_eq!(bench.token().await, "second");
}

#[tokio::test]
async fn without_a_token_callers_get_the_error_and_the_server_some_rest() {
    let bench = Bench::new();
    bench.will(Err(down()));
    assert_eq!(bench.error().await.to_string(), "down");
    let error = bench.error().await;
    assert_eq!(bench.calls(), 1, "no call for a while");
    assert!(error.is_transient());
    let after = error.retry_after().unwrap();
    assert!(after >= SECOND * 3 / 4 && after <= SECOND * 5 / 4, "{after:?}");

    bench.clock.advance(SECOND * 5 / 4);
    bench.will(Ok(("first", 100)));
    assert_eq!(bench.token().await, "first");
    assert_eq!(bench.calls(), 2);

    // However long it fails, somebody who waits is tried for within five seconds.
    let bench = Bench::new();
    for _ in 0..20 {
        bench.will(Err(down()));
        let calls = bench.calls();
        bench.error().await;
        assert_eq!(bench.calls(), calls + 1);
        assert!(bench.error().await.retry_after().unwrap() <= 5 * SECOND);
        bench.clock.advance(5 * SECOND);
    }
}

#[tokio::test]
async fn the_servers_word_on_when_to_come_again_is_kept_for_a_minute_at_most() {
    let bench = Bench::new();
    bench.will(Err(down().with_retry_after(30 * SECOND)));
    bench.error().await;
    bench.clock.advance(29 * SECOND);
    bench.error().await;
    assert_eq!(bench.calls(), 1);
    bench.clock.advance(SECOND);
    bench.will(Err(down().with_retry_after(86_400 * SECOND)));
    bench.error().await;
    assert_eq!(bench.calls(), 2);
    bench.clock.advance(60 * SECOND);
    bench.will(Ok(("first", 100)));
    assert_eq!(bench.token().await, "first");
}

#[tokio::test]
async fn so_it_is_where_there_is_a_token_to_go_on_with() {
    let bench = Bench::new();
    bench.will(Ok(("first", 1_000))).will(Err(down().with_retry_after(30 * SECOND)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(900 * SECOND);
    for _ in 0..30 {
        assert_eq!(bench.token().await, "first");
        settle().await;
        bench.clock.advance(SECOND);
    }
    assert_eq!(bench.calls(), 2);
    bench.will(Ok(("second", 1_000)));
    assert_eq!(bench.token().await, "first");
    bench.until_called(3).await;
    settle().await;
    assert_eq!(bench.token().await, "second");
}

#[tokio::test]
async fn an_outage_is_logged_when_it_begins_and_when_it_ends_and_no_token_ever() {
    let log = Log::default();
    let _guard = log.listen();
    let bench = Bench::new();
    for _ in 0..3 {
        bench.will(Err(down().with_source(std::io::Error::other("cause"))));
        bench.error().await;
        bench.clock.advance(5 * SECOND);
    }
    assert_eq!(log.lines().len(), 1, "{:?}", log.lines());
    assert!(log.lines()[0].contains("down: cause") && log.lines()[0].contains("https://localhost/token"));
    bench.will(Ok(("canary", 100)));
    bench.token().await;
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains("tokens are fetched again"), "{lines:?}");
    assert!(!log.text().contains("canary") && !format!("{:?}", bench.keeper).contains("canary"));
}

#[tokio::test]
async fn with_the_endpoint_down_calls_go_on_until_the_very_end_of_the_token() {
    let bench = Bench::new();
    let will_fail = || {
        bench.server.ready.lock().unwrap().clear();
        bench.will(Err(TokenError::transient("the token endpoint https://localhost/token cannot be asked")));
    };
    bench.will(Ok(("first", 100)));
    assert_eq!(bench.token().await, "first");
    for _ in 0..99 {
        bench.clock.advance(SECOND);
        will_fail();
        assert_eq!(bench.token().await, "first");
        settle().await;
    }
    assert!(bench.calls() > 2, "it was tried again");
    bench.clock.advance(SECOND);
    will_fail();
    let error = bench.error().await;
    assert_eq!(error.to_string(), "the token endpoint https://localhost/token cannot be asked");
    assert!(error.is_transient());
}

#[tokio::test]
async fn what_only_people_can_mend_is_not_tried_again_and_again() {
    let bench = Bench::new();
    let refused = || TokenError::permanent("refused").with_retry_after(BACK_OFF_MOST);
    bench.will(Err(refused())).will(Ok(("first", 100)));
    for second in 0..60 {
        let error = bench.error().await;
        assert_eq!((error.to_string().as_str(), error.is_transient()), ("refused", false));
        assert_eq!(error.retry_after(), Some((60 - second) * SECOND));
        bench.clock.advance(SECOND);
    }
    assert_eq!(bench.token().await, "first");
    assert_eq!(bench.calls(), 2);
}
