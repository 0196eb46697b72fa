//! Answers that are too late, too large, broken, or not what was asked for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{
    Tokens, client, clock, get,
    raw::{Peer, Raw},
    refused, soon,
};
use http::{Response, StatusCode, header};
use portcullis_outbound::{
    Answer, ClientConfig, Endpoint, Form, HttpClient, HttpVersion, OutboundError, OutboundErrorKind as Kind,
};
use portcullis_testing::{ManualClock, TestServer};
use tokio::{sync::mpsc, task::JoinHandle};

fn timed(clock: &ManualClock) -> ClientConfig {
    ClientConfig::new().clock(Arc::new(clock.clone()))
}

fn spawn_get(client: &HttpClient, endpoint: &Endpoint) -> JoinHandle<Result<Answer, OutboundError>> {
    let (client, endpoint) = (client.clone(), endpoint.clone());
    tokio::spawn(async move { get(&client, &endpoint).await })
}

/// A server that sends `head` at once, then a byte each time it is told, and tells when the client has hung up.
async fn dripping(head: &'static str) -> (Raw, mpsc::Sender<()>, mpsc::Receiver<()>, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel::<()>(1);
    let (sent, has_sent) = mpsc::channel::<()>(1);
    let (gone, is_gone) = mpsc::channel::<()>(1);
    let told = Arc::new(tokio::sync::Mutex::new(told));
    let raw = Raw::start(move |_, mut peer| {
        let (told, sent, gone) = (Arc::clone(&told), sent.clone(), gone.clone());
        async move {
            peer.request().await;
            peer.send(head).await;
            sent.send(()).await.unwrap();
            let mut told = told.lock().await;
            loop {
                tokio::select! {
                    _ = told.recv() => {
                        peer.send("a").await;
                        sent.send(()).await.unwrap();
                    }
                    () = peer.hung_up() => break,
                }
            }
            gone.send(()).await.unwrap();
        }
    })
    .await;
    (raw, tell, has_sent, is_gone)
}

