//! Open WebSockets, without a handshake and without a network.

mod flood;

use std::{sync::Arc, time::Duration};

use portcullis_core::{Clock, UnixTime};
use portcullis_testing::ManualClock;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::oneshot,
    task::JoinHandle,
};

use super::{
    frames,
    tunnel::{self, By, CLOSE_GRACE, Closed, FRAME_GRACE, Farewell, HALF_GRACE},
};

const MASK: [u8; 4] = [9, 8, 7, 6];
const EXPIRED: Farewell = Farewell { code: 1008, reason: "the token expired" };

/// The far ends of a WebSocket, in the hands of a test.
struct Open {
    client: DuplexStream,
    upstream: DuplexStream,
    clock: ManualClock,
    tell: oneshot::Sender<Farewell>,
    closed: JoinHandle<Closed>,
}

/// One whose connections hold `buffer` bytes each way.
fn open(buffer: usize) -> Open {
    let (client, to_client) = duplex(buffer);
    let (upstream, to_upstream) = duplex(buffer);
    let clock = ManualClock::at(UnixTime::from_secs(1_000_000));
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let (tell, told) = oneshot::channel();
    let closed = tokio::spawn(async move {
        let until = async {
            match told.await {
                Ok(farewell) => farewell,
                Err(_) => std::future::pending().await,
            }
        };
        tunnel::run(to_client, to_upstream, until, MASK, &shared).await
    });
    Open { client, upstream, clock, tell, closed }
}

fn from_server(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x82, u8::try_from(payload.len()).unwrap()];
    frame.extend(payload);
    frame
}

fn from_client(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x82, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(payload);
    frame
}

async fn expect(stream: &mut DuplexStream, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(read, bytes);
}

async fn expect_end(stream: &mut DuplexStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"", "nothing comes before the end");
}

/// What of it the other side has got by now.
async fn whatever_comes(stream: &mut DuplexStream) -> Vec<u8> {
    let mut read = Vec::new();
    for _ in 0..100 {
        let mut part = [0; 64];
        tokio::select! {
            biased;
            got = stream.read(&mut part) => read.extend(part.get(..got.unwrap()).unwrap()),
            () = tokio::task::yield_now() => {}
        }
    }
    read
}

fn to_client() -> Vec<u8> {
    frames::close(EXPIRED.code, EXPIRED.reason, None)
}

fn to_upstream() -> Vec<u8> {
    frames::close(EXPIRED.code, EXPIRED.reason, Some(MASK))
}

#[tokio::test]
async fn frames_pass_both_ways_and_a_close_frame_is_told_with_its_code() {
    let mut open = open(1024);
    let (up, down) = (from_client(b"ping"), from_server(b"pong!"));
    open.client.write_all(&up).await.unwrap();
    expect(&mut open.upstream, &up).await;
    open.upstream.write_all(&down).await.unwrap();
    expect(&mut open.client, &down).await;

    let (bye, answer) = (frames::close(4001, "bye", Some([1, 2, 3, 4])), frames::close(4001, "", None));
    open.client.write_all(&bye).await.unwrap();
    expect(&mut open.upstream, &bye).await;
    open.upstream.write_all(&answer).await.unwrap();
    open.upstream.shutdown().await.unwrap();
    expect(&mut open.client, &answer).await;
    expect_end(&mut open.client).await;
    open.client.shutdown().await.unwrap();
    expect_end(&mut open.upstream).await;
    let closed = open.closed.await.unwrap();
    assert_eq!((closed.by, closed.code), (By::Client, Some(4001)));
    assert_eq!(closed.up, (up.len() + bye.len()) as u64);
    assert_eq!(closed.down, (down.len() + answer.len()) as u64);
}

#[tokio::test]
async fn a_quiet_websocket_stays_open() {
    let mut open = open(1024);
    for _ in 0..100 {
        tokio::task::yield_now().await;
        open.clock.advance(Duration::from_secs(3600));
    }
    let frame = from_client(b"still here");
    open.client.write_all(&frame).await.unwrap();
    expect(&mut open.upstream, &frame).await;
    assert!(!open.closed.is_finished());
}

