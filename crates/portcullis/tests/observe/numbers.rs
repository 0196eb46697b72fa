//! Numbers of what there really is: queues while they fill, key sets while they age, tokens while they run out.

use std::{collections::HashMap, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use portcullis::{
    Auth, Config, Decision, RequestHead, UnixTime,
    metrics::{AuthMetrics, PrometheusText},
};
use portcullis_testing::{ManualClock, TestDirectory, TestIntrospection, TestIssuer, TestTokenEndpoint};

/// A configuration's services, and their page.
struct Bench {
    text: Arc<PrometheusText>,
    metrics: Arc<AuthMetrics>,
    config: Config,
    clock: ManualClock,
}

impl Bench {
    fn new(config: &str, clock: ManualClock) -> Self {
        let text = Arc::new(PrometheusText::new());
        let metrics = Arc::new(AuthMetrics::new(text.clone()));
        let builder = Config::builder().observer(metrics.clone()).clock(Arc::new(clock.clone()));
        let config = builder.parse(config, ".").unwrap();
        metrics.watch(config.services().iter().map(|service| service.auth().clone()));
        Self { text, metrics, config, clock }
    }

    fn auth(&self) -> Auth {
        self.config.services()[0].auth().clone()
    }

    fn page(&self) -> HashMap<String, f64> {
        self.metrics.collect();
        let page = self.text.render();
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| {
                let (series, number) = line.rsplit_once(' ').unwrap();
                (series.to_owned(), number.parse().unwrap())
            })
            .collect()
    }

    #[track_caller]
    fn number(&self, series: &str) -> f64 {
        let page = self.page();
        *page.get(series).unwrap_or_else(|| panic!("{series} in {page:#?}"))
    }

    /// Waits until the number is there.
    async fn reaches(&self, series: &str, number: f64) {
        let reached = async {
            while self.page().get(series) != Some(&number) {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), reached).await;
        assert!(waited.is_ok(), "{series} never was {number}: {:#?}", self.page());
    }
}

async fn decided(auth: Auth, authorization: String) -> Decision {
    let value = HeaderValue::try_from(authorization).unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    auth.decided(&RequestHead::new(&Method::GET, "/foo", &headers)).await
}

fn basic(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:password")))
}

fn clock() -> ManualClock {
    ManualClock::at(UnixTime::from_secs(1_800_000_000))
}

#[tokio::test]
async fn key_sets_age_and_those_who_wait_for_one_are_counted() {
    let clock = clock();
    let issuer = TestIssuer::builder().clock(Arc::new(clock.clone())).start().await;
    let url = issuer.jwks_url();
    let bench = Bench::new(
        &format!(
            r#"
            [services."/foo"]
            auth = [{{ scopes = "hello", jwtValidatorConfig = {{ issuer = "{}", audience = "foo", signatureConfig = {{ jwksConfig = {{ url = "{url}" }} }} }} }}]
            "#,
            issuer.url()
        ),
        clock,
    );
    let of = |name: &str| format!("portcullis_server_{name}{{role=\"jwks\",url=\"{url}\"}}");
    let queue = "portcullis_queue_depth{element=\"jwt\",queue=\"jwks\"}";
    assert_eq!(bench.number(queue), 0.0);
    assert!(!bench.page().contains_key(&of("age_seconds")), "nothing was fetched");
    let hold = issuer.hold();
    let token = format!("Bearer {}", issuer.token().audience("foo").scope("hello").sign());
    let waiting = tokio::spawn(decided(bench.auth(), token.clone()));
    bench.reaches(queue, 1.0).await;
    drop(hold);
    assert!(waiting.await.unwrap().is_ok());
    bench.reaches(queue, 0.0).await;
    assert_eq!(bench.number("portcullis_queue_limit{element=\"jwt\",queue=\"jwks\"}"), 256.0);
    assert_eq!((bench.number(&of("usable")), bench.number(&of("failing"))), (1.0, 0.0));
    assert_eq!(bench.number(&of("held")), 1.0);
    assert_eq!(bench.number(&of("age_seconds")), 0.0);
    bench.clock.advance(Duration::from_secs(61));
    assert_eq!(bench.number(&of("age_seconds")), 61.0);
    // From memory now.
    assert!(decided(bench.auth(), token).await.is_ok());
    for (series, number) in [
        ("portcullis_memory_lookups_total{element=\"jwt\",result=\"hit\"}", 1.0),
        ("portcullis_memory_lookups_total{element=\"jwt\",result=\"miss\"}", 1.0),
        ("portcullis_provider_duration_seconds_count{element=\"jwt\",outcome=\"admitted\"}", 1.0),
        ("portcullis_decision_duration_seconds_count{outcome=\"admitted\"}", 2.0),
    ] {
        assert_eq!(bench.number(series), number, "{series}");
    }
}

