//! Area client-oauth2: where tokens are asked for, and how long that may take.

use std::time::Duration;

use portcullis::{ClientAuthError, Secret};
use portcullis_testing::{Hold, TestTokenEndpoint};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::setting::{ELSEWHERE, client, clock, config, failure, generated, mistakes, row, token_endpoint};

/// The row's record at `url`.
fn at(id: &str, url: &str) -> Value {
    let mut record = row(id);
    record["tokenUrl"] = url.into();
    record
}

/// How it is told that there is no answer from `address`. The cause follows.
fn unasked(address: &str) -> String {
    format!("client `x`: there is no credential to send: the token endpoint cannot be asked: {address}")
}

fn without_scheme(url: &str) -> &str {
    url.split_once("://").unwrap().1
}

/// A URL without a scheme is https, whatever else is said.
#[tokio::test]
async fn oauth2_cli_25() {
    let trust = json!({"secureSocket": row("oauth2-cli-30")["clientConfig"]["secureSocket"]});
    let trusting = |url: &str| {
        let mut record = at("oauth2-cli-25", without_scheme(url));
        record["clientConfig"] = trust.clone();
        record
    };
    let plain = TestTokenEndpoint::start().await;
    let failed = failure(&client(&clock(), &trusting(&plain.url())).await).await;
    // What follows is the TLS library's.
    let expected = format!("{}: no TLS with this server: ", unasked(&plain.url().replace("http:", "https:")));
    assert!(failed.starts_with(&expected), "{failed}");
    // As in the row it is the system's authorities that count.
    let record = at("oauth2-cli-25", without_scheme(&plain.url()));
    match config(&clock(), &json!({"url": ELSEWHERE, "auth": record})) {
        Ok(config) => {
            let client = config.client("x").unwrap().build().await.unwrap();
            assert_eq!(failure(&client).await, failed);
        }
        // A machine without authorities says so when the file is read.
        Err(error) => assert_eq!(error.problems()[0].path(), "clients.x.auth.tokenUrl"),
    }
    assert_eq!(plain.call_count(), 0);

    let tokens = token_endpoint().await;
    assert_eq!(generated(&client(&clock(), &trusting(&tokens.url())).await).await, "access-1");
}

type Answer = Result<Secret, ClientAuthError>;

/// A token that was asked for `span` ago, with this `requestTimeout`, at an endpoint that does not answer yet.
async fn delayed(
    tokens: &TestTokenEndpoint,
    limit: Option<u64>,
    span: Duration,
) -> (JoinHandle<Answer>, Hold) {
    let mut record = at("oauth2-cli-26", &tokens.url());
    if let Some(seconds) = limit {
        record["clientConfig"]["requestTimeout"] = seconds.into();
    }
    let clock = clock();
    let client = client(&clock, &record).await;
    let (before, hold) = (tokens.call_count(), tokens.hold());
    let waiting = tokio::spawn(async move { client.generate_token().await });
    tokens.called(before + 1).await;
    clock.advance(span);
    (waiting, hold)
}

/// A call may take ten seconds, unless `requestTimeout` says otherwise.
#[tokio::test]
async fn oauth2_cli_26() {
    let tokens = TestTokenEndpoint::start().await;
    for (limit, seconds) in [(None, 10), (Some(5), 5)] {
        let (waiting, hold) = delayed(&tokens, limit, Duration::from_secs(seconds)).await;
        let error = waiting.await.unwrap().unwrap_err();
        assert!(error.is_transient());
        let expected = format!("{}: not answered within {seconds}s: no answer began", unasked(&tokens.url()));
        assert_eq!(format!("{error:?}"), expected);
        drop(hold);
    }
    let almost = Duration::from_secs(10) - Duration::from_millis(1);
    for (limit, span) in [(None, almost), (Some(30), Duration::from_secs(10))] {
        let (waiting, hold) = delayed(&tokens, limit, span).await;
        hold.release();
        assert_eq!(
            Some(waiting.await.unwrap().unwrap().expose()),
            tokens.issued().last().map(String::as_str)
        );
    }
    assert_eq!(tokens.calls()[0].header("x-delay"), Some("40"));
}

#[tokio::test]
async fn oauth2_cli_27() {
    let tokens = TestTokenEndpoint::start().await;
    let url = tokens.url().replace("127.0.0.1", "localhost");
    assert!(url.starts_with("http://localhost:"));
    assert_eq!(generated(&client(&clock(), &at("oauth2-cli-27", &url)).await).await, "access-1");
}

/// What is told of the URL as the row has it.
fn told_of_the_url(id: &str, what: &str) {
    assert_eq!(mistakes(&row(id)), [("tokenUrl".to_owned(), what.to_owned())]);
}

#[test]
fn oauth2_cli_30() {
    told_of_the_url("oauth2-cli-30", "must not be empty");
}

#[test]
fn oauth2_cli_31() {
    told_of_the_url(
        "oauth2-cli-31",
        "holds white space, or a character outside ASCII: percent-encode it, and write a host in its ASCII form (xn--…)",
    );
}
