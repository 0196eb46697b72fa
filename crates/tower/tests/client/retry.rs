//! What a refusal leads to.

use std::{
    convert::Infallible,
    future::pending,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version, header::AUTHORIZATION};
use http_body_util::{Empty, Full};
use hyper::body::{Body, Frame};
use portcullis_core::{Authorization, Secret, TokenError, TokenSource};
use portcullis_tower::{
    ClientAuth, ClientAuthLayer,
    client_auth::{NeverReplay, Replay, ReplayCloned, ReplayEmpty},
};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::tokens::{Tokens, bearer};

/// Takes one token, and answers everything else as it was told to.
#[derive(Clone)]
struct Server {
    takes: &'static str,
    refusal: Arc<dyn Fn() -> Response<&'static str> + Send + Sync>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn taking(takes: &'static str) -> Self {
        Self::refusing(takes, || {
            let challenge = "Bearer realm=\"orders\", error=\"invalid_token\"";
            Response::builder().status(401).header("www-authenticate", challenge).body("first").unwrap()
        })
    }

    fn refusing(
        takes: &'static str,
        refusal: impl Fn() -> Response<&'static str> + Send + Sync + 'static,
    ) -> Self {
        Self { takes, refusal: Arc::new(refusal), seen: Arc::default() }
    }

    fn service<B: Send + 'static>(
        &self,
    ) -> impl Service<Request<B>, Response = Response<&'static str>, Error = Infallible, Future: Send>
    + Clone
    + use<B> {
        let server = self.clone();
        service_fn(move |request: Request<B>| {
            let shown = request.headers()[AUTHORIZATION].to_str().unwrap();
            let token = shown.split(' ').next_back().unwrap().to_owned();
            let taken = token == server.takes;
            server.seen.lock().unwrap().push(token);
            let answer = if taken { Response::new("welcome") } else { (server.refusal)() };
            async { Ok(answer) }
        })
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn orders(source: impl TokenSource) -> ClientAuth {
    ClientAuth::builder(source).name("orders").url("https://orders.example").build().unwrap()
}

fn get<B>(body: B) -> Request<B> {
    Request::get("https://orders.example/v2").body(body).unwrap()
}

async fn send<B: Send + 'static, P: Replay<Request<B>> + Clone>(
    layer: ClientAuthLayer<P>,
    server: &Server,
    request: Request<B>,
) -> (StatusCode, &'static str) {
    let response = layer.layer(server.service()).oneshot(request).await.unwrap();
    (response.status(), response.into_body())
}

const WELCOME: (StatusCode, &str) = (StatusCode::OK, "welcome");
const REFUSED: (StatusCode, &str) = (StatusCode::UNAUTHORIZED, "first");

#[tokio::test]
async fn a_refused_request_is_sent_once_more_with_the_next_token() {
    let (server, tokens) = (Server::taking("token-2"), Tokens::at_hand(2));
    let layer = ClientAuthLayer::new(orders(tokens.clone()));
    assert_eq!(send(layer.clone(), &server, get(Empty::<Bytes>::new())).await, WELCOME);
    assert_eq!(server.seen(), ["token-1", "token-2"]);
    assert_eq!((tokens.refused_tokens(), tokens.fetched()), (vec!["token-1".to_owned()], 1));
    assert_eq!(send(layer, &server, get(Empty::<Bytes>::new())).await, WELCOME);
    assert_eq!(server.seen(), ["token-2"]);
}

#[tokio::test]
async fn it_is_sent_once_more_also_where_the_first_token_was_waited_for() {
    let (server, tokens) = (Server::taking("token-2"), Tokens::slow(2));
    tokens.open(2);
    let layer = ClientAuthLayer::new(orders(tokens.clone()));
    assert_eq!(send(layer, &server, get(Empty::<Bytes>::new())).await, WELCOME);
    assert_eq!(server.seen(), ["token-1", "token-2"]);
}

