//! Mutual TLS.

use std::sync::Arc;

use axum::{Router, extract::Request, routing};
use portcullis_axum::serve::{ClientAddr, ClientCertificate};
use portcullis_core::Principal;
use portcullis_keys::ServerTls;
use rustls::version::{TLS12, TLS13};

use crate::support::{Authority, Issued, Running, get, http1, loopback};

/// Tells whose certificate it was by its bytes, in hexadecimal.
async fn whose(request: Request) -> String {
    assert!(Principal::of(request.extensions()).is_none(), "a certificate alone makes no principal");
    assert!(request.extensions().get::<ClientAddr>().is_some());
    match request.extensions().get::<ClientCertificate>() {
        None => "nobody".to_owned(),
        Some(certificate) => {
            assert_eq!(certificate.chain().next(), Some(certificate.der()));
            assert_eq!(format!("{certificate:?}"), "ClientCertificate { certificates: 1 }");
            hex(certificate.der())
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Mutual {
    servers: Authority,
    clients: Authority,
    running: Running,
}

impl Mutual {
    async fn start(required: bool) -> Self {
        let (servers, clients) = (Authority::new(), Authority::new());
        let tls = ServerTls::new(servers.server().identity());
        let tls = if required {
            tls.require_client_certificate(clients.anchors())
        } else {
            tls.accept_client_certificate(clients.anchors())
        };
        let app = Router::new().route("/", routing::get(whose));
        let running = Running::start(app, &loopback().secure(tls).unwrap()).await;
        Self { servers, clients, running }
    }

    /// The answer to a client that shows this certificate, over both versions of TLS; `None` without one.
    async fn ask(&self, identity: Option<&Issued>) -> Option<String> {
        let mut answers = Vec::new();
        for version in [&TLS12, &TLS13] {
            let config = Arc::new(self.servers.tls(&[version], &["http/1.1"], identity));
            // In TLS 1.3 the client has finished before the server looks at its certificate.
            let answer = match self.running.connect_tls(&config).await {
                Ok(stream) => http1(stream, get("/")).await.ok(),
                Err(_) => None,
            };
            answers.push(answer.map(|(status, body)| {
                assert_eq!(status, 200);
                body
            }));
        }
        assert_eq!(answers[0], answers[1], "both versions agree");
        answers.pop().unwrap()
    }
}

#[tokio::test]
async fn required_a_certificate_of_the_authority_is_let_in_and_shown_to_handlers() {
    let mutual = Mutual::start(true).await;
    let client = mutual.clients.client();
    assert_eq!(mutual.ask(Some(&client)).await, Some(hex(&client.certificate)));
}

#[tokio::test]
async fn required_everything_else_fails_in_the_handshake() {
    let mutual = Mutual::start(true).await;
    assert_eq!(mutual.ask(None).await, None, "no certificate");
    assert_eq!(mutual.ask(Some(&Authority::new().client())).await, None, "of a stranger");
    assert_eq!(mutual.ask(Some(&mutual.clients.expired_client())).await, None, "expired");
    assert_eq!(mutual.ask(Some(&mutual.clients.server())).await, None, "for servers");
}

#[tokio::test]
async fn optional_nobody_need_show_a_certificate() {
    let mutual = Mutual::start(false).await;
    assert_eq!(mutual.ask(None).await, Some("nobody".to_owned()));
    let client = mutual.clients.client();
    assert_eq!(mutual.ask(Some(&client)).await, Some(hex(&client.certificate)));
}

#[tokio::test]
async fn optional_a_bad_certificate_fails_in_the_handshake() {
    let mutual = Mutual::start(false).await;
    assert_eq!(mutual.ask(Some(&Authority::new().client())).await, None, "of a stranger");
    assert_eq!(mutual.ask(Some(&mutual.clients.expired_client())).await, None, "expired");
}
