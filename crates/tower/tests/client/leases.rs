//! A token that is sent again and again without asking its source.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::Empty;
use portcullis_core::{Authorization, BoxFuture, Probe, TokenError, TokenLease, TokenSource, UnixTime};
use portcullis_testing::ManualClock;
use portcullis_tower::{ClientAuth, ClientAuthLayer};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::tokens::bearer;

/// Gives `token-1` for ten seconds, and the next one after each refusal.
#[derive(Clone, Debug)]
struct Leasing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: ManualClock,
    held: Mutex<(usize, Arc<TokenLease>)>,
    asked: AtomicUsize,
    refused: Mutex<Vec<Authorization>>,
}

impl Leasing {
    fn new() -> Self {
        let clock = ManualClock::at(UnixTime::from_secs(1_000_000));
        let held = Mutex::new((1, lease(&clock, 1)));
        Self(Arc::new(Inner { clock, held, asked: AtomicUsize::new(0), refused: Mutex::default() }))
    }

    fn next(&self) {
        let mut held = self.0.held.lock().unwrap();
        held.1.end();
        *held = (held.0 + 1, lease(&self.0.clock, held.0 + 1));
    }

    /// How often it was asked, since the last time.
    fn asked(&self) -> usize {
        self.0.asked.swap(0, Ordering::SeqCst)
    }
}

fn lease(clock: &ManualClock, number: usize) -> Arc<TokenLease> {
    let token = bearer(&format!("token-{number}"));
    Arc::new(TokenLease::until(token, Arc::new(clock.clone()), Duration::from_secs(10)))
}

impl TokenSource for Leasing {
    fn try_token(&self) -> Option<Authorization> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        Some(bearer("in-between"))
    }

    fn lease(&self) -> Option<Arc<TokenLease>> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        Some(Arc::clone(&self.0.held.lock().unwrap().1)).filter(|lease| lease.is_good())
    }

    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        Box::pin(async { Ok(self.0.held.lock().unwrap().1.token().clone()) })
    }

    fn refused(&self, token: &Authorization) -> bool {
        self.0.refused.lock().unwrap().push(token.clone());
        self.next();
        true
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(async { Vec::new() })
    }
}

type Calls = Request<Empty<Bytes>>;

/// Answers with the token, and 401 to the one that `refuses` names.
fn client(
    source: &Leasing,
    refuses: &'static str,
) -> impl Service<Calls, Response = Response<String>, Error: std::fmt::Debug> + Clone {
    let auth = ClientAuth::builder(source.clone()).url("https://orders.example").build().unwrap();
    ClientAuthLayer::new(auth).layer(service_fn(move |request: Calls| async move {
        let shown = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
        let status = if shown == refuses { 401 } else { 200 };
        Ok::<_, Infallible>(Response::builder().status(status).body(shown).unwrap())
    }))
}

async fn call(
    client: &mut impl Service<Calls, Response = Response<String>, Error: std::fmt::Debug>,
) -> String {
    let request = Request::get("https://orders.example/v2").body(Empty::new()).unwrap();
    client.ready().await.unwrap().call(request).await.unwrap().into_body()
}

#[tokio::test]
async fn the_source_is_asked_once_for_many_requests_until_the_term_is_over() {
    let source = Leasing::new();
    let mut client = client(&source, "");
    for _ in 0..10 {
        assert_eq!(call(&mut client).await, "Bearer token-1");
    }
    assert_eq!(source.asked(), 1);
    assert_eq!((call(&mut client.clone()).await.as_str(), source.asked()), ("Bearer token-1", 0));

    source.0.clock.advance(Duration::from_secs(9));
    assert_eq!((call(&mut client).await.as_str(), source.asked()), ("Bearer token-1", 0));
    source.0.clock.advance(Duration::from_secs(1));
    for _ in 0..3 {
        assert_eq!(call(&mut client).await, "Bearer in-between", "there is no lease now");
        assert_eq!(source.asked(), 2);
    }
    assert!(source.0.refused.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_token_that_is_taken_back_is_sent_no_more() {
    let source = Leasing::new();
    let mut client = client(&source, "");
    assert_eq!(call(&mut client).await, "Bearer token-1");
    source.next();
    assert_eq!(call(&mut client).await, "Bearer token-2");
    assert_eq!(source.asked(), 2);
}

#[tokio::test]
async fn after_a_refusal_all_send_the_next_token() {
    let source = Leasing::new();
    let mut first = client(&source, "Bearer token-1");
    let mut second = first.clone();
    assert_eq!(call(&mut first).await, "Bearer token-2", "it is sent once more");
    assert_eq!(*source.0.refused.lock().unwrap(), [bearer("token-1")]);
    assert_eq!(call(&mut first).await, "Bearer token-2");
    assert_eq!(call(&mut second).await, "Bearer token-2");
    assert_eq!(source.0.refused.lock().unwrap().len(), 1);
}
