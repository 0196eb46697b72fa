//! The server changes its keys, as servers do: without a word.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_tests::{Keys, OidcProvider};

use crate::client::{get, tally};
use crate::gateway::Gateway;
use crate::jwks::by_discovery;

#[test]
fn after_a_rotation_the_first_token_of_a_new_key_is_admitted_and_old_ones_are_refused() {
    let mut provider = OidcProvider::start();
    let gateway = Gateway::start(&by_discovery(provider.issuer(), ""));
    let old = provider.jwt("RS256", "hello", 60);
    let unseen = provider.jwt("RS256", "hello", 60);
    assert_eq!(gateway.status(&old), 200);

    provider.start_again(Keys::Replaced);
    assert_eq!(gateway.status(&old), 200, "nobody has told the product");
    let new = provider.jwt("RS256", "hello", 60);
    assert_eq!(gateway.status(&new), 200, "the first one");
    assert_eq!(gateway.status(&old), 401, "its key is gone, though it was remembered");
    assert_eq!(gateway.status(&unseen), 401);
    assert_eq!(gateway.status(&new), 200);
    assert_eq!(gateway.status(&provider.jwt("ES256", "hello", 60)), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_under_load_refuses_no_token_of_a_new_key_and_costs_one_fetch() {
    let mut provider = OidcProvider::start();
    let gateway = Gateway::start(&by_discovery(provider.issuer(), ""));
    let old = provider.jwt("ES256", "hello", 60);
    assert_eq!(gateway.get(&old).await.status, 200);

    // Tokens of the old key go on all the time; its key stays in the set.
    let (address, over) = (gateway.address(), Arc::new(AtomicBool::new(false)));
    let streams: Vec<_> = (0..4)
        .map(|_| {
            let (old, over) = (old.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                let mut replies = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    replies.push(get(address, "/foo", &old).await);
                }
                replies
            })
        })
        .collect();
    tokio::task::block_in_place(|| provider.start_again(Keys::Added));
    let new: Vec<String> =
        tokio::task::block_in_place(|| (0..20).map(|_| provider.jwt("ES256", "hello", 60)).collect());
    let first = gateway.get_all(new.iter().cycle().take(200).cloned()).await;
    assert_eq!(tally(&first), [(200, 200)]);
    over.store(true, Ordering::Relaxed);
    for stream in streams {
        let replies = stream.await.unwrap();
        assert_eq!(tally(&replies), [(200, replies.len())]);
    }
    assert_eq!(tokio::task::block_in_place(|| provider.count("/jwks")), 1);
}

#[test]
fn keys_added_ahead_of_their_use_and_old_ones_left_for_a_while_are_never_refused() {
    let mut provider = OidcProvider::start();
    let gateway = Gateway::start(&by_discovery(provider.issuer(), "minRefreshInterval = \"100ms\""));
    let first = provider.jwt("EdDSA", "hello", 60);
    assert_eq!(gateway.status(&first), 200);
    provider.start_again(Keys::Added);
    let second = provider.jwt("EdDSA", "hello", 60);
    assert_eq!((gateway.status(&second), gateway.status(&first)), (200, 200));
    provider.start_again(Keys::Added);
    let third = provider.jwt("EdDSA", "hello", 60);
    assert_eq!((gateway.status(&third), gateway.status(&second), gateway.status(&first)), (200, 200, 200));
}
