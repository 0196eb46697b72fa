//! Services that replace others while the gateway serves.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use portcullis_cli::gateway::{Answer, Gateway, Service};
use portcullis_core::Auth;
use tower_service::Service as _;

use crate::support::{echo, full, in_front_of, server};

fn public(path: &str) -> Auth {
    Auth::builder().path(path).public().build().unwrap()
}

async fn ask(gateway: &Gateway, path: &str) -> (u16, Bytes) {
    let request = Request::get(path).header("host", "localhost").body(Empty::<Bytes>::new()).unwrap();
    let response = gateway.clone().call(request).await.unwrap();
    (response.status().as_u16(), response.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn all_services_are_replaced_at_once_and_connections_to_the_same_upstream_are_kept() {
    let (same, other) = (echo().await, echo().await);
    let gateway = Gateway::new([in_front_of(public("/a"), &same)]).unwrap();
    assert_eq!(ask(&gateway, "/a").await, (200, "upstream".into()));
    let prepared = gateway
        .prepare([
            in_front_of(public("/b"), &same),
            Service::new(public("/c"), Answer::Respond("text".into())),
            in_front_of(public("/d"), &other),
        ])
        .unwrap();
    assert_eq!((ask(&gateway, "/a").await.0, ask(&gateway, "/b").await.0), (200, 404), "not yet in use");
    prepared.commit();
    assert_eq!((ask(&gateway, "/a").await.0, ask(&gateway, "/c").await), (404, (200, "text".into())));
    assert_eq!(ask(&gateway, "/b").await, (200, "upstream".into()));
    assert_eq!(ask(&gateway, "/d").await.0, 200);
    assert_eq!((same.connections(), other.connections()), (1, 1));
}

#[tokio::test]
async fn services_that_cannot_be_told_apart_are_refused_and_leave_all_as_it_was() {
    let text = |path: &str, text: &str| Service::new(public(path), Answer::Respond(text.into()));
    let gateway = Gateway::new([text("/a", "first")]).unwrap();
    let error = gateway.prepare([text("/a", "x"), text("/a/", "y")]).unwrap_err().to_string();
    assert!(error.contains("two services have the path"), "{error}");
    assert_eq!(ask(&gateway, "/a").await, (200, "first".into()));
    // What is prepared and dropped is not in use either.
    drop(gateway.prepare([text("/a", "second")]).unwrap());
    assert_eq!(ask(&gateway, "/a").await, (200, "first".into()));
}

#[tokio::test]
async fn a_request_in_flight_is_finished_by_the_services_that_it_began_with() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let upstream = server(Arc::new(move |_| {
        count.fetch_add(1, SeqCst);
        Response::new(full("from before"))
    }))
    .await;
    let gateway = Gateway::new([in_front_of(public("/a"), &upstream)]).unwrap();
    let (body, arrives) = tokio::sync::oneshot::channel::<()>();
    // Its body is still to come.
    let stream = http_body_util::StreamBody::new(futures_util::stream::once(async move {
        drop(arrives.await);
        Ok::<_, std::convert::Infallible>(hyper::body::Frame::data(Bytes::from_static(b"end")))
    }));
    let request = Request::post("/a").header("host", "localhost").body(Box::pin(stream)).unwrap();
    let mut clone = gateway.clone();
    let answer = tokio::spawn(async move { clone.call(request).await.unwrap() });
    while upstream.connections() == 0 {
        tokio::task::yield_now().await;
    }
    gateway.prepare([Service::new(public("/a"), Answer::Respond("after".into()))]).unwrap().commit();
    assert_eq!(ask(&gateway, "/a").await, (200, "after".into()));
    body.send(()).unwrap();
    let response = answer.await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "from before");
    assert_eq!(asked.load(SeqCst), 1);
}
