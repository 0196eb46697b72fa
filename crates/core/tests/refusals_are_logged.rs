//! Every refusal is one event; none shows a secret, and none can forge a line.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use http::{Extensions, HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use portcullis_core::{
    Admission, Auth, BoxFuture, Context, Credential, Identity, Outcome, Provider, Reason, RequestHead,
    Resource, Scheme, Step, Unavailable,
};

/// Answers by what the token is.
#[derive(Debug)]
struct ByToken;

impl ByToken {
    fn answer(credential: &Credential<'_>) -> Outcome {
        let Credential::Bearer(bearer) = credential else { panic!("asked for another scheme") };
        match bearer.token() {
            "known" => Outcome::known(Identity::new("alice")),
            "away" => Unavailable::new("the server is away")
                .with_source(io::Error::other("connection refused"))
                .into(),
            "good" => Outcome::known(Identity::new("alice").with_scopes(["hello"])),
            _ => Outcome::refused(
                Reason::UnknownUser,
                "the user \"x\nFORGED \u{202e}\u{61c}\u{2028}\u{2029}\u{1b}[31m\" is unknown",
            ),
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

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        None
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

/// The log lines of one decision.
fn log_of(authorization: Option<&'static str>, path: &str) -> Vec<String> {
    let auth = Auth::builder()
        .path("/foo")
        .element(ByToken, "hello")
        .resource(Resource::new("/admin").scopes("admin"))
        .build()
        .unwrap();
    log_during(|| {
        let headers: HeaderMap =
            authorization.map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).into_iter().collect();
        let request = RequestHead::new(&Method::GET, path, &headers).with_client(Some([192, 0, 2, 1].into()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _ = runtime.block_on(auth.decided(&request));
    })
}

/// What is logged while `work` is done.
fn log_during(work: impl FnOnce()) -> Vec<String> {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    let bytes = captured.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn each_refusal_is_one_event_that_says_what_and_why() {
    for (authorization, path, level, parts) in [
        (
            None,
            "/foo/x",
            "INFO",
            &[
                "kind=\"no-credential\"",
                "reason=\"no-credential\"",
                "status=401",
                "resource=\"service /foo\"",
                "client=192.0.2.1",
                "method=GET",
                "path=/foo/x",
                "remedy=",
            ][..],
        ),
        (Some("Bearer a b"), "/foo/x", "INFO", &["kind=\"malformed-credential\"", "cause=TrailingWords"]),
        (Some("Digest a"), "/foo/x", "INFO", &["kind=\"not-looked-at\""]),
        (
            Some("Bearer canary-7f3a"),
            "/foo/x",
            "INFO",
            &[
                "kind=\"refused\"",
                "reason=\"unknown-user\"",
                "element=\"by-token\"",
                "elements=#0 by-token: the user",
                "(unknown-user)",
            ],
        ),
        (
            Some("Bearer known"),
            "/foo/admin",
            "INFO",
            &["kind=\"insufficient-scope\"", "status=403", "resource=\"resource /foo/admin\""],
        ),
        (
            Some("Bearer away"),
            "/foo/x",
            "WARN",
            &["kind=\"unavailable\"", "status=503", "the server is away: connection refused"],
        ),
        (Some("Bearer good"), "/elsewhere", "ERROR", &["kind=\"not-mounted\"", "mounted_at"]),
    ] {
        let lines = log_of(authorization, path);
        assert_eq!(lines.len(), 1, "{authorization:?}: {lines:?}");
        let line = &lines[0];
        assert!(line.trim_start().starts_with(level), "{line}");
        for part in parts {
            assert!(line.contains(part), "{part} in {line}");
        }
        assert!(!line.contains("canary"), "{line}");
        assert!(!line.contains(['\u{1b}', '\u{202e}', '\u{61c}', '\u{2028}', '\u{2029}']), "{line}");
    }
}

#[test]
fn a_request_that_is_let_in_is_not_logged() {
    assert_eq!(log_of(Some("Bearer good"), "/foo/x"), Vec::<String>::new());
}

#[test]
fn a_check_inside_the_layer_names_itself_and_whose_fault_it_is() {
    let lines = log_during(|| {
        let _ = Admission::demand_caller(&Extensions::new(), "Caller");
    });
    let [line] = &lines[..] else { panic!("{lines:?}") };
    for part in ["ERROR", "kind=\"layer-missing\"", "status=500", "asker=\"Caller\"", "AuthLayer"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let auth = Auth::builder()
        .path("/foo")
        .element(ByToken, "hello")
        .resource(Resource::new("/open").public())
        .build()
        .unwrap();
    let headers = HeaderMap::new();
    let request = RequestHead::new(&Method::GET, "/foo/open", &headers);
    let lines = log_during(|| {
        let mut extensions = Extensions::new();
        match auth.decide(&request) {
            Step::Ready(Ok(admission)) => admission.attach(&mut extensions),
            other => panic!("{other:?}"),
        }
        let _ = Admission::demand_scopes(&extensions, &"admin".into(), "RequireScopes");
    });
    let [line] = &lines[..] else { panic!("{lines:?}") };
    for part in
        ["ERROR", "kind=\"public-route\"", "resource=\"resource /foo/open\"", "asker=\"RequireScopes\""]
    {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn a_path_is_shown_as_it_came_and_not_without_end() {
    let line = &log_of(None, "/foo/%0A%1b\u{202e}x")[0];
    assert!(line.contains("path=/foo/%0A%1b\\u{202e}x"), "{line}");
    let long = format!("/foo/{}", "a".repeat(10_000));
    let line = &log_of(None, &long)[0];
    assert!(line.contains(&format!("path=/foo/{}… ", "a".repeat(195))), "{line}");
}