#[tokio::test]
async fn at_its_end_both_sides_get_a_close_frame_and_then_the_connection_ends() {
    let mut open = open(1024);
    let frame = from_client(b"before");
    open.client.write_all(&frame).await.unwrap();
    expect(&mut open.upstream, &frame).await;
    open.tell.send(EXPIRED).unwrap();
    expect(&mut open.client, &to_client()).await;
    expect(&mut open.upstream, &to_upstream()).await;
    // What is said instead of an answer reaches nobody.
    open.client.write_all(&from_client(b"one more")).await.unwrap();
    open.client.write_all(&frames::close(1008, "", Some([0; 4]))).await.unwrap();
    // This side is done, whatever the other one does.
    expect_end(&mut open.client).await;
    assert!(!open.closed.is_finished());
    open.upstream.write_all(&from_server(b"late")).await.unwrap();
    open.upstream.write_all(&frames::close(1008, "", None)).await.unwrap();
    expect_end(&mut open.upstream).await;
    let closed = open.closed.await.unwrap();
    let length = (frame.len() + to_upstream().len()) as u64;
    assert_eq!((closed.by, closed.code, closed.up), (By::Gateway, Some(1008), length));
    assert_eq!(closed.reason, EXPIRED.reason);
}

#[tokio::test]
async fn the_close_frame_waits_for_the_end_of_the_frame_that_is_on_its_way() {
    let frame = from_server(b"0123456789");
    for split in 1..frame.len() {
        let mut open = open(1024);
        let (first, second) = frame.split_at(split);
        open.upstream.write_all(first).await.unwrap();
        expect(&mut open.client, first).await;
        open.tell.send(EXPIRED).unwrap();
        // The other direction is between two frames.
        expect(&mut open.upstream, &to_upstream()).await;
        assert_eq!(whatever_comes(&mut open.client).await, b"", "{split}");
        open.upstream.write_all(&[second, &from_server(b"dropped")].concat()).await.unwrap();
        expect(&mut open.client, second).await;
        expect(&mut open.client, &to_client()).await;
        assert_eq!(whatever_comes(&mut open.client).await, b"", "{split}");
    }
}

#[tokio::test]
async fn the_clients_frame_is_completed_for_the_upstream_too() {
    let frame = from_client(b"0123456789");
    for split in 1..frame.len() {
        let mut open = open(1024);
        let (first, second) = frame.split_at(split);
        open.client.write_all(first).await.unwrap();
        expect(&mut open.upstream, first).await;
        open.tell.send(EXPIRED).unwrap();
        expect(&mut open.client, &to_client()).await;
        open.client.write_all(&[second, &from_client(b"dropped")].concat()).await.unwrap();
        expect(&mut open.upstream, second).await;
        expect(&mut open.upstream, &to_upstream()).await;
        assert_eq!(whatever_comes(&mut open.upstream).await, b"", "{split}");
    }
}

#[tokio::test]
async fn of_what_waits_for_a_slow_client_the_frame_that_has_begun_is_sent_and_no_other() {
    let frame = from_server(&[7; 40]);
    for buffer in [1, 41, 42, 43, 50, 84, 100] {
        let mut open = open(buffer);
        let three = frame.repeat(3);
        let (mut read, mut write) = tokio::io::split(open.upstream);
        let written = tokio::spawn(async move { write.write_all(&three).await.map(|()| write) });
        // As much as fits is on its way, the rest rests in the gateway.
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        open.tell.send(EXPIRED).unwrap();
        let mut close = vec![0; to_upstream().len()];
        read.read_exact(&mut close).await.unwrap();
        assert_eq!(close, to_upstream());
        let mut got = Vec::new();
        let farewell = to_client();
        while !got.ends_with(&farewell) {
            got.push(open.client.read_u8().await.unwrap());
        }
        let frames = got.strip_suffix(&farewell[..]).unwrap();
        assert_eq!(frames.len() % frame.len(), 0, "{buffer}: {got:?}");
        assert!(frames.len() < 3 * frame.len() || buffer > 84, "{buffer}: {got:?}");
        drop(written);
    }
}

