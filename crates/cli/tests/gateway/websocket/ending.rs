//! A WebSocket does not outlive what it rests on.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;

use super::support::{
    By, LIFETIME, Mood, RawUpstream, Tokens, clock, closed, echo, echoes, forwards, open, serve, serve_with,
    soon, until,
};

const GOOD: (&str, &str) = ("authorization", "Bearer good");
const LASTING: (&str, &str) = ("authorization", "Bearer lasting");

#[tokio::test]
async fn an_expired_token_closes_it_with_1008_on_both_sides() {
    for by in By::ALL {
        let (mut upstream, clock) = (echo().await, clock());
        let auth = Tokens::default().guard(&clock).build().unwrap();
        let service = forwards(auth, upstream.address);
        let served = serve_with(by, [service], Arc::new(clock.clone()), |config| config).await;
        let mut socket = open(&served, "/", &[GOOD]).await;
        let mut other = open(&served, "/", &[LASTING]).await;
        echoes(&mut socket, "hello").await;
        echoes(&mut other, "hello").await;
        clock.advance(LIFETIME - Duration::from_millis(1));
        echoes(&mut socket, "still here").await;
        clock.advance(Duration::from_millis(1));
        assert_eq!(closed(&mut socket).await, (1008, "the token expired".to_owned()), "{by:?}");
        assert_eq!(upstream.ended().await, Some((1008, "the token expired".to_owned())), "{by:?}");
        clock.advance(Duration::from_secs(24 * 3600));
        echoes(&mut other, "for ever").await;
    }
}

#[tokio::test]
async fn a_revoked_token_closes_it_with_1008_and_a_server_that_is_away_with_1013() {
    for by in By::ALL {
        for (mood, rounds, close) in [
            (Mood::Revoked, 1, (1008, "the token was revoked".to_owned())),
            (Mood::Away, 2, (1013, "the token cannot be checked now".to_owned())),
        ] {
            let (mut upstream, clock, tokens) = (echo().await, clock(), Tokens::default());
            let interval = Duration::from_secs(10);
            let auth = tokens.guard(&clock).revalidate_interval(interval).build().unwrap();
            let served = serve(by, [forwards(auth, upstream.address)]).await;
            let mut socket = open(&served, "/", &[LASTING]).await;
            echoes(&mut socket, "hello").await;
            let before = tokens.asked();
            clock.advance(interval);
            until(|| tokens.asked() == before + 1).await;
            echoes(&mut socket, "still here").await;
            tokens.set(mood);
            for round in 0..rounds {
                if round > 0 {
                    echoes(&mut socket, "one more interval").await;
                }
                clock.advance(interval);
                until(|| tokens.asked() == before + 2 + round).await;
            }
            assert_eq!(closed(&mut socket).await, close, "{by:?}");
            assert_eq!(upstream.ended().await, Some(close), "{by:?}");
        }
    }
}

#[tokio::test]
async fn the_close_frame_comes_behind_the_frame_that_is_on_its_way() {
    for by in By::ALL {
        let (upstream, clock) = (RawUpstream::bind().await, clock());
        let auth = Tokens::default().guard(&clock).build().unwrap();
        let served =
            serve_with(by, [forwards(auth, upstream.address())], Arc::new(clock.clone()), |config| config)
                .await;
        let (socket, mut stream) = tokio::join!(open(&served, "/", &[GOOD]), upstream.opens());
        let mut socket = socket;
        stream.write_all(&[0x81, 2, b'y', b'o', 0x82, 4, 1, 2]).await.unwrap();
        assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::text("yo"));
        clock.advance(LIFETIME);
        // Masked, as a client's has to be.
        let mut close = [0; 6 + 2 + 17];
        soon(stream.read_exact(&mut close)).await.unwrap();
        assert_eq!(close[..2], [0x88, 0x80 | 19], "{by:?}");
        let code = [close[6] ^ close[2], close[7] ^ close[3]];
        assert_eq!(u16::from_be_bytes(code), 1008, "{by:?}");
        assert_ne!(close[2..6], [0; 4]);
        // The rest, and what is never seen: another frame.
        stream.write_all(&[3, 4, 0x81, 2, b'n', b'o']).await.unwrap();
        assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::binary(vec![1, 2, 3, 4]), "{by:?}");
        stream.write_all(&[0x88, 2, 0x03, 0xf0]).await.unwrap();
        assert_eq!(closed(&mut socket).await.0, 1008, "{by:?}");
        let mut rest = Vec::new();
        soon(stream.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"", "{by:?}");
    }
}

