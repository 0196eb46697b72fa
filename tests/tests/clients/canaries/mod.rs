//! No secret shows: not in what is configured, made or refused, and not in a log at any level, of ours or of what we stand on.

mod shown;

use std::{collections::BTreeSet, sync::OnceLock, time::Duration};

use http::Response;
use portcullis::{
    ClientAuthLayer, Config, ConfiguredClient, Secret, SendVia as _, client::OnBehalfOf,
    oauth2::grant::RotationHook,
};
use portcullis_testing::{
    GrantType, ManualClock, TestResource, TestTls, TestTokenEndpoint, contract::shows_no_secret,
};
use portcullis_tests::{TempDir, temp_dir, write};
use tower::Layer;

use self::shown::{Logged, Shown};
use crate::service::{builder, clock};

const CLIENT_SECRET: &str = "canary-client-secret:%&+=ä";
const BODY_SECRET: &str = "canary-body-secret:%&+=ö";
const HMAC_SECRET: &str = "canary-hmac-secret-0123456789abcdef-0123456789";
const PASSWORD: &str = "canary-password/?#ü";
const STATIC: &str = "canary-static-token";
const REFRESH: &str = "canary-refresh-token";
const ROTATED: &str = "canary-rotated-token";
const ACCESS: &str = "canary-access-token";
const ASSERTION: &str = "canary.assertion-given.canary";
const SUBJECT: &str = "canary-subject-token";
const ACTOR: &str = "canary-actor-token";
const HEADER: &str = "canary-header-value";
const PAYLOAD: &str = "canary payload value";
const PARAMETER: &str = "canary parameter value";

const SECRETS: [&str; 14] = [
    CLIENT_SECRET,
    BODY_SECRET,
    HMAC_SECRET,
    PASSWORD,
    STATIC,
    REFRESH,
    ROTATED,
    ACCESS,
    ASSERTION,
    SUBJECT,
    ACTOR,
    HEADER,
    PAYLOAD,
    PARAMETER,
];

struct World {
    tokens: TestTokenEndpoint,
    orders: TestResource,
    folder: TempDir,
    clock: ManualClock,
}

impl World {
    async fn new() -> Self {
        let tls = TestTls::self_signed();
        let folder = temp_dir();
        write(&folder, "ca.crt", tls.certificate_pem().unwrap());
        let key = portcullis_tests::data("ballerina/data/key--private.key");
        std::fs::copy(key, folder.path().join("client.key")).unwrap();
        let tokens = TestTokenEndpoint::start_https(tls.clone()).await;
        let orders = TestResource::start_https(tls).await;
        tokens.user("alice", PASSWORD);
        Self { tokens, orders, folder, clock: clock() }
    }

