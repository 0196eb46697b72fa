use std::{
    collections::HashSet,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use portcullis_core::{Authorization, Clock, Scheme, Secret, TokenSource, UnixTime};
use portcullis_testing::{
    ManualClock,
    contract::{SourceCase, token_source_keeps_its_contract},
};
use serde_json::{Value, json};

use super::{SelfSignedJwt, read};
use crate::{
    JwtIssuer, JwtIssuerConfig, JwtValidator, JwtValidatorConfig, SignatureConfig, SigningConfig,
    decode_unverified,
    fixtures::{self, NOW, SECRET},
};

/// A source whose signatures are counted, and may be told to fail.
struct Counted {
    source: Arc<SelfSignedJwt>,
    clock: ManualClock,
    signatures: Arc<AtomicU64>,
    fails: Arc<AtomicBool>,
}

impl Counted {
    fn new(life: Duration) -> Self {
        Self::waiting(life, || {})
    }

    /// `before` is called before every signature.
    fn waiting(life: Duration, before: impl Fn() + Send + Sync + 'static) -> Self {
        let issuer = JwtIssuer::new(config().expiry(life)).unwrap();
        let (signatures, fails) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, broken) = (Arc::clone(&signatures), Arc::clone(&fails));
        let sign = move |now| {
            count.fetch_add(1, Ordering::SeqCst);
            before();
            // It would expire after the end of time.
            issuer.issue(if broken.load(Ordering::SeqCst) { UnixTime::MAX } else { now })
        };
        let clock = ManualClock::at(NOW);
        let source = SelfSignedJwt::signed_by(Box::new(sign), life).clock(Arc::new(clock.clone()));
        Self { source: Arc::new(source), clock, signatures, fails }
    }

    fn signatures(&self) -> u64 {
        self.signatures.load(Ordering::SeqCst)
    }

    fn token(&self) -> Authorization {
        self.source.try_token().expect("a token is signed in passing")
    }
}

fn config() -> JwtIssuerConfig {
    JwtIssuerConfig::new(SigningConfig::secret(SECRET)).username("orders")
}

fn claims(authorization: &Authorization) -> Value {
    Value::Object(decode_unverified(authorization.token().unwrap().expose()).unwrap().claims)
}

fn is_good(authorization: &Authorization, now: UnixTime) -> bool {
    let validator = JwtValidator::new(JwtValidatorConfig::new(SignatureConfig::secret(SECRET))).unwrap();
    validator.validate(authorization.token().unwrap().expose(), now).is_ok()
}

#[test]
fn a_hundred_thousand_requests_take_one_signature() {
    let counted = Counted::new(Duration::from_secs(300));
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                start.wait();
                let first = counted.token();
                assert!((1..25_000).all(|_| counted.token() == first));
            });
        }
    });
    assert_eq!(counted.signatures(), 1);
}

#[test]
fn a_token_is_replaced_a_tenth_of_its_life_before_it_expires_and_never_within_one_second() {
    for (life, replaced_after) in
        [(3_600, 3_570_000), (300, 270_000), (100, 90_000), (10, 9_000), (2, 1_800), (1, 1_000)]
    {
        // The times in a token are whole seconds, wherever in one of them it is made.
        for made_after in [0, 950] {
            let counted = Counted::new(Duration::from_secs(life));
            let at = |millis| counted.clock.set(NOW.saturating_add(Duration::from_millis(millis)));
            at(made_after);
            let first = counted.token();
            at(replaced_after - 1);
            assert_eq!(counted.token(), first, "{life}");
            at(replaced_after);
            let second = counted.token();
            assert_ne!(second, first, "{life}");
            assert_eq!(counted.signatures(), 2, "{life}");
            assert_eq!(claims(&second)["nbf"], NOW.as_secs() + replaced_after / 1_000);
        }
    }
}

