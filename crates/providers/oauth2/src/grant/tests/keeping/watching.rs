//! Who watches is told of each fetch.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use portcullis_core::{RefreshObserver, Refreshed, TokenError, TokenSource as _};

use super::{Bench, SECOND, settle};

#[derive(Debug, Default)]
struct Notes(Mutex<Vec<(&'static str, Duration)>>);

impl RefreshObserver for Notes {
    fn refreshed(&self, refreshed: &Refreshed<'_>) {
        self.0.lock().unwrap().push((refreshed.outcome(), refreshed.took));
    }
}

#[tokio::test]
async fn each_fetch_is_told_once_with_what_came_of_it_and_what_is_at_hand_is_none() {
    let (bench, notes) = (Bench::new(), Arc::new(Notes::default()));
    bench.keeper.watch_refreshes(notes.clone());
    let told = || std::mem::take(&mut *notes.0.lock().unwrap());
    let waits = [bench.spawn(), bench.spawn()];
    bench.until_called(1).await;
    bench.clock.advance(2 * SECOND);
    bench.answer(Ok(("first", 100)));
    for waiting in waits {
        waiting.await.unwrap().unwrap();
    }
    assert_eq!(told(), [("success", 2 * SECOND)], "one fetch for all who wait");
    bench.token().await;
    assert_eq!(told(), []);
    // A renewal in the background.
    bench.clock.advance(90 * SECOND);
    bench.will(Err(TokenError::transient("away")));
    bench.token().await;
    settle().await;
    assert_eq!(told(), [("unavailable", Duration::ZERO)]);
    bench.clock.advance(20 * SECOND);
    bench.will(Err(TokenError::permanent("refused")));
    bench.error().await;
    assert_eq!(told(), [("refused", Duration::ZERO)]);
    bench.error().await;
    assert_eq!(told(), [], "nobody is asked a moment later");
}
