//! A ready client on reqwest.

use std::{fmt, net::SocketAddr, time::Duration};

use ::reqwest::{Body, Client, Response, redirect};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use portcullis_core::{BuildError, Principal};
use portcullis_outbound::HttpVersion;
use portcullis_tower::{ClientAuth, ClientAuthError, SendError, SendVia as _, redirect_policy};
use serde::Serialize;

use super::{Transport, connect::LOCALHOST, join::Base};

/// A client on reqwest whose requests carry a credential, with URL, TLS and credential from one place.
///
/// [`ConfiguredClient::reqwest`](crate::ConfiguredClient::reqwest) makes it of a table of Config.toml, [`Transport::reqwest`]
/// of a [`ClientAuth`]. Cheap to clone; clones share connections and the token.
///
/// * A path is joined to the client's URL: with the URL `https://h/base`, `/foo` and `foo` are `https://h/base/foo`. Without
///   a URL of the client's, a path is an error.
/// * Redirects are followed, ten at most. The credential goes along where scheme, host and port stay the same, and nowhere
///   else: from another origin on, only one that leads to yet another is followed ([`redirect_policy`]). One from https to http
///   is an error.
/// * No proxy of the environment is asked, and no `Referer` is sent.
/// * After a 401 a request is sent once more with another token where there is one to be had, and the request's body is
///   no stream.
#[derive(Clone, Debug)]
pub struct ReqwestClient {
    client: Client,
    auth: ClientAuth,
    base: Option<Base>,
}

impl ReqwestClient {
    pub(super) fn new(
        transport: &Transport,
        mut tls: rustls::ClientConfig,
        auth: ClientAuth,
    ) -> Result<Self, BuildError> {
        let (http1, http2) = (b"http/1.1".to_vec(), b"h2".to_vec());
        let builder = Client::builder();
        let (builder, protocols) = match transport.version {
            HttpVersion::Http11 => (builder.http1_only(), vec![http1]),
            HttpVersion::Http2 => (builder.http2_prior_knowledge(), vec![http2]),
            _ => (builder, vec![http2, http1]),
        };
        // A configuration that is given is used as it is.
        tls.alpn_protocols = protocols;
        let client = builder
            .tls_backend_preconfigured(tls)
            .redirect(redirects())
            .referer(false)
            .no_proxy()
            .resolve_to_addrs("localhost", &LOCALHOST.map(|address| SocketAddr::new(address, 0)))
            .connect_timeout(transport.connect_timeout)
            .timeout(transport.request_timeout)
            .build()
            .map_err(|error| BuildError::new("reqwest refuses its configuration").with_source(error))?;
        let base = auth.url().and_then(Base::of);
        Ok(Self { client, auth, base })
    }

    /// A client over the same connections whose calls are made on behalf of `caller`.
    ///
    /// # Errors
    ///
    /// When the caller showed no token, or the client's credential is the service's own.
    pub fn on_behalf_of(&self, caller: &Principal) -> Result<Self, ClientAuthError> {
        let auth = self.auth.on_behalf_of(caller)?;
        Ok(Self { client: self.client.clone(), auth, base: self.base.clone() })
    }

    /// Begins a request to a path of the client's URL, or to a URL.
    pub fn request(&self, method: Method, path_or_url: impl AsRef<str>) -> RequestBuilder {
        let url = path_or_url.as_ref();
        let joined = self.base.as_ref().map(|base| base.url(url));
        let builder = self.client.request(method, joined.as_deref().unwrap_or(url));
        RequestBuilder { builder, auth: self.auth.clone() }
    }

