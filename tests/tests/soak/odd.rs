//! Connections that are not requests and answers: those that never finish, those that leave, and WebSockets.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use portcullis_tests::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::callers::anywhere;
use crate::good::right;
use crate::hostile::{SHORT, abandoned};
use crate::random::Random;
use crate::wire::{Wire, connect, request};
use crate::world::{World, every};

/// `listener.headerTimeout`, and what a busy machine may add.
const HEADERS: Duration = Duration::from_secs(3 + 10);
/// After its end, a token's WebSocket is closed within this.
const CLOSING: Duration = Duration::from_secs(5);

pub(crate) fn all(world: &Arc<World>, random: &mut Random) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(never_finish(Arc::clone(world), random.fork()));
    tasks.spawn(leave(Arc::clone(world), random.fork()));
    tasks.spawn(web_sockets(Arc::clone(world), random.fork()));
    tasks
}

/// Heads that never end, a byte at a time.
async fn never_finish(world: Arc<World>, mut random: Random) {
    let (mut ticks, mut open) = (every(Duration::from_millis(400)), JoinSet::new());
    while !world.has_ended() {
        ticks.tick().await;
        let (world, mut random) = (Arc::clone(&world), random.fork());
        open.spawn(async move {
            let began = Instant::now();
            let kind = "head that never ends";
            let Ok(mut stream) = connect(Ipv4Addr::new(127, 0, 70, 1), world.gateway).await else {
                return world.report.is_wrong(format!("{kind}: no connection"));
            };
            let _ = stream.write_all(b"GET /file HTTP/1.1\r\nHost: soak.example\r\nX-Slow: ").await;
            let (mut ticks, mut answer) = (every(Duration::from_millis(random.between(50, 500))), Vec::new());
            let status = loop {
                tokio::select! {
                    _ = ticks.tick() => if stream.write_all(b"x").await.is_err() { break 0 },
                    read = stream.read_buf(&mut answer) => match read {
                        Ok(read) if read > 0 => {}
                        _ => break if answer.starts_with(b"HTTP/1.1 408") { 408 } else { 0 },
                    },
                }
                if began.elapsed() > HEADERS {
                    break 999;
                }
            };
            world.report.count(kind, status, began.elapsed());
            if status == 999 || answer.starts_with(b"HTTP/1.1 2") {
                world.report.is_wrong(format!("{kind}: open after {:?}", began.elapsed()));
            }
        });
        while open.try_join_next().is_some() {}
    }
    open.join_all().await;
}

/// Requests whose sender is gone before there is an answer.
async fn leave(world: Arc<World>, mut random: Random) {
    let mut ticks = every(Duration::from_millis(60));
    let mut number = 0_u32;
    while !world.has_ended() {
        ticks.tick().await;
        number += 1;
        let [_, _, third, fourth] = number.to_be_bytes();
        let own = Ipv4Addr::new(127, 1, third, fourth);
        let mut shot = abandoned(&world, &mut random, own.into());
        if random.one_in(4) {
            let elsewhere = anywhere(&mut random);
            shot = abandoned(&world, &mut random, elsewhere);
        }
        world.model.sends(&shot.expect);
        let began = Instant::now();
        let Ok(mut wire) = Wire::connect(own, world.gateway).await else {
            world.report.is_wrong("abandoned: no connection".to_owned());
            continue;
        };
        let _ = wire.send(&request(&shot.path, &shot.headers)).await;
        if random.one_in(2) {
            // Sometimes while it is decided.
            let _ = timeout(Duration::from_millis(random.between(1, 8)), wire.answer()).await;
        }
        drop(wire);
        world.report.count("abandoned", 0, began.elapsed());
    }
}

/// WebSockets of good tokens, which end with their token, and of others, which are not opened.
async fn web_sockets(world: Arc<World>, mut random: Random) {
    let (mut ticks, mut open) = (every(Duration::from_millis(500)), JoinSet::new());
    while !world.has_ended() {
        ticks.tick().await;
        let (world, good) = (Arc::clone(&world), !random.one_in(3));
        open.spawn(async move {
            let wrong = if good { web_socket(&world).await } else { no_web_socket(&world).await };
            if let Err(wrong) = wrong {
                world.report.is_wrong(format!("WebSocket: {wrong}"));
            }
        });
        while open.try_join_next().is_some() {}
    }
    open.join_all().await;
}

fn upgrade(token: &str) -> Result<http::Request<()>, String> {
    let mut request =
        "ws://soak.example/fixed/socket".into_client_request().map_err(|error| error.to_string())?;
    let value = format!("Bearer {token}").parse().map_err(|_| "a token that is no header".to_owned())?;
    request.headers_mut().insert("authorization", value);
    Ok(request)
}

async fn web_socket(world: &World) -> Result<(), String> {
    let text = |error: Error| error.to_string();
    let began = Instant::now();
    let token = right(world.fixed.token()).subject("wanda").expires_in(SHORT).sign();
    let stream =
        connect(Ipv4Addr::new(127, 0, 71, 1), world.gateway).await.map_err(|error| error.to_string())?;
    let opening = tokio_tungstenite::client_async(upgrade(&token)?, stream);
    let (mut socket, _) =
        timeout(PATIENCE, opening).await.map_err(|_| "not opened in time")?.map_err(text)?;
    world.report.count("WebSocket, right token", 101, began.elapsed());
    let mut ticks = every(Duration::from_millis(200));
    let mut unanswered = 0;
    let code = loop {
        tokio::select! {
            _ = ticks.tick() => {
                if socket.send(Message::text("hello")).await.is_ok() {
                    unanswered += 1;
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(_))) => unanswered -= 1,
                Some(Ok(Message::Close(frame))) => break frame.map(|frame| frame.code),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(format!("{error} after {:?}", began.elapsed())),
                None => return Err(format!("cut off after {:?}", began.elapsed())),
            },
        }
        if began.elapsed() > SHORT + CLOSING {
            return Err(format!(
                "open {:?} after its token's end, {unanswered} unanswered",
                began.elapsed() - SHORT
            ));
        }
    };
    world.report.count("WebSocket, closed by 1008 at its token's end", 0, began.elapsed());
    // `exp` is in whole seconds.
    if code != Some(CloseCode::Policy) || began.elapsed() + Duration::from_secs(1) < SHORT {
        return Err(format!("closed by {code:?} after {:?}", began.elapsed()));
    }
    Ok(())
}

async fn no_web_socket(world: &World) -> Result<(), String> {
    let began = Instant::now();
    let token = right(world.fixed.token()).claim("exp", 1_000_000_000).sign();
    let stream =
        connect(Ipv4Addr::new(127, 0, 71, 2), world.gateway).await.map_err(|error| error.to_string())?;
    let opening = tokio_tungstenite::client_async(upgrade(&token)?, stream);
    match timeout(PATIENCE, opening).await {
        Ok(Err(Error::Http(answer))) if answer.status() == 401 => {
            world.report.count("WebSocket, wrong token", 401, began.elapsed());
            Ok(())
        }
        Ok(Ok(_)) => {
            world.report.wrong_admissions.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Err("opened with an expired token".to_owned())
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}
