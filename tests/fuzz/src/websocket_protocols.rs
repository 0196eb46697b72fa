//! The subprotocols that a WebSocket client offers: each line a `Sec-WebSocket-Protocol` header.

use std::sync::{Arc, LazyLock};

use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CONNECTION, SEC_WEBSOCKET_PROTOCOL, UPGRADE},
};
use portcullis_core::{Auth, CredentialSources, RequestHead, RequiredScopes, Step};

use crate::support::{Everybody, base64url};

static AUTH: LazyLock<Auth> = LazyLock::new(|| {
    let builder = Auth::builder().credential_sources(CredentialSources::header().websocket_protocol());
    builder.element(Arc::new(Everybody), RequiredScopes::anyone()).build().unwrap()
});

/// Takes the lines.
pub fn run(data: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    for line in data.split(|byte| *byte == b'\n').take(64) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(SEC_WEBSOCKET_PROTOCOL, value);
        }
    }
    let offered = names(&headers);
    let token = caller(&headers);
    let (mut bare, bearer) = (headers.clone(), b"bearer".to_vec());
    bare.remove(UPGRADE);
    assert_eq!(caller(&bare), None, "who opens no WebSocket offers no subprotocol");

    let mut concealed = headers.clone();
    let answers = AUTH.conceal(&Method::GET, &mut concealed);
    let left = names(&concealed);
    assert!(!left.iter().any(|name| name.eq_ignore_ascii_case(b"bearer")), "{left:?}");
    let encoded = |name: &Vec<u8>| name.len() >= 17 && name[..17].eq_ignore_ascii_case(b"base64url.bearer.");
    assert!(!left.iter().any(encoded), "{left:?}");
    match &token {
        Some(token) => {
            let (plain, wrapped) =
                (token.clone().into_bytes(), format!("base64url.bearer.{}", base64url(token)).into_bytes());
            let as_plain = offered.windows(2).any(|pair| pair[0] == bearer && pair[1] == plain);
            assert!(as_plain || offered.contains(&wrapped), "a token that was not offered");
            assert!(answers.is_some());
            let expected: Vec<_> = offered
                .iter()
                .filter(|name| **name != wrapped && !(as_plain && (**name == bearer || **name == plain)))
                .cloned()
                .collect();
            assert_eq!(left, expected, "the token is gone, and nothing else is");
        }
        None if answers.is_some() => {}
        None => assert_eq!(left, offered),
    }
    assert!(!headers.contains_key(SEC_WEBSOCKET_PROTOCOL) || answers.is_some() || token.is_none());
    let once = concealed.clone();
    assert!(AUTH.conceal(&Method::GET, &mut concealed).is_none() || once.is_empty());
    assert_eq!(concealed, once);
    assert_eq!(caller(&concealed), None);

    let Some(answers) = answers else { return };
    let debug = format!("{answers:?}");
    for selected in [None, Some("chat"), Some("bearer"), token.as_deref()] {
        let mut answer = HeaderMap::new();
        if let Some(selected) = selected.and_then(|name| HeaderValue::from_str(name).ok()) {
            answer.insert(SEC_WEBSOCKET_PROTOCOL, selected);
        }
        answers.answer(StatusCode::SWITCHING_PROTOCOLS, &mut answer);
        for name in names(&answer) {
            assert!(offered.contains(&name), "what was not offered is not selected");
            let is_token = token.as_ref().is_some_and(|token| token.as_bytes() == name);
            // The entry that is the token may be spelled as another one that was offered: then it is that one.
            assert!(!is_token || left.contains(&name) || name == bearer, "the token is the answer");
        }
    }
    if let Some(token) = &token {
        assert!(
            token.len() < 8
                || left.iter().any(|name| contains(name, token.as_bytes()))
                || !debug.contains(token)
        );
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn names(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let parts = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    parts.map(|part| part.trim_ascii().to_vec()).collect()
}

fn caller(headers: &HeaderMap) -> Option<String> {
    match AUTH.decide(&RequestHead::new(&Method::GET, "/", headers)) {
        Step::Ready(decision) => decision.ok()?.into_principal()?.identity().subject().map(str::to_owned),
        Step::Wait(_) => panic!("nothing is waited for"),
    }
}
