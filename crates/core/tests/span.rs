//! What the span of a decision tells.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use portcullis_core::{
    Auth, BoxFuture, Context, Credential, Identity, Outcome, Provider, Reason, RequestHead, Resource, Scheme,
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Lets `good` in, after a wait where it is asked for.
#[derive(Debug)]
struct ByToken {
    waits: bool,
}

impl ByToken {
    fn answer(credential: &Credential<'_>) -> Outcome {
        match credential {
            Credential::Bearer(bearer) if bearer.token() == "good" => {
                Outcome::known(Identity::new("alice").with_scopes(["hello"]))
            }
            _ => Outcome::refused(Reason::Expired, "it has expired"),
        }
    }
}

impl Provider for ByToken {
    fn kind(&self) -> &'static str {
        "by-token"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        (!self.waits).then(|| Self::answer(credential))
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        _: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Self::answer(credential) })
    }
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The span of one decision, as it closes.
fn closed(waits: bool, path: &str, authorization: Option<&'static str>) -> String {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_max_level(LevelFilter::DEBUG)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let auth = Auth::builder()
            .path("/foo")
            .element(ByToken { waits }, "hello")
            .resource(Resource::new("/open").public())
            .build()
            .unwrap();
        let headers: HeaderMap =
            authorization.map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).into_iter().collect();
        let request = RequestHead::new(&Method::GET, path, &headers).with_client(Some([192, 0, 2, 1].into()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _ = runtime.block_on(auth.decided(&request));
    });
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.ends_with(": close")).collect();
    let [line] = lines[..] else { panic!("{text}") };
    line.to_owned()
}

#[test]
fn the_span_tells_what_came_of_the_request_and_why() {
    let (admitted, refused) = ("outcome=\"admitted\"", "outcome=\"refused\"");
    for (path, authorization, there, missing) in [
        ("/foo/x", Some("Bearer good"), &[admitted, "element=\"by-token\""][..], &["reason=", "status="][..]),
        (
            "/foo/x",
            Some("Bearer old"),
            &[refused, "reason=\"expired\"", "element=\"by-token\"", "status=401"],
            &[],
        ),
        ("/foo/x", None, &[refused, "reason=\"no-credential\"", "status=401"], &["element="]),
        ("/foo/open", Some("Bearer old"), &["outcome=\"public\""], &["reason=", "status=", "element="]),
        ("/elsewhere", None, &["outcome=\"error\"", "reason=\"not-mounted\"", "status=500"], &["element="]),
    ] {
        for waits in [false, true] {
            let line = closed(waits, path, authorization);
            for part in there.iter().chain(&["decision{", "method=GET", "client=192.0.2.1"]) {
                assert!(line.contains(part), "{part} in {line}");
            }
            assert!(line.contains(&format!("path={path}")), "{line}");
            assert!(!missing.iter().any(|part| line.contains(part)), "{line}");
        }
    }
}
