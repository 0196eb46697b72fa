//! A certificate made at start, for trying things out.

use std::time::Duration;

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use time::OffsetDateTime;

use crate::certificate::Certificate;
use crate::error::{KeyError, KeyErrorKind};
use crate::identity::Identity;
use crate::private_key::PrivateKey;

const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Clocks differ a little.
const BEFORE: Duration = Duration::from_secs(60 * 60);
const AFTER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A new P-256 key and its self-signed certificate for `localhost`, `127.0.0.1` and `::1`, valid for a year.
///
/// Nobody trusts it by itself; who has the [`pem`](Self::pem), as in `curl --cacert`, can. It is not an authority: the
/// key can vouch for this one server only.
#[derive(Debug)]
#[non_exhaustive]
pub struct SelfSigned {
    /// The key and the certificate.
    pub identity: Identity,
    /// The certificate as PEM, to be given to clients.
    pub pem: String,
}

impl SelfSigned {
    /// Makes one, valid from an hour before `now`, which is since the Unix epoch.
    ///
    /// # Errors
    ///
    /// [`SelfSigned`](KeyErrorKind::SelfSigned), e.g. for a time far off.
    pub fn generate(now: Duration) -> Result<Self, KeyError> {
        let failed = |error| KeyError::with_source(KeyErrorKind::SelfSigned, error);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let mut params = CertificateParams::new(NAMES.map(str::to_owned)).map_err(failed)?;
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = date(now.saturating_sub(BEFORE))?;
        params.not_after = date(now.saturating_add(AFTER))?;
        let certificate = params.self_signed(&key).map_err(failed)?;

        let private_key = PrivateKey::from_pkcs8(key.serialized_der())?;
        let chain = vec![Certificate::from_der(certificate.der())?];
        Ok(Self { identity: Identity::new(private_key, chain)?, pem: certificate.pem() })
    }
}

fn date(since_epoch: Duration) -> Result<OffsetDateTime, KeyError> {
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds)
        .map_err(|error| KeyError::with_source(KeyErrorKind::SelfSigned, error))
}
