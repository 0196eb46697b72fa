//! What starts and probes do.

use std::time::Duration;

use portcullis_core::Provider as _;
use serde_json::json;

use super::{Bench, INTERVAL, Pair, Told, config, set, until};

#[tokio::test]
async fn a_start_contacts_nobody_unless_the_keys_have_to_be_there() {
    let pair = Pair::new("1");
    let lazy = Bench::new(set(&[&pair]));
    lazy.validator.prepare().await.unwrap();
    assert_eq!(lazy.script.calls(), 0);

    let eager = Bench::with(config(), set(&[&pair]), |settings| settings.preload = true);
    eager.validator.prepare().await.unwrap();
    eager.validator.prepare().await.unwrap();
    assert_eq!(eager.script.calls(), 1, "one key set of several validators is fetched once");
    assert_eq!(eager.at_once(&pair.token()), Some(Told::Known));

    let eager = Bench::with(config(), set(&[&pair]), |settings| settings.preload = true);
    eager.script.fails();
    assert_eq!(
        eager.validator.prepare().await.unwrap_err().to_string(),
        "the keys cannot be fetched, and preload = true asks for them at start: https://issuer.example/jwks: the answer has the status 500"
    );
}

#[tokio::test]
async fn a_probe_asks_now_and_says_what_came_of_it() {
    let pair = Pair::new("1");
    let bench = Bench::new(json!({"keys": [pair.jwk, {"kty": "oct", "kid": "s\n", "k": "AA"}]}).to_string());
    for _ in 0..5 {
        let probes = bench.validator.probe().await;
        let [probe] = probes.as_slice() else { panic!("{probes:?}") };
        assert_eq!((probe.role, probe.url.as_str()), ("jwks", "https://issuer.example/jwks"));
        assert_eq!(
            probe.result.as_deref(),
            Ok(
                "1 key, 1 skipped (the key \"s\\n\" at position 1 is a shared secret (`oct`): what everybody may fetch is \
                none)"
            )
        );
    }
    assert_eq!(bench.script.calls(), 5, "people do not ask often");
    bench.script.fails();
    assert_eq!(bench.validator.probe().await[0].result, Err("the answer has the status 500".to_owned()));
    // They spend of the same bucket all the same.
    assert!(matches!(bench.at_once(&Pair::new("2").token()), Some(Told::Unavailable(10))));
}

#[tokio::test]
async fn the_state_of_a_key_set_is_told_without_asking() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let server = || bench.validator.servers().remove(0);
    let state = || bench.validator.key_set().unwrap();
    assert_eq!((server().usable, server().holds, server().age), (true, None, None));
    assert_eq!((state().count, state().age, state().usable, state().fetches), (0, None, false, 0));

    bench.script.fails();
    bench.ask(&pair.token()).await;
    assert_eq!((server().usable, server().holds), (false, None));
    assert_eq!(
        server().last_error.as_deref(),
        Some("https://issuer.example/jwks: the answer has the status 500")
    );

    bench.script.says(set(&[&pair]));
    bench.ask(&pair.token()).await;
    bench.manual.advance(Duration::from_secs(7));
    assert_eq!((server().usable, server().holds, server().last_error), (true, Some(1), None));
    assert_eq!(server().age, Some(Duration::from_secs(7)));
    assert_eq!((state().count, state().skipped, state().usable, state().fetches), (1, 0, true, 2));
    assert_eq!(state().url, "https://issuer.example/jwks");

    bench.manual.advance(INTERVAL * 1_000);
    assert_eq!((server().usable, server().holds), (false, Some(1)));
    assert_eq!(bench.script.calls(), 2);
}

#[tokio::test]
async fn a_probe_joins_a_fetch_that_is_under_way() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    bench.script.hold();
    let request = bench.send(pair.token());
    bench.called(1).await;
    let probing = bench.clone();
    let probe = tokio::spawn(async move { probing.validator.probe().await.remove(0).result });
    tokio::task::yield_now().await;
    bench.script.let_go(1);
    assert_eq!(probe.await.unwrap().as_deref(), Ok("1 key"));
    assert_eq!(request.await.unwrap(), Told::Known);
    assert_eq!(bench.script.calls(), 1);
}

#[tokio::test]
async fn those_who_wait_for_keys_are_counted() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let queues = || bench.validator.queues().into_iter().map(|queue| (queue.queue, queue.depth, queue.limit));
    assert_eq!(queues().collect::<Vec<_>>(), [("jwks", 0, 256)]);
    bench.script.hold();
    let requests = [bench.send(pair.token()), bench.send(pair.token())];
    until(|| queues().eq([("jwks", 2, 256)])).await;
    bench.script.let_go(1);
    for request in requests {
        assert_eq!(request.await.unwrap(), Told::Known);
    }
    assert_eq!(queues().collect::<Vec<_>>(), [("jwks", 0, 256)]);
}
