//! The promises of providers.

use std::sync::Arc;

use http::HeaderValue;
use portcullis_core::{
    Clock, Contact, Context, Credential, IntoProvider, Outcome, Provider, Recall, RejectionKind,
    authenticate_header, credential,
};

/// What the contract suite needs to know of a provider.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "whoever runs the suite writes one down")]
pub struct Case {
    /// The provider, new: nothing remembered yet.
    pub provider: Arc<dyn Provider>,
    /// An `Authorization` value that it knows.
    pub good: HeaderValue,
    /// The subject behind it.
    pub subject: &'static str,
    /// `Authorization` values that it refuses, all of its scheme.
    pub bad: Vec<HeaderValue>,
    /// Whether it remembers whom it has let in, so that [`Provider::recall`] answers for them.
    pub recalls: bool,
    /// The clock that decides about expiry.
    pub clock: Arc<dyn Clock>,
}

fn read(value: &HeaderValue) -> Credential<'_> {
    match credential::from_header_value(value, usize::MAX) {
        Ok(credential) => credential,
        Err(error) => panic!("the case's credential cannot be read: {error}"),
    }
}

/// Runs the whole suite.
///
/// # Panics
///
/// Where the provider breaks its contract; the message says how.
pub async fn provider_keeps_its_contract(case: Case) {
    let Case { provider, good, subject, bad, clock, .. } = &case;
    assert_eq!(read(good).scheme(), provider.scheme(), "the good credential is of the provider's scheme");
    assert!(!provider.kind().is_empty(), "a provider has a kind");

    explaining_leaves_no_trace(&case).await;
    for round in ["first", "second"] {
        let outcome = answer(provider, good, &Context::new(clock)).await;
        match outcome {
            Outcome::Known(identity) => assert_eq!(identity.subject(), Some(*subject), "{round} round"),
            other => panic!("the good credential is known in the {round} round, not {other:?}"),
        }
        recalls_what_was_accepted(&case);
        for value in bad {
            let outcome = answer(provider, value, &Context::new(clock)).await;
            match outcome {
                Outcome::Refused(refusal) => {
                    assert!(
                        !refusal.code().is_empty() && !refusal.code().contains(' '),
                        "a code is one word: {refusal}"
                    );
                    says_nothing_secret(&format!("{refusal} {refusal:?}"), value);
                }
                other => panic!("a bad credential is refused in the {round} round, not {other:?}"),
            }
        }
    }
    for value in bad {
        recalls_nobody(&case, text(value));
    }
    recalls_what_was_accepted(&case);
    says_nothing_secret(&format!("{provider:?}"), good);

    // The imperative way gives the same answers.
    let principal = authenticate_header(provider, good, clock).await;
    assert_eq!(
        principal.map(|principal| principal.subject().map(str::to_owned)).ok().flatten().as_deref(),
        Some(*subject)
    );
    for value in bad {
        let rejection = authenticate_header(provider, value, clock).await.map(|_| ());
        assert_eq!(rejection.map_err(|rejection| rejection.kind()), Err(RejectionKind::Refused));
    }

    // A credential of the other scheme never makes a caller known.
    let other = match read(good) {
        Credential::Basic(_) => HeaderValue::from_static("Bearer abc"),
        _ => HeaderValue::from_static("Basic YWxpY2U6MTIz"),
    };
    let outcome = answer(provider, &other, &Context::new(clock)).await;
    assert!(!matches!(outcome, Outcome::Known(_)), "another scheme is not known");
    assert!(Arc::clone(provider).into_provider().is_ok());
}

/// The answer on whichever path the provider takes.
async fn answer(provider: &Arc<dyn Provider>, value: &HeaderValue, cx: &Context<'_>) -> Outcome {
    let credential = read(value);
    match provider.try_authenticate(&credential, cx) {
        Some(outcome) => outcome,
        None => provider.authenticate(&credential, cx).await,
    }
}

async fn explaining_leaves_no_trace(case: &Case) {
    let credential = read(&case.good);
    let plain = Context::new(&case.clock);
    let remembered = is_recalled(case, text(&case.good), &plain);
    let before = case.provider.try_authenticate(&credential, &plain.explaining(Contact::Forbidden)).is_some();
    let outcome = case.provider.authenticate(&credential, &plain.explaining(Contact::Allowed)).await;
    assert!(
        matches!(outcome, Outcome::Known(_)),
        "an explanation knows the good credential too: {outcome:?}"
    );
    let after = case.provider.try_authenticate(&credential, &plain.explaining(Contact::Forbidden)).is_some();
    assert_eq!(before, after, "explaining changes nothing about what is answered at once");
    let after = is_recalled(case, text(&case.good), &plain);
    assert_eq!(remembered, after, "explaining changes nothing about what is remembered");
}

