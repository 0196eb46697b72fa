//! A server that cannot tell.

use std::{sync::Arc, time::Duration};

use http::{Response, StatusCode};
use portcullis_core::{Context, Outcome, Provider as _, QueueState};
use portcullis_testing::{ManualClock, TestServer};
use serde_json::json;

use super::{Bench, CacheConfig, TOKEN, ask, code, known, unavailable, until};
use crate::fixtures::Log;

fn json_answer(status: u16, body: &str) -> Response<String> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(body.to_owned())
        .unwrap()
}

#[tokio::test]
async fn only_200_says_something_about_the_token() {
    let bench = Bench::new().await;
    let active = r#"{"active":true,"sub":"alice"}"#;
    for status in [201, 202, 203, 204, 206, 404, 405, 410, 418, 429, 500, 501, 502, 503, 504] {
        bench.server.answer_with(json_answer(status, if status == 204 { "" } else { active }));
        let reason = unavailable(bench.ask(TOKEN).await);
        assert!(reason.contains(&format!("{} answered {status}", bench.server.url())), "{reason}");
    }
    for status in [301, 302, 303, 307, 308] {
        let redirect = Response::builder().status(status).header("location", "/elsewhere").body("").unwrap();
        bench.server.answer_with(redirect);
        unavailable(bench.ask(TOKEN).await);
    }
    assert!(bench.server.calls().iter().all(|call| call.path() == "/introspect"), "no redirect is followed");
    bench.server.answer_with(json_answer(200, active));
    known(bench.ask(TOKEN).await);
}

