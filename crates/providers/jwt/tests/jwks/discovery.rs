//! Where an issuer says that its keys are.

use std::time::Duration;

use http::StatusCode;
use portcullis_jwt::{JwksConfig, JwtValidator, JwtValidatorConfig, SignatureConfig};
use portcullis_outbound::ClientConfig;
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

use super::Bench;

#[tokio::test]
async fn both_forms_of_the_document_are_found_with_and_without_a_path() {
    for path in ["", "/realms/one"] {
        let bench = Bench::at(path).await;
        let token = bench.token().sign();
        assert_eq!(bench.ask(&bench.validator(bench.by_discovery()), &token).await, "known", "{path}");
        let asked: Vec<String> = bench.issuer.calls().iter().map(|call| call.path().to_owned()).collect();
        assert_eq!(asked, [format!("{path}/.well-known/openid-configuration"), format!("{path}/jwks")]);

        bench.issuer.without_openid_configuration();
        assert_eq!(bench.ask(&bench.validator(bench.by_discovery()), &token).await, "known", "{path}");
        let asked = bench.issuer.calls()[3].path().to_owned();
        assert_eq!(asked, format!("/.well-known/oauth-authorization-server{path}"));

        bench.issuer.without_authorization_server_metadata();
        let told = bench.ask(&bench.validator(bench.by_discovery()), &token).await;
        assert!(told.ends_with(&format!("{asked}: the answer has the status 404")), "{told}");
    }
}

#[tokio::test]
async fn only_404_asks_for_the_other_form() {
    let bench = Bench::new().await;
    bench.issuer.fail_with(StatusCode::INTERNAL_SERVER_ERROR);
    let told = bench.ask(&bench.validator(bench.by_discovery()), &bench.token().sign()).await;
    assert!(told.ends_with("/.well-known/openid-configuration: the answer has the status 500"), "{told}");
    assert_eq!(bench.issuer.call_count(), 1);
}

#[tokio::test]
async fn the_issuer_of_the_document_is_compared_byte_for_byte() {
    let bench = Bench::new().await;
    let url = bench.issuer.url().to_owned();
    let others = [
        json!(format!("{url}/")),
        json!(url.to_uppercase()),
        json!(url.replace("127.0.0.1", "localhost")),
        json!("https://evil.example"),
        json!(""),
        json!([url]),
        Value::Null,
    ];
    for other in others {
        bench.issuer.discovery_member("issuer", other.clone());
        let told = bench.ask(&bench.validator(bench.by_discovery()), &bench.token().sign()).await;
        let expected = match other.as_str() {
            Some(_) => "they have to be equal byte for byte",
            None => "the discovery document has no `issuer`",
        };
        assert!(told.starts_with("unavailable: ") && told.contains(expected), "{other}: {told}");
    }
    assert_eq!(bench.issuer.fetches().jwks, 0);
    // The other way round: a configured issuer that is not what the document says.
    let jwks = JwksConfig::issuer(format!("{url}/")).clock(std::sync::Arc::clone(&bench.clock));
    bench.issuer.discovery_member("issuer", url.as_str());
    let config = JwtValidatorConfig::new(SignatureConfig::jwks(jwks)).audience(["orders"]);
    let validator = JwtValidator::new(config).unwrap();
    let token = bench.token().issuer(&format!("{url}/")).sign();
    let told = bench.ask(&validator, &token).await;
    assert!(told.contains("a slash at the end included"), "{told}");
}

#[tokio::test]
async fn what_a_document_may_say_of_the_keys_is_bounded() {
    let bench = Bench::new().await;
    for (uri, part) in [
        (Value::Null, "the discovery document has no `jwks_uri`"),
        (json!(["https://a.example/jwks"]), "the discovery document has no `jwks_uri`"),
        (json!(""), "`jwks_uri` of the discovery document is empty"),
        (json!("/jwks"), "`jwks_uri` of the discovery document has no host"),
        (json!("a.example/jwks"), "does not begin with https://"),
        (json!("file:///etc/passwd"), "has a scheme other than https and http"),
        (json!("https://user:canary@a.example/jwks"), "holds a user"),
        (json!("http://169.254.169.254/jwks"), "plain http to another machine"),
        (json!("http://a.example/jwks"), "plain http to another machine"),
    ] {
        bench.issuer.discovery_member("jwks_uri", uri.clone());
        let told = bench.ask(&bench.validator(bench.by_discovery()), &bench.token().sign()).await;
        assert!(told.contains(part) && !told.contains("canary"), "{uri}: {told}");
    }
}