/// What [`Provider::recall`] is asked with: what stands after scheme and space.
fn text(value: &HeaderValue) -> &[u8] {
    let bytes = value.as_bytes();
    let (_, text) = bytes.split_at(bytes.iter().position(|byte| *byte == b' ').map_or(0, |space| space + 1));
    text
}

/// Whether the caller of the case is remembered by a text. Nobody else may be.
fn is_recalled(case: &Case, text: &[u8], cx: &Context<'_>) -> bool {
    match case.provider.recall(text, cx) {
        Recall::Answer(Outcome::Known(identity)) => {
            assert_eq!(identity.subject(), Some(case.subject), "who is remembered is who was let in");
            true
        }
        Recall::Unasked | Recall::Nothing | Recall::NothingIn(_) | Recall::Answer(_) => false,
    }
}

/// A provider that remembers knows the caller by the text that was accepted, where it may recall. By no other text that
/// reads as another credential, or as none, is there an answer.
fn recalls_what_was_accepted(case: &Case) {
    let cx = Context::new(&case.clock);
    let good = text(&case.good);
    assert_eq!(is_recalled(case, good, &cx), case.recalls, "whether who was let in is remembered");
    for cx in [cx.afresh(), cx.explaining(Contact::Allowed), cx.explaining(Contact::Forbidden)] {
        let said = case.provider.recall(good, &cx);
        assert!(!matches!(said, Recall::Answer(_)), "memory is no answer where it may not recall: {cx:?}");
    }
    let is_another = |other: &&Vec<u8>| {
        !reads_alike(case, other) && case.bad.iter().all(|bad| text(bad) != other.as_slice())
    };
    for other in others(good).iter().filter(is_another) {
        let shown = String::from_utf8_lossy(other);
        let said = case.provider.recall(other, &cx);
        assert!(!matches!(said, Recall::Answer(_)), "nobody was asked about {shown:?}: {said:?}");
    }
    assert_eq!(is_recalled(case, good, &cx), case.recalls, "questions about others change nothing");
}

fn recalls_nobody(case: &Case, text: &[u8]) {
    let cx = Context::new(&case.clock);
    for cx in [cx, cx.afresh(), cx.explaining(Contact::Allowed), cx.explaining(Contact::Forbidden)] {
        match case.provider.recall(text, &cx) {
            Recall::Unasked | Recall::Nothing | Recall::NothingIn(_) => {}
            Recall::Answer(Outcome::Refused(_)) if cx.may_recall() => {}
            Recall::Answer(outcome) => {
                panic!("of what was refused at most that is remembered, not {outcome:?}")
            }
        }
    }
}

/// Texts that nearly are `text`.
fn others(text: &[u8]) -> Vec<Vec<u8>> {
    let mut others = vec![Vec::new(), [text, text].concat()];
    for byte in [b' ', b'\t', b',', b'=', b'A', b'.', 0, 0xff] {
        others.push([&[byte], text].concat());
        others.push([text, &[byte]].concat());
    }
    for tail in [&b", Bearer a"[..], b", ", b" a", b"=="] {
        others.push([text, tail].concat());
    }
    others.push([text, b",", text].concat());
    for at in 0..text.len() {
        let (before, after) = text.split_at(at);
        let Some((byte, rest)) = after.split_first() else { continue };
        others.push(before.to_vec());
        others.push([before, rest].concat());
        for other in [byte ^ 1, byte ^ 0x20, byte ^ 0x80, b',', b' '] {
            others.push([before, &[other], rest].concat());
        }
        others.push([before, b",", after].concat());
    }
    others.retain(|other| other != text);
    others
}

/// Whether a text is another spelling of the good credential, as Basic has one without padding.
fn reads_alike(case: &Case, text: &[u8]) -> bool {
    let value = [case.provider.scheme().as_str().as_bytes(), b" ", text].concat();
    let Ok(value) = HeaderValue::from_bytes(&value) else { return false };
    match (read(&case.good), credential::from_header_value(&value, usize::MAX)) {
        (Credential::Basic(good), Ok(Credential::Basic(other))) => {
            (good.username(), good.password()) == (other.username(), other.password())
        }
        (Credential::Bearer(good), Ok(Credential::Bearer(other))) => good.token() == other.token(),
        _ => false,
    }
}

fn says_nothing_secret(text: &str, value: &HeaderValue) {
    let secrets = match read(value) {
        Credential::Basic(basic) => vec![basic.password().to_owned()],
        Credential::Bearer(bearer) => bearer.token().rsplit('.').take(2).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    for secret in secrets.iter().filter(|secret| secret.len() > 3) {
        assert!(!text.contains(secret.as_str()), "a secret shows in {text:?}");
    }
}
