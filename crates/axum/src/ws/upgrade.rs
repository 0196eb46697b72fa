use std::{borrow::Cow, error::Error, fmt};

use axum::{
    extract::{
        FromRequestParts,
        ws::{
            DefaultOnFailedUpgrade, OnFailedUpgrade, WebSocketUpgrade, rejection::WebSocketUpgradeRejection,
        },
    },
    response::{IntoResponse, Response},
};
use http::{HeaderValue, request::Parts};
use portcullis_core::Rejection;

use super::{ConnectionLease, GuardedSocket};
use crate::CallerRejection;

/// Opens a WebSocket that does not outlive the credential it is opened with.
///
/// ```
/// use axum::{Router, response::Response, routing::any};
/// use portcullis_axum::{Caller, GuardedSocket, GuardedUpgrade};
///
/// async fn feed(caller: Caller, upgrade: GuardedUpgrade) -> Response {
///     upgrade.on_upgrade(|socket| echo(socket, caller))
/// }
///
/// async fn echo(mut socket: GuardedSocket, caller: Caller) {
///     // Ends when the client leaves, when the caller's token expires or is revoked, and when the service stops.
///     while let Some(Ok(message)) = socket.recv().await {
///         if socket.send(message).await.is_err() {
///             break;
///         }
///     }
/// }
/// # let _: Router = Router::new().route("/feed", any(feed));
/// ```
///
/// It refuses what axum's [`WebSocketUpgrade`] refuses, and answers 500, with an error in the log, where no layer decided
/// about the request.
#[derive(Debug)]
#[must_use = "nothing is opened before `on_upgrade`, whose response is to be returned"]
pub struct GuardedUpgrade<F = DefaultOnFailedUpgrade> {
    upgrade: WebSocketUpgrade<F>,
    lease: ConnectionLease,
}

impl<F> GuardedUpgrade<F> {
    /// The subprotocols that the handler speaks, the dearest first: the first that the client offers is selected.
    pub fn protocols<I>(self, protocols: I) -> Self
    where
        I: IntoIterator<Item: Into<Cow<'static, str>>>,
    {
        Self { upgrade: self.upgrade.protocols(protocols), ..self }
    }

    /// The subprotocols that the client offers. A token among them is not there any more.
    pub fn requested_protocols(&self) -> impl Iterator<Item = &HeaderValue> {
        self.upgrade.requested_protocols()
    }

    /// The subprotocol that was selected, if any.
    #[must_use]
    pub fn selected_protocol(&self) -> Option<&HeaderValue> {
        self.upgrade.selected_protocol()
    }

    /// The longest message that is taken, in bytes. 64 MiB.
    pub fn max_message_size(self, bytes: usize) -> Self {
        Self { upgrade: self.upgrade.max_message_size(bytes), ..self }
    }

    /// Everything else that axum's upgrade can be told.
    ///
    /// ```
    /// # use {axum::response::Response, portcullis_axum::GuardedUpgrade};
    /// # async fn feed(upgrade: GuardedUpgrade) -> Response {
    /// upgrade
    ///     .configure(|upgrade| upgrade.max_frame_size(1 << 16).on_failed_upgrade(|error| eprintln!("{error}")))
    ///     .on_upgrade(|socket| async move { /* … */ })
    /// # }
    /// ```
    pub fn configure<G>(
        self,
        change: impl FnOnce(WebSocketUpgrade<F>) -> WebSocketUpgrade<G>,
    ) -> GuardedUpgrade<G> {
        GuardedUpgrade { upgrade: change(self.upgrade), lease: self.lease }
    }

    /// Opens the WebSocket, and calls `callback` with it in a task of its own. The response is to be returned.
    #[must_use = "the WebSocket is opened by returning this response"]
    pub fn on_upgrade<C, T>(self, callback: C) -> Response
    where
        C: FnOnce(GuardedSocket) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
        F: OnFailedUpgrade,
    {
        self.upgrade.on_upgrade_guarded(self.lease, callback)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for GuardedUpgrade {
    type Rejection = GuardedUpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, GuardedUpgradeRejection> {
        let lease = ConnectionLease::demand(parts, "GuardedUpgrade")
            .map_err(|rejection| GuardedUpgradeRejection(Cause::NoLayer(rejection)))?;
        let upgrade = WebSocketUpgrade::from_request_parts(parts, state)
            .await
            .map_err(|rejection| GuardedUpgradeRejection(Cause::NoWebSocket(rejection)))?;
        Ok(Self { upgrade, lease })
    }
}

/// [`on_upgrade_guarded`](UpgradeExt::on_upgrade_guarded) for axum's [`WebSocketUpgrade`].
///
/// ```
/// use axum::{extract::ws::WebSocketUpgrade, response::Response};
/// use portcullis_axum::{ConnectionLease, UpgradeExt};
///
/// async fn feed(lease: ConnectionLease, upgrade: WebSocketUpgrade) -> Response {
///     upgrade.on_upgrade_guarded(lease, async |mut socket| {
///         while let Some(Ok(message)) = socket.recv().await { /* … */ }
///     })
/// }
/// # let _: axum::Router = axum::Router::new().route("/feed", axum::routing::any(feed));
/// ```
pub trait UpgradeExt {
    /// Opens the WebSocket, and calls `callback` with it in a task of its own. When the lease ends it is closed,
    /// whatever the callback is doing. The response is to be returned.
    #[must_use = "the WebSocket is opened by returning this response"]
    fn on_upgrade_guarded<C, T>(self, lease: impl Into<ConnectionLease>, callback: C) -> Response
    where
        C: FnOnce(GuardedSocket) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static;
}

impl<F: OnFailedUpgrade> UpgradeExt for WebSocketUpgrade<F> {
    fn on_upgrade_guarded<C, T>(self, lease: impl Into<ConnectionLease>, callback: C) -> Response
    where
        C: FnOnce(GuardedSocket) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let lease = lease.into();
        self.on_upgrade(async move |socket| {
            let (socket, watching) = GuardedSocket::new(socket, lease);
            // A task of its own: it may do anything, and be it to block its thread. It is the one that is spawned because
            // tokio leaves what a task spawns to the thread that the task is on.
            tokio::spawn(callback(socket));
            watching.await;
        })
    }
}

/// Why a [`GuardedUpgrade`] did not let a request through: it opens no WebSocket, which is axum's answer, or no layer ran,
/// which is 500.
#[derive(Debug)]
pub struct GuardedUpgradeRejection(Cause);

#[derive(Debug)]
enum Cause {
    NoLayer(CallerRejection),
    NoWebSocket(WebSocketUpgradeRejection),
}

impl GuardedUpgradeRejection {
    /// The cause, where no layer ran; `None` where the request opens no WebSocket.
    #[must_use]
    pub const fn rejection(&self) -> Option<&Rejection> {
        match &self.0 {
            Cause::NoLayer(rejection) => Some(rejection.rejection()),
            Cause::NoWebSocket(_) => None,
        }
    }
}

impl fmt::Display for GuardedUpgradeRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::NoLayer(rejection) => rejection.fmt(f),
            Cause::NoWebSocket(rejection) => rejection.fmt(f),
        }
    }
}

impl Error for GuardedUpgradeRejection {}

impl IntoResponse for GuardedUpgradeRejection {
    fn into_response(self) -> Response {
        match self.0 {
            Cause::NoLayer(rejection) => rejection.into_response(),
            Cause::NoWebSocket(rejection) => rejection.into_response(),
        }
    }
}
