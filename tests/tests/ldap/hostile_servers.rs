//! Directories that hang, leave, or say what is no LDAP: 503 within the time-outs, and right again as soon as they are.

use std::time::{Duration, Instant};

use portcullis_testing::TestDirectory;

use crate::record::{Record, fill};
use crate::service::Service;

async fn started() -> (TestDirectory, Service) {
    let directory = TestDirectory::start().await;
    fill(&directory);
    let record =
        Record::in_process(&directory).set("connectionTimeout", "\"500ms\"").set("readTimeout", "\"500ms\"");
    let service = Service::new(&record.element()).await;
    (directory, service)
}

/// 503, for whoever asks, and within the time-outs.
async fn is_unavailable(service: &Service, what: &str) {
    for password in ["alice@123", "wrong"] {
        let start = Instant::now();
        let answer = service.login("alice", password).await;
        assert_eq!(answer.status, 503, "{what}");
        assert!(answer.headers.contains_key("retry-after"), "{what}");
        assert!(start.elapsed() < Duration::from_secs(10), "{what} took {:?}", start.elapsed());
    }
}

async fn is_right(service: &Service, what: &str) {
    assert_eq!(service.status("alice", "alice@123").await, 200, "{what}");
    assert_eq!(service.status("alice", "wrong").await, 401, "{what}");
}

/// A value within a value within a value.
fn nested(depth: usize) -> Vec<u8> {
    let mut inner = Vec::new();
    for _ in 0..depth {
        let length = u32::try_from(inner.len()).unwrap().to_be_bytes();
        // Written backwards, lest it take a copy for each.
        inner.extend(length.iter().rev());
        inner.extend([0x84, 0x30]);
    }
    inner.reverse();
    inner
}

#[tokio::test]
async fn bytes_that_are_no_ldap_are_an_outage() {
    let (directory, service) = started().await;
    is_right(&service, "before").await;
    let bytes: [(&str, Vec<u8>); 12] = [
        ("a page", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("an empty message", b"\x30\x00".to_vec()),
        ("a number", b"\x02\x01\x01".to_vec()),
        ("a message without an operation", b"\x30\x03\x02\x01\x01".to_vec()),
        ("a number of nothing", b"\x30\x0c\x02\x00\x61\x08\x0a\x01\x00\x04\x00\x04\x00\x04".to_vec()),
        ("an indefinite length", b"\x30\x80\x02\x01\x01\x00\x00".to_vec()),
        ("a length without an end", b"\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
        ("two gigabytes", b"\x30\x84\x7f\xff\xff\xff".to_vec()),
        ("an answer to nobody", b"\x30\x0c\x02\x01\x7f\x61\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec()),
        ("a search's answer to a bind", b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec()),
        (
            "a result of five bytes",
            b"\x30\x10\x02\x01\x01\x61\x0b\x0a\x05\x00\x00\x00\x00\x00\x04\x00\x04\x00".to_vec(),
        ),
        ("a hundred thousand levels", nested(100_000)),
    ];
    for (what, bytes) in bytes {
        directory.answer_with_bytes(bytes);
        is_unavailable(&service, what).await;
        directory.recover();
        is_right(&service, what).await;
    }
}

#[tokio::test]
async fn a_directory_that_hangs_is_waited_for_no_longer_than_it_may() {
    let (directory, service) = started().await;
    is_right(&service, "before").await;
    let hold = directory.hold();
    is_unavailable(&service, "it hangs").await;
    hold.release();
    is_right(&service, "it goes on").await;
}

#[tokio::test]
async fn connections_that_were_closed_are_opened_again_without_failing_the_request_that_finds_out() {
    let (directory, service) = started().await;
    for round in 0..3 {
        is_right(&service, "before").await;
        directory.drop_connections().await;
        is_right(&service, "dropped").await;
        directory.half_close().await;
        is_right(&service, "half closed").await;
        directory.disconnect_with_notice().await;
        is_right(&service, "closed with a notice").await;
        assert!(directory.peak_connections() <= 10, "round {round}");
    }
}

#[tokio::test]
async fn a_directory_that_is_away_is_an_outage_until_it_is_back() {
    let (directory, service) = started().await;
    for _ in 0..3 {
        directory.go_down().await;
        is_unavailable(&service, "away").await;
        directory.come_back().await;
        is_right(&service, "back").await;
    }
}

#[tokio::test]
async fn the_second_server_is_asked_where_the_first_is_away() {
    let (first, second) = (TestDirectory::start().await, TestDirectory::start().await);
    fill(&first);
    fill(&second);
    let record = Record::in_process(&first)
        .text("connectionUrl", &format!("{} {}", first.url(), second.url()))
        .set("connectionTimeout", "\"500ms\"")
        .set("readTimeout", "\"500ms\"");
    let service = Service::new(&record.element()).await;
    is_right(&service, "both").await;
    assert_eq!(second.connections(), 0, "they are tried in order");
    first.go_down().await;
    is_right(&service, "the second").await;
    second.go_down().await;
    is_unavailable(&service, "none").await;
    first.come_back().await;
    is_right(&service, "the first").await;
}
