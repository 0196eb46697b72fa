//! The programs run, and say exactly this.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::process::{Command, Stdio};

const NOT_SENT: &str = "another origin                             client `orders`: its credential is not for \
    https://elsewhere.example; add that origin to `origins`, or call it without this client";

fn output_of(program: &str) -> Vec<String> {
    let output = Command::new(program).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{program}: {}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn reqwest_is_answered_in_three_ways_and_refused_in_two() {
    assert_eq!(
        output_of(env!("CARGO_BIN_EXE_reqwest")),
        [
            r#"send_via, with a fetched token             200 "order 7, for shop""#,
            r#"a ready client, with a password            200 "order 7, for alice""#,
            r#"reqwest-middleware, with a signed token    200 "order 7, for nightly-report""#,
            r#"what the client has no scope for           403 """#,
            NOT_SENT,
        ]
    );
}

#[test]
fn hyper_is_answered_in_two_ways_and_refused_in_two() {
    assert_eq!(
        output_of(env!("CARGO_BIN_EXE_hyper")),
        [
            r#"the layer, with a fetched token            200 "order 7, for shop""#,
            r#"a ready client, with a signed token        200 "order 7, for nightly-report""#,
            r#"what the client has no scope for           403 """#,
            NOT_SENT,
        ]
    );
}

#[test]
fn a_websocket_opens_with_the_token_and_not_without() {
    assert_eq!(
        output_of(env!("CARGO_BIN_EXE_tungstenite")),
        [
            "opened with a fetched token                101",
            "the service says                           no news, shop",
            "the service                                has left",
            "without a token                            401",
            NOT_SENT,
        ]
    );
}