#[tokio::test]
async fn an_upstream_that_stalls_within_a_frame_has_the_client_cut_off_after_a_second() {
    let mut open = open(1024);
    open.upstream.write_all(&from_server(b"0123456789")[..5]).await.unwrap();
    expect(&mut open.client, &from_server(b"0123456789")[..5]).await;
    open.tell.send(EXPIRED).unwrap();
    expect(&mut open.upstream, &to_upstream()).await;
    open.clock.advance(FRAME_GRACE - Duration::from_millis(1));
    assert_eq!(whatever_comes(&mut open.client).await, b"");
    open.clock.advance(Duration::from_millis(1));
    expect_end(&mut open.client).await;
    assert!(!open.closed.is_finished(), "the upstream still has time to answer");
    open.upstream.write_all(&from_server(b"0123456789")[5..]).await.unwrap();
    open.upstream.write_all(&frames::close(1008, "", None)).await.unwrap();
    expect_end(&mut open.upstream).await;
    assert_eq!(open.closed.await.unwrap().by, By::Gateway);
}

#[tokio::test]
async fn an_upstream_that_leaves_within_a_frame_has_the_client_cut_off_at_once() {
    let mut open = open(1024);
    let frame = from_server(b"the first half and the second");
    open.upstream.write_all(&frame[..9]).await.unwrap();
    expect(&mut open.client, &frame[..9]).await;
    open.tell.send(EXPIRED).unwrap();
    expect(&mut open.upstream, &to_upstream()).await;
    drop(open.upstream);
    // No Close frame can follow, so none is waited for.
    let ended = tokio::time::timeout(Duration::from_secs(60), expect_end(&mut open.client));
    ended.await.expect("nobody moves the clock");
    assert_eq!(open.closed.await.unwrap().by, By::Gateway);
}

#[tokio::test]
async fn a_close_frame_that_nobody_answers_or_takes_is_waited_for_two_seconds() {
    let mut open = open(1024);
    open.tell.send(EXPIRED).unwrap();
    expect(&mut open.client, &to_client()).await;
    expect(&mut open.upstream, &to_upstream()).await;
    open.clock.advance(FRAME_GRACE);
    assert_eq!(whatever_comes(&mut open.client).await, b"");
    assert!(!open.closed.is_finished());
    open.clock.advance(CLOSE_GRACE - FRAME_GRACE);
    expect_end(&mut open.client).await;
    expect_end(&mut open.upstream).await;
    assert_eq!(open.closed.await.unwrap().code, Some(1008));

    // A client that takes nothing: there is no room for a Close frame.
    let mut full = self::open(4);
    full.tell.send(EXPIRED).unwrap();
    expect(&mut full.upstream, &to_upstream()).await;
    full.clock.advance(FRAME_GRACE);
    full.upstream.write_all(&frames::close(1008, "", None)).await.unwrap();
    expect_end(&mut full.upstream).await;
    assert_eq!(full.closed.await.unwrap().by, By::Gateway);
}

#[tokio::test]
async fn no_second_close_frame_follows_the_first() {
    let mut open = open(1024);
    let bye = frames::close(1000, "", Some([3; 4]));
    open.client.write_all(&bye).await.unwrap();
    expect(&mut open.upstream, &bye).await;
    open.tell.send(EXPIRED).unwrap();
    expect(&mut open.client, &to_client()).await;
    expect_end(&mut open.client).await;
    assert_eq!(whatever_comes(&mut open.upstream).await, b"");
    open.upstream.write_all(&frames::close(1000, "", None)).await.unwrap();
    expect_end(&mut open.upstream).await;
    let closed = open.closed.await.unwrap();
    assert_eq!((closed.by, closed.code), (By::Gateway, Some(1008)));
}

#[tokio::test]
async fn no_second_close_frame_follows_one_that_was_on_its_way() {
    let mut open = open(1024);
    let bye = frames::close(1000, "bye", Some([3; 4]));
    let (begun, rest) = bye.split_at(5);
    open.client.write_all(begun).await.unwrap();
    expect(&mut open.upstream, begun).await;
    open.tell.send(EXPIRED).unwrap();
    expect(&mut open.client, &to_client()).await;
    open.client.write_all(rest).await.unwrap();
    expect(&mut open.upstream, rest).await;
    assert_eq!(whatever_comes(&mut open.upstream).await, b"");
    open.upstream.write_all(&frames::close(1000, "", None)).await.unwrap();
    expect_end(&mut open.upstream).await;
    assert_eq!(open.closed.await.unwrap().by, By::Gateway);
}

