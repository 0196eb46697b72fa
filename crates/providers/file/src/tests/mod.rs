//! What the provider promises, with hashes that are counted and stopped at will.

mod bounds;
mod clear;
mod cost;
mod gate;
mod memory;
mod stored;
mod throttled;
mod users;

use std::{net::IpAddr, sync::Arc};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use futures_util::FutureExt;
use portcullis_core::{Basic, BoxFuture, Clock, Context, Credential, Outcome, Provider, UnixTime};
use portcullis_testing::ManualClock;

pub(crate) use self::gate::Gate;
use crate::{FileUserStore, FileUsers, Hashing, User};

/// Hashes of `right`, cheap ones.
pub(crate) const ARGON2: &str =
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$/rlPheEuIOPjYHKhaPJaJGV9XBSrUYzuHgudziGWdAc";
pub(crate) const DEARER_ARGON2: &str =
    "$argon2id$v=19$m=16,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$vifDoXM/YGFwB8qrIyrfGRcYuVWW2ZhxE0NH/qSKby4";
pub(crate) const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC";
pub(crate) const SCRYPT: &str =
    "$scrypt$ln=1,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$JuU2nvKHLGA2EOVWJTqKYQo0mX+PT59xXAFiIGbQY8c";

/// A hash of any password.
pub(crate) fn pbkdf2(password: &str, rounds: u32) -> String {
    let salt = b"saltsaltsaltsalt";
    let hash = pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(password.as_bytes(), salt, rounds);
    format!("$pbkdf2-sha256$i={rounds}${}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash))
}

pub(crate) fn basic(username: &str, password: &str) -> Credential<'static> {
    Credential::Basic(Basic::decode(&STANDARD.encode(format!("{username}:{password}"))).unwrap())
}

pub(crate) fn clock() -> (ManualClock, Arc<dyn Clock>) {
    let clock = ManualClock::at(UnixTime::from_secs(1_000_000));
    (clock.clone(), Arc::new(clock))
}

pub(crate) fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

/// `known alice`, `refused wrong-password`, `unavailable 1`.
pub(crate) fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Known(identity) => format!("known {}", identity.subject().unwrap_or_default()),
        Outcome::Refused(refusal) => format!("refused {}", refusal.code()),
        Outcome::Unavailable(unavailable) => {
            let after =
                unavailable.retry_after().map_or(String::new(), |span| format!(" {}", span.as_secs()));
            format!("unavailable{after}")
        }
    }
}

/// The answer on whichever path the provider takes.
pub(crate) async fn ask(provider: &dyn Provider, credential: &Credential<'_>, cx: &Context<'_>) -> String {
    match provider.try_authenticate(credential, cx) {
        Some(outcome) => told(&outcome),
        None => told(&provider.authenticate(credential, cx).await),
    }
}

/// The answer where there is one at once.
pub(crate) fn at_once(
    provider: &dyn Provider,
    credential: &Credential<'_>,
    cx: &Context<'_>,
) -> Option<String> {
    provider.try_authenticate(credential, cx).as_ref().map(told)
}

/// What an answer is at this moment; `waits` where there is none yet.
pub(crate) fn now(answer: &mut BoxFuture<'_, Outcome>) -> String {
    answer.now_or_never().as_ref().map_or("waits".to_owned(), told)
}

/// Name, depth and limit of each queue.
pub(crate) fn queues(provider: &dyn Provider) -> Vec<(&'static str, usize, usize)> {
    provider.queues().iter().map(|state| (state.queue, state.depth, state.limit)).collect()
}

/// A store whose hashes the gate computes: one at a time, two may wait.
pub(crate) fn gated(gate: &Arc<Gate>, users: impl IntoIterator<Item = User>) -> FileUsers {
    FileUserStore::new(users).hashing(&Hashing::by(Arc::clone(gate) as _)).build().unwrap()
}
