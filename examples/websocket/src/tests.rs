//! The service on a port of its own, with a clock that the tests turn.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use portcullis::serve::ListenerConfig;
use portcullis_testing::ManualClock;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};

use super::*;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// Serves, and returns the address and the clock.
async fn start() -> (SocketAddr, ManualClock) {
    let clock = ManualClock::at(NOW);
    let config = Config::builder().clock(Arc::new(clock.clone())).parse(CONFIG, ".").unwrap();
    let app = app(&config).await.unwrap();
    let listener = Listener::bind(&ListenerConfig::new(([127, 0, 0, 1], 0).into())).await.unwrap();
    let address = listener.local_addr();
    tokio::spawn(listener.serve_with_shutdown(app, std::future::pending()));
    (address, clock)
}

/// Opens a WebSocket with a header, or returns the status of the refusal.
async fn open(
    address: SocketAddr,
    name: &'static str,
    value: &str,
) -> Result<(WebSocketStream<TcpStream>, Option<String>), u16> {
    let mut request = format!("ws://{address}/live/echo").into_client_request().unwrap();
    request.headers_mut().insert(name, value.parse().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, response)) => {
            let protocol = response.headers().get("sec-websocket-protocol");
            Ok((socket, protocol.map(|name| name.to_str().unwrap().to_owned())))
        }
        Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Message {
    socket.next().await.unwrap().unwrap()
}

#[tokio::test]
async fn a_token_opens_a_socket_as_a_header_and_as_a_subprotocol() {
    let (address, _clock) = start().await;
    let token = token("alice", "echo", NOW).unwrap();
    for (name, value, selected) in [
        ("authorization", format!("Bearer {token}"), None),
        ("sec-websocket-protocol", format!("bearer, {token}, echo"), Some("echo")),
        ("sec-websocket-protocol", format!("bearer, {token}"), Some("bearer")),
    ] {
        let (mut socket, protocol) = open(address, name, &value).await.unwrap();
        assert_eq!(protocol.as_deref(), selected);
        assert_eq!(next(&mut socket).await, Message::text("Hello, alice!"));
        socket.send(Message::text("hello")).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::text("hello"));
    }
}

#[tokio::test]
async fn without_a_good_token_the_upgrade_is_refused() {
    let (address, clock) = start().await;
    let poor = token("eve", "other", NOW).unwrap();
    assert_eq!(open(address, "x-nothing", "").await.unwrap_err(), 401);
    assert_eq!(open(address, "sec-websocket-protocol", "echo").await.unwrap_err(), 401);
    assert_eq!(open(address, "sec-websocket-protocol", &format!("bearer, {poor}")).await.unwrap_err(), 403);
    let token = token("alice", "echo", NOW).unwrap();
    clock.advance(Duration::from_secs(3600));
    assert_eq!(open(address, "authorization", &format!("Bearer {token}")).await.unwrap_err(), 401);
}

#[tokio::test]
async fn an_open_socket_is_closed_when_its_token_expires() {
    let (address, clock) = start().await;
    let token = token("alice", "echo", NOW).unwrap();
    let (mut socket, _) =
        open(address, "sec-websocket-protocol", &format!("bearer, {token}, echo")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("Hello, alice!"));
    clock.advance(Duration::from_secs(3600));
    let Message::Close(Some(frame)) = next(&mut socket).await else { panic!("no close frame") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1008, "the token expired"));
    assert!(socket.next().await.is_none());
}
