//! A token endpoint that fails, hangs, dies and comes back.

use std::time::Duration;

use http::StatusCode;
use portcullis::client::ReqwestClient;
use portcullis_testing::{Fault, FaultProxy, ManualClock, contract::shows_no_secret};
use portcullis_tests::{Keys, OidcProvider};

use crate::service::{Service, ask, client, clock, failure};

const LIFE: Duration = Duration::from_secs(3600);

struct World {
    provider: OidcProvider,
    proxy: FaultProxy,
    service: Service,
    clock: ManualClock,
}

impl World {
    async fn new() -> Self {
        let provider = OidcProvider::start();
        let proxy = FaultProxy::start(provider.address()).await;
        let service = Service::introspecting(&provider).await;
        Self { provider, proxy, service, clock: clock() }
    }

    async fn client(&self) -> ReqwestClient {
        let (id, secret) = OidcProvider::APP;
        let auth = format!(
            "tokenUrl = \"{}\", clientId = \"{id}\", clientSecret = \"{secret}\", scopes = \"hello\"",
            self.token_url()
        );
        client(&self.clock, self.service.origin(), &auth).await
    }

    fn token_url(&self) -> String {
        format!("{}/token", self.proxy.origin())
    }

    /// The error names endpoint, client and cause, and shows nothing.
    fn tells(&self, error: &str, causes: &[&str]) {
        assert!(error.contains("client `orders`: "), "{error}");
        assert!(error.contains(&self.token_url()), "{error}");
        assert!(causes.iter().any(|cause| error.contains(cause)), "{causes:?} in {error}");
        shows_no_secret(error, &[OidcProvider::APP.1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_until_the_real_expiry_fail_with_the_cause_and_recover() {
    for (fault, causes) in [
        (Fault::Refuse, &["refused"][..]),
        (Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR), &["500"]),
        (Fault::Answer(StatusCode::NOT_FOUND), &["404"]),
        (Fault::Garbage, &["HTTP", "http"]),
        (Fault::CutAfter(0), &["closed", "reset", "interrupted", "broke", "ended"]),
        (Fault::CutAfter(150), &["closed", "reset", "interrupted", "broke", "ended"]),
    ] {
        let world = World::new().await;
        let orders = world.client().await;
        assert_eq!(ask(&orders).await, (200, "app".into()), "{fault:?}");
        let token = orders.auth().generate_token().await.unwrap();
        world.proxy.cut().await;
        world.proxy.set(fault).await;
        // In its last minutes, every second.
        world.clock.advance(LIFE - Duration::from_secs(200));
        for _ in 0..200 {
            let still = orders.auth().generate_token().await.unwrap();
            assert_eq!(still.expose(), token.expose(), "{fault:?}");
            world.clock.advance(Duration::from_secs(1));
        }
        let error = failure(&orders).await;
        world.tells(&error, causes);
        // 1 s, 2 s, 4 s and so on lie between, a minute at most.
        let reaches = matches!(fault, Fault::CutAfter(_));
        let asked = world.provider.count("/token");
        assert!(if reaches { (5..=12).contains(&asked) } else { asked == 1 }, "{fault:?}: {asked}");

        world.proxy.set(Fault::None).await;
        // The back-off where there is no token to go on with.
        world.clock.advance(Duration::from_secs(7));
        assert_eq!(ask(&orders).await, (200, "app".into()), "after {fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_keeps_nobody_waiting_while_there_is_a_token_and_then_until_the_deadline() {
    let world = World::new().await;
    let orders = world.client().await;
    assert_eq!(ask(&orders).await, (200, "app".into()));
    world.proxy.cut().await;
    world.proxy.set(Fault::BlackHole).await;
    let connections = world.proxy.connections();
    let left = Duration::from_secs(8);
    world.clock.advance(LIFE - left);
    for _ in 0..10 {
        assert_eq!(ask(&orders).await, (200, "app".into()));
    }
    // Whoever renews may take a connection that was cut, and then waits a moment before the next attempt.
    let mut waited = Duration::ZERO;
    let connecting = async {
        while world.proxy.connections() == connections {
            if waited < left / 2 {
                waited += Duration::from_millis(100);
                world.clock.advance(Duration::from_millis(100));
            }
            assert_eq!(ask(&orders).await, (200, "app".into()));
        }
    };
    tokio::time::timeout(portcullis_tests::PATIENCE, connecting).await.expect("the token is renewed");
    world.clock.advance(left - waited);
    let waiting = orders.clone();
    let waiting = tokio::spawn(async move { failure(&waiting).await });
    // `requestTimeout` of the token request, which is on its way.
    let deadline = async {
        while !waiting.is_finished() {
            world.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(portcullis_tests::PATIENCE, deadline).await.expect("the deadline ends it");
    world.tells(&waiting.await.unwrap(), &["10s", "10 s", "in time", "within"]);

    world.proxy.set(Fault::None).await;
    world.proxy.cut().await;
    world.clock.advance(Duration::from_secs(7));
    assert_eq!(ask(&orders).await, (200, "app".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_asked_again_when_it_is_back() {
    let mut world = World::new().await;
    let orders = world.client().await;
    tokio::task::block_in_place(|| world.provider.kill());
    let error = failure(&orders).await;
    world.tells(&error, &["closed", "reset", "interrupted", "refused", "broke", "ended"]);
    // Whoever comes a moment later is told the same, and the server is left alone.
    let connections = world.proxy.connections();
    assert_eq!(failure(&orders).await, error);
    assert_eq!(world.proxy.connections(), connections);
    tokio::task::block_in_place(|| world.provider.start_again(Keys::Same));
    world.clock.advance(Duration::from_secs(7));
    assert_eq!(ask(&orders).await, (200, "app".into()));
}