#[tokio::test]
async fn it_is_sent_twice_and_never_three_times() {
    let (server, tokens) = (Server::taking("nothing"), Tokens::at_hand(9));
    let layer = ClientAuthLayer::new(orders(tokens.clone()));
    assert_eq!(send(layer, &server, get(Empty::<Bytes>::new())).await, REFUSED);
    assert_eq!(server.seen(), ["token-1", "token-2"]);
    assert_eq!(tokens.refused_tokens(), ["token-1"]);
}

#[tokio::test]
async fn without_another_token_the_first_answer_stands() {
    // The source has asked a moment ago.
    let (server, tokens) = (Server::taking("token-2"), Tokens::at_hand(1));
    let layer = ClientAuthLayer::new(orders(tokens.clone()));
    assert_eq!(send(layer, &server, get(Empty::<Bytes>::new())).await, REFUSED);
    assert_eq!((server.seen(), tokens.fetched()), (vec!["token-1".to_owned()], 0));

    // Nor is it asked when it says so.
    let tokens = Tokens::at_hand(2);
    tokens.unwilling();
    let layer = ClientAuthLayer::new(orders(tokens.clone()));
    assert_eq!(send(layer, &server, get(Empty::<Bytes>::new())).await, REFUSED);
    assert_eq!((server.seen(), tokens.fetched()), (vec!["token-1".to_owned()], 0));

    // It gives the same again.
    let tokens = Tokens::at_hand(2);
    tokens.stubborn();
    let layer = ClientAuthLayer::new(orders(tokens.clone()));
    assert_eq!(send(layer, &server, get(Empty::<Bytes>::new())).await, REFUSED);
    assert_eq!((server.seen(), tokens.fetched()), (vec!["token-1".to_owned()], 1));

    // It cannot get one.
    let tokens = Tokens::at_hand(2);
    tokens.fail(TokenError::transient("away"));
    let layer = ClientAuthLayer::new(orders(tokens.clone()));
    assert_eq!(send(layer, &server, get(Empty::<Bytes>::new())).await, REFUSED);
    assert_eq!((server.seen(), tokens.fetched()), (vec!["token-1".to_owned()], 0));
}

#[tokio::test]
async fn what_is_not_renewed_is_not_sent_twice() {
    let server = Server::taking("token-2");
    for fixed in [bearer("token-1"), Authorization::basic("alice", &Secret::new("123")).unwrap()] {
        let layer = ClientAuthLayer::new(orders(fixed)).replay_with(Uncopied);
        assert_eq!(send(layer, &server, get("body")).await, REFUSED);
        assert_eq!(server.seen().len(), 1);
    }
}

#[derive(Clone)]
struct Uncopied;

impl<R> Replay<R> for Uncopied {
    type Kept = R;

    fn keep(&self, _: &R) -> Option<R> {
        panic!("nobody pays for a copy that is never sent")
    }

    fn restore(kept: R) -> R {
        kept
    }
}

#[tokio::test]
async fn retries_can_be_switched_off() {
    let (server, tokens) = (Server::taking("token-2"), Tokens::at_hand(2));
    let auth = ClientAuth::builder(tokens.clone()).url("https://orders.example").retry_on_401(false);
    let layer = ClientAuthLayer::new(auth.build().unwrap()).replay_with(Uncopied);
    assert_eq!(send(layer, &server, get(Empty::<Bytes>::new())).await, REFUSED);
    assert_eq!((server.seen().len(), tokens.refused_tokens().len()), (1, 0));
}

#[tokio::test]
async fn answers_that_are_no_refusal_stand() {
    type Answer = fn() -> Response<&'static str>;
    let answers: [Answer; 4] = [
        || Response::builder().status(403).body("first").unwrap(),
        || Response::builder().status(500).body("first").unwrap(),
        || {
            let challenge = "Bearer error=\"insufficient_scope\"";
            Response::builder().status(401).header("www-authenticate", challenge).body("first").unwrap()
        },
        || {
            let answer = Response::builder().header("content-type", "application/grpc");
            answer.header("grpc-status", "7").body("first").unwrap()
        },
    ];
    for answer in answers {
        let (server, tokens) = (Server::refusing("token-2", answer), Tokens::at_hand(2));
        let layer = ClientAuthLayer::new(orders(tokens.clone()));
        assert_eq!(send(layer, &server, get(Empty::<Bytes>::new())).await.1, "first");
        assert_eq!((server.seen().len(), tokens.refused_tokens().len()), (1, 0));
    }
}

