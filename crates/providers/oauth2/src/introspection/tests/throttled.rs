//! Tokens that the server would have to be asked about, where there were too many that it does not know.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::join_all};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header::AUTHORIZATION};
use portcullis_core::{Auth, RequestHead, RequiredScopes, Step, Throttle};

use super::{Bench, TOKEN, until};

async fn status(auth: &Auth, from: [u8; 4], token: &str) -> u16 {
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let head = RequestHead::new(&Method::GET, "/", &headers).with_client(Some(from.into()));
    auth.decided(&head).await.map_or_else(|rejection| rejection.status().as_u16(), |_| 200)
}

fn throttled(bench: &Bench) -> Auth {
    Auth::builder()
        .element(bench.provider.clone(), RequiredScopes::anyone())
        .throttle(Throttle::new().per_address(3))
        .clock(Arc::clone(&bench.clock))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_delayed_address_asks_about_no_new_token_and_goes_on_with_those_that_are_remembered() {
    let bench = Bench::remembering().await;
    let auth = throttled(&bench);
    let (here, elsewhere) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    assert_eq!(status(&auth, here, TOKEN).await, 200);
    for token in ["unknown-1", "unknown-2", "unknown-3"] {
        assert_eq!(status(&auth, here, token).await, 401);
    }
    let calls = bench.server.call_count();
    assert_eq!(calls, 4);
    for _ in 0..100 {
        assert_eq!(status(&auth, here, "unknown-4").await, 429);
        assert_eq!(status(&auth, here, TOKEN).await, 200);
        assert_eq!(status(&auth, here, "unknown-1").await, 401, "remembered as unknown: nobody is asked");
    }
    assert_eq!(bench.server.call_count(), calls);
    assert_eq!(status(&auth, elsewhere, "unknown-4").await, 401);
    bench.manual.advance(Duration::from_secs(1));
    assert_eq!(status(&auth, here, "unknown-5").await, 401);
    assert_eq!(status(&auth, here, "unknown-6").await, 429);
}

#[tokio::test]
async fn good_tokens_and_outages_count_for_nobody() {
    let bench = Bench::new().await;
    let auth = throttled(&bench);
    for _ in 0..20 {
        assert_eq!(status(&auth, [192, 0, 2, 1], TOKEN).await, 200);
    }
    bench.server.fail_with(StatusCode::BAD_GATEWAY);
    for _ in 0..20 {
        assert_eq!(status(&auth, [192, 0, 2, 1], "unknown").await, 503);
    }
    assert_eq!(auth.throttle().unwrap().counted(), [0, 0, 0]);
}

/// A page whose token has ended, and everybody else behind the same address.
#[tokio::test]
async fn requests_that_share_a_question_are_one_failure_of_their_address() {
    let bench = Bench::new().await;
    let auth = throttled(&bench);
    let from = [192, 0, 2, 1];
    for page in 1..=3 {
        let requests = (0..20).map(|_| status(&auth, from, "ended"));
        assert_eq!(join_all(requests).await, [401; 20], "{page}");
        assert_eq!(bench.server.call_count(), page);
    }
    assert_eq!(status(&auth, from, TOKEN).await, 429, "three questions, and not sixty");
    bench.manual.advance(Duration::from_secs(1));
    assert_eq!(status(&auth, from, TOKEN).await, 200);
}

#[tokio::test]
async fn who_hangs_up_is_counted_by_what_the_server_says_then() {
    let bench = Bench::remembering().await;
    let auth = throttled(&bench);
    let from = [192, 0, 2, 1];
    // Good ones, as of a browser that leaves the page.
    for number in 0..20 {
        let token = format!("good-{number}");
        bench.server.grant(&token, serde_json::json!({"sub": "alice"}));
        hang_up(&auth, from, &token);
    }
    until("the answers", || bench.len() == 20).await;
    for number in 0..3 {
        assert_eq!(auth.throttle().unwrap().counted()[0], usize::from(number > 0));
        hang_up(&auth, from, &format!("unknown-{number}"));
        until("the answer", || bench.len() == 21 + number).await;
    }
    let calls = bench.server.call_count();
    until("the count", || auth.throttle().unwrap().counted()[0] == 1).await;
    assert_eq!(status(&auth, from, "unknown-3").await, 429);
    assert_eq!(bench.server.call_count(), calls);
}

/// A request whose sender is gone at once.
fn hang_up(auth: &Auth, from: [u8; 4], token: &str) {
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let head = RequestHead::new(&Method::GET, "/", &headers).with_client(Some(from.into()));
    let Step::Wait(mut deciding) = auth.decide(&head) else { panic!("nobody is asked") };
    assert!((&mut deciding).now_or_never().is_none());
}
