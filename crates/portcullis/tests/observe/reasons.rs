//! One refusal is called by one word in the log, the span, the metric, the audit event and the explanation.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use portcullis::{
    AuditLog, Auth, Contact, CredentialSources, Reason, RequestHead,
    metrics::{AuthMetrics, PrometheusText},
};

use super::{ByToken, Captured};

const APP: &str = "https://app.example.org";
const WS: [(&str, &str); 2] = [("upgrade", "websocket"), ("connection", "upgrade")];

/// The word between `before` and the next quotation mark, in the only line that holds all of `marks`.
fn word(lines: &[String], marks: &[&str], before: &str) -> String {
    let is_meant = |line: &&String| marks.iter().all(|mark| line.contains(mark));
    let meant: Vec<&String> = lines.iter().filter(is_meant).collect();
    let [line] = meant[..] else { panic!("{marks:?} in {lines:#?}") };
    let (_, rest) = line.split_once(before).unwrap_or_else(|| panic!("{before} in {line}"));
    rest.split('"').next().unwrap().to_owned()
}

/// Asserts that everybody is told of `reason` and of `outcome`.
async fn assert_told(lines: &[(&'static str, &[u8])], outcome: &str, reason: Reason) {
    let text = Arc::new(PrometheusText::new());
    let sources = CredentialSources::header().websocket_protocol().cookie("sid").origin(APP);
    let auth = Auth::builder()
        .path("/foo")
        .element(ByToken, "hello")
        .credential_sources(sources)
        .max_credential_bytes(100)
        .observer(Arc::new(AuthMetrics::new(text.clone())))
        .observer(Arc::new(AuditLog))
        .build()
        .unwrap();
    let header = |(name, value): &(&'static str, &[u8])| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.iter().map(header) {
        headers.append(name, value);
    }
    let head = RequestHead::new(&Method::GET, "/foo/x", &headers);
    let (captured, guard) = Captured::start();
    let rejection = auth.decided(&head).await.unwrap_err();
    drop(guard);
    let explained = auth.explain(&head, Contact::Forbidden).await.reason;
    let (logged, page) = (captured.lines(), text.render());
    let counted: Vec<String> = page.lines().map(str::to_owned).collect();
    let decisions = ["portcullis_decisions_total{"];
    for (told, expected) in [
        (word(&logged, &["request not let in"], " reason=\""), reason.as_str()),
        (word(&logged, &["portcullis::audit"], " reason=\""), reason.as_str()),
        (word(&logged, &["portcullis::audit"], " outcome=\""), outcome),
        (word(&logged, &[": close"], " reason=\""), reason.as_str()),
        (word(&logged, &[": close"], " outcome=\""), outcome),
        (word(&counted, &decisions, ",reason=\""), reason.as_str()),
        (word(&counted, &decisions, ",outcome=\""), outcome),
        (explained.unwrap().to_string(), reason.as_str()),
    ] {
        assert_eq!(told, expected, "{lines:?}: {logged:#?} {page}");
    }
    let closed = logged.iter().find(|line| line.contains(": close")).unwrap();
    assert!(closed.contains(&format!(" status={}", rejection.status().as_u16())), "{closed}");
    let element = " element=\"by-token\"";
    let is_asked = page.contains(",element=\"by-token\"");
    for line in logged.iter().filter(|line| line.contains("reason=\"")) {
        assert_eq!(line.contains(element), is_asked, "{line}");
    }
    let mut answer = HeaderMap::new();
    rejection.write_headers(&mut answer);
    // The protocol's own words for it are in its challenge.
    if !matches!(reason, Reason::InsufficientScope) {
        assert!(!format!("{answer:?}").contains(reason.as_str()), "{answer:?}");
    }
}

/// A token that holds the reason's word: the provider says no more of it than the reason.
async fn assert_told_of_token(start: &str, outcome: &str, reason: Reason) {
    let value = format!("Bearer {start}.{reason}");
    assert_told(&[("authorization", value.as_bytes())], outcome, reason).await;
}

#[tokio::test]
async fn every_reason_of_a_refusal() {
    for reason in Reason::ALL {
        assert_told_of_token("refused", "refused", *reason).await;
    }
}

#[tokio::test]
async fn every_reason_of_an_element_that_cannot_tell() {
    for reason in Reason::ALL {
        let is_throttled = *reason == Reason::TooManyAttempts;
        let outcome = if is_throttled { "throttled" } else { "unavailable" };
        assert_told_of_token("unavailable", outcome, *reason).await;
    }
}

#[tokio::test]
async fn every_reason_of_what_no_element_was_asked_about() {
    let long = format!("Bearer {}", "a".repeat(100));
    let lone = "base64url.bearer.dDBrZW4";
    let (ws, origin) = (WS, ("origin", APP));
    let protocols = |list: &'static str| vec![ws[0], ws[1], ("sec-websocket-protocol", list)];
    let authorization = |value: &'static str| vec![("authorization", value)];
    for (lines, reason) in [
        (vec![], Reason::NoCredential),
        (authorization("Digest a"), Reason::NotLookedAt),
        (authorization("Basic YTpi"), Reason::NotLookedAt),
        (vec![("authorization", "Bearer a"), ("authorization", "Bearer a")], Reason::RepeatedHeader),
        (vec![("authorization", &*long)], Reason::TooLong),
        (authorization("Bearer \u{e4}"), Reason::ForbiddenByte),
        (authorization("Bearer"), Reason::EmptyCredential),
        (authorization("Bearer a b"), Reason::TrailingWords),
        (vec![("cookie", "sid=a%20b"), origin], Reason::NotToken68),
        (authorization("Basic !"), Reason::NotBase64),
        (authorization("Basic /zph"), Reason::NotUtf8),
        (authorization("Basic YQ=="), Reason::NoColon),
        (authorization("Basic OmE="), Reason::EmptyUsername),
        (authorization("Basic YTo="), Reason::EmptyPassword),
        (authorization("Basic YQA6Yg=="), Reason::ControlCharacter),
        (vec![("authorization", "Bearer a"), ("cookie", "sid=c"), origin], Reason::SeveralSources),
        (protocols("bearer,, a"), Reason::MalformedProtocols),
        (protocols("bearer, a, chat, chat"), Reason::RepeatedProtocol),
        (protocols("chat, bearer"), Reason::BearerWithoutToken),
        (protocols("Bearer, a"), Reason::MisspelledBearer),
        (protocols("bearer, a, base64url.bearer.dDBrZW4"), Reason::SeveralTokens),
        (protocols(lone), Reason::LoneToken),
        (protocols("chat, base64url.bearer.dDBr+W4"), Reason::NotBase64Url),
        (vec![("cookie", "sid=c; sid=d"), origin], Reason::RepeatedCookie),
        (vec![("cookie", "sid=c"), ("origin", "https://evil.example")], Reason::ForeignOrigin),
        (vec![("cookie", "sid=c")], Reason::MissingOrigin),
    ] {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        assert_told(&lines, "refused", reason).await;
    }
    assert_told(&[("authorization", b"Bearer weak")], "forbidden", Reason::InsufficientScope).await;
    assert_told(&[("authorization", b"Bearer panics")], "unavailable", Reason::Panicked).await;
}
