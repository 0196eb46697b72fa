//! The key set under a script: what a server answers, a clock that tests move, and no network.

mod calm;
mod fetching;
mod outages;
mod refreshing;
mod rotation;
mod sets;
mod standstill;
mod state;

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use bytes::Bytes;
use portcullis_core::{
    Bearer, BoxFuture, Clock, Contact, Context, Credential, Outcome, Provider as _, Unavailable,
};
use portcullis_outbound::Endpoint;
use portcullis_testing::ManualClock;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{
    JwksConfig,
    fetch::{Before, Failure, Fetch, Fetched, Validators},
    held::Ages,
    source::{KeySource, Settings},
};
use crate::{
    Algorithm, JwtValidator, JwtValidatorConfig, SignatureConfig, SigningConfig,
    fixtures::{NOW, Signs, claims, data, ec_jwk, ec_key},
};

const URL: &str = "https://issuer.example/jwks";
const INTERVAL: Duration = Duration::from_secs(10);
const AGE: Duration = Duration::from_secs(300);
const STALE: Duration = Duration::from_secs(3600);

/// A key pair of an issuer.
pub(super) struct Pair {
    kid: String,
    signs: Signs,
    jwk: Value,
}

impl Pair {
    fn new(kid: &str) -> Self {
        let (pkcs8, point) = ec_key(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING);
        let signs = Signs::by(SigningConfig::key(&pkcs8).algorithm(Algorithm::Es256));
        let mut jwk = ec_jwk("P-256", &point);
        jwk["kid"] = kid.into();
        Self { kid: kid.to_owned(), signs, jwk }
    }

    fn token(&self) -> String {
        self.token_with(&claims())
    }

    fn token_with(&self, claims: &Value) -> String {
        self.token_named(Some(&self.kid), claims)
    }

    /// A token that says another `kid`, or none.
    fn token_named(&self, kid: Option<&str>, claims: &Value) -> String {
        let mut header = json!({"alg": "ES256", "typ": "at+jwt"});
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        self.signs.token(&header, claims)
    }
}

/// The key of `public.crt`, as Ballerina's key set has it.
fn rsa_jwk() -> Value {
    let whole: Value = serde_json::from_slice(&std::fs::read(data("ballerina/data.json")).unwrap()).unwrap();
    whole["jwks"]["keys"][2].clone()
}

fn with_kid(mut jwk: Value, kid: &str) -> Value {
    jwk["kid"] = kid.into();
    jwk
}

pub(super) fn set(pairs: &[&Pair]) -> String {
    json!({"keys": pairs.iter().map(|pair| pair.jwk.clone()).collect::<Vec<_>>()}).to_string()
}

/// What the server answers from now on.
#[derive(Clone, Debug)]
enum Says {
    Body(Bytes),
    Unchanged,
    Error(&'static str),
    /// There is nobody.
    Nothing,
    Panic,
}

/// A server that does as it is told. Clones are one.
#[derive(Clone, Debug)]
struct Script(Arc<ScriptInner>);

#[derive(Debug)]
struct ScriptInner {
    state: Mutex<ScriptState>,
    /// One permit lets one answer out.
    gate: Semaphore,
}

#[derive(Debug)]
struct ScriptState {
    says: Says,
    said: Option<Duration>,
    etag: Option<&'static str>,
    held: bool,
    /// What it was asked with.
    calls: Vec<Option<Arc<Validators>>>,
}

impl Script {
    fn new(body: impl Into<Bytes>) -> Self {
        let state = ScriptState {
            says: Says::Body(body.into()),
            said: None,
            etag: None,
            held: false,
            calls: Vec::new(),
        };
        Self(Arc::new(ScriptInner { state: Mutex::new(state), gate: Semaphore::new(0) }))
    }

    fn lock(&self) -> MutexGuard<'_, ScriptState> {
        self.0.state.lock().unwrap()
    }

    fn says(&self, body: impl Into<Bytes>) {
        self.lock().says = Says::Body(body.into());
    }

    fn fails(&self) {
        self.lock().says = Says::Error("the answer has the status 500");
    }

    fn is_gone(&self) {
        self.lock().says = Says::Nothing;
    }

    /// Answers hang from now on, each until it is let go.
    fn hold(&self) {
        self.lock().held = true;
    }

    fn let_go(&self, answers: usize) {
        self.0.gate.add_permits(answers);
    }

    fn calls(&self) -> usize {
        self.lock().calls.len()
    }
}

impl Fetch for Script {
    fn url(&self) -> &str {
        URL
    }

