//! TLS configurations: rustls with aws-lc-rs, TLS 1.2 and 1.3, rustls' own choice of ciphers.

mod anchors;
mod client;
mod pinned;
mod self_signed;
mod server;
mod unverified;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use self::anchors::TrustAnchors;
pub use self::client::ClientTls;
pub use self::self_signed::SelfSigned;
pub use self::server::{ClientCheck, ServerTls};
use crate::error::{KeyError, KeyErrorKind};

/// Always given to rustls by hand: its process-wide default belongs to the application, which may have none.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn refused(error: rustls::Error) -> KeyError {
    KeyError::with_source(KeyErrorKind::Tls, error)
}