#[tokio::test]
async fn grpc_is_refused_in_its_own_way() {
    let refusal = || {
        let answer = Response::builder().header("content-type", "application/grpc");
        answer.header("grpc-status", "16").body("first").unwrap()
    };
    let (server, tokens) = (Server::refusing("token-2", refusal), Tokens::at_hand(2));
    let layer = ClientAuthLayer::new(orders(tokens)).bound_to_url().replay_cloned();
    let request = Request::post("/pkg.Greeter/SayHello").body("message").unwrap();
    assert_eq!(send(layer, &server, request).await, WELCOME);
    assert_eq!(server.seen(), ["token-1", "token-2"]);

    // Its calls are POSTs: what answers another method so is no server of gRPC.
    let tokens = Tokens::at_hand(2);
    let layer = ClientAuthLayer::new(orders(tokens.clone())).replay_cloned();
    assert_eq!(send(layer, &server, get("message")).await, (StatusCode::OK, "first"));
    assert_eq!((server.seen().len(), tokens.refused_tokens().len()), (1, 0));
}

#[tokio::test]
async fn nor_is_it_one_where_the_token_was_waited_for() {
    let refusal = || {
        let answer = Response::builder().header("content-type", "application/grpc");
        answer.header("grpc-status", "16").body("first").unwrap()
    };
    for (request, seen) in
        [(get("message"), 1), (Request::post("https://orders.example/").body("message").unwrap(), 2)]
    {
        let (server, tokens) = (Server::refusing("token-2", refusal), Tokens::slow(2));
        tokens.open(2);
        let layer = ClientAuthLayer::new(orders(tokens)).replay_cloned();
        assert_eq!(send(layer, &server, request).await.0, StatusCode::OK);
        assert_eq!(server.seen().len(), seen);
    }
}

#[tokio::test]
async fn a_credential_of_the_callers_own_stays_alone_among_however_many_headers() {
    for others in [0, 7, 8, 9, 40] {
        let mut request = get("");
        for other in 0..others {
            let name = HeaderName::try_from(format!("x-{other}")).unwrap();
            request.headers_mut().insert(name, HeaderValue::from_static("1"));
        }
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer own"));
        let service = service_fn(|request: Request<&'static str>| async move {
            let shown: Vec<_> = request.headers().get_all(AUTHORIZATION).iter().collect();
            assert_eq!(shown, ["Bearer own"]);
            Ok::<_, Infallible>(Response::new(()))
        });
        let service = ClientAuthLayer::new(orders(Tokens::at_hand(1))).replay_cloned().layer(service);
        assert_eq!(service.oneshot(request).await.unwrap().status(), StatusCode::OK);
    }
}

/// A body of which nobody knows whether it is empty.
#[derive(Default)]
struct Streamed;

impl Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

#[tokio::test]
async fn a_body_that_may_hold_something_is_sent_twice_only_where_it_is_cloned() {
    let refused_once = |tokens: &Tokens, server: &Server| {
        // The next request profits.
        assert_eq!(tokens.refused_tokens(), ["token-1"]);
        assert_eq!(tokens.try_token(), None, "the refused token is given no more");
        assert_eq!(server.seen(), ["token-1"]);
    };
    let full = || get(Full::new(Bytes::from_static(b"order")));

    let (server, tokens) = (Server::taking("token-2"), Tokens::at_hand(2));
    assert_eq!(send(ClientAuthLayer::new(orders(tokens.clone())), &server, full()).await, REFUSED);
    refused_once(&tokens, &server);

    let tokens = Tokens::at_hand(2);
    let layer = ClientAuthLayer::new(orders(tokens.clone()));
    assert_eq!(send(layer, &server, get(Streamed)).await, REFUSED);
    refused_once(&tokens, &server);

    let tokens = Tokens::at_hand(2);
    let layer = ClientAuthLayer::new(orders(tokens.clone())).never_replay();
    assert_eq!(send(layer, &server, get(Streamed)).await, REFUSED);
    refused_once(&tokens, &server);

    let layer = ClientAuthLayer::new(orders(Tokens::at_hand(2))).replay_cloned();
    assert_eq!(send(layer, &server, full()).await, WELCOME);
    let layer = ClientAuthLayer::new(orders(Tokens::at_hand(2)));
    assert_eq!(send(layer, &server, get(Full::<Bytes>::default())).await, WELCOME);
}

