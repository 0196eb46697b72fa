//! What is remembered, and what is looked at again on every use.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use portcullis_core::{
    Auth, Bearer, Clock, Contact, Context, Credential, Identity, Outcome, Provider as _, Recall, RequestHead,
    Step, UnixTime,
};
use portcullis_testing::{
    ManualClock,
    contract::{Case, provider_keeps_its_contract},
};
use serde_json::{Value, json};

use super::{
    super::{cache::Now, claims::most_bytes, signature::Keys},
    config, validator,
};
use crate::{
    Algorithm, CacheConfig, JwtValidator, JwtValidatorConfig, SignatureConfig,
    fixtures::{NOW, Signs, claims, claims_with, public_crt, rsa_signing},
    keys::KeySet,
};

pub(super) struct Bench {
    pub(super) validator: JwtValidator,
    pub(super) manual: ManualClock,
    clock: Arc<dyn Clock>,
}

impl Bench {
    pub(super) fn new(config: JwtValidatorConfig) -> Self {
        let manual = ManualClock::at(NOW);
        Self { validator: validator(config), clock: Arc::new(manual.clone()), manual }
    }

    fn ask_with(&self, token: &str, explain: bool) -> Result<Arc<Identity>, &'static str> {
        let credential = Credential::Bearer(Bearer::new(token).unwrap());
        let mut cx = Context::new(&self.clock);
        if explain {
            cx = cx.explaining(Contact::Forbidden);
        }
        match self.validator.try_authenticate(&credential, &cx).expect("it never waits") {
            Outcome::Known(identity) => Ok(identity),
            Outcome::Refused(refusal) => Err(refusal.code()),
            Outcome::Unavailable(why) => panic!("{why}"),
        }
    }

    pub(super) fn ask(&self, token: &str) -> Result<Arc<Identity>, &'static str> {
        self.ask_with(token, false)
    }

    /// Whether the second answer is the first one, remembered.
    fn remembers(&self, token: &str) -> bool {
        Arc::ptr_eq(&self.ask(token).unwrap(), &self.ask(token).unwrap())
    }

    fn moment(&self) -> Now<'_> {
        Now { civil: self.clock.now(), clock: &self.clock, monotonic: None }
    }

    pub(super) fn len(&self) -> usize {
        self.validator.cache.as_ref().map_or(0, super::super::cache::TokenCache::len)
    }
}

fn fixed(validator: &JwtValidator) -> &KeySet {
    match &validator.keys {
        Keys::Fixed(keys) => keys,
        #[cfg(feature = "jwks")]
        Keys::Fetched(source) => panic!("{source:?}"),
    }
}

pub(super) fn token(claims: &Value) -> String {
    Signs::secret().claims(claims)
}

#[test]
fn an_accepted_token_is_remembered_and_compared_whole() {
    let bench = Bench::new(config());
    let first = token(&claims());
    assert!(bench.remembers(&first));
    assert_eq!(bench.len(), 1);
    // The same claims under another spelling of the header are another token.
    let second = Signs::secret().token(&json!({"alg": "HS256"}), &claims());
    assert!(!Arc::ptr_eq(&bench.ask(&first).unwrap(), &bench.ask(&second).unwrap()));
    // The same text with another signature is refused, remembered or not.
    let (head, signature) = first.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    assert_eq!(bench.ask(&format!("{head}.{other}{}", &signature[1..])).unwrap_err(), "bad-signature");
    assert_eq!(bench.len(), 2);
}

