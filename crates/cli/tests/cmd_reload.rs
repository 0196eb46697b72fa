//! `portcullis serve`, while its files change
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by all tests of commands; none needs everything")]
mod command;

use std::{net::TcpStream, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use command::{Folder, serving::Serving};
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest as _};

fn text(manners: &str, users: &[(&str, &str)], answer: &str) -> String {
    let users = users.iter().map(|(name, password)| {
        format!("[[auth.users]]\nusername = {name:?}\npassword = {password:?}\nscopes = [\"hello\"]\n")
    });
    format!(
        "{manners}\n[listener]\naddress = \"127.0.0.1:0\"\n[services.\"/foo\"]\n{answer}\n\
         auth = [{{ scopes = \"hello\", fileUserStoreConfig = {{}} }}]\n{}",
        users.collect::<String>()
    )
}

const UNWATCHED: &str = "[reload]\nwatch = false";
const RESPOND: &str = "respond = \"hello\"";
const ALICE: (&str, &str) = ("alice", "canary-alice");
const BOB: (&str, &str) = ("bob", "canary-bob");

fn header((name, password): (&str, &str)) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

fn status(serving: &Serving, user: (&str, &str)) -> String {
    serving.get("/foo/bar", &header(user)).split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn sighup_has_the_files_read_and_a_wrong_version_changes_nothing() {
    let folder = Folder::new();
    folder.file("c.toml", text(UNWATCHED, &[ALICE], RESPOND));
    let mut serving = Serving::start(&folder, &["--config", "c.toml"]);
    assert_eq!((status(&serving, ALICE), status(&serving, BOB)), ("200".into(), "401".into()));

    folder.file("c.toml", text(UNWATCHED, &[BOB], RESPOND));
    serving.hang_up();
    let line = serving.says("a new version of the configuration is in use");
    for field in ["generation=2", "c.toml", "users=1"] {
        assert!(line.contains(field), "{field}: {line}");
    }
    assert_eq!((status(&serving, ALICE), status(&serving, BOB)), ("401".into(), "200".into()));

    let wrong = text(UNWATCHED, &[ALICE], "respnd = \"x\"") + "scops = [\"hello\"]\n";
    folder.file("c.toml", wrong);
    serving.hang_up();
    let line = serving.says("the new version of the configuration is refused").to_owned();
    assert!(line.contains("mistakes=2") && line.contains("did you mean `respond`?"), "{line}");
    serving.says("did you mean `scopes`?");
    assert_eq!((status(&serving, ALICE), status(&serving, BOB)), ("401".into(), "200".into()));

    // What only the gateway minds is a reason as well.
    folder.file("c.toml", text(UNWATCHED, &[ALICE], ""));
    serving.hang_up();
    serving.says("says neither `respond` nor `upstream`");
    assert_eq!(status(&serving, BOB), "200");

    // A service that is added, and another text.
    let more = text(UNWATCHED, &[BOB], "respond = \"other\"")
        + "[services.\"/new\"]\nrespond = \"new\"\npublic = true\n";
    folder.file("c.toml", more);
    serving.hang_up();
    let line = serving.says("generation=3");
    assert!(line.contains("added=\"/new\""), "{line}");
    assert!(serving.get("/foo/bar", &header(BOB)).ends_with("other"));
    assert!(serving.get("/new", "").ends_with("new"));

    folder.file(
        "c.toml",
        text("[reload]\nwatch = false", &[BOB], RESPOND).replace("127.0.0.1:0", "127.0.0.1:1"),
    );
    serving.hang_up();
    let line = serving.says("takes effect at the next start");
    assert!(line.contains("listener.address"), "{line}");
    assert!(serving.get("/foo/bar", &header(BOB)).ends_with("hello"));
    let (code, said) = serving.end();
    assert_eq!(code, Some(0));
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn files_are_looked_at_without_being_asked_to() {
    let folder = Folder::new();
    let watched = "[reload]\ninterval = \"100ms\"";
    folder.file("c.toml", text(watched, &[ALICE], RESPOND));
    let mut serving = Serving::start(&folder, &["--config", "c.toml"]);
    folder.file("c.toml", text(watched, &[BOB], RESPOND));
    serving.says("generation=2");
    assert_eq!((status(&serving, ALICE), status(&serving, BOB)), ("401".into(), "200".into()));
}

#[test]
fn a_websocket_ends_with_its_user_and_another_goes_on() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            std::thread::spawn(move || {
                let mut socket = tungstenite::accept(stream).unwrap();
                while let Ok(message) = socket.read() {
                    if message.is_close() || socket.send(message).is_err() {
                        let _ = socket.flush();
                        break;
                    }
                }
            });
        }
    });
    let folder = Folder::new();
    let answer = format!("upstream = \"http://{upstream}\"");
    folder.file("c.toml", text(UNWATCHED, &[ALICE, BOB], &answer));
    let mut serving = Serving::start(&folder, &["--config", "c.toml"]);
    let open = |(name, password): (&str, &str)| {
        let mut request = format!("ws://{}/foo/x", serving.address).into_client_request().unwrap();
        let credential = BASE64_STANDARD.encode(format!("{name}:{password}"));
        request.headers_mut().insert("authorization", format!("Basic {credential}").parse().unwrap());
        let stream = TcpStream::connect(serving.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        tungstenite::client(request, stream).unwrap().0
    };
    let (mut alice, mut bob) = (open(ALICE), open(BOB));
    for socket in [&mut alice, &mut bob] {
        socket.send(Message::text("hello")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("hello"));
    }
    folder.file("c.toml", text(UNWATCHED, &[("carol", "canary"), BOB], &answer));
    serving.hang_up();
    let Message::Close(Some(frame)) = alice.read().unwrap() else { panic!("no Close frame") };
    assert_eq!((u16::from(frame.code), &*frame.reason), (1008, "access was withdrawn"));
    bob.send(Message::text("still here")).unwrap();
    assert_eq!(bob.read().unwrap(), Message::text("still here"));
    // The service itself goes.
    folder.file("c.toml", text(UNWATCHED, &[BOB], &answer).replace("/foo", "/bar"));
    serving.hang_up();
    let Message::Close(Some(frame)) = bob.read().unwrap() else { panic!("no Close frame") };
    assert_eq!(u16::from(frame.code), 1008);
    serving.says("code=1008");
}