#[tokio::test]
async fn documents_that_are_none_are_an_outage() {
    let bench = Bench::new().await;
    let url = bench.issuer.url();
    let deep = format!("{{\"issuer\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for (body, part) in [
        ("<!doctype html>".to_owned(), "the discovery document is not JSON"),
        (String::new(), "the discovery document is not JSON"),
        ("[]".to_owned(), "the discovery document is not a JSON object"),
        (format!(r#"{{"issuer":"x","issuer":"{url}"}}"#), "twice in one object"),
        (format!("\u{feff}{{\"issuer\":\"{url}\"}}"), "is not JSON"),
        (deep, "is not JSON"),
        (format!("{{\"issuer\":\"{url}\",\"x\":\"{}\"}}", "x".repeat(1 << 20)), "1048576 bytes"),
    ] {
        bench.issuer.answer_discovery_with("application/json", body);
        let told = bench.ask(&bench.validator(bench.by_discovery()), &bench.token().sign()).await;
        assert!(told.starts_with("unavailable: ") && told.contains(part), "{told}");
    }
    assert_eq!(bench.issuer.fetches().jwks, 0);
}

#[tokio::test]
async fn what_the_configuration_sends_it_sends_to_the_issuer_alone() {
    let (bench, elsewhere) = (Bench::new().await, TestIssuer::start().await);
    let client = || ClientConfig::new().header("X-Api-Key", "canary");
    let sent = |server: &TestIssuer| {
        server.calls().iter().map(|call| call.header("x-api-key").map(str::to_owned)).collect::<Vec<_>>()
    };
    let validator =
        bench.validator(bench.by_discovery().client(client()).clock(std::sync::Arc::clone(&bench.clock)));
    assert_eq!(bench.ask(&validator, &bench.token().sign()).await, "known");
    assert_eq!(sent(&bench.issuer), [Some("canary".to_owned()), Some("canary".to_owned())]);

    bench.issuer.discovery_member("jwks_uri", elsewhere.jwks_url());
    elsewhere.answer_jwks_with("application/json", bench.issuer.jwks().to_string());
    let validator =
        bench.validator(bench.by_discovery().client(client()).clock(std::sync::Arc::clone(&bench.clock)));
    assert_eq!(bench.ask(&validator, &bench.token().sign()).await, "known");
    assert_eq!(sent(&elsewhere), [None]);
    assert_eq!(sent(&bench.issuer).len(), 3);
}

#[tokio::test]
async fn the_document_is_asked_for_again_when_the_keys_are_gone_or_it_is_too_old() {
    let (bench, moved) = (Bench::new().await, TestIssuer::start().await);
    let validator = bench.validator(bench.by_discovery());
    assert_eq!(bench.ask(&validator, &bench.token().sign()).await, "known");
    // Another key: the document is believed for an hour.
    bench.issuer.rotate();
    assert_eq!(bench.ask(&validator, &bench.token().sign()).await, "known");
    assert_eq!((bench.issuer.fetches().discovery, bench.issuer.fetches().jwks), (1, 2));

    // The keys move, and nothing is left where they were.
    let kid = bench.issuer.rotate();
    moved.answer_jwks_with("application/json", bench.issuer.jwks().to_string());
    bench.issuer.discovery_member("jwks_uri", moved.jwks_url());
    bench.issuer.answer_jwks_with("text/html", "gone");
    bench.manual.advance(Duration::from_secs(20));
    let token = bench.token().key(&kid).sign();
    assert!(bench.ask(&validator, &token).await.starts_with("unavailable: "));
    assert_eq!(bench.ask(&validator, &token).await, "known");
    assert_eq!((bench.issuer.fetches().discovery, moved.fetches().jwks), (2, 1));
    assert_eq!(
        moved.calls()[0].header("if-none-match"),
        None,
        "what another server wrote is not shown to it"
    );

    bench.manual.advance(Duration::from_secs(3_600));
    let old = bench.token().key(&kid).kid("other").expires_in(Duration::from_secs(60)).sign();
    assert_eq!(bench.ask(&validator, &old).await, "unknown-key");
    assert_eq!(bench.issuer.fetches().discovery, 3);
}

#[tokio::test]
async fn the_issuer_of_the_tokens_follows_from_that_of_the_keys() {
    let bench = Bench::new().await;
    let validator = |config: JwtValidatorConfig| JwtValidator::new(config.audience(["orders"]));
    let config = || JwtValidatorConfig::new(SignatureConfig::jwks(bench.by_discovery()));
    let stranger = bench.token().issuer("https://other.example").sign();
    let follows = validator(config()).unwrap();
    assert_eq!(bench.ask(&follows, &bench.token().sign()).await, "known");
    assert_eq!(bench.ask(&follows, &stranger).await, "wrong-issuer");

    let any = validator(config().allow_any_issuer(true)).unwrap();
    assert_eq!(bench.ask(&any, &stranger).await, "known");

    let error = validator(config().issuer("https://other.example")).unwrap_err().to_string();
    let url = bench.issuer.url();
    assert_eq!(
        error,
        format!(
            "issuer: is \"https://other.example\", and signatureConfig.jwksConfig.issuer is \"{url}\": the keys of an issuer \
             are for its own tokens; make them equal, or name the keys by `url`"
        )
    );
}
