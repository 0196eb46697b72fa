//! Several servers.

use std::time::Duration;

use portcullis_core::Provider as _;

use super::{
    Bench,
    server::{Reply, Request, SERVICE, TestDirectory, result},
};
use crate::LdapUserStore;

async fn two() -> (Bench, TestDirectory) {
    let second = TestDirectory::start().await;
    let mut bench = Bench::new().await;
    let urls = format!("{} {}", bench.server.url(), second.url());
    bench.store = LdapUserStore::new(super::config(&urls)).unwrap();
    (bench, second)
}

#[tokio::test]
async fn the_first_server_that_is_there_is_asked() {
    let (bench, second) = two().await;
    bench.known("alice", "secret").await;
    assert_eq!((bench.server.accepted(), second.accepted()), (2, 0));
    bench.server.stop().await;
    bench.known("alice", "secret").await;
    assert_eq!(second.accepted(), 2);
    let states = bench.store.servers();
    assert_eq!((states[0].usable, states[1].usable), (false, true));
    second.stop().await;
    bench.unavailable("alice", "secret").await;
}

#[tokio::test]
async fn a_server_that_was_away_is_asked_last_for_a_while_and_then_first_again() {
    let (bench, second) = two().await;
    bench.server.stop().await;
    bench.known("alice", "secret").await;
    bench.server.restart().await;
    // New connections within half a minute go to the second one.
    second.stop().await;
    second.restart().await;
    bench.known("alice", "secret").await;
    assert_eq!((bench.server.accepted(), second.accepted()), (0, 4));
    bench.manual.advance(Duration::from_secs(400));
    bench.known("alice", "secret").await;
    assert_eq!((bench.server.accepted(), second.accepted()), (2, 4));
}

#[tokio::test]
async fn a_server_that_was_away_is_asked_first_again_after_half_a_minute() {
    let (bench, second) = two().await;
    bench.server.stop().await;
    bench.known("alice", "secret").await;
    bench.server.restart().await;
    bench.manual.advance(Duration::from_secs(30) - Duration::from_nanos(1));
    for expected in [(0, 4), (2, 4)] {
        second.stop().await;
        second.restart().await;
        bench.known("alice", "secret").await;
        assert_eq!((bench.server.accepted(), second.accepted()), expected);
        bench.manual.advance(Duration::from_nanos(1));
    }
}

#[tokio::test]
async fn who_has_no_time_left_asks_no_other_server() {
    let (bench, second) = two().await;
    bench
        .server
        .script(|request| matches!(request, Request::Bind { dn, .. } if dn == SERVICE).then(Vec::new));
    let login = bench.begin("alice", "secret");
    super::until("the bind of the service", || !bench.server.requests().is_empty()).await;
    bench.manual.advance(Duration::from_secs(65));
    let reason = super::unavailable(login.await.unwrap());
    assert!(reason.contains("the bind of the service took longer than it may"), "{reason}");
    assert_eq!(second.accepted(), 0);
}

#[tokio::test]
async fn a_server_that_breaks_off_again_is_asked_last() {
    let (bench, second) = two().await;
    bench.server.script(|request| matches!(request, Request::Search { .. }).then(|| vec![Reply::Close]));
    bench.unavailable("alice", "secret").await;
    bench.known("alice", "secret").await;
    assert_eq!((bench.server.accepted(), second.accepted()), (2, 2));
}

#[tokio::test]
async fn the_service_is_not_refused_by_one_server_after_the_other() {
    let (bench, second) = two().await;
    let refuse = |code| {
        bench.server.script(move |request| match request {
            Request::Bind { dn, .. } if dn == SERVICE => Some(vec![Reply::Op(result(1, code, ""))]),
            _ => None,
        });
    };
    refuse(49);
    bench.unavailable("alice", "secret").await;
    assert_eq!(second.accepted(), 0);
    bench.manual.advance(Duration::from_secs(60));
    // One that is busy is another matter.
    refuse(51);
    bench.known("alice", "secret").await;
}

#[tokio::test]
async fn a_server_that_is_busy_or_unavailable_leaves_the_question_to_the_next() {
    for (pooling, code) in [(true, 51), (false, 52)] {
        let (mut bench, second) = two().await;
        let urls = format!("{} {}", bench.server.url(), second.url());
        bench.store = LdapUserStore::new(super::config(&urls).pooling(pooling)).unwrap();
        bench.server.script(move |request| match request {
            Request::Search { .. } => Some(vec![Reply::Op(result(5, code, ""))]),
            _ => None,
        });
        bench.known("alice", "secret").await;
        assert!(!bench.store.servers()[0].usable);
        bench.manual.advance(Duration::from_secs(400));
        bench.server.script(move |request| match request {
            Request::Bind { dn, .. } if dn != SERVICE => Some(vec![Reply::Op(result(1, code, ""))]),
            _ => None,
        });
        bench.known("alice", "secret").await;
        assert_eq!(bench.server.user_binds().len(), 1);
        bench.manual.advance(Duration::from_secs(400));
        // Where no other is better, that is the answer.
        second.script(move |request| match request {
            Request::Bind { dn, .. } if dn != SERVICE => Some(vec![Reply::Op(result(1, code, ""))]),
            _ => None,
        });
        let reason = bench.unavailable("alice", "secret").await;
        assert!(reason.contains(&format!("the bind of the user ended with {code}")), "{reason}");
        assert_eq!((bench.server.user_binds().len(), second.user_binds().len()), (2, 3));
        // Any other result is an answer.
        bench.manual.advance(Duration::from_secs(400));
        let asked = second.accepted();
        bench.server.script(|request| match request {
            Request::Search { .. } => Some(vec![Reply::Op(result(5, 53, ""))]),
            _ => None,
        });
        bench.unavailable("alice", "secret").await;
        assert_eq!(second.accepted(), asked);
    }
}

#[tokio::test]
async fn where_there_is_no_other_server_a_busy_one_is_asked_once() {
    let bench = Bench::new().await;
    bench.server.script(|request| match request {
        Request::Bind { dn, .. } if dn != SERVICE => Some(vec![Reply::Op(result(1, 51, ""))]),
        _ => None,
    });
    bench.unavailable("alice", "secret").await;
    assert_eq!((bench.server.accepted(), bench.server.user_binds().len()), (2, 1));
}