    /// The records, each with the grant that it first asks by.
    fn records(&self) -> Vec<(String, Option<GrantType>)> {
        let client = "clientConfig = { secureSocket = { cert = \"ca.crt\" }, ";
        let headers = format!(
            "{client} customHeaders = {{ X-Key = \"{HEADER}\" }}, customPayload = {{ more = \"{PAYLOAD}\" }} }}, optionalParams = \
             {{ other = \"{PARAMETER}\" }}"
        );
        let url = self.tokens.url();
        let in_header = format!(
            "tokenUrl = \"{url}\", clientId = \"shop\", clientSecret = \"{CLIENT_SECRET}\", {headers}"
        );
        let in_body = format!(
            "tokenUrl = \"{url}\", clientId = \"shop\", clientSecret = \"{BODY_SECRET}\", credentialBearer = \"POST_BODY_BEARER\", \
             {}",
            headers.replace("clientConfig = {", "clientConfig = { httpVersion = \"1.1\",")
        );
        let hmac = format!("signatureConfig = {{ algorithm = \"HS256\", config = \"{HMAC_SECRET}\" }}");
        let rsa = "signatureConfig = { config = { keyFile = \"client.key\" } }";
        let asserted = |signed: &str| {
            format!("tokenUrl = \"{url}\", clientId = \"shop\", clientAssertion = {{ {signed} }}, {headers}")
        };
        let user = format!("username = \"alice\", password = \"{PASSWORD}\"");
        let refreshing = "refreshConfig = \"INFER_REFRESH_CONFIG\"";
        let exchange = "grant = \"token_exchange\", audience = \"stock\"";
        vec![
            (user.clone(), None),
            (format!("token = \"{STATIC}\""), None),
            (format!("issuer = \"shop\", username = \"alice\", {hmac}"), None),
            (format!("issuer = \"shop\", username = \"alice\", {rsa}"), None),
            (in_header.clone(), Some(GrantType::ClientCredentials)),
            (in_body.clone(), Some(GrantType::ClientCredentials)),
            (asserted(&hmac), Some(GrantType::ClientCredentials)),
            (asserted(rsa), Some(GrantType::ClientCredentials)),
            (format!("{in_header}, {user}, {refreshing}"), Some(GrantType::Password)),
            (format!("{in_body}, {user}"), Some(GrantType::Password)),
            (
                format!("{}, refreshToken = \"{REFRESH}\"", in_header.replace("tokenUrl", "refreshUrl")),
                Some(GrantType::RefreshToken),
            ),
            (format!("{in_header}, assertion = \"{ASSERTION}\""), Some(GrantType::JwtBearer)),
            (
                format!("{in_body}, assertion = {{ issuer = \"shop\", audience = \"x\", {hmac} }}"),
                Some(GrantType::JwtBearer),
            ),
            (format!("{exchange}, {in_header}"), Some(GrantType::TokenExchange)),
            (
                format!("{exchange}, {in_body}, actor = {{ token = \"{ACTOR}\" }}"),
                Some(GrantType::TokenExchange),
            ),
            (
                format!("grant = \"on_behalf_of\", scopes = \"stock\", {in_header}"),
                Some(GrantType::OnBehalfOf),
            ),
        ]
    }

    fn text(&self, auth: &str) -> String {
        // Both versions of HTTP have logs of their own.
        let version = if auth.contains(BODY_SECRET) || auth.contains(STATIC) { "1.1" } else { "2" };
        format!(
            "[clients.orders]\nurl = \"{}\"\nhttpVersion = \"{version}\"\nsecureSocket = {{ cert = \"ca.crt\" }}\nauth = {{ \
             {auth} }}\n",
            self.orders.origin()
        )
    }

    /// What is said of mistakes, with secrets where they should not be.
    fn mistaken(&self, auth: &str, shown: &mut Shown) {
        let text = self.text(auth);
        for wrong in [
            self.text(&format!("{auth}, nonsense = \"{STATIC}\"")),
            text.replace("https://localhost", &format!("https://user:{STATIC}@localhost")),
            text.replace("/token\"", &format!("/token?a={STATIC}#{STATIC}\"")),
            text.replace("clientSecret = ", "clientSecret = 7, clientSecrets = "),
            text.replace("password = ", "password = true, passwords = "),
            text.replace("X-Key", "X Key"),
            text.replace("other = ", "grant_type = "),
            text.replace(HMAC_SECRET, "canary-s"),
        ] {
            match builder(&self.clock).parse(&wrong, self.folder.path()) {
                Ok(config) => shown.see(&(&config, config.warnings())),
                Err(error) => shown.see_error(&error),
            }
        }
    }

    fn config(&self, auth: &str) -> Config {
        let text = self.text(auth);
        let mut builder = builder(&self.clock);
        if auth.contains("refreshToken") || auth.contains("refreshConfig") {
            // A hook that fails: its failure is logged.
            let hook = RotationHook::new(|_: Secret| std::future::ready(Err("the disk is full".into())));
            builder = builder.rotation_hook("orders", hook);
        }
        builder.parse(&text, self.folder.path()).unwrap_or_else(|error| panic!("{auth}: {error}"))
    }

