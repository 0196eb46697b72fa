//! What an issuer answers.

use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{Fetches, keys::Key};
use crate::server::{Call, json as as_json, lock, typed};

pub(super) struct State {
    url: String,
    path: String,
    keys: Mutex<Vec<Key>>,
    settings: Mutex<Settings>,
    /// Which state of the key set is served: its `ETag`.
    revision: AtomicU64,
    not_modified: AtomicUsize,
}

pub(super) struct Settings {
    pub(super) cache_control: Option<String>,
    pub(super) jwks: Option<Document>,
    pub(super) discovery: Option<Document>,
    pub(super) members: Map<String, Value>,
    pub(super) openid: bool,
    pub(super) rfc8414: bool,
}

/// A body given by hand.
#[derive(Clone)]
pub(super) struct Document {
    content_type: String,
    body: Bytes,
}

impl Document {
    pub(super) fn new(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { content_type: content_type.to_owned(), body: body.into() }
    }

    fn answer(self) -> Response<Bytes> {
        typed(StatusCode::OK, &self.content_type, self.body)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Route {
    Jwks,
    OpenId,
    Rfc8414,
}

impl State {
    pub(super) fn new(url: String, path: String) -> Self {
        let settings = Settings {
            cache_control: None,
            jwks: None,
            discovery: None,
            members: Map::new(),
            openid: true,
            rfc8414: true,
        };
        Self {
            url,
            path,
            keys: Mutex::default(),
            settings: Mutex::new(settings),
            revision: AtomicU64::new(0),
            not_modified: AtomicUsize::new(0),
        }
    }

    pub(super) fn keys(&self) -> MutexGuard<'_, Vec<Key>> {
        lock(&self.keys)
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.settings)
    }

    pub(super) fn changed(&self) {
        self.revision.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn key_set(&self) -> Value {
        let keys: Vec<Value> = self.keys().iter().filter(|key| key.published).map(Key::jwk).collect();
        json!({ "keys": keys })
    }

    pub(super) fn fetches(&self, calls: &[Call]) -> Fetches {
        let asked = |wanted: fn(Route) -> bool| {
            calls.iter().filter(|call| self.route(call.path()).is_some_and(wanted)).count()
        };
        Fetches {
            jwks: asked(|route| route == Route::Jwks),
            discovery: asked(|route| route != Route::Jwks),
            not_modified: self.not_modified.load(Ordering::SeqCst),
        }
    }

    fn route(&self, path: &str) -> Option<Route> {
        // OpenID appends the name to the issuer, RFC 8414 puts it between host and path.
        let rfc8414 = "/.well-known/oauth-authorization-server";
        if path.strip_prefix(rfc8414).is_some_and(|rest| rest == self.path) {
            return Some(Route::Rfc8414);
        }
        match path.strip_prefix(&self.path)? {
            "/jwks" => Some(Route::Jwks),
            "/.well-known/openid-configuration" => Some(Route::OpenId),
            _ => None,
        }
    }

    pub(super) fn answer(&self, call: &Call) -> Response<Bytes> {
        let route = self.route(call.path()).filter(|route| match route {
            Route::Jwks => true,
            Route::OpenId => self.settings().openid,
            Route::Rfc8414 => self.settings().rfc8414,
        });
        match route {
            None => typed(StatusCode::NOT_FOUND, "text/plain", "nothing here"),
            Some(_) if call.method != Method::GET => {
                typed(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET it")
            }
            Some(Route::Jwks) => self.jwks(&call.headers),
            Some(Route::OpenId | Route::Rfc8414) => self.discovery(),
        }
    }

    fn jwks(&self, headers: &HeaderMap) -> Response<Bytes> {
        let tag = HeaderValue::try_from(format!("\"{}\"", self.revision.load(Ordering::SeqCst)));
        let given = self.settings().jwks.clone();
        let mut answer = match &tag {
            Ok(tag) if headers.get(header::IF_NONE_MATCH) == Some(tag) => {
                self.not_modified.fetch_add(1, Ordering::SeqCst);
                let mut answer = Response::new(Bytes::new());
                *answer.status_mut() = StatusCode::NOT_MODIFIED;
                answer
            }
            _ => given.map_or_else(|| as_json(StatusCode::OK, &self.key_set()), Document::answer),
        };
        if let Ok(tag) = tag {
            answer.headers_mut().insert(header::ETAG, tag);
        }
        if let Some(value) = &self.settings().cache_control {
            match value.parse() {
                Ok(value) => answer.headers_mut().insert(header::CACHE_CONTROL, value),
                Err(error) => panic!("{value:?} is not a header's value: {error}"),
            };
        }
        answer
    }

    fn discovery(&self) -> Response<Bytes> {
        let settings = self.settings();
        if let Some(given) = settings.discovery.clone() {
            return given.answer();
        }
        let mut document = Map::new();
        let mut member = |name: &str, value: Value| document.insert(name.to_owned(), value);
        member("issuer", self.url.as_str().into());
        member("jwks_uri", format!("{}/jwks", self.url).into());
        member("authorization_endpoint", format!("{}/authorize", self.url).into());
        member("response_types_supported", json!(["code"]));
        member("subject_types_supported", json!(["public"]));
        member("id_token_signing_alg_values_supported", json!(["RS256", "ES256"]));
        document.extend(settings.members.clone());
        document.retain(|_, value| !value.is_null());
        as_json(StatusCode::OK, &Value::Object(document))
    }
}
