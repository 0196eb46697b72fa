//! The client samples that the product was created from, pasted from Ballerina and adapted: `:` became `=`, and addresses and
//! key files are those of the tests. Each calls a service that `portcullis serve` secures by the same file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{ffi::OsStr, path::PathBuf};

use portcullis::Config;
use portcullis_keys::{Identity, ServerTls};
use portcullis_testing::{GrantType, TestIntrospection, TestTls, TestTokenEndpoint};
use portcullis_tests::{Program, Running, TempDir, temp_dir, tool, write};
use serde_json::json;

const TOKEN: &str = "JlbmMiOiJBMTI4Q0JDLUhTMjU2In";

/// The documents' records, with the documents' addresses.
const CLIENTS: &str = r#"
[clients.basic]
url = "https://localhost:9090"
auth = {
    username = "alice",
    password = "123"
}
secureSocket = {
    cert = "/path/to/public.crt"
}

[clients.jwt]
url = "https://localhost:9090"
auth = {
    username = "wso2",
    issuer = "ballerina",
    audience = ["ballerina", "ballerina.org", "ballerina.io"],
    jwtId = "JlbmMiOiJBMTI4Q0JDLUhTMjU2In",
    keyId = "5a0b754-895f-4279-8843-b745e11a57e9",
    customClaims = { "scp" = "hello" },
    expTime = 3600,
    signatureConfig = {
        algorithm = "jwt:RS256",
        config = {
            keyFile = "/path/to/private.key",
        }
    }
}
secureSocket = {
    cert = "/path/to/public.crt"
}

[clients.bearer]
url = "https://localhost:9090"
auth = {
    token = "JlbmMiOiJBMTI4Q0JDLUhTMjU2In"
}
secureSocket = {
    cert = "/path/to/public.crt"
}

[clients.client-credentials]
url = "https://localhost:9090"
auth = {
    tokenUrl = "https://localhost:9445/oauth2/token",
    clientId = "s6BhdRkqt3",
    clientSecret = "7Fjfp0ZBr1KtDRbnfVdmIw",
    scopes = ["hello"],
    clientConfig = {
        secureSocket = {
            cert = "/path/to/public.crt"
        }
    }
}
secureSocket = {
    cert = "/path/to/public.crt"
}

[clients.password]
url = "https://localhost:9090"
auth = {
    tokenUrl = "https://localhost:9445/oauth2/token",
    username = "admin",
    password = "123",
    clientId = "s6BhdRkqt3",
    clientSecret = "7Fjfp0ZBr1KtDRbnfVdmIw",
    scopes = ["hello"],
    refreshConfig = {
        refreshUrl = "https://localhost:9445/oauth2/token/refresh",
        scopes = ["hello"],
        clientConfig = {
            secureSocket = {
                cert = "/path/to/public.crt"
            }
        }
    },
    clientConfig = {
        secureSocket = {
            cert = "/path/to/public.crt"
        }
    }
}
secureSocket = {
    cert = "/path/to/public.crt"
}

[clients.direct-token]
url = "https://localhost:9090"
auth = {
    refreshUrl = "https://localhost:9445/oauth2/token/refresh",
    refreshToken = "tGzv3JOkF0XG5Qx2TlKWIA",
    clientId = "s6BhdRkqt3",
    clientSecret = "7Fjfp0ZBr1KtDRbnfVdmIw",
    scopes = ["hello"],
    clientConfig = {
        secureSocket = {
            cert = "/path/to/public.crt"
        }
    }
}
secureSocket = {
    cert = "/path/to/public.crt"
}
"#;

const SERVICE: &str = r#"
[listener]
address = "127.0.0.1:0"
secureSocket = { key = { certFile = "/path/to/public.crt", keyFile = "/path/to/private.key" } }

[[auth.users]]
username = "alice"
password = "123"
scopes = ["hello"]

[services."/foo"]
respond = "Hello, World!"
auth = [
    { scopes = ["hello"], fileUserStoreConfig = {} },
    { scopes = ["hello"], jwtValidatorConfig = {
        issuer = "ballerina", audience = "ballerina.org", username = "wso2", scopeKey = "scp",
        signatureConfig = { certFile = "/path/to/public.crt" },
    } },
    { scopes = ["hello"], oauth2IntrospectionConfig = { url = "INTROSPECTION" } },
]
"#;

/// The one certificate of the samples, and its RSA key.
fn key_pair(folder: &TempDir) -> (PathBuf, PathBuf) {
    let [cert, key] = ["public.crt", "private.key"].map(|name| folder.path().join(name));
    let request = "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
                   -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    let files = ["-out".as_ref(), cert.as_os_str(), "-keyout".as_ref(), key.as_os_str()];
    tool("openssl", request.split_whitespace().map(OsStr::new).chain(files));
    (cert, key)
}

struct Setting {
    _service: Running,
    _folder: TempDir,
    endpoint: TestTokenEndpoint,
    introspection: TestIntrospection,
    config: Config,
}

