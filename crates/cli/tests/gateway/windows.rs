//! Callers who share one HTTP/2 connection to an upstream do not wait for each other.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use portcullis_cli::gateway::{Answer, Service, Upstream};
use portcullis_core::{Auth, Protocol};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::support::{Frames, Http2, gateway, in_front_of, raw_open, server, small_socket};

const CHUNK: &[u8] = &[b'x'; 32 * 1024];

/// More than ever are on their way to one client.
const ANSWER: u64 = 64 << 20;

fn grpc() -> Auth {
    Auth::builder().path("/").public().protocol(Protocol::Grpc).build().unwrap()
}

#[tokio::test]
async fn callers_who_stop_reading_do_not_hold_up_another_ones_answer() {
    let produced = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&produced);
    let upstream = server(Arc::new(move |_| {
        let counted = Arc::clone(&counted);
        let chunks = (0..ANSWER / CHUNK.len() as u64).map(move |_| {
            counted.fetch_add(CHUNK.len() as u64, Ordering::SeqCst);
            Ok(Frame::data(Bytes::from_static(CHUNK)))
        });
        Response::new(StreamBody::new(Frames::of(chunks)).boxed_unsync())
    }))
    .await;
    let gateway = gateway([in_front_of(grpc(), &upstream)]).await;
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let mut stream = small_socket().connect(gateway).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        read_head(&mut stream).await;
        stalled.push(stream);
    }
    // Until nothing more comes for them.
    let mut before = u64::MAX;
    while before != produced.load(Ordering::SeqCst) {
        before = produced.load(Ordering::SeqCst);
        for _ in 0..1024 {
            tokio::task::yield_now().await;
        }
    }
    let mut other = Http2::connect(gateway).await;
    let answer = other.get("http://a/", &[]).await;
    assert_eq!((answer.status().as_u16(), answer.body().len() as u64), (200, ANSWER));
    assert_eq!(upstream.connections(), 1);
    // The others can go on where they stopped.
    let mut rest = stalled.pop().unwrap();
    rest.read_exact(&mut vec![0; 1 << 20]).await.unwrap();
}

async fn read_head(stream: &mut TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.unwrap());
    }
    assert!(read.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&read));
}

/// The payload of the next frame of this type, and the stream that it is about (RFC 9113 §4.1).
async fn frame(stream: &mut TcpStream, kind: u8) -> (u32, Vec<u8>) {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if head[3] == kind {
            return (u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload);
        }
    }
}

#[tokio::test]
async fn each_answer_has_a_window_of_its_own_and_the_connection_one_that_never_binds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let upstream = Upstream::new(&url, None).unwrap();
    let gateway = gateway([Service::new(grpc(), Answer::Upstream(upstream))]).await;
    let mut client = raw_open(gateway).await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let (_, settings) = frame(&mut stream, 0x4).await;
    // RFC 9113 §6.5.2: SETTINGS_INITIAL_WINDOW_SIZE is 0x04.
    let window = settings.chunks(6).find(|one| one[..2] == [0, 4]).unwrap();
    assert_eq!(window[2..], (256_u32 << 10).to_be_bytes());
    let (about, raised_by) = frame(&mut stream, 0x8).await;
    // RFC 9113 §6.9.2: a connection's window begins with 65,535.
    assert_eq!((about, raised_by), (0, ((1_u32 << 31) - 1 - 65_535).to_be_bytes().to_vec()));
}
