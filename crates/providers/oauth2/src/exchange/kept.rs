//! Exchanged tokens at rest, by the digest of the token that they were exchanged for.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{Authorization, TokenError, UnixTime};
use quick_cache::{Weighter, sync::Cache};

use crate::prf::Digest;

/// What a token counts at least, in bytes. There is room for as many times this as tokens may be kept, so both are bounded
/// by one number: 10,000 tokens never take more than 80 MB.
const UNIT: u64 = 8 * 1024;

/// Exchanged tokens, and callers who were refused lately. Each has room of its own: callers who are refused displace no
/// token.
///
/// Keys are whole digests of subject tokens and are compared whole. No subject token rests here.
pub(super) struct Kept {
    tokens: Option<Cache<Digest, Arc<Held>, ByBytes>>,
    refused: Cache<Digest, Arc<Refused>>,
    forced: Cache<Digest, Forced>,
    refused_for: Duration,
}

/// An exchanged token. Spans are on the monotonic scale, so that setting the machine's clock back makes none live longer.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) token: Authorization,
    /// The digest of the actor's token that was sent along.
    pub(super) actor: Option<Digest>,
    /// The number of the exchange that it came by.
    pub(super) number: u64,
    pub(super) renew_at: Duration,
    pub(super) good_until: Duration,
    /// Until when the subject token is good, as far as whoever asked knew.
    pub(super) subject_until: Option<UnixTime>,
}

/// A caller whom the endpoint refused.
struct Refused {
    error: TokenError,
    actor: Option<Digest>,
    until: Duration,
}

/// When a service last refused a caller's token, and the digest of that until another one came.
#[derive(Clone, Copy)]
struct Forced {
    at: Duration,
    token: Option<Digest>,
}

/// A moment on both scales.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) civil: UnixTime,
    pub(super) monotonic: Duration,
}

impl Held {
    fn is_good(&self, now: Moment) -> bool {
        // Civil time may have been set meanwhile: it is looked at on every use.
        now.monotonic < self.good_until && self.subject_until.is_none_or(|until| now.civil < until)
    }

    /// Whether another one is to be fetched: not where this one lives as long as the caller's own.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        let left = self.good_until.saturating_sub(now.monotonic);
        now.monotonic >= self.renew_at
            && self.subject_until.is_none_or(|until| now.civil.saturating_add(left) < until)
    }
}

impl Kept {
    pub(super) fn new(capacity: usize, refused_for: Duration) -> Self {
        let room = UNIT.saturating_mul(capacity as u64);
        Self {
            tokens: (capacity > 0).then(|| Cache::with_weighter(capacity, room, ByBytes)),
            refused: Cache::new(capacity.max(1)),
            forced: Cache::new(capacity.max(1)),
            refused_for,
        }
    }

    /// The token for a subject and an actor, where it is good still.
    pub(super) fn get(&self, subject: &Digest, actor: Option<Digest>, now: Moment) -> Option<Arc<Held>> {
        let tokens = self.tokens.as_ref()?;
        let held = tokens.get(subject)?;
        if !held.is_good(now) {
            // Only this one: another may have taken its place meanwhile.
            tokens.remove_if(subject, |current| Arc::ptr_eq(current, &held));
            return None;
        }
        (held.actor == actor).then_some(held)
    }

    /// Keeps a token, unless it has no life left, or one that was asked for later is there.
    pub(super) fn put(&self, subject: &Digest, held: Held, now: Moment) {
        if let Some(forced) = self.forced.get(subject) {
            self.forced.insert(*subject, Forced { token: None, ..forced });
        }
        let Some(tokens) = self.tokens.as_ref().filter(|_| held.is_good(now)) else { return };
        if tokens.peek(subject).is_none_or(|current| current.number < held.number) {
            tokens.insert(*subject, Arc::new(held));
        }
    }

    /// Remembers that a caller is refused.
    pub(super) fn refuse(&self, subject: &Digest, actor: Option<Digest>, error: TokenError, now: Duration) {
        if !self.refused_for.is_zero() {
            let until = now.saturating_add(self.refused_for);
            self.refused.insert(*subject, Arc::new(Refused { error, actor, until }));
        }
    }

    /// What a caller is told who was refused a moment ago.
    pub(super) fn refusal(
        &self,
        subject: &Digest,
        actor: Option<Digest>,
        now: Duration,
    ) -> Option<TokenError> {
        let refused = self.refused.get(subject)?;
        if now >= refused.until {
            self.refused.remove_if(subject, |current| Arc::ptr_eq(current, &refused));
            return None;
        }
        (refused.actor == actor).then(|| {
            let error = refused.error.clone();
            if !error.is_transient() {
                return error;
            }
            error.with_retry_after(refused.until.saturating_sub(now))
        })
    }

    /// A service refused `token`, whose digest is given. It is dropped, unless that happened to the subject less than
    /// `interval` ago. Tells whether another one can be had. Not to be called by two at once.
    pub(super) fn drop_refused(
        &self,
        subject: &Digest,
        token: &Authorization,
        digest: Digest,
        now: Duration,
        interval: Duration,
    ) -> bool {
        let held = self.tokens.as_ref().and_then(|tokens| tokens.peek(subject));
        if held.as_ref().is_some_and(|held| held.token != *token) {
            return true;
        }
        let forced = self.forced.get(subject);
        // Another caller was faster: it is being exchanged anew, or will be.
        if forced.is_some_and(|forced| forced.token == Some(digest)) {
            return true;
        }
        let due = forced.is_none_or(|forced| now >= forced.at.saturating_add(interval));
        if due {
            self.forced.insert(*subject, Forced { at: now, token: Some(digest) });
            if let (Some(tokens), Some(held)) = (&self.tokens, held) {
                tokens.remove_if(subject, |current| Arc::ptr_eq(current, &held));
            }
        }
        due
    }

    /// How many tokens are held.
    pub(super) fn len(&self) -> usize {
        self.tokens.as_ref().map_or(0, Cache::len)
    }

    /// Everything that rests here, as bytes.
    #[cfg(test)]
    pub(super) fn dump(&self) -> String {
        let tokens = self.tokens.iter().flat_map(Cache::iter);
        let held = tokens.map(|(subject, held)| {
            let actor = held.actor.map(|actor| actor.bytes());
            format!("{:?} {actor:?} {:?}", subject.bytes(), held.token.header())
        });
        let refused = self.refused.iter().map(|(subject, refused)| {
            format!(
                "{:?} {:?} {:?}",
                subject.bytes(),
                refused.actor.map(|actor| actor.bytes()),
                refused.error
            )
        });
        let forced = self.forced.iter();
        let forced = forced.map(|(subject, forced)| {
            format!("{:?} {:?}", subject.bytes(), forced.token.map(|token| token.bytes()))
        });
        held.chain(refused).chain(forced).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("tokens", &self.len()).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Digest, Arc<Held>> for ByBytes {
    fn weight(&self, _: &Digest, held: &Arc<Held>) -> u64 {
        let bytes = size_of::<(Digest, Held)>() + held.token.header().len();
        (bytes as u64).max(UNIT)
    }
}
