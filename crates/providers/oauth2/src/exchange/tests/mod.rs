mod acting;
mod answers;
mod asking;
mod configuration;
mod crossing;
mod keeping;
mod outages;
mod refusing;
mod runtimes;
mod secrets;
mod watching;

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use portcullis_core::{Authorization, Clock, OnBehalfOf, TokenError, TokenSource};
use portcullis_outbound::{ClientConfig, Endpoint};
use portcullis_testing::{ManualClock, TestTokenEndpoint};
use tokio::task::JoinHandle;

use super::{TokenExchange, TokenExchangeConfig};
use crate::{
    ClientAuthentication,
    fixtures::{NOW, bearer, text},
};

/// An endpoint, a source of it, and time.
struct Bench {
    server: TestTokenEndpoint,
    manual: ManualClock,
    clock: Arc<dyn Clock>,
    exchange: TokenExchange,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|config| config).await
    }

    async fn with(change: impl FnOnce(TokenExchangeConfig) -> TokenExchangeConfig) -> Self {
        Self::within(4096, change).await
    }

    async fn within(most: usize, change: impl FnOnce(TokenExchangeConfig) -> TokenExchangeConfig) -> Self {
        let server = TestTokenEndpoint::start().await;
        server.require_client("gateway", "s3cret");
        let manual = ManualClock::at(NOW);
        let clock: Arc<dyn Clock> = Arc::new(manual.clone());
        let config = change(config(&server.url(), &clock));
        let exchange = TokenExchange::within(most, config).unwrap();
        Self { server, manual, clock, exchange }
    }

    /// The source of one whose token has no known end.
    fn of(&self, subject: &str) -> Arc<dyn TokenSource> {
        self.exchange.on_behalf_of(&OnBehalfOf::token(subject, None)).unwrap()
    }

    /// The source of one whose token lives so long from the bench's beginning.
    fn until(&self, subject: &str, seconds: u64) -> Arc<dyn TokenSource> {
        let end = NOW.saturating_add(Duration::from_secs(seconds));
        self.exchange.on_behalf_of(&OnBehalfOf::token(subject, Some(end))).unwrap()
    }

    async fn token(&self, subject: &str) -> Authorization {
        self.of(subject).token().await.unwrap()
    }

    /// The token as text.
    async fn text(&self, subject: &str) -> String {
        text(&self.token(subject).await)
    }

    async fn error(&self, subject: &str) -> TokenError {
        self.of(subject).token().await.unwrap_err()
    }

    /// Asks on a task of its own.
    fn spawn(&self, subject: &str) -> JoinHandle<Result<Authorization, TokenError>> {
        let source = self.of(subject);
        tokio::spawn(async move { source.token().await })
    }

    fn advance(&self, seconds: u64) {
        self.manual.advance(Duration::from_secs(seconds));
    }

    fn answer_next(&self, status: StatusCode, body: &str) {
        self.server.answer_next(status, body.to_owned());
    }

    fn calls(&self) -> usize {
        self.server.call_count()
    }

    /// Nothing is on its way any more.
    async fn quiet(&self) {
        until("exchanges to land", || self.exchange.on_their_way() == 0).await;
    }
}

fn config(url: &str, clock: &Arc<dyn Clock>) -> TokenExchangeConfig {
    // The deadlines of calls go by the same clock: a server that hangs does so until the test says otherwise.
    let client = ClientConfig::new().clock(Arc::clone(clock));
    let authentication = ClientAuthentication::secret("gateway", "s3cret");
    TokenExchangeConfig::new(Endpoint::parse(url).unwrap(), authentication)
        .client(client)
        .clock(Arc::clone(clock))
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lets other tasks run until `reached`.
async fn until(what: &str, reached: impl Fn() -> bool) {
    let waiting = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(secs(60), waiting).await.unwrap_or_else(|_| panic!("waited a minute for {what}"));
}
