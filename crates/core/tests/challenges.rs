//! What a refused caller is told depends on what was shown.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use http::{
    HeaderMap, HeaderValue, Method,
    header::{AUTHORIZATION, VARY},
};
use portcullis_core::{
    Auth, BoxFuture, Context, Credential, Outcome, Provider, Reason, RejectionKind, RequestHead, Scheme, Step,
};

#[derive(Debug)]
struct Refuses(Scheme);

impl Provider for Refuses {
    fn kind(&self) -> &'static str {
        "refuses"
    }

    fn scheme(&self) -> Scheme {
        self.0
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(Outcome::refused(Reason::Other, "it always is"))
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::refused(Reason::Other, "it always is") })
    }
}

#[test]
fn a_token_is_called_invalid_only_where_one_was_shown() {
    let auth = Auth::builder()
        .element(Refuses(Scheme::Basic), "a")
        .element(Refuses(Scheme::Bearer), "a")
        .build()
        .unwrap();
    let (basic, bearer) = ("Basic realm=\"portcullis\", charset=\"UTF-8\"", "Bearer realm=\"portcullis\"");
    let invalid = "Bearer realm=\"portcullis\", error=\"invalid_token\"";
    for (shown, kind, challenges) in [
        (None, RejectionKind::NoCredential, [basic, bearer]),
        (Some("Bearer token"), RejectionKind::Refused, [basic, invalid]),
        (Some("Basic YWxpY2U6c2VjcmV0"), RejectionKind::Refused, [basic, bearer]),
    ] {
        let headers: HeaderMap =
            shown.map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).into_iter().collect();
        let Step::Ready(Err(rejection)) = auth.decide(&RequestHead::new(&Method::GET, "/", &headers)) else {
            panic!("nobody gets in");
        };
        assert_eq!(
            (rejection.kind(), rejection.challenges()),
            (kind, &challenges.map(HeaderValue::from_static)[..])
        );
    }
}

#[test]
fn headers_that_are_there_already_stay_beside_those_of_the_refusal() {
    let auth = Auth::builder().element(Refuses(Scheme::Bearer), "a").build().unwrap();
    for shown in [None, Some("Bearer token"), Some("Bearer a b")] {
        let headers: HeaderMap =
            shown.map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).into_iter().collect();
        let Step::Ready(Err(rejection)) = auth.decide(&RequestHead::new(&Method::GET, "/", &headers)) else {
            panic!("nobody gets in");
        };
        let (mut alone, mut beside) = (HeaderMap::new(), HeaderMap::new());
        rejection.write_headers(&mut alone);
        beside.insert(VARY, HeaderValue::from_static("origin"));
        rejection.write_headers(&mut beside);
        assert_eq!(beside.remove(VARY).unwrap(), "origin");
        assert_eq!(beside, alone);
    }
}
