//! A source of tokens that does as a test says.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use portcullis_core::{Authorization, BoxFuture, OnBehalfOf, Probe, Secret, TokenError, TokenSource};
use tokio::sync::Semaphore;

/// Gives `token-1`, and after each refusal of the newest the next one, up to a last one.
#[derive(Clone)]
pub struct Tokens {
    state: Arc<Mutex<State>>,
    gate: Arc<Semaphore>,
}

struct State {
    current: usize,
    held: bool,
    last: usize,
    /// Whether what is fetched is what was refused.
    stubborn: bool,
    /// Whether it says that there is no other one, although there is.
    unwilling: bool,
    failure: Option<TokenError>,
    fetched: usize,
    refused: Vec<String>,
}

impl Tokens {
    /// `token-1` is at hand, and others up to `token-{last}` can be fetched.
    pub fn at_hand(last: usize) -> Self {
        Self::new(1, last, Semaphore::MAX_PERMITS)
    }

    /// Each has to be waited for until the gate [opens](Self::open).
    pub fn slow(last: usize) -> Self {
        Self::new(0, last, 0)
    }

    fn new(current: usize, last: usize, permits: usize) -> Self {
        let state = State {
            current,
            held: current > 0,
            last,
            stubborn: false,
            unwilling: false,
            failure: None,
            fetched: 0,
            refused: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), gate: Arc::new(Semaphore::new(permits)) }
    }

    /// From now on each fetch waits for the gate.
    pub fn shut(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub fn open(&self, fetches: usize) {
        self.gate.add_permits(fetches);
    }

    /// From now on what is fetched is what was refused.
    pub fn stubborn(&self) {
        self.lock().stubborn = true;
    }

    /// From now on it says that no other one can be had, and gives another one all the same.
    pub fn unwilling(&self) {
        self.lock().unwilling = true;
    }

    /// From now on every fetch fails.
    pub fn fail(&self, error: TokenError) {
        self.lock().failure = Some(error);
    }

    /// The token is lost.
    pub fn forget(&self) {
        self.lock().held = false;
    }

    pub fn fetched(&self) -> usize {
        self.lock().fetched
    }

    /// The tokens that were said to be refused.
    pub fn refused_tokens(&self) -> Vec<String> {
        self.lock().refused.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

pub fn bearer(token: &str) -> Authorization {
    Authorization::bearer(&Secret::new(token)).unwrap()
}

fn numbered(number: usize) -> Authorization {
    bearer(&format!("token-{number}"))
}

impl TokenSource for Tokens {
    fn try_token(&self) -> Option<Authorization> {
        let state = self.lock();
        state.held.then(|| numbered(state.current))
    }

    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        Box::pin(async {
            if let Some(token) = self.try_token() {
                return Ok(token);
            }
            self.gate.acquire().await.unwrap().forget();
            let mut state = self.lock();
            if !state.held {
                if let Some(error) = &state.failure {
                    return Err(error.clone());
                }
                state.fetched += 1;
                state.held = true;
                if !state.stubborn {
                    state.current += 1;
                }
            }
            Ok(numbered(state.current))
        })
    }

    fn refused(&self, token: &Authorization) -> bool {
        let mut state = self.lock();
        state.refused.push(token.token().unwrap().expose().to_owned());
        if state.unwilling {
            state.held = false;
            return false;
        }
        let is_newest = *token == numbered(state.current);
        if is_newest && state.held && (state.current < state.last || state.stubborn) {
            state.held = false;
        }
        !is_newest || !state.held
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        let probe =
            Probe::new("token", "https://id.example/token", std::time::Duration::ZERO, Ok("a token".into()));
        Box::pin(async { vec![probe] })
    }

    fn on_behalf_of(&self, subject: &OnBehalfOf) -> Option<Arc<dyn TokenSource>> {
        Some(Arc::new(bearer(&format!("for-{}", subject.subject_token().expose()))))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}