    fn fetch(&self, before: Before) -> BoxFuture<'_, Result<Fetched, Failure>> {
        Box::pin(async move {
            // What a server answers it knows when it is asked, however long the answer takes.
            let (says, said, etag, held) = {
                let mut state = self.lock();
                state.calls.push(before.known);
                (state.says.clone(), state.said, state.etag, state.held)
            };
            if held {
                self.0.gate.acquire().await.unwrap().forget();
            }
            let body = match says {
                Says::Body(body) => Some(body),
                Says::Unchanged => None,
                Says::Error(why) => return Err(Failure::new(URL, why)),
                Says::Nothing => return Err(Failure::new(URL, "cannot connect").unreached()),
                Says::Panic => panic!("the script says so"),
            };
            let etag = etag.map(http::HeaderValue::from_static);
            let validators =
                Validators { endpoint: Endpoint::parse(URL).unwrap(), etag, last_modified: None };
            Ok(Fetched { url: URL.into(), body, said, validators })
        })
    }
}

/// What a request was told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Known,
    Refused(&'static str),
    /// With the seconds of `Retry-After`.
    Unavailable(u64),
}

#[derive(Clone)]
struct Bench(Arc<BenchInner>);

struct BenchInner {
    validator: JwtValidator,
    source: KeySource,
    manual: ManualClock,
    clock: Arc<dyn Clock>,
    script: Script,
}

impl std::ops::Deref for Bench {
    type Target = BenchInner;

    fn deref(&self) -> &BenchInner {
        &self.0
    }
}

fn config() -> JwtValidatorConfig {
    let signature = SignatureConfig::jwks(JwksConfig::url(URL));
    JwtValidatorConfig::new(signature).issuer("wso2").audience(["ballerina"])
}

impl Bench {
    fn new(body: impl Into<Bytes>) -> Self {
        Self::with(config(), body, |_| {})
    }

    fn with(config: JwtValidatorConfig, body: impl Into<Bytes>, change: impl FnOnce(&mut Settings)) -> Self {
        let (manual, script) = (ManualClock::at(NOW), Script::new(body));
        let clock: Arc<dyn Clock> = Arc::new(manual.clone());
        let mut settings = Settings {
            clock: Arc::clone(&clock),
            ages: Ages { default: AGE, least: INTERVAL, stale: STALE },
            min_refresh_interval: INTERVAL,
            // The script has no deadline.
            lost_after: Duration::MAX,
            preload: false,
            random: || 1.0,
        };
        change(&mut settings);
        let source = KeySource::new(Box::new(script.clone()), settings);
        let validator = JwtValidator::with_source(config, source.clone());
        Self(Arc::new(BenchInner { validator, source, manual, clock, script }))
    }

    /// One whose set was fetched already.
    async fn warm(body: impl Into<Bytes>, pair: &Pair) -> Self {
        let bench = Self::new(body);
        assert_eq!(bench.ask(&pair.token()).await, Told::Known);
        assert_eq!(bench.script.calls(), 1);
        // The bucket is full again.
        bench.manual.advance(INTERVAL);
        bench
    }

    fn at_once(&self, token: &str) -> Option<Told> {
        let credential = Credential::Bearer(Bearer::new(token).unwrap());
        self.validator.try_authenticate(&credential, &Context::new(&self.clock)).map(|outcome| told(&outcome))
    }

    async fn ask(&self, token: &str) -> Told {
        match self.at_once(token) {
            Some(told) => told,
            None => self.wait(token, &Context::new(&self.clock)).await,
        }
    }

    async fn wait(&self, token: &str, cx: &Context<'_>) -> Told {
        let credential = Credential::Bearer(Bearer::new(token).unwrap());
        told(&self.validator.authenticate(&credential, cx).await)
    }

    /// A request of its own task.
    fn send(&self, token: String) -> tokio::task::JoinHandle<Told> {
        let bench = self.clone();
        tokio::spawn(async move { bench.ask(&token).await })
    }

    async fn explain(&self, token: &str, contact: Contact) -> Told {
        self.wait(token, &Context::new(&self.clock).explaining(contact)).await
    }

    /// Waits until so many fetches have ended.
    async fn ended(&self, count: u64) {
        until(|| self.source.ended() >= count).await;
    }

    /// Waits until so many fetches have begun.
    async fn called(&self, count: usize) {
        until(|| self.script.calls() >= count).await;
    }

    /// Waits until so many requests wait.
    async fn waited_for_by(&self, count: usize) {
        until(|| self.source.waiting() >= count).await;
    }
}

fn told(outcome: &Outcome) -> Told {
    match outcome {
        Outcome::Known(_) => Told::Known,
        Outcome::Refused(refusal) => Told::Refused(refusal.code()),
        Outcome::Unavailable(unavailable) => {
            Told::Unavailable(unavailable.retry_after().unwrap_or_default().as_secs())
        }
    }
}

/// What an outcome that is none says.
fn why(outcome: Outcome) -> Unavailable {
    match outcome {
        Outcome::Unavailable(unavailable) => unavailable,
        other => panic!("{other:?}"),
    }
}

async fn until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not come about");
        tokio::task::yield_now().await;
    }
}

async fn all(requests: Vec<tokio::task::JoinHandle<Told>>) -> Vec<Told> {
    let mut told = Vec::new();
    for request in requests {
        told.push(request.await.unwrap());
    }
    told
}
