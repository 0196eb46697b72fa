//! Clients: how they say who they are, and that nothing of it is ever shown.

use std::{collections::BTreeSet, sync::Arc};

use portcullis::{Config, jwt::decode_unverified, keys::PublicKey};
use portcullis_testing::{GrantType, ManualClock, TestResource, TestServer, TestTokenEndpoint};
use portcullis_tests::{temp_dir, write};

use crate::{
    client::client,
    line::root,
    support::{Log, NOW},
    support_http::{Sheet, Site, users},
};

#[tokio::test]
async fn line_63_any_secret_arrives_as_it_is() {
    let mut sheet =
        Sheet::new(63, "Names and secrets of clients that hold what headers and forms have to encode");
    let clock = ManualClock::at(NOW);
    let resource = TestResource::start().await;
    for (id, secret) in [
        ("shop", "secret"),
        ("shop", "a:b"),
        ("sh:op", "secret"),
        ("shop", "100%25%"),
        ("shop", "a+b c&d=e"),
        ("sh\u{f6}p", "p\u{e4}ss\u{2713}\u{1f511}"),
        ("shop", "\\\"'#/?"),
    ] {
        let mut seen = Vec::new();
        for bearer in ["AUTH_HEADER_BEARER", "POST_BODY_BEARER"] {
            let endpoint = TestTokenEndpoint::start().await;
            if bearer == "POST_BODY_BEARER" {
                endpoint.require_client_in_body(id, secret);
            } else {
                endpoint.require_client_in_header(id, secret);
            }
            let own = |secret: &str| {
                format!(
                    "tokenUrl = {:?}, clientId = {id:?}, clientSecret = {secret:?}, credentialBearer = \"{bearer}\"",
                    endpoint.url()
                )
            };
            let orders = client(&clock, &resource.origin(), &own(secret)).await;
            let right = orders.auth().generate_token().await.is_ok();
            let orders = client(&clock, &resource.origin(), &own(&format!("{secret}x"))).await;
            let wrong = orders.auth().generate_token().await.is_err();
            seen.push(if right && wrong { "known" } else { "not known" });
        }
        sheet.row(
            format!("`{id}` with `{secret}`: in the header, and in the form"),
            seen.join(", "),
            "known, known",
        );
    }
    sheet.shown_by("a real provider", "tests/tests/clients/odd_secrets.rs::a_secret_with_colons_percent_signs_and_letters_beyond_ascii_authenticates_both_ways");
    sheet.settle();
}

