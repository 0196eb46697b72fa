//! Who is told of refresh tokens.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::FutureExt as _;
use portcullis_core::{RefreshObserver, Refreshed};
use portcullis_outbound::ClientConfig;
use portcullis_testing::TestTokenEndpoint;
use tokio::sync::Notify;

use super::{Bench, MINUTE, at, endpoint};
use crate::{
    ClientAuthentication, PasswordGrant, PasswordGrantConfig, RefreshConfig, RefreshTokenGrant,
    RefreshTokenGrantConfig, RotationHook,
    fixtures::{Log, text},
};

const TOKEN: &str = "canary-refresh-0";

async fn rotating() -> TestTokenEndpoint {
    let server = endpoint().await;
    server.with_refresh_tokens();
    server.accept_refresh_token(TOKEN);
    server
}

fn bench(server: &TestTokenEndpoint, hook: Option<RotationHook>) -> Bench {
    let client = ClientAuthentication::public("app");
    let mut config = RefreshTokenGrantConfig::new(at(server), TOKEN, client);
    if let Some(hook) = hook {
        config = config.on_rotation(hook);
    }
    Bench::new(|clock| RefreshTokenGrant::new(config.clock(clock)).unwrap())
}

/// What a hook was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// A hook that notes what it is told, and fails at the first so many times.
    fn hook(&self, failures: usize) -> RotationHook {
        let (told, left) = (self.clone(), Arc::new(AtomicUsize::new(failures)));
        RotationHook::new(move |token| {
            told.0.lock().unwrap().push(token.expose().to_owned());
            let fails = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            async move { if fails.is_ok() { Err("the disk is full".into()) } else { Ok(()) } }
        })
    }
}

#[tokio::test]
async fn the_hook_is_told_of_each_one_before_the_access_token_is_given() {
    let (server, told, go) = (rotating().await, Told::default(), Arc::new(Notify::new()));
    let (telling, gate) = (told.clone(), Arc::clone(&go));
    let hook = RotationHook::new(move |token| {
        let (telling, gate) = (telling.clone(), Arc::clone(&gate));
        async move {
            gate.notified().await;
            telling.0.lock().unwrap().push(token.expose().to_owned());
            Ok(())
        }
    });
    let bench = bench(&server, Some(hook));
    let mut asking = Box::pin(bench.token());
    server_called(&server, 1, &mut asking).await;
    assert_eq!(told.all(), Vec::<String>::new());
    go.notify_one();
    assert_eq!(asking.await, "access-1");
    assert_eq!(told.all(), ["refresh-1"]);
    go.notify_one();
    assert_eq!(bench.next().await, "access-2");
    assert_eq!(told.all(), ["refresh-1", "refresh-2"]);
    // A refresh that brings none is nothing to tell.
    server.with_lasting_refresh_tokens();
    assert_eq!(bench.next().await, "access-3");
    assert_eq!(told.all().len(), 2);
}

/// Waits for a request, and sees that `asking` waits on.
async fn server_called(
    server: &TestTokenEndpoint,
    count: usize,
    asking: &mut (impl Future<Output = String> + Unpin),
) {
    assert!(asking.now_or_never().is_none());
    server.called(count).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(asking.now_or_never().is_none(), "the hook has not ended");
    }
}

#[tokio::test]
async fn a_hook_that_fails_is_logged_and_told_again_before_the_token_is_used() {
    let log = Log::default();
    let _guard = log.listen();
    let (server, told) = (rotating().await, Told::default());
    let bench = bench(&server, Some(told.hook(3)));
    assert_eq!(bench.token().await, "access-1", "the token in memory serves");
    assert_eq!(told.all(), ["refresh-1"]);
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("a refresh token could not be kept"), "{lines:?}");
    assert!(lines[0].contains("the disk is full") && lines[0].contains(&server.url()), "{lines:?}");

    assert_eq!(bench.next().await, "access-2");
    assert_eq!(told.all(), ["refresh-1", "refresh-1", "refresh-2"], "once more before its first use");
    assert_eq!(bench.next().await, "access-3");
    assert_eq!(told.all()[3..], ["refresh-2", "refresh-3"]);
    assert_eq!(log.lines().len(), 3, "the last two went well");
    assert_eq!(bench.next().await, "access-4");
    assert_eq!(told.all()[5..], ["refresh-4"], "what it knows is not told again");
}

#[tokio::test]
async fn a_hook_that_panics_or_does_not_end_keeps_nobody_out() {
    let log = Log::default();
    let _guard = log.listen();
    let server = rotating().await;
    let bench = bench(&server, Some(RotationHook::new(|_| async { panic!("in a test") })));
    assert_eq!(bench.token().await, "access-1");
    assert!(log.lines()[0].contains("the hook panicked"), "{:?}", log.lines());

    server.accept_refresh_token(TOKEN);
    let begun = Arc::new(Notify::new());
    let begins = Arc::clone(&begun);
    let hook = RotationHook::new(move |_| {
        begins.notify_one();
        std::future::pending()
    });
    let bench = self::bench(&server, Some(hook));
    let clock = bench.clock.clone();
    let asking = tokio::spawn(async move { bench.token().await });
    begun.notified().await;
    clock.advance(MINUTE / 6);
    assert_eq!(asking.await.unwrap(), "access-2");
    assert!(log.lines()[1].contains("the hook did not end within 10s"), "{:?}", log.lines());
}

