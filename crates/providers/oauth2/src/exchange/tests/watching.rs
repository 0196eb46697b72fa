//! Who watches is told of each exchange, whosever it is.

use std::sync::{Arc, Mutex};

use http::StatusCode;
use portcullis_core::{RefreshObserver, Refreshed, TokenSource as _};

use super::Bench;

#[derive(Debug, Default)]
struct Notes(Mutex<Vec<&'static str>>);

impl RefreshObserver for Notes {
    fn refreshed(&self, refreshed: &Refreshed<'_>) {
        self.0.lock().unwrap().push(refreshed.outcome());
    }
}

#[tokio::test]
async fn each_exchange_is_told_once_with_what_came_of_it() {
    let (bench, notes) = (Bench::new().await, Arc::new(Notes::default()));
    bench.exchange.watch_refreshes(notes.clone());
    for subject in ["alice", "alice", "bob"] {
        bench.token(subject).await;
    }
    assert_eq!(*notes.0.lock().unwrap(), ["success", "success"], "the second is at hand");
    bench.server.fail_with(StatusCode::BAD_GATEWAY);
    bench.of("carol").token().await.unwrap_err();
    assert_eq!(*notes.0.lock().unwrap(), ["success", "success", "unavailable"]);
}

#[tokio::test]
async fn who_watches_the_source_of_one_caller_is_told_of_all() {
    let (bench, notes) = (Bench::new().await, Arc::new(Notes::default()));
    bench.of("alice").watch_refreshes(notes.clone());
    bench.token("bob").await;
    assert_eq!(*notes.0.lock().unwrap(), ["success"]);
}
