//! For how long a WebSocket stays open, and how it ends.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use axum::extract::ws::Message;
use futures_util::{SinkExt as _, StreamExt as _};
use portcullis_axum::{AuthLayer, Closed, GuardedSocket, GuardedUpgrade};
use portcullis_core::Ended;
use tokio::{io::AsyncReadExt as _, sync::Notify};
use tokio_tungstenite::tungstenite;

use crate::{
    client::open_by_hand,
    support::{LIFETIME, Mood, Parted, Reports, Running, echo, soon, until},
};

const EXPIRED: Closed = Closed::Ended(Ended::Expired);

fn expired() -> (u16, String) {
    (1008, "the token expired".to_owned())
}

#[tokio::test]
async fn a_socket_is_closed_when_the_token_expires_and_not_before() {
    let (reports, mut ended) = Reports::new();
    let server = Running::start(move |socket| echo(socket, reports.clone())).await;
    let mut client = server.open("/feed", "good").await;
    client.echoes("hello").await;
    server.clock.advance(LIFETIME - Duration::from_secs(1));
    client.echoes("still there").await;
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(client.closed().await, expired());
    let parted = soon(ended.recv()).await.unwrap();
    assert_eq!(parted, Parted { last: "no more messages".to_owned(), closed: Some(EXPIRED) });
}

#[tokio::test]
async fn a_token_that_never_expires_and_a_public_route_keep_theirs() {
    let (reports, _ended) = Reports::new();
    let server = Running::start(move |socket| echo(socket, reports.clone())).await;
    for (path, token) in [("/feed", "lasting"), ("/open", ""), ("/open", "good")] {
        let mut client = server.open(path, token).await;
        client.echoes("hello").await;
        server.clock.advance(Duration::from_secs(10 * 365 * 86_400));
        client.echoes("still there").await;
    }
}

#[tokio::test]
async fn a_handler_that_never_looks_at_its_socket_does_not_keep_it_open() {
    let (held, done) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
    let server = {
        let (held, done) = (held.clone(), done.clone());
        let app = async move |upgrade: GuardedUpgrade| {
            upgrade.on_upgrade(async move |socket| {
                held.store(true, SeqCst);
                done.notified().await;
                drop(socket);
            })
        };
        let routes = axum::Router::new().route("/feed", axum::routing::any(app));
        // One place: it is free again although the handler holds on to its socket.
        Running::serve(
            |listener| listener.max_connections(1),
            |auth| auth,
            |auth| routes.layer(AuthLayer::new(auth)),
        )
        .await
    };
    let mut client = server.open("/feed", "good").await;
    until(|| held.load(SeqCst)).await;
    server.clock.advance(LIFETIME);
    assert_eq!(client.closed().await, expired());
    drop(client);
    let refused = server.refusal(Running::request("/feed", "")).await;
    assert_eq!(refused.status(), 401);
    done.notify_one();
}

#[tokio::test]
async fn a_handler_that_is_stuck_in_a_send_is_freed_and_its_messages_arrive_whole() {
    const SIZE: usize = 100_000;
    let (stuck, sent) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (reports, mut ended) = Reports::new();
    let server = {
        let (stuck, sent) = (stuck.clone(), sent.clone());
        Running::start(move |mut socket: GuardedSocket| {
            let (stuck, sent, reports) = (stuck.clone(), sent.clone(), reports.clone());
            async move {
                let last = loop {
                    let mut send = pin!(socket.send(Message::Binary(vec![7; SIZE].into())));
                    let first = std::future::poll_fn(|cx| Poll::Ready(send.as_mut().poll(cx))).await;
                    sent.fetch_add(1, SeqCst);
                    match first {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(error)) => break error.to_string(),
                        // Nobody reads, so nothing moves until somebody does.
                        Poll::Pending => {
                            stuck.notify_one();
                            break send.await.unwrap_err().to_string();
                        }
                    }
                };
                reports.tell(&socket, &last);
                drop(socket.send(Message::text("never")).await.unwrap_err());
            }
        })
        .await
    };
    let mut client = server.open("/feed", "good").await;
    soon(stuck.notified()).await;
    server.clock.advance(LIFETIME);
    let parted = soon(ended.recv()).await.unwrap();
    let last = "the connection was closed: the token expired".to_owned();
    assert_eq!(parted, Parted { last, closed: Some(EXPIRED) });
    for _ in 0..sent.load(SeqCst) {
        assert_eq!(client.next().await.into_data(), vec![7; SIZE]);
    }
    assert_eq!(client.closed().await, expired());
}

