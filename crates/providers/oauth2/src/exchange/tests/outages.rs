//! An endpoint that is away, or does not know us.

use http::{Response, StatusCode};
use portcullis_core::TokenSource as _;

use super::{Bench, secs, text};
use crate::fixtures::Log;

#[tokio::test]
async fn an_endpoint_that_is_away_is_left_alone_by_all() {
    let bench = Bench::new().await;
    bench.server.go_down().await;
    let error = bench.error("one").await;
    assert!(error.is_transient());
    let whole = format!("{error:?}");
    assert!(whole.contains("cannot be asked") && whole.contains(&bench.server.url()), "{whole}");
    bench.server.come_back().await;
    // Another caller is told the same, without asking.
    let other = bench.error("two").await;
    assert_eq!(format!("{other:?}"), whole);
    assert_eq!(other.retry_after(), Some(secs(1)));
    assert_eq!(bench.calls(), 0);
    bench.advance(1);
    assert_eq!(bench.text("two").await, "access-1");
    assert_eq!(bench.text("one").await, "access-2");
}

#[tokio::test]
async fn what_every_caller_would_be_told_is_an_outage() {
    for (status, body, transient) in [
        (503, "", true),
        (502, "", true),
        (504, "", true),
        (429, "", true),
        (400, r#"{"error":"temporarily_unavailable"}"#, true),
        (401, r#"{"error":"invalid_client"}"#, false),
        (401, "", false),
        (401, r#"{"error":"who_are_you"}"#, false),
        (400, r#"{"error":"invalid_client"}"#, false),
        (400, r#"{"error":"unauthorized_client"}"#, false),
        (400, r#"{"error":"unsupported_grant_type"}"#, false),
        (404, "", false),
        (404, r#"{"error":"no such realm"}"#, false),
        (503, r#"{"error":"invalid_grant"}"#, true),
        (405, "", false),
    ] {
        let bench = Bench::new().await;
        bench.answer_next(StatusCode::from_u16(status).unwrap(), body);
        let error = bench.error("one").await;
        assert_eq!(error.is_transient(), transient, "{error}");
        let other = bench.error("two").await;
        assert_eq!(other.to_string(), error.to_string());
        assert_eq!(other.retry_after(), Some(secs(1)), "{error}");
        assert_eq!(bench.calls(), 1, "{error}");
        bench.advance(1);
        bench.token("two").await;
    }
}

#[tokio::test]
async fn a_client_that_is_not_known_is_told_what_to_check() {
    let bench = Bench::new().await;
    bench.server.require_client("gateway", "another");
    let error = bench.error("one").await;
    assert!(
        error
            .to_string()
            .ends_with("refuses the client, 401 (\"invalid_client\"): check `clientId` and `clientSecret`"),
        "{error}"
    );
}

#[tokio::test]
async fn retry_after_is_waited_for_by_all() {
    for status in [429, 500, 503] {
        let bench = Bench::new().await;
        let busy = Response::builder().status(status).header("retry-after", "30").body("").unwrap();
        bench.server.answer_next_with(busy);
        assert_eq!(bench.error("one").await.retry_after(), Some(secs(30)));
        bench.advance(29);
        assert_eq!(bench.error("two").await.retry_after(), Some(secs(1)));
        assert_eq!(bench.calls(), 1);
        bench.advance(1);
        bench.token("two").await;
    }
}

#[tokio::test]
async fn one_exchange_tries_whether_it_is_back() {
    let bench = Bench::new().await;
    bench.server.fail_with(StatusCode::SERVICE_UNAVAILABLE);
    bench.error("one").await;
    bench.advance(1);
    let hold = bench.server.hold();
    let trying = bench.spawn("one");
    bench.server.called(2).await;
    for caller in ["two", "three"] {
        let error = bench.error(caller).await;
        assert!(error.is_transient());
        assert_eq!(error.retry_after(), Some(secs(1)));
    }
    let joined = bench.spawn("one");
    tokio::task::yield_now().await;
    assert_eq!(bench.calls(), 2);
    bench.server.recover();
    hold.release();
    assert_eq!(text(&trying.await.unwrap().unwrap()), "access-1");
    joined.await.unwrap().unwrap();
    bench.token("two").await;
    bench.token("three").await;
}

#[tokio::test]
async fn who_is_refused_shows_that_it_is_back() {
    let bench = Bench::new().await;
    bench.server.fail_with(StatusCode::SERVICE_UNAVAILABLE);
    bench.error("bad").await;
    bench.server.recover();
    bench.server.accept_subject("good");
    bench.advance(1);
    bench.error("bad").await;
    bench.token("good").await;
}

#[tokio::test]
async fn tokens_at_hand_are_used_until_they_end() {
    let bench = Bench::new().await;
    bench.server.expires_in(Some(100));
    let source = bench.of("one");
    source.token().await.unwrap();
    bench.server.go_down().await;
    let mut asked = 0;
    for _ in 0..100 {
        assert_eq!(text(&source.try_token().unwrap()), "access-1");
        asked += bench.exchange.on_their_way();
        bench.quiet().await;
        bench.advance(1);
    }
    // From the 75th to the 85th second on, after 1, 2, 4, 5, 5… seconds.
    assert!((4..=7).contains(&asked), "{asked}");
    let error = source.token().await.unwrap_err();
    let whole = format!("{error:?}");
    assert!(error.is_transient() && whole.contains(&bench.server.url()), "{whole}");
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_an_outage_when_the_call_is_late() {
    let bench = Bench::new().await;
    let _hold = bench.server.hold();
    let waiting = bench.spawn("one");
    bench.server.called(1).await;
    bench.advance(10);
    let error = waiting.await.unwrap().unwrap_err();
    assert!(format!("{error:?}").contains("not answered within 10s"), "{error:?}");
    assert!(bench.error("two").await.is_transient());
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn an_outage_is_logged_when_it_begins_and_when_it_ends() {
    let log = Log::default();
    let _guard = log.listen();
    let bench = Bench::new().await;
    bench.server.accept_subject("one");
    bench.server.accept_subject("two");
    bench.error("bad").await;
    assert!(log.lines().is_empty(), "a caller's own trouble is told to the caller");
    bench.server.fail_with(StatusCode::SERVICE_UNAVAILABLE);
    for caller in ["one", "two"] {
        bench.error(caller).await;
        bench.advance(1);
        bench.error(caller).await;
        bench.advance(5);
    }
    bench.server.recover();
    bench.token("one").await;
    bench.token("two").await;
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("no token could be exchanged"), "{lines:?}");
    assert!(lines[0].contains("answered 503") && lines[0].contains(&bench.server.url()), "{lines:?}");
    assert!(lines[1].contains("INFO") && lines[1].contains("tokens are exchanged again"), "{lines:?}");
}

#[tokio::test]
async fn a_probe_is_no_part_of_an_outage() {
    let bench = Bench::new().await;
    bench.server.accept_subject("one");
    bench.server.go_down().await;
    assert!(bench.exchange.probe().await[0].result.is_err());
    bench.server.come_back().await;
    bench.token("one").await;
}
