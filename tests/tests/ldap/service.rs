//! The library in this process: a service at `/foo` whose handler tells who called.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::{Router, body::Body, routing::get};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use portcullis::{AuthLayer, Caller, Clock, Config};
use tower::ServiceExt;

#[derive(Clone)]
pub(crate) struct Service(Router);

/// An answer, and who called as far as the handler was told: `alice of ballerina.io: admin hello`.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Service {
    /// One with this element.
    pub(crate) async fn new(element: &str) -> Self {
        Self::built(Config::builder(), element).await
    }

    /// One whose clock the test moves.
    pub(crate) async fn with_clock(element: &str, clock: Arc<dyn Clock>) -> Self {
        Self::built(Config::builder().clock(clock), element).await
    }

    async fn built(builder: portcullis::ConfigBuilder, element: &str) -> Self {
        let text = format!("[services.\"/foo\"]\nauth = [{element}]\n");
        let config = builder.parse(&text, ".").unwrap();
        let auth = config.service("/foo").unwrap().build().await.unwrap();
        let handler = async |caller: Caller| {
            let mut scopes: Vec<&str> = caller.scopes().iter().collect();
            scopes.sort_unstable();
            let (subject, issuer) = (caller.subject().unwrap_or("?"), caller.issuer().unwrap_or("?"));
            format!("{subject} of {issuer}: {}", scopes.join(" "))
        };
        Self(Router::new().route("/foo", get(handler)).layer(AuthLayer::new(auth)))
    }

    pub(crate) async fn ask(&self, authorization: Option<&str>) -> Answer {
        let mut request = Request::get("/foo");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let answer = self.0.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(crate) async fn login(&self, user: &str, password: &str) -> Answer {
        self.ask(Some(&basic(user, password))).await
    }

    pub(crate) async fn status(&self, user: &str, password: &str) -> u16 {
        self.login(user, password).await.status
    }

    /// What the handler is told of somebody who is let in.
    pub(crate) async fn told(&self, user: &str, password: &str) -> String {
        let answer = self.login(user, password).await;
        assert_eq!(answer.status, 200, "{user}");
        answer.body
    }
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// What is logged on this thread, from debug on, until the guard is dropped.
pub(crate) struct Log {
    written: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    pub(crate) fn start() -> Self {
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let writer = Writer(Arc::clone(&written));
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self { written, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
