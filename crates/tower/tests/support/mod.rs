//! A provider whose answers are written in the token, and the requests to go with it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use http::{Request, header::AUTHORIZATION};
use portcullis_core::{
    Auth, AuthBuilder, BoxFuture, Context, Credential, Identity, Outcome, Provider, Reason, Scheme,
    Unavailable,
};
use tokio::sync::Semaphore;

/// Knows the bearer token `alice.hello~admin` as alice with the scopes `hello` and `admin`.
///
/// `wrong` is refused and `away` cannot be told. With `slow-` before it an answer waits until the gate opens.
#[derive(Clone, Debug)]
pub struct ByToken {
    gate: Arc<Semaphore>,
}

impl Default for ByToken {
    fn default() -> Self {
        Self { gate: Arc::new(Semaphore::new(0)) }
    }
}

impl ByToken {
    /// Lets `answers` slow answers through.
    pub fn open(&self, answers: usize) {
        self.gate.add_permits(answers);
    }

    fn answer(token: &str) -> Outcome {
        match token.split_once('.') {
            None if token == "away" => Unavailable::new("away").into(),
            None => Outcome::refused(Reason::Other, "the token is wrong"),
            Some((subject, scopes)) => {
                let claims = serde_json::json!({ "sub": subject, "tenant": 7 });
                Outcome::known(
                    Identity::new(subject)
                        .with_scopes(scopes.split('~').filter(|scope| !scope.is_empty()))
                        .with_claims(claims.as_object().cloned().unwrap_or_default()),
                )
            }
        }
    }
}

fn token<'a>(credential: &'a Credential<'_>) -> &'a str {
    match credential {
        Credential::Bearer(bearer) => bearer.token(),
        _ => "another scheme",
    }
}

impl Provider for ByToken {
    fn kind(&self) -> &'static str {
        "by-token"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        let token = token(credential);
        (!token.starts_with("slow-")).then(|| Self::answer(token))
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        _: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Ok(permit) = self.gate.acquire().await else { return Unavailable::new("closed").into() };
            permit.forget();
            let token = token(credential);
            Self::answer(token.strip_prefix("slow-").unwrap_or(token))
        })
    }
}

/// A service that asks for the scope `hello`.
pub fn hello() -> AuthBuilder {
    Auth::builder().element(ByToken::default(), "hello")
}

/// A request; an empty token sends none.
pub fn request<B: Default>(method: &str, path: &str, token: &str) -> Request<B> {
    let mut request = Request::builder().method(method).uri(path).body(B::default()).unwrap();
    if !token.is_empty() {
        let value = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    request
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What this thread logs from now on.
pub struct Log {
    captured: Captured,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    pub fn start() -> Self {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        Self { captured, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub fn lines(&self) -> Vec<String> {
        let bytes = self.captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }
}
