//! A real browser opens WebSockets through the gateway, with tokens of `oidc-provider`, to a server that knows nothing of either.

use std::time::UNIX_EPOCH;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_tests::{Browser, OidcProvider, Place, WebSocketEcho};

use crate::gateway::{Gateway, config};
use crate::jwks::{by_discovery, by_introspection};
use crate::page::{Pages, Visit, ends_with_its_token, expiry};

struct Setting {
    provider: OidcProvider,
    pages: Pages,
    echo: WebSocketEcho,
    gateway: Gateway,
    browser: Browser,
}

impl Setting {
    /// With JWTs and opaque tokens; `more` goes into the service.
    async fn start(more: &str) -> Self {
        let (pages, provider) = (Pages::start().await, OidcProvider::start());
        let echo = WebSocketEcho::start();
        let jwt = by_discovery(provider.issuer(), "");
        let opaque = by_introspection(&provider.url("/token/introspection"), "cacheConfig = {},");
        let service = format!(
            r#"upstream = "http://{}"
credentialSources = ["header", "websocketProtocol", "cookie:sid"]
allowedOrigins = ["{}"]
{more}
auth = [{jwt}, {opaque}]"#,
            echo.address(),
            pages.origin(),
        );
        // A first token that has to wait for the keys of a busy provider would be 503, which browsers do not tell.
        let gateway = Gateway::start_with(&config(&service)).started("jwks");
        Self { provider, pages, echo, gateway, browser: Browser::start() }
    }

