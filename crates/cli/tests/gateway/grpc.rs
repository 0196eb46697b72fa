//! Services that say `protocol = "grpc"`.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use portcullis_core::{Auth, Protocol, Resource};

use crate::support::{Behaviour, Frames, Http2, basic, full, gateway, guarded, in_front_of, raw, server};

fn reply() -> Behaviour {
    Arc::new(|_| {
        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
        let frames = [Ok(Frame::data(Bytes::from_static(b"reply"))), Ok(Frame::trailers(trailers))];
        Response::new(StreamBody::new(Frames::of(frames)).boxed_unsync())
    })
}

fn call(path: &str, authorization: Option<&str>) -> Request<Full<Bytes>> {
    let mut request = Request::post(format!("http://a{path}"))
        .header("te", "trailers")
        .header("content-type", "application/grpc");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    request.body(Full::from("call")).unwrap()
}

#[tokio::test]
async fn calls_go_upstream_in_http2_without_asking_and_trailers_come_back() {
    let mut upstream = server(reply()).await;
    let auth = guarded("/pkg.Greeter").protocol(Protocol::Grpc).build().unwrap();
    let gateway = gateway([in_front_of(auth, &upstream)]).await;
    let mut client = Http2::connect(gateway).await;
    for _ in 0..3 {
        let request = call("/pkg.Greeter/SayHello", Some("Bearer good"));
        let (response, trailers) = client.send_for_trailers(request).await;
        assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"reply"[..]));
        assert_eq!(trailers["grpc-status"], "0");
        let seen = upstream.reached_once();
        assert_eq!((seen.version, seen.method.as_str()), (Version::HTTP_2, "POST"));
        assert_eq!((seen.all("te"), seen.all("connection")), (vec!["trailers"], vec![]));
        assert_eq!(seen.all("authorization"), ["Bearer good"]);
        assert_eq!(&seen.body[..], b"call");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn refusals_are_told_in_grpcs_way() {
    let mut upstream = server(reply()).await;
    let auth = guarded("/pkg.Greeter")
        .protocol(Protocol::Grpc)
        .resource(Resource::new("/Wipe").method(http::Method::POST).scopes("admin"))
        .build()
        .unwrap();
    let gateway = gateway([in_front_of(auth, &upstream)]).await;
    let mut client = Http2::connect(gateway).await;
    let alice = basic("alice");
    for (path, authorization, status) in [
        ("/pkg.Greeter/SayHello", None, "16"),
        ("/pkg.Greeter/SayHello", Some("Bearer bad"), "16"),
        ("/pkg.Greeter/Wipe", Some(alice.as_str()), "7"),
    ] {
        let (response, trailers) = client.send_for_trailers(call(path, authorization)).await;
        assert_eq!(
            (response.status().as_u16(), response.body().len(), trailers.len()),
            (200, 0, 0),
            "{path}"
        );
        assert_eq!(response.headers()["grpc-status"], status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert!(!response.headers().contains_key("content-length"));
    }
    assert_eq!(upstream.reached().len(), 0);
}

#[tokio::test]
async fn elsewhere_a_grpc_content_type_changes_nothing() {
    let mut upstream = server(Arc::new(|_| Response::new(full("plain")))).await;
    let gateway = gateway([in_front_of(guarded("/").build().unwrap(), &upstream)]).await;
    let mut client = Http2::connect(gateway).await;
    let (refused, _) = client.send_for_trailers(call("/x", None)).await;
    assert_eq!(refused.status(), 401);
    assert!(!refused.headers().contains_key("grpc-status"));
    let (response, _) = client.send_for_trailers(call("/x", Some("Bearer good"))).await;
    assert_eq!(response.status(), 200);
    assert_eq!(upstream.reached_once().version, Version::HTTP_11);
}

#[tokio::test]
async fn what_is_no_decision_is_told_in_plain_http() {
    let upstream = server(reply()).await;
    let address = upstream.address;
    drop(upstream);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let auth = Auth::builder().path("/").public().protocol(Protocol::Grpc).build().unwrap();
    let url = format!("http://{nobody}").parse().unwrap();
    let way = portcullis_cli::gateway::Upstream::new(&url, None).unwrap();
    let service = portcullis_cli::gateway::Service::new(auth, portcullis_cli::gateway::Answer::Upstream(way));
    let gateway = gateway([service]).await;
    assert_ne!(nobody, address);
    for (head, status) in [
        ("POST /pkg.Greeter/SayHello\nContent-Length: 0", 502),
        ("POST /pkg.Greeter/%2561\nContent-Length: 0", 400),
        ("post /pkg.Greeter/SayHello", 405),
    ] {
        let reply = raw(gateway, head).await;
        assert_eq!((reply.status, reply.all("grpc-status")), (status, vec![]), "{head}");
    }
}