#[test]
fn a_token_of_a_second_or_two_is_good_whenever_it_is_sent_and_signed_once_a_second_at_most() {
    for life in [1, 2] {
        let counted = Counted::new(Duration::from_secs(life));
        let mut sent = HashSet::new();
        for _ in 0..10_000 {
            let token = counted.token();
            if sent.insert(token.token().unwrap().expose().to_owned()) {
                assert!(is_good(&token, counted.clock.now()));
            }
            let exp = claims(&token)["exp"].as_u64().unwrap();
            assert!(counted.clock.now() < UnixTime::from_secs(exp));
            counted.clock.advance(Duration::from_millis(1));
        }
        assert!(counted.signatures() <= 10, "{} in ten seconds", counted.signatures());
    }
}

#[test]
fn whoever_waits_at_the_moment_of_expiry_shares_one_signature() {
    let counted = Counted::new(Duration::from_secs(60));
    let old = counted.token();
    counted.clock.advance(Duration::from_secs(60));
    let start = Barrier::new(16);
    let tokens = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                start.wait();
                tokens.lock().unwrap().push(counted.token());
            });
        }
    });
    let tokens = tokens.into_inner().unwrap();
    assert!(tokens.len() == 16 && tokens.iter().all(|token| *token == tokens[0] && *token != old));
    assert_eq!(counted.signatures(), 2);
}

#[test]
fn while_one_signs_the_others_send_the_old_one() {
    let (began, begins) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = Mutex::new(goes_on);
    let counted = Counted::waiting(Duration::from_secs(60), move || {
        began.send(()).unwrap();
        goes_on.lock().unwrap().recv().unwrap();
    });
    go_on.send(()).unwrap();
    let old = counted.token();
    begins.recv().unwrap();
    counted.clock.advance(Duration::from_secs(54));
    let source = Arc::clone(&counted.source);
    let signs = thread::spawn(move || source.try_token());
    begins.recv().unwrap();
    assert!((0..100).all(|_| counted.token() == old));
    go_on.send(()).unwrap();
    let new = signs.join().unwrap().unwrap();
    assert_ne!(new, old);
    assert_eq!((counted.token(), counted.signatures()), (new, 2));
}

#[tokio::test]
async fn where_signing_fails_the_old_token_is_sent_while_it_lives_and_then_the_error_says_why() {
    let counted = Counted::new(Duration::from_secs(60));
    let first = counted.source.token().await.unwrap();
    assert_eq!(counted.token(), first);
    counted.fails.store(true, Ordering::SeqCst);
    counted.clock.advance(Duration::from_secs(59));
    assert_eq!(counted.token(), first);
    assert_eq!(counted.source.token().await.unwrap(), first);
    assert!(!counted.source.refused(&first), "there is no other");
    counted.clock.set(NOW.saturating_sub(Duration::from_secs(1)));
    assert_eq!(counted.source.try_token(), None, "it is not good yet");
    counted.clock.set(NOW.saturating_add(Duration::from_secs(60)));
    assert_eq!(counted.source.try_token(), None);
    let error = counted.source.token().await.unwrap_err();
    assert_eq!(
        format!("{error:?}"),
        "the client's token cannot be signed: the claims cannot be written as JSON"
    );
    assert!(!error.is_transient());
    assert!(!counted.source.refused(&first));
    counted.fails.store(false, Ordering::SeqCst);
    assert_ne!(counted.source.token().await.unwrap(), first);
}

#[test]
fn a_clock_that_is_set_costs_one_signature_either_way() {
    let counted = Counted::new(Duration::from_secs(300));
    let first = counted.token();
    counted.clock.advance(Duration::from_secs(200));
    counted.clock.set(NOW.saturating_add(Duration::from_secs(1)));
    assert_eq!(counted.token(), first, "as good as it was");
    // Before the token's `nbf`, for however long.
    let earlier = NOW.saturating_sub(Duration::from_secs(86_400));
    counted.clock.set(earlier);
    let second = counted.token();
    assert_eq!((&claims(&second)["nbf"], counted.signatures()), (&json!(earlier.as_secs()), 2));
    assert!(is_good(&second, earlier));
    assert_eq!((counted.token(), counted.signatures()), (second, 2));
    counted.clock.set(NOW);
    let third = counted.token();
    assert!(is_good(&third, NOW));
    assert_eq!((counted.token(), counted.signatures()), (third, 3));
}

