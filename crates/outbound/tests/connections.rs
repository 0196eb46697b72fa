//! Which HTTP is spoken, and connections that are used again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{client, clock, data, get, ok, raw::Raw, refused, soon};
use http::{StatusCode, Version};
use portcullis_keys::{ClientTls, Identity, ServerTls};
use portcullis_outbound::{ClientConfig, Form, HttpVersion, OutboundErrorKind as Kind};
use portcullis_testing::{TestServer, TestTls};
use tokio::sync::{Notify, Semaphore};

const KEPT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

/// Unverified: these tests are about what is spoken inside.
fn unverified(version: HttpVersion) -> ClientConfig {
    ClientConfig::new().tls(ClientTls::dangerous_without_verification()).http_version(version)
}

fn identity() -> Identity {
    Identity::from_files(data().join("certs/server.pem"), data().join("keys/rsa.pkcs8.pem"), None).unwrap()
}

#[tokio::test]
async fn the_version_is_negotiated_or_as_configured() {
    let plain = TestServer::start(ok).await;
    let tls = TestServer::start_https(TestTls::new(ServerTls::new(identity())), ok).await;
    for (server, version, expected) in [
        (&plain, HttpVersion::Negotiated, Version::HTTP_11),
        (&plain, HttpVersion::Http11, Version::HTTP_11),
        (&plain, HttpVersion::Http2, Version::HTTP_2),
        (&tls, HttpVersion::Negotiated, Version::HTTP_2),
        (&tls, HttpVersion::Http11, Version::HTTP_11),
        (&tls, HttpVersion::Http2, Version::HTTP_2),
    ] {
        let client = client(unverified(version));
        let url = common::endpoint(&server.origin(), "/x");
        let before = server.connections();
        for _ in 0..3 {
            let form = Form::new().push("token", "t");
            assert_eq!(client.post_form(&url, &form).await.unwrap().status, StatusCode::OK);
            assert_eq!(get(&client, &url).await.unwrap().body, "{\"active\":true}");
        }
        let call = server.calls().pop().unwrap();
        assert_eq!(call.version, expected, "{server:?} {version:?}");
        assert_eq!(server.connections() - before, 1, "{server:?} {version:?}");
    }
}

/// A server of TLS that offers these protocols and speaks HTTP/1.1.
async fn offering(protocols: &[&str]) -> Raw {
    let mut config = Arc::unwrap_or_clone(ServerTls::new(identity()).build().unwrap());
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    Raw::start(move |_, peer| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut peer) = peer.encrypted(acceptor).await else { return };
            while peer.request().await.is_some() {
                peer.send(KEPT).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_server_of_http_1_1_is_no_server_of_http_2() {
    for protocols in [&["http/1.1"][..], &[]] {
        let raw = offering(protocols).await;
        for version in [HttpVersion::Negotiated, HttpVersion::Http11] {
            let answer = get(&client(unverified(version)), &raw.https()).await.unwrap();
            assert_eq!(answer.status, StatusCode::OK);
        }
        let error = get(&client(unverified(HttpVersion::Http2)), &raw.https()).await.unwrap_err();
        // A server that knows of ALPN refuses by itself (RFC 7301 §3.2).
        let expected = if protocols.is_empty() { Kind::Protocol } else { Kind::Tls };
        assert_eq!(error.kind(), expected, "{error:?}");
        assert!(!error.is_transient());
    }
    let raw = Raw::saying(KEPT).await;
    refused(get(&client(unverified(HttpVersion::Http2)), &raw.endpoint()).await, Kind::Interrupted);
}

#[tokio::test]
async fn calls_at_one_time_share_a_connection_of_http_2() {
    let server = TestServer::start(ok).await;
    let client = client(ClientConfig::new().http_version(HttpVersion::Http2));
    let url = common::endpoint(&server.origin(), "/");
    let held = server.hold();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (client, url) = (client.clone(), url.clone());
            tokio::spawn(async move { get(&client, &url).await.unwrap().status })
        })
        .collect();
    soon("20 calls", server.called(20)).await;
    drop(held);
    for call in calls {
        assert_eq!(soon("an answer", call).await.unwrap(), StatusCode::OK);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_meanwhile_is_replaced() {
    let (closed, now) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&closed), Arc::clone(&now));
    let raw = Raw::start(move |_, mut peer| {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        async move {
            peer.request().await;
            peer.send(KEPT).await;
            wait.notified().await;
            drop(peer);
            tell.notify_one();
        }
    })
    .await;
    let client = client(ClientConfig::new());
    for round in 1..=3 {
        client.post_form(&raw.endpoint(), &Form::new()).await.unwrap();
        assert_eq!(raw.accepted(), round);
        now.notify_one();
        soon("the server to close", closed.notified()).await;
        // The runtime looks at its sockets before it comes back to who yields.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_post_that_was_sent_on_a_kept_connection_is_not_repeated() {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let raw = Raw::start(move |_, mut peer| {
        let count = Arc::clone(&count);
        async move {
            while peer.request().await.is_some() {
                if count.fetch_add(1, Ordering::SeqCst) > 0 {
                    return;
                }
                peer.send(KEPT).await;
            }
        }
    })
    .await;
    let client = client(ClientConfig::new());
    client.post_form(&raw.endpoint(), &Form::new()).await.unwrap();
    refused(client.post_form(&raw.endpoint(), &Form::new()).await, Kind::Interrupted);
    assert_eq!((requests.load(Ordering::SeqCst), raw.accepted()), (2, 1));
}

