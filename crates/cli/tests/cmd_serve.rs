//! `portcullis serve`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by all tests of commands; none needs everything")]
mod command;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    sync::Arc,
};

use command::{
    Folder, USERS,
    serving::{Serving, exchange},
};
use serde_json::Value;
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest as _};

// Basic of alice:canary-alice and of alice:canary-wrong.
const ALICE: &str = "YWxpY2U6Y2FuYXJ5LWFsaWNl";
const WRONG: &str = "YWxpY2U6Y2FuYXJ5LXdyb25n";

const CONFIG: &str = r#"
[listener]
address = "127.0.0.1:0"

[services."/foo"]
respond = "Hello, World!"
auth = [{ scopes = "hello", fileUserStoreConfig = {} }]
resources."/health" = { public = true }
"#;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("c.toml", format!("{CONFIG}{USERS}"));
    folder
}

#[test]
fn it_says_where_it_listens_guards_and_ends_when_told_to() {
    let folder = folder();
    let serving = Serving::start(&folder, &["--config", "c.toml"]);
    let url = format!("listening on http://{}", serving.address);
    assert_eq!(serving.said.last(), Some(&url));
    assert_ne!(serving.address.port(), 0);
    for (path, credential, status) in [
        ("/foo/bar", Some(ALICE), "200 OK"),
        ("/foo/bar", Some(WRONG), "401 Unauthorized"),
        ("/foo/bar", None, "401 Unauthorized"),
        ("/foo/health", None, "200 OK"),
        ("/other", Some(ALICE), "404 Not Found"),
    ] {
        let headers = credential.map(|credential| format!("Authorization: Basic {credential}\r\n"));
        let response = serving.get(path, &headers.unwrap_or_default());
        assert!(response.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{path} {response}");
        assert_eq!(response.ends_with("\r\n\r\nHello, World!"), status == "200 OK", "{path} {response}");
    }
    let (code, said) = serving.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("a password in clear text"), "{said}");
}

#[test]
fn nothing_secret_is_logged_whatever_the_filter() {
    let folder = folder();
    let serving = Serving::start(&folder, &["--config", "c.toml", "--log", "trace"]);
    serving.get("/foo/bar?token=canary-query", &format!("Authorization: Basic {ALICE}\r\n"));
    serving.get("/foo/bar", &format!("Authorization: Basic {WRONG}\r\nCookie: canary-cookie\r\n"));
    serving.get("/foo/bar", "Authorization: Bearer canary.bearer.token\r\n");
    let (_, said) = serving.end();
    assert!(said.contains("request not let in"), "{said}");
    for secret in ["canary", ALICE, WRONG] {
        let line = said.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}

#[test]
fn log_events_are_json_where_that_is_asked_for() {
    let folder = folder();
    let arguments = ["--config", "c.toml", "--log-format", "json", "--log", "portcullis=debug"];
    let serving = Serving::start(&folder, &arguments);
    serving.get("/foo/bar", "");
    let (_, said) = serving.end();
    let events: Vec<Value> = said
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let refusal = events.iter().find(|event| event["message"] == "request not let in");
    assert_eq!(refusal.unwrap()["kind"], "no-credential");
    assert!(
        events.iter().any(|event| event["message"].as_str().unwrap().starts_with("listening on http://"))
    );
}

#[test]
fn the_line_about_the_address_is_said_whatever_the_filter() {
    let folder = folder();
    for arguments in [
        ["--config", "c.toml", "--log", "off", "--log-format", "text"],
        ["--config", "c.toml", "--log", "off", "--log-format", "json"],
    ] {
        let (_, said) = Serving::start(&folder, &arguments).end();
        assert_eq!(said.trim().lines().count(), 1, "{said}");
    }
}

#[test]
fn the_file_that_init_writes_is_served_over_https() {
    let folder = Folder::new();
    let told = folder.run(["init", "--json"]).json();
    let serving = Serving::start(&folder, &["--config", "Config.toml", "--listen", "127.0.0.1:0"]);
    assert!(serving.said.last().unwrap().contains("https://127.0.0.1:"), "{:?}", serving.said);
    assert!(
        serving.said.iter().any(|line| line.contains("for trying things out only")),
        "{:?}",
        serving.said
    );

    let credential = format!("alice:{}", told["password"].as_str().unwrap());
    let credential = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, credential);
    let config = portcullis_keys::ClientTls::dangerous_without_verification().build().unwrap();
    let get = |headers: &str| {
        let name = "localhost".try_into().unwrap();
        let mut tls = rustls::ClientConnection::new(Arc::new(config.clone()), name).unwrap();
        let mut socket = TcpStream::connect(serving.address).unwrap();
        exchange(&mut rustls::Stream::new(&mut tls, &mut socket), "/foo/bar", headers)
    };
    assert!(get("").starts_with("HTTP/1.1 401 "));
    let response = get(&format!("Authorization: Basic {credential}\r\n"));
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.ends_with("Hello, World!"), "{response}");
}