#[tokio::test]
async fn a_slow_drip_does_not_outlive_the_deadline() {
    for (head, late) in [
        ("HTTP/1.1 200 OK\r\nX-Slow: ", "no answer began"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "the answer did not end"),
        ("HTTP/1.1 200 OK\r\n\r\n", "the answer did not end"),
    ] {
        let clock = clock();
        let (raw, tell, mut has_sent, mut is_gone) = dripping(head).await;
        let call = spawn_get(&client(timed(&clock)), &raw.endpoint());
        soon("the head", has_sent.recv()).await.unwrap();
        for _ in 0..9 {
            clock.advance(Duration::from_secs(1));
            tell.send(()).await.unwrap();
            soon("a byte", has_sent.recv()).await.unwrap();
        }
        assert!(!call.is_finished());
        clock.advance(Duration::from_millis(999));
        tokio::task::yield_now().await;
        assert!(!call.is_finished());
        clock.advance(Duration::from_millis(1));
        let error = refused(soon("the deadline", call).await.unwrap(), Kind::Timeout);
        assert!(error.is_transient());
        let expected = format!("{}: not answered within 10s: {late}", raw.endpoint());
        assert_eq!(error.to_string(), expected);
        soon("the connection to be closed", is_gone.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_within_the_deadline_is_taken_however_slow() {
    let clock = clock();
    let (raw, tell, mut has_sent, _is_gone) = dripping("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").await;
    let call = spawn_get(&client(timed(&clock).request_timeout(Duration::from_secs(9))), &raw.endpoint());
    soon("the head", has_sent.recv()).await.unwrap();
    for _ in 0..8 {
        tell.send(()).await.unwrap();
        soon("a byte", has_sent.recv()).await.unwrap();
        clock.advance(Duration::from_secs(1));
    }
    tell.send(()).await.unwrap();
    assert_eq!(soon("the answer", call).await.unwrap().unwrap().body, "aaaaaaaaa");
}

#[tokio::test]
async fn a_token_that_does_not_come_counts_towards_the_deadline() {
    let clock = clock();
    let server = TestServer::start(common::ok).await;
    let client = client(timed(&clock).auth(Tokens::new([])).request_timeout(Duration::from_secs(3)));
    let call = spawn_get(&client, &common::endpoint(&server.origin(), "/"));
    tokio::task::yield_now().await;
    clock.advance(Duration::from_secs(3));
    let error = refused(soon("the deadline", call).await.unwrap(), Kind::Timeout);
    assert!(error.to_string().contains("within 3s: the token to call it with did not come"), "{error}");
}

#[tokio::test]
async fn a_handshake_that_hangs_ends_with_the_time_for_connecting() {
    let clock = clock();
    let (accepted, mut is_accepted) = mpsc::channel::<()>(1);
    let raw = Raw::start(move |_, mut peer: Peer| {
        let accepted = accepted.clone();
        async move {
            accepted.send(()).await.unwrap();
            peer.hung_up().await;
        }
    })
    .await;
    let tls = portcullis_keys::ClientTls::dangerous_without_verification();
    let call =
        spawn_get(&client(timed(&clock).tls(tls).connect_timeout(Duration::from_secs(2))), &raw.https());
    soon("a connection", is_accepted.recv()).await.unwrap();
    clock.advance(Duration::from_millis(1_999));
    tokio::task::yield_now().await;
    assert!(!call.is_finished());
    clock.advance(Duration::from_millis(1));
    let error = refused(soon("the time-out", call).await.unwrap(), Kind::Timeout);
    assert!(format!("{error:?}").ends_with("name, TCP and TLS took more than 2s"), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn nobody_there_is_a_connection_that_fails() {
    let server = TestServer::start(common::ok).await;
    let url = common::endpoint(&server.origin(), "/x?canary");
    let client = client(ClientConfig::new());
    server.go_down().await;
    let error = refused(get(&client, &url).await, Kind::Connect);
    assert!(error.is_transient() && error.status().is_none());
    assert_eq!(error.to_string(), format!("{}/x: cannot connect", server.origin()));
    let shown = format!("{error:?}");
    assert!(shown.contains("refused") && !shown.contains("canary"), "{shown}");
    server.come_back().await;
    assert_eq!(get(&client, &url).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_may_have_so_many_bytes_and_no_more() {
    let most = 1000;
    let config = ClientConfig::new().max_body_bytes(most);
    let body = |length: usize| "x".repeat(length);
    let with_length = |length| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", body(length));
    let chunked = |length| {
        let half = format!("1f4\r\n{}\r\n", body(500));
        let rest = format!("{:x}\r\n{}\r\n", length - 500, body(length - 500));
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{half}{rest}0\r\n\r\n")
    };
    let until_closed = |length| format!("HTTP/1.1 200 OK\r\n\r\n{}", body(length));
    for says in [&with_length as &dyn Fn(usize) -> String, &chunked, &until_closed] {
        let raw = Raw::saying(says(most)).await;
        let answer = get(&client(config.clone()), &raw.endpoint()).await.unwrap();
        assert_eq!(answer.body.len(), most);
        let raw = Raw::saying(says(most + 1)).await;
        let error = refused(get(&client(config.clone()), &raw.endpoint()).await, Kind::TooLarge);
        assert!(error.to_string().ends_with("answers 200 with a body of more than 1000 bytes"), "{error}");
        assert!(!error.is_transient());
    }
    // What is announced is believed before it is read.
    for length in ["1001", "9223372036854775807"] {
        let (gone, mut is_gone) = mpsc::channel::<()>(1);
        let raw = Raw::start(move |_, mut peer| {
            let gone = gone.clone();
            async move {
                peer.request().await;
                peer.send(format!(
                    "HTTP/1.1 503 Sorry\r\nRetry-After: 4\r\nContent-Length: {length}\r\n\r\n"
                ))
                .await;
                peer.hung_up().await;
                gone.send(()).await.unwrap();
            }
        })
        .await;
        let error = refused(get(&client(config.clone()), &raw.endpoint()).await, Kind::TooLarge);
        assert_eq!(error.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!((error.is_transient(), error.retry_after()), (true, Some(Duration::from_secs(4))));
        soon("the connection to be closed", is_gone.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let (sent, mut was_sent) = mpsc::channel::<usize>(1);
    let raw = Raw::start(move |_, mut peer| {
        let sent = sent.clone();
        async move {
            peer.request().await;
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            let part = format!("10000\r\n{}\r\n", "x".repeat(1 << 16));
            let mut bytes = 0;
            while peer.send(&part).await {
                bytes += part.len();
            }
            sent.send(bytes).await.unwrap();
        }
    })
    .await;
    let error = refused(get(&client(ClientConfig::new()), &raw.endpoint()).await, Kind::TooLarge);
    assert!(error.to_string().ends_with("more than 1048576 bytes"), "{error}");
    // What the client refused stands in the buffers of the two sockets.
    let bytes = soon("the server to be stopped", was_sent.recv()).await.unwrap();
    assert!(bytes >= 1 << 20, "{bytes}");
}

#[tokio::test]
async fn heads_are_bounded_in_bytes_and_in_lines() {
    let value = |length: usize| {
        format!("HTTP/1.1 200 OK\r\nX-A: {}\r\nContent-Length: 0\r\n\r\n", "a".repeat(length))
    };
    let lines =
        |count: usize| format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "X-A: b\r\n".repeat(count));
    for says in [value(60_000), lines(99)] {
        let raw = Raw::saying(says).await;
        assert_eq!(get(&client(ClientConfig::new()), &raw.endpoint()).await.unwrap().status, StatusCode::OK);
    }
    for says in [value(70_000), value(1_000_000), lines(100), lines(100_000)] {
        let raw = Raw::saying(says).await;
        let error = refused(get(&client(ClientConfig::new()), &raw.endpoint()).await, Kind::TooLarge);
        assert!(error.to_string().ends_with("with headers over the bound"), "{error}");
    }
}

#[tokio::test]
async fn heads_of_http2_are_bounded_too() {
    let server = TestServer::start(|call| {
        let length: usize = call.path().trim_start_matches('/').parse().unwrap();
        Response::builder().header("x-a", "a".repeat(length)).body("".into()).unwrap()
    })
    .await;
    let client = client(ClientConfig::new().http_version(HttpVersion::Http2));
    let url = |length: &str| common::endpoint(&server.origin(), length);
    assert_eq!(get(&client, &url("/10000")).await.unwrap().headers["x-a"].len(), 10_000);
    // The HTTP library ends the stream or the connection, and says no more.
    for length in ["/65530", "/1000000"] {
        refused(get(&client, &url(length)).await, Kind::Interrupted);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = TestServer::start(|call| {
        let code: u16 = call.path().trim_start_matches('/').parse().unwrap();
        Response::builder().status(code).header(header::LOCATION, "/302").body("".into()).unwrap()
    })
    .await;
    let config = ClientConfig::new().header("x-tenant", "canary");
    let client = client(config);
    let codes = [300, 301, 302, 303, 305, 307, 308, 399];
    for code in codes {
        let url = common::endpoint(&server.origin(), &format!("/{code}"));
        let got = refused(get(&client, &url).await, Kind::Redirect);
        let posted = refused(client.post_form(&url, &Form::new()).await, Kind::Redirect);
        for error in [got, posted] {
            let expected =
                format!("{url}: answers {code}, and redirects are not followed: configure the URL itself");
            assert_eq!((error.to_string(), error.status().unwrap().as_u16()), (expected, code));
            assert!(!error.is_transient());
        }
    }
    assert_eq!(server.call_count(), 2 * codes.len(), "each was asked once");
}

#[tokio::test]
async fn a_redirect_says_where_to_without_its_secrets() {
    let server = TestServer::start(common::ok).await;
    let client = client(ClientConfig::new());
    let url = common::endpoint(&server.origin(), "/");
    for (location, expected) in [
        (
            "https://login.example.org/x?session=canary",
            ": configure the URL itself, perhaps https://login.example.org/x",
        ),
        ("https://user:canary@example.org/", ": configure the URL itself"),
        ("file:///etc/canary", ": configure the URL itself"),
        (
            "http://169.254.169.254/latest",
            ": configure the URL itself, perhaps http://169.254.169.254/latest",
        ),
        ("", ": configure the URL itself"),
    ] {
        let answer = Response::builder().status(302).header(header::LOCATION, location).body("").unwrap();
        server.answer_with(answer);
        let error = refused(get(&client, &url).await, Kind::Redirect).to_string();
        assert!(error.ends_with(&format!("not followed{expected}")), "{error}");
    }
    let long = format!("https://example.org/{}", "x".repeat(10_000));
    server.answer_with(Response::builder().status(302).header(header::LOCATION, long).body("").unwrap());
    assert!(refused(get(&client, &url).await, Kind::Redirect).to_string().len() < 400);
}

#[tokio::test]
async fn compressed_answers_are_refused() {
    let server = TestServer::start(common::ok).await;
    let client = client(ClientConfig::new());
    let url = common::endpoint(&server.origin(), "/");
    let answer = |status: u16, codings: &[&str]| {
        let answer = Response::builder().status(status).header(header::RETRY_AFTER, "3");
        let answer =
            codings.iter().fold(answer, |answer, coding| answer.header(header::CONTENT_ENCODING, *coding));
        answer.body("").unwrap()
    };
    for codings in
        [&["gzip"][..], &["br"], &["GZIP"], &["identity", "gzip"], &["identity, gzip"], &["x"], &[""]]
    {
        server.answer_with(answer(200, codings));
        let error = refused(get(&client, &url).await, Kind::Protocol);
        assert!(
            error.to_string().ends_with("answers 200 with a compressed body, which nobody asked for"),
            "{error}"
        );
        assert!(!error.is_transient());
    }
    server.answer_with(answer(502, &["gzip"]));
    let error = refused(get(&client, &url).await, Kind::Protocol);
    assert_eq!(error.status(), Some(StatusCode::BAD_GATEWAY));
    assert_eq!((error.is_transient(), error.retry_after()), (true, Some(Duration::from_secs(3))));
    for codings in [&["identity"][..], &["Identity"], &[]] {
        server.answer_with(answer(200, codings));
        assert_eq!(get(&client, &url).await.unwrap().status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_is_an_interruption_and_a_post_is_not_repeated() {
    for (says, status) in [
        ("", None),
        ("HTTP/1.1 200 OK\r\nContent-Le", None),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"act", Some(StatusCode::OK)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a", Some(StatusCode::OK)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"act\r\n", Some(StatusCode::OK)),
    ] {
        let raw = Raw::saying(says).await;
        let client = client(ClientConfig::new());
        let error = refused(client.post_form(&raw.endpoint(), &Form::new()).await, Kind::Interrupted);
        assert!(error.is_transient());
        assert_eq!((error.status(), raw.accepted()), (status, 1), "{says}");
        let shown = format!("{error:?}");
        assert!(shown.contains("the connection was lost before the answer was whole"), "{shown}");
        assert!(!shown.contains("canary") && !shown.contains("act"), "{shown}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    for says in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/9.9 200 OK\r\n\r\n",
        "<html>",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: canary\r\n\r\n",
    ] {
        let raw = Raw::saying(format!("{says}\r\n\r\n")).await;
        let error = refused(get(&client(ClientConfig::new()), &raw.endpoint()).await, Kind::Protocol);
        assert!(!error.is_transient() && !format!("{error:?}").contains("canary"), "{error:?}");
    }
    let raw = Raw::saying(
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert_eq!(get(&client(ClientConfig::new()), &raw.endpoint()).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn so_many_calls_run_at_a_time_and_further_ones_wait() {
    let clock = clock();
    let server = TestServer::start(common::ok).await;
    let client = client(timed(&clock));
    let url = common::endpoint(&server.origin(), "/");
    let held = server.hold();
    let calls: Vec<_> = (0..128).map(|_| spawn_get(&client, &url)).collect();
    soon("128 calls", server.called(128)).await;
    let waiting = spawn_get(&client, &url);
    // While others come and go, it would have come, too.
    let other = TestServer::start(common::ok).await;
    for _ in 0..20 {
        get(&common::client(ClientConfig::new()), &common::endpoint(&other.origin(), "/")).await.unwrap();
    }
    assert_eq!(server.call_count(), 128);
    drop(held);
    for call in calls {
        assert_eq!(soon("an answer", call).await.unwrap().unwrap().status, StatusCode::OK);
    }
    assert_eq!(soon("its turn", waiting).await.unwrap().unwrap().status, StatusCode::OK);

    let held = server.hold();
    let calls: Vec<_> = (0..128).map(|_| spawn_get(&client, &url)).collect();
    soon("128 calls more", server.called(257)).await;
    clock.advance(Duration::from_secs(1));
    let waiting = spawn_get(&client, &url);
    tokio::task::yield_now().await;
    // The deadline of the one that waits is set by now; the others' are a second earlier.
    clock.advance(Duration::from_secs(9));
    for call in calls {
        refused(soon("the deadline", call).await.unwrap(), Kind::Timeout);
    }
    clock.advance(Duration::from_secs(1));
    refused(soon("the last deadline", waiting).await.unwrap(), Kind::Timeout);
    drop(held);
}
