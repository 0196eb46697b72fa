//! Tokens under keys that are fetched: which of them may ask for newer keys, and what they are told meanwhile.

use std::sync::Arc;

use portcullis_core::{Bearer, Context, Identity, Outcome, Refusal, Unavailable, UnixTime};

use super::{Accepted, JwtValidator, Keys, cache::KeysOfNow};
use crate::{
    algorithm::{self, Algorithm},
    jwks::{JwksState, KeySource, Looked, Settled, Share},
    jws::{Doubt, NotVerified, Unverified},
    keys::Key,
    refusal::{Refused, code, refuse, shown},
};

/// Keys that may be used, and of which none is due. They are the same as long as the number is.
#[derive(Clone, Copy)]
struct Calm<'s> {
    source: &'s KeySource,
    number: u64,
}

impl KeysOfNow for Calm<'_> {
    fn hold(self, key: &Arc<Key>, place: usize, seen: Option<u64>) -> bool {
        let holds = || self.source.look().keys().is_some_and(|keys| keys.holds(key, place));
        seen == Some(self.number) || holds()
    }

    fn number(self) -> Option<u64> {
        Some(self.number)
    }
}

/// A token about which newer keys could say something else. All that can be read without a key speaks for it.
struct Open {
    lacks: Lacks,
    /// The keys that were looked at.
    looked_at: u64,
}

enum Lacks {
    /// There are no keys, or none that may be used any more.
    Keys,
    /// The key that it means may be missing.
    Key(Refusal),
    /// The key that it means does not verify it, and may have been replaced under its name.
    OtherKey(Refusal),
}

impl JwtValidator {
    /// A validator whose keys come from somewhere else than its configuration says.
    #[cfg(test)]
    pub(crate) fn with_source(mut config: super::JwtValidatorConfig, source: KeySource) -> Self {
        config.complete();
        let keys = Keys::Fetched(source);
        let cache = super::TokenCache::new(&config.cache, keys.clock());
        Self { config, keys, cache }
    }

    /// The key set as it stands; `None` where the keys are not fetched.
    #[must_use]
    pub fn key_set(&self) -> Option<JwksState> {
        match &self.keys {
            Keys::Fixed(_) => None,
            Keys::Fetched(source) => Some(source.state()),
        }
    }

    /// By the keys that are there.
    pub(super) fn accept_by_held(
        &self,
        token: &[u8],
        source: &KeySource,
        now: UnixTime,
    ) -> Result<Accepted, NotVerified> {
        let looked = source.look();
        let Some(keys) = looked.keys() else {
            return Err(Refusal::new(code::NO_KEYS, "there is no key set that may be used").into());
        };
        let unverified = Unverified::read(token, Some(keys))?;
        self.could_be_accepted(&unverified)?;
        self.accept(&unverified, keys, now)
    }

    /// Whose token it is, if it was accepted before and would be now by the keys that are there.
    pub(super) fn remembered_by_held(
        &self,
        token: &[u8],
        source: &KeySource,
        cx: &Context<'_>,
    ) -> Option<Arc<Identity>> {
        let coarse_now = source.clock().coarse_monotonic();
        if let Some(number) = source.calm(coarse_now) {
            return self.remembered(token, Calm { source, number }, Some(coarse_now), cx);
        }
        let looked = source.look();
        let now = looked.now();
        let identity = looked.keys().and_then(|keys| self.remembered(token, keys, Some(now), cx))?;
        keep_fresh(source, &looked, cx);
        Some(identity)
    }

    /// The answer, where there is nothing to wait for.
    pub(super) fn answer_at_once(
        &self,
        bearer: &Bearer<'_>,
        source: &KeySource,
        cx: &Context<'_>,
    ) -> Option<Outcome> {
        let looked = source.look();
        let open = match self.examine(bearer, &looked, cx) {
            Ok(outcome) => {
                if matches!(outcome, Outcome::Known(_)) {
                    keep_fresh(source, &looked, cx);
                }
                return Some(outcome);
            }
            Err(open) => open,
        };
        match source.settled_without_waiting(&looked, open.share()) {
            Some(settled) => Some(open.end(settled)),
            None if !cx.may_contact() => Some(not_asked(source)),
            None => None,
        }
    }

