//! WebSockets over HTTP/2, several on one connection.

use portcullis_cli::gateway::{Answer, Service};
use portcullis_core::{Auth, Protocol};

use super::support::{By, Http2, connect, echo, echoes, forwards, public, refusal, serve};
use crate::support::guarded;

#[tokio::test]
async fn one_connection_carries_several_and_requests_beside_them() {
    for by in [By::Http2, By::Http2Tls] {
        let mut upstream = echo().await;
        let text = Auth::builder().path("/text").public().build().unwrap();
        let text = Service::new(text, Answer::Respond("text".into()));
        let served = serve(by, [public(upstream.address), text]).await;
        let mut http2 = Http2::on(connect(&served).await).await;
        let mut sockets = Vec::new();
        for number in 0..5 {
            let (socket, _) = http2.ask("websocket", &format!("/{number}"), &[]).await.unwrap();
            assert_eq!(upstream.asked().await.uri().path(), format!("/{number}"));
            sockets.push(socket);
        }
        for round in 0..3 {
            for socket in &mut sockets {
                echoes(socket, &format!("round {round}")).await;
            }
            let refused = http2.ask("websocket", "/text", &[]).await.unwrap_err();
            assert_eq!(refused.status(), 501);
        }
        // One that ends leaves the others alone.
        drop(sockets.remove(0));
        upstream.ended().await;
        for socket in &mut sockets {
            echoes(socket, "still here").await;
        }
    }
}

#[tokio::test]
async fn another_protocol_is_501_and_reaches_nobody() {
    let mut upstream = echo().await;
    let served = serve(By::Http2, [public(upstream.address)]).await;
    let mut http2 = Http2::on(connect(&served).await).await;
    for protocol in ["connect-udp", "webtransport", "websockets", "WebSocket"] {
        let response = http2.ask(protocol, "/", &[]).await.unwrap_err();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (501, &b""[..]), "{protocol}");
    }
    assert!(upstream.is_untouched());
}

#[tokio::test]
async fn a_version_that_is_not_known_is_400_with_the_one_that_is() {
    let mut upstream = echo().await;
    let served = serve(By::Http2, [public(upstream.address)]).await;
    let mut http2 = Http2::on(connect(&served).await).await;
    // Beside the right one, which the client always sends.
    let response = http2.ask("websocket", "/", &[("sec-websocket-version", "8")]).await.unwrap_err();
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["sec-websocket-version"], "13");
    assert!(upstream.is_untouched());
}

#[tokio::test]
async fn a_refusal_of_a_grpc_service_opens_none_either() {
    let mut upstream = echo().await;
    let auth = guarded("/").protocol(Protocol::Grpc).build().unwrap();
    let served = serve(By::Http2, [forwards(auth, upstream.address)]).await;
    assert_eq!(refusal(&served, "/", &[]).await, 401);
    assert!(upstream.is_untouched());
}
