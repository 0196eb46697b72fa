//! Whom the client trusts, and how it shows itself, as `secureSocket` says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use common::{clock, data, get, ok, refused};
use http::StatusCode;
use portcullis_core::{Clock, UnixTime};
use portcullis_keys::{Identity, ServerTls, TrustAnchors, read_certificates};
use portcullis_outbound::{
    Answer, ClientConfig, Endpoint, HttpClient, OutboundError, OutboundErrorKind as Kind,
};
use portcullis_testing::{ManualClock, TestServer, TestTls};
use serde_json::{Value, json};

use common::section::Read;

/// A server for `localhost`, whose certificate `certs/ca.pem` issued.
fn server() -> ServerTls {
    let files = (data().join("certs/server.pem"), data().join("keys/rsa.pkcs8.pem"));
    ServerTls::new(Identity::from_files(files.0, files.1, None).unwrap())
}

fn config(secure_socket: &Value, clock: ManualClock) -> ClientConfig {
    let read = Read::tokens(&json!({ "clientConfig": { "secureSocket": secure_socket } }), clock);
    read.config.unwrap_or_else(|| panic!("{:?}", read.problems))
}

async fn call(
    server: &TestServer,
    secure_socket: &Value,
    clock: ManualClock,
) -> Result<Answer, OutboundError> {
    let client = HttpClient::new(config(secure_socket, clock)).unwrap();
    get(&client, &common::endpoint(&server.origin(), "/x?canary")).await
}