#[tokio::test]
async fn so_many_idle_connections_are_kept_and_no_more() {
    let go = Arc::new(Semaphore::new(0));
    let (arrived, gate) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&go));
    let count = Arc::clone(&arrived);
    let raw = Raw::start(move |_, mut peer| {
        let (gate, count) = (Arc::clone(&gate), Arc::clone(&count));
        async move {
            while peer.request().await.is_some() {
                count.fetch_add(1, Ordering::SeqCst);
                let _go = gate.acquire().await.unwrap();
                peer.send(KEPT).await;
            }
        }
    })
    .await;
    let client = client(ClientConfig::new().clock(Arc::new(clock())));
    let url = raw.endpoint();
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let (client, url) = (client.clone(), url.clone());
            tokio::spawn(async move { get(&client, &url).await.unwrap() })
        })
        .collect();
    let until = async |reached: &dyn Fn() -> bool| {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon("40 calls", until(&|| arrived.load(Ordering::SeqCst) == 40)).await;
    assert_eq!(raw.open(), 40);
    go.add_permits(40);
    for call in calls {
        soon("an answer", call).await.unwrap();
    }
    soon("connections to be closed", until(&|| raw.open() <= 32)).await;
    get(&client, &url).await.unwrap();
    assert_eq!((raw.open(), raw.accepted()), (32, 40));
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_asked() {
    let proxies = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    // Nobody listens on port 1.
    let variables = proxies.map(|name| (name, "http://127.0.0.1:1"));
    if !common::is_alone("a_proxy_of_the_environment_is_not_asked", &variables) {
        return;
    }
    let plain = TestServer::start(ok).await;
    let tls = TestServer::start_https(TestTls::new(ServerTls::new(identity())), ok).await;
    for server in [&plain, &tls] {
        let client = client(unverified(HttpVersion::Negotiated));
        get(&client, &common::endpoint(&server.origin(), "/")).await.unwrap();
        assert_eq!(server.call_count(), 1);
    }
}

#[test]
fn versions_are_read_in_every_spelling() {
    for (text, expected) in [
        ("1.1", Some(HttpVersion::Http11)),
        ("2", Some(HttpVersion::Http2)),
        ("HTTP_1_1", Some(HttpVersion::Http11)),
        ("HTTP_2", Some(HttpVersion::Http2)),
        ("http:HTTP_1_1", Some(HttpVersion::Http11)),
        ("http:HTTP_2", Some(HttpVersion::Http2)),
        ("http:2", Some(HttpVersion::Http2)),
        ("1.0", None),
        ("HTTP_1_0", None),
        ("2.0", None),
        ("3", None),
        ("", None),
        ("http_2", None),
        ("http:http:2", None),
    ] {
        assert_eq!(text.parse().ok(), expected, "{text}");
    }
    assert_eq!(HttpVersion::default(), HttpVersion::Negotiated);
}
