//! Keys, certificates and key stores for portcullis: PEM, PKCS#12, encrypted keys, X.509, rustls configurations.
//!
//! Operators bring keys in every shape that OpenSSL and Java's keytool have written in twenty years. This crate reads
//! them, says what is wrong with those it cannot read and what to do about it ([`KeyError`]), and builds TLS
//! configurations that never depend on a process-wide default.
//!
//! | to read | use |
//! |---|---|
//! | a private key (PKCS#8, PKCS#1, SEC1; PEM or DER; encrypted or not) | [`PrivateKey`] |
//! | certificates | [`read_certificates`], [`Certificate`] |
//! | a key to verify signatures with (a certificate or a public key) | [`PublicKey`] |
//! | a PKCS#12 key store or trust store | [`KeyStore`] |
//! | a private key with its certificate chain | [`Identity`] |
//! | the certificates that a peer is checked against | [`TrustAnchors`] |
//!
//! and [`ServerTls`] and [`ClientTls`] make rustls configurations of the last two.
//!
//! # Rules
//!
//! * A file is refused before it can cost anything: files over [`MAX_FILE_BYTES`], key derivations over
//!   [`MAX_ITERATIONS`] and scrypt parameters over [`MAX_SCRYPT_MEMORY`] are errors, and no input panics.
//! * Private keys are kept as PKCS#8 and zeroised when dropped; passwords appear in no error.
//! * The only clock is the `now` that the caller passes, as a [`Duration`](std::time::Duration) since the Unix epoch,
//!   or the [`TimeProvider`](rustls::time_provider::TimeProvider) given to a TLS configuration.
//! * Reading is blocking, and the most expensive file that is allowed takes some three seconds: read at start, or off the
//!   async threads.
//!
//! # Example
//!
//! ```no_run
//! use portcullis_keys::{Identity, ServerTls, TrustAnchors};
//!
//! # fn main() -> Result<(), portcullis_keys::KeyError> {
//! let identity = Identity::from_files("tls/public.crt", "tls/private.key", None)?;
//! let clients = TrustAnchors::from_file("tls/clients.crt")?;
//! let config = ServerTls::new(identity).require_client_certificate(clients).build()?;
//! # drop(config);
//! # Ok(())
//! # }
//! ```

mod algorithm;
mod asn1;
mod certificate;
pub mod config;
mod encryption;
mod error;
mod file;
mod identity;
mod key_store;
mod pem;
mod private_key;
mod public_key;
mod tls;

pub use self::algorithm::KeyAlgorithm;
pub use self::certificate::{Certificate, Validity, parse_certificates, read_certificates};
pub use self::encryption::{MAX_ITERATIONS, MAX_SCRYPT_MEMORY};
pub use self::error::{KeyError, KeyErrorKind};
pub use self::file::{KeyFile, MAX_FILE_BYTES};
pub use self::identity::{Identity, KeyWarning};
pub use self::key_store::KeyStore;
pub use self::private_key::PrivateKey;
pub use self::public_key::PublicKey;
pub use self::tls::{ClientCheck, ClientTls, SelfSigned, ServerTls, TrustAnchors};
