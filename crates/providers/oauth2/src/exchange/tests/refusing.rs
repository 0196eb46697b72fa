//! Services that refuse a token, and an endpoint that refuses a caller.

use http::StatusCode;

use super::{super::ExchangeCacheConfig, Bench, bearer, secs, text};

#[tokio::test]
async fn a_token_that_a_service_refuses_is_exchanged_anew_once_per_interval() {
    let bench = Bench::new().await;
    let source = bench.of("one");
    let first = source.token().await.unwrap();
    assert!(source.refused(&first));
    assert_eq!(source.try_token(), None);
    let second = source.token().await.unwrap();
    assert_eq!(text(&second), "access-2");
    // Whoever was refused with the one of before finds another.
    assert!(source.refused(&first));
    assert!(!source.refused(&second), "a moment later nothing is asked for again");
    assert_eq!(source.try_token().as_ref(), Some(&second));
    bench.advance(9);
    assert!(!source.refused(&second));
    bench.advance(1);
    assert!(source.refused(&second));
    assert_eq!(text(&source.token().await.unwrap()), "access-3");
    assert_eq!(bench.calls(), 3);
}

#[tokio::test]
async fn the_interval_is_each_callers_own_and_can_be_configured() {
    let bench = Bench::with(|config| config.min_refresh_interval(secs(60))).await;
    let (one, two) = (bench.of("one"), bench.of("two"));
    let (first, other) = (one.token().await.unwrap(), two.token().await.unwrap());
    assert!(one.refused(&first));
    assert!(two.refused(&other), "it is another caller's");
    let first = one.token().await.unwrap();
    bench.advance(59);
    assert!(!one.refused(&first));
    // A new source of the same caller makes no difference.
    assert!(!bench.of("one").refused(&first));
    bench.advance(1);
    assert!(bench.of("one").refused(&first));
}

