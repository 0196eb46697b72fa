//! A refusal that a subscriber would be told of is not made before the rest of the request is known, whatever the
//! subscriber goes by.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::{Arc, Mutex};

use http::{HeaderMap, Method};
use portcullis_core::{
    Auth, BoxFuture, Context, Credential, Outcome, Provider, Reason, RequestHead, Scheme, Step,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    filter::filter_fn,
    layer::{self, SubscriberExt as _},
    registry::LookupSpan,
};

#[derive(Debug)]
struct Refuses;

impl Provider for Refuses {
    fn kind(&self) -> &'static str {
        "refuses"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(Outcome::refused(Reason::Other, "it always is"))
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::refused(Reason::Other, "it always is") })
    }
}

/// Keeps the messages of events.
#[derive(Clone, Default)]
struct Messages(Arc<Mutex<Vec<String>>>);

impl Messages {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Visit for Messages {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Messages {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        event.record(&mut self.clone());
    }
}

/// Decides on a request without credentials as a layer does: at once if nobody listens.
fn refuse() {
    let auth = Auth::builder().element(Refuses, "hello").build().unwrap();
    let headers = HeaderMap::new();
    let step = auth.decide_with(&Method::GET, &headers, || RequestHead::new(&Method::GET, "/", &headers));
    assert!(matches!(step, Step::Ready(Err(_))), "{step:?}");
}

#[test]
fn whatever_a_filter_goes_by_it_is_told_of_the_refusal() {
    type Filter = fn(&Metadata<'_>) -> bool;
    let filters: [(&str, Filter); 4] = [
        ("what it is", |metadata| metadata.is_event()),
        ("fields", |metadata| metadata.fields().field("kind").is_some()),
        ("its name", |metadata| metadata.name().starts_with("event ")),
        ("where it is", |metadata| metadata.file().is_some_and(|file| file.ends_with("log.rs"))),
    ];
    for (what, filter) in filters {
        let messages = Messages::default();
        let subscriber = tracing_subscriber::registry().with(filter_fn(filter)).with(messages.clone());
        tracing::subscriber::with_default(subscriber, refuse);
        assert_eq!(messages.all(), ["request not let in"], "a filter that goes by {what}");
    }
}
