//! Where only errors are logged, the operator's mistakes are, and all that several elements said is one line.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use portcullis_core::{
    Auth, BoxFuture, Context, Credential, Element, Outcome, Provider, Reason, RequestHead, Resource, Scheme,
};
use tracing::level_filters::LevelFilter;

#[derive(Debug)]
struct Refuses(Reason);

impl Provider for Refuses {
    fn kind(&self) -> &'static str {
        "refuses"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(Outcome::refused(self.0, "no"))
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        panic!("nothing to wait for")
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

// One test, so that nothing else in the process asks for more.
#[test]
fn each_level_hears_its_own_and_what_is_graver() {
    let element = |reason| Element::new(Refuses(reason), "hello").unwrap();
    let auth = Auth::builder()
        .path("/foo")
        .elements([element(Reason::Expired), element(Reason::UnknownUser)])
        .resource(Resource::new("/x").optional(true))
        .build()
        .unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer a.b.c"))]);
    for (level, heard) in [
        (LevelFilter::OFF, &[][..]),
        (LevelFilter::ERROR, &["not-mounted"]),
        (LevelFilter::WARN, &["not-mounted"]),
        (LevelFilter::INFO, &["refused", "not-mounted"]),
    ] {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(level)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            for path in ["/foo/x", "/elsewhere"] {
                let _ = auth.decide(&RequestHead::new(&Method::GET, path, &headers));
            }
        });
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), heard.len(), "{level}: {text}");
        for (line, kind) in lines.iter().zip(heard) {
            assert!(line.contains(&format!("kind=\"{kind}\"")), "{line}");
            let said = "elements=#0 refuses: no (expired); #1 refuses: no (unknown-user) ";
            assert_eq!(line.contains(said), *kind == "refused", "{line}");
        }
    }
}
