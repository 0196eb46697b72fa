//! Refresh tokens: used in time, rotated, kept, lost.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use portcullis::{Secret, oauth2::grant::RotationHook};
use portcullis_tests::{AuthlibServer, OidcProvider, curl};

use crate::{
    grants::{authlib, grant_types, oidc, parameter, token_requests},
    service::{Service, ask, builder, client, clock, failure, orders, trust},
};

/// Longer than any token here is good.
const LIFE: Duration = Duration::from_secs(61);

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_used_once_each_and_where_none_is_good_the_password_is_sent_again() {
    let provider = OidcProvider::start();
    let service = Service::introspecting(&provider).await;
    let clock = clock();
    let auth = format!(
        "{}, scopes = \"hello\", username = \"alice\", password = \"alice-pass-alice-pass\", refreshConfig = \
         \"INFER_REFRESH_CONFIG\"",
        oidc(&provider, OidcProvider::APP)
    );
    let client = client(&clock, service.origin(), &auth).await;
    for _ in 0..3 {
        assert_eq!(ask(&client).await, (200, "alice".into()));
        assert_eq!(ask(&client).await, (200, "alice".into()));
        clock.advance(LIFE);
    }
    assert_eq!(grant_types(provider.asked()), ["password", "refresh_token", "refresh_token"]);
    let used: Vec<String> = token_requests(provider.asked())
        .iter()
        .filter_map(|asked| parameter(asked, "refresh_token"))
        .collect();
    assert_ne!(used[0], used[1], "it was replaced");
    let inferred = token_requests(provider.asked()).pop().unwrap();
    assert_eq!(parameter(&inferred, "ttl").as_deref(), Some("60"), "the same parameters");
    assert_eq!(parameter(&inferred, "scope"), None, "and no scopes");

    // Who uses an old one again is a thief: the server takes back all that came of it.
    let (id, secret) = OidcProvider::APP;
    let (pair, again) = (format!("{id}:{secret}"), format!("refresh_token={}", used[0]));
    let stolen = curl(["-u", &pair, "-d", "grant_type=refresh_token", "-d", &again, &provider.url("/token")]);
    assert_eq!(stolen.status, 400, "the old one is refused");
    assert_eq!(ask(&client).await, (200, "alice".into()));
    let grants = grant_types(provider.asked());
    assert_eq!(
        grants[3..],
        ["refresh_token", "refresh_token", "password"],
        "the thief's, ours, and the fallback"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_configuration_of_its_own_is_sent_as_it_says() {
    let server = AuthlibServer::start();
    let service = Service::introspecting_at_authlib(&server).await;
    let clock = clock();
    let refresh = format!(
        "refreshConfig = {{ refreshUrl = \"{}\", scopes = \"hello\", optionalParams = {{ ttl = \"30\", a = \"b c\" }}, \
         credentialBearer = \"POST_BODY_BEARER\", clientConfig = {{ {} }} }}",
        server.url("/token"),
        trust(&server.certificate())
    );
    let auth = authlib(
        &server,
        "post",
        &format!(
            "clientSecret = \"post-secret\", credentialBearer = \"POST_BODY_BEARER\", username = \"bob\", password = \
             \"bob-pass-bob-pass\", optionalParams = {{ ttl = \"60\" }}, {refresh}"
        ),
    );
    let client = client(&clock, service.origin(), &auth).await;
    assert_eq!(ask(&client).await, (200, "bob".into()));
    clock.advance(LIFE);
    assert_eq!(ask(&client).await, (200, "bob".into()));
    // The second token is good for half a minute.
    clock.advance(Duration::from_secs(31));
    assert_eq!(ask(&client).await, (200, "bob".into()));
    assert_eq!(grant_types(server.asked()), ["password", "refresh_token", "refresh_token"]);
    let request = token_requests(server.asked()).pop().unwrap();
    let sent = |name| parameter(&request, name);
    assert_eq!(
        (sent("scope").as_deref(), sent("a").as_deref(), sent("ttl").as_deref()),
        (Some("hello"), Some("b+c"), Some("30"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_token_is_exchanged_and_the_newest_is_told_to_the_hook_before_its_first_use() {
    let (provider, authlib_server) = (OidcProvider::start(), AuthlibServer::start());
    let at_oidc = Service::introspecting(&provider).await;
    let at_authlib = Service::introspecting_at_authlib(&authlib_server).await;
    let (id, secret) = OidcProvider::APP;
    let of_oidc = format!(
        "refreshUrl = \"{}\", clientId = \"{id}\", clientSecret = \"{secret}\", optionalParams = {{ ttl = \"60\" }}",
        provider.url("/token")
    );
    let of_authlib = format!(
        "refreshUrl = \"{}\", clientId = \"basic\", clientSecret = \"basic-secret\", optionalParams = {{ ttl = \"60\" }}, \
         clientConfig = {{ {} }}",
        authlib_server.url("/token"),
        trust(&authlib_server.certificate())
    );
    for (service, auth, first) in [
        (&at_oidc, of_oidc, provider.refresh_token("hello")),
        (&at_authlib, of_authlib, authlib_server.refresh_token("hello")),
    ] {
        let clock = clock();
        let with = |token: &str| orders(service.origin(), &format!("{auth}, refreshToken = \"{token}\""));
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let keep = Arc::clone(&told);
        let hook = RotationHook::new(move |token: Secret| {
            keep.lock().unwrap().push(token.expose().to_owned());
            std::future::ready(Ok(()))
        });
        let config = builder(&clock).rotation_hook("orders", hook).parse(&with(&first), ".").unwrap();
        let client = config.client("orders").unwrap().reqwest().await.unwrap();
        for uses in 1..=3 {
            assert_eq!(ask(&client).await, (200, "alice".into()));
            assert_eq!(told.lock().unwrap().len(), uses);
            clock.advance(LIFE);
        }

        // A restart: with the configured one there is nothing to be had, with the newest there is.
        let restarted = builder(&clock).parse(&with(&first), ".").unwrap();
        let error = failure(&restarted.client("orders").unwrap().reqwest().await.unwrap()).await;
        assert!(error.contains("invalid_grant") && error.contains("/token"), "{error}");
        assert!(!error.contains(&first), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_the_token_that_the_hook_was_told_goes_on() {
    let server = AuthlibServer::start_http();
    let service = Service::introspecting_at_authlib(&server).await;
    let clock = clock();
    let told: Arc<Mutex<String>> = Arc::new(Mutex::new(server.refresh_token("hello")));
    for _ in 0..3 {
        let auth = format!(
            "refreshUrl = \"{}\", clientId = \"basic\", clientSecret = \"basic-secret\", refreshToken = \"{}\"",
            server.url("/token"),
            told.lock().unwrap()
        );
        let keep = Arc::clone(&told);
        let hook = RotationHook::new(move |token: Secret| {
            token.expose().clone_into(&mut keep.lock().unwrap());
            std::future::ready(Ok(()))
        });
        let text = orders(service.origin(), &auth);
        let config = builder(&clock).rotation_hook("orders", hook).parse(&text, ".").unwrap();
        let client = config.client("orders").unwrap().reqwest().await.unwrap();
        assert_eq!(ask(&client).await, (200, "alice".into()));
    }
}
