//! Outgoing requests.

use std::{
    convert::Infallible,
    future::{Ready, poll_fn, ready},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode, Uri,
    header::{ACCEPT, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::Empty;
use portcullis::{
    ClientAuth, ClientAuthLayer, Secret, TokenSource,
    client::Authorization,
    jwt::{JwtIssuer, JwtIssuerConfig, SelfSignedJwt, SigningConfig},
    oauth2::{ClientCredentials, ClientCredentialsConfig},
    outbound,
};
use portcullis_testing::TestTokenEndpoint;
use tower::{Layer, Service};

use super::{Bench, Case};
use crate::fixtures::{AUDIENCE, ISSUER, PASSWORD, SECRET};

const URL: &str = "https://orders.example/v2/open";

type Body = Empty<Bytes>;

/// The service without a credential.
pub fn bare(bench: &Bench) -> Box<dyn Case> {
    Calls::case(bench, Answers)
}

/// A token of a token endpoint, fetched before. The request is copied, in case that the token is refused.
pub fn token(bench: &Bench) -> Box<dyn Case> {
    Calls::case(bench, ClientAuthLayer::new(auth(fetched(bench))).layer(Answers))
}

/// The same where no request is sent twice.
pub fn token_once(bench: &Bench) -> Box<dyn Case> {
    Calls::case(bench, ClientAuthLayer::new(auth(fetched(bench))).never_replay().layer(Answers))
}

/// A token that the client signed before.
pub fn signed(bench: &Bench) -> Box<dyn Case> {
    Calls::case(bench, ClientAuthLayer::new(auth(self_signed())).layer(Answers))
}

/// The same where no request is sent twice.
pub fn signed_once(bench: &Bench) -> Box<dyn Case> {
    Calls::case(bench, ClientAuthLayer::new(auth(self_signed())).never_replay().layer(Answers))
}

/// User name and password.
pub fn basic(bench: &Bench) -> Box<dyn Case> {
    let alice = Authorization::basic("alice", &Secret::new(PASSWORD)).expect("fit for a header");
    Calls::case(bench, ClientAuthLayer::new(auth(alice)).layer(Answers))
}

fn auth(source: impl TokenSource) -> ClientAuth {
    ClientAuth::builder(source).name("orders").url(URL).build().expect("the client is built")
}

/// The real keeper of tokens, and an endpoint that is asked once.
fn fetched(bench: &Bench) -> impl TokenSource {
    let endpoint = bench.runtime.block_on(TestTokenEndpoint::start());
    endpoint.expires_in(Some(24 * 3600));
    endpoint.require_client("orders", "a secret of the benchmark");
    endpoint.will_issue(&bench.fixtures.rsa.tokens[0]);
    let url = outbound::Endpoint::parse(&endpoint.url()).expect("a URL");
    // Under callgrind, on a busy machine, the answer takes its time.
    let patience = outbound::ClientConfig::default().request_timeout(Duration::from_secs(300));
    let config = ClientCredentialsConfig::new(url, "orders", "a secret of the benchmark").client(patience);
    let source = ClientCredentials::new(config).expect("the source is built");
    bench.runtime.block_on(source.token()).expect("the endpoint gives a token");
    bench.settle();
    source
}

fn self_signed() -> impl TokenSource {
    let config = JwtIssuerConfig::new(SigningConfig::secret(SECRET))
        .issuer(ISSUER)
        .audience([AUDIENCE])
        .username("orders")
        .expiry(Duration::from_secs(24 * 3600));
    SelfSignedJwt::new(JwtIssuer::new(config).expect("the issuer is built"))
}

/// Requests as clients make them: a URL, two headers, no body.
struct Calls<S> {
    service: S,
    uri: Uri,
}

impl<S> Calls<S>
where
    S: Service<Request<Body>, Response = Response<()>, Error: std::fmt::Debug> + Send + 'static,
{
    fn case(bench: &Bench, service: S) -> Box<dyn Case> {
        let mut calls = Self { service, uri: Uri::try_from(URL.to_owned()).expect("a URL") };
        calls.run(bench, 1);
        Box::new(calls)
    }

    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::new());
        // A clone shares the text, as a URL does that was joined to a base.
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("bench"));
        request
    }
}

impl<S> Case for Calls<S>
where
    S: Service<Request<Body>, Response = Response<()>, Error: std::fmt::Debug> + Send + 'static,
{
    /// The token is to be had already.
    fn reset(&mut self, _: &Bench) {}

    fn run(&mut self, bench: &Bench, count: usize) {
        bench.runtime.block_on(async {
            for _ in 0..count {
                let request = self.request();
                poll_fn(|cx| self.service.poll_ready(cx)).await.expect("the service is ready");
                let response = self.service.call(request).await.expect("the service answers");
                assert_eq!(response.status(), StatusCode::OK, "an answer that was not expected");
            }
        });
    }
}

/// Answers at once, with a header.
#[derive(Clone)]
struct Answers;

impl Service<Request<Body>> for Answers {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        std::hint::black_box(&request);
        let mut response = Response::new(());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        ready(Ok(response))
    }
}
