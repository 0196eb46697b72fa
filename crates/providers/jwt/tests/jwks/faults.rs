//! An issuer that is away, slow, or answers something else.

use std::time::Duration;

use http::{Response, StatusCode, header};
use portcullis_core::{Bearer, Context, Credential, Provider as _};
use portcullis_jwt::JwtValidator;
use portcullis_outbound::ClientConfig;
use portcullis_testing::TestIssuer;

use super::Bench;

#[tokio::test]
async fn a_service_starts_without_its_issuer_and_is_right_once_that_is_there() {
    let bench = Bench::new().await;
    bench.issuer.go_down().await;
    let validator = bench.validator(bench.by_discovery());
    validator.prepare().await.unwrap();
    let told = bench.ask(&validator, &bench.token().sign()).await;
    assert!(told.starts_with("unavailable: the keys cannot be fetched: http://127.0.0.1:"), "{told}");
    assert_eq!(bench.ask(&validator, "abc").await, "malformed-token", "what is no token is none");
    bench.issuer.come_back().await;
    assert_eq!(bench.ask(&validator, &bench.token().sign()).await, "known");
}

#[tokio::test]
async fn a_service_that_cannot_do_without_its_keys_does_not_start_without() {
    let bench = Bench::new().await;
    let url = bench.issuer.jwks_url();
    bench.issuer.go_down().await;
    let validator = bench.validator(bench.by_url().preload(true));
    let error = validator.prepare().await.unwrap_err().to_string();
    let expected = format!("the keys cannot be fetched, and preload = true asks for them at start: {url}: ");
    assert!(error.starts_with(&expected) && error.len() > expected.len(), "{error}");
    bench.issuer.come_back().await;
    validator.prepare().await.unwrap();
    assert_eq!(bench.issuer.fetches().jwks, 1);
    bench.issuer.go_down().await;
    assert_eq!(bench.ask(&validator, &bench.token().sign()).await, "known");
}

#[tokio::test]
async fn an_issuer_that_goes_away_leaves_its_keys_for_a_while() {
    let bench = Bench::new().await;
    let validator = bench.validator(bench.by_url());
    let token = || bench.token().sign();
    assert_eq!(bench.ask(&validator, &token()).await, "known");
    bench.issuer.go_down().await;
    bench.manual.advance(Duration::from_secs(300 + 3_599));
    assert_eq!(bench.ask(&validator, &token()).await, "known");
    let unknown = bench.token().kid("unknown").sign();
    assert!(bench.ask(&validator, &unknown).await.starts_with("unavailable: "));
    bench.manual.advance(Duration::from_secs(20));
    assert!(bench.ask(&validator, &token()).await.starts_with("unavailable: "));
    assert!(!validator.key_set().unwrap().usable);
    bench.issuer.rotate();
    bench.issuer.come_back().await;
    assert_eq!(bench.ask(&validator, &token()).await, "known", "when it comes back the next one is right");
}

#[tokio::test]
async fn keys_on_a_server_that_is_away_are_not_asked_for_every_second_at_the_issuers() {
    let (bench, keys) = (Bench::new().await, TestIssuer::start().await);
    bench.issuer.discovery_member("jwks_uri", keys.jwks_url());
    keys.go_down().await;
    let validator = bench.validator(bench.by_discovery());
    for documents in [1, 2, 2, 2] {
        let token = bench.token().sign();
        let asked = bench.ask(&validator, &token);
        let told = tokio::time::timeout(Duration::from_secs(60), asked).await.expect("nobody waits for it");
        assert!(told.starts_with("unavailable: the keys cannot be fetched: "), "{told}");
        assert_eq!(bench.issuer.fetches().discovery, documents);
    }
}

#[tokio::test]
async fn only_a_server_that_nobody_reaches_is_tried_again_every_second() {
    let bench = Bench::new().await;
    let waits = |validator: &JwtValidator| {
        let token = bench.token().sign();
        let credential = Credential::Bearer(Bearer::new(&token).unwrap());
        validator.try_authenticate(&credential, &Context::new(&bench.clock)).is_none()
    };
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(1 << 20));
    bench.issuer.answer_with(Response::new(large));
    let reached = bench.validator(bench.by_url());
    let unreached = bench.validator(bench.by_url());
    // As often as may be asked at once.
    for _ in 0..2 {
        assert!(bench.ask(&reached, &bench.token().sign()).await.starts_with("unavailable: "));
    }
    assert!(!waits(&reached), "it is asked again when the interval has passed");
    bench.issuer.go_down().await;
    for _ in 0..2 {
        assert!(bench.ask(&unreached, &bench.token().sign()).await.starts_with("unavailable: "));
    }
    assert!(waits(&unreached), "it is asked again in a second");
}

#[tokio::test]
async fn answers_that_are_no_key_set_are_an_outage() {
    let bench = Bench::new().await;
    let answer = |status: StatusCode, body: &str| {
        let answer = Response::builder().status(status).header(header::LOCATION, bench.issuer.jwks_url());
        answer.body(body.to_owned()).unwrap()
    };
    let set = bench.issuer.jwks().to_string();
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(1 << 20));
    for (answer, part) in [
        (answer(StatusCode::INTERNAL_SERVER_ERROR, &set), "the answer has the status 500"),
        (answer(StatusCode::NOT_FOUND, &set), "the answer has the status 404"),
        (answer(StatusCode::UNAUTHORIZED, &set), "the answer has the status 401"),
        (answer(StatusCode::CREATED, &set), "the answer has the status 201"),
        (answer(StatusCode::NO_CONTENT, ""), "the answer has the status 204"),
        (answer(StatusCode::NOT_MODIFIED, ""), "the answer has the status 304"),
        (answer(StatusCode::FOUND, &set), "redirect"),
        (answer(StatusCode::OK, "<!doctype html>"), "the answer is not JSON"),
        (answer(StatusCode::OK, &large), "1048576 bytes"),
        (
            answer(StatusCode::OK, "{\"keys\":[]}"),
            "the answer holds no key that verifies signatures: it is empty",
        ),
    ] {
        let status = answer.status();
        bench.issuer.answer_with(answer);
        let validator = bench.validator(bench.by_url());
        let told = bench.ask(&validator, &bench.token().sign()).await;
        assert!(told.starts_with("unavailable: ") && told.contains(part), "{status}: {told}");
    }
}

#[tokio::test]
async fn an_issuer_that_hangs_is_given_up_after_the_deadline_and_nobody_waits_so_long() {
    let bench = Bench::new().await;
    let client = ClientConfig::new().request_timeout(Duration::from_secs(30));
    let validator = bench.validator(bench.by_url().client(client).clock(std::sync::Arc::clone(&bench.clock)));
    assert_eq!(bench.ask(&validator, &bench.token().sign()).await, "known");
    let hold = bench.issuer.hold();
    bench.issuer.rotate();
    let token = bench.token().sign();
    let asked = bench.ask(&validator, &token);
    let moved = async {
        bench.issuer.fetched(2).await;
        bench.manual.advance(Duration::from_secs(2));
    };
    let (told, ()) = tokio::join!(asked, moved);
    assert!(told.ends_with("/jwks did not come within 2 s"), "{told}");
    // The fetch goes on, and brings the keys for whoever comes next.
    hold.release();
    assert_eq!(bench.ask(&validator, &token).await, "known");
    assert_eq!(bench.issuer.fetches().jwks, 2);
}