impl Setting {
    async fn start() -> Self {
        let introspection = TestIntrospection::start().await;
        let folder = temp_dir();
        let (cert, key) = key_pair(&folder);
        let identity = Identity::from_files(&cert, &key, None).unwrap();
        let endpoint = TestTokenEndpoint::start_https(TestTls::new(ServerTls::new(identity))).await;
        endpoint.require_client("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw");
        endpoint.user("admin", "123");
        endpoint.accept_refresh_token("tGzv3JOkF0XG5Qx2TlKWIA");
        endpoint.with_refresh_tokens();

        let files = |text: &str| {
            text.replace("/path/to/public.crt", &cert.display().to_string())
                .replace("/path/to/private.key", &key.display().to_string())
                .replace("INTROSPECTION", &introspection.url())
        };
        let file = write(&folder, "Config.toml", files(SERVICE));
        let mut service = Program::new("portcullis").arg("serve").arg("--config").arg(&file).start();
        let port = service.address().port();
        let clients = files(CLIENTS)
            .replace("https://localhost:9090", &format!("https://localhost:{port}"))
            .replace("https://localhost:9445/oauth2/token/refresh", &endpoint.url())
            .replace("https://localhost:9445/oauth2/token", &endpoint.url());
        let config = Config::parse(&format!("{}{clients}", files(SERVICE)), folder.path()).unwrap();
        Self { _service: service, _folder: folder, endpoint, introspection, config }
    }

    /// What the service answers to the client, sent by each of the ready clients.
    async fn ask(&self, client: &str) -> [(u16, String); 2] {
        let client = self.config.client(client).unwrap();
        let reqwest = client.reqwest().await.unwrap();
        let reply = reqwest.get("/foo/bar").send().await.unwrap();
        let first = (reply.status().as_u16(), reply.text().await.unwrap());

        let hyper = client.hyper().await.unwrap();
        let request =
            http::Request::get("/foo/bar").body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
        let reply = tower::ServiceExt::oneshot(hyper, request).await.unwrap();
        let status = reply.status().as_u16();
        let body = http_body_util::BodyExt::collect(reply.into_body()).await.unwrap().to_bytes();
        [first, (status, String::from_utf8(body.to_vec()).unwrap())]
    }

    /// Has the tokens that come next known to the service, with these scopes.
    fn will_issue(&self, tokens: &[&str], scope: &str) {
        for token in tokens {
            self.endpoint.will_issue(token);
            self.introspection.grant(token, json!({ "scope": scope, "sub": "admin" }));
        }
    }
}

fn hello() -> [(u16, String); 2] {
    [(200, "Hello, World!".to_owned()), (200, "Hello, World!".to_owned())]
}

#[tokio::test]
async fn the_basic_auth_sample() {
    let setting = Setting::start().await;
    assert_eq!(setting.ask("basic").await, hello());
}

#[tokio::test]
async fn the_self_signed_jwt_sample() {
    let setting = Setting::start().await;
    assert_eq!(setting.ask("jwt").await, hello());
}

#[tokio::test]
async fn the_bearer_token_sample() {
    let setting = Setting::start().await;
    assert_eq!(setting.ask("bearer").await.map(|(status, _)| status), [401, 401]);
    setting.introspection.grant(TOKEN, json!({ "scope": "hello", "sub": "admin" }));
    assert_eq!(setting.ask("bearer").await, hello());
}

#[tokio::test]
async fn the_client_credentials_sample() {
    let setting = Setting::start().await;
    setting.will_issue(&["cc-1"], "hello");
    assert_eq!(setting.ask("client-credentials").await, hello());
    let asked = setting.endpoint.asked(GrantType::ClientCredentials);
    assert_eq!(asked.len(), 1, "both ready clients share the token");
    assert_eq!(asked[0].parameter("scope").as_deref(), Some("hello"));
}

#[tokio::test]
async fn the_password_sample() {
    let setting = Setting::start().await;
    // The service refuses the first one, and the refresh token gets the second.
    setting.endpoint.will_issue("pw-1");
    setting.will_issue(&["pw-2"], "hello");
    assert_eq!(setting.ask("password").await, hello());
    let counts = [GrantType::Password, GrantType::RefreshToken].map(|grant| setting.endpoint.count(grant));
    assert_eq!(counts, [1, 1]);
}

#[tokio::test]
async fn the_direct_token_sample() {
    let setting = Setting::start().await;
    setting.will_issue(&["dt-1"], "other");
    assert_eq!(setting.ask("direct-token").await.map(|(status, _)| status), [403, 403]);
    let setting = Setting::start().await;
    setting.will_issue(&["dt-1"], "hello");
    assert_eq!(setting.ask("direct-token").await, hello());
    let asked = setting.endpoint.asked(GrantType::RefreshToken);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].parameter("refresh_token").as_deref(), Some("tGzv3JOkF0XG5Qx2TlKWIA"));
}