#[tokio::test]
async fn servers_are_judged_by_a_pem_file_or_a_trust_store() {
    let server = TestServer::start_https(TestTls::new(server()), ok).await;
    for secure_socket in [
        json!({ "cert": "certs/ca.pem" }),
        json!({ "cert": "certs/server.pem" }),
        json!({ "cert": { "path": "stores/java.trust.p12", "password": "changeit" } }),
        json!({ "disable": true }),
    ] {
        let answer = call(&server, &secure_socket, clock()).await;
        assert_eq!(answer.unwrap().status, StatusCode::OK, "{secure_socket}");
    }
    for (secure_socket, reason) in [
        (json!({ "cert": "ballerina/public.crt" }), "UnknownIssuer"),
        (
            json!({ "cert": { "path": "ballerina/ballerinaTruststore.p12", "password": "ballerina" } }),
            "UnknownIssuer",
        ),
    ] {
        let error = refused(call(&server, &secure_socket, clock()).await, Kind::Tls);
        let shown = format!("{error:?}");
        assert!(shown.starts_with(&format!("{}/x: no TLS with this server: ", server.origin())), "{shown}");
        assert!(shown.contains(reason) && !shown.contains("canary"), "{shown}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn names_and_validity_are_judged_and_the_time_is_the_clocks() {
    let server = TestServer::start_https(TestTls::new(server()), ok).await;
    let trusting = json!({ "cert": "certs/ca.pem" });
    assert!(call(&server, &trusting, clock()).await.is_ok());

    let too_early = ManualClock::at(UnixTime::from_secs(1_700_000_000));
    let error = refused(call(&server, &trusting, too_early).await, Kind::Tls);
    assert!(format!("{error:?}").contains("not valid yet"), "{error:?}");

    // The certificate names 127.0.0.1, too.
    let client = HttpClient::new(config(&trusting, clock())).unwrap();
    let address = Endpoint::parse(&format!("https://127.0.0.1:{}/", server.address().port())).unwrap();
    assert!(get(&client, &address).await.is_ok());
    // This one names nobody, in the place where names are looked for.
    let files = (data().join("ballerina/public.crt"), data().join("ballerina/private.key"));
    let nameless = ServerTls::new(Identity::from_files(files.0, files.1, None).unwrap());
    let nameless = TestServer::start_https(TestTls::new(nameless), ok).await;
    let error =
        refused(call(&nameless, &json!({ "cert": "ballerina/public.crt" }), clock()).await, Kind::Tls);
    assert!(format!("{error:?}").contains("not valid for name"), "{error:?}");
    assert!(call(&nameless, &json!({ "disable": true }), clock()).await.is_ok());
}

#[tokio::test]
async fn a_client_shows_the_certificate_of_its_key() {
    let known =
        TrustAnchors::from_certificates(read_certificates(data().join("certs/ca.pem")).unwrap()).unwrap();
    let tls = TestTls::new(server().require_client_certificate(known));
    let server = TestServer::start_https(tls, ok).await;
    for key in [
        json!({ "certFile": "certs/ca.pem", "keyFile": "keys/p256.pkcs8.pem" }),
        json!({ "certFile": "certs/ca.pem", "keyFile": "keys/encrypted.p256.pem", "keyPassword": "key-password" }),
        json!({ "path": "stores/openssl.cheap.p12", "password": "changeit" }),
    ] {
        let answer = call(&server, &json!({ "cert": "certs/ca.pem", "key": key }), clock()).await;
        assert_eq!(answer.unwrap().status, StatusCode::OK, "{key}");
        let answer = call(&server, &json!({ "disable": true, "key": key }), clock()).await;
        assert_eq!(answer.unwrap().status, StatusCode::OK, "{key}");
        let given = config(&json!({ "disable": true, "key": key }), clock());
        assert!(given.has_client_certificate(), "{key}");
    }
    assert!(!config(&json!({ "cert": "certs/ca.pem" }), clock()).has_client_certificate());
    assert!(!ClientConfig::new().has_client_certificate());
    for refusing in [
        json!({ "cert": "certs/ca.pem" }),
        json!({ "cert": "certs/ca.pem", "key": { "certFile": "ballerina/public.crt", "keyFile": "ballerina/private.key" } }),
    ] {
        // The server's alert may get lost in the end of the connection.
        let error = call(&server, &refusing, clock()).await.unwrap_err();
        assert!(matches!(error.kind(), Kind::Tls | Kind::Interrupted), "{error:?}");
    }
    assert_eq!(server.call_count(), 6);
}

#[tokio::test]
async fn plain_http_on_the_tls_port_and_tls_on_the_plain_port_are_told() {
    let plain = TestServer::start(ok).await;
    let url = Endpoint::parse(&format!("https://localhost:{}/", plain.address().port())).unwrap();
    let client = HttpClient::new(config(&json!({ "disable": true }), clock())).unwrap();
    let error = refused(get(&client, &url).await, Kind::Tls);
    assert!(format!("{error:?}").contains("corrupt message"), "{error:?}");

    let tls = TestServer::start_https(TestTls::new(server()), ok).await;
    let url = Endpoint::parse(&format!("http://localhost:{}/", tls.address().port())).unwrap();
    let error = get(&client, &url).await.unwrap_err();
    assert!(matches!(error.kind(), Kind::Protocol | Kind::Interrupted), "{error:?}");
}

/// Whether this is a process of the test's own, whose system trusts the authorities in this file. Elsewhere it starts one,
/// and fails where that fails.
fn is_alone(test: &str, authorities: &str) -> bool {
    common::is_alone(test, &[("SSL_CERT_FILE", data().join(authorities).to_str().unwrap())])
}

#[tokio::test]
async fn without_a_secure_socket_the_authorities_are_the_systems() {
    if !is_alone("without_a_secure_socket_the_authorities_are_the_systems", "certs/ca.pem") {
        return;
    }
    let server = TestServer::start_https(TestTls::new(server()), ok).await;
    let clock: Arc<dyn Clock> = Arc::new(clock());
    let client = HttpClient::new(ClientConfig::new().clock(clock)).unwrap();
    let url = common::endpoint(&server.origin(), "/");
    assert_eq!(get(&client, &url).await.unwrap().status, StatusCode::OK);

    for section in [json!({}), json!({ "clientConfig": { "secureSocket": {} } })] {
        let mut table = section;
        table["url"] = url.uri().to_string().into();
        let read = Read::tokens(&table, common::clock());
        assert_eq!((read.problems, read.endpoint), (Vec::new(), Some(url.clone())));
        let client = HttpClient::new(read.config.unwrap()).unwrap();
        assert_eq!(get(&client, &url).await.unwrap().status, StatusCode::OK);
    }

    let early: Arc<dyn Clock> = Arc::new(ManualClock::at(UnixTime::from_secs(1_700_000_000)));
    let client = HttpClient::new(ClientConfig::new().clock(early)).unwrap();
    refused(get(&client, &url).await, Kind::Tls);
    let other = TestServer::start_https(TestTls::self_signed(), ok).await;
    let client = HttpClient::new(ClientConfig::new()).unwrap();
    let error = refused(get(&client, &common::endpoint(&other.origin(), "/")).await, Kind::Tls);
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_system_without_authorities_is_no_obstacle_to_plain_http() {
    if !is_alone("a_system_without_authorities_is_no_obstacle_to_plain_http", "no such file") {
        return;
    }
    let plain = TestServer::start(ok).await;
    let client = HttpClient::new(ClientConfig::new().connect_timeout(Duration::from_secs(60))).unwrap();
    assert_eq!(get(&client, &common::endpoint(&plain.origin(), "/")).await.unwrap().status, StatusCode::OK);
    let read = Read::tokens(&json!({ "url": format!("{}/", plain.origin()) }), clock());
    assert_eq!(read.problems, Vec::<String>::new());
    assert!(read.endpoint.is_some());

    let tls = TestServer::start_https(TestTls::new(server()), ok).await;
    let error = refused(get(&client, &common::endpoint(&tls.origin(), "/")).await, Kind::Tls);
    assert!(format!("{error:?}").contains("no TLS with this configuration: "), "{error:?}");
    assert_eq!(tls.connections(), 0);
    let read = Read::tokens(&json!({ "url": tls.origin() }), clock());
    assert_eq!(read.endpoint, None);
    assert!(read.problems[0].starts_with("section.url: ") && read.problems.len() == 1, "{:?}", read.problems);
    let read = Read::tokens(&json!({ "url": tls.origin(), "clientConfig": { "secureSocket": {} } }), clock());
    assert!(read.problems[0].starts_with("section.clientConfig.secureSocket: "), "{:?}", read.problems);
}

#[tokio::test]
async fn authorities_that_could_not_be_read_are_read_again_and_those_that_could_are_not() {
    let later = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.pem", std::process::id()));
    let name = "authorities_that_could_not_be_read_are_read_again_and_those_that_could_are_not";
    if !is_alone(name, later.to_str().unwrap()) {
        return;
    }
    let later = PathBuf::from(std::env::var_os("SSL_CERT_FILE").unwrap());
    let server = TestServer::start_https(TestTls::new(server()), ok).await;
    let clock: Arc<dyn Clock> = Arc::new(clock());
    let config = ClientConfig::new().clock(clock);
    let client = HttpClient::new(config.clone()).unwrap();
    let url = common::endpoint(&server.origin(), "/");
    let error = refused(get(&client, &url).await, Kind::Tls);
    assert!(format!("{error:?}").contains("no TLS with this configuration: "), "{error:?}");
    std::fs::copy(data().join("certs/ca.pem"), &later).unwrap();
    assert_eq!(get(&client, &url).await.unwrap().status, StatusCode::OK);
    std::fs::remove_file(&later).unwrap();
    // Another client of the same configuration reads nothing.
    let another = HttpClient::new(config).unwrap();
    assert_eq!(get(&another, &url).await.unwrap().status, StatusCode::OK);
    refused(get(&HttpClient::new(ClientConfig::new()).unwrap(), &url).await, Kind::Tls);
}
