//! Bodies whose progress is measured at both ends.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use portcullis_cli::gateway::{Answer, Service, Upstream};
use portcullis_core::Auth;
use tokio::sync::mpsc;

use crate::support::{Frames, gateway, raw_open, small_listener, small_socket};

type AnyBody = UnsyncBoxBody<Bytes, Infallible>;

/// How many bytes went in and came out, and how many were in between at most.
#[derive(Debug, Default)]
struct Meter {
    produced: AtomicU64,
    consumed: AtomicU64,
    peak: AtomicU64,
}

const CHUNK: &[u8] = &[b'x'; 32 * 1024];

/// A body of `length` bytes that is produced as fast as it is taken.
fn source(length: u64, meter: Arc<Meter>) -> AnyBody {
    let chunks = (0..length / CHUNK.len() as u64).map(move |_| {
        let produced = meter.produced.fetch_add(CHUNK.len() as u64, Ordering::SeqCst) + CHUNK.len() as u64;
        meter.peak.fetch_max(produced - meter.consumed.load(Ordering::SeqCst), Ordering::SeqCst);
        Ok(Frame::data(Bytes::from_static(CHUNK)))
    });
    StreamBody::new(Frames::of(chunks)).boxed_unsync()
}

/// Takes a body, each part only after the source has come to a stop: whatever is on its way piles up.
async fn sink(mut body: Incoming, meter: &Meter) {
    loop {
        let mut before = u64::MAX;
        while before != meter.produced.load(Ordering::SeqCst) {
            before = meter.produced.load(Ordering::SeqCst);
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
        }
        let Some(frame) = body.frame().await else { return };
        if let Ok(data) = frame.unwrap().into_data() {
            meter.consumed.fetch_add(data.len() as u64, Ordering::SeqCst);
        }
    }
}

async fn upstream<F, R>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<AnyBody>> + Send + 'static,
{
    let listener = small_listener();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answered = answer(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let url = format!("http://{address}").parse().unwrap();
    let auth = Auth::builder().path("/").public().build().unwrap();
    gateway([Service::new(auth, Answer::Upstream(Upstream::new(&url, None).unwrap()))]).await
}

async fn send<B>(address: SocketAddr, is_http2: bool, request: Request<B>) -> Response<Incoming>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let stream = TokioIo::new(small_socket().connect(address).await.unwrap());
    if is_http2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }
}

/// Sends `length` bytes up; the most that were on their way at once.
pub(super) async fn upload(length: u64, is_http2: bool) -> u64 {
    let meter = Arc::new(Meter::default());
    let received = Arc::clone(&meter);
    let address = upstream(move |request: Request<Incoming>| {
        let meter = Arc::clone(&received);
        async move {
            sink(request.into_body(), &meter).await;
            Response::new(Full::from("done").boxed_unsync())
        }
    })
    .await;
    let request =
        Request::post("http://a/").header("host", "a").body(source(length, Arc::clone(&meter))).unwrap();
    let response = send(address, is_http2, request).await;
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "done");
    assert_eq!(meter.consumed.load(Ordering::SeqCst), length);
    meter.peak.load(Ordering::SeqCst)
}

/// Fetches `length` bytes; the most that were on their way at once.
pub(super) async fn download(length: u64, is_http2: bool) -> u64 {
    let meter = Arc::new(Meter::default());
    let sent = Arc::clone(&meter);
    let address = upstream(move |_| {
        let body = source(length, Arc::clone(&sent));
        async move { Response::new(body) }
    })
    .await;
    let request = Request::get("http://a/").header("host", "a").body(Full::<Bytes>::default()).unwrap();
    let response = send(address, is_http2, request).await;
    sink(response.into_body(), &meter).await;
    assert_eq!(meter.consumed.load(Ordering::SeqCst), length);
    meter.peak.load(Ordering::SeqCst)
}

/// Sends one part, hears what the upstream says to it, sends another, and hears again.
pub(super) async fn conversation() -> (String, String) {
    let address = upstream(|request: Request<Incoming>| async move {
        let (tell, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
                tell.send(format!("heard: {text}")).unwrap();
            }
        });
        Response::new(StreamBody::new(Heard(heard)).boxed_unsync())
    })
    .await;
    let mut connection = raw_open(address).await;
    connection.write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    connection.read_until("\r\n\r\n").await;
    let first = connection.read_until("one").await;
    connection.write("3\r\ntwo\r\n").await;
    let second = connection.read_until("two").await;
    connection.write("0\r\n\r\n").await;
    connection.read_until("0\r\n\r\n").await;
    let text = |chunk: &str| chunk.rsplit("\r\n").next().unwrap().to_owned();
    (text(&first), text(&second))
}

struct Heard(mpsc::UnboundedReceiver<String>);

impl futures_util::Stream for Heard {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|text| text.map(|text| Ok(Frame::data(text.into()))))
    }
}