    fn visit(&self) -> Visit {
        let url = format!("ws://localhost:{}/foo/feed?a=b", self.gateway.address().port());
        Visit::from(&self.pages.origin(), &url)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_among_the_subprotocols_opens_it_and_goes_no_further() {
    let mut setting = Setting::start("").await;
    let jwt = setting.provider.jwt("ES256", "hello", 60);
    let opaque = setting.provider.opaque("hello", 60);
    let one_entry = format!("base64url.bearer.{}", URL_SAFE_NO_PAD.encode(&jwt));
    for (protocols, selected) in [
        (vec!["bearer", jwt.as_str()], "bearer"),
        (vec!["bearer", opaque.as_str()], "bearer"),
        (vec!["chat", "bearer", jwt.as_str()], "chat"),
        (vec!["chat", one_entry.as_str()], "chat"),
    ] {
        let visit = setting.visit().protocols(&protocols).say("hello").say("big");
        let report = visit.by(&mut setting.browser);
        assert_eq!(report.opened(), Some(selected), "{protocols:?}: {report:?}");
        assert_eq!((report.last(), report.code()), (&(1 << 20).into(), 1000), "{protocols:?}: {report:?}");
        let upgrade = setting.echo.next("upgrade");
        assert_eq!(upgrade["target"], "/foo/feed?a=b");
        assert_eq!(upgrade["headers"]["x-auth-scopes"], "[\"hello\"]", "{upgrade}");
        assert_eq!(setting.echo.next("message"), "hello");
        assert_eq!(setting.echo.next("close"), 1000);
    }
    let log = setting.gateway.stop();
    for secret in [&jwt, &opaque, &one_entry] {
        let seen = setting.echo.so_far();
        assert!(!seen.contains(secret.as_str()), "the server behind sees the token: {seen}");
        assert!(!log.contains(secret.as_str()), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_refused_without_a_token_with_a_wrong_one_and_with_the_token_alone() {
    let mut setting = Setting::start("").await;
    let good = setting.provider.jwt("ES256", "hello", 60);
    let poor = setting.provider.jwt("ES256", "admin", 60);
    let lone = format!("base64url.bearer.{}", URL_SAFE_NO_PAD.encode(&good));
    let stranger = OidcProvider::start().jwt("ES256", "hello", 60);
    for protocols in [
        vec![],
        vec!["chat"],
        vec!["bearer"],
        vec!["bearer", "nobody-issued-this"],
        vec!["bearer", stranger.as_str()],
        vec!["bearer", poor.as_str()],
        // Browsers insist on a selected protocol, and the token is never it.
        vec![lone.as_str()],
    ] {
        let report = setting.visit().protocols(&protocols).say("hello").by(&mut setting.browser);
        assert!(report.is_refused(), "{protocols:?}: {report:?}");
    }
    assert_eq!(setting.echo.so_far().matches("upgrade").count(), 0, "a refused one reached the server");
    let report = setting.visit().protocols(&["bearer", &good]).say("hello").by(&mut setting.browser);
    assert_eq!((report.opened(), report.last()), (Some("bearer"), &"hello".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_opens_it_from_an_origin_that_is_allowed_and_from_no_other() {
    let mut setting = Setting::start("").await;
    let cookie = format!("sid={}; path=/", setting.provider.jwt("RS256", "hello", 60));
    let visit = setting.visit().cookie(&cookie).say("hello");
    let report = visit.by(&mut setting.browser);
    assert_eq!((report.opened(), report.last()), (Some(""), &"hello".into()), "{report:?}");
    let upgrade = setting.echo.next("upgrade");
    assert_eq!(
        (&upgrade["headers"]["cookie"], &upgrade["headers"]["x-auth-subject"]),
        (&().into(), &"app".into())
    );

    // Another port of the same host: the browser sends the cookie, and the service does not take it.
    let other = Pages::start().await;
    let url = format!("ws://localhost:{}/foo/feed", setting.gateway.address().port());
    let report = Visit::from(&other.origin(), &url).cookie(&cookie).say("hello").by(&mut setting.browser);
    assert!(report.is_refused(), "{report:?}");
    // A token beside the cookie: two credentials.
    let token = setting.provider.jwt("RS256", "hello", 60);
    let report = visit.protocols(&["bearer", &token]).by(&mut setting.browser);
    assert!(report.is_refused(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_closed_with_1008_within_two_seconds_of_the_expiry_of_its_token() {
    let mut setting = Setting::start("").await;
    let (provider, visit) = (&setting.provider, setting.visit());
    let jwt = |seconds| {
        let token = provider.jwt("ES256", "hello", seconds);
        (token.clone(), expiry(&token))
    };
    // Only its server can read it, and counts whole seconds: one that was made within a single one tells.
    let second = || UNIX_EPOCH.elapsed().unwrap().as_secs();
    let opaque = |seconds| loop {
        let (before, token, after) = (second(), provider.opaque("hello", seconds), second());
        if before == after {
            return (token, before + u64::from(seconds));
        }
    };
    ends_with_its_token(&mut setting.browser, &visit.clone().say("hello"), jwt);
    ends_with_its_token(&mut setting.browser, &visit.clone().say("hello"), opaque);
    // In the middle of frames from the server that never end: the last one is whole, and then it is closed.
    ends_with_its_token(&mut setting.browser, &visit.say("flood"), jwt);
    for _ in 0..3 {
        setting.echo.next("close");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_closed_when_its_token_is_revoked_and_when_nobody_can_tell_for_too_long() {
    let mut setting = Setting::start("revalidateInterval = \"500ms\"").await;
    let token = setting.provider.opaque("hello", 600);
    let visit = setting.visit().protocols(&["bearer", &token]).say("hello").stay();
    let report = std::thread::scope(|scope| {
        let (browser, provider, echo) = (&mut setting.browser, &setting.provider, &mut setting.echo);
        scope.spawn(|| {
            echo.next("message");
            provider.revoke(&token);
        });
        visit.by(browser)
    });
    assert_eq!((report.opened(), report.code()), (Some("bearer"), 1008), "{report:?}");

    let token = setting.provider.opaque("hello", 600);
    let visit = setting.visit().protocols(&["bearer", &token]).say("hello").stay();
    let report = std::thread::scope(|scope| {
        let (browser, provider, echo) = (&mut setting.browser, &mut setting.provider, &mut setting.echo);
        scope.spawn(|| {
            echo.next("message");
            provider.kill();
        });
        visit.by(browser)
    });
    assert_eq!((report.opened(), report.code()), (Some("bearer"), 1013), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_gateway_itself_open_it_over_tls_by_subprotocol_and_by_cookie() {
    let (pages, provider, place) = (Pages::start().await, OidcProvider::start(), Place::free());
    let mut echo = WebSocketEcho::start();
    let origin = format!("https://localhost:{}", place.address().port());
    let gateway = Gateway::start_with(&format!(
        r#"
[listener]
address = "{}"
secureSocket = {{ selfSigned = true }}
[services."/page"]
upstream = "{}"
public = true
[services."/foo"]
upstream = "http://{}"
credentialSources = ["websocketProtocol", "cookie:sid"]
publicOrigin = "{origin}"
auth = [{}]
"#,
        place.address(),
        pages.origin(),
        echo.address(),
        by_discovery(provider.issuer(), ""),
    ))
    .started("jwks");
    assert_eq!(gateway.address(), place.address());
    let mut browser = Browser::start();
    let token = provider.jwt("PS256", "hello", 60);
    let visit = Visit::from(&origin, &format!("wss://localhost:{}/foo", place.address().port())).say("hello");
    let cookie = format!("sid={token}; path=/; secure; samesite=strict");
    for (visit, selected) in
        [(visit.clone().protocols(&["bearer", &token]), "bearer"), (visit.clone().cookie(&cookie), "")]
    {
        let report = visit.by(&mut browser);
        assert_eq!((report.opened(), report.last()), (Some(selected), &"hello".into()), "{report:?}");
        assert_eq!(echo.next("upgrade")["headers"]["x-forwarded-proto"], "https");
    }
    assert!(visit.by(&mut browser).is_refused());
    assert!(!echo.so_far().contains(&token));
}