#[test]
fn a_refused_token_is_replaced_once_in_ten_seconds() {
    let counted = Counted::new(Duration::from_secs(300));
    let (source, first) = (&counted.source, counted.token());
    assert!(source.refused(&first));
    assert_eq!(counted.signatures(), 2, "signed when it is asked for");
    let second = counted.token();
    assert_ne!(second, first);
    for _ in 0..1_000 {
        assert!(source.refused(&first), "a newer one is at hand");
        assert!(!source.refused(&second));
    }
    // By civil time, ten seconds pass in no time.
    counted.clock.set(NOW.saturating_add(Duration::from_secs(60)));
    assert!(!source.refused(&second));
    counted.clock.advance(Duration::from_millis(9_999));
    assert!(!source.refused(&second));
    assert_eq!((counted.token(), counted.signatures()), (second.clone(), 2));
    counted.clock.advance(Duration::from_millis(1));
    assert!(source.refused(&second));
    assert_ne!(counted.token(), second);
    assert_eq!(counted.signatures(), 3);
}

#[test]
fn a_refused_token_that_has_expired_since_was_replaced_for_that() {
    let counted = Counted::new(Duration::from_secs(5));
    let first = counted.token();
    counted.clock.advance(Duration::from_secs(5));
    assert!(counted.source.refused(&first));
    let second = counted.token();
    assert!(counted.source.refused(&second), "that was no refusal's signature");
    assert_eq!(counted.signatures(), 3);
}

#[test]
fn a_token_that_would_come_out_the_same_cannot_replace_itself() {
    let issuer = JwtIssuer::new(config().jwt_id("7")).unwrap();
    let source = SelfSignedJwt::new(issuer).clock(Arc::new(ManualClock::at(NOW)));
    let token = source.try_token().unwrap();
    assert!(!source.refused(&token));
}

#[tokio::test]
async fn it_keeps_the_contract_of_sources() {
    let counted = Counted::new(Duration::from_secs(300));
    let signatures = Arc::clone(&counted.signatures);
    let signed = move || usize::try_from(signatures.load(Ordering::SeqCst)).unwrap();
    token_source_keeps_its_contract(SourceCase {
        source: counted.source,
        scheme: Scheme::Bearer,
        renews: true,
        subject: None,
        requests: Some(Box::new(signed)),
        secrets: vec![SECRET.to_owned()],
    })
    .await;
}

/// What the table of a client is read as, at [`NOW`].
fn source(table: &Value) -> (Option<Arc<dyn TokenSource>>, Vec<String>, Vec<String>) {
    fixtures::read(table, read)
}

#[tokio::test]
async fn a_clients_record_is_read() {
    let table = json!({
        "issuer": "wso2", "username": "admin", "audience": "ballerina", "jwtId": "7", "keyId": "k", "expTime": 60,
        "customClaims": {"scp": "write"}, "signatureConfig": {"algorithm": "HS256", "config": SECRET},
    });
    let (source, problems, warnings) = source(&table);
    assert_eq!((problems, warnings), (Vec::new(), Vec::new()));
    let source = source.unwrap();
    let token = source.try_token().unwrap();
    assert_eq!(token.scheme(), Scheme::Bearer);
    assert_eq!(source.token().await.unwrap(), token);
    let now = NOW.as_secs();
    assert_eq!(
        claims(&token),
        json!({"iss": "wso2", "sub": "admin", "aud": "ballerina", "exp": now + 60, "nbf": now, "iat": now, "jti": "7",
               "scp": "write"})
    );
    assert!(source.probe().await.is_empty(), "no server is asked");
    assert_eq!(format!("{source:?}"), "SelfSignedJwt { life: 60s, .. }");
}

#[test]
fn a_clients_record_with_a_mistake_is_no_source() {
    let (none, problems, _) =
        source(&json!({"expTime": 0, "signatureConfig": {"algorithm": "HS256", "config": "short"}}));
    assert!(none.is_none());
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().any(|problem| problem.starts_with("c.expTime: ")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.starts_with("c.signatureConfig.config: ")), "{problems:?}");
}