/// An https upstream of any name that answers with the credential that it got, on one connection after another.
fn telling_upstream() -> (u16, String) {
    let names = ["127.0.0.1".to_owned(), "0.0.0.0".to_owned()];
    let key = rcgen::generate_simple_self_signed(names).unwrap();
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        loop {
            let (socket, _) = listener.accept().unwrap();
            let tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(rustls::StreamOwned::new(tls, socket));
            let mut told = "none".to_owned();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                match line.trim_end().split_once(": ") {
                    Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                        told = value.to_owned()
                    }
                    Some(_) => {}
                    None if line == "\r\n" => break,
                    None => {}
                }
            }
            let length = told.len();
            let answer =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{told}");
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    (port, key.cert.pem())
}

#[test]
fn a_bearer_token_goes_to_another_machine_only_where_that_is_verified_unless_told_so() {
    let (port, certificate) = telling_upstream();
    let folder = Folder::new();
    folder.file("upstream.pem", certificate);
    // No address of loopback, and yet this machine.
    let other = format!("https://0.0.0.0:{port}");
    let own = format!("https://127.0.0.1:{port}");
    let mut config = "[listener]\naddress = \"127.0.0.1:0\"\n".to_owned();
    for (path, upstream, socket, more) in [
        ("/verified", &other, "cert = \"upstream.pem\"", ""),
        ("/unverified", &other, "disable = true", ""),
        ("/told", &other, "disable = true", "forwardCredential = true"),
        ("/here", &own, "disable = true", ""),
    ] {
        config += &format!(
            "[services.\"{path}\"]\npublic = true\nupstream = \"{upstream}\"\n\
             upstreamSecureSocket = {{ {socket} }}\n{more}\n"
        );
    }
    folder.file("c.toml", config);
    let serving = Serving::start(&folder, &["--config", "c.toml"]);
    for (path, told) in [
        ("/verified", "Bearer good"),
        ("/unverified", "none"),
        ("/told", "Bearer good"),
        ("/here", "Bearer good"),
    ] {
        let response = serving.get(path, "Authorization: Bearer good\r\n");
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{path} {response}");
        assert_eq!(response.rsplit("\r\n").next(), Some(told), "{path}");
    }
}

#[test]
fn services_without_an_answer_are_named_all_at_once() {
    let folder = Folder::new();
    folder.file("c.toml", "[services.\"/a\"]\npublic = true\n[services.\"/b\"]\npublic = true\n");
    let run = folder.run(["serve", "--config", "c.toml", "--listen", "127.0.0.1:0"]);
    run.assert_code(2);
    for path in ["/a", "/b"] {
        let line = format!("service {path}: says neither `respond` nor `upstream`");
        assert!(run.stderr.contains(&line), "{run:?}");
    }
    folder.file("none.toml", "[listener]\naddress = \"127.0.0.1:0\"\n");
    let run = folder.run(["serve", "--config", "none.toml"]);
    run.assert_code(2);
    assert!(run.stderr.contains("none.toml has no services"), "{run:?}");
}

