//! Properties of what is decoded from requests and configurations: what is encoded comes back, and what is accepted has one
//! spelling.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{sync::Arc, time::Duration};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{CONNECTION, COOKIE, ORIGIN, SEC_WEBSOCKET_PROTOCOL, UPGRADE},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_core::{
    Auth, Basic, BoxFuture, Context, Credential, CredentialErrorKind, CredentialSources, Identity, Outcome,
    Provider, RequestHead, RequiredScopes, Resource, Scheme, Scopes, Step,
    config::{Node, Reader, Table},
};
use proptest::prelude::*;

fn few() -> ProptestConfig {
    ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() }
}

/// Knows everybody who brings a token, by the name of that token.
#[derive(Debug)]
struct Everybody;

impl Everybody {
    fn answer(credential: &Credential<'_>) -> Outcome {
        let Credential::Bearer(bearer) = credential else { panic!("a bearer token") };
        Outcome::known(Identity::new(bearer.token()))
    }
}

impl Provider for Everybody {
    fn kind(&self) -> &'static str {
        "everybody"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(Self::answer(credential))
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        _: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::ready(Self::answer(credential)))
    }
}

fn auth() -> Auth {
    let sources =
        CredentialSources::header().websocket_protocol().cookie("t").origin("https://app.example.org");
    let builder = Auth::builder().credential_sources(sources);
    builder.element(Arc::new(Everybody), RequiredScopes::anyone()).build().unwrap()
}

fn caller(auth: &Auth, headers: &HeaderMap) -> Option<String> {
    match auth.decide(&RequestHead::new(&Method::GET, "/", headers)) {
        Step::Ready(decision) => decision.ok()?.into_principal()?.identity().subject().map(str::to_owned),
        Step::Wait(_) => panic!("nothing is waited for"),
    }
}

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
}

/// Texts without control characters and colons: user names.
fn name() -> impl Strategy<Value = String> {
    "[^\\p{Cc}:]{1,20}"
}