#[test]
fn a_client_may_send_tokens_without_a_signature_which_is_told_and_which_the_validator_refuses() {
    for name in ["NONE", "jwt:NONE", "none"] {
        let table = json!({"username": "admin", "signatureConfig": {"algorithm": name}});
        let (source, problems, warnings) = source(&table);
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            warnings,
            [
                "c.signatureConfig.algorithm: tokens without a signature prove nothing: anybody can make such a token"
            ]
        );
        let token = source.unwrap().try_token().unwrap().token().unwrap();
        assert!(token.expose().ends_with('.') && token.expose().matches('.').count() == 2);
        let shown = decode_unverified(token.expose()).unwrap();
        assert_eq!(Value::Object(shown.header), json!({"alg": "none", "typ": "JWT"}));
        assert_eq!(shown.claims["sub"], "admin");
        for keys in [SignatureConfig::secret(SECRET), SignatureConfig::cert_file(fixtures::public_crt())] {
            let validator = JwtValidator::new(JwtValidatorConfig::new(keys)).unwrap();
            assert_eq!(validator.validate(token.expose(), NOW).unwrap_err().code(), "unsupported-algorithm");
        }
    }
}

#[test]
fn no_secret_is_shown() {
    let issuer = JwtIssuer::new(config().custom_claim("canary-claim", "canary-claim")).unwrap();
    let source = SelfSignedJwt::new(issuer);
    let token: Secret = source.try_token().unwrap().token().unwrap();
    let shown = format!("{source:?} {:?}", source.try_token());
    for secret in [SECRET, token.expose(), "canary-claim"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[derive(Debug, Default)]
struct Notes(Mutex<Vec<&'static str>>);

impl portcullis_core::RefreshObserver for Notes {
    fn refreshed(&self, refreshed: &portcullis_core::Refreshed<'_>) {
        self.0.lock().unwrap().push(refreshed.outcome());
    }
}

#[test]
fn how_long_the_token_lasts_is_told_once_there_is_one() {
    let counted = Counted::new(Duration::from_secs(300));
    assert_eq!(counted.source.expires_in(), None);
    counted.token();
    assert_eq!(counted.source.expires_in(), Some(Duration::from_secs(300)));
    counted.clock.advance(Duration::from_secs(100));
    assert_eq!(counted.source.expires_in(), Some(Duration::from_secs(200)));
    counted.clock.advance(Duration::from_secs(201));
    assert_eq!(counted.source.expires_in(), Some(Duration::ZERO));
}

#[test]
fn each_signature_is_told_to_who_watches() {
    let (counted, notes) = (Counted::new(Duration::from_secs(300)), Arc::new(Notes::default()));
    counted.source.watch_refreshes(notes.clone());
    counted.token();
    counted.token();
    assert_eq!(*notes.0.lock().unwrap(), ["success"]);
    counted.clock.advance(Duration::from_secs(300));
    counted.token();
    assert_eq!(*notes.0.lock().unwrap(), ["success", "success"]);
}

#[test]
fn a_lease_is_good_while_no_other_token_is_needed() {
    let counted = Counted::new(Duration::from_secs(300));
    let first = counted.source.lease().expect("a token is signed in passing");
    assert_eq!((first.token(), counted.signatures()), (&counted.token(), 1));
    counted.clock.advance(Duration::from_secs(269));
    assert!(first.is_good() && Arc::ptr_eq(&first, &counted.source.lease().unwrap()));
    counted.clock.advance(Duration::from_secs(1));
    assert!(!first.is_good());
    let second = counted.source.lease().unwrap();
    assert!(second.is_good() && second.token() != first.token());
    assert_eq!(counted.signatures(), 2);
}

#[test]
fn a_lease_ends_with_a_refusal_and_with_a_clock_that_is_set() {
    let counted = Counted::new(Duration::from_secs(300));
    let first = counted.source.lease().unwrap();
    counted.clock.advance(Duration::from_secs(10));
    assert!(counted.source.refused(first.token()));
    assert!(!first.is_good());
    let second = counted.source.lease().unwrap();
    assert!(second.is_good());
    counted.clock.set(NOW);
    assert!(!second.is_good(), "it is not good yet");
    assert!(counted.source.lease().unwrap().is_good());
    assert!(!second.is_good());
}
