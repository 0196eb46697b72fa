//! What several targets need.

use std::{
    fmt::{Debug, Display},
    path::PathBuf,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use portcullis_core::{
    BoxFuture, Context, Credential, Identity, Outcome, Provider, Reason, Scheme, UnixTime,
};
use sha2::Sha256;

/// 2023-11-14T22:13:20Z: the time at which everything happens.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// The secret of tokens by HS256.
pub(crate) const SECRET: &str =
    "a secret of the fuzz targets, of more than sixty-four bytes: it fits every HMAC";

/// The folder of Ballerina's keys.
pub(crate) fn ballerina() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/ballerina/data"))
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// HMAC-SHA256 by another implementation than the product's.
pub(crate) fn hmac_sha256(message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// A token by HS256 of any header and payload.
pub(crate) fn signed(header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", base64url(header), base64url(payload));
    let signature = base64url(hmac_sha256(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// The first line of an input, and what follows it.
pub(crate) fn line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}

/// All that an error shows.
pub(crate) fn shown(error: &(impl Display + Debug)) -> String {
    format!("{error}\n{error:?}\n{error:#?}")
}

/// An error shows nothing of a secret.
#[track_caller]
pub(crate) fn hides(error: &(impl Display + Debug), secret: &str) {
    assert!(!shown(error).contains(secret), "a secret in {error}");
}

/// Knows everybody who brings a token, by the name of that token.
#[derive(Debug)]
pub(crate) struct Everybody;

impl Everybody {
    fn answer(credential: &Credential<'_>) -> Outcome {
        match credential {
            Credential::Bearer(bearer) => Outcome::known(Identity::new(bearer.token())),
            _ => Outcome::refused(Reason::OtherScheme, "not a bearer token"),
        }
    }
}

impl Provider for Everybody {
    fn kind(&self) -> &'static str {
        "everybody"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(Self::answer(credential))
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        _: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::ready(Self::answer(credential)))
    }
}