#[tokio::test]
async fn line_64_an_assertion_is_fresh_short_lived_and_for_this_endpoint() {
    let mut sheet = Sheet::new(64, "Assertions by which a client says who it is");
    let resource = TestResource::start().await;
    let key = root().join("crates/keys/tests/data/keys/p256.pkcs8.pem");
    let public = root().join("crates/keys/tests/data/keys/p256.public.pem");
    for (what, more, audience, expected) in [
        ("to an endpoint, as it is", "", None, 5),
        (
            "with the issuer as its audience, to one that expects its own URL",
            ", audience = \"https://id.example\"",
            Some("https://id.example"),
            0,
        ),
    ] {
        let clock = ManualClock::at(NOW);
        let endpoint = TestTokenEndpoint::start().await;
        endpoint.require_any_client_assertion("shop");
        endpoint.expires_in(Some(1));
        let auth = format!(
            "tokenUrl = {:?}, clientId = \"shop\", clientAssertion = {{ signatureConfig = {{ algorithm = \"ES256\", config = {{ keyFile = {key:?} }} }}{more} }}",
            endpoint.url()
        );
        let orders = client(&clock, &resource.origin(), &auth).await;
        let mut good = 0;
        for _ in 0..5 {
            good += usize::from(orders.auth().generate_token().await.is_ok());
            clock.advance(std::time::Duration::from_secs(2));
        }
        let assertions: Vec<_> = endpoint
            .asked(GrantType::ClientCredentials)
            .iter()
            .map(|call| decode_unverified(&call.parameter("client_assertion").unwrap()).unwrap().claims)
            .collect();
        let jtis: BTreeSet<&str> = assertions.iter().map(|claims| claims["jti"].as_str().unwrap()).collect();
        let audience = audience.map_or_else(|| endpoint.url(), str::to_owned);
        let aimed = assertions.iter().all(|claims| {
            claims["aud"] == audience.as_str() && claims["iss"] == "shop" && claims["sub"] == "shop"
        });
        let longest = assertions
            .iter()
            .map(|claims| claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap())
            .max()
            .unwrap();
        let fresh = if jtis.len() == assertions.len() { "all" } else { "not all" };
        sheet.row(
            format!("{what}, five times: tokens, which `jti`s were fresh, the longest life"),
            format!("{good}, {fresh}, {longest} s"),
            format!("{expected}, all, 60 s"),
        );
        sheet.holds(format!("{what}: `aud`, `iss` and `sub`"), aimed, "are as they have to be");
    }
    // A server that checks the signature, and refuses one that was seen before.
    let clock = ManualClock::at(NOW);
    let endpoint = TestTokenEndpoint::start().await;
    endpoint.require_client_assertion("shop", PublicKey::from_file(&public).unwrap());
    let auth = |key: &std::path::Path| {
        format!(
            "tokenUrl = {:?}, clientId = \"shop\", clientAssertion = {{ signatureConfig = {{ algorithm = \"ES256\", config = {{ keyFile = {key:?} }} }} }}",
            endpoint.url()
        )
    };
    let orders = client(&clock, &resource.origin(), &auth(&key)).await;
    sheet.holds("a server that checks it", orders.auth().generate_token().await.is_ok(), "gives a token");
    let other = temp_dir();
    let fresh = write(&other, "other.pem", fresh_key());
    let orders = client(&clock, &resource.origin(), &auth(&fresh)).await;
    sheet.holds("the same by another key", orders.auth().generate_token().await.is_err(), "gets none");
    let text = format!(
        "[clients.orders]\nurl = \"https://orders.example\"\nauth = {{ tokenUrl = \"https://id.example/token\", clientId = \"shop\", clientAssertion = {{ expTime = 86400, signatureConfig = {{ algorithm = \"ES256\", config = {{ keyFile = {key:?} }} }} }} }}\n"
    );
    let told = Config::parse(&text, ".").err().map(|error| error.to_string()).unwrap_or_default();
    sheet.holds(
        "one that is good for a day",
        told.contains("expTime"),
        "is refused when the configuration is read",
    );
    sheet.shown_by(
        "real providers, which refuse what was used before",
        "tests/tests/clients/assertions.rs::oidc_provider_knows_a_client_by_assertions_each_used_once",
    );
    sheet.settle();
}

const CANARY: &str = "canary-7f3a9c";

/// Whether a text holds a secret, in clear or as Basic would send it.
fn leaks(text: &str) -> bool {
    text.contains(CANARY)
}