#[tokio::test]
async fn a_refusal_of_our_own_credentials_is_an_outage_that_says_so() {
    let bench = Bench::new().await;
    for (status, body, shown) in [
        (401, "", "401"),
        (401, r#"{"error":"invalid_client","error_description":"canary"}"#, r#"401 ("invalid_client")"#),
        (403, r#"{"error":"insufficient_scope"}"#, r#"403 ("insufficient_scope")"#),
        (400, r#"{"error":"invalid_client"}"#, r#"400 ("invalid_client")"#),
        (400, r#"{"error":"unauthorized_client"}"#, r#"400 ("unauthorized_client")"#),
        (401, r#"{"error":"canary\n\u001b[31m"}"#, "401 (an error code that is not known)"),
        (401, r#"{"error":"unsupported_token_type"}"#, r#"401 ("unsupported_token_type")"#),
    ] {
        bench.server.answer_with(json_answer(status, body));
        let reason = unavailable(bench.ask(TOKEN).await);
        assert!(reason.contains(&format!("refuses our own credentials, {shown}: set")), "{reason}");
        assert!(!reason.contains("canary"), "{reason}");
    }
    for (body, shown) in [
        ("", "400"),
        ("<html>", "400"),
        (r#"{"error":"invalid_request"}"#, r#"400 ("invalid_request")"#),
        (r#"{"error":5}"#, "400"),
    ] {
        bench.server.answer_with(json_answer(400, body));
        let reason = unavailable(bench.ask(TOKEN).await);
        assert!(reason.ends_with(&format!("answered {shown}")), "{reason}");
    }
}

#[tokio::test]
async fn a_token_that_the_server_does_not_introspect_is_refused() {
    let bench = Bench::remembering().await;
    bench.server.answer_as("a.b.c", json_answer(400, r#"{"error":"unsupported_token_type"}"#));
    assert_eq!(bench.code("a.b.c").await, "unsupported-token-type");
    assert_eq!(bench.code("a.b.c").await, "unsupported-token-type");
    assert_eq!(bench.server.call_count(), 1);
    assert!(bench.provider.servers()[0].usable, "who sends it cannot make the server look bad");
}

#[tokio::test]
async fn the_servers_word_on_when_to_come_again_is_passed_on() {
    let bench = Bench::new().await;
    for (status, value, expected) in [
        (503, Some("120"), Some(Duration::from_secs(120))),
        (429, Some("7"), Some(Duration::from_secs(7))),
        (503, None, None),
        (503, Some("soon"), None),
    ] {
        let mut answer = Response::builder().status(status);
        if let Some(value) = value {
            answer = answer.header("retry-after", value);
        }
        bench.server.answer_with(answer.body("").unwrap());
        match bench.ask(TOKEN).await {
            Outcome::Unavailable(unavailable) => assert_eq!(unavailable.retry_after(), expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_goes_away_and_comes_back_is_believed_again_at_once() {
    let bench = Bench::remembering().await;
    let credential_of = "another";
    bench.server.grant(credential_of, json!({"sub": "bob"}));
    bench.known(TOKEN).await;
    bench.server.go_down().await;
    bench.known(TOKEN).await;
    for _ in 0..2 {
        let reason = unavailable(bench.ask(credential_of).await);
        assert!(
            reason.starts_with("the introspection endpoint cannot be asked: http://127.0.0.1:"),
            "{reason}"
        );
    }
    bench.server.come_back().await;
    assert_eq!(bench.known(credential_of).await.subject(), Some("bob"));
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_is_an_outage() {
    let bench = Bench::new().await;
    let hold = bench.server.hold();
    let asking = tokio::spawn({
        let (provider, clock) = (bench.provider.clone(), Arc::clone(&bench.clock));
        async move { ask(&provider, TOKEN, &Context::new(&clock)).await }
    });
    bench.server.called(1).await;
    bench.manual.advance(Duration::from_secs(10));
    let reason = unavailable(asking.await.unwrap());
    assert!(reason.contains("not answered within 10s"), "{reason}");
    hold.release();
    bench.known(TOKEN).await;
}

#[tokio::test]
async fn an_outage_is_logged_when_it_begins_and_when_it_ends() {
    let log = Log::default();
    let _guard = log.listen();
    let bench = Bench::new().await;
    bench.known(TOKEN).await;
    assert_eq!(log.lines(), [""; 0]);
    bench.server.fail_with(StatusCode::BAD_GATEWAY);
    for _ in 0..5 {
        unavailable(bench.ask(TOKEN).await);
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("answered 502"), "{lines:?}");
    bench.server.recover();
    for _ in 0..5 {
        bench.known(TOKEN).await;
        assert_eq!(bench.code("unknown").await, "inactive");
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains("INFO") && lines[1].contains("answers again"), "{lines:?}");
}

#[tokio::test]
async fn the_state_of_the_server_is_told_without_asking() {
    let bench = Bench::with(|config| config.cache(CacheConfig::default())).await;
    let state = || bench.provider.servers().remove(0).to_string();
    let url = bench.server.url();
    assert_eq!(state(), format!("introspection {url}: usable, 0 held"));
    bench.known(TOKEN).await;
    bench.manual.advance(Duration::from_secs(7));
    assert_eq!(state(), format!("introspection {url}: usable, 1 held, 7 s old"));
    bench.server.fail_with(StatusCode::INTERNAL_SERVER_ERROR);
    unavailable(bench.ask("other").await);
    assert_eq!(
        state(),
        format!("introspection {url}: not usable, 1 held, 7 s old, last error: answered 500")
    );
    bench.server.recover();
    assert_eq!(bench.code("other").await, "inactive");
    assert_eq!(state(), format!("introspection {url}: usable, 2 held, 0 s old"));
    assert!(bench.provider.can_revoke());
}

#[tokio::test]
async fn the_queues_tell_what_is_asked_and_who_waits() {
    let bench = Bench::new().await;
    let queues = |lookups, waiting| {
        [
            QueueState::new("introspection", lookups, 512),
            QueueState::new("introspection-waiting", waiting, 16_384),
        ]
    };
    assert_eq!(bench.provider.queues(), queues(0, 0));
    let hold = bench.server.hold();
    let callers = [TOKEN, TOKEN, TOKEN, "other"].map(|token| {
        let (provider, clock) = (bench.provider.clone(), Arc::clone(&bench.clock));
        tokio::spawn(async move { ask(&provider, token, &Context::new(&clock)).await })
    });
    until("four who wait for two answers", || bench.provider.queues() == queues(2, 4)).await;
    hold.release();
    for caller in callers {
        caller.await.unwrap();
    }
    until("the places to be free", || bench.provider.queues() == queues(0, 0)).await;
}

#[tokio::test]
async fn a_probe_says_what_is_wrong() {
    let bench = Bench::new().await;
    let probe = async || bench.provider.probe().await.remove(0);
    let answered = probe().await;
    assert_eq!((answered.role, answered.url.as_str()), ("introspection", bench.server.url().as_str()));
    assert_eq!(answered.result.unwrap(), "answers; a token that nobody issued is not active");
    let call = bench.server.calls().remove(0);
    let token = call.parameter("token").unwrap();
    assert!(token.starts_with("portcullis-probe-") && token.len() > 40, "{token}");

    for (answer, expected) in [
        (json_answer(200, r#"{"active":true}"#), "it would let everybody in"),
        (json_answer(200, r#"{"active":"no"}"#), "no boolean `active`"),
        (json_answer(200, "{}"), "no boolean `active`"),
        (json_answer(200, "<html>"), "is not JSON"),
        (json_answer(401, r#"{"error":"invalid_client"}"#), "refuses our own credentials, 401"),
        (json_answer(404, ""), "answered 404"),
    ] {
        bench.server.answer_with(answer);
        let error = probe().await.result.unwrap_err();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    }
    bench.server.answer_with(json_answer(400, r#"{"error":"unsupported_token_type"}"#));
    assert_eq!(probe().await.result.unwrap(), "answers; some tokens it does not introspect");
    bench.server.go_down().await;
    let error = probe().await.result.unwrap_err();
    assert!(error.starts_with("cannot be asked: http://127.0.0.1"), "{error}");
}

#[tokio::test]
async fn a_call_that_began_before_the_server_came_back_does_not_make_it_look_bad() {
    use super::super::health::Health;
    let health = Health::default();
    let state = || health.state("u".to_owned(), None, Some(Duration::from_secs(9)));
    health.failed(1, "answered 500", "u");
    assert!(!state().usable);
    health.answered(3, Duration::from_secs(5), "u");
    health.failed(2, "not answered within 10s", "u");
    assert!(state().usable);
    assert_eq!(state().age, Some(Duration::from_secs(4)));
    health.failed(4, "answered 503", "u");
    health.answered(3, Duration::from_secs(6), "u");
    assert_eq!(state().last_error.as_deref(), Some("answered 503"));
}

#[tokio::test]
async fn a_huge_or_endless_answer_is_an_outage() {
    let bench = Bench::new().await;
    bench.server.answer_raw(TOKEN, format!(r#"{{"active":true,"x":"{}"}}"#, "x".repeat(2 << 20)));
    unavailable(bench.ask(TOKEN).await);
    assert_eq!(code(bench.ask("other").await), "inactive");
}

#[tokio::test]
async fn a_token_of_our_own_that_cannot_be_had_is_an_outage() {
    use crate::{ClientCredentials, ClientCredentialsConfig};
    use portcullis_outbound::Endpoint;
    let tokens = TestServer::start(|_| {
        let mut answer = Response::new(r#"{"error":"invalid_client"}"#.into());
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        answer
    })
    .await;
    let endpoint = Endpoint::parse(&format!("{}/token", tokens.origin())).unwrap();
    let clock = Arc::new(ManualClock::at(crate::fixtures::NOW));
    let source =
        ClientCredentials::new(ClientCredentialsConfig::new(endpoint, "app", "canary").clock(clock)).unwrap();
    let bench = Bench::with(|config| {
        let client = config.client.clone().auth(Arc::new(source));
        config.client(client)
    })
    .await;
    let reason = unavailable(bench.ask(TOKEN).await);
    assert!(reason.contains("there is no token to call it with"), "{reason}");
    assert!(reason.contains(r#"refuses the client, 401 ("invalid_client")"#), "{reason}");
    assert!(!reason.contains("canary"), "{reason}");
    assert_eq!(bench.server.call_count(), 0, "nothing goes out unauthenticated");
    let probes = bench.provider.probe().await;
    assert_eq!(probes.iter().map(|probe| probe.role).collect::<Vec<_>>(), ["introspection", "token"]);
    assert!(probes.iter().all(|probe| probe.result.is_err()));
}