    /// The answer, after newer keys where they are needed.
    pub(super) async fn answer_in_time(
        &self,
        bearer: &Bearer<'_>,
        source: &KeySource,
        cx: &Context<'_>,
    ) -> Outcome {
        let mut wish = source.wish(cx.client().into());
        loop {
            let open = {
                let looked = source.look();
                match self.examine(bearer, &looked, cx) {
                    Ok(outcome) => {
                        if matches!(outcome, Outcome::Known(_)) {
                            keep_fresh(source, &looked, cx);
                        }
                        return outcome;
                    }
                    Err(open) => open,
                }
            };
            if !cx.may_contact() {
                return not_asked(source);
            }
            if let Err(unavailable) = cx.permit_call() {
                return unavailable.into();
            }
            if let Err(settled) = source.newer(&mut wish, open.looked_at, open.share()).await {
                return open.end(settled);
            }
        }
    }

    /// Looks at a token with the keys that are there.
    fn examine(&self, bearer: &Bearer<'_>, looked: &Looked, cx: &Context<'_>) -> Result<Outcome, Open> {
        let keys = looked.keys();
        if let Some(identity) =
            keys.and_then(|keys| self.remembered(bearer.as_bytes(), keys, Some(looked.now()), cx))
        {
            return Ok(Outcome::Known(identity));
        }
        let unverified = match Unverified::read(bearer.as_bytes(), keys) {
            Ok(unverified) => unverified,
            Err(refusal) => return Ok(refusal.into()),
        };
        let now = cx.clock().now();
        if let Err(refusal) = self.could_be_accepted(&unverified) {
            return Ok(refusal.into());
        }
        let lacks = match keys.map(|keys| self.accept(&unverified, keys, now)) {
            Some(Ok(accepted)) => return Ok(self.known(bearer, accepted, now, cx)),
            Some(Err(NotVerified { refusal, doubt: Doubt::None })) => return Ok(refusal.into()),
            Some(Err(NotVerified { refusal, doubt: Doubt::KeyMissing })) => Lacks::Key(refusal),
            Some(Err(NotVerified { refusal, doubt: Doubt::KeyDiffers })) => Lacks::OtherKey(refusal),
            None => Lacks::Keys,
        };
        // Nothing here is proven, and nothing is believed: what speaks against a token refuses it, whatever its key.
        let would_be = unverified.payload().and_then(|payload| self.judge(&unverified.header, &payload, now));
        match would_be {
            Ok(_) => Err(Open { lacks, looked_at: looked.number() }),
            Err(refusal) => Ok(refusal.into()),
        }
    }

    /// Whether a fetched key could verify such a token at all.
    fn could_be_accepted(&self, unverified: &Unverified<'_>) -> Refused<()> {
        let name = &unverified.header.alg;
        let narrowed = self.config.algorithms.as_deref();
        let allowed = |algorithm: &Algorithm| {
            // A shared secret is never fetched.
            algorithm.least_secret().is_none() && narrowed.is_none_or(|some| some.contains(algorithm))
        };
        if Algorithm::from_name(name).as_ref().is_some_and(allowed) {
            return Ok(());
        }
        let names = algorithm::names(Algorithm::ALL.into_iter().filter(allowed));
        refuse(
            code::UNSUPPORTED_ALGORITHM,
            format!("`alg` is {}, and the configuration allows {names}", shown(name)),
        )
    }
}

impl Open {
    const fn share(&self) -> Share {
        match self.lacks {
            Lacks::Keys | Lacks::Key(_) => Share::Any,
            // Anybody can put a wrong signature under the name of a key that exists.
            Lacks::OtherKey(_) => Share::Spare,
        }
    }

    /// The answer where there are no newer keys.
    fn end(self, settled: Settled) -> Outcome {
        match (self.lacks, settled) {
            (Lacks::OtherKey(refusal), _) | (Lacks::Key(refusal), Settled::NoNewer) => refusal.into(),
            (Lacks::Keys | Lacks::Key(_), Settled::Unavailable(unavailable)) => unavailable.into(),
            (Lacks::Keys, Settled::NoNewer) => Unavailable::new("there are no keys that may be used").into(),
        }
    }
}

/// Keys that are good for something are kept fresh. An explanation leaves no trace.
fn keep_fresh(source: &KeySource, looked: &Looked, cx: &Context<'_>) {
    if cx.may_remember() {
        source.refresh_if_due(looked);
    }
}

fn not_asked(source: &KeySource) -> Outcome {
    Unavailable::new(format!("{} would have to be asked for its keys", source.url())).into()
}