#[tokio::test]
async fn a_hook_that_takes_its_time_has_nobody_ask_again() {
    let server = rotating().await;
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, gate) = (Arc::clone(&begun), Arc::clone(&go));
    let hook = RotationHook::new(move |_| {
        begins.notify_one();
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            Ok(())
        }
    });
    let config = RefreshTokenGrantConfig::new(at(&server), TOKEN, ClientAuthentication::public("app"));
    let bench = Bench::new(|clock| {
        let client = ClientConfig::new().clock(clock.clone()).request_timeout(MINUTE / 60);
        RefreshTokenGrant::new(config.on_rotation(hook).client(client).clock(clock)).unwrap()
    });
    let source = Arc::clone(&bench.source);
    let asking = tokio::spawn(async move { text(&source.token().await.unwrap()) });
    begun.notified().await;
    bench.clock.advance(MINUTE * 9 / 60);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!asking.is_finished());
    go.notify_one();
    assert_eq!(asking.await.unwrap(), "access-1");
    assert_eq!(server.call_count(), 1);
}

#[tokio::test]
async fn one_that_comes_again_is_nothing_to_tell() {
    let log = Log::default();
    let _guard = log.listen();
    let (server, told) = (rotating().await, Told::default());
    server.with_lasting_refresh_tokens();
    server.member("refresh_token", TOKEN);
    for hook in [Some(told.hook(0)), None] {
        let bench = bench(&server, hook);
        bench.token().await;
        bench.next().await;
    }
    assert_eq!((told.all(), log.lines()), (vec![], vec![]));
}

#[tokio::test]
async fn where_nobody_keeps_a_new_one_that_is_logged_once() {
    let log = Log::default();
    let _guard = log.listen();
    let server = rotating().await;
    let bench = bench(&server, None);
    for number in 1..4 {
        assert_eq!(bench.next().await, format!("access-{number}"));
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("the server replaces the configured refresh token"), "{lines:?}");
    for secret in [TOKEN, "refresh-1", "access-1"] {
        assert!(!log.text().contains(secret), "{}", log.text());
    }
}

#[tokio::test]
async fn a_grant_tells_of_its_refresh_tokens_too() {
    let (server, told) = (rotating().await, Told::default());
    server.user("zoe", "secret");
    let config = PasswordGrantConfig::new(at(&server), "zoe", "secret")
        .refresh(RefreshConfig::inferred())
        .on_rotation(told.hook(0));
    let bench = Bench::new(|clock| PasswordGrant::new(config.clock(clock)).unwrap());
    assert_eq!((bench.token().await, bench.next().await), ("access-1".into(), "access-2".into()));
    assert_eq!(told.all(), ["refresh-1", "refresh-2"]);
}

#[tokio::test]
async fn where_nobody_configured_one_nobody_has_to_keep_it() {
    let log = Log::default();
    let _guard = log.listen();
    let server = rotating().await;
    server.user("zoe", "secret");
    let config = PasswordGrantConfig::new(at(&server), "zoe", "secret").refresh(RefreshConfig::inferred());
    let bench = Bench::new(|clock| PasswordGrant::new(config.clock(clock)).unwrap());
    assert_eq!((bench.token().await, bench.next().await), ("access-1".into(), "access-2".into()));
    assert_eq!(log.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_token_is_leased_until_it_is_to_be_renewed_and_tells_until_when_it_is_good() {
    let server = rotating().await;
    let bench = bench(&server, None);
    assert!(bench.source.lease().is_none() && bench.source.expires_in().is_none(), "there is none yet");
    let token = bench.token().await;
    let lease = bench.source.lease().unwrap();
    assert_eq!(text(lease.token()), token);
    bench.clock.advance(MINUTE / 2);
    assert!(lease.is_good());
    assert_eq!(bench.source.expires_in(), Some(MINUTE / 2));
    bench.clock.advance(MINUTE / 2);
    assert!(!lease.is_good() && bench.source.lease().is_none());
    assert_eq!(bench.source.expires_in(), Some(std::time::Duration::ZERO));
}

#[derive(Debug, Default)]
struct Counted(AtomicUsize);

impl RefreshObserver for Counted {
    fn refreshed(&self, _: &Refreshed<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn who_watches_is_told_of_each_token_that_comes() {
    let server = rotating().await;
    let (bench, counted) = (bench(&server, None), Arc::new(Counted::default()));
    bench.source.watch_refreshes(counted.clone());
    for token in 1..=2 {
        bench.next().await;
        assert_eq!(counted.0.load(Ordering::Relaxed), token);
    }
}
