//! Who gets a WebSocket, and what the upstream is asked.

use http::{Method, Request};
use portcullis_cli::gateway::{Answer, Cors, Service};
use portcullis_core::{Auth, Resource};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::{
    By, KEY, RawUpstream, accept_for, ask, connect, echo, echo_on, echoes, forwards, open, public, refusal,
    serve, soon,
};
use crate::{
    support::{basic, gateway, guarded, raw, raw_open, server},
    tls,
};

fn all<'r>(request: &'r Request<()>, name: &str) -> Vec<&'r str> {
    request.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn a_websocket_is_decided_on_as_a_get() {
    for by in By::ALL {
        let mut upstream = echo().await;
        let auth = guarded("/foo")
            .resource(Resource::new("/admin").method(Method::GET).scopes("admin"))
            .resource(Resource::new("/posts").method(Method::POST).public())
            .resource(Resource::new("/open").public());
        let served = serve(by, [forwards(auth.build().unwrap(), upstream.address)]).await;
        let (alice, root) = (basic("alice"), basic("root"));
        let (alice, root) = (("authorization", alice.as_str()), ("authorization", root.as_str()));
        for (path, headers, status) in [
            ("/foo/x", &[][..], 401),
            ("/foo/x", &[("authorization", "Bearer bad")], 401),
            ("/foo/admin", &[alice], 403),
            ("/foo/posts", &[], 401),
            ("/foo/ADMIN", &[root], 404),
            ("/elsewhere", &[root], 404),
            ("/foo//x", &[root], 400),
        ] {
            assert_eq!(refusal(&served, path, headers).await, status, "{by:?} {path} {headers:?}");
            assert!(upstream.is_untouched(), "{by:?} {path} {headers:?}");
        }
        for (path, headers) in
            [("/foo/x", &[alice][..]), ("/foo/admin", &[root]), ("/foo/posts", &[alice]), ("/foo/open", &[])]
        {
            let mut socket = open(&served, path, headers).await;
            echoes(&mut socket, "hello").await;
            assert_eq!(upstream.asked().await.uri().path(), path, "{by:?}");
            drop(socket);
            upstream.ended().await;
        }
    }
}

#[tokio::test]
async fn a_refusal_is_the_plain_one() {
    for by in By::ALL {
        let upstream = echo().await;
        let served = serve(by, [forwards(guarded("/").build().unwrap(), upstream.address)]).await;
        let response = ask(&served, "/", &[]).await.unwrap_err();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (401, &b""[..]));
        let challenges = response.headers().get_all("www-authenticate").iter().count();
        assert_eq!(challenges, 2, "{by:?}");
        for name in ["upgrade", "sec-websocket-accept"] {
            assert!(!response.headers().contains_key(name), "{by:?} {name}");
        }
    }
}