/// Tokens as servers issue them.
fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9._~+/-]{1,40}={0,2}"
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn a_basic_pair_comes_back_as_it_was_encoded(user in name(), password in "[^\\p{Cc}]{1,20}") {
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        for text in [encoded.as_str(), encoded.trim_end_matches('=')] {
            let basic = Basic::decode(text).unwrap();
            prop_assert_eq!((basic.username(), basic.password()), (user.as_str(), password.as_str()));
        }
    }

    #[test]
    fn a_basic_credential_that_is_accepted_has_no_other_spelling_than_its_padding(text in "[A-Za-z0-9+/_=-]{0,16}") {
        if let Ok(basic) = Basic::decode(&text) {
            let encoded = STANDARD.encode(basic.pair());
            prop_assert!(text == encoded || text == encoded.trim_end_matches('='));
        }
    }

    #[test]
    fn a_basic_pair_with_a_control_character_is_refused(
        user in name(), at in any::<prop::sample::Index>(), control in "\\p{Cc}",
    ) {
        let mut pair = format!("{user}:{user}");
        let places: Vec<usize> = pair.char_indices().map(|(place, _)| place).collect();
        pair.insert_str(places[at.index(places.len())], &control);
        prop_assert_eq!(
            Basic::decode(&STANDARD.encode(pair)).unwrap_err().kind(),
            CredentialErrorKind::ControlCharacter
        );
    }

    #[test]
    fn a_token_among_subprotocols_is_read_in_both_forms_and_taken_out(token in "[A-Za-z0-9._~+-]{1,40}", before in 0..3_usize) {
        prop_assume!(!["p0", "p1", "p2", "bearer"].contains(&token.to_ascii_lowercase().as_str()));
        prop_assume!(!token.to_ascii_lowercase().starts_with("base64url.bearer."));
        let auth = auth();
        let others = ["p0", "p1", "p2"];
        for form in [format!("bearer, {token}"), format!("base64url.bearer.{}", URL_SAFE_NO_PAD.encode(&token))] {
            let mut offered: Vec<&str> = others.to_vec();
            offered.insert(before, &form);
            let list = offered.join(", ");
            let mut sent =
                headers(&[(UPGRADE, "websocket"), (CONNECTION, "Upgrade"), (SEC_WEBSOCKET_PROTOCOL, &list)]);
            prop_assert_eq!(caller(&auth, &sent), Some(token.clone()));
            prop_assert!(auth.conceal(&Method::GET, &mut sent).is_some());
            prop_assert_eq!(&sent[SEC_WEBSOCKET_PROTOCOL], &others.join(", "));
        }
    }

    #[test]
    fn a_token_in_a_cookie_is_read_and_taken_out_and_the_others_stay(
        token in token(), quoted in any::<bool>(), names in prop::collection::vec("[a-su-z]{1,8}", 0..4), at in any::<prop::sample::Index>(),
    ) {
        let auth = auth();
        let quote = if quoted { "\"" } else { "" };
        let others: Vec<String> = names.iter().map(|name| format!("{name}=t={token}")).collect();
        let mut cookies = others.clone();
        cookies.insert(at.index(others.len() + 1), format!("t={quote}{token}{quote}"));
        let mut sent = headers(&[(COOKIE, &cookies.join("; ")), (ORIGIN, "https://app.example.org")]);
        prop_assert_eq!(caller(&auth, &sent), Some(token));
        auth.conceal_cookies(&mut sent);
        let left = sent.get(COOKIE).map(|value| value.to_str().unwrap().to_owned());
        prop_assert_eq!(left.unwrap_or_default(), others.join("; "));
    }

    #[test]
    fn scopes_are_split_on_white_space_and_nowhere_else(scopes in prop::collection::vec("[!#-\\[\\]-~]{1,8}", 0..6), blank in "[ \\t\\n]{1,3}") {
        let text = format!("{blank}{}{blank}", scopes.join(&blank));
        let split = Scopes::split(&text);
        prop_assert_eq!(split.iter().collect::<Vec<_>>(), scopes.iter().map(String::as_str).collect::<Vec<_>>());
        for scope in &scopes {
            prop_assert!(split.contains(scope));
            let prefixed = format!("{scope}x");
            prop_assert!(!split.contains(&prefixed) || scopes.contains(&prefixed));
        }
    }

    #[test]
    fn spans_of_time_are_read_in_every_unit(number in 0..3000_u32, unit in 0..5_usize, blank in " {0,2}") {
        let (unit, millis) =
            [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)][unit];
        let read = span(&format!("{blank}{number}{blank}{unit}{blank}"));
        prop_assert_eq!(read, Ok(Duration::from_millis(u64::from(number) * millis)));
    }

    #[test]
    fn a_span_of_time_is_at_most_a_hundred_years_or_none(text in "\\PC{0,12}") {
        if let Ok(span) = span(&text) {
            prop_assert!(span <= Duration::from_secs(100 * 365 * 86_400));
        }
    }

    #[test]
    fn a_path_falls_under_the_same_policy_however_it_is_percent_encoded(
        segments in prop::collection::vec("[^\\p{Cc}/%;\\\\.{}?#]{1,6}", 1..4),
    ) {
        const SOME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'~');
        let decoded = format!("/{}", segments.join("/"));
        let auth = Auth::builder().refuse_uncovered().resource(Resource::new(decoded.clone()).public()).build().unwrap();
        let all = |segment: &String| segment.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let all: String = segments.iter().map(|segment| format!("/{}", all(segment))).collect();
        let some = utf8_percent_encode(&decoded, SOME).to_string();
        let headers = HeaderMap::new();
        let policy = |path: &str| {
            let policy = auth.policy_for(&RequestHead::new(&Method::GET, path, &headers)).unwrap();
            policy.label().to_owned()
        };
        prop_assert_eq!(policy(&all), format!("resource {}", decoded));
        prop_assert_eq!(policy(&some), format!("resource {}", decoded));
        prop_assert_eq!(policy(&format!("{some}x")), "service /");
    }
}

/// A span as a configuration writes it.
fn span(text: &str) -> Result<Duration, String> {
    let mut table = Table::default();
    table.insert("span", Node::from(text));
    let reader = Reader::new("");
    let section = reader.section(&table, "");
    let span = section.duration("span");
    drop(section);
    let problems: Vec<String> = reader.into_problems().iter().map(ToString::to_string).collect();
    match span {
        Some(span) if problems.is_empty() => Ok(span),
        _ => Err(problems.join("\n")),
    }
}
