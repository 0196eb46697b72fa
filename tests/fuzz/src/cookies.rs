//! Cookies that hold a token: each line a `Cookie` header.

use std::sync::{Arc, LazyLock};

use http::{
    HeaderMap, HeaderValue, Method,
    header::{COOKIE, ORIGIN},
};
use portcullis_core::{Auth, CredentialSources, RequestHead, RequiredScopes, Step};

use crate::support::Everybody;

const NAMES: [&str; 2] = ["__Host-token", "t"];
const ORIGIN_OF_OURS: &str = "https://app.example.org";

static AUTH: LazyLock<Auth> = LazyLock::new(|| {
    let sources = CredentialSources::header().cookie(NAMES[0]).cookie(NAMES[1]).origin(ORIGIN_OF_OURS);
    let builder = Auth::builder().credential_sources(sources);
    builder.element(Arc::new(Everybody), RequiredScopes::anyone()).build().unwrap()
});

/// Takes the lines.
pub fn run(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(64) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    let before = pairs(&headers);
    let is_ours = |pair: &(Vec<u8>, Option<Vec<u8>>)| {
        pair.1.is_some() && NAMES.iter().any(|name| name.as_bytes() == pair.0)
    };
    let ours: Vec<_> = before.iter().filter(|pair| is_ours(pair)).collect();

    // From nowhere and from elsewhere, a cookie lets nobody in.
    assert_eq!(caller(&headers), None);
    headers.insert(ORIGIN, HeaderValue::from_static("https://app.example.org.evil"));
    assert_eq!(caller(&headers), None);
    headers.insert(ORIGIN, HeaderValue::from_static(ORIGIN_OF_OURS));
    if let Some(token) = caller(&headers) {
        let [(_, Some(value))] = &ours[..] else { panic!("{} cookies could be meant", ours.len()) };
        let quoted = [b"\"", token.as_bytes(), b"\""].concat();
        assert!(*value == token.as_bytes() || *value == quoted, "not what was sent");
    }

    AUTH.conceal_cookies(&mut headers);
    headers.remove(ORIGIN);
    let kept: Vec<_> = before.iter().filter(|pair| !is_ours(pair)).cloned().collect();
    assert_eq!(pairs(&headers), kept, "the token is gone, and nothing else is");
    let once = headers.clone();
    AUTH.conceal_cookies(&mut headers);
    assert_eq!(headers, once);
}

fn caller(headers: &HeaderMap) -> Option<String> {
    match AUTH.decide(&RequestHead::new(&Method::GET, "/", headers)) {
        Step::Ready(decision) => decision.ok()?.into_principal()?.identity().subject().map(str::to_owned),
        Step::Wait(_) => panic!("nothing is waited for"),
    }
}

/// All cookies, names and values; what has no `=` is all name.
fn pairs(headers: &HeaderMap) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    for line in headers.get_all(COOKIE) {
        for pair in line.as_bytes().split(|byte| *byte == b';') {
            let pair = pair.trim_ascii();
            match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => found.push((pair[..at].trim_ascii_end().to_vec(), Some(pair[at + 1..].to_vec()))),
                None if pair.is_empty() => {}
                None => found.push((pair.to_vec(), None)),
            }
        }
    }
    found
}
