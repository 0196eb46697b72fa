//! Clients that are told to leave, and stay: what they ask from then on.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Extension, Router, routing::get};
use portcullis_axum::serve::{ClientAddr, TrustedProxies};
use portcullis_keys::ServerTls;
use rustls::version::TLS13;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use super::support::{Authority, Running, loopback};

const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const HEADERS: u8 = 1;
const DATA: u8 = 0;

/// Speaks HTTP/2 frame by frame, and never answers a PING: the server waits for that before it takes no more streams.
struct Client(TlsStream<TcpStream>);

impl Client {
    async fn open(running: &Running, config: rustls::ClientConfig) -> Self {
        let mut client = Self(running.connect_tls(&Arc::new(config)).await.unwrap());
        client.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        client.frame(SETTINGS, 0, 0, b"").await;
        client
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// `GET path`, with a forwarding header: RFC 7541, literal and without Huffman's code.
    async fn get(&mut self, stream: u32, path: &str) {
        let literal = |name: &str, value: &str| {
            let length = |text: &str| vec![u8::try_from(text.len()).unwrap()];
            [vec![0], length(name), name.into(), length(value), value.into()].concat()
        };
        let headers = [
            vec![0x82, 0x87],
            literal(":path", path),
            literal(":authority", "localhost"),
            literal("x-forwarded-for", "192.0.2.9"),
        ];
        self.frame(HEADERS, 0x5, stream, &headers.concat()).await;
    }

    /// The next frame of this kind on this stream.
    async fn next(&mut self, kind: u8, stream: u32) -> Vec<u8> {
        let found = async {
            loop {
                let mut head = [0; 9];
                self.0.read_exact(&mut head).await.unwrap();
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; length as usize];
                self.0.read_exact(&mut payload).await.unwrap();
                if (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]])) == (kind, stream) {
                    return payload;
                }
            }
        };
        timeout(Duration::from_secs(20), found).await.expect("it never came")
    }

    /// Whether the answer is a 200: RFC 7541, appendix A, index 8.
    async fn is_ok(&mut self, stream: u32) -> bool {
        self.next(HEADERS, stream).await.first() == Some(&0x88)
    }
}

/// A service that is busy with `/wait`, and how often it was asked for `/`, and for whom.
struct World {
    app: Router,
    arrived: Arc<Notify>,
    go_on: Arc<Notify>,
    asked: Arc<AtomicUsize>,
}

impl World {
    fn new() -> Self {
        let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let asked = Arc::new(AtomicUsize::new(0));
        let (telling, waiting, counting) = (arrived.clone(), go_on.clone(), asked.clone());
        let whose = async move |Extension(ClientAddr(client)): Extension<ClientAddr>| {
            counting.fetch_add(1, SeqCst);
            client.to_string()
        };
        let wait = async move || {
            telling.notify_one();
            waiting.notified().await;
            "finished"
        };
        Self { app: Router::new().route("/", get(whose)).route("/wait", get(wait)), arrived, go_on, asked }
    }
}

#[tokio::test]
async fn a_client_whose_authority_is_gone_is_answered_what_it_had_asked_and_nothing_more() {
    let [authority, other] = [Authority::new(), Authority::new()];
    let (server, client, world) = (authority.server(), authority.client(), World::new());
    let by = |clients: &Authority| {
        let tls = ServerTls::new(server.identity()).require_client_certificate(clients.anchors());
        loopback().secure(tls).unwrap()
    };
    let running = Running::start(world.app.clone(), &by(&authority)).await;
    let mut stays = Client::open(&running, authority.tls(&[&TLS13], &["h2"], Some(&client))).await;
    stays.get(1, "/").await;
    assert!(stays.is_ok(1).await);
    stays.get(3, "/wait").await;
    world.arrived.notified().await;
    running.handle.reconfigure(&by(&other));
    stays.next(GOAWAY, 0).await;
    stays.get(5, "/").await;
    assert!(!stays.is_ok(5).await);
    assert_eq!(world.asked.load(SeqCst), 1, "nobody was asked");
    world.go_on.notify_one();
    assert!(stays.is_ok(3).await);
    assert_eq!(stays.next(DATA, 3).await, b"finished");
}

#[tokio::test]
async fn a_proxy_that_is_trusted_no_longer_is_not_believed_from_then_on() {
    let authority = Authority::new();
    let (server, world) = (authority.server(), World::new());
    let trusting = |net: &str| {
        let proxies = TrustedProxies::new([net]).unwrap();
        loopback().secure(ServerTls::new(server.identity())).unwrap().with_trusted_proxies(proxies)
    };
    let running = Running::start(world.app.clone(), &trusting("127.0.0.0/8")).await;
    let mut stays = Client::open(&running, authority.tls(&[&TLS13], &["h2"], None)).await;
    let address = |payload: Vec<u8>| String::from_utf8(payload).unwrap().parse::<IpAddr>().unwrap();
    stays.get(1, "/").await;
    assert_eq!(address(stays.next(DATA, 1).await), IpAddr::from([192, 0, 2, 9]));
    stays.get(3, "/wait").await;
    world.arrived.notified().await;
    running.handle.reconfigure(&trusting("198.51.100.0/24"));
    stays.next(GOAWAY, 0).await;
    stays.get(5, "/").await;
    assert_eq!(address(stays.next(DATA, 5).await), IpAddr::from([127, 0, 0, 1]));
    world.go_on.notify_one();
    assert_eq!(stays.next(DATA, 3).await, b"finished");
}
