//! JWTs of `oidc-provider`, found by discovery.

use portcullis_tests::{AUDIENCE, OidcProvider};

use crate::gateway::Gateway;

/// An element that finds the keys of `issuer` by discovery. `more` goes into `jwksConfig`.
pub(crate) fn by_discovery(issuer: &str, more: &str) -> String {
    format!(
        r#"{{ scopes = "hello", jwtValidatorConfig = {{
            issuer = "{issuer}",
            audience = "{AUDIENCE}",
            signatureConfig = {{ jwksConfig = {{ issuer = "{issuer}", {more} }} }},
        }} }}"#
    )
}

/// An element that asks `url` about tokens, as the client of `oidc-provider` that may. `more` goes into the record.
pub(crate) fn by_introspection(url: &str, more: &str) -> String {
    let basic = basic(OidcProvider::API);
    format!(
        r#"{{ scopes = "hello", oauth2IntrospectionConfig = {{
            url = "{url}",
            tokenTypeHint = "access_token",
            clientConfig = {{ customHeaders = {{ Authorization = "{basic}" }} }},
            {more}
        }} }}"#
    )
}

/// The value of a header with id and secret.
pub(crate) fn basic((id, secret): (&str, &str)) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

#[test]
fn jwts_are_admitted_by_discovery_and_opaque_tokens_by_introspection_side_by_side() {
    let provider = OidcProvider::start();
    let jwt = by_discovery(provider.issuer(), "");
    let opaque = by_introspection(&provider.url("/token/introspection"), "");
    let gateway = Gateway::start(&format!("{jwt}, {opaque}"));
    for algorithm in ["RS256", "PS256", "ES256", "ES384", "EdDSA"] {
        assert_eq!(gateway.status(&provider.jwt(algorithm, "hello", 60)), 200, "{algorithm}");
        assert_eq!(
            gateway.status(&provider.jwt(algorithm, "admin", 60)),
            403,
            "{algorithm}, without the scope"
        );
    }
    assert_eq!(gateway.status(&provider.opaque("hello", 60)), 200);
    assert_eq!(gateway.status(&provider.opaque("admin", 60)), 403);

    // Refused: a claim changed, a signature changed, an opaque token that nobody issued, nothing at all.
    let good = provider.jwt("ES256", "admin", 60);
    let parts: Vec<&str> = good.split('.').collect();
    let other = provider.jwt("ES256", "hello", 60);
    let payload = other.split('.').nth(1).unwrap();
    assert_eq!(gateway.status(&[parts[0], payload, parts[2]].join(".")), 401);
    assert_eq!(gateway.status(&[parts[0], parts[1], "AAAA"].join(".")), 401);
    assert_eq!(gateway.status(&"x".repeat(43)), 401);
    let answer = portcullis_tests::curl([format!("http://{}/foo", gateway.address())]);
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, Some("Bearer realm=\"portcullis\""))
    );
    let refused = gateway.ask(&"x".repeat(43));
    assert_eq!(
        refused.header("www-authenticate"),
        Some("Bearer realm=\"portcullis\", error=\"invalid_token\"")
    );

    let log = gateway.stop();
    assert!(!log.contains(&good) && !log.contains(OidcProvider::API.1), "{log}");
}

#[test]
fn a_token_for_another_audience_or_of_another_issuer_is_refused() {
    let (provider, stranger) = (OidcProvider::start(), OidcProvider::start());
    let gateway =
        Gateway::start(&by_discovery(provider.issuer(), "").replace(AUDIENCE, "https://other.example/"));
    assert_eq!(gateway.status(&provider.jwt("ES256", "hello", 60)), 401, "another audience");
    let gateway = Gateway::start(&by_discovery(provider.issuer(), ""));
    assert_eq!(gateway.status(&stranger.jwt("ES256", "hello", 60)), 401, "another issuer");
    assert_eq!(gateway.status(&provider.jwt("ES256", "hello", 60)), 200);
}

#[test]
fn discovery_compares_the_issuer_byte_by_byte() {
    let provider = OidcProvider::start();
    let port = provider.address().port();
    // The same server by another name, and by a slash more.
    for issuer in [format!("http://localhost:{port}"), format!("{}/", provider.issuer())] {
        let mut gateway = Gateway::start(&by_discovery(&issuer, ""));
        let line = gateway.logged(&["jwks", "issuer"]);
        assert!(line.contains("WARN") && line.contains(provider.issuer()), "{line}");
        assert_ne!(gateway.status(&provider.jwt("ES256", "hello", 60)), 200, "{issuer}");
    }
    assert_eq!(provider.count("/jwks"), 0, "a document of another issuer is not believed");
}

#[test]
fn a_key_set_is_found_by_its_url_without_discovery() {
    let provider = OidcProvider::start();
    let element = by_discovery(provider.issuer(), "");
    let by_issuer = format!("jwksConfig = {{ issuer = \"{}\"", provider.issuer());
    let by_url = format!("jwksConfig = {{ url = \"{}\"", provider.url("/jwks"));
    let gateway = Gateway::start(&element.replace(&by_issuer, &by_url));
    assert_eq!(gateway.status(&provider.jwt("RS256", "hello", 60)), 200);
    let asked: Vec<String> = provider.asked().into_iter().map(|request| request.target).collect();
    assert!(asked.iter().all(|target| target == "/jwks" || target == "/token"), "{asked:?}");
}

#[test]
fn tokens_of_known_keys_cause_no_fetch() {
    let provider = OidcProvider::start();
    let gateway = Gateway::start(&by_discovery(provider.issuer(), "")).started("jwks");
    assert_eq!(gateway.status(&provider.jwt("RS256", "hello", 60)), 200);
    let fetched = provider.count("/jwks");
    for algorithm in ["RS256", "PS256", "ES256", "ES384", "EdDSA"] {
        assert_eq!(gateway.status(&provider.jwt(algorithm, "hello", 60)), 200, "{algorithm}");
    }
    assert_eq!(provider.count("/jwks"), fetched);
}
