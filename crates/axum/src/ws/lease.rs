use axum::extract::FromRequestParts;
use http::request::Parts;
use portcullis_core::{Admission, Asker, Lease};

use crate::{CallerRejection, request::head, serve::Stopping};

/// For how long a connection may stay open: until the credential that opened it ends, or the service stops.
///
/// As an extractor it is for handlers that take [`WebSocketUpgrade`](axum::extract::ws::WebSocketUpgrade) themselves and
/// call [`on_upgrade_guarded`](super::UpgradeExt::on_upgrade_guarded); others take
/// [`GuardedUpgrade`](super::GuardedUpgrade), which has both. On public routes it ends with the service only. Where no
/// layer ran the answer is 500, and an error in the log: nobody knows for how long then.
///
/// From a [`Lease`] or an [`Admission`] it can be made as well. It then knows nothing of the listener that stops.
#[derive(Clone, Debug)]
#[must_use = "a lease ends nothing by itself: give it to `on_upgrade_guarded`"]
pub struct ConnectionLease {
    pub(super) lease: Lease,
    pub(super) stopping: Option<Stopping>,
}

impl ConnectionLease {
    /// The one of a request; `asker` is named in the log where no layer ran.
    pub(super) fn demand(parts: &Parts, asker: &str) -> Result<Self, CallerRejection> {
        let admission = Admission::demand(&parts.extensions, Asker::new(asker).about(&|| head(parts)))
            .map_err(|rejection| rejection.answering(&parts.method))?;
        let lease = admission.lease().for_request(&head(parts));
        Ok(Self { lease, stopping: Stopping::of(&parts.extensions).cloned() })
    }
}

impl From<Lease> for ConnectionLease {
    fn from(lease: Lease) -> Self {
        Self { lease, stopping: None }
    }
}

impl From<&Admission> for ConnectionLease {
    fn from(admission: &Admission) -> Self {
        Self::from(admission.lease())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ConnectionLease {
    type Rejection = CallerRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, CallerRejection> {
        Self::demand(parts, "ConnectionLease")
    }
}
