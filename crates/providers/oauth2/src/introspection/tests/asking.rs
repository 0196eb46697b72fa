//! What reaches the server (RFC 7662 §2.1).

use http::Method;
use portcullis_core::{Contact, Provider as _, Scheme};
use portcullis_outbound::ClientConfig;

use super::{Bench, TOKEN, code, known, unavailable};

#[tokio::test]
async fn one_form_holds_all_parameters_in_their_order() {
    let bench = Bench::with(|config| {
        let client = config.client.clone().payload("example_payload_key", "example payload value");
        config.token_type_hint("access_token").optional_param("client", "ballerina").client(client)
    })
    .await;
    let outcome = bench.provider.introspect(TOKEN, &[("example_key", "example_value")], &bench.cx()).await;
    known(outcome);
    let calls = bench.server.calls();
    let [call] = &calls[..] else { panic!("one call, not {}", calls.len()) };
    assert_eq!(call.method, Method::POST);
    assert_eq!(call.header("accept"), Some("application/json"));
    assert_eq!(call.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(call.header("authorization"), None);
    assert_eq!(
        call.body,
        "token=2YotnFZFEjr1zCsicMWpAA&token_type_hint=access_token&client=ballerina&example_key=example_value\
         &example_payload_key=example+payload+value"
    );
}

#[tokio::test]
async fn whatever_a_token_holds_it_is_one_parameter() {
    let bench = Bench::with(|config| config.token_type_hint("access_token")).await;
    let tokens = [
        "x&client_id=evil",
        "x&token_type_hint=refresh_token",
        "x%26client_id%3Devil",
        "a+b/c==",
        "a b\r\nc\0",
        "token=a",
        "\u{e4}\u{1f600}",
        "#?;,",
    ];
    for token in tokens {
        let outcome = bench.provider.introspect(token, &[], &bench.cx()).await;
        assert_eq!(code(outcome), "inactive", "{token:?}");
        let call = bench.server.calls().pop().unwrap();
        let expected = [("token", token), ("token_type_hint", "access_token")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(call.parameters(), expected, "{:?}", call.body);
    }
    let call = &bench.server.calls()[0];
    assert_eq!(call.body, "token=x%26client_id%3Devil&token_type_hint=access_token");
}

#[tokio::test]
async fn parameters_of_one_question_take_the_place_of_the_configured_ones() {
    let bench = Bench::with(|config| {
        let client = config.client.clone().payload("c", "payload");
        config.optional_param("a", "1").optional_param("b", "2").client(client)
    })
    .await;
    known(bench.provider.introspect(TOKEN, &[("a", "9&b=7"), ("c", "8")], &bench.cx()).await);
    assert_eq!(bench.server.calls()[0].body, format!("token={TOKEN}&b=2&a=9%26b%3D7&c=8"));
}

#[tokio::test]
async fn a_question_that_cannot_be_asked_is_refused_without_a_call() {
    let bench = Bench::new().await;
    let cx = bench.cx();
    let refused: [&[(&str, &str)]; 4] =
        [&[("token", "x")], &[("token_type_hint", "x")], &[("a", "1"), ("a", "2")], &[("", "x")]];
    for parameters in refused {
        assert_eq!(code(bench.provider.introspect(TOKEN, parameters, &cx).await), "reserved-parameter");
    }
    assert_eq!(code(bench.provider.introspect("", &[], &cx).await), "empty-token");
    assert_eq!(bench.server.call_count(), 0);
}

#[tokio::test]
async fn the_client_says_who_it_is_by_its_secret_or_by_a_header() {
    let by_secret = Bench::with(|config| config.client_secret("a:b", "s&c=r%t \u{fc}")).await;
    by_secret.server.require_basic("a:b", "s&c=r%t \u{fc}");
    known(by_secret.ask(TOKEN).await);

    let by_header = Bench::with(|config| {
        let client = config.client.clone().header("Authorization", "Basic YWRtaW46YWRtaW4=");
        config.client(client)
    })
    .await;
    by_header.server.require_basic("admin", "admin");
    known(by_header.ask(TOKEN).await);

    let by_nothing = Bench::new().await;
    by_nothing.server.require_basic("admin", "admin");
    let reason = unavailable(by_nothing.ask(TOKEN).await);
    assert!(reason.contains("refuses our own credentials, 401 (\"invalid_client\")"), "{reason}");
}

#[tokio::test]
async fn explaining_asks_the_server_only_where_it_may() {
    let bench = Bench::remembering().await;
    let forbidden = bench.cx().explaining(Contact::Forbidden);
    let reason = unavailable(super::ask(&bench.provider, TOKEN, &forbidden).await);
    assert_eq!(reason, "the server would have to be asked about the token");
    assert_eq!(bench.server.call_count(), 0);

    known(bench.ask(TOKEN).await);
    assert_eq!(bench.len(), 1);
    // What is remembered is no explanation.
    unavailable(super::ask(&bench.provider, TOKEN, &forbidden).await);
    known(super::ask(&bench.provider, TOKEN, &bench.cx().explaining(Contact::Allowed)).await);
    assert_eq!(bench.server.call_count(), 2);
    assert_eq!(
        code(super::ask(&bench.provider, "other", &bench.cx().explaining(Contact::Allowed)).await),
        "inactive"
    );
    assert_eq!(bench.len(), 1, "an explanation is not remembered");
}

#[tokio::test]
async fn what_cannot_work_is_told_when_the_provider_is_built() {
    use super::{IntrospectionConfig, OAuth2Introspection};
    use portcullis_outbound::Endpoint;
    let config = || IntrospectionConfig::new(Endpoint::parse("https://localhost/introspect").unwrap());
    let error = OAuth2Introspection::new(
        config()
            .issuer("")
            .audience([""])
            .scope_key("/a~2")
            .token_type_hint("")
            .optional_param("token", "x")
            .client_secret("", "")
            .client(ClientConfig::new().payload("token_type_hint", "x").header("authorization", "x")),
    )
    .unwrap_err();
    let expected = [
        "issuer: must not be empty: set it, or leave it out",
        "tokenTypeHint: must not be empty: set it, or leave it out",
        "audience: holds an empty string: name what tokens have to say",
        "scopeKey: is not a JSON pointer: after `~` comes `0` (for `~`) or `1` (for `/`)",
        "client_secret: neither the name nor the secret may be empty",
        "client_secret: beside an `Authorization` of the client's: keep one of them",
        "optionalParams.token: is sent by this record itself, and would be sent twice: remove it",
        "clientConfig.customPayload: `token_type_hint` is sent by this record itself: remove it",
    ];
    assert_eq!(error.to_string().lines().collect::<Vec<_>>(), expected);
    let plain = Endpoint::parse("http://example.org/introspect").unwrap();
    let error = OAuth2Introspection::new(IntrospectionConfig::new(plain)).unwrap_err();
    assert!(error.to_string().starts_with("plain http to another machine"), "{error}");
    assert!(OAuth2Introspection::new(config()).is_ok());
}

#[tokio::test]
async fn a_name_without_a_secret_is_a_mistake_and_so_is_a_secret_without_a_name() {
    use super::{IntrospectionConfig, OAuth2Introspection};
    use portcullis_outbound::Endpoint;
    let endpoint = Endpoint::parse("https://localhost/introspect").unwrap();
    for (name, secret) in [("", "s3cret"), ("gateway", "")] {
        let config = IntrospectionConfig::new(endpoint.clone()).client_secret(name, secret);
        let error = OAuth2Introspection::new(config).unwrap_err();
        assert_eq!(error.to_string(), "client_secret: neither the name nor the secret may be empty");
    }
    OAuth2Introspection::new(IntrospectionConfig::new(endpoint).client_secret("gateway", "s3cret")).unwrap();
}

#[tokio::test]
async fn it_is_called_introspection_and_takes_bearer_tokens() {
    let bench = Bench::new().await;
    assert_eq!((bench.provider.kind(), bench.provider.scheme()), ("introspection", Scheme::Bearer));
}