#[tokio::test]
async fn an_upstream_that_stalls_within_a_frame_has_the_client_cut_off() {
    for by in By::ALL {
        let (upstream, clock) = (RawUpstream::bind().await, clock());
        let auth = Tokens::default().guard(&clock).build().unwrap();
        let served =
            serve_with(by, [forwards(auth, upstream.address())], Arc::new(clock.clone()), |config| config)
                .await;
        let (mut socket, mut stream) = tokio::join!(open(&served, "/", &[GOOD]), upstream.opens());
        stream.write_all(&[0x81, 2, b'y', b'o', 0x82, 4, 1, 2]).await.unwrap();
        assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::text("yo"));
        clock.advance(LIFETIME);
        assert_eq!(soon(stream.read_u8()).await.unwrap(), 0x88);
        clock.advance(Duration::from_secs(1));
        let end = soon(socket.next()).await;
        assert!(matches!(end, None | Some(Err(_))), "{by:?} {end:?}");
        // The upstream never answers.
        clock.advance(Duration::from_secs(1));
        let mut rest = Vec::new();
        let _ = soon(stream.read_to_end(&mut rest)).await;
    }
}

#[tokio::test]
async fn a_gateway_that_stops_says_1001_to_both_and_waits_for_them() {
    for by in By::ALL {
        let (mut upstream, clock) = (echo().await, clock());
        let auth = Tokens::default().guard(&clock).build().unwrap();
        let served = serve(by, [forwards(auth, upstream.address)]).await;
        let mut socket = open(&served, "/", &[LASTING]).await;
        echoes(&mut socket, "hello").await;
        let ended = served.stop();
        assert_eq!(closed(&mut socket).await, (1001, "the gateway is stopping".to_owned()), "{by:?}");
        assert_eq!(upstream.ended().await, Some((1001, "the gateway is stopping".to_owned())), "{by:?}");
        drop(socket);
        soon(ended).await.unwrap();
    }
}

#[tokio::test]
async fn a_gateway_that_stops_does_not_wait_for_those_who_do_not_answer() {
    for by in By::ALL {
        let (upstream, clock) = (RawUpstream::bind().await, clock());
        let auth = Tokens::default().guard(&clock).build().unwrap();
        let served =
            serve_with(by, [forwards(auth, upstream.address())], Arc::new(clock.clone()), |config| config)
                .await;
        let (socket, mut stream) = tokio::join!(open(&served, "/", &[LASTING]), upstream.opens());
        let ended = served.stop();
        assert_eq!(soon(stream.read_u8()).await.unwrap(), 0x88, "{by:?}");
        assert!(!ended.is_finished(), "{by:?}");
        clock.advance(Duration::from_secs(2));
        soon(ended).await.unwrap();
        drop((socket, stream));
    }
}

#[tokio::test]
async fn a_client_that_goes_on_after_the_end_is_not_heard() {
    let (mut upstream, clock) = (echo().await, clock());
    let auth = Tokens::default().guard(&clock).build().unwrap();
    let served =
        serve_with(By::Http1, [forwards(auth, upstream.address)], Arc::new(clock.clone()), |config| config)
            .await;
    let mut socket = open(&served, "/", &[GOOD]).await;
    echoes(&mut socket, "hello").await;
    clock.advance(LIFETIME);
    assert_eq!(upstream.ended().await.unwrap().0, 1008);
    // It has not read the Close frame yet.
    let _ = socket.send(Message::text("too late")).await;
    assert_eq!(closed(&mut socket).await.0, 1008);
}