#[test]
fn a_remembered_token_is_known_before_it_is_read_and_nothing_else_is() {
    let bench = Bench::new(config());
    let token = token(&claims());
    let recall_with = |text: &str, cx: &Context<'_>| match bench.validator.recall(text.as_bytes(), cx) {
        Recall::Answer(Outcome::Known(identity)) => Some(identity),
        Recall::Nothing => None,
        other => panic!("{other:?}"),
    };
    let recall = |text: &str| recall_with(text, &Context::new(&bench.clock));
    assert!(recall(&token).is_none());
    let known = bench.ask(&token).unwrap();
    assert!(Arc::ptr_eq(&known, &recall(&token).unwrap()));
    for other in ["", " ", &token[1..], &token[..token.len() - 1], &format!(" {token}"), &format!("{token} ")]
    {
        assert!(recall(other).is_none(), "{other:?}");
    }
    let cx = Context::new(&bench.clock);
    assert!(recall_with(&token, &cx.afresh()).is_none());
    assert!(recall_with(&token, &cx.explaining(Contact::Forbidden)).is_none());
    bench.manual.set(UnixTime::from_secs(NOW.as_secs() + 1_000_000));
    assert!(recall(&token).is_none(), "it has expired");
    assert_eq!(bench.len(), 0);
}

#[test]
fn claims_are_the_same_whether_remembered_or_not() {
    let claims = claims_with("nested", json!({"a": [1, 2.5, {"b": null}], "\u{e9}": "x"}));
    let token = token(&claims);
    let bench = Bench::new(config());
    assert_eq!(Value::Object(bench.ask(&token).unwrap().claims().clone()), claims);
    assert_eq!(Value::Object(bench.ask_with(&token, true).unwrap().claims().clone()), claims);
    assert_eq!(Value::Object(bench.validator.validate(&token, NOW).unwrap().claims().clone()), claims);
}

#[test]
fn refused_tokens_are_not_remembered() {
    let bench = Bench::new(config().issuer("other"));
    for _ in 0..2 {
        assert_eq!(bench.ask(&token(&claims())).unwrap_err(), "wrong-issuer");
    }
    assert_eq!(bench.len(), 0);
}

#[test]
fn a_remembered_token_expires_all_the_same() {
    let bench = Bench::new(config().clock_skew(Duration::from_secs(10)));
    let token = token(&claims_with("exp", (NOW.as_secs() + 60).into()));
    assert!(bench.remembers(&token));
    bench.manual.advance(Duration::from_millis(69_999));
    assert!(bench.remembers(&token));
    bench.manual.advance(Duration::from_millis(1));
    assert_eq!(bench.ask(&token).unwrap_err(), "expired");
    assert_eq!(bench.len(), 0);
}

#[test]
fn nbf_is_looked_at_again_when_the_clock_is_set_back() {
    let bench = Bench::new(config());
    let token = token(&claims_with("nbf", NOW.as_secs().into()));
    assert!(bench.remembers(&token));
    bench.manual.set(UnixTime::from_secs(NOW.as_secs() - 1));
    assert_eq!(bench.ask(&token).unwrap_err(), "not-yet-valid");
}

#[test]
fn a_clock_that_is_set_back_keeps_no_entry_alive() {
    let bench = Bench::new(config());
    let token = token(&claims_with("exp", (NOW.as_secs() + 60).into()));
    let first = bench.ask(&token).unwrap();
    bench.manual.advance(Duration::from_secs(60));
    bench.manual.set(NOW);
    // The civil clock says that the token is good, so it is verified, and not answered from memory.
    assert!(!Arc::ptr_eq(&first, &bench.ask(&token).unwrap()));
}

#[test]
fn the_certificate_is_looked_at_again() {
    let certificate = SignatureConfig::cert_file(public_crt());
    let bench = Bench::new(JwtValidatorConfig::new(certificate));
    let token =
        Signs::by(rsa_signing(Algorithm::Rs256)).claims(&claims_with("exp", 9_999_999_999_u64.into()));
    assert!(bench.remembers(&token));
    bench.manual.set(UnixTime::from_secs(2_139_544_078 + 1));
    assert_eq!(bench.ask(&token).unwrap_err(), "certificate-expired");
}

