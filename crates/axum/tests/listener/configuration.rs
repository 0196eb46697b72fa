//! From a configuration to an answer, and addresses that cannot be had.

use std::{net::SocketAddr, path::Path, sync::Arc};

use axum::Router;
use portcullis_axum::serve::{Listener, ListenerConfig};
use portcullis_core::config::{Node, Reader, Table};
use portcullis_keys::ClientTls;
use rustls::version::{TLS12, TLS13};

use crate::support::{Authority, Running, get, http1, loopback};

fn table<N: Into<Node>>(entries: impl IntoIterator<Item = (&'static str, N)>) -> Table {
    let mut table = Table::default();
    for (key, node) in entries {
        table.insert(key, node);
    }
    table
}

/// `[listener]` on any free port, with this `secureSocket`.
fn read(folder: &Path, socket: Table) -> ListenerConfig {
    let table = table([("address", Node::from("127.0.0.1:0")), ("secureSocket", socket.into())]);
    let reader = Reader::new(folder);
    let section = reader.section(&table, "listener");
    let config = ListenerConfig::read(Some(&section));
    drop(section);
    let problems = reader.into_problems();
    assert!(problems.is_empty(), "{problems:?}");
    config.unwrap()
}

#[tokio::test]
async fn files_of_a_configuration_make_a_service_with_mutual_tls() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let (server, client) = (servers.server(), clients.client());
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("server.crt", &server.pem),
        ("server.key", &server.key.serialize_pem()),
        ("clients.crt", &clients.pem()),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let config = read(
        folder.path(),
        table([
            ("key", table([("certFile", "server.crt"), ("keyFile", "server.key")])),
            ("mutualSsl", table([("verifyClient", "REQUIRE"), ("cert", "clients.crt")])),
        ]),
    );
    let running = Running::start(Router::new(), &config).await;
    let shown = Arc::new(servers.tls(&[&TLS12, &TLS13], &[], Some(&client)));
    let stream = running.connect_tls(&shown).await.unwrap();
    assert_eq!(http1(stream, get("/")).await.unwrap().0, 404);
    let hidden = Arc::new(servers.tls(&[&TLS12], &[], None));
    assert!(running.connect_tls(&hidden).await.is_err());
}

#[tokio::test]
async fn key_stores_of_a_configuration_make_a_service_with_mutual_tls() {
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../keys/tests/data/stores");
    let config = read(
        &stores,
        table([
            ("key", table([("path", "java.several.p12"), ("password", "changeit"), ("alias", "server")])),
            ("mutualSsl", table([("cert", table([("path", "java.trust.p12"), ("password", "changeit")]))])),
        ]),
    );
    assert!(config.is_secure());
}

#[tokio::test]
async fn a_self_signed_service_answers_those_who_do_not_check() {
    let config = read(Path::new("."), table([("selfSigned", true)]));
    let running = Running::start(Router::new(), &config).await;
    let careless = Arc::new(ClientTls::dangerous_without_verification().build().unwrap());
    let stream = running.connect_tls(&careless).await.unwrap();
    assert_eq!(http1(stream, get("/")).await.unwrap().0, 404);
    let careful = Arc::new(Authority::new().tls(&[&TLS13], &[], None));
    assert!(running.connect_tls(&careful).await.is_err());
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_with_a_remedy() {
    let first = Listener::bind(&loopback()).await.unwrap();
    let address = first.local_addr();
    let error = Listener::bind(&loopback().with_address(address)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {address}: another program listens there; stop it, or choose another port")
    );
    let error = Listener::bind(&loopback().admin(address)).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {address}: ")), "{error}");
}

#[tokio::test]
async fn an_address_for_other_machines_is_bound_only_with_tls_or_by_name() {
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let error = Listener::bind(&ListenerConfig::new(everywhere)).await.unwrap_err();
    assert!(
        error.to_string().starts_with("0.0.0.0:0: other machines reach this address, and plain HTTP"),
        "{error}"
    );
    let error = Listener::bind(&loopback().admin(everywhere)).await.unwrap_err();
    assert!(
        error.to_string().starts_with("0.0.0.0:0: other machines reach this address, and metrics"),
        "{error}"
    );

    let tls = portcullis_keys::ServerTls::new(Authority::new().server().identity());
    for allowed in [
        ListenerConfig::new(everywhere).allow_insecure_http(),
        ListenerConfig::new(everywhere).secure(tls).unwrap(),
        loopback().admin(everywhere).allow_remote_admin(),
    ] {
        assert!(Listener::bind(&allowed).await.is_ok(), "{allowed:?}");
    }
}
