//! What passes while a WebSocket is open, and what becomes of it when one side goes.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::support::{
    By, KEY, OPENS, RawUpstream, accept_for, closed, connect, echo, echoes, open, public, serve, soon,
};

#[tokio::test]
async fn messages_of_every_length_pass_both_ways() {
    for by in By::ALL {
        let upstream = echo().await;
        let served = serve(by, [public(upstream.address)]).await;
        let mut socket = open(&served, "/", &[]).await;
        for length in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            let message = Message::binary(vec![7; length]);
            let (mut write, mut read) = socket.split();
            let (sent, back) = tokio::join!(write.send(message.clone()), soon(read.next()));
            sent.unwrap();
            assert!(back.unwrap().unwrap() == message, "{by:?} {length}");
            socket = write.reunite(read).unwrap();
        }
        socket.send(Message::Ping("are you there".into())).await.unwrap();
        assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::Pong("are you there".into()));
    }
}

#[tokio::test]
async fn a_close_by_the_client_is_answered_by_the_upstream() {
    for by in By::ALL {
        let mut upstream = echo().await;
        let served = serve(by, [public(upstream.address)]).await;
        let mut socket = open(&served, "/", &[]).await;
        echoes(&mut socket, "hello").await;
        let bye = CloseFrame { code: CloseCode::Library(4001), reason: "bye".into() };
        soon(socket.close(Some(bye))).await.unwrap();
        let (code, _) = closed(&mut socket).await;
        assert_eq!(code, 4001, "{by:?}");
        assert_eq!(upstream.ended().await, Some((4001, "bye".to_owned())), "{by:?}");
    }
}

#[tokio::test]
async fn first_words_that_come_with_the_handshake_are_not_lost() {
    let upstream = RawUpstream::bind().await;
    let served = serve(By::Http1, [public(upstream.address())]).await;
    let mut client = connect(&served).await;
    let head = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    let early = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    client.write_all(&[head.as_bytes(), &early].concat()).await.unwrap();
    let (mut stream, asked) = upstream.asked().await;
    let mut first = OPENS.replace("{accept}", &accept_for(&asked)).into_bytes();
    first.extend([0x81, 2, b'y', b'o']);
    stream.write_all(&first).await.unwrap();
    let mut got = [0; 8];
    soon(stream.read_exact(&mut got)).await.unwrap();
    assert_eq!(got, early);
    let mut got = Vec::new();
    soon(async {
        while !got.ends_with(b"\x81\x02yo") {
            got.push(client.read_u8().await.unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn when_the_client_vanishes_the_upstream_is_hung_up_on() {
    for by in By::ALL {
        let upstream = RawUpstream::bind().await;
        let served = serve(by, [public(upstream.address())]).await;
        let (socket, mut stream) = tokio::join!(open(&served, "/", &[]), upstream.opens());
        drop(socket);
        let mut rest = Vec::new();
        soon(stream.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"", "{by:?}");
    }
}

#[tokio::test]
async fn when_the_upstream_vanishes_the_client_is_hung_up_on() {
    for by in By::ALL {
        let upstream = RawUpstream::bind().await;
        let served = serve(by, [public(upstream.address())]).await;
        let (mut socket, stream) = tokio::join!(open(&served, "/", &[]), upstream.opens());
        drop(stream);
        let end = soon(socket.next()).await;
        assert!(matches!(end, None | Some(Err(_))), "{by:?} {end:?}");
    }
}

#[tokio::test]
async fn what_an_upstream_says_before_it_hangs_up_arrives() {
    for by in By::ALL {
        let upstream = RawUpstream::bind().await;
        let served = serve(by, [public(upstream.address())]).await;
        let (mut socket, mut stream) = tokio::join!(open(&served, "/", &[]), upstream.opens());
        // Rude: it does not wait for the answer to its Close frame.
        stream.write_all(&[0x81, 2, b'y', b'o', 0x88, 2, 0x03, 0xe8]).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::text("yo"), "{by:?}");
        assert_eq!(closed(&mut socket).await.0, 1000, "{by:?}");
    }
}

#[tokio::test]
async fn what_is_no_frame_reaches_nobody_and_ends_it_for_both() {
    for by in By::ALL {
        for garbage in [&[0x83, 0x00][..], &[0x81, 0x82, 0, 0, 0, 0], &[0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0]]
        {
            let upstream = RawUpstream::bind().await;
            let served = serve(by, [public(upstream.address())]).await;
            let (mut socket, mut stream) = tokio::join!(open(&served, "/", &[]), upstream.opens());
            stream.write_all(&[&[0x81, 2, b'y', b'o'], garbage].concat()).await.unwrap();
            let mut got = Vec::new();
            let read = soon(socket.get_mut().read_to_end(&mut got)).await;
            assert!(read.is_err() || got.is_empty(), "{by:?} {garbage:?} {got:?}");
            let mut rest = Vec::new();
            let _ = soon(stream.read_to_end(&mut rest)).await;
            assert_eq!(rest, b"", "{by:?} {garbage:?}");
        }
    }
}