#[test]
fn the_key_is_looked_for_again() {
    let bench = Bench::new(config());
    let cache = bench.validator.cache.as_ref().unwrap();
    let token = token(&claims());
    let remembered = bench.ask(&token).unwrap();
    let get = |keys: &KeySet| cache.get(token.as_bytes(), bench.moment(), keys);
    assert!(Arc::ptr_eq(&remembered, &get(fixed(&bench.validator)).unwrap()));
    // The same secret, read once more, is a key of which nobody has said that it verified this token.
    let other = validator(config());
    assert!(get(fixed(&other)).is_none());
    assert!(get(fixed(&bench.validator)).is_none(), "it is forgotten");
}

#[test]
fn max_age_bounds_the_memory_of_a_token_that_never_expires() {
    let cache = CacheConfig::default().max_age(Duration::from_secs(30));
    let bench = Bench::new(config().require_expiration(false).cache(cache));
    let token = token(&claims_with("exp", Value::Null));
    let first = bench.ask(&token).unwrap();
    bench.manual.advance(Duration::from_millis(29_999));
    assert!(Arc::ptr_eq(&first, &bench.ask(&token).unwrap()));
    bench.manual.advance(Duration::from_millis(1));
    assert!(!Arc::ptr_eq(&first, &bench.ask(&token).unwrap()));
}

#[test]
fn services_that_share_a_validator_measure_ages_by_one_clock() {
    let bench = Bench::new(config().cache(CacheConfig::default().max_age(Duration::from_secs(30))));
    bench.manual.advance(Duration::from_secs(1_000));
    let token = token(&claims_with("exp", 9_999_999_999_u64.into()));
    let first = bench.ask(&token).unwrap();
    // Another service's clock started later.
    let other: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    let credential = Credential::Bearer(Bearer::new(&token).unwrap());
    let ask = || match bench.validator.try_authenticate(&credential, &Context::new(&other)) {
        Some(Outcome::Known(identity)) => identity,
        other => panic!("{other:?}"),
    };
    assert!(Arc::ptr_eq(&first, &ask()));
    bench.manual.advance(Duration::from_secs(30));
    assert!(!Arc::ptr_eq(&first, &ask()));
}

#[test]
fn an_explanation_neither_reads_nor_writes_the_memory() {
    let bench = Bench::new(config());
    let token = token(&claims());
    bench.ask_with(&token, true).unwrap();
    assert_eq!(bench.len(), 0);
    let remembered = bench.ask(&token).unwrap();
    assert!(!Arc::ptr_eq(&remembered, &bench.ask_with(&token, true).unwrap()));
    assert!(Arc::ptr_eq(&remembered, &bench.ask(&token).unwrap()));
}

#[test]
fn whoever_is_remembered_has_shown_this_very_token() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    let auth = Auth::builder().clock(clock).element(validator(config()), "hello").build().unwrap();
    for jti in ["1", "2"] {
        let mut claims = claims_with("jti", jti.into());
        claims["scope"] = "hello".into();
        let token = token(&claims);
        let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        for _ in 0..5 {
            let Step::Ready(decision) = auth.decide(&RequestHead::new(&Method::GET, "/", &headers)) else {
                panic!("nobody is asked")
            };
            let admission = decision.unwrap();
            let shown = admission.principal().unwrap().authorization().unwrap();
            assert_eq!(shown.token().unwrap().expose(), token);
        }
    }
}

#[test]
fn a_capacity_of_zero_remembers_nothing() {
    for cache in [CacheConfig::off(), CacheConfig::default().capacity(0)] {
        let bench = Bench::new(config().cache(cache));
        assert!(!bench.remembers(&token(&claims())));
    }
}

#[test]
fn an_entry_weighs_all_that_it_takes() {
    // A little less than may come near by the token and its claims alone: with the entry itself it is more.
    let most = 16 * 1024;
    let bench = Bench::new(config());
    let sized = |padding: usize| {
        let mut claims = claims();
        claims["padding"] = "x".repeat(padding).into();
        let weight = most_bytes(claims.to_string().as_bytes());
        let token = token(&claims);
        let bytes = token.len() + weight;
        (token, bytes)
    };
    let largest = (0..most).rev().map(sized).find(|(_, bytes)| *bytes <= most - size_of::<Identity>());
    let smallest = sized(0).0;
    for (token, is_near) in [(largest.unwrap().0, false), (smallest, true)] {
        for _ in 0..4 {
            bench.ask(&token).unwrap();
        }
        let near = bench.validator.cache.as_ref().unwrap().near_this_thread(token.as_bytes());
        assert_eq!(near.is_some(), is_near);
    }
}

