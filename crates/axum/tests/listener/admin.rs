//! The admin endpoints.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, extract::Request};
use portcullis_axum::serve::ListenerConfig;
use tokio::{net::TcpStream, sync::Notify};

use crate::support::{Running, get, http1, loopback};

fn config() -> ListenerConfig {
    loopback().admin(SocketAddr::from(([127, 0, 0, 1], 0)))
}

async fn ask(address: SocketAddr, request: Request) -> (u16, String) {
    http1(TcpStream::connect(address).await.unwrap(), request).await.unwrap()
}

#[tokio::test]
async fn liveness_readiness_and_metrics_are_told() {
    let app = Router::new().route("/", axum::routing::get(async || "hello"));
    let server = Running::start(app, &config()).await;
    let admin = server.admin.unwrap();
    assert_eq!(ask(server.address, get("/")).await.0, 200);
    assert_eq!(ask(server.address, get("/nowhere")).await.0, 404);
    assert_eq!(ask(admin, get("/livez")).await, (200, "alive\n".to_owned()));
    assert_eq!(ask(admin, get("/readyz")).await, (200, "ready\n".to_owned()));
    let (status, metrics) = ask(admin, get("/metrics")).await;
    assert_eq!(status, 200);
    for line in [
        "# TYPE portcullis_requests_total counter",
        "portcullis_requests_total{status=\"2xx\"} 1",
        "portcullis_requests_total{status=\"4xx\"} 1",
        "portcullis_rejections_total{kind=\"no-credential\"} 0",
        "# TYPE portcullis_connections_open gauge",
        "portcullis_connections_total 2",
        "portcullis_tls_handshake_failures_total 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn the_service_itself_has_no_admin_endpoints_and_the_admin_address_has_no_others() {
    let app = Router::new().route("/", axum::routing::get(async || "hello"));
    let server = Running::start(app, &config()).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(ask(server.address, get(path)).await.0, 404, "{path}");
    }
    let admin = server.admin.unwrap();
    assert_eq!(ask(admin, get("/")).await.0, 404);
    let post = Request::post("/metrics").header("host", "a").body(axum::body::Body::empty()).unwrap();
    assert_eq!(ask(admin, post).await.0, 405);
}

#[tokio::test]
async fn a_service_that_stops_is_not_ready_and_still_alive() {
    let (entered, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, released) = (entered.clone(), released.clone());
        async move || {
            entered.notify_one();
            released.notified().await;
        }
    };
    let server = Running::start(Router::new().route("/", axum::routing::get(handler)), &config()).await;
    let admin = server.admin.unwrap();
    let client = tokio::spawn(http1(server.connect().await, get("/")));
    entered.notified().await;
    let stopped = server.stop();
    while ask(admin, get("/readyz")).await != (503, "stopping\n".to_owned()) {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(admin, get("/livez")).await.0, 200);
    released.notify_one();
    assert_eq!(client.await.unwrap().unwrap().0, 200);
    stopped.await.unwrap();
    assert!(TcpStream::connect(admin).await.is_err(), "and then it is gone");
}