#[tokio::test]
async fn many_who_are_refused_at_once_cause_one_exchange() {
    let bench = Bench::new().await;
    let first = bench.token("one").await;
    for _ in 0..100 {
        assert!(bench.of("one").refused(&first), "another one will be had");
    }
    let hold = bench.server.hold();
    let callers: Vec<_> = (0..100).map(|_| bench.spawn("one")).collect();
    bench.server.called(2).await;
    for _ in 0..100 {
        assert!(bench.of("one").refused(&first), "another one is on its way");
    }
    hold.release();
    for caller in callers {
        assert_eq!(text(&caller.await.unwrap().unwrap()), "access-2");
    }
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn a_service_that_refuses_every_token_causes_one_exchange_per_interval() {
    for lives in [3600, 0] {
        let bench = Bench::new().await;
        bench.server.expires_in(Some(lives));
        let source = bench.of("one");
        let mut forced = 0;
        for _ in 0..30 {
            let token = source.token().await.unwrap();
            forced += usize::from(source.refused(&token));
            bench.advance(1);
        }
        assert_eq!(forced, 3, "in half a minute");
    }
}

#[tokio::test]
async fn so_does_one_that_refuses_the_same_token_again_and_again() {
    for lives in [3600, 0] {
        let bench = Bench::new().await;
        bench.server.expires_in(Some(lives));
        bench.server.member("access_token", "same");
        let source = bench.of("one");
        let mut forced = 0;
        for _ in 0..30 {
            let token = source.token().await.unwrap();
            if source.refused(&token) {
                forced += 1;
                source.token().await.unwrap();
            }
            bench.advance(1);
        }
        let anyway = if lives == 0 { 30 } else { 1 };
        assert_eq!((forced, bench.calls()), (3, anyway + 3), "in half a minute");
    }
}

#[tokio::test]
async fn a_token_of_others_is_no_reason_to_drop_one() {
    let bench = Bench::new().await;
    let source = bench.of("one");
    let token = source.token().await.unwrap();
    assert!(source.refused(&bearer("of-somebody-else")));
    assert_eq!(source.try_token(), Some(token));
}

#[tokio::test]
async fn a_caller_who_is_refused_is_told_for_five_seconds_and_is_nobody_elses_matter() {
    for (status, code) in [
        (StatusCode::BAD_REQUEST, "invalid_request"),
        (StatusCode::BAD_REQUEST, "invalid_grant"),
        // Some servers think that a bad token calls for this status.
        (StatusCode::UNAUTHORIZED, "invalid_grant"),
        (StatusCode::UNAUTHORIZED, "invalid_token"),
        (StatusCode::OK, "invalid_grant"),
    ] {
        let bench = Bench::new().await;
        bench.answer_next(status, &format!(r#"{{"error":"{code}","error_description":"no such session"}}"#));
        let error = bench.error("bad").await;
        assert!(!error.is_transient());
        assert_eq!(error.retry_after(), None);
        assert_eq!(
            error.to_string(),
            format!(
                "the token endpoint {} does not exchange the caller's token, {} (\"{code}\"): only the caller \
                 can come with another one",
                bench.server.url(),
                status.as_u16(),
            )
        );
        assert_eq!(bench.text("good").await, "access-1");
        bench.advance(4);
        assert_eq!(bench.error("bad").await.to_string(), error.to_string());
        assert_eq!(bench.calls(), 2);
        bench.advance(1);
        assert_eq!(bench.text("bad").await, "access-2");
    }
}

#[tokio::test]
async fn a_refusal_is_shared_by_all_who_wait_for_it() {
    let bench = Bench::new().await;
    bench.server.accept_subject("another");
    let hold = bench.server.hold();
    let callers: Vec<_> = (0..10).map(|_| bench.spawn("bad")).collect();
    bench.server.called(1).await;
    hold.release();
    for caller in callers {
        assert!(!caller.await.unwrap().unwrap_err().is_transient());
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn how_long_a_refusal_is_remembered_can_be_configured() {
    let remembering =
        |span| Bench::with(move |config| config.cache(ExchangeCacheConfig::default().negative_max_age(span)));
    let bench = remembering(secs(60)).await;
    bench.server.accept_subject("good");
    bench.error("bad").await;
    bench.advance(59);
    bench.error("bad").await;
    assert_eq!(bench.calls(), 1);
    let bench = remembering(secs(0)).await;
    bench.server.accept_subject("good");
    bench.error("bad").await;
    bench.error("bad").await;
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn callers_who_are_refused_displace_no_token() {
    let bench = Bench::with(|config| config.cache(ExchangeCacheConfig::default().capacity(10))).await;
    bench.server.accept_subject("good");
    let good = bench.token("good").await;
    for number in 0..100 {
        bench.error(&format!("bad-{number}")).await;
    }
    assert_eq!(bench.of("good").try_token(), Some(good));
}

#[tokio::test]
async fn an_endpoint_that_fails_for_one_caller_serves_the_others() {
    for (status, body, transient, says) in [
        (500, "", true, "answered 500"),
        (500, r#"{"error":"server_error"}"#, true, r#"answered 500 ("server_error")"#),
        (
            403,
            r#"{"error":"access_denied"}"#,
            false,
            r#"does not exchange the caller's token, 403 ("access_denied")"#,
        ),
        (
            400,
            r#"{"error":"invalid_target"}"#,
            false,
            r#"does not exchange the caller's token, 400 ("invalid_target")"#,
        ),
        (
            400,
            r#"{"error":"invalid_scope"}"#,
            false,
            r#"does not exchange the caller's token, 400 ("invalid_scope")"#,
        ),
        (
            400,
            r#"{"error":"interaction_required"}"#,
            false,
            r#"does not exchange the caller's token, 400 ("interaction_required")"#,
        ),
        (400, "<html>", false, "answered 400"),
        (413, "", false, "answered 413"),
        (200, "<html>", false, "gave an answer that"),
        (200, r#"{"error":"invalid_scope"}"#, false, r#"answered 200 ("invalid_scope")"#),
        (200, r#"{"error":"interaction_required"}"#, false, r#"answered 200 ("interaction_required")"#),
    ] {
        let bench = Bench::new().await;
        bench.answer_next(StatusCode::from_u16(status).unwrap(), body);
        let error = bench.error("bad").await;
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.is_transient(), transient, "{error}");
        assert_eq!(bench.text("good").await, "access-1");
        bench.advance(4);
        let error = bench.error("bad").await;
        assert_eq!(error.retry_after(), transient.then_some(secs(1)));
        assert_eq!(bench.calls(), 2, "{says}");
        bench.advance(1);
        assert_eq!(bench.text("bad").await, "access-2");
    }
}

#[tokio::test]
async fn an_answer_over_the_bound_is_one_callers_matter() {
    let bench = Bench::with(|config| {
        let client = config.settings.client.clone().max_body_bytes(1_000);
        config.client(client)
    })
    .await;
    bench.answer_next(StatusCode::OK, &"x".repeat(1_001));
    let error = bench.error("bad").await;
    assert!(format!("{error:?}").contains("1000 bytes"), "{error:?}");
    bench.token("good").await;
}

#[tokio::test]
async fn a_refusal_while_a_token_is_at_hand_takes_nothing_away() {
    let bench = Bench::new().await;
    bench.server.expires_in(Some(100));
    let source = bench.of("one");
    source.token().await.unwrap();
    bench.advance(85);
    bench.server.accept_subject("another");
    for second in 0..15 {
        assert_eq!(text(&source.try_token().unwrap()), "access-1", "{second}");
        bench.quiet().await;
        bench.advance(1);
    }
    assert_eq!(bench.calls(), 1 + 3, "every five seconds");
    assert_eq!(source.try_token(), None);
    assert!(!source.token().await.unwrap_err().is_transient());
}
