//! What everything is compared with: the service itself, a layer that does nothing, raw cryptography.

use std::hint::black_box;

use axum::{Router, body::Body, routing::get};
use http::StatusCode;
use tower::layer::layer_fn;

use super::{Bench, Case, Requests, Serving, Work};
use crate::fixtures::{Keyed, signed};

/// The service that is guarded, or not.
pub fn hello(path: &str) -> Router {
    Router::new().route(path, get(async || "Hello, World!"))
}

fn open(bench: &Bench, requests: Requests) -> Box<dyn Case> {
    Box::new(Serving::<_, _, Body>::new(bench, requests, |_| hello("/")))
}

/// The unprotected route, asked with a token that nobody looks at.
pub fn route(bench: &Bench) -> Box<dyn Case> {
    open(bench, Requests::bearer(bench.fixtures.rsa.tokens.first()))
}

/// The same without a token.
pub fn route_without_header(bench: &Bench) -> Box<dyn Case> {
    open(bench, Requests::without_credential())
}

/// What `Router::layer` costs by itself.
pub fn idle_layer(bench: &Bench) -> Box<dyn Case> {
    let requests = Requests::bearer(bench.fixtures.rsa.tokens.first());
    Box::new(Serving::<_, _, Body>::new(bench, requests, |_| hello("/").layer(layer_fn(Idle))))
}

/// A static token, compared: what tower-http offers.
pub fn tower_http_bearer(bench: &Bench) -> Box<dyn Case> {
    let requests = Requests::bearer(bench.fixtures.rsa.tokens.first());
    #[expect(deprecated, reason = "it is what people use, and the least that a check can cost")]
    let layer = |bench: &Bench| {
        tower_http::validate_request::ValidateRequestHeaderLayer::bearer(&bench.fixtures.rsa.tokens[0])
    };
    let app = move |bench: &Bench| hello("/").layer(layer(bench));
    Box::new(Serving::<_, _, Body>::new(bench, requests, app).answering(StatusCode::OK))
}

/// The signature alone, by aws-lc, with the key parsed and the signature decoded before.
pub fn raw(keyed: &Keyed) -> Box<dyn Case> {
    let key = keyed.parsed();
    let tokens: Vec<(String, Vec<u8>)> = keyed.tokens.iter().map(|token| signed(token)).map(own).collect();
    Box::new(Work(move |number: usize| {
        let (signed, signature) = &tokens[number % tokens.len()];
        black_box(key.verify_sig(signed.as_bytes(), signature)).expect("the signature is right");
    }))
}

fn own((signed, signature): (&str, Vec<u8>)) -> (String, Vec<u8>) {
    (signed.to_owned(), signature)
}

/// A layer that hands requests on.
#[derive(Clone)]
pub struct Idle<S>(S);

impl<S: tower::Service<R>, R> tower::Service<R> for Idle<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}
