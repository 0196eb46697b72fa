//! Numbers about the listener, for Prometheus.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use http::Response;
use portcullis_core::{Rejection, RejectionKind};

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// The kinds of rejection by name.
const KINDS: &[&str] = RejectionKind::NAMES;

/// Counters. They only grow, but for the open connections.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    responses: [AtomicU64; CLASSES.len()],
    rejections: [AtomicU64; KINDS.len()],
    connections: AtomicU64,
    open: AtomicU64,
    handshake_failures: AtomicU64,
}

impl Metrics {
    pub(super) fn answered<B>(&self, response: &Response<B>) {
        let class = usize::from(response.status().as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.responses.get(class) {
            counter.fetch_add(1, Relaxed);
        }
        if let Some(rejection) = response.extensions().get::<Rejection>() {
            let kind = rejection.kind().as_str();
            if let Some((_, counter)) = KINDS.iter().zip(&self.rejections).find(|(name, _)| **name == kind) {
                counter.fetch_add(1, Relaxed);
            }
        }
    }

    pub(super) fn handshake_failed(&self) {
        self.handshake_failures.fetch_add(1, Relaxed);
    }

    pub(super) fn connected(self: &Arc<Self>) -> OpenConnection {
        self.connections.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        OpenConnection(self.clone())
    }

    /// The text format of Prometheus, version 0.0.4.
    pub(super) fn render(&self) -> String {
        let mut text = String::with_capacity(2048);
        family(
            &mut text,
            "portcullis_requests_total",
            "counter",
            "Requests answered, by the class of the status.",
        );
        labelled(&mut text, "portcullis_requests_total", "status", CLASSES.iter().zip(&self.responses));
        family(
            &mut text,
            "portcullis_rejections_total",
            "counter",
            "Requests that were not let in, by cause.",
        );
        labelled(&mut text, "portcullis_rejections_total", "kind", KINDS.iter().zip(&self.rejections));
        for (name, kind, help, value) in [
            ("portcullis_connections_total", "counter", "Connections accepted.", &self.connections),
            ("portcullis_connections_open", "gauge", "Connections that are open.", &self.open),
            (
                "portcullis_tls_handshake_failures_total",
                "counter",
                "TLS handshakes that failed or took too long.",
                &self.handshake_failures,
            ),
        ] {
            family(&mut text, name, kind, help);
            line(&mut text, name, value);
        }
        text
    }
}

pub(super) fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn labelled<'m>(
    text: &mut String,
    name: &str,
    label: &str,
    values: impl Iterator<Item = (&'m &'m str, &'m AtomicU64)>,
) {
    for (value, counter) in values {
        line(text, &format!("{name}{{{label}=\"{value}\"}}"), counter);
    }
}

fn line(text: &mut String, name: &str, value: &AtomicU64) {
    let _ = writeln!(text, "{name} {}", value.load(Relaxed));
}

/// Counts as open until it is dropped.
#[derive(Debug)]
pub(super) struct OpenConnection(Arc<Metrics>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}
