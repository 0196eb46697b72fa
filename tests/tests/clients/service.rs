//! A service behind the layer, on a port of its own, and the clients that call it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Json, Router, extract::State, routing::get};
use base64::{Engine, prelude::BASE64_STANDARD};
use portcullis::{AuthLayer, Caller, Clock, Config, ConfigBuilder, SystemClock, client::ReqwestClient};
use portcullis_testing::ManualClock;
use portcullis_tests::{AUDIENCE, AuthlibServer, OidcProvider};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// A service at `/who`, which says who called.
pub(crate) struct Service {
    origin: String,
    answered: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Service {
    /// With these elements.
    pub(crate) async fn start(auth: &str) -> Self {
        let config = Config::parse(&format!("[services.\"/who\"]\nauth = [{auth}]\n"), ".");
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let auth = config.service("/who").unwrap().build().await.unwrap();
        let answered = Arc::new(AtomicUsize::new(0));
        let app = Router::new().route("/who", get(who)).with_state(Arc::clone(&answered));
        let (origin, serving) = serve(app.layer(AuthLayer::new(auth))).await;
        Self { origin, answered, serving }
    }

    /// That asks `provider` about opaque tokens.
    pub(crate) async fn introspecting(provider: &OidcProvider) -> Self {
        let (id, secret) = OidcProvider::API;
        let url = provider.url("/token/introspection");
        Self::start(&introspection(&url, id, secret, &trust(&provider.certificate()))).await
    }

    /// That asks `server` about opaque tokens.
    pub(crate) async fn introspecting_at_authlib(server: &AuthlibServer) -> Self {
        let url = server.url("/introspect");
        Self::start(&introspection(&url, "basic", "basic-secret", &trust(&server.certificate()))).await
    }

    /// That finds the keys of `provider` by discovery.
    pub(crate) async fn validating(provider: &OidcProvider) -> Self {
        let issuer = provider.issuer();
        Self::start(&format!(
            r#"{{ scopes = "hello", jwtValidatorConfig = {{
                issuer = "{issuer}",
                audience = "{AUDIENCE}",
                signatureConfig = {{ jwksConfig = {{ issuer = "{issuer}", preload = true }} }},
            }} }}"#
        ))
        .await
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// How many requests were let in.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn who(State(answered): State<Arc<AtomicUsize>>, caller: Caller) -> Json<Value> {
    answered.fetch_add(1, Ordering::SeqCst);
    let claim = |name: &str| caller.identity().claims().get(name).cloned().unwrap_or_default();
    Json(json!({"sub": caller.subject(), "client_id": claim("client_id"), "act": claim("act")}))
}

/// Serves routes on a free port.
pub(crate) async fn serve(app: Router) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (origin, serving)
}

fn introspection(url: &str, id: &str, secret: &str, client: &str) -> String {
    let basic = BASE64_STANDARD.encode(format!("{id}:{secret}"));
    format!(
        r#"{{ scopes = "hello", oauth2IntrospectionConfig = {{
            url = "{url}",
            clientConfig = {{ customHeaders = {{ Authorization = "Basic {basic}" }}, {client} }},
        }} }}"#
    )
}

/// What trusts a certificate, where there is one.
pub(crate) fn trust(certificate: &std::path::Path) -> String {
    if certificate.exists() { format!("secureSocket = {{ cert = {certificate:?} }}") } else { String::new() }
}

/// A clock that begins now: the assertions of a client are judged by servers with the machine's.
pub(crate) fn clock() -> ManualClock {
    ManualClock::at(SystemClock::new().now())
}

pub(crate) fn builder(clock: &ManualClock) -> ConfigBuilder {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    Config::builder().clock(clock)
}

/// A configuration with the client `orders` of `url`. Keys go into its table, or into its `auth`.
pub(crate) fn orders(url: &str, auth: &str) -> String {
    format!("[clients.orders]\nurl = \"{url}\"\nauth = {{ {auth} }}\n")
}

/// The ready client of such a configuration.
pub(crate) async fn client(clock: &ManualClock, url: &str, auth: &str) -> ReqwestClient {
    let config = builder(clock).parse(&orders(url, auth), ".").unwrap_or_else(|error| panic!("{error}"));
    config.client("orders").unwrap().reqwest().await.unwrap()
}

/// Asks the service who calls; the status, and the subject or the client.
pub(crate) async fn ask(client: &ReqwestClient) -> (u16, String) {
    let answer = client.get("/who").send().await.unwrap_or_else(|error| panic!("{error:?}"));
    let status = answer.status().as_u16();
    let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    let text = told["sub"].as_str().or_else(|| told["client_id"].as_str());
    (status, text.unwrap_or_default().to_owned())
}

/// Why there is no token: the whole chain, as people read it.
pub(crate) async fn failure(client: &ReqwestClient) -> String {
    match client.get("/who").send().await {
        Ok(answer) => panic!("there is an answer: {}", answer.status()),
        Err(error) => format!("{error:?}"),
    }
}

/// reqwest's own client, as it is unless told otherwise.
pub(crate) fn plain() -> reqwest::Client {
    // It fails where somebody else was faster, which is as good.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::new()
}
