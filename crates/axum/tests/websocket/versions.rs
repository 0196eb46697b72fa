//! WebSockets of a service whose versions replace each other.

use std::sync::{Arc, Mutex};

use axum::{Router, response::Response, routing::any};
use portcullis_axum::{AuthLayer, AuthRouter, Closed, GuardExt as _, GuardedUpgrade};
use portcullis_core::{Auth, Ended, LiveAuth, Override, Resource};
use portcullis_testing::ManualClock;

use crate::support::{Parted, Reports, Running, START, Tokens, echo, service, soon};

/// A running service that follows, and what replaces it.
async fn following(
    app: impl FnOnce(&LiveAuth) -> Router,
) -> (Running, LiveAuth, impl Fn(&dyn Fn(Resource) -> Resource) -> Auth) {
    let kept: Arc<Mutex<Option<LiveAuth>>> = Arc::default();
    let keep = kept.clone();
    let running = Running::serve(
        |listener| listener,
        |auth| auth,
        move |auth| {
            let live = LiveAuth::following(auth);
            *keep.lock().unwrap() = Some(live.clone());
            app(&live)
        },
    )
    .await;
    let live = kept.lock().unwrap().take().unwrap();
    let other = |change: &dyn Fn(Resource) -> Resource| {
        // Another provider: it is asked.
        let auth = service(&Tokens::default(), &ManualClock::at(START));
        auth.resource(change(Resource::new("/feed"))).build().unwrap()
    };
    (running, live, other)
}

#[tokio::test]
async fn who_would_not_be_let_in_any_more_is_closed_with_1008_and_others_go_on() {
    let (reports, mut ended) = Reports::new();
    let handler = async move |upgrade: GuardedUpgrade| -> Response {
        upgrade.on_upgrade(move |socket| echo(socket, reports))
    };
    let app = Router::new().route("/feed", any(handler.clone())).route("/open", any(handler));
    let (server, live, other) = following(|live| app.layer(AuthLayer::new(live))).await;
    let mut over1 = server.open("/feed", "good").await;
    let mut over2 = server.http2().await.open("/feed", "good").await;
    let mut open = server.open("/open", "").await;
    live.replace(other(&|feed| feed.scopes("feed"))).unwrap();
    for socket in [&mut over1, &mut open] {
        socket.echoes("still here").await;
    }
    over2.echoes("still here").await;
    live.replace(other(&|feed| feed.scopes("another"))).unwrap();
    assert_eq!(over1.closed().await, (1008, "access was withdrawn".to_owned()));
    assert_eq!(over2.closed().await, (1008, "access was withdrawn".to_owned()));
    for _ in 0..2 {
        let parted = soon(ended.recv()).await.unwrap();
        let last = "no more messages".to_owned();
        assert_eq!(parted, Parted { last, closed: Some(Closed::Ended(Ended::Withdrawn)) });
    }
    open.echoes("for everybody").await;
}

#[tokio::test]
async fn a_route_with_an_override_is_held_to_that_of_its_route() {
    let (reports, _ended) = Reports::new();
    let handler = async move |upgrade: GuardedUpgrade| -> Response {
        upgrade.on_upgrade(move |socket| echo(socket, reports))
    };
    let (server, live, other) = following(|live| {
        AuthRouter::new()
            .route("/open", any(handler.clone()))
            .route("/mine", any(handler.clone()).with(Override::scopes("feed")))
            .route("/feed", any(handler))
            .guard(live)
            .unwrap()
    })
    .await;
    let (mut feed, mut mine) = (server.open("/feed", "good").await, server.open("/mine", "good").await);
    live.replace(other(&|feed| feed.scopes("another"))).unwrap();
    assert_eq!(feed.closed().await, (1008, "access was withdrawn".to_owned()));
    mine.echoes("still here").await;
}
