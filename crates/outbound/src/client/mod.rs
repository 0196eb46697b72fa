//! Calls to endpoints.

mod body;
mod connect;
mod deadline;
mod names;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::Full;
use portcullis_core::{Authorization, BuildError, Clock, TokenError};
use tokio::sync::{OnceCell, Semaphore};

use self::{connect::Transport, deadline::within};
use crate::{Answer, ClientConfig, Endpoint, Form, Get, OutboundError, OutboundErrorKind};

/// How many calls run at a time; further ones wait.
const MAX_CALLS: usize = 128;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("portcullis/", env!("CARGO_PKG_VERSION")));
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A client for calls to configured endpoints. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct HttpClient(Arc<Inner>);

struct Inner {
    config: ClientConfig,
    /// The custom headers.
    headers: HeaderMap,
    plain: Transport,
    tls: OnceCell<Transport>,
    calls: Semaphore,
}

impl HttpClient {
    /// A client as `config` says. Contacts nobody.
    ///
    /// # Errors
    ///
    /// When the configuration cannot work: a header that may not be set, a parameter twice, TLS that rustls refuses.
    pub fn new(config: ClientConfig) -> Result<Self, BuildError> {
        config.check()?;
        let headers = config.header_map()?;
        let plain = Transport::plain(&config);
        let calls = Semaphore::new(MAX_CALLS);
        Ok(Self(Arc::new(Inner { config, headers, plain, tls: OnceCell::new(), calls })))
    }

    /// What it was made of.
    pub fn config(&self) -> &ClientConfig {
        &self.0.config
    }

    /// The clock of its deadlines.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.config.clock
    }

    /// Calls an endpoint with GET.
    ///
    /// # Errors
    ///
    /// When there is no answer that can be used. One with a bad status is an answer.
    pub async fn get(&self, endpoint: &Endpoint, get: Get) -> Result<Answer, OutboundError> {
        let Get { headers, credentials } = get;
        self.call(endpoint, &Outgoing { method: Method::GET, headers, body: Bytes::new(), credentials }).await
    }

    /// Posts a form, with the parameters of [`ClientConfig::payload`], to an endpoint.
    ///
    /// # Errors
    ///
    /// When there is no answer that can be used. One with a bad status is an answer.
    pub async fn post_form(&self, endpoint: &Endpoint, form: &Form) -> Result<Answer, OutboundError> {
        let mut headers = HeaderMap::from_iter([(ACCEPT, JSON), (CONTENT_TYPE, FORM)]);
        if let Some(authorization) = form.authorization() {
            headers.insert(AUTHORIZATION, authorization);
        }
        let body = form.encoded(&self.0.config.payload);
        self.call(endpoint, &Outgoing { method: Method::POST, headers, body, credentials: true }).await
    }

    async fn call(&self, endpoint: &Endpoint, outgoing: &Outgoing) -> Result<Answer, OutboundError> {
        let config = &self.0.config;
        if let Err(message) = config.permits(endpoint) {
            return Err(OutboundError::new(endpoint, OutboundErrorKind::NotPermitted, message));
        }
        let stage = Stage::default();
        let alarm = config.clock.sleep(config.request_timeout);
        match within(alarm, self.exchange(endpoint, outgoing, &stage)).await {
            Some(result) => result,
            None => {
                let message = format!("not answered within {:?}: {}", config.request_timeout, stage.late());
                Err(OutboundError::new(endpoint, OutboundErrorKind::Timeout, message))
            }
        }
    }

    /// The call, and once more with another token where the server refuses the first.
    async fn exchange(
        &self,
        endpoint: &Endpoint,
        outgoing: &Outgoing,
        stage: &Stage,
    ) -> Result<Answer, OutboundError> {
        stage.enter(Stage::QUEUE);
        // The semaphore is never closed.
        let _permit = self.0.calls.acquire().await.ok();
        let transport = self.transport(endpoint).await?;
        let source = self.0.config.auth.as_ref().filter(|_| outgoing.takes_token());
        let Some(source) = source else {
            return self.once(endpoint, transport, outgoing, None, stage).await;
        };
        let no_token = |error: TokenError| OutboundError::no_token(endpoint, error);
        stage.enter(Stage::TOKEN);
        let token = source.token().await.map_err(no_token)?;
        let answer = self.once(endpoint, transport, outgoing, Some(&token), stage).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !source.refused(&token) {
            return Ok(answer);
        }
        stage.enter(Stage::TOKEN);
        let fresh = source.token().await.map_err(no_token)?;
        if fresh == token {
            return Ok(answer);
        }
        self.once(endpoint, transport, outgoing, Some(&fresh), stage).await
    }

    async fn once(
        &self,
        endpoint: &Endpoint,
        transport: &Transport,
        outgoing: &Outgoing,
        token: Option<&Authorization>,
        stage: &Stage,
    ) -> Result<Answer, OutboundError> {
        let mut request = Request::new(Full::new(outgoing.body.clone()));
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = endpoint.uri().clone();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, AGENT);
        headers.extend(outgoing.headers.clone());
        if outgoing.credentials {
            for (name, value) in &self.0.headers {
                // Who authenticates as a client says himself who he is.
                if name != AUTHORIZATION || !headers.contains_key(AUTHORIZATION) {
                    headers.insert(name, value.clone());
                }
            }
        }
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token.header().clone());
        }
        stage.enter(Stage::HEAD);
        let response = transport.send(request).await.map_err(|cause| {
            let otherwise =
                if cause.is_connect() { OutboundErrorKind::Connect } else { OutboundErrorKind::Interrupted };
            OutboundError::caused(endpoint, otherwise, cause)
        })?;
        stage.enter(Stage::BODY);
        let config = &self.0.config;
        body::read(endpoint, response, config.max_body_bytes, config.clock.now()).await
    }

    async fn transport(&self, endpoint: &Endpoint) -> Result<&Transport, OutboundError> {
        if !endpoint.is_secure() {
            return Ok(&self.0.plain);
        }
        let built = self.0.tls.get_or_try_init(|| async {
            let config = self.0.config.clone();
            // The system's authorities are files.
            let tls = tokio::task::spawn_blocking(move || config.tls.build(&config.clock)).await;
            let tls =
                tls.unwrap_or_else(|_| Err(BuildError::new("reading the system's authorities failed")))?;
            Ok(Transport::tls(&self.0.config, tls))
        });
        built.await.map_err(|error: BuildError| {
            OutboundError::new(endpoint, OutboundErrorKind::Tls, "no TLS with this configuration")
                .with_source(error)
        })
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpClient").field(&self.0.config).finish()
    }
}

/// A request that can be made more than once.
struct Outgoing {
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    credentials: bool,
}

impl Outgoing {
    /// Whether it carries the configuration's token: it may carry credentials, and has none of its own.
    fn takes_token(&self) -> bool {
        self.credentials && !self.headers.contains_key(AUTHORIZATION)
    }
}

/// What a call waits for, to be told when it is late.
#[derive(Default)]
struct Stage(AtomicU8);

impl Stage {
    const QUEUE: u8 = 0;
    const TOKEN: u8 = 1;
    const HEAD: u8 = 2;
    const BODY: u8 = 3;

    fn enter(&self, stage: u8) {
        self.0.store(stage, Ordering::Relaxed);
    }

    fn late(&self) -> String {
        match self.0.load(Ordering::Relaxed) {
            Self::TOKEN => "the token to call it with did not come".to_owned(),
            Self::HEAD => "no answer began".to_owned(),
            Self::BODY => "the answer did not end".to_owned(),
            _ => format!("{MAX_CALLS} other calls were under way all the time"),
        }
    }
}
