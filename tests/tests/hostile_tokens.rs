//! Tokens of an attacker, sent to `portcullis serve` over HTTPS: 401, or 431 where headers are too large, and nothing
//! else. And the chain that they are sent to, whose third element lets in whom the first knew and refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis::{
    Clock, SystemClock,
    jwt::{Algorithm, JwtIssuer, JwtIssuerConfig, SigningConfig},
};
use portcullis_tests::{Program, Running, curl, data, temp_dir, write};
use tempfile::TempDir;

struct Service {
    running: Running,
    url: String,
    folder: TempDir,
}

impl Service {
    fn start() -> Self {
        let folder = temp_dir();
        let certificate = data("ballerina/data/pub--public.crt").display().to_string();
        let config = format!(
            r#"
[listener]
address = "127.0.0.1:0"
secureSocket = {{ selfSigned = true }}

[[auth.users]]
username = "bob"
password = "password2"
scopes = ["hello"]

[services."/foo"]
respond = "Hello, World!"
auth = [
  {{ scopes = "admin", fileUserStoreConfig = {{}} }},
  {{ scopes = "hello", jwtValidatorConfig = {{ issuer = "wso2", signatureConfig = {{ certFile = {certificate:?} }} }} }},
  {{ scopes = "hello", fileUserStoreConfig = {{}} }},
]
"#
        );
        let file = write(&folder, "Config.toml", config);
        let mut running = Program::new("portcullis").arg("serve").arg("--config").arg(file).start();
        let url = format!("https://localhost:{}/foo/bar", running.address().port());
        Self { running, url, folder }
    }

    /// The status for a token, which goes to curl in a file: it may be longer than a command line. Over HTTP/2 curl
    /// itself sends no more than 64 KiB of headers.
    fn status(&self, token: &str) -> u16 {
        let line = write(&self.folder, "header", format!("Authorization: Bearer {token}"));
        curl(["-k", "--http1.1", "-H", &format!("@{}", line.display()), &self.url]).status
    }
}

/// The issuer's own key, or whatever else `signing` says.
fn issued(signing: SigningConfig, change: impl FnOnce(JwtIssuerConfig) -> JwtIssuerConfig) -> String {
    let config = JwtIssuerConfig::new(signing).username("john").custom_claim("scope", "hello");
    let issuer = JwtIssuer::new(change(config)).unwrap();
    issuer.issue(SystemClock::new().now()).unwrap().expose().to_owned()
}

fn own_key() -> SigningConfig {
    SigningConfig::key_file(data("ballerina/data/key--private.key"))
}

#[test]
fn the_third_element_lets_in_whom_the_first_knew_and_refused() {
    let service = Service::start();
    let answer = curl(["-k", "-u", "bob:password2", &service.url]);
    assert_eq!((answer.status, answer.text()), (200, "Hello, World!"));
    assert_eq!(curl(["-k", "-u", "bob:wrong", &service.url]).status, 401);
}

#[test]
fn hostile_tokens_are_401_or_431_and_nothing_else() {
    let mut service = Service::start();
    let good = issued(own_key(), |config| config.issuer("wso2"));
    assert_eq!(service.status(&good), 200);

    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{good}") };
    let public = std::fs::read_to_string(data("ballerina/data/pub--public.crt")).unwrap();
    let by_public_key = |text: &str| {
        issued(SigningConfig::secret(text).algorithm(Algorithm::Hs256), |config| config.issuer("wso2"))
    };
    let nested = encode(&"[".repeat(10_000));
    for (what, token) in [
        ("iss is a number, well signed", issued(own_key(), |config| config.custom_claim("iss", 1))),
        ("alg none", format!("{}.{payload}.", encode(r#"{"alg":"none"}"#))),
        ("alg none with a signature", format!("{}.{payload}.{signature}", encode(r#"{"alg":"none"}"#))),
        ("HS256 by the certificate", by_public_key(&public)),
        ("HS256 by the certificate without its last line end", by_public_key(public.trim_end())),
        ("a truncated signature", good[..good.len() - 8].to_owned()),
        ("no signature", format!("{header}.{payload}.")),
        ("nested brackets in the payload", format!("{header}.{nested}.{signature}")),
        ("nested brackets in the header", format!("{nested}.{payload}.{signature}")),
        ("dots", ".".repeat(10_000)),
        ("nothing", String::new()),
    ] {
        assert_eq!(service.status(&token), 401, "{what}");
    }
    assert_eq!(service.status(&".".repeat(1_000_000)), 431, "a megabyte of dots");
    assert_eq!(service.status(&good), 200, "it still serves");

    service.running.terminate();
    assert!(service.running.wait().success());
    let log = service.running.stderr().to_end().join("\n");
    assert!(!log.contains("panicked"), "{log}");
}