#[test]
fn an_address_that_others_reach_needs_tls_on_the_command_line_as_well() {
    let folder = folder();
    let run = folder.run(["serve", "--config", "c.toml", "--listen", "0.0.0.0:0"]);
    run.assert_code(2);
    assert!(run.stderr.contains("allowInsecureHttp"), "{run:?}");
    assert!(!run.stderr.contains("listening"), "{run:?}");

    folder.file(
        "allowed.toml",
        format!("{}{USERS}", CONFIG.replace("address", "allowInsecureHttp = true\naddress")),
    );
    let serving = Serving::start(&folder, &["--config", "allowed.toml", "--listen", "0.0.0.0:0"]);
    assert!(serving.address.ip().is_unspecified());
}

#[test]
fn what_stands_in_the_way_is_told_with_its_remedy() {
    let folder = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = folder.run(["serve", "--config", "c.toml", "--listen", &address]);
    run.assert_code(2);
    assert!(run.stderr.contains("another program listens there"), "{run:?}");

    let run = folder.run(["serve", "--config", "absent.toml"]);
    run.assert_code(2);
    assert!(run.stderr.contains("portcullis init"), "{run:?}");

    folder.file("wrong.toml", "[services.\"/foo\"]\nrespnd = \"x\"\npublic = true\n");
    let run = folder.run(["serve", "--config", "wrong.toml"]);
    run.assert_code(2);
    assert!(run.stderr.contains("wrong.toml:2:1: services.\"/foo\".respnd: "), "{run:?}");

    let run = folder.run(["serve", "--config", "c.toml", "--log", "portcullis=loud"]);
    run.assert_code(2);
    assert!(run.stderr.contains("--log: not a log filter"), "{run:?}");
}

#[test]
fn a_websocket_passes_and_is_told_when_the_program_ends() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = listener.local_addr().unwrap();
    let echo = std::thread::spawn(move || {
        let mut socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
        while let Ok(message) = socket.read() {
            if let Message::Close(frame) = message {
                let _ = socket.flush();
                return frame.map(|frame| u16::from(frame.code));
            }
            socket.send(message).unwrap();
        }
        None
    });
    let folder = Folder::new();
    let config = format!(
        "[listener]\naddress = \"127.0.0.1:0\"\n[services.\"/feed\"]\nupstream = \"http://{upstream}\"\n\
         auth = [{{ scopes = \"hello\", fileUserStoreConfig = {{}} }}]\n{USERS}"
    );
    folder.file("c.toml", config);
    let mut serving = Serving::start(&folder, &["--config", "c.toml"]);
    let line = serving.says("service /feed forwards to");
    assert!(line.contains(&format!("http://{upstream}")), "{line}");
    let connect = |credential: &str| {
        let mut request =
            format!("ws://{}/feed/x?t=canary-query", serving.address).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Basic {credential}").parse().unwrap());
        let opened = tungstenite::client(request, TcpStream::connect(serving.address).unwrap());
        opened.map(|(socket, _)| socket).map_err(|error| error.to_string())
    };
    let refused = connect(WRONG).unwrap_err();
    assert!(refused.contains("401"), "{refused}");
    let mut socket = connect(ALICE).unwrap();
    socket.send(Message::text("hello")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("hello"));
    serving.says("a WebSocket was opened");
    serving.terminate();
    let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("no Close frame") };
    assert_eq!((u16::from(frame.code), &*frame.reason), (1001, "the gateway is stopping"));
    assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)));
    assert_eq!(echo.join().unwrap(), Some(1001));
    let (code, said) = serving.end();
    assert_eq!(code, Some(0), "{said}");
    let closed = said.lines().find(|line| line.contains("a WebSocket was closed")).unwrap();
    for field in [
        "by=gateway",
        "code=1001",
        "service=\"/feed\"",
        "path=/feed/x",
        "seconds=",
        "bytes_up=",
        "bytes_down=",
    ] {
        assert!(closed.contains(field), "{field}: {closed}");
    }
    assert!(!said.contains("canary"), "{said}");
}
