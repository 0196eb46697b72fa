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

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

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
    // What works and should be known is said of the versions that were taken up, and of no other.
    assert_eq!(said.matches("auth.users[0].password:").count(), 4, "{said}");
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

/// Renewed by a program that writes one file after the other and takes its time.
#[test]
fn a_certificate_and_its_key_that_change_at_different_moments_are_taken_up_when_they_belong_together() {
    let folder = Folder::new();
    let issue = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let [first, second, third] = [issue(), issue(), issue()];
    folder.file("c.crt", first.cert.pem());
    folder.file("c.key", first.signing_key.serialize_pem());
    let secure = "secureSocket = { key = { certFile = \"c.crt\", keyFile = \"c.key\" } }\n[services";
    folder.file(
        "c.toml",
        text("[reload]\ninterval = \"100ms\"", &[ALICE], RESPOND).replace("[services", secure),
    );
    let mut serving = Serving::start(&folder, &["--config", "c.toml"]);
    let config = Arc::new(portcullis_keys::ClientTls::dangerous_without_verification().build().unwrap());
    let address = serving.address;
    let shown = || {
        let mut tls = rustls::ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).unwrap();
        }
        tls.peer_certificates().unwrap()[0].clone()
    };
    // The certificate first, and then the key first.
    for (generation, before, after, names) in
        [(2, &first, &second, ["c.crt", "c.key"]), (3, &second, &third, ["c.key", "c.crt"])]
    {
        for (at, name) in names.into_iter().enumerate() {
            let content = if name == "c.crt" { after.cert.pem() } else { after.signing_key.serialize_pem() };
            folder.file(name, content);
            if at == 0 {
                let line = serving.says("the new version of the configuration is refused").to_owned();
                assert!(line.contains("listener.secureSocket"), "{line}");
                assert_eq!(shown(), *before.cert.der(), "{name} alone changes nothing");
            }
        }
        let line = serving.says(&format!("generation={generation} ")).to_owned();
        assert!(line.contains("c.crt") && line.contains("c.key"), "{line}");
        assert_eq!(shown(), *after.cert.der());
        serving.said.clear();
    }
    // Half of a renewal that is taken back.
    folder.file("c.key", issue().signing_key.serialize_pem());
    serving.says("the new version of the configuration is refused");
    assert_eq!(shown(), *third.cert.der());
    folder.file("c.key", third.signing_key.serialize_pem());
    let line = serving.says("are again those of the version that is in use");
    assert!(line.contains("generation=3"), "{line}");
    assert_eq!(serving.end().0, Some(0));
}

/// The versions that may answer a request: from one that is certainly in use to one that may be.
#[derive(Default)]
struct Versions {
    in_use: AtomicU64,
    written: AtomicU64,
}

/// Alice's scope, Bob, Carol's password, a public path and a whole service come and go, each at its own pace.
fn version(number: u64) -> String {
    let mut text = format!("{UNWATCHED}\n[listener]\naddress = \"127.0.0.1:0\"\n");
    let mut user = |name: &str, password: &str, scope: &str| {
        text +=
            &format!("[[auth.users]]\nusername = {name:?}\npassword = {password:?}\nscopes = [{scope:?}]\n");
    };
    user("alice", "a", if number.is_multiple_of(2) { "hello" } else { "other" });
    if number.is_multiple_of(3) {
        user("bob", "b", "hello");
    }
    user("carol", &format!("c{}", number % 4), "hello");
    user("dora", "d", "hello");
    let door = if number.is_multiple_of(5) { "public = true" } else { "scopes = \"root\"" };
    text += &format!(
        "[services.\"/foo\"]\nrespond = \"hello\"\nthrottle = false\n\
         auth = [{{ scopes = \"hello\", fileUserStoreConfig = {{}} }}]\nresources.\"/door\" = {{ {door} }}\n"
    );
    if number.is_multiple_of(7) {
        text += "[services.\"/new\"]\nrespond = \"new\"\npublic = true\n";
    }
    text
}

type Question = (&'static str, Option<(&'static str, &'static str)>, fn(u64) -> u16);

const fn when(yes: bool, no: u16) -> u16 {
    if yes { 200 } else { no }
}

const QUESTIONS: [Question; 9] = [
    ("/foo/a", Some(("alice", "a")), |v| when(v % 2 == 0, 403)),
    ("/foo/a", Some(("bob", "b")), |v| when(v % 3 == 0, 401)),
    ("/foo/a", Some(("carol", "c0")), |v| when(v % 4 == 0, 401)),
    ("/foo/a", Some(("carol", "c3")), |v| when(v % 4 == 3, 401)),
    ("/foo/a", Some(("dora", "d")), |_| 200),
    ("/foo/a", None, |_| 401),
    ("/foo/door", None, |v| when(v % 5 == 0, 401)),
    ("/foo/door", Some(("dora", "d")), |v| when(v % 5 == 0, 403)),
    ("/new", None, |v| when(v % 7 == 0, 404)),
];

/// Asks on one connection until `until`, and counts the answers.
fn ask(address: SocketAddr, first: usize, until: Instant, versions: &Versions) -> u64 {
    let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
    stream.get_ref().set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answers = 0;
    for (path, user, verdict) in QUESTIONS.iter().cycle().skip(first) {
        if Instant::now() >= until {
            break;
        }
        let credential = user.map(header).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{credential}\r\n");
        let from = versions.in_use.load(SeqCst);
        stream.get_mut().write_all(request.as_bytes()).expect("the connection is kept");
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            assert!(stream.read_line(&mut line).expect("the connection is kept") > 0, "it was closed");
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(bytes) = line.strip_prefix("content-length: ") {
                length = bytes.parse().unwrap();
            } else if line.is_empty() {
                break;
            }
            assert!(!line.starts_with("connection: close"), "{path}: it is about to be closed");
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        let to = versions.written.load(SeqCst);
        let expected: Vec<u16> = (from..=to).map(verdict).collect();
        assert!(expected.contains(&status), "{path}: {status}, and versions {from} to {to} say {expected:?}");
        answers += 1;
    }
    answers
}

/// Three seconds, or as many as `PORTCULLIS_TEST_LOAD_SECONDS` says: the promise is made for sixty.
#[test]
fn a_sighup_every_100_ms_under_load_gives_no_wrong_answer_and_breaks_no_connection() {
    let seconds = std::env::var("PORTCULLIS_TEST_LOAD_SECONDS").ok();
    let load = Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(3));
    let folder = Folder::new();
    folder.file("c.toml", version(0));
    let mut serving =
        Serving::start(&folder, &["--config", "c.toml", "--log", "error,portcullis::reload=info"]);
    let (address, versions) = (serving.address, Versions::default());
    let until = Instant::now() + load;
    let answers: u64 = std::thread::scope(|scope| {
        let versions = &versions;
        let clients: Vec<_> =
            (0..6).map(|first| scope.spawn(move || ask(address, first, until, versions))).collect();
        let mut next = Instant::now();
        for number in 1.. {
            // Paced by the clock, since it is the pace that is promised.
            next += Duration::from_millis(100);
            if next >= until {
                break;
            }
            std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
            versions.written.store(number, SeqCst);
            folder.file("c.toml", version(number));
            serving.hang_up();
            serving.says(&format!("generation={} ", number + 1));
            serving.said.clear();
            versions.in_use.store(number, SeqCst);
        }
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let taken = versions.in_use.load(SeqCst);
    println!("{taken} versions, {answers} answers");
    assert!(taken >= u64::try_from(load.as_millis()).unwrap() / 300 && answers > 500, "{taken} {answers}");
    assert_eq!(serving.end().0, Some(0));
}