#[tokio::test]
async fn line_66_nothing_secret_is_ever_shown() {
    let mut sheet = Sheet::new(66, "Secrets in `Debug`, `Display`, errors and logs");
    let log = Log::of_this_test();
    let dead = TestServer::start(|_| http::Response::new("{\"error\":\"invalid_client\"}".into())).await;
    let origin = dead.origin();
    let grants = [
        (
            "client credentials",
            format!(
                "tokenUrl = \"{origin}/t?{CANARY}=1\", clientId = \"shop\", clientSecret = \"{CANARY}\", optionalParams = {{ x = \"{CANARY}\" }}"
            ),
        ),
        (
            "password",
            format!(
                "tokenUrl = \"{origin}/t\", username = \"alice\", password = \"{CANARY}\", clientId = \"shop\", clientSecret = \"{CANARY}\""
            ),
        ),
        (
            "refresh token",
            format!(
                "refreshUrl = \"{origin}/t\", refreshToken = \"{CANARY}\", clientId = \"shop\", clientSecret = \"{CANARY}\""
            ),
        ),
        ("JWT bearer", format!("tokenUrl = \"{origin}/t\", assertion = \"{CANARY}\"")),
        ("Basic", format!("username = \"alice\", password = \"{CANARY}\"")),
        ("a token as it is", format!("token = \"{CANARY}\"")),
        (
            "a token that is signed here",
            format!(
                "issuer = \"shop\", signatureConfig = {{ algorithm = \"HS256\", config = \"{CANARY}-{CANARY}-{CANARY}\" }}"
            ),
        ),
    ];
    for (what, auth) in &grants {
        let text = format!("[clients.orders]\nurl = \"{origin}\"\nauth = {{ {auth} }}\n");
        let clock = Arc::new(ManualClock::at(NOW));
        let config = Config::builder()
            .clock(clock)
            .parse(&text, ".")
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let configured = config.client("orders").unwrap();
        let ready = configured.reqwest().await.unwrap();
        let error = ready
            .auth()
            .generate_token()
            .await
            .map_err(|error| format!("{error} {error:?}"))
            .err()
            .unwrap_or_default();
        let sent = ready
            .get("/x")
            .send()
            .await
            .map_err(|error| format!("{error} {error:?}"))
            .err()
            .unwrap_or_default();
        let shown =
            format!("{config:?} {config:#?} {configured:?} {ready:?} {:?} {error} {sent}", ready.auth());
        sheet.holds(
            format!("{what}: everything that can be printed of the configuration, the client and its errors"),
            !leaks(&shown),
            "shows nothing",
        );
    }
    // Mistakes right beside a secret.
    for (what, text) in [
        (
            "a secret of the wrong type",
            format!("[clients.orders]\nurl = \"https://o.example\"\nauth = {{ token = [\"{CANARY}\"] }}\n"),
        ),
        ("text that is no TOML", format!("[[auth.users]]\nusername = \"alice\"\npassword = \"{CANARY}\n")),
        (
            "a hash that is none",
            format!("[[auth.users]]\nusername = \"alice\"\npasswordHash = \"{CANARY}\"\n"),
        ),
        ("a password for whom there is no name", format!("[[auth.users]]\npassword = \"{CANARY}\"\n")),
        (
            "a URL with a user and a query",
            format!(
                "[clients.orders]\nurl = \"https://u:{CANARY}@o.example/?{CANARY}\"\nauth = {{ token = \"t\" }}\n"
            ),
        ),
        (
            "a secret that is too short",
            format!(
                "[services.\"/\"]\nauth = [{{ jwtValidatorConfig = {{ signatureConfig = {{ secret = \"{CANARY}\" }} }} }}]\n"
            ),
        ),
        (
            "a header that is none",
            format!(
                "[services.\"/\"]\nauth = [{{ oauth2IntrospectionConfig = {{ url = \"https://i.example\", clientConfig = {{ customHeaders = {{ Authorization = \"{CANARY}\\n\" }} }} }} }}]\n"
            ),
        ),
    ] {
        let error =
            Config::parse(&text, ".").err().map(|error| format!("{error} {error:?}")).unwrap_or_default();
        assert!(!error.is_empty(), "{what}");
        sheet.holds(format!("a mistake: {what}"), !leaks(&error), "shows nothing");
    }
    // What callers show.
    let mut shown = false;
    let text = format!(
        "{}[services.\"/\"]\ncredentialSources = [\"header\", \"cookie:sid\", \"websocketProtocol\"]\npublicOrigin = \"https://app.example\"\nauth = [{{ scopes = \"hello\", fileUserStoreConfig = {{}} }}, {{ scopes = \"hello\", jwtValidatorConfig = {{ signatureConfig = {{ secret = \"{CANARY}-{CANARY}-{CANARY}\" }} }} }}]\n",
        users(&[("alice", CANARY, "hello")])
    );
    let site = Site::open(&text).await;
    for lines in [
        crate::support_http::basic("alice", CANARY),
        crate::support_http::basic(CANARY, "x"),
        format!("Authorization: Bearer {CANARY}\r\n"),
        format!("Authorization: {CANARY} x y\r\n"),
        format!("Authorization: Basic {CANARY} {CANARY}\r\n"),
        format!("Cookie: sid={CANARY}\r\nOrigin: https://app.example\r\n"),
        format!("X-Other: {CANARY}\r\n"),
    ] {
        let seen = site.send(&lines).await;
        shown |= leaks(&seen.head) || leaks(&seen.body);
    }
    let seen = site
        .raw(format!("GET /x?token={CANARY} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
        .await;
    shown |= leaks(&seen.head);
    sheet.holds("answers to passwords, names, tokens, cookies, queries and headers", !shown, "shows nothing");
    sheet.holds(
        "what was logged of all of it",
        !leaks(&log.text()) && !log.text().is_empty(),
        "shows nothing",
    );
    for (what, test) in [
        (
            "the program, whatever its filter",
            "crates/cli/tests/cmd_serve.rs::nothing_secret_is_logged_whatever_the_filter",
        ),
        (
            "the layer of clients",
            "crates/tower/tests/client/secrets.rs::debug_and_display_of_everything_show_none",
        ),
        (
            "grants, their answers and their errors",
            "crates/providers/oauth2/src/grant/tests/secrets.rs::nothing_shows_in_debug_errors_probes_and_logs",
        ),
        ("directories", "crates/providers/ldap/src/tests/mod.rs::no_secret_shows_anywhere"),
    ] {
        sheet.shown_by(what, test);
    }
    sheet.settle();
}

/// A P-256 key that nobody has seen, as PEM.
fn fresh_key() -> String {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    crate::support_tokens::pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref())
}
