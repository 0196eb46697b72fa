//! Upstreams over https.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri, Version};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use portcullis_cli::gateway::{Answer, Service, Upstream};
use portcullis_core::{Auth, SystemClock, UnixTime};
use portcullis_testing::ManualClock;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_rustls::TlsAcceptor;

use crate::support::{Behaviour, Frames, Http2, Seen, full, gateway, gateway_with, raw, talk};

struct Tls {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    seen: mpsc::UnboundedReceiver<Seen>,
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// What accepts TLS connections and offers these protocols, and its certificate.
pub(crate) fn acceptor(protocols: &[&str]) -> (TlsAcceptor, CertificateDer<'static>) {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = key.cert.der().clone();
    let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], private)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), certificate)
}

async fn server(protocols: &[&str], behaviour: Behaviour) -> Tls {
    let (acceptor, certificate) = acceptor(protocols);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, tell, behaviour) = (acceptor.clone(), tell.clone(), Arc::clone(&behaviour));
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    talk(stream, tell, behaviour).await;
                }
            });
        }
    });
    Tls { address, certificate, seen }
}

pub(crate) fn service(address: SocketAddr, trusted: &CertificateDer<'static>) -> Service {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Whatever the configuration says of protocols, the gateway offers its own.
    config.alpn_protocols = vec![b"spdy/3".to_vec()];
    let url: Uri = format!("https://{address}").parse().unwrap();
    let auth = Auth::builder().path("/").public().build().unwrap();
    Service::new(auth, Answer::Upstream(Upstream::new(&url, Some(Arc::new(config))).unwrap()))
}

fn text() -> Behaviour {
    Arc::new(|_| Response::new(full("upstream")))
}

#[tokio::test]
async fn the_upstreams_best_protocol_is_spoken() {
    for (protocols, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let mut upstream = server(protocols, text()).await;
        let gateway = gateway([service(upstream.address, &upstream.certificate)]).await;
        let head = "POST /foo?x\nContent-Length: 0\nTE: trailers\nAuthorization: Bearer good";
        let reply = raw(gateway, head).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "upstream"), "{protocols:?}");
        let seen = upstream.seen.try_recv().unwrap();
        assert_eq!((seen.version, seen.target.as_str()), (version, "/foo?x"), "{protocols:?}");
        assert_eq!(seen.all("te"), ["trailers"]);
        assert_eq!(seen.all("authorization"), ["Bearer good"], "a bearer token goes on over https");
        assert_eq!(seen.all("x-forwarded-host"), ["api.example"]);
        let hosts = if version == Version::HTTP_2 { vec![] } else { vec![upstream.address.to_string()] };
        assert_eq!(seen.all("host"), hosts, "{protocols:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_nothing_vouches_for_is_a_502() {
    let other = server(&[], text()).await;
    let mut upstream = server(&[], text()).await;
    let gateway = gateway([service(upstream.address, &other.certificate)]).await;
    let reply = raw(gateway, "GET /").await;
    assert_eq!((reply.status, reply.body.as_str()), (502, ""));
    assert!(upstream.seen.try_recv().is_err());
}

#[tokio::test]
async fn an_upstream_that_does_not_shake_hands_for_five_seconds_is_a_504() {
    let other = server(&[], text()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clock = ManualClock::at(UnixTime::from_secs(1_000_000));
    let service = service(listener.local_addr().unwrap(), &other.certificate);
    let gateway = gateway_with([service], Arc::new(clock.clone()), |_| {}).await;
    let asked = tokio::spawn(async move { raw(gateway, "GET /").await });
    let (stream, _) = listener.accept().await.unwrap();
    // The client's first words have come: it waits for an answer.
    stream.readable().await.unwrap();
    clock.advance(Duration::from_secs(5));
    let reply = asked.await.unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (504, ""));
}

#[tokio::test]
async fn http2_on_both_sides_carries_bodies_and_trailers_as_grpc_needs_them() {
    let mut upstream = server(
        &["h2"],
        Arc::new(|_| {
            let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
            let frames = [Ok(Frame::data(Bytes::from_static(b"reply"))), Ok(Frame::trailers(trailers))];
            Response::new(StreamBody::new(Frames::of(frames)).boxed_unsync())
        }),
    )
    .await;
    let clock = Arc::new(SystemClock::new());
    let gateway = gateway_with([service(upstream.address, &upstream.certificate)], clock, |_| {}).await;
    let mut client = Http2::connect(gateway).await;
    let request = Request::post("http://a/pkg.Greeter/SayHello")
        .header("te", "trailers")
        .header("content-type", "application/grpc");
    let (response, trailers) = client.send_for_trailers(request.body(Full::from("call")).unwrap()).await;
    assert_eq!(response.body(), "reply");
    assert_eq!(trailers["grpc-status"], "0");
    let seen = upstream.seen.try_recv().unwrap();
    assert_eq!((seen.version, seen.target.as_str()), (Version::HTTP_2, "/pkg.Greeter/SayHello"));
    assert_eq!((&seen.body[..], seen.all("te")), (&b"call"[..], vec!["trailers"]));
}
