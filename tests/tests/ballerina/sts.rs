//! Ballerina's mock token server: what it answers of which token, over https, judged by a PKCS#12 trust store.

use portcullis_core::TokenSource;
use portcullis_keys::{ClientTls, Identity, ServerTls, TrustAnchors};
use portcullis_oauth2::{ClientCredentials, ClientCredentialsConfig};
use portcullis_outbound::{ClientConfig, Endpoint, Form, HttpClient};
use portcullis_testing::{TestIntrospection, TestTls, TestTokenEndpoint};
use portcullis_tests::data;
use serde_json::json;

/// Holds `write update`.
pub(crate) const TOKEN_1: &str = "2YotnFZFEjr1zCsicMWpAA";
/// Holds `read`.
pub(crate) const TOKEN_2: &str = "1zCsicMWpAA2YotnFZFEjr";

pub(crate) const CLIENT_ID: &str =
    "3MVG9YDQS5WtC11paU2WcQjBB3L5w4gz52uriT8ksZ3nUVjKvrfQMrU4uvZohTftxStwNEW4cfStBEGRxRL68";
pub(crate) const CLIENT_SECRET: &str = "9205371918321623741";

/// How a configuration trusts the server: a store as Ballerina's, with the server's certificate.
pub(crate) const TRUST_STORE: &str =
    "secureSocket = { cert = { path = \"../../sts/truststore.p12\", password = \"ballerina\" } }";

pub(crate) struct Sts {
    pub(crate) introspection: TestIntrospection,
    pub(crate) tokens: TestTokenEndpoint,
}

/// A server's side of TLS with the certificate of `tests/data/sts`.
pub(crate) fn server_tls() -> ServerTls {
    ServerTls::new(Identity::from_files(data("sts/sts.crt"), data("sts/sts.key"), None).unwrap())
}

/// A client as the element's own.
pub(crate) fn outbound() -> ClientConfig {
    let anchors = TrustAnchors::from_key_store(data("sts/truststore.p12"), "ballerina").unwrap();
    ClientConfig::new().tls(ClientTls::new(anchors))
}

impl Sts {
    pub(crate) async fn start() -> Self {
        let introspection = TestIntrospection::start_https(TestTls::new(server_tls())).await;
        // 3600 seconds after 1970.
        introspection.grant(TOKEN_1, json!({"exp": 3600, "scp": "write update"}));
        introspection.grant(TOKEN_2, json!({"exp": 3600, "scp": "read"}));
        let tokens = TestTokenEndpoint::start_https(TestTls::new(server_tls())).await;
        tokens.require_client(CLIENT_ID, CLIENT_SECRET);
        tokens.user("johndoe", "A3ddj3w");
        tokens.will_issue(TOKEN_1);
        Self { introspection, tokens }
    }

    /// The element of Ballerina's HTTP and WebSocket tests, without scopes.
    pub(crate) fn element(&self) -> String {
        format!(
            r#"oauth2IntrospectionConfig = {{
                url = "{}",
                tokenTypeHint = "access_token",
                scopeKey = "scp",
                clientConfig = {{ {TRUST_STORE} }},
            }}"#,
            self.introspection.url()
        )
    }

    /// A token by the client credentials grant.
    pub(crate) async fn by_client_credentials(&self) -> String {
        let endpoint = Endpoint::parse(&self.tokens.url()).unwrap();
        let config = ClientCredentialsConfig::new(endpoint, CLIENT_ID, CLIENT_SECRET)
            .scopes(["write", "update"])
            .client(outbound());
        let shown = ClientCredentials::new(config).unwrap().token().await.unwrap();
        shown.token().unwrap().expose().to_owned()
    }

    /// The access token that this form is answered with.
    pub(crate) async fn by_form(&self, form: &[(&'static str, &str)]) -> String {
        let form = form.iter().fold(Form::new(), |form, (name, value)| form.push(*name, *value));
        let client = HttpClient::new(outbound()).unwrap();
        let endpoint = Endpoint::parse(&self.tokens.url()).unwrap();
        let answer = client.post_form(&endpoint, &form.basic_auth(CLIENT_ID, CLIENT_SECRET)).await.unwrap();
        answer.json_object().unwrap()["access_token"].as_str().unwrap().to_owned()
    }
}
