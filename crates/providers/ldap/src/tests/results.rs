//! What each result means: of a user's bind, of the service's, of a search.

use portcullis_core::Provider as _;

use super::{
    ALICE, Bench, Log,
    server::{Reply, Request, SERVICE, result},
};

/// The end of the user's bind.
async fn bind_ends(bench: &Bench, code: i64, text: &'static str) {
    bench.server.script(move |request| match request {
        Request::Bind { dn, .. } if dn == ALICE => Some(vec![Reply::Op(result(1, code, text))]),
        _ => None,
    });
}

#[tokio::test]
async fn only_some_results_of_a_users_bind_refuse() {
    let bench = Bench::new().await;
    for (result, expected) in [
        (49, "wrong-password"),
        (19, "bind-refused"),
        (32, "unknown-user"),
        (34, "bind-refused"),
        (48, "bind-refused"),
        (50, "bind-refused"),
        (53, "bind-refused"),
    ] {
        bind_ends(&bench, result, "").await;
        assert_eq!(bench.code("alice", "secret").await, expected, "{result}");
    }
    for result in [1, 2, 3, 4, 7, 8, 10, 11, 13, 14, 16, 51, 52, 54, 80, 118, 4096] {
        bind_ends(&bench, result, "").await;
        let reason = bench.unavailable("alice", "secret").await;
        assert!(reason.contains(&format!("the bind of the user ended with {result}")), "{reason}");
    }
    bind_ends(&bench, 0, "").await;
    bench.known("alice", "whatever").await;
}

#[tokio::test]
async fn active_directorys_reason_goes_to_the_log_only() {
    let bench = Bench::new().await;
    for (text, expected) in [
        (
            "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 52e, v3839",
            "wrong-password",
        ),
        (
            "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 775, v3839",
            "account-locked",
        ),
        (
            "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 532, v3839",
            "password-expired",
        ),
        (
            "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 533, v3839",
            "account-disabled",
        ),
        (
            "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 701, v3839",
            "account-expired",
        ),
        (
            "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 773, v3839",
            "must-change-password",
        ),
    ] {
        bind_ends(&bench, 49, text).await;
        assert_eq!(bench.code("alice", "secret").await, expected);
    }
}

#[tokio::test]
async fn a_refusal_of_the_service_is_an_outage_and_says_what_to_correct() {
    let bench = Bench::new().await;
    for (code, expected) in [
        (
            49,
            "the directory refuses the service itself with 49 (invalid credentials): correct `connectionName`",
        ),
        (53, "53 (unwilling to perform): correct `connectionName`"),
        (13, "it takes passwords over TLS only"),
        (52, "the bind of the service ended with 52 (unavailable)"),
    ] {
        bench.server.script(move |request| match request {
            Request::Bind { dn, .. } if dn == SERVICE => Some(vec![Reply::Op(result(1, code, "canary"))]),
            _ => None,
        });
        let reason = bench.unavailable("alice", "secret").await;
        assert!(reason.contains(expected) && !reason.contains("canary"), "{reason}");
    }
    bench.server.unscripted();
    bench.known("alice", "secret").await;
}

#[tokio::test]
async fn a_search_that_ends_otherwise_is_an_outage() {
    let bench = Bench::new().await;
    for (code, expected) in [
        (1, "1 (operations error), \"why\\u{e9}\""),
        (3, "3 (time limit exceeded)"),
        (4, "4 (size limit exceeded)"),
        (11, "11 (administrative limit exceeded)"),
        (32, "32 (no such object), \"why\\u{e9}\": there is no such entry, correct the search base"),
        (49, "49 (invalid credentials)"),
        (50, "50 (insufficient access rights), \"why\\u{e9}\": the service may not search there"),
        (53, "53 (unwilling to perform)"),
    ] {
        bench.server.script(move |request| match request {
            Request::Search { base, .. } if base == "ou=Users,dc=x" => {
                Some(vec![Reply::Op(result(5, code, "why\u{e9}"))])
            }
            _ => None,
        });
        let reason = bench.unavailable("alice", "secret").await;
        assert!(reason.contains("the search below \"ou=Users,dc=x\" ended with"), "{reason}");
        assert!(reason.contains(expected), "{reason}");
    }
}

#[tokio::test]
async fn a_base_that_is_not_there_is_no_empty_one() {
    let bench = Bench::with(|config| config.user_search_base(["ou=Gone,dc=x", "ou=Users,dc=x"])).await;
    let reason = bench.unavailable("alice", "secret").await;
    assert!(reason.contains("\"ou=Gone,dc=x\" ended with 32"), "{reason}");
    let groups = Bench::with(|config| config.group_search_base(["ou=Gone,dc=x"])).await;
    assert!(groups.unavailable("alice", "secret").await.contains("\"ou=Gone,dc=x\" ended with 32"));
    assert_eq!(groups.code("alice", "wrong").await, "wrong-password");
}

#[tokio::test]
async fn an_outage_is_told_when_it_begins_and_when_it_ends() {
    let log = Log::default();
    let _guard = log.listen();
    let bench = Bench::new().await;
    bench.known("alice", "secret").await;
    bench.server.stop().await;
    for _ in 0..3 {
        let reason = bench.unavailable("alice", "secret").await;
        assert!(reason.contains("no connection: "), "{reason}");
    }
    let state = &bench.store.servers()[0];
    assert!(!state.usable && state.last_error.as_ref().unwrap().contains("no connection"), "{state}");
    bench.server.restart().await;
    for _ in 0..3 {
        bench.code("alice", "wrong").await;
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("the directory cannot be asked"), "{}", lines[0]);
    assert!(lines[1].contains("INFO") && lines[1].contains("the directory answers again"), "{}", lines[1]);
    let state = &bench.store.servers()[0];
    assert!(state.usable && state.last_error.is_none(), "{state}");
}