#[tokio::test]
async fn a_full_buffer_is_emptied_so_that_the_close_frame_fits() {
    let full = Arc::new(Notify::new());
    let app = {
        let full = full.clone();
        async move |upgrade: GuardedUpgrade| {
            upgrade.configure(|upgrade| upgrade.max_write_buffer_size(1 << 20)).on_upgrade(
                async move |mut socket| {
                    while futures_util::FutureExt::now_or_never(
                        socket.send(Message::Binary(vec![7; 100_000].into())),
                    )
                    .is_some()
                    {}
                    while socket.start_send_unpin(Message::text("x")).is_ok() {}
                    full.notify_one();
                    assert!(socket.recv().await.is_none());
                },
            )
        }
    };
    let routes = axum::Router::new().route("/feed", axum::routing::any(app));
    let server =
        Running::serve(|listener| listener, |auth| auth, |auth| routes.layer(AuthLayer::new(auth))).await;
    let mut client = server.open("/feed", "good").await;
    soon(full.notified()).await;
    server.clock.advance(LIFETIME);
    loop {
        match client.next().await {
            tungstenite::Message::Close(frame) => {
                assert_eq!(frame.unwrap().reason, expired().1);
                break;
            }
            message => assert!(message.is_text() || message.is_binary(), "{message:?}"),
        }
    }
}