    /// Calls by every door, once with a token that is good and once with one that is refused.
    async fn call(&self, client: &ConfiguredClient, shown: &mut Shown) {
        let auth = client.build().await.unwrap();
        let subject = OnBehalfOf::token(SUBJECT, None);
        shown.see(&subject);
        let auth = auth.on_behalf_of_token(&subject).unwrap_or(auth);
        let ready = client.reqwest().await.unwrap();
        let hyper = client.hyper().await.unwrap();
        let plain = ready.inner().clone();
        let layer = ClientAuthLayer::new(auth.clone());
        let layered = layer.layer(plain.clone());
        shown.see(&(&auth, &ready, &hyper, &layer, &layered, client, client.transport()));
        for _ in 0..2 {
            let request = plain.get(self.orders.url());
            match request.send_via(&auth).await {
                Ok(answer) => shown.see(&answer),
                Err(error) => shown.see_error(&error),
            }
            let mut request = http::Request::get(self.orders.url()).body(()).unwrap();
            if let Err(error) = auth.enrich(&mut request).await {
                shown.see_error(&error);
            }
            shown.see(&request);
            match ready.get("/resource").send().await {
                Ok(answer) => shown.see(&answer),
                Err(error) => shown.see_error(&error),
            }
            shown.see(&auth.authorization().await);
            shown.see(&auth.security_headers().await);
            shown.see(&auth.probe().await);
            self.clock.advance(Duration::from_secs(11));
        }
        shown.see(&(&auth, &ready));
    }