#[tokio::test]
async fn introspection_calls_and_those_who_wait_for_them_are_counted() {
    let server = TestIntrospection::start().await;
    let bench = Bench::new(
        &format!(
            r#"
            [services."/foo"]
            auth = [{{ scopes = "hello", oauth2IntrospectionConfig = {{ url = "{}" }} }}]
            "#,
            server.url()
        ),
        clock(),
    );
    let hold = server.hold();
    let ask = |token: &str| tokio::spawn(decided(bench.auth(), format!("Bearer {token}")));
    let waiting = [ask("a"), ask("a"), ask("b")];
    let [calls, callers] = ["introspection", "introspection-waiting"]
        .map(|queue| format!("portcullis_queue_depth{{element=\"introspection\",queue=\"{queue}\"}}"));
    bench.reaches(&callers, 3.0).await;
    assert_eq!(bench.number(&calls), 2.0, "one for each token");
    drop(hold);
    for one in waiting {
        assert_eq!(one.await.unwrap().unwrap_err().status(), 401);
    }
    bench.reaches(&callers, 0.0).await;
    bench.reaches(&calls, 0.0).await;
    server.go_down().await;
    assert_eq!(ask("c").await.unwrap().unwrap_err().status(), 503);
    let failing = format!("portcullis_server_failing{{role=\"introspection\",url=\"{}\"}}", server.url());
    assert_eq!(bench.number(&failing), 1.0);
}

#[tokio::test]
async fn those_who_wait_for_a_connection_to_the_directory_are_counted() {
    let directory = TestDirectory::start().await;
    let bench = Bench::new(
        &format!(
            r#"
            [services."/foo"]
            auth = [{{ scopes = "hello", ldapUserStoreConfig = {{ domainName = "d", connectionUrl = "{}", connectionName = "cn=foo", connectionPassword = "password", userSearchBase = "ou=P", userNameAttribute = "uid", userNameSearchFilter = "(uid=?)", maxConnections = 2 }} }}]
            "#,
            directory.url()
        ),
        clock(),
    );
    let hold = directory.hold();
    let ask = |user: &str| tokio::spawn(decided(bench.auth(), basic(user)));
    let (one, other) = (ask("one"), ask("other"));
    let waiting = "portcullis_queue_depth{element=\"ldap\",queue=\"connections\"}";
    bench.reaches(waiting, 1.0).await;
    drop(hold);
    drop((one.await, other.await));
    bench.reaches(waiting, 0.0).await;
}

#[tokio::test]
async fn passwords_that_are_hashed_and_those_that_wait_are_counted() {
    let bench = Bench::new(
        r#"
        [[auth.users]]
        username = "alice"
        passwordHash = "$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZWhhc2hzb21laGFzaHNvbWVoYXNoc29tZWhhc2g"
        scopes = "hello"

        [services."/foo"]
        auth = [{ scopes = "hello", fileUserStoreConfig = {} }]
        "#,
        clock(),
    );
    let depth =
        |queue: &str| bench.number(&format!("portcullis_queue_depth{{element=\"file\",queue=\"{queue}\"}}"));
    assert_eq!(depth("hashing") + depth("hashing-running"), 0.0);
    let mut asked: Vec<_> =
        ["a", "b", "c", "d", "e"].map(|user| Box::pin(decided(bench.auth(), basic(user)))).into();
    for one in &mut asked {
        assert!(futures_util::poll!(one).is_pending());
    }
    // Each costs a hash, for which some wait where processors are few.
    assert_eq!(depth("hashing") + depth("hashing-running"), 5.0);
    assert!(depth("hashing-running") >= 1.0);
    drop(asked);
    bench.reaches("portcullis_queue_depth{element=\"file\",queue=\"hashing\"}", 0.0).await;
    bench.reaches("portcullis_queue_depth{element=\"file\",queue=\"hashing-running\"}", 0.0).await;
}

#[tokio::test]
async fn a_clients_token_runs_out_whatever_grant_it_comes_from() {
    let server = TestTokenEndpoint::start().await;
    server.require_client("shop", "s3cr3t");
    server.user("alice", "password");
    server.accept_refresh_token("refresh");
    server.accept_assertion("assertion");
    server.expires_in(Some(300));
    let (url, client) = (server.url(), "clientId = \"shop\", clientSecret = \"s3cr3t\"");
    let secret = "secret-of-thirty-two-bytes-or-more";
    for auth in [
        format!("{{ tokenUrl = \"{url}\", {client} }}"),
        format!("{{ tokenUrl = \"{url}\", username = \"alice\", password = \"password\", {client} }}"),
        format!("{{ tokenUrl = \"{url}\", assertion = \"assertion\", {client} }}"),
        format!("{{ refreshUrl = \"{url}\", refreshToken = \"refresh\", {client} }}"),
        format!(
            "{{ issuer = \"shop\", signatureConfig = {{ algorithm = \"HS256\", config = \"{secret}\" }} }}"
        ),
    ] {
        expires(&auth).await;
    }
}

async fn expires(auth: &str) {
    let config = format!("[clients.orders]\nurl = \"https://orders.example\"\nauth = {auth}");
    let bench = Bench::new(&config, clock());
    let orders = bench.config.client("orders").unwrap().build().await.unwrap();
    bench.metrics.watch_client(&orders);
    let series = "portcullis_client_token_expiry_seconds{client=\"orders\"}";
    assert!(!bench.page().contains_key(series), "there is none yet");
    orders.generate_token().await.unwrap();
    let left = bench.number(series);
    assert!(left > 200.0 && left <= 300.0, "{left} of {auth}");
    bench.clock.advance(Duration::from_secs(100));
    assert_eq!(bench.number(series), left - 100.0);
    bench.clock.advance(Duration::from_secs(300));
    assert_eq!(bench.number(series), 0.0);
}
