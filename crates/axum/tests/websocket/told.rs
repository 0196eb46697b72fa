//! What is told of WebSockets that end.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, response::Response, routing::any};
use portcullis_axum::{AuthLayer, GuardedSocket, GuardedUpgrade};
use portcullis_core::{ConnectionEnded, Decided, Identity, LiveAuth, Observer, Resource};
use portcullis_testing::ManualClock;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

use crate::support::{LIFETIME, Mood, Running, START, Tokens, service, soon, until};

const INTERVAL: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Notes {
    fn decided(&self, decided: &Decided<'_>) {
        self.0.lock().unwrap().push(decided.outcome().to_owned());
    }

    fn ended(&self, ended: &ConnectionEnded<'_>) {
        let (method, path) = ended.request.unwrap();
        let subject = ended.caller.and_then(Identity::subject).unwrap();
        let element = ended.element.unwrap().name();
        let client = ended.client.unwrap();
        let note =
            format!("{} {} {element} {subject} {method} {path} {client}", ended.reason, ended.policy.label());
        self.0.lock().unwrap().push(note);
    }
}

async fn echo(mut socket: GuardedSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

/// A handler below a nest: the path that is told is the client's.
fn routes() -> Router {
    let handler = async |upgrade: GuardedUpgrade| -> Response { upgrade.on_upgrade(echo) };
    Router::new().nest("/nest", Router::new().route("/feed", any(handler)))
}

/// A service that asks about open WebSockets every ten seconds.
async fn observed() -> (Running, Notes) {
    let notes = Notes::default();
    let observer = Arc::new(notes.clone());
    let server = Running::serve(
        |listener| listener,
        |auth| auth.revalidate_interval(INTERVAL).observer(observer),
        |auth| routes().layer(AuthLayer::new(auth)),
    )
    .await;
    (server, notes)
}

async fn interval(server: &Running) {
    let asked = server.tokens.asked();
    server.clock.advance(INTERVAL);
    until(|| server.tokens.asked() == asked + 1).await;
}

#[tokio::test]
async fn the_end_is_told_with_its_reason_and_what_is_found_good_again_is_not() {
    for (mood, rounds, reason) in [(Mood::Revoked, 1, "inactive"), (Mood::Away, 2, "unavailable")] {
        for over2 in [false, true] {
            let (server, notes) = observed().await;
            let (mut over1, mut h2) = (None, None);
            if over2 {
                h2 = Some(server.http2().await.open("/nest/feed", "lasting").await);
            } else {
                over1 = Some(server.open("/nest/feed", "lasting").await);
            }
            for _ in 0..3 {
                interval(&server).await;
            }
            assert_eq!(notes.all(), ["admitted"]);
            server.tokens.set(mood);
            for _ in 0..rounds {
                interval(&server).await;
            }
            match (&mut over1, &mut h2) {
                (Some(socket), _) => drop(socket.closed().await),
                (_, Some(socket)) => drop(socket.closed().await),
                _ => unreachable!(),
            }
            let method = if over2 { "CONNECT" } else { "GET" };
            let ended = format!("{reason} service / tokens lasting {method} /nest/feed 127.0.0.1");
            assert_eq!(notes.all(), ["admitted".to_owned(), ended]);
        }
    }
}

#[tokio::test]
async fn a_token_that_expires_is_told_and_a_client_that_leaves_is_not() {
    let (server, notes) = observed().await;
    let mut stays = server.open("/nest/feed", "good").await;
    let mut leaves = server.open("/nest/feed", "good").await;
    leaves.echoes("hello").await;
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    leaves.0.close(Some(frame)).await.unwrap();
    leaves.closed().await;
    server.clock.advance(LIFETIME);
    assert_eq!(stays.closed().await.0, 1008);
    let ended = "expired service / tokens good GET /nest/feed 127.0.0.1";
    assert_eq!(notes.all(), ["admitted", "admitted", ended]);
}

#[tokio::test]
async fn a_version_that_withdraws_what_is_open_is_told() {
    let (notes, kept) = (Notes::default(), Arc::new(Mutex::new(None)));
    let (observer, keep) = (Arc::new(notes.clone()), kept.clone());
    let server = Running::serve(
        |listener| listener,
        |auth| auth.observer(observer),
        move |auth| {
            let live = LiveAuth::following(auth);
            *keep.lock().unwrap() = Some(live.clone());
            routes().layer(AuthLayer::new(&live))
        },
    )
    .await;
    let live: LiveAuth = kept.lock().unwrap().take().unwrap();
    let mut client = server.open("/nest/feed", "lasting").await;
    client.echoes("hello").await;
    let next = service(&Tokens::default(), &ManualClock::at(START));
    live.replace(next.resource(Resource::new("/nest/feed").scopes("another")).build().unwrap()).unwrap();
    assert_eq!(soon(client.closed()).await, (1008, "access was withdrawn".to_owned()));
    let ended = "withdrawn service / tokens lasting GET /nest/feed 127.0.0.1";
    assert_eq!(notes.all(), ["admitted", ended]);
}