#[tokio::test]
async fn the_upstream_is_asked_as_by_the_gateway_and_told_who_calls() {
    for by in By::ALL {
        let mut upstream = echo().await;
        let served = serve(by, [forwards(guarded("/").build().unwrap(), upstream.address)]).await;
        let authorization = basic("alice");
        let mut headers = vec![
            ("authorization", authorization.as_str()),
            ("origin", "https://app.example"),
            ("x-auth-subject", "root"),
            ("x_auth_scopes", "[\"admin\"]"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-original-url", "/other"),
            ("x-stays", "yes"),
        ];
        if !by.is_http2() {
            headers.extend([
                ("connection", "keep-alive, Upgrade, X-Hop, Sec-WebSocket-Key, X-Auth-Subject"),
                ("x-hop", "hop"),
                ("te", "trailers"),
                ("http2-settings", "AAMAAABkAAQAAP__"),
            ]);
        }
        let (mut socket, answer) = ask(&served, "/a%20b?q=1&r", &headers).await.unwrap();
        echoes(&mut socket, "hello").await;
        let asked = upstream.asked().await;
        assert_eq!(asked.uri().to_string(), "/a%20b?q=1&r");
        assert_eq!(all(&asked, "host"), [upstream.address.to_string()]);
        assert_eq!(all(&asked, "connection"), ["Upgrade"]);
        assert_eq!(all(&asked, "upgrade"), ["websocket"]);
        assert_eq!(all(&asked, "sec-websocket-version"), ["13"]);
        let key = all(&asked, "sec-websocket-key");
        assert!(key.len() == 1 && key != [KEY], "{key:?}");
        assert_eq!(all(&asked, "x-auth-subject"), ["alice"]);
        assert_eq!(all(&asked, "x-auth-scopes"), ["[\"hello\"]"]);
        assert_eq!(all(&asked, "x-auth-provider"), ["users"]);
        assert_eq!(all(&asked, "x-forwarded-host"), ["api.example"]);
        assert_eq!(all(&asked, "origin"), ["https://app.example"]);
        assert_eq!(all(&asked, "x-stays"), ["yes"]);
        for gone in [
            "authorization",
            "x_auth_scopes",
            "x-original-url",
            "x-hop",
            "te",
            "http2-settings",
            "x-forwarded-for",
        ] {
            assert_eq!(all(&asked, gone), <[&str; 0]>::default(), "{by:?} {gone}");
        }
        let own = ["connection", "upgrade", "sec-websocket-accept", "content-length"];
        let has = own.map(|name| answer.contains_key(name));
        let expected = if by.is_http2() { [false; 4] } else { [true, true, true, false] };
        assert_eq!(has, expected, "{by:?} {answer:?}");
    }
}

#[tokio::test]
async fn no_other_upgrade_goes_upstream() {
    let mut upstream =
        server(std::sync::Arc::new(|_| http::Response::new(crate::support::full("plain")))).await;
    let gateway = gateway([public(upstream.address)]).await;
    let websocket = format!(
        "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Key: {KEY}\nSec-WebSocket-Version: 13"
    );
    for head in [
        "GET /\nUpgrade: h2c\nConnection: Upgrade, HTTP2-Settings\nHTTP2-Settings: AAMAAABkAAQAAP__"
            .to_owned(),
        "GET /\nUpgrade: TLS/1.0\nConnection: Upgrade".to_owned(),
        "GET /\nUpgrade: websocket".to_owned(),
        format!("POST /\nContent-Length: 0\n{websocket}"),
        format!("OPTIONS /\n{websocket}"),
    ] {
        let reply = raw(gateway, &head).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "plain"), "{head}");
        let seen = upstream.reached_once();
        for gone in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(seen.all(gone), <[&str; 0]>::default(), "{head} {gone}");
        }
    }
    // RFC 9110 §7.8: a server ignores Upgrade in HTTP/1.0.
    let mut connection = raw_open(gateway).await;
    connection.write(format!("GET / HTTP/1.0\r\n{}\r\n\r\n", websocket.replace('\n', "\r\n"))).await;
    assert_eq!(connection.read_to_end().await.status, 200);
    assert_eq!(upstream.reached_once().all("upgrade"), <[&str; 0]>::default());
}

#[tokio::test]
async fn a_handshake_that_is_not_right_is_answered_here() {
    let mut upstream = echo().await;
    let gateway = gateway([public(upstream.address)]).await;
    let start = "GET /\nUpgrade: websocket\nConnection: Upgrade";
    for (rest, version) in [
        ("Sec-WebSocket-Version: 13".to_owned(), None),
        ("Sec-WebSocket-Version: 13\nSec-WebSocket-Key: c2hvcnQ=".to_owned(), None),
        (format!("Sec-WebSocket-Version: 13\nSec-WebSocket-Key: {KEY}\nSec-WebSocket-Key: {KEY}"), None),
        (format!("Sec-WebSocket-Version: 13\nSec-WebSocket-Key: {KEY}\nContent-Length: 3"), None),
        (format!("Sec-WebSocket-Key: {KEY}"), Some("13")),
        (format!("Sec-WebSocket-Version: 8\nSec-WebSocket-Key: {KEY}"), Some("13")),
    ] {
        let reply = raw(gateway, &format!("{start}\n{rest}")).await;
        assert_eq!((reply.status, reply.body.as_str()), (400, ""), "{rest}");
        assert_eq!(reply.all("sec-websocket-version"), version.into_iter().collect::<Vec<_>>(), "{rest}");
    }
    assert!(upstream.is_untouched());
}

