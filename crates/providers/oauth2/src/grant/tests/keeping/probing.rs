//! Asking for people who want to know.

use std::time::Duration;

use portcullis_core::TokenSource as _;

use super::{Bench, SECOND, down, settle};
use crate::fixtures::text;

impl Bench {
    async fn probe(&self) -> Result<String, String> {
        let mut probes = self.keeper.probe().await;
        assert_eq!(
            (probes.len(), probes[0].role, probes[0].url.as_str()),
            (1, "token", "https://localhost/token")
        );
        probes.remove(0).result
    }
}

#[tokio::test]
async fn a_probe_asks_and_leaves_a_good_token_alone() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Ok(("tried", 1_000)));
    assert_eq!(bench.token().await, "first");
    assert_eq!(bench.probe().await.as_deref(), Ok("gives a token for 1000 s"));
    assert_eq!((bench.token().await.as_str(), bench.calls()), ("first", 2));
}

#[tokio::test]
async fn what_a_probe_gives_is_kept_where_it_is_needed() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Ok(("second", 100)));
    assert_eq!(bench.probe().await.as_deref(), Ok("gives a token for 100 s"));
    assert_eq!((bench.token().await.as_str(), bench.calls()), ("first", 1));
    bench.clock.advance(86 * SECOND);
    assert_eq!(text(&bench.keeper.try_out().await.unwrap().token), "second");
    assert_eq!((bench.token().await.as_str(), bench.calls()), ("second", 2));
}

#[tokio::test]
async fn a_probe_joins_a_fetch_that_is_under_way() {
    let bench = Bench::new();
    let asking = bench.spawn();
    bench.until_called(1).await;
    let probe = async {
        settle().await;
        bench.answer(Ok(("first", u64::MAX)));
    };
    let (result, ()) = futures_util::future::join(bench.probe(), probe).await;
    assert_eq!(result.unwrap(), format!("gives a token for {} s", u64::MAX));
    assert_eq!(text(&asking.await.unwrap().unwrap()), "first");
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_probe_asks_although_the_server_was_to_be_left_alone() {
    let bench = Bench::new();
    bench.will(Err(down())).will(Err(down().with_source(std::io::Error::other("reset"))));
    bench.error().await;
    assert_eq!(bench.probe().await.unwrap_err(), "down: reset");
    assert_eq!(bench.calls(), 2);
    bench.will(Ok(("first", 100)));
    assert_eq!(bench.probe().await.as_deref(), Ok("gives a token for 100 s"));
    assert_eq!(bench.token().await, "first", "the outage is over");
}

#[tokio::test]
async fn a_probe_that_fails_has_a_good_token_renewed_no_earlier() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Err(down()));
    assert_eq!(bench.token().await, "first");
    assert_eq!(bench.probe().await.unwrap_err(), "down");
    for _ in 0..70 {
        bench.clock.advance(SECOND);
        assert_eq!(bench.token().await, "first");
        settle().await;
    }
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn what_a_probe_gives_is_kept_from_the_moment_on_at_which_another_one_may_be_fetched_or_the_last_one_ends()
 {
    // Renewing fails, and may be tried again after half a minute: the one token is good then, the other has ended before.
    for (lifetime, failing_at, over_at) in [(1_000, 900, 930), (100, 86, 100)] {
        let bench = Bench::new();
        bench.will(Ok(("first", lifetime))).will(Err(down().with_retry_after(30 * SECOND)));
        bench.token().await;
        bench.clock.advance(failing_at * SECOND);
        assert_eq!(bench.token().await, "first");
        bench.until_called(2).await;
        settle().await;
        bench.clock.advance((over_at - failing_at) * SECOND - Duration::from_nanos(1));
        bench.will(Ok(("early", 1_000))).will(Ok(("tried", 1_000)));
        assert!(bench.probe().await.is_ok());
        assert_eq!(bench.at_hand().as_deref(), Some("first"));
        bench.clock.advance(Duration::from_nanos(1));
        assert!(bench.probe().await.is_ok());
        assert_eq!((bench.at_hand().as_deref(), bench.calls()), (Some("tried"), 4));
    }
}
