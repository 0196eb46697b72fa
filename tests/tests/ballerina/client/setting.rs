//! Clients as the rows configure them, and a service for them to call.

use std::sync::Arc;

use axum::{Router, body::Bytes, routing::any};
use http::{HeaderMap, Method, Request, Uri, header::AUTHORIZATION};
use portcullis::{
    AuthLayer, Caller, ClientAuth, ClientAuthError, Clock, Config, ConfigError, UnixTime, serve::Listener,
};
use portcullis_testing::{ManualClock, TestTls, TestTokenEndpoint};
use portcullis_tests::data;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::super::{setting::token, sts::server_tls};

/// Where clients that call nobody would call.
pub(super) const ELSEWHERE: &str = "https://orders.example/base";

/// As the others' clock; this one can be moved.
pub(super) fn clock() -> ManualClock {
    ManualClock::at(UnixTime::from_secs(1_700_000_000))
}

/// The configuration of a row, with the names that files have here and the tokens that it names. The server's certificate is one
/// of today, in a trust store as Ballerina's.
pub(super) fn row(id: &str) -> Value {
    let text = std::fs::read_to_string(data("ballerina/cases.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let row = rows.into_iter().find(|row| row["id"] == id).unwrap();
    let mut config = row["config"].clone();
    localize(&mut config);
    config
}

fn localize(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(localize),
        Value::Array(items) => items.iter_mut().for_each(localize),
        Value::String(text) => {
            *text = match text.as_str() {
                "ballerinaKeystore.p12" => "ballerina-ks--ballerinaKeystore.p12".to_owned(),
                "ballerinaTruststore.p12" => "../../sts/truststore.p12".to_owned(),
                "wso2Public.crt" => "../../sts/sts.crt".to_owned(),
                other => match other.strip_prefix("<token ").and_then(|name| name.strip_suffix('>')) {
                    Some(name) => token(name),
                    None => return,
                },
            };
        }
        _ => {}
    }
}

/// The row's record, with the address of `tokens`.
pub(super) fn grant(id: &str, tokens: &TestTokenEndpoint) -> Value {
    let mut record = row(id);
    let key = if record["grant"] == "refresh_token" { "refreshUrl" } else { "tokenUrl" };
    record[key] = tokens.url().into();
    if record["refreshConfig"].is_object() {
        record["refreshConfig"]["refreshUrl"] = tokens.url().into();
    }
    record
}

/// The record, by which the client says who it is in the body.
pub(super) fn in_body(mut record: Value) -> Value {
    record["credentialBearer"] = "POST_BODY_BEARER".into();
    record
}

/// A token endpoint over https, with a certificate that the rows' clients trust.
pub(super) async fn token_endpoint() -> TestTokenEndpoint {
    TestTokenEndpoint::start_https(TestTls::new(server_tls())).await
}

/// How a configuration file writes it.
pub(super) fn toml(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        // Strings, numbers and booleans are written as in JSON.
        other => other.to_string(),
    }
}

/// A file with one client, `x`.
pub(super) fn config(clock: &ManualClock, client: &Value) -> Result<Config, ConfigError> {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let text = format!("[clients]\nx = {}\n", toml(client));
    Config::builder().clock(clock).parse(&text, data("ballerina/data"))
}

/// A client that shows what `auth` says.
pub(super) async fn client(clock: &ManualClock, auth: &Value) -> ClientAuth {
    let config = config(clock, &json!({"url": ELSEWHERE, "auth": auth})).unwrap();
    config.client("x").unwrap().build().await.unwrap()
}

/// What is wrong with `auth`: the key, from there on, and what is said of it.
pub(super) fn mistakes(auth: &Value) -> Vec<(String, String)> {
    let error = config(&clock(), &json!({"url": ELSEWHERE, "auth": auth})).unwrap_err();
    let told = error.problems().iter();
    told.map(|problem| {
        let key = problem.path().strip_prefix("clients.x.auth").unwrap();
        (key.trim_start_matches('.').to_owned(), problem.message().to_owned())
    })
    .collect()
}

/// `Authorization` of a request, of headers, and of the headers that are given alone: the three calls of Ballerina's handlers.
pub(super) async fn shown(auth: &ClientAuth) -> Result<[String; 3], ClientAuthError> {
    let uri = Uri::from_static("https://orders.example/base/orders");
    let mut request = Request::builder().uri(uri.clone()).body(()).unwrap();
    auth.enrich(&mut request).await?;
    let mut headers = HeaderMap::new();
    auth.enrich_headers(&uri, &mut headers).await?;
    let alone = auth.security_headers().await?;
    assert_eq!(alone.len(), 1);
    Ok([request.headers(), &headers, &alone].map(|headers| {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().unwrap();
        assert!(value.is_sensitive() && values.next().is_none());
        value.to_str().unwrap().to_owned()
    }))
}

/// The same, where each shows this token.
pub(super) fn bearer(token: &str) -> [String; 3] {
    [(); 3].map(|()| format!("Bearer {token}"))
}

/// The token that the client shows.
pub(super) async fn generated(auth: &ClientAuth) -> String {
    auth.generate_token().await.unwrap().expose().to_owned()
}

/// Why there is none: the error and its cause, on one line.
pub(super) async fn failure(auth: &ClientAuth) -> String {
    format!("{:?}", auth.generate_token().await.unwrap_err())
}

/// How [`failure`] tells what `address` does.
pub(super) fn told(address: &str, what: &str) -> String {
    format!("client `x`: there is no credential to send: the token endpoint {address} {what}")
}

/// A service guarded by portcullis, over https, on a socket of its own.
pub(super) struct Secured {
    pub(super) origin: String,
    _stop: oneshot::Sender<()>,
}

impl Secured {
    /// The service at `path` of this configuration; beside it routes that nobody guards. It answers what was asked, by whom.
    pub(super) async fn start(path: &str, toml: &str, open: Router) -> Self {
        const LISTENER: &str = "[listener]\naddress = \"127.0.0.1:0\"\nsecureSocket = \
            { key = { certFile = \"../../sts/sts.crt\", keyFile = \"../../sts/sts.key\" } }\n";
        let clock: Arc<dyn Clock> = Arc::new(clock());
        let config =
            Config::builder().clock(clock).parse(&format!("{LISTENER}{toml}"), data("ballerina/data"));
        let config = config.unwrap();
        let auth = config.service(path).unwrap().build().await.unwrap();
        let answers = any(|method: Method, caller: Caller, body: Bytes| async move {
            let body = String::from_utf8(body.to_vec()).unwrap();
            format!("{method} by {}: {body}", caller.subject().unwrap_or_default())
        });
        let guarded = Router::new().route(&format!("{path}/foo"), answers).layer(AuthLayer::new(auth));
        let listener = Listener::bind(config.listener()).await.unwrap();
        let origin = format!("https://localhost:{}", listener.local_addr().port());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(listener.serve_with_shutdown(guarded.merge(open), async { drop(stopped.await) }));
        Self { origin, _stop: stop }
    }

    /// The table of a client that calls it.
    pub(super) fn called_by(&self, auth: &Value) -> Value {
        let trust = json!({"cert": {"path": "../../sts/truststore.p12", "password": "ballerina"}});
        json!({"url": self.origin, "auth": auth, "secureSocket": trust})
    }
}