#[tokio::test]
async fn after_one_side_has_hung_up_the_other_gets_what_is_left_and_a_little_time() {
    let mut open = open(1024);
    let (last, late) = (from_client(b"last words"), from_server(b"late news"));
    open.client.write_all(&last).await.unwrap();
    open.client.shutdown().await.unwrap();
    expect(&mut open.upstream, &last).await;
    expect_end(&mut open.upstream).await;
    open.upstream.write_all(&late).await.unwrap();
    expect(&mut open.client, &late).await;
    open.clock.advance(HALF_GRACE - Duration::from_millis(1));
    assert_eq!(whatever_comes(&mut open.client).await, b"");
    open.clock.advance(Duration::from_millis(1));
    expect_end(&mut open.client).await;
    let closed = open.closed.await.unwrap();
    assert_eq!((closed.by, closed.code), (By::Client, None));
}

#[tokio::test]
async fn whoever_vanishes_is_hung_up_on_at_the_other_side_at_once() {
    let mut gone = open(1024);
    drop(gone.client);
    expect_end(&mut gone.upstream).await;
    drop(gone.upstream);
    assert_eq!(gone.closed.await.unwrap().by, By::Client);

    let mut gone = open(1024);
    drop(gone.upstream);
    expect_end(&mut gone.client).await;
    gone.clock.advance(HALF_GRACE);
    assert_eq!(gone.closed.await.unwrap().by, By::Upstream);

    // While something waits for it.
    let mut gone = open(16);
    gone.upstream.write_all(&from_server(b"x")).await.unwrap();
    expect(&mut gone.client, &from_server(b"x")).await;
    drop(gone.client);
    gone.upstream.write_all(&from_server(&[0; 10])).await.unwrap();
    expect_end(&mut gone.upstream).await;
    drop(gone.upstream);
    assert_eq!(gone.closed.await.unwrap().by, By::Client);
}

#[tokio::test]
async fn what_is_no_frame_goes_nowhere_and_cuts_both_off() {
    for (bytes, reason) in [
        (&b"GET / HTTP/1.1\r\n"[..], "reserved opcode"),
        (&[0x82, 0x02, 0, 0], "masked as only"),
        (&[0x83, 0x80], "reserved opcode"),
        (&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], "a length that no frame has"),
        (&[0x08, 0x80], "fragmented or too long"),
    ] {
        let mut open = open(1024);
        let good = from_client(b"good");
        open.client.write_all(&good).await.unwrap();
        expect(&mut open.upstream, &good).await;
        open.client.write_all(bytes).await.unwrap();
        expect_end(&mut open.upstream).await;
        expect_end(&mut open.client).await;
        let closed = open.closed.await.unwrap();
        assert_eq!((closed.by, closed.code, closed.up), (By::Client, None, good.len() as u64), "{bytes:?}");
        assert!(closed.reason.contains(reason), "{closed:?}");
    }
    let mut open = open(1024);
    open.upstream.write_all(&from_client(b"masked")).await.unwrap();
    expect_end(&mut open.client).await;
    assert_eq!(open.closed.await.unwrap().by, By::Upstream);
}

#[tokio::test]
async fn nothing_is_read_while_nothing_is_taken() {
    let mut open = open(1024);
    let frames = from_server(&[0; 98]).repeat(4096);
    let mut sent = 0;
    loop {
        let part = tokio::select! {
            biased;
            part = open.upstream.write(&frames[sent..]) => part.unwrap(),
            () = async { for _ in 0..100 { tokio::task::yield_now().await } } => break,
        };
        sent += part;
    }
    assert!(sent <= 16 * 1024 + 2 * 1024, "{sent} bytes are on their way");
    expect(&mut open.client, &frames[..sent]).await;
}
