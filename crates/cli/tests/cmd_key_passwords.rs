//! Passwords of keys and key stores, right or wrong, literal or from a file or the environment, are in nothing that the
//! program says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by all tests of commands; none needs everything")]
mod command;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use command::{
    Folder, finish,
    serving::{Serving, exchange},
};
use portcullis_testing::contract::shows_no_secret;

/// Of the encrypted key, of the stores, and two that open nothing.
const SECRETS: [&str; 4] = ["key-password", "changeit", "canary-key-password", "canary-store-password"];

const CONFIG: &str = r#"
[listener]
address = "127.0.0.1:0"
admin.address = "127.0.0.1:0"

[listener.secureSocket]
key = { certFile = "server.pem", keyFile = "server.key", keyPassword = { file = "for-key" } }
mutualSsl = { verifyClient = "OPTIONAL", cert = { path = "trust.p12", password = { file = "for-store" } } }

[observability]
audit = true

[services."/foo"]
respond = "Hello, World!"
auth = [
  { scopes = "a", jwtValidatorConfig = { signatureConfig = { trustStoreConfig = { trustStore = { path = "trust.p12", password = "changeit" }, certAlias = "authority" } } } },
  { scopes = "a", oauth2IntrospectionConfig = { url = "https://127.0.0.1:1/introspect", clientConfig = { secureSocket = { cert = { path = "trust.p12", password = { file = "for-store" } }, key = { path = "store.p12", password = "changeit" } } } } },
  { scopes = "a", ldapUserStoreConfig = { domainName = "x", connectionUrl = "ldaps://127.0.0.1:1", connectionName = "cn=foo", connectionPassword = "canary-store-password", userSearchBase = "ou=P", userNameAttribute = "uid", userNameSearchFilter = "(uid=?)", secureSocket = { cert = { path = "trust.p12", password = "changeit" } } } },
]

[clients.orders]
url = "https://127.0.0.1:1"
auth = { issuer = "gate", signatureConfig = { config = { keyStore = { path = "store.p12", password = "changeit" }, keyAlias = "server", keyPassword = "changeit" } } }
secureSocket = { key = { certFile = "server.pem", keyFile = "server.key", keyPassword = "key-password" } }
"#;

fn folder(config: &str) -> Folder {
    let folder = Folder::new();
    folder.file("c.toml", config);
    folder.file("server.pem", include_bytes!("../../keys/tests/data/certs/server.pem"));
    folder.file("server.key", include_bytes!("../../keys/tests/data/keys/encrypted.pbes2-default.pem"));
    folder.file("store.p12", include_bytes!("../../keys/tests/data/stores/java.key.p12"));
    folder.file("trust.p12", include_bytes!("../../keys/tests/data/stores/java.trust.p12"));
    folder.file("for-key", "key-password\n");
    folder.file("for-store", "changeit\n");
    folder.file("wrong", "canary-store-password\n");
    folder
}

/// All that the program says of a configuration without serving it, and all that `Debug` shows in this process.
fn said(folder: &Folder, code: i32) -> String {
    let mut text = String::new();
    for arguments in [
        &["check", "c.toml"][..],
        &["check", "c.toml", "--json"],
        &["check", "c.toml", "--online"],
        &["explain", "--config", "c.toml", "--path", "/foo/x"],
    ] {
        let mut command = folder.command();
        command.args(arguments).env("RUST_LOG", "trace");
        command.env("FOR_KEY", "key-password").env("FOR_STORE", "changeit");
        let finished = finish(&mut command, Vec::new());
        // Without a credential nobody is let in, and no server of these is there.
        let refuses = arguments.contains(&"explain") || arguments.contains(&"--online");
        assert!(finished.code == code || refuses && finished.code != 0, "{arguments:?} {finished:?}");
        text.push_str(&format!("{}\n{}\n", finished.stdout, finished.stderr));
    }
    match portcullis::Config::load(folder.path().join("c.toml")) {
        Ok(config) => {
            text.push_str(&format!("{config:?} {config:#?}"));
            for service in config.services() {
                text.push_str(&format!("{service:?} {:?}", service.auth().providers()));
            }
            config
                .clients()
                .iter()
                .for_each(|client| text.push_str(&format!("{client:?} {:?}", client.auth())));
        }
        Err(error) => text.push_str(&format!("{error} {error:?} {error:#?}")),
    }
    text
}

#[test]
fn where_they_are_right() {
    let from_environment = CONFIG
        .replace("{ file = \"for-key\" }", "{ env = \"FOR_KEY\" }")
        .replace("{ file = \"for-store\" }", "{ env = \"FOR_STORE\" }");
    for config in [CONFIG, &from_environment] {
        shows_no_secret(&said(&folder(config), 0), &SECRETS);
    }
}

#[test]
fn where_one_is_wrong() {
    for (right, wrong) in [
        ("keyPassword = { file = \"for-key\" }", "keyPassword = \"canary-key-password\""),
        ("keyPassword = { file = \"for-key\" }", "keyPassword = [\"canary-key-password\"]"),
        ("keyPassword = { file = \"for-key\" }", "keyPasswort = \"canary-key-password\""),
        ("password = { file = \"for-store\" }", "password = { file = \"wrong\" }"),
        ("password = \"changeit\"", "password = \"canary-store-password\""),
        ("password = \"changeit\"", "password = { canary-store-password = 1 }"),
        ("password = \"changeit\"", "password = \"changeit\", password = \"canary-store-password\""),
        ("keyPassword = \"changeit\"", "keyPassword = \"canary-key-password\""),
        ("keyPassword = \"key-password\"", "keyPassword = \"canary-key-password\""),
    ] {
        assert!(CONFIG.contains(right), "{right}");
        let text = said(&folder(&CONFIG.replace(right, wrong)), 1);
        // An unknown key is shown, so that its place is found: a secret is no key.
        let secrets = if wrong.contains("canary-store-password = 1") { &SECRETS[..3] } else { &SECRETS };
        shows_no_secret(&text, secrets);
    }
}

#[test]
fn while_it_serves_and_while_it_reloads() {
    for format in ["text", "json"] {
        let folder = folder(CONFIG);
        let arguments = ["--config", "c.toml", "--log", "trace", "--log-format", format];
        let mut serving = Serving::start(&folder, &arguments);
        // Somebody who speaks no TLS.
        let mut stream = TcpStream::connect(serving.address).unwrap();
        stream.write_all(b"GET /foo HTTP/1.1\r\n\r\n").unwrap();
        drop(stream.read_to_end(&mut Vec::new()));
        serving.says("a TLS handshake failed");
        let line = serving.says("admin endpoints on").to_owned();
        let (_, address) = line.split_once("http://").unwrap();
        let address = address.split(|one: char| !one.is_ascii_digit() && !".:".contains(one)).next().unwrap();
        let page = ["/metrics", "/readyz", "/livez", "/"]
            .map(|path| exchange(&mut TcpStream::connect(address).unwrap(), path, ""))
            .concat();
        assert!(page.contains("portcullis_tls_handshake_failures_total 1\n"), "{page}");
        folder.file("for-key", "canary-key-password\n");
        folder.file("for-store", "canary-store-password\n");
        serving.hang_up();
        serving.says("the new version of the configuration is refused");
        let (_, text) = serving.end();
        shows_no_secret(&text, &SECRETS);
        shows_no_secret(&page, &SECRETS);
    }
}
