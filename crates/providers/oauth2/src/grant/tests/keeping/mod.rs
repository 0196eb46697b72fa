//! How a token is kept, whatever grant it came by.

mod ending;
mod failing;
mod leasing;
mod probing;
mod refusing;
mod renewing;
mod sharing;
mod watching;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use portcullis_core::{Authorization, BoxFuture, TokenError, TokenLease, TokenSource as _};
use portcullis_testing::ManualClock;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::fixtures::{NOW, bearer, text};
use crate::grant::keeper::{Fetch, Fetched, MIN_REFRESH_INTERVAL, TokenKeeper};

const SECOND: Duration = Duration::from_secs(1);

type Given = Result<(&'static str, u64), TokenError>;

/// A server that answers when the test says so.
#[derive(Clone, Debug, Default)]
struct Scripted {
    /// Answers that are there before they are asked for.
    ready: Arc<Mutex<VecDeque<Given>>>,
    asked: Arc<Mutex<Vec<Option<oneshot::Sender<Given>>>>>,
}

impl Fetch for Scripted {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, TokenError>> {
        let (tell, told) = oneshot::channel();
        let ready = self.ready.lock().unwrap().pop_front();
        let tell = match ready {
            Some(given) => {
                tell.send(given).ok().unwrap();
                None
            }
            None => Some(tell),
        };
        self.asked.lock().unwrap().push(tell);
        Box::pin(async move {
            let (token, seconds) = told.await.expect("the script goes on")?;
            Ok(Fetched { token: bearer(token), lifetime: Duration::from_secs(seconds) })
        })
    }

    fn address(&self) -> &str {
        "https://localhost/token"
    }
}

struct Bench {
    server: Scripted,
    clock: ManualClock,
    keeper: Arc<TokenKeeper>,
}

impl Bench {
    fn new() -> Self {
        let (server, clock) = (Scripted::default(), ManualClock::at(NOW));
        let keeper =
            Arc::new(TokenKeeper::new(server.clone(), Arc::new(clock.clone()), MIN_REFRESH_INTERVAL));
        Self { server, clock, keeper }
    }

    fn will(&self, given: Given) -> &Self {
        self.server.ready.lock().unwrap().push_back(given);
        self
    }

    fn calls(&self) -> usize {
        self.server.asked.lock().unwrap().len()
    }

    /// Answers the last question.
    fn answer(&self, given: Given) {
        self.answer_number(self.calls(), given);
    }

    /// Answers a question, counted from one.
    fn answer_number(&self, number: usize, given: Given) {
        let tell = self.server.asked.lock().unwrap()[number - 1].take().unwrap();
        tell.send(given).ok().unwrap();
    }

    /// What is at hand without waiting.
    fn at_hand(&self) -> Option<String> {
        self.keeper.at_hand().as_ref().map(text)
    }

    /// What may be sent without asking again.
    fn lease(&self) -> Option<Arc<TokenLease>> {
        self.keeper.lease()
    }

    fn refused(&self, token: &str) -> bool {
        self.keeper.refused(&bearer(token))
    }

    async fn token(&self) -> String {
        text(&self.keeper.get().await.unwrap())
    }

    async fn error(&self) -> TokenError {
        self.keeper.get().await.unwrap_err()
    }

    fn spawn(&self) -> JoinHandle<Result<Authorization, TokenError>> {
        let keeper = Arc::clone(&self.keeper);
        tokio::spawn(async move { keeper.get().await })
    }

    async fn until_called(&self, calls: usize) {
        until(|| self.calls() == calls).await;
    }
}

async fn until(reached: impl Fn() -> bool) {
    let waiting = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("within a minute");
}

/// Lets every other task do what it can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn down() -> TokenError {
    TokenError::transient("down")
}
