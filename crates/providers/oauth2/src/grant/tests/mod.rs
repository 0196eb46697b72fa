mod asking;
mod authentication;
mod configuration;
mod jwt_bearer;
mod keeping;
mod password;
mod refreshing;
mod responses;
mod rotation;
mod secrets;

use std::{sync::Arc, time::Duration};

use portcullis_core::{AssertionSigner, Secret, TokenError, TokenSource};
use portcullis_outbound::Endpoint;
use portcullis_testing::{ManualClock, TestServer, TestTokenEndpoint};

use crate::fixtures::{NOW, text};

const MINUTE: Duration = Duration::from_secs(60);

/// A source whose tokens live for a minute, and its clock.
struct Bench {
    source: Arc<dyn TokenSource>,
    clock: ManualClock,
}

impl Bench {
    fn new<S: TokenSource>(source: impl FnOnce(Arc<ManualClock>) -> S) -> Self {
        let clock = ManualClock::at(NOW);
        Self { source: Arc::new(source(Arc::new(clock.clone()))), clock }
    }

    async fn token(&self) -> String {
        text(&self.source.token().await.unwrap())
    }

    async fn error(&self) -> TokenError {
        self.source.token().await.unwrap_err()
    }

    /// The next token, where the one before has ended.
    async fn next(&self) -> String {
        self.clock.advance(MINUTE);
        self.token().await
    }
}

/// An endpoint whose tokens live for a minute.
async fn endpoint() -> TestTokenEndpoint {
    let server = TestTokenEndpoint::start().await;
    server.expires_in(Some(60));
    server
}

fn at(server: &TestTokenEndpoint) -> Endpoint {
    Endpoint::parse(&server.url()).unwrap()
}

/// The bodies of the requests so far.
fn bodies(server: &TestServer) -> Vec<String> {
    server.calls().iter().map(|call| String::from_utf8(call.body.to_vec()).unwrap()).collect()
}

/// Signs `assertion-1`, `assertion-2` and so on.
#[derive(Debug, Default)]
struct Numbered(std::sync::atomic::AtomicUsize);

impl AssertionSigner for Numbered {
    fn sign(&self) -> Result<Secret, TokenError> {
        let number = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        Ok(Secret::new(format!("canary-assertion-{number}")))
    }
}
