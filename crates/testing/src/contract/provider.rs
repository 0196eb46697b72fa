//! The promises of providers.

use std::sync::Arc;

use http::HeaderValue;
use portcullis_core::{
    Clock, Contact, Context, Credential, IntoProvider, Outcome, Provider, RejectionKind, authenticate_header,
    credential,
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
    let Case { provider, good, subject, bad, clock } = &case;
    assert_eq!(read(good).scheme(), provider.scheme(), "the good credential is of the provider's scheme");
    assert!(!provider.kind().is_empty(), "a provider has a kind");

    explaining_leaves_no_trace(&case).await;
    for round in ["first", "second"] {
        let outcome = answer(provider, good, &Context::new(clock)).await;
        match outcome {
            Outcome::Known(identity) => assert_eq!(identity.subject(), Some(*subject), "{round} round"),
            other => panic!("the good credential is known in the {round} round, not {other:?}"),
        }
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
    let before = case.provider.try_authenticate(&credential, &plain.explaining(Contact::Forbidden)).is_some();
    let outcome = case.provider.authenticate(&credential, &plain.explaining(Contact::Allowed)).await;
    assert!(
        matches!(outcome, Outcome::Known(_)),
        "an explanation knows the good credential too: {outcome:?}"
    );
    let after = case.provider.try_authenticate(&credential, &plain.explaining(Contact::Forbidden)).is_some();
    assert_eq!(before, after, "explaining changes nothing about what is answered at once");
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