    /// Answers that a token endpoint should not give, with every secret in them.
    fn bad_answers(&self) -> Vec<Response<String>> {
        let all = SECRETS.join("\\n");
        let answer = |status: u16, kind: &str, body: String| {
            Response::builder().status(status).header("content-type", kind).body(body).unwrap()
        };
        let json = |status, body: String| answer(status, "application/json", body);
        let mut redirect = answer(302, "text/html", SECRETS.join(" "));
        redirect
            .headers_mut()
            .insert("location", format!("https://elsewhere.example/?a={STATIC}").parse().unwrap());
        vec![
            json(
                400,
                format!(
                    "{{\"error\":\"invalid_grant\",\"error_description\":\"{all}\",\"error_uri\":\"{all}\"}}"
                ),
            ),
            json(400, format!("{{\"error\":\"invalid_request\",\"error_description\":\"{all}\"}}")),
            json(401, format!("{{\"error\":\"invalid_client\",\"error_description\":\"{all}\"}}")),
            json(200, format!("{{\"access_token\":\"{ACCESS} {ACCESS}\",\"token_type\":\"Bearer\"}}")),
            json(
                200,
                format!("{{\"access_token\":\"{ACCESS}\",\"token_type\":7,\"refresh_token\":\"{ROTATED}\"}}"),
            ),
            json(
                200,
                format!(
                    "{{\"access_token\":\"{ACCESS}\",\"token_type\":\"Bearer\",\"expires_in\":\"{STATIC}\"}}"
                ),
            ),
            json(200, format!("{{\"access_token\": \"{ACCESS}")),
            answer(200, "text/plain", SECRETS.join(" ")),
            answer(500, "text/html", SECRETS.join(" ")),
            redirect,
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_in_configurations_sources_layers_errors_and_logs() {
    let logged = Logged::begin();
    let world = World::new().await;
    let mut shown = Shown::default();
    world.tokens.with_refresh_tokens();
    for (auth, grant) in world.records() {
        let config = world.config(&auth);
        shown.see(&(&config, config.warnings()));
        world.mistaken(&auth, &mut shown);
        let client = config.client("orders").unwrap();
        // The resource refuses the first that it sees of each record.
        let first: OnceLock<String> = OnceLock::new();
        world.orders.accept_if(move |token| {
            token.starts_with(ACCESS) && first.get_or_init(|| token.to_owned()) != token
        });
        let number = world.tokens.issued().len();
        let seen = world.orders.authorizations().len();
        for good in 0..20 {
            world.tokens.will_issue(&format!("{ACCESS}-{number}-{good}"));
            world.tokens.will_issue_refresh_token(&format!("{ROTATED}-{number}-{good}"));
        }
        world.tokens.accept_refresh_token(REFRESH);
        let before = grant.map(|grant| world.tokens.count(grant));
        world.call(client, &mut shown).await;
        if let (Some(grant), Some(before)) = (grant, before) {
            assert!(world.tokens.count(grant) > before, "{grant:?} was used by {}", client.grant());
            let sent: BTreeSet<_> =
                world.orders.authorizations().split_off(seen).into_iter().flatten().collect();
            assert!(sent.len() > 1, "the refused token was replaced: {}", client.grant());
        }
        // By the rotated token, where there is one: it is remembered although the hook failed.
        world.clock.advance(Duration::from_secs(7200));
        world.call(client, &mut shown).await;

        for bad in world.bad_answers() {
            world.tokens.answer_with(bad);
            world.clock.advance(Duration::from_secs(7200));
            world.call(client, &mut shown).await;
            world.tokens.recover();
        }
        world.tokens.go_down().await;
        world.clock.advance(Duration::from_secs(7200));
        world.call(client, &mut shown).await;
        world.tokens.come_back().await;
    }

    // What was signed here is secret while it is good.
    let calls = world.tokens.calls();
    let signed = ["client_assertion", "assertion"].into_iter().flat_map(|name| {
        calls
            .iter()
            .filter_map(move |call| call.parameter(name))
            .filter(|text| text != ASSERTION && text != SUBJECT)
    });
    let own = world.orders.authorizations().into_iter().flatten();
    let own = own.filter_map(|value| value.strip_prefix("Bearer eyJ").map(str::to_owned));
    let mut signatures: Vec<String> =
        signed.chain(own).filter_map(|text| text.rsplit('.').next().map(str::to_owned)).collect();
    signatures.retain(|signature| signature.len() >= 8);
    signatures.sort();
    signatures.dedup();
    assert!(signatures.len() > 10, "assertions and tokens were signed");

    let text = |lines: BTreeSet<String>| lines.into_iter().collect::<Vec<_>>().join("\n");
    let (logs, shown) = (text(logged.lines()), text(shown.0));
    for part in ["portcullis", "no token could be fetched", "the disk is full", "hyper_util", "rustls"] {
        assert!(logs.contains(part), "the logs are there: {part}");
    }
    for part in ["invalid_grant", "/token", "nonsense", "the caller"] {
        assert!(shown.contains(part), "it was seen: {part}");
    }
    for text in [&shown, &logs] {
        shows_no_secret(text, &SECRETS);
        // A form in base64 for each of them would take minutes: they stand nowhere but as they are.
        assert!(
            !signatures.iter().any(|signature| text.contains(signature.as_str())),
            "what was signed shows"
        );
    }
    // And all of it was really sent.
    assert!(world.orders.authorizations().iter().flatten().any(|value| value.contains(STATIC)));
    for secret in [
        CLIENT_SECRET,
        BODY_SECRET,
        PASSWORD,
        REFRESH,
        ROTATED,
        ASSERTION,
        SUBJECT,
        ACTOR,
        PAYLOAD,
        PARAMETER,
    ] {
        let sent = calls.iter().any(|call| {
            call.parameters().iter().any(|(_, value)| value.starts_with(secret))
                || call.header("authorization").is_some_and(|value| value.starts_with("Basic "))
                    && secret == CLIENT_SECRET
        });
        assert!(sent, "{secret} was sent");
    }
    assert!(calls.iter().any(|call| call.header("x-key") == Some(HEADER)));
    for version in [http::Version::HTTP_11, http::Version::HTTP_2] {
        for calls in [&calls, &world.orders.calls()] {
            assert!(calls.iter().any(|call| call.version == version), "{version:?} was spoken");
        }
    }
}
