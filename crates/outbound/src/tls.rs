//! TLS towards the servers that are called.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use portcullis_core::{BuildError, Clock};
use portcullis_keys::{ClientTls, TrustAnchors, config::explained};
use rustls::time_provider::TimeProvider;

type Built = Result<rustls::ClientConfig, BuildError>;

/// By which certificates servers are judged.
#[derive(Clone)]
pub(crate) enum Tls {
    /// Those of the system. Read when they are needed, since a machine may have none and need none; what cannot be read today may be
    /// there tomorrow.
    System(Arc<OnceLock<rustls::ClientConfig>>),
    /// As somebody said.
    Given(Box<Built>),
}

impl Tls {
    pub(crate) fn given(tls: ClientTls) -> Self {
        Self::Given(Box::new(tls.build().map_err(|error| BuildError::new(explained(&error)))))
    }

    pub(crate) const fn is_given(&self) -> bool {
        matches!(self, Self::Given(_))
    }

    /// Whether the client has a certificate of its own.
    pub(crate) fn has_client_certificate(&self) -> bool {
        match self {
            Self::Given(built) => {
                built.as_ref().as_ref().is_ok_and(|tls| tls.client_auth_cert_resolver.has_certs())
            }
            Self::System(_) => false,
        }
    }

    /// What was said is no TLS configuration.
    pub(crate) fn error(&self) -> Option<BuildError> {
        match self {
            Self::Given(built) => built.as_ref().as_ref().err().cloned(),
            Self::System(_) => None,
        }
    }

    /// The configuration. Reads files until it has found some.
    pub(crate) fn build(&self, clock: &Arc<dyn Clock>) -> Built {
        match self {
            Self::Given(built) => (**built).clone(),
            Self::System(cell) => match cell.get() {
                Some(tls) => Ok(tls.clone()),
                None => system(clock).map(|tls| cell.get_or_init(|| tls).clone()),
            },
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self::System(Arc::default())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_given() { "given" } else { "system" })
    }
}

fn system(clock: &Arc<dyn Clock>) -> Built {
    TrustAnchors::system()
        .and_then(|anchors| ClientTls::new(anchors).time_provider(time(clock)).build())
        .map_err(|error| BuildError::new(explained(&error)))
}

/// The time by which certificates are judged.
pub(crate) fn time(clock: &Arc<dyn Clock>) -> Arc<dyn TimeProvider> {
    Arc::new(Time(Arc::clone(clock)))
}

#[derive(Debug)]
struct Time(Arc<dyn Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<rustls_pki_types::UnixTime> {
        let seconds = Duration::from_secs(self.0.now().as_secs());
        Some(rustls_pki_types::UnixTime::since_unix_epoch(seconds))
    }
}
