//! One connection, from its handshake to its end.

use std::{
    cell::RefCell,
    fmt,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::BoxError;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    App, ClientCertificate,
    activity::{Activity, Overdue},
    bell::Bell,
    config::Limits,
    entry::{Caller, Entry},
    metrics::Metrics,
    reconfigure::{Over, Settings, Tenure},
    socket::{Place, Socket},
    stream::Stream,
};

/// What the connections of a listener have in common.
pub(super) struct Shared {
    pub(super) settings: watch::Receiver<Arc<Settings>>,
    pub(super) metrics: Arc<Metrics>,
}

/// What ends a connection although its client does not.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    /// The service stops.
    pub(super) stop: watch::Receiver<()>,
    /// The listener's settings changed.
    pub(super) tenure: Tenure,
}

/// Serves a connection to its end. Whatever goes wrong on it is the client's affair, and for the log.
pub(super) async fn handle<I, S>(
    io: I,
    peer: SocketAddr,
    app: S,
    shared: Arc<Shared>,
    place: Place,
    mut stop: watch::Receiver<()>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: App,
{
    let activity = Activity::new(shared.metrics.clone());
    let socket = Socket::new(io, activity.clone(), place);
    let (tenure, settings) = Tenure::begin(shared.settings.clone(), peer.ip());
    let mut caller = Caller { peer, certificate: None };
    let limits = &settings.limits;
    let ended = match &settings.tls {
        None => serve(socket, app, caller, &activity, limits, Ends { stop, tenure }).await,
        Some(tls) => {
            let tls = TlsAcceptor::from(tls.config.clone());
            let handshake = tokio::select! {
                handshake = timeout(limits.handshake, tls.accept(socket)) => handshake,
                _ = stop.changed() => return,
            };
            match handshake {
                Ok(Ok(stream)) => {
                    let session = stream.get_ref().1;
                    caller.certificate = ClientCertificate::new(session.peer_certificates());
                    activity.open(session.alpn_protocol() == Some(b"h2"));
                    let ends = Ends { stop, tenure: tenure.showing(caller.certificate.clone()) };
                    serve(stream, app, caller, &activity, limits, ends).await
                }
                failed => {
                    shared.metrics.handshake_failed();
                    let error = failed.map_or_else(
                        |_| "it takes too long".to_owned(),
                        |result| result.err().map(|error| error.to_string()).unwrap_or_default(),
                    );
                    tracing::info!(target: "portcullis::listener", %peer, error, "a TLS handshake failed");
                    return;
                }
            }
        }
    };
    match ended {
        Ok(()) => {}
        Err(error) => {
            tracing::debug!(target: "portcullis::listener", %peer, error = Chain(&*error).to_string(), "a connection was closed");
        }
    }
}

/// Serves HTTP on a connection whose handshake is done.
async fn serve<I, S>(
    io: I,
    app: S,
    caller: Caller,
    activity: &Arc<Activity>,
    limits: &Limits,
    ends: Ends,
) -> Result<(), BoxError>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: App,
{
    let entry = Entry {
        app,
        header_bytes: limits.header_bytes,
        caller,
        ends: ends.clone(),
        lookout: RefCell::new(ends.tenure.clone().lookout()),
        activity: activity.clone(),
    };
    let builder = builder(limits, activity);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(io), entry);
    drive(pin!(connection), activity, limits, ends).await
}

fn builder(limits: &Limits, activity: &Arc<Activity>) -> auto::Builder<Executor> {
    let mut builder = auto::Builder::new(Executor { activity: activity.clone(), patience: limits.idle });
    builder
        .http1()
        .timer(TokioTimer::new())
        // hyper's own would count the time between requests, too: `drive` keeps both.
        .header_read_timeout(None)
        // What does not fit into the buffer is a 431.
        .max_buf_size(limits.header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        // A peer that is gone is noticed though it owes nothing.
        .keep_alive_interval(limits.idle)
        // WebSockets over HTTP/2 (RFC 8441).
        .enable_connect_protocol();
    builder
}

/// Runs a connection, and ends it when the client's turn takes too long or the service stops.
async fn drive<C>(
    mut connection: Pin<&mut C>,
    activity: &Activity,
    limits: &Limits,
    Ends { mut stop, mut tenure }: Ends,
) -> Result<(), BoxError>
where
    C: GracefulConnection,
    C::Error: Into<BoxError>,
{
    // It comes or the sender goes: both mean to stop.
    let mut stop = pin!(async move { drop(stop.changed().await) });
    let mut timer = pin!(sleep_until(Instant::now() + limits.header));
    let mut cut = pin!(activity.is_cut());
    let mut over = pin!(async move { tenure.over().await });
    let mut bell = Bell::default();
    let (mut leaving, mut stops) = (false, false);
    // Why the listener's settings do not let it go on, and until when it may finish what is in flight.
    let (mut ends, mut last) = (None, None);
    let mut is_timed = false;
    std::future::poll_fn(|cx| {
        loop {
            if let Some(mut cx) = bell.rung(cx) {
                is_timed = false;
                // First: a client that never pauses leaves no time for it afterwards.
                if cut.as_mut().poll(&mut cx).is_ready() {
                    return Poll::Ready(Err("a WebSocket on it does not let itself be closed".into()));
                }
                stops = stops || stop.as_mut().poll(&mut cx).is_ready();
                if ends.is_none()
                    && let Poll::Ready(why) = over.as_mut().poll(&mut cx)
                {
                    ends = Some(why);
                    // Whoever is trusted otherwise than before may finish whatever it began.
                    last = (why == Over::Certificate).then(|| Instant::now() + limits.shutdown);
                }
            }
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended.map_err(Into::into));
            }
            let now = Instant::now();
            if last.is_some_and(|last| last <= now) {
                return Poll::Ready(Err("the client's certificate is not accepted any more".into()));
            }
            let due = activity.due(limits, now);
            let is_idle = matches!(due, Some((at, Overdue::Idle)) if at <= now);
            if !leaving && (stops || ends.is_some() || is_idle) {
                leaving = true;
                activity.leave();
                connection.as_mut().graceful_shutdown();
                continue;
            }
            let next = match due {
                Some((at, why)) if at <= now => return Poll::Ready(Err(why.as_str().into())),
                Some((at, _)) => at,
                // Not the client's turn. Who changes that need not wake this task, so it looks again.
                None => now + limits.idle,
            };
            let next = last.map_or(next, |last| last.min(next));
            if timer.is_elapsed() || next < timer.deadline() {
                timer.as_mut().reset(next);
                is_timed = false;
            }
            // One that waits for its time need not be asked again.
            if is_timed || timer.as_mut().poll(cx).is_pending() {
                is_timed = true;
                return Poll::Pending;
            }
        }
    })
    .await
}

/// Runs the streams of an HTTP/2 connection. A stream is in flight to its end, also when it became a WebSocket.
#[derive(Clone, Debug)]
struct Executor {
    activity: Arc<Activity>,
    /// How long a stream waits for its client to take something.
    patience: Duration,
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let stream = Stream::new(stream, self.patience, self.activity.request(true));
        hyper::rt::Executor::execute(&TokioExecutor::new(), stream);
    }
}

/// An error with its causes, for the log.
struct Chain<'e>(&'e (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
