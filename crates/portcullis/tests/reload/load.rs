//! A version every 100 ms under load: each answer is one that a version gives that was in use while the request was on its
//! way, and no connection breaks.
//!
//! Five seconds of it, or as many as `PORTCULLIS_TEST_LOAD_SECONDS` says: the promise is made for sixty.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use axum::routing::get;
use portcullis::{
    AuthRouter, Clock as _, GuardExt, Live, SystemClock,
    jwt::{Algorithm, JwtIssuer, JwtIssuerConfig, SigningConfig},
    serve::{Listener, ListenerConfig},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
};

use super::{Folder, basic};

const CLIENTS: usize = 8;
const INTERVAL: Duration = Duration::from_millis(100);
const SECRETS: [&str; 2] = ["the first secret, of 32 characters", "the other secret, of 32 characters"];

fn load() -> Duration {
    let seconds = std::env::var("PORTCULLIS_TEST_LOAD_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(5))
}

/// The text of a version. Alice's scope, Bob, Carol's password, the secret of tokens and a public resource come and go, each at
/// its own pace; Dora never changes.
fn text(version: u64) -> String {
    let mut text = String::new();
    let mut user = |name: &str, password: &str, scope: &str| {
        let _ = writeln!(
            text,
            "[[auth.users]]\nusername = {name:?}\npassword = {password:?}\nscopes = [{scope:?}]"
        );
    };
    user("alice", "a", if version.is_multiple_of(2) { "hello" } else { "other" });
    if version.is_multiple_of(3) {
        user("bob", "b", "hello");
    }
    user("carol", &format!("c{}", version % 4), "hello");
    user("dora", "d", "hello");
    let secret = SECRETS[usize::try_from(version % 2).unwrap()];
    let public = if version.is_multiple_of(5) { "public = true" } else { "scopes = \"root\"" };
    let _ = writeln!(
        text,
        r#"
        [services."/foo"]
        auth = [
          {{ scopes = "hello", fileUserStoreConfig = {{}} }},
          {{ scopes = "hello", jwtValidatorConfig = {{ issuer = "i", audience = "a", signatureConfig = {{ secret = {secret:?} }} }} }},
        ]
        resources."/door" = {{ {public} }}
        "#
    );
    text
}

/// What a client asks, and which status a version answers with.
struct Question {
    path: &'static str,
    authorization: String,
    verdict: fn(u64) -> u16,
}

const fn when(yes: bool, no: u16) -> u16 {
    if yes { 200 } else { no }
}

fn questions() -> Vec<Question> {
    let mut questions = vec![
        Question { path: "/foo/a", authorization: basic("alice:a"), verdict: |v| when(v % 2 == 0, 403) },
        Question { path: "/foo/a", authorization: basic("bob:b"), verdict: |v| when(v % 3 == 0, 401) },
        Question { path: "/foo/a", authorization: basic("carol:c0"), verdict: |v| when(v % 4 == 0, 401) },
        Question { path: "/foo/a", authorization: basic("carol:c3"), verdict: |v| when(v % 4 == 3, 401) },
        Question { path: "/foo/a", authorization: basic("dora:d"), verdict: |_| 200 },
        Question { path: "/foo/a", authorization: basic("dora:e"), verdict: |_| 401 },
        Question { path: "/foo/a", authorization: String::new(), verdict: |_| 401 },
        Question { path: "/foo/door", authorization: String::new(), verdict: |v| when(v % 5 == 0, 401) },
        Question { path: "/foo/door", authorization: basic("dora:d"), verdict: |v| when(v % 5 == 0, 403) },
        Question { path: "/foo/root", authorization: basic("dora:d"), verdict: |_| 403 },
    ];
    let verdicts: [fn(u64) -> u16; 2] = [|v| when(v % 2 == 0, 401), |v| when(v % 2 == 1, 401)];
    for (secret, verdict) in SECRETS.into_iter().zip(verdicts) {
        let signing = SigningConfig::secret(secret).algorithm(Algorithm::Hs256);
        let config = JwtIssuerConfig::new(signing).issuer("i").username("eve").single_audience("a");
        let config = config.custom_claim("scope", "hello").expiry(Duration::from_secs(3600));
        let token = JwtIssuer::new(config).unwrap().issue(SystemClock::new().now()).unwrap();
        let authorization = format!("Bearer {}", token.expose());
        questions.push(Question { path: "/foo/a", authorization, verdict });
    }
    questions
}

/// The versions that may answer a request: from one that is certainly in use to one that may be.
#[derive(Default)]
struct Versions {
    in_use: AtomicU64,
    written: AtomicU64,
}

/// Asks on one connection until `until`. How many answers there were of each status.
async fn ask(address: SocketAddr, first: usize, until: Instant, versions: Arc<Versions>) -> [u64; 3] {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.set_nodelay(true).unwrap();
    let questions = questions();
    let mut counts = [0; 3];
    let mut buffer = Vec::new();
    for Question { path, authorization, verdict } in questions.iter().cycle().skip(first) {
        if Instant::now() >= until {
            break;
        }
        let header = if authorization.is_empty() {
            String::new()
        } else {
            format!("authorization: {authorization}\r\n")
        };
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n{header}\r\n");
        let from = versions.in_use.load(SeqCst);
        connection.write_all(request.as_bytes()).await.expect("the connection is kept");
        let status = status(&mut connection, &mut buffer).await;
        let to = versions.written.load(SeqCst);
        let expected: Vec<u16> = (from..=to).map(verdict).collect();
        assert!(expected.contains(&status), "{path}: {status}, and versions {from} to {to} say {expected:?}");
        counts[match status {
            200 => 0,
            401 => 1,
            _ => 2,
        }] += 1;
    }
    counts
}

/// Reads one answer.
async fn status(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    loop {
        let text = String::from_utf8_lossy(buffer);
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase();
            let length = length.split_once("content-length: ").expect("a length").1;
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if rest.len() >= length {
                assert!(!head.to_ascii_lowercase().contains("connection: close"), "{head}");
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                let used = head.len() + 4 + length;
                buffer.drain(..used);
                return status;
            }
        }
        let read = connection.read_buf(buffer).await.expect("the connection is kept");
        assert!(read > 0, "the connection was closed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_every_100_ms_gives_no_wrong_answer_and_breaks_no_connection() {
    let folder = Folder::new(&text(0));
    let live = Live::load(folder.path("Config.toml")).unwrap();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let app = AuthRouter::new()
        .route("/foo/a", get(async || "a"))
        .route("/foo/door", get(async || "door"))
        .route("/foo/root", get(async || "root").scopes("root"))
        .guard(&foo)
        .unwrap();
    let wanted = ListenerConfig::default().with_address("127.0.0.1:0".parse().unwrap());
    let listener = Listener::bind(&wanted).await.unwrap();
    let address = listener.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(listener.serve_with_shutdown(app, async { drop(stopped.await) }));

    let (versions, until) = (Arc::new(Versions::default()), Instant::now() + load());
    let clients: Vec<_> =
        (0..CLIENTS).map(|first| tokio::spawn(ask(address, first, until, versions.clone()))).collect();
    let mut ticks = tokio::time::interval(INTERVAL);
    let mut version = 0;
    while Instant::now() < until {
        ticks.tick().await;
        version += 1;
        // One in seven is wrong, and changes nothing.
        if version % 7 == 0 {
            folder.write("Config.toml", &(text(version) + "publik = true"));
            live.reload().await.unwrap_err();
        }
        versions.written.store(version, SeqCst);
        folder.write("Config.toml", &text(version));
        assert!(live.reload().await.unwrap().changed);
        versions.in_use.store(version, SeqCst);
    }
    let mut counts = [0; 3];
    for client in clients {
        let of_one = client.await.unwrap();
        counts.iter_mut().zip(of_one).for_each(|(all, one)| *all += one);
    }
    let [admitted, unknown, forbidden] = counts;
    println!("{version} versions; {admitted} answers of 200, {unknown} of 401, {forbidden} of 403");
    assert!(admitted > 100 && unknown > 100 && forbidden > 100, "{counts:?}");
    assert!(version >= load().as_millis() as u64 / 200, "{version} versions are too few");
    assert_eq!(live.state().taken, version);
    drop(stop);
    served.await.unwrap();
}
