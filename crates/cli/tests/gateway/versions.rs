//! Services that replace others while the gateway serves.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use portcullis_axum::serve::TrustedProxies;
use portcullis_cli::gateway::{Answer, Connection, Gateway, Service};
use portcullis_core::{Auth, Decided, Observer};
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

/// Notes every request to which the version in use and the proxies that it believes did not belong together.
#[derive(Debug)]
struct Belongs {
    client: IpAddr,
    torn: Arc<AtomicUsize>,
}

impl Observer for Belongs {
    fn decided(&self, decided: &Decided<'_>) {
        if decided.client != Some(self.client) {
            self.torn.fetch_add(1, SeqCst);
        }
    }
}

const PROXY: &str = "192.0.2.1";
const CLIENT: &str = "203.0.113.9";

/// A version that believes the proxy and whose service knows that, or the other one.
fn version(number: usize, torn: &Arc<AtomicUsize>) -> (TrustedProxies, [Service; 1]) {
    let (proxies, client) = match number % 2 {
        0 => (TrustedProxies::default(), PROXY),
        _ => (TrustedProxies::new([PROXY]).unwrap(), CLIENT),
    };
    let observer = Belongs { client: client.parse().unwrap(), torn: Arc::clone(torn) };
    let auth = Auth::builder().path("/a").public().observer(Arc::new(observer)).build().unwrap();
    (proxies, [Service::new(auth, Answer::Respond("text".into()))])
}

fn forwarded(gateway: &Gateway) -> u16 {
    let request = Request::get("/a").header("host", "localhost").header("x-forwarded-for", CLIENT);
    let connection = Connection::new(PROXY.parse().unwrap(), true);
    let answering = gateway.answer_on(request.body(Empty::<Bytes>::new()).unwrap(), Some(connection));
    answering.now_or_never().expect("nothing to wait for").unwrap().status().as_u16()
}

#[test]
fn who_called_is_told_by_the_proxies_of_the_version_that_answers() {
    let torn = Arc::new(AtomicUsize::new(0));
    let (proxies, services) = version(1, &torn);
    let gateway = Gateway::behind(proxies, services).unwrap();
    assert_eq!(forwarded(&gateway), 200);
    let (proxies, services) = version(2, &torn);
    let prepared = gateway.prepare(services).unwrap().trusting(proxies);
    assert_eq!((forwarded(&gateway), torn.load(SeqCst)), (200, 0), "not yet in use");
    prepared.commit();
    assert_eq!((forwarded(&gateway), torn.load(SeqCst)), (200, 0));
    // Whoever says nothing of proxies leaves those that there are.
    gateway.prepare(version(1, &torn).1).unwrap().commit();
    assert_eq!((forwarded(&gateway), torn.load(SeqCst)), (200, 1));
}

/// Requests without a pause while services and proxies are replaced without one.
#[test]
fn no_request_sees_the_services_of_one_version_and_the_proxies_of_another() {
    const VERSIONS: usize = 4_000;
    let torn = Arc::new(AtomicUsize::new(0));
    let (proxies, services) = version(0, &torn);
    let gateway = Gateway::behind(proxies, services).unwrap();
    let (done, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    assert_eq!(forwarded(&gateway), 200);
                    answers.fetch_add(1, SeqCst);
                }
            });
        }
        let mut number = 0;
        while number < VERSIONS || answers.load(SeqCst) < VERSIONS {
            number += 1;
            let (proxies, services) = version(number, &torn);
            gateway.prepare(services).unwrap().trusting(proxies).commit();
        }
        done.store(true, SeqCst);
    });
    assert_eq!(torn.load(SeqCst), 0, "of {}", answers.load(SeqCst));
}