#[tokio::test]
async fn an_upstream_that_opens_none_is_heard_as_it_is() {
    for by in By::ALL {
        let upstream = RawUpstream::bind().await;
        let served = serve(by, [public(upstream.address())]).await;
        // Each is asked on a connection of its own, although those before stay open.
        let mut kept = Vec::new();
        for (answer, status) in [
            ("HTTP/1.1 403 Forbidden\r\nX-Reason: no\r\nContent-Length: 4\r\n\r\nbody", 403),
            (
                "HTTP/1.1 426 Upgrade Required\r\nX-Reason: no\r\nUpgrade: x\r\nContent-Length: 4\r\n\r\nbody",
                426,
            ),
            ("HTTP/1.1 302 Found\r\nX-Reason: no\r\nLocation: /\r\nContent-Length: 4\r\n\r\nbody", 302),
            (
                "HTTP/1.1 500 Oh\r\nX-Reason: no\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
                500,
            ),
        ] {
            let (response, stream) = tokio::join!(ask(&served, "/", &[]), upstream.answers(answer));
            kept.push(stream);
            let response = response.unwrap_err();
            assert_eq!(response.status(), status, "{by:?}");
            assert_eq!(response.headers()["x-reason"], "no");
            assert!(!response.headers().contains_key("upgrade"));
            // The client library of HTTP/1.1 reads no body that does not come with the head.
            assert!(by == By::Http1 || by == By::Http1Tls || response.body() == "body", "{by:?} {status}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_none_to_what_was_asked_is_a_502() {
    for by in By::ALL {
        let upstream = RawUpstream::bind().await;
        let served = serve(by, [public(upstream.address())]).await;
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n";
        let mut answers = vec![
            format!("{head}Upgrade: websocket\r\n\r\n"),
            format!("{head}Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
            format!("{head}Upgrade: h2c\r\nSec-WebSocket-Accept: {{accept}}\r\n\r\n"),
            format!("{head}Sec-WebSocket-Accept: {{accept}}\r\n\r\n"),
            "SSH-2.0-OpenSSH\r\n".to_owned(),
        ];
        if by.is_http2() {
            // As a success it would open the WebSocket.
            answers.push("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned());
            answers.push("HTTP/1.1 204 No Content\r\n\r\n".to_owned());
        }
        for answer in answers {
            let (response, _stream) = tokio::join!(ask(&served, "/", &[]), upstream.answers(&answer));
            let response = response.unwrap_err();
            assert_eq!(
                (response.status().as_u16(), &response.body()[..]),
                (502, &b""[..]),
                "{by:?} {answer}"
            );
        }
        drop(upstream);
        assert_eq!(refusal(&served, "/", &[]).await, 502);
    }
}

#[tokio::test]
async fn a_service_that_answers_a_text_opens_none() {
    for by in By::ALL {
        let auth = Auth::builder().path("/text").public().build().unwrap();
        let served = serve(by, [Service::new(auth, Answer::Respond("text".into()))]).await;
        let status = refusal(&served, "/text", &[]).await;
        assert_eq!(status, if by.is_http2() { 501 } else { 200 }, "{by:?}");
    }
}

#[tokio::test]
async fn extensions_and_cors_are_agreed_on_as_ever() {
    let upstream = RawUpstream::bind().await;
    let mut cors = Cors::default();
    cors.allow_origins = vec!["https://app.example".into()];
    let served = serve(By::Http1, [public(upstream.address()).cors(cors)]).await;
    let mut client = connect(&served).await;
    let head = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let (mut stream, asked) = upstream.asked().await;
    assert!(asked.contains("sec-websocket-extensions: permessage-deflate\r\n"), "{asked}");
    let answer = format!(
        "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: {}\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\nAccess-Control-Allow-Origin: *\r\n\r\n",
        accept_for(&asked)
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    // A compressed frame: its first byte says so.
    let frame = [0xc1, 0x07, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    stream.write_all(&frame).await.unwrap();
    let mut got = Vec::new();
    soon(async {
        while !got.ends_with(&frame) {
            got.push(client.read_u8().await.unwrap());
        }
    })
    .await;
    let got = String::from_utf8_lossy(&got).to_lowercase();
    assert!(got.starts_with("http/1.1 101 "), "{got}");
    assert!(got.contains("sec-websocket-extensions: permessage-deflate\r\n"), "{got}");
    assert!(got.contains("access-control-allow-origin: https://app.example\r\n"), "{got}");
    assert_eq!(got.matches("access-control-allow-origin").count(), 1, "{got}");
}

#[tokio::test]
async fn over_https_an_upstream_is_asked_in_http1_whatever_else_it_speaks() {
    for (protocols, opens) in
        [(&["h2", "http/1.1"][..], true), (&["http/1.1"], true), (&[], true), (&["h2"], false)]
    {
        let (acceptor, certificate) = tls::acceptor(protocols);
        let mut upstream = echo_on(move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await.ok() }
        })
        .await;
        let served = serve(By::Http1, [tls::service(upstream.address, &certificate)]).await;
        if opens {
            let mut socket = open(&served, "/", &[("authorization", "Bearer good")]).await;
            echoes(&mut socket, "hello").await;
            assert_eq!(all(&upstream.asked().await, "authorization"), ["Bearer good"]);
        } else {
            assert_eq!(refusal(&served, "/", &[]).await, 502, "{protocols:?}");
        }
    }
    let (acceptor, _) = tls::acceptor(&[]);
    let (_, other) = tls::acceptor(&[]);
    let upstream = echo_on(move |stream| {
        let acceptor = acceptor.clone();
        async move { acceptor.accept(stream).await.ok() }
    })
    .await;
    let served = serve(By::Http1, [tls::service(upstream.address, &other)]).await;
    assert_eq!(refusal(&served, "/", &[]).await, 502, "nothing vouches for its certificate");
}
