//! Clients of a configuration, and ready ones: what they send, where, and what they do about refusals and redirects.
#![cfg(all(feature = "config", feature = "file", feature = "jwt", feature = "client"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod hyper;
#[cfg(feature = "reqwest")]
mod reqwest;
mod signing;

use std::time::Duration;

use portcullis::{
    Config, UnixTime,
    keys::{ClientTls, TrustAnchors},
};
use portcullis_testing::{TestResource, TestTls, TestTokenEndpoint};
use tempfile::TempDir;

const SECRET: &str = "canary-secret-0123456789abcdef-0123456789";

/// 2027-01-15: the certificates of the tests are valid then.
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// A resource over https, and a folder with the certificate to trust.
struct World {
    orders: TestResource,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let tls = TestTls::self_signed();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("orders.crt"), tls.certificate_pem().unwrap()).unwrap();
        Self { orders: TestResource::start_https(tls).await, folder }
    }

    /// A configuration with one client of the resource.
    fn config(&self, auth: &str, more: &str) -> Config {
        let text = format!(
            "[clients.orders]\nurl = \"{}/base\"\nsecureSocket = {{ cert = \"orders.crt\" }}\n{more}\nauth = {{ {auth} }}\n",
            self.orders.origin()
        );
        Config::parse(&text, self.folder.path()).unwrap_or_else(|error| panic!("{text}\n{error:?}"))
    }

    fn tls(&self) -> ClientTls {
        ClientTls::new(TrustAnchors::from_file(self.folder.path().join("orders.crt")).unwrap())
    }
}

fn credentials(tokens: &TestTokenEndpoint) -> String {
    format!("tokenUrl = \"{}\", clientId = \"shop\", clientSecret = \"{SECRET}\"", tokens.url())
}

/// Fails the test where what it waits for never happens.
async fn soon<F: Future>(what: &str, happens: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), happens)
        .await
        .unwrap_or_else(|_| panic!("waited a minute for {what}"))
}