#[test]
fn a_new_certificate_is_shown_after_sighup() {
    let folder = Folder::new();
    let secure = |more: &str| {
        text(UNWATCHED, &[ALICE], RESPOND).replace(
            "[services",
            &format!(
                "secureSocket = {{ key = {{ certFile = \"c.crt\", keyFile = \"c.key\" }} {more} }}\n[services"
            ),
        )
    };
    let issue = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        folder.file("c.crt", made.cert.pem());
        folder.file("c.key", made.signing_key.serialize_pem());
        made.cert.der().clone()
    };
    let first = issue();
    folder.file("c.toml", secure(""));
    let mut serving = Serving::start(&folder, &["--config", "c.toml"]);
    let address = serving.address;
    let config = Arc::new(portcullis_keys::ClientTls::dangerous_without_verification().build().unwrap());
    let shown = || {
        let mut tls = rustls::ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).unwrap();
        }
        tls.peer_certificates().unwrap()[0].clone()
    };
    assert_eq!(shown(), first);
    let second = issue();
    assert_eq!(shown(), first, "nobody has looked");
    serving.hang_up();
    let line = serving.says("generation=2");
    assert!(line.contains("c.crt") && line.contains("c.key") && !line.contains("c.toml"), "{line}");
    assert_eq!(shown(), second);
    // A key that is not the certificate's is refused.
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    folder.file("c.key", made.signing_key.serialize_pem());
    serving.hang_up();
    serving.says("the new version of the configuration is refused");
    assert_eq!(shown(), second);
}