#[test]
fn an_entry_weighs_each_of_its_scopes() {
    let weight = |scope: &str| {
        let bench = Bench::new(config());
        bench.ask(&token(&claims_with("scope", scope.into()))).unwrap();
        bench.validator.cache.as_ref().unwrap().weight()
    };
    // As long, and so one scope less for each blank.
    let (one, many) = ("a".repeat(8_000), "a ".repeat(4_000));
    let more = weight(&many) - weight(&one);
    let each = u64::try_from(size_of::<Box<str>>()).unwrap() + 32;
    assert_eq!(more, 3_999 * each - 4_000, "a blank takes nothing");
    assert_eq!(weight("a"), 8 * 1024);
}

#[test]
fn entries_and_bytes_are_bounded() {
    let bench = Bench::new(config().cache(CacheConfig::default().capacity(100)));
    let cache = bench.validator.cache.as_ref().unwrap();
    for number in 0..1_000 {
        bench.ask(&token(&claims_with("jti", number.to_string().into()))).unwrap();
        assert!(cache.len() <= 100 && cache.weight() <= 100 * 8 * 1024, "{} {}", cache.len(), cache.weight());
    }
    assert!(cache.len() >= 50, "{}", cache.len());
    // Large tokens, and small tokens that are large in memory, leave room for fewer.
    for number in 0..100 {
        let mut large = claims_with("jti", number.to_string().into());
        large["padding"] = "x".repeat(30_000).into();
        bench.ask(&token(&large)).unwrap();
        let mut many = claims_with("jti", number.to_string().into());
        many["padding"] = json!(vec![1; 5_000]);
        bench.ask(&token(&many)).unwrap();
        assert!(cache.weight() <= 100 * 8 * 1024, "{}", cache.weight());
    }
    assert!(cache.len() < 25, "{}", cache.len());
    assert!(!format!("{:?}", bench.validator).contains("eyJ"));
    // So do those that are large in what nobody keeps.
    for number in 0..100 {
        let header = json!({"alg": "HS256", "padding": "x".repeat(30_000)});
        let claims = claims_with("jti", (1_000 + number).to_string().into());
        bench.ask(&Signs::secret().token(&header, &claims)).unwrap();
    }
    assert!(cache.len() < 30, "{}", cache.len());
}

#[test]
fn a_token_is_the_same_wherever_it_comes_from() {
    let validator = validator(config());
    assert_eq!((validator.kind(), validator.looks_at_client()), ("jwt", false));
}

#[tokio::test]
async fn the_validator_keeps_the_contract_of_providers() {
    let header = |token: &str| HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    let good = token(&claims());
    let (head, _) = good.rsplit_once('.').unwrap();
    provider_keeps_its_contract(Case {
        provider: Arc::new(validator(config())),
        good: header(&good),
        subject: "alice",
        recalls: true,
        bad: vec![
            header("abc"),
            header("a.b.c"),
            header(head),
            header(&format!("{head}.")),
            header(&format!("{good}.")),
            header(&token(&claims_with("exp", 1.into()))),
            header(&token(&json!({"iss": 1}))),
        ],
        clock: Arc::new(ManualClock::at(NOW)),
    })
    .await;
}

#[test]
fn another_scheme_is_refused() {
    let value = HeaderValue::from_static("Basic YWxpY2U6MTIz");
    let credential = portcullis_core::credential::from_header_value(&value, 100).unwrap();
    let bench = Bench::new(config());
    match bench.validator.try_authenticate(&credential, &Context::new(&bench.clock)) {
        Some(Outcome::Refused(refusal)) => assert_eq!(refusal.code(), "other-scheme"),
        other => panic!("{other:?}"),
    }
}