/// Copies what it was told to.
#[derive(Clone)]
struct Short;

impl Replay<Request<String>> for Short {
    type Kept = Request<String>;

    fn keep(&self, request: &Request<String>) -> Option<Request<String>> {
        (request.body().len() < 10).then(|| request.clone())
    }

    fn restore(kept: Request<String>) -> Request<String> {
        kept
    }
}

#[tokio::test]
async fn what_is_sent_twice_can_be_decided_by_the_service() {
    let server = Server::taking("token-2");
    for (body, answer) in [("short", WELCOME), ("a long body", REFUSED)] {
        let layer = ClientAuthLayer::new(orders(Tokens::at_hand(2))).replay_with(Short);
        assert_eq!(send(layer, &server, get(body.to_owned())).await, answer, "{body}");
    }
}

/// Copies, and counts the copies that come back.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Replay<Request<String>> for Counting {
    type Kept = (Request<String>, Self);

    fn keep(&self, request: &Request<String>) -> Option<Self::Kept> {
        Some((request.clone(), self.clone()))
    }

    fn restore((request, _): Self::Kept) -> Request<String> {
        request
    }

    fn release((_, Self(released)): Self::Kept) {
        released.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_copy_comes_back_once_where_it_is_not_sent() {
    for (takes, released) in [("token-1", 1), ("token-2", 0)] {
        let (server, counting) = (Server::taking(takes), Counting::default());
        let layer = ClientAuthLayer::new(orders(Tokens::at_hand(2))).replay_with(counting.clone());
        assert_eq!(send(layer, &server, get("body".to_owned())).await, WELCOME);
        assert_eq!(counting.0.load(Ordering::SeqCst), released, "{takes}");
    }

    let counting = Counting::default();
    let layer = ClientAuthLayer::new(orders(Tokens::at_hand(2))).replay_with(counting.clone());
    let mut silent = layer.layer(service_fn(|_| pending::<Result<Response<()>, Infallible>>()));
    let answer = silent.ready().await.unwrap().call(get("body".to_owned()));
    assert_eq!(counting.0.load(Ordering::SeqCst), 0);
    drop(answer);
    assert_eq!(counting.0.load(Ordering::SeqCst), 1, "the request was given up");
}

#[tokio::test]
async fn a_copy_comes_back_once_where_the_request_is_not_sent_at_all() {
    let counting = Counting::default();
    let tokens = Tokens::slow(1);
    let layer = ClientAuthLayer::new(orders(tokens.clone())).replay_with(counting.clone());
    let mut service = layer.layer(service_fn(|request: Request<String>| async {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    }));
    let answer = service.ready().await.unwrap().call(get("body".to_owned()));
    assert_eq!(counting.0.load(Ordering::SeqCst), 0);
    drop(answer);
    assert_eq!(counting.0.load(Ordering::SeqCst), 1, "the caller did not wait for a token");
    let answer = service.ready().await.unwrap().call(get("body".to_owned()));
    tokens.open(1);
    assert_eq!(answer.await.unwrap().status(), 200);
    assert_eq!(counting.0.load(Ordering::SeqCst), 2, "it was sent, and not refused");
}

#[test]
fn a_copy_is_the_whole_request() {
    let request = Request::put("https://orders.example/v2?x=y")
        .version(Version::HTTP_2)
        .header("x-a", "1")
        .header("x-a", "2")
        .extension(7_u8);
    let request = request.body("body".to_owned()).unwrap();
    let kept = ReplayCloned.keep(&request).unwrap();
    assert_eq!(format!("{kept:?}"), "KeptRequest { .. }");
    let copy: Request<String> = ReplayCloned::restore(kept);
    assert_eq!(
        (copy.method(), copy.uri(), copy.version()),
        (request.method(), request.uri(), request.version())
    );
    assert_eq!((copy.headers(), copy.body()), (request.headers(), request.body()));
    assert_eq!(copy.extensions().get::<u8>(), Some(&7));
    assert!(Replay::<Request<String>>::keep(&NeverReplay, &request).is_none());
    assert!(ReplayEmpty.keep(&get(Full::new(Bytes::from_static(b"x")))).is_none());
    assert!(ReplayEmpty.keep(&get(Empty::<Bytes>::new())).is_some());
}

#[test]
fn copies_are_whole_however_many_are_kept_and_whatever_was_kept_in_their_place_before() {
    let request = |number: usize, headers: usize| {
        let mut request = Request::get(format!("https://orders.example/{number}")).extension(number);
        for header in 0..headers {
            request = request.header(format!("x-{header}"), number);
        }
        request.body(number).unwrap()
    };
    for (count, headers) in [(1, 40), (300, 3), (300, 0), (2, 5)] {
        let kept: Vec<_> =
            (0..count).map(|number| ReplayCloned.keep(&request(number, headers)).unwrap()).collect();
        for (number, kept) in kept.into_iter().enumerate() {
            // Some are never restored, as nearly all of them.
            if number % 3 == 2 {
                continue;
            }
            let (copy, whole): (Request<usize>, _) = (ReplayCloned::restore(kept), request(number, headers));
            assert_eq!(
                (copy.uri(), copy.headers(), copy.body()),
                (whole.uri(), whole.headers(), whole.body())
            );
            assert_eq!(copy.extensions().get::<usize>(), Some(&number));
        }
    }
}

#[test]
fn a_copy_is_whole_also_where_one_name_has_more_values_than_a_map_has_places() {
    let mut request = get("body");
    let value = HeaderValue::from_static("1");
    (0..30_000).for_each(|_| _ = request.headers_mut().append("x-a", value.clone()));
    let copy: Request<&str> = ReplayCloned::restore(ReplayCloned.keep(&request).unwrap());
    assert_eq!(copy.headers(), request.headers());
}

/// Keeps a request when it is dropped.
#[derive(Clone)]
struct Nested(Arc<AtomicBool>);

impl Drop for Nested {
    fn drop(&mut self) {
        _ = ReplayEmpty.keep(&get(Empty::<Bytes>::new()));
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn what_a_copy_holds_may_itself_keep_requests() {
    let dropped = Arc::new(AtomicBool::new(false));
    let mut request = get(Empty::<Bytes>::new());
    request.extensions_mut().insert(Nested(Arc::clone(&dropped)));
    let kept = ReplayEmpty.keep(&request).unwrap();
    drop(request);
    dropped.store(false, Ordering::SeqCst);
    drop(kept);
    assert!(dropped.load(Ordering::SeqCst));
}

/// Knows whether it was dropped.
struct Tracked(Arc<AtomicBool>);

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn the_first_answer_is_gone_before_the_second_request_is_sent() {
    let gone = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&gone);
    let service = service_fn(move |request: Request<&'static str>| {
        let first = request.headers()[AUTHORIZATION] == "Bearer token-1";
        assert!(first || flag.load(Ordering::SeqCst), "its connection is free for the second");
        let body = if first { Arc::clone(&flag) } else { Arc::default() };
        let status = if first { 401 } else { 200 };
        async move { Ok::<_, Infallible>(Response::builder().status(status).body(Tracked(body)).unwrap()) }
    });
    let service = ClientAuthLayer::new(orders(Tokens::at_hand(2))).replay_cloned().layer(service);
    let response = service.oneshot(get("")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(gone.load(Ordering::SeqCst));
}
