//! Certificates, a listener that runs, and clients.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body, extract::Request};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_axum::serve::{Listener, ListenerConfig, ListenerHandle};
use portcullis_keys::{Certificate, Identity, PrivateKey, TrustAnchors};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Any free port of loopback.
pub(crate) fn loopback() -> ListenerConfig {
    ListenerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// An authority that issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(crate) struct Issued {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn anchors(&self) -> TrustAnchors {
        TrustAnchors::from_certificates(vec![Certificate::from_der(self.0.der()).unwrap()]).unwrap()
    }

    pub(crate) fn server(&self) -> Issued {
        self.issue(ExtendedKeyUsagePurpose::ServerAuth, |_| {})
    }

    pub(crate) fn client(&self) -> Issued {
        self.issue(ExtendedKeyUsagePurpose::ClientAuth, |_| {})
    }

    pub(crate) fn expired_client(&self) -> Issued {
        self.issue(ExtendedKeyUsagePurpose::ClientAuth, |params| {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        })
    }

    fn issue(&self, usage: ExtendedKeyUsagePurpose, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }

    /// A client's side of TLS that trusts this authority.
    pub(crate) fn tls(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
        identity: Option<&Issued>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(issued.key.serialize_der()));
                builder.with_client_auth_cert(vec![issued.certificate.clone()], key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }
}

impl Issued {
    pub(crate) fn identity(&self) -> Identity {
        let key = PrivateKey::from_bytes(self.key.serialize_pem().as_bytes(), None).unwrap();
        Identity::new(key, vec![Certificate::from_der(&self.certificate).unwrap()]).unwrap()
    }
}

/// A listener that serves until it is told to stop.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) handle: ListenerHandle,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(app: Router, config: &ListenerConfig) -> Self {
        let listener = Listener::bind(config).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (address, admin, handle) = (listener.local_addr(), listener.admin_addr(), listener.handle());
        let task = tokio::spawn(listener.serve_with_shutdown(app, async { drop(stopped.await) }));
        Self { address, admin, handle, stop, task }
    }

    /// Tells it to stop, and returns what completes when it has.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        self.stop.send(()).unwrap();
        self.task
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn connect_tls(
        &self,
        config: &Arc<ClientConfig>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let name = "localhost".try_into().unwrap();
        TlsConnector::from(config.clone()).connect(name, self.connect().await).await
    }
}

/// Sends a request over HTTP/1.1, and returns the status and the body.
pub(crate) async fn http1<I>(io: I, request: Request) -> hyper::Result<(u16, String)>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    Ok((status, text(response.into_body()).await?))
}

/// Sends a request over HTTP/2, and returns the status and the body.
pub(crate) async fn http2<I>(io: I, request: Request) -> hyper::Result<(u16, String)>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(io);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    Ok((status, text(response.into_body()).await?))
}

async fn text(body: hyper::body::Incoming) -> hyper::Result<String> {
    Ok(String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap())
}

pub(crate) fn get(uri: &str) -> Request {
    Request::get(uri).header("host", "localhost").body(Body::empty()).unwrap()
}
