//! Cross-origin requests (the Fetch standard): which origins' scripts may read a service's answers.
//!
//! The layer stands outside the decision: a preflight, which browsers send without credentials, is answered
//! here, and a 401 carries the headers without which a script would see a network error.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request,
    header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN},
};
use portcullis_core::BuildError;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer, ExposeHeaders};

/// The keys of `cors`, which are Ballerina's. `*` in a list stands for everything.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Cors {
    /// Origins, such as `https://app.example.org`. At least one.
    pub allow_origins: Vec<String>,
    /// Methods; empty: whichever a preflight asks for.
    pub allow_methods: Vec<String>,
    /// Request headers; empty: whichever a preflight asks for.
    pub allow_headers: Vec<String>,
    /// Whether browsers may send credentials along. Then nothing may be `*`.
    pub allow_credentials: bool,
    /// Response headers that scripts may read beyond the few that they always may.
    pub expose_headers: Vec<String>,
    /// How long browsers may remember a preflight's answer.
    pub max_age: Option<Duration>,
}

impl Cors {
    pub(super) fn layer(&self) -> Result<CorsLayer, BuildError> {
        if self.allow_origins.is_empty() {
            return Err(BuildError::new(
                "cors.allowOrigins is empty: name the origins, such as \"https://app.example.org\"",
            ));
        }
        let lists = [
            ("allowOrigins", &self.allow_origins),
            ("allowMethods", &self.allow_methods),
            ("allowHeaders", &self.allow_headers),
            ("exposeHeaders", &self.expose_headers),
        ];
        for (key, list) in lists {
            if self.allow_credentials && is_any(list) {
                // Fetch standard: `*` does not stand for everything in a response to a request with credentials.
                return Err(BuildError::new(format!(
                    "cors.{key} of \"*\" does not work with `allowCredentials`: list them"
                )));
            }
        }
        let origins = match is_any(&self.allow_origins) {
            true => AllowOrigin::any(),
            false => AllowOrigin::list(read::<HeaderValue>("allowOrigins", &self.allow_origins)?),
        };
        let methods = match &*self.allow_methods {
            [] => AllowMethods::mirror_request(),
            list if is_any(list) => AllowMethods::any(),
            list => AllowMethods::list(read::<Method>("allowMethods", list)?),
        };
        let headers = match &*self.allow_headers {
            [] => AllowHeaders::mirror_request(),
            list if is_any(list) => AllowHeaders::any(),
            list => AllowHeaders::list(read::<HeaderName>("allowHeaders", list)?),
        };
        let exposed = match &*self.expose_headers {
            list if is_any(list) => ExposeHeaders::any(),
            list => ExposeHeaders::list(read::<HeaderName>("exposeHeaders", list)?),
        };
        let layer = CorsLayer::new()
            .allow_origin(origins)
            .allow_methods(methods)
            .allow_headers(headers)
            .expose_headers(exposed)
            .allow_credentials(self.allow_credentials);
        Ok(match self.max_age {
            Some(span) => layer.max_age(span),
            None => layer,
        })
    }
}

fn is_any(list: &[String]) -> bool {
    list.iter().any(|item| item == "*")
}

fn read<T: std::str::FromStr>(key: &str, list: &[String]) -> Result<Vec<T>, BuildError> {
    let read = |item: &String| {
        item.parse().map_err(|_| BuildError::new(format!("cors.{key} holds {item:?}, which is none")))
    };
    list.iter().map(read).collect()
}

/// The method of a request that only looks like a preflight, kept while the layer must not see it.
#[derive(Clone, Debug)]
struct Hidden(Method);

/// Fetch standard, CORS protocol: these two headers together make an `OPTIONS` a preflight.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Keeps an `OPTIONS` that is no preflight from being answered as one: it goes on to the decision as what it
/// is.
pub(super) fn hide_plain_options<B>(request: &mut Request<B>) {
    if request.method() == Method::OPTIONS && !is_preflight(request.method(), request.headers()) {
        let method = std::mem::replace(request.method_mut(), Method::GET);
        request.extensions_mut().insert(Hidden(method));
    }
}

/// Undoes [`hide_plain_options`].
pub(super) fn reveal<B>(request: &mut Request<B>) {
    if let Some(Hidden(method)) = request.extensions_mut().remove() {
        *request.method_mut() = method;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        Cors { allow_origins: origins.iter().map(|&origin| origin.to_owned()).collect(), ..Cors::default() }
    }

    #[test]
    fn settings_that_cannot_work_are_refused_with_the_key() {
        let star = || vec!["*".to_owned()];
        let with_credentials = Cors { allow_credentials: true, ..cors(&["https://a.example"]) };
        for (cors, reason) in [
            (cors(&[]), "cors.allowOrigins is empty"),
            (Cors { allow_credentials: true, ..cors(&["*"]) }, "cors.allowOrigins of \"*\""),
            (Cors { allow_methods: star(), ..with_credentials.clone() }, "cors.allowMethods of \"*\""),
            (Cors { allow_headers: star(), ..with_credentials.clone() }, "cors.allowHeaders of \"*\""),
            (Cors { expose_headers: star(), ..with_credentials.clone() }, "cors.exposeHeaders of \"*\""),
            (Cors { allow_methods: vec!["G T".into()], ..cors(&["*"]) }, "cors.allowMethods holds \"G T\""),
            (Cors { allow_headers: vec!["a b".into()], ..cors(&["*"]) }, "cors.allowHeaders holds \"a b\""),
            (cors(&["https://a\u{0}"]), "cors.allowOrigins holds"),
        ] {
            let error = cors.layer().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(with_credentials.layer().is_ok());
        let all =
            Cors { allow_methods: star(), allow_headers: star(), expose_headers: star(), ..cors(&["*"]) };
        assert!(all.layer().is_ok());
    }

    #[test]
    fn an_options_is_hidden_unless_it_is_a_preflight() {
        for (method, origin, asks, hidden) in [
            (Method::OPTIONS, true, true, false),
            (Method::OPTIONS, true, false, true),
            (Method::OPTIONS, false, true, true),
            (Method::OPTIONS, false, false, true),
            (Method::GET, true, true, false),
        ] {
            let mut request = Request::new(());
            *request.method_mut() = method.clone();
            if origin {
                request.headers_mut().insert(ORIGIN, HeaderValue::from_static("https://a.example"));
            }
            if asks {
                request.headers_mut().insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
            }
            hide_plain_options(&mut request);
            assert_eq!(request.method() != method, hidden, "{method} {origin} {asks}");
            reveal(&mut request);
            assert_eq!(request.method(), method);
        }
    }
}
