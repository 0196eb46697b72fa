//! One address cannot take everybody's turn at the directory.

use std::{net::IpAddr, sync::Arc, time::Duration};

use portcullis_core::{Context, Outcome, Provider as _, Reason};
use tokio::task::JoinHandle;

use super::{Bench, ask, known, server::Request, until};

const LOUD: [u8; 4] = [192, 0, 2, 1];
const QUIET: [u8; 4] = [192, 0, 2, 2];

/// So many wait for a connection of one purpose.
const PLACES: usize = 8_192;

impl Bench {
    fn begin_from(&self, address: [u8; 4], username: &str) -> JoinHandle<Outcome> {
        let (store, clock, username) = (self.store.clone(), Arc::clone(&self.clock), username.to_owned());
        let client = Some(IpAddr::from(address));
        tokio::spawn(async move {
            ask(&store, &username, "secret", &Context::new(&clock).with_client(client)).await
        })
    }

    fn waiting(&self) -> usize {
        self.store.queues()[0].depth
    }
}

/// A store with one connection to search, on which the server does not answer, and those who wait for it.
async fn flooded(waiting: usize) -> (Bench, JoinHandle<Outcome>, Vec<JoinHandle<Outcome>>) {
    let bench = Bench::with(|config| config.max_connections(2)).await;
    bench.server.script(|request| matches!(request, Request::Search { .. }).then(Vec::new));
    let first = bench.begin_from(LOUD, "loud");
    until("the search", || bench.server.searches() == 1).await;
    let loud = (0..waiting).map(|number| bench.begin_from(LOUD, &format!("loud{number}"))).collect();
    until("the flood", || bench.waiting() == waiting).await;
    (bench, first, loud)
}

async fn is_shed(login: JoinHandle<Outcome>) {
    let outcome = login.await.unwrap();
    let Outcome::Unavailable(unavailable) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(unavailable.reason(), Reason::Overloaded);
    assert_eq!(unavailable.retry_after(), Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn a_flood_from_one_address_is_shed_and_another_address_is_served_in_its_turn() {
    let (bench, first, mut loud) = flooded(PLACES).await;
    is_shed(bench.begin_from(LOUD, "one more")).await;
    let quiet = bench.begin_from(QUIET, "alice");
    is_shed(loud.pop().unwrap()).await;
    assert_eq!(bench.waiting(), PLACES, "it has the place");
    is_shed(bench.begin_from(LOUD, "and another")).await;
    let before = bench.server.searches();
    bench.server.unscripted();
    first.abort();
    assert_eq!(known(quiet.await.unwrap()).subject(), Some("alice"));
    // For the user and for the groups, and each time one of the flood's before it.
    let searches = bench.server.searches() - before;
    assert!(searches <= 8, "{searches} searches for two");
    loud.iter().for_each(JoinHandle::abort);
    until("all to have gone", || bench.waiting() == 0).await;
}

#[tokio::test]
async fn whoever_waits_and_goes_away_takes_nobodys_turn() {
    let (bench, first, loud) = flooded(3).await;
    let quiet = bench.begin_from(QUIET, "alice");
    until("all to wait", || bench.waiting() == 4).await;
    loud.iter().for_each(JoinHandle::abort);
    until("the flood to have gone", || bench.waiting() == 1).await;
    let before = bench.server.searches();
    bench.server.unscripted();
    first.abort();
    assert_eq!(known(quiet.await.unwrap()).subject(), Some("alice"));
    assert_eq!(bench.server.searches() - before, 2);
    assert_eq!(bench.waiting(), 0);
    assert_eq!(bench.store.open_connections(), (1, 1));
}
