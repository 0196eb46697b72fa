//! What the tests share.

#![allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "each test file uses its part")]

pub mod raw;
pub mod section;

use std::{
    future::Future,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode};
use portcullis_core::{Authorization, BoxFuture, Probe, Secret, TokenError, TokenSource, UnixTime};
use portcullis_outbound::{
    Answer, ClientConfig, Endpoint, Get, HttpClient, OutboundError, OutboundErrorKind,
};
use portcullis_testing::{Call, ManualClock};

/// 2027-01-15: the certificates of the tests are valid then.
pub const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// How long a test waits for anything before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keys, certificates and key stores.
pub fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../keys/tests/data")
}

pub fn clock() -> ManualClock {
    ManualClock::at(NOW)
}

pub fn endpoint(origin: &str, path: &str) -> Endpoint {
    Endpoint::parse(&format!("{origin}{path}")).unwrap()
}

pub fn client(config: ClientConfig) -> HttpClient {
    HttpClient::new(config).unwrap()
}

pub fn ok(_: &Call) -> Response<Bytes> {
    Response::new(Bytes::from_static(b"{\"active\":true}"))
}

pub fn status(status: StatusCode) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    answer
}

pub async fn get(client: &HttpClient, endpoint: &Endpoint) -> Result<Answer, OutboundError> {
    client.get(endpoint, Get::new()).await
}

/// Whether this is a process of the test's own, with these variables in its environment. Elsewhere it starts one, and fails
/// where that fails.
pub fn is_alone(test: &str, variables: &[(&str, &str)]) -> bool {
    const ALONE: &str = "PORTCULLIS_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env_clear()
        .envs(variables.iter().copied())
        .env(ALONE, test)
        .output()
        .unwrap();
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}\n{errors}");
    false
}

/// Fails the test where what it waits for never happens.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited a minute for {what}"))
}

#[track_caller]
pub fn refused(result: Result<Answer, OutboundError>, kind: OutboundErrorKind) -> OutboundError {
    match result {
        Ok(answer) => panic!("answered {answer:?}"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{error:?}");
            error
        }
    }
}

/// Gives one token after the other, a new one for each that was refused.
#[derive(Debug)]
pub struct Tokens {
    pub answers: Mutex<Vec<Result<Secret, TokenError>>>,
    pub refused: Mutex<Vec<String>>,
}

impl Tokens {
    pub fn new<const N: usize>(tokens: [&str; N]) -> Arc<Self> {
        Self::of(tokens.into_iter().map(|token| Ok(Secret::new(token))))
    }

    pub fn of(answers: impl IntoIterator<Item = Result<Secret, TokenError>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), refused: Mutex::default() })
    }

    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap().clone()
    }
}

impl TokenSource for Tokens {
    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        let answer = self.answers.lock().unwrap().first().cloned();
        Box::pin(async move {
            match answer {
                Some(answer) => answer.and_then(|token| {
                    let unfit = |error| TokenError::permanent("the token is none").with_source(error);
                    Authorization::bearer(&token).map_err(unfit)
                }),
                None => std::future::pending().await,
            }
        })
    }

    fn refused(&self, token: &Authorization) -> bool {
        self.refused.lock().unwrap().push(token.token().unwrap().expose().to_owned());
        let mut answers = self.answers.lock().unwrap();
        let another = answers.len() > 1;
        if another {
            drop(answers.remove(0));
        }
        another
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(async { Vec::new() })
    }
}