    /// Begins a GET.
    pub fn get(&self, path_or_url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::GET, path_or_url)
    }

    /// Begins a POST.
    pub fn post(&self, path_or_url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::POST, path_or_url)
    }

    /// Begins a PUT.
    pub fn put(&self, path_or_url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::PUT, path_or_url)
    }

    /// Begins a PATCH.
    pub fn patch(&self, path_or_url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::PATCH, path_or_url)
    }

    /// Begins a DELETE.
    pub fn delete(&self, path_or_url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::DELETE, path_or_url)
    }

    /// Begins a HEAD.
    pub fn head(&self, path_or_url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::HEAD, path_or_url)
    }

    /// What puts the credential on its requests.
    #[must_use]
    pub const fn auth(&self) -> &ClientAuth {
        &self.auth
    }

    /// The client without the credential: its connections, TLS and redirects.
    #[must_use]
    pub const fn inner(&self) -> &Client {
        &self.client
    }
}

/// Which redirects are followed: those that show the credential to nobody else, and none from https to http.
fn redirects() -> redirect::Policy {
    let shown_to_nobody_else = redirect_policy();
    redirect::Policy::custom(move |attempt| {
        let from_https = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
        if from_https && attempt.url().scheme() != "https" {
            return attempt.error("a redirect from https to http is not followed");
        }
        shown_to_nobody_else.redirect(attempt)
    })
}

/// A request that will carry the client's credential: [`reqwest::RequestBuilder`] with another [`send`](Self::send).
#[must_use = "a request is sent by `send`"]
pub struct RequestBuilder {
    builder: ::reqwest::RequestBuilder,
    auth: ClientAuth,
}

impl RequestBuilder {
    /// Does with reqwest's own builder what this one has no method for.
    pub fn map(self, change: impl FnOnce(::reqwest::RequestBuilder) -> ::reqwest::RequestBuilder) -> Self {
        Self { builder: change(self.builder), ..self }
    }

    /// Adds a header. With an `Authorization` of its own a request does not get the client's credential.
    pub fn header<K, V>(self, name: K, value: V) -> Self
    where
        HeaderName: TryFrom<K>,
        <HeaderName as TryFrom<K>>::Error: Into<http::Error>,
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<http::Error>,
    {
        self.map(|builder| builder.header(name, value))
    }

    /// Sets headers.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.map(|builder| builder.headers(headers))
    }

    /// Adds parameters to the URL's query.
    pub fn query<T: Serialize + ?Sized>(self, query: &T) -> Self {
        self.map(|builder| builder.query(query))
    }

    /// Sets the body to JSON.
    pub fn json<T: Serialize + ?Sized>(self, json: &T) -> Self {
        self.map(|builder| builder.json(json))
    }

    /// Sets the body to a form.
    pub fn form<T: Serialize + ?Sized>(self, form: &T) -> Self {
        self.map(|builder| builder.form(form))
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.map(|builder| builder.body(body))
    }

    /// Sets how long this request may take, from connecting to the end of the answer's body.
    pub fn timeout(self, span: Duration) -> Self {
        self.map(|builder| builder.timeout(span))
    }

    /// Sets the version of HTTP.
    pub fn version(self, version: Version) -> Self {
        self.map(|builder| builder.version(version))
    }

    /// Sends it.
    ///
    /// # Errors
    ///
    /// When there is no credential to send, it may not go there, the request was not built rightly, or no answer came. Of
    /// the URL the error shows no query.
    pub async fn send(self) -> Result<Response, SendError<::reqwest::Error>> {
        self.builder.send_via(&self.auth).await.map_err(without_query)
    }
}

/// What is fit for logs: queries hold keys and signatures, those of redirects' URLs among them.
fn without_query(mut error: SendError<::reqwest::Error>) -> SendError<::reqwest::Error> {
    if let SendError::Service(error) = &mut error
        && let Some(url) = error.url_mut()
    {
        url.set_query(None);
        url.set_fragment(None);
        // It fails only where there can be none.
        _ = url.set_username("").and_then(|()| url.set_password(None));
    }
    error
}

/// Shows nothing of the request: its URL and headers may hold secrets.
impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder").field("auth", &self.auth).finish_non_exhaustive()
    }
}