#[tokio::test]
async fn two_sides_that_both_send_before_they_read_do_not_wait_for_each_other() {
    let stuck = Arc::new(Notify::new());
    let server = {
        let stuck = stuck.clone();
        Running::start(move |mut socket: GuardedSocket| {
            let stuck = stuck.clone();
            async move {
                while futures_util::FutureExt::now_or_never(
                    socket.send(Message::Binary(vec![7; 100_000].into())),
                )
                .is_some()
                {}
                stuck.notify_one();
                // It sends on, and does not read.
                socket.send(Message::text("never")).await.unwrap_err();
            }
        })
        .await
    };
    let mut client = server.open("/feed", "good").await;
    soon(stuck.notified()).await;
    server.clock.advance(LIFETIME);
    for _ in 0..300 {
        soon(client.0.send(tungstenite::Message::binary(vec![7; 100_000]))).await.unwrap();
    }
    while client.next().await.is_binary() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_does_not_keep_the_connection_open() {
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(std::sync::Mutex::new(blocked));
    let entered = Arc::new(AtomicBool::new(false));
    let server = {
        let entered = entered.clone();
        Running::start(move |mut socket: GuardedSocket| {
            let (entered, blocked) = (entered.clone(), blocked.clone());
            async move {
                socket.recv().await.unwrap().unwrap();
                entered.store(true, SeqCst);
                let _ = blocked.lock().unwrap().recv();
            }
        })
        .await
    };
    let mut client = server.open("/feed", "good").await;
    // It may block the thread that looks after all sockets: from here to the end of the lease nothing waits for one.
    client.send("now").await;
    until(|| entered.load(SeqCst)).await;
    server.clock.advance(LIFETIME);
    assert_eq!(client.closed().await, expired());
    release.send(()).unwrap();
}

#[tokio::test]
async fn both_halves_of_a_split_socket_learn_of_the_end() {
    let (reports, mut ended) = Reports::new();
    let server = Running::start(move |socket: GuardedSocket| {
        let reports = reports.clone();
        async move {
            let (mut sender, mut receiver) = socket.split();
            let reader = tokio::spawn(async move {
                assert!(receiver.next().await.is_none());
                receiver
            });
            let receiver = reader.await.unwrap();
            let error = sender.send(Message::text("late")).await.unwrap_err();
            let cause = *error.into_inner().downcast::<Closed>().unwrap();
            reports.tell(&sender.reunite(receiver).unwrap(), &cause.close_code());
        }
    })
    .await;
    let mut client = server.open("/feed", "good").await;
    server.clock.advance(LIFETIME);
    assert_eq!(client.closed().await, expired());
    let parted = soon(ended.recv()).await.unwrap();
    assert_eq!(parted, Parted { last: "1008".to_owned(), closed: Some(EXPIRED) });
}

#[tokio::test]
async fn what_a_client_sends_after_the_end_reaches_nobody() {
    let (reports, mut ended) = Reports::new();
    let server = Running::start(move |socket| echo(socket, reports.clone())).await;
    let mut client = server.open("/feed", "good").await;
    server.clock.advance(LIFETIME);
    soon(ended.recv()).await.unwrap();
    client.send("late").await;
    client.send("later").await;
    assert_eq!(client.closed().await, expired());
}

#[tokio::test]
async fn a_client_that_does_not_answer_is_cut_off_after_two_seconds() {
    let (reports, mut ended) = Reports::new();
    let server = Running::start(move |socket| echo(socket, reports.clone())).await;
    let mut client = open_by_hand(&server, "/feed", "good", "13").await.0;
    server.clock.advance(LIFETIME);
    // FIN and close, the length, 1008, the reason.
    let reason = b"the token expired";
    let mut frame = vec![0; 4 + reason.len()];
    soon(client.read_exact(&mut frame)).await.unwrap();
    assert_eq!(frame, [&[0x88, 2 + 17, 0x03, 0xf0], &reason[..]].concat());
    soon(ended.recv()).await.unwrap();
    server.clock.advance(Duration::from_millis(1_999));
    let mut space = [0; 1];
    tokio::task::yield_now().await;
    assert_eq!(client.try_read(&mut space).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    server.clock.advance(Duration::from_millis(1));
    assert_eq!(soon(client.read(&mut space)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_after_two_seconds() {
    let (reports, mut ended) = Reports::new();
    let stuck = Arc::new(Notify::new());
    let server = {
        let stuck = stuck.clone();
        Running::start(move |mut socket: GuardedSocket| {
            let (stuck, reports) = (stuck.clone(), reports.clone());
            async move {
                loop {
                    let mut send = pin!(socket.send(Message::Binary(vec![7; 100_000].into())));
                    match std::future::poll_fn(|cx| Poll::Ready(send.as_mut().poll(cx))).await {
                        Poll::Ready(sent) => sent.unwrap(),
                        Poll::Pending => {
                            stuck.notify_one();
                            send.await.unwrap_err();
                            break;
                        }
                    }
                }
                reports.tell(&socket, &"");
            }
        })
        .await
    };
    let mut client = open_by_hand(&server, "/feed", "good", "13").await.0;
    soon(stuck.notified()).await;
    server.clock.advance(LIFETIME);
    soon(ended.recv()).await.unwrap();
    server.clock.advance(Duration::from_secs(2));
    let mut rest = Vec::new();
    soon(client.read_to_end(&mut rest)).await.unwrap();
    assert!(!rest.ends_with(b"the token expired"), "the frame before it did not get through");
}

/// A service whose tokens are asked about again every ten seconds.
async fn revalidating() -> (Running, tokio::sync::mpsc::UnboundedReceiver<Parted>) {
    let (reports, ended) = Reports::new();
    let handler =
        async move |upgrade: GuardedUpgrade| upgrade.on_upgrade(move |socket| echo(socket, reports));
    let routes = axum::Router::new().route("/feed", axum::routing::any(handler));
    let server = Running::serve(
        |listener| listener,
        |auth| auth.revalidate_interval(Duration::from_secs(10)),
        |auth| routes.layer(AuthLayer::new(auth)),
    )
    .await;
    (server, ended)
}

/// Lets an interval pass, and the server be asked.
async fn interval(server: &Running) {
    let asked = server.tokens.asked();
    server.clock.advance(Duration::from_secs(10));
    until(|| server.tokens.asked() == asked + 1).await;
}

#[tokio::test]
async fn a_token_that_is_revoked_closes_the_socket_at_the_next_interval() {
    let (server, mut ended) = revalidating().await;
    let mut client = server.open("/feed", "lasting").await;
    client.echoes("hello").await;
    interval(&server).await;
    client.echoes("still good").await;
    server.tokens.set(Mood::Revoked);
    interval(&server).await;
    assert_eq!(client.closed().await, (1008, "the token was revoked".to_owned()));
    assert_eq!(soon(ended.recv()).await.unwrap().closed, Some(Closed::Ended(Ended::Revoked)));
}

#[tokio::test]
async fn a_server_that_is_away_for_two_intervals_closes_the_socket_with_1013() {
    let (server, mut ended) = revalidating().await;
    let mut client = server.open("/feed", "lasting").await;
    client.echoes("hello").await;
    server.tokens.set(Mood::Away);
    interval(&server).await;
    client.echoes("one further interval").await;
    interval(&server).await;
    assert_eq!(client.closed().await, (1013, "the token cannot be checked now".to_owned()));
    assert_eq!(soon(ended.recv()).await.unwrap().closed, Some(Closed::Ended(Ended::Unavailable)));
}
