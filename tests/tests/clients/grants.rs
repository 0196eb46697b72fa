//! Every grant with its server, from Config.toml.

use std::time::Duration;

use portcullis_tests::{ALICE, Asked, AuthlibServer, OidcProvider, ZOE};

use crate::service::{Service, ask, client, clock, failure, trust};

/// The token requests, as forms, in their order.
pub(crate) fn token_requests(asked: Vec<Asked>) -> Vec<Asked> {
    asked.into_iter().filter(|asked| asked.method == "POST" && asked.target == "/token").collect()
}

/// `grant_type` of the token requests that stand for `client_id`, or carry `Authorization`.
pub(crate) fn grant_types(asked: Vec<Asked>) -> Vec<String> {
    let requests = token_requests(asked);
    requests.iter().map(|asked| parameter(asked, "grant_type").unwrap_or_default()).collect()
}

/// A parameter of a form, still encoded.
pub(crate) fn parameter(asked: &Asked, name: &str) -> Option<String> {
    let pairs = asked.body.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(each, _)| *each == name).map(|(_, value)| value.to_owned()).next()
}

pub(crate) fn oidc(provider: &OidcProvider, (id, secret): (&str, &str)) -> String {
    format!(
        "tokenUrl = \"{}\", clientId = \"{id}\", clientSecret = \"{secret}\", optionalParams = {{ ttl = \"60\" }}",
        provider.url("/token")
    )
}

/// A client of Authlib's, which trusts its certificate.
pub(crate) fn authlib(server: &AuthlibServer, id: &str, more: &str) -> String {
    format!(
        "tokenUrl = \"{}\", clientId = \"{id}\", clientConfig = {{ {} }}, scopes = \"hello\", {more}",
        server.url("/token"),
        trust(&server.certificate())
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn client_credentials_are_sent_in_the_header_or_in_the_body() {
    let provider = OidcProvider::start();
    let service = Service::introspecting(&provider).await;
    let clock = clock();
    for (bearer, in_header) in [("", true), ("credentialBearer = \"POST_BODY_BEARER\"", false)] {
        let auth =
            format!("{}, scopes = [\"hello\", \"admin\"], {bearer}", oidc(&provider, OidcProvider::APP));
        let orders = client(&clock, service.origin(), &auth).await;
        for _ in 0..3 {
            assert_eq!(ask(&orders).await, (200, "app".into()));
        }
        let request = token_requests(provider.asked()).pop().unwrap();
        assert_eq!(request.header("authorization").is_some(), in_header, "{bearer}");
        let secret = in_header.then_some(()).map_or(Some(OidcProvider::APP.1.to_owned()), |()| None);
        assert_eq!(parameter(&request, "client_secret"), secret, "{bearer}");
        assert_eq!(parameter(&request, "scope").as_deref(), Some("hello+admin"), "{bearer}");
    }
    assert_eq!(provider.count("/token"), 2, "each client asked once");
    assert_eq!(service.answered(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_insists_on_the_place_of_the_secret_is_given_it_there_and_the_wrong_place_is_told() {
    let server = AuthlibServer::start();
    let service = Service::introspecting_at_authlib(&server).await;
    let body = "credentialBearer = \"POST_BODY_BEARER\"";
    for (id, bearer, right) in
        [("basic", "", true), ("post", body, true), ("basic", body, false), ("post", "", false)]
    {
        let auth = authlib(&server, id, &format!("clientSecret = \"{id}-secret\", {bearer}"));
        let orders = client(&clock(), service.origin(), &auth).await;
        if right {
            assert_eq!(ask(&orders).await, (200, id.into()), "{id} {bearer}");
        } else {
            let error = failure(&orders).await;
            for part in ["client `orders`: ", &server.url("/token"), "401", "invalid_client", "clientSecret"]
            {
                assert!(error.contains(part), "{part} in {error}");
            }
            assert!(!error.contains(&format!("{id}-secret")), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_asks_by_password_and_without_a_refresh_configuration_by_it_again() {
    let (provider, authlib_server) = (OidcProvider::start(), AuthlibServer::start());
    let at_oidc = Service::introspecting(&provider).await;
    let at_authlib = Service::introspecting_at_authlib(&authlib_server).await;
    let clock = clock();
    for (name, password) in [ALICE, ZOE] {
        let user = format!("username = \"{name}\", password = \"{password}\"");
        let of_oidc = format!("{}, scopes = \"hello\", {user}", oidc(&provider, OidcProvider::APP));
        let secret = format!("clientSecret = \"basic-secret\", optionalParams = {{ ttl = \"60\" }}, {user}");
        for (service, auth) in
            [(&at_oidc, of_oidc), (&at_authlib, authlib(&authlib_server, "basic", &secret))]
        {
            let orders = client(&clock, service.origin(), &auth).await;
            assert_eq!(ask(&orders).await, (200, name.to_owned()));
            clock.advance(Duration::from_secs(61));
            assert_eq!(ask(&orders).await, (200, name.to_owned()));
        }
    }
    assert_eq!(grant_types(provider.asked()), ["password"; 4]);
    assert_eq!(grant_types(authlib_server.asked()), ["password"; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_client_has_a_name_alone_and_a_wrong_password_is_told_without_it() {
    let provider = OidcProvider::start();
    let service = Service::introspecting(&provider).await;
    let with = |password: &str| {
        format!(
            "tokenUrl = \"{}\", clientId = \"public\", scopes = \"hello\", username = \"alice\", password = \"{password}\"",
            provider.url("/token")
        )
    };
    let orders = client(&clock(), service.origin(), &with(ALICE.1)).await;
    assert_eq!(ask(&orders).await, (200, "alice".into()));
    let request = &token_requests(provider.asked())[0];
    assert_eq!(parameter(request, "client_id").as_deref(), Some("public"));
    assert_eq!((parameter(request, "client_secret"), request.header("authorization")), (None, None));

    let wrong = client(&clock(), service.origin(), &with("canary-password")).await;
    let error = failure(&wrong).await;
    for part in [&provider.url("/token"), "400", "invalid_grant"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert!(!error.contains("canary-password"), "{error}");
}
