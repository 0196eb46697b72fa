//! Who is told that a source of tokens got another one, or did not.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::TokenError;
use crate::chain::contain;

/// Is told of each token that a [`TokenSource`](super::TokenSource) got, or failed to get. For metrics.
///
/// Called where the token is fetched, or signed: it must neither block nor fail.
pub trait RefreshObserver: fmt::Debug + Send + Sync + 'static {
    /// A token came, or did not.
    fn refreshed(&self, refreshed: &Refreshed<'_>);
}

/// What came of getting a token. Holds no secret.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Refreshed<'a> {
    /// Why there is none, where there is none.
    pub error: Option<&'a TokenError>,
    /// How long it took.
    pub took: Duration,
}

impl Refreshed<'_> {
    /// All words for what came of it.
    pub const OUTCOMES: &'static [&'static str] = &["success", "refused", "unavailable"];

    /// What came of it, in one of the words of [`Refreshed::OUTCOMES`]: `refused` where somebody has to change something,
    /// `unavailable` where asking again later may help.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self.error {
            None => "success",
            Some(error) if error.is_transient() => "unavailable",
            Some(_) => "refused",
        }
    }
}

/// Those whom a source tells: what a source holds for [`TokenSource::watch_refreshes`](super::TokenSource::watch_refreshes).
#[derive(Default)]
pub struct RefreshObservers(Mutex<Vec<Arc<dyn RefreshObserver>>>);

impl RefreshObservers {
    /// One more.
    pub fn add(&self, observer: Arc<dyn RefreshObserver>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(observer);
    }

    /// Tells them what came of getting a token, in the order in which they came. One that panics is logged, and changes nothing.
    pub fn tell(&self, error: Option<&TokenError>, took: Duration) {
        let refreshed = Refreshed { error, took };
        // Whoever is told may take its time.
        let observers = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for observer in observers {
            contain::observed(|| observer.refreshed(&refreshed));
        }
    }
}

impl fmt::Debug for RefreshObservers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshObservers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Notes(Mutex<Vec<(&'static str, Duration)>>);

    impl RefreshObserver for Notes {
        fn refreshed(&self, refreshed: &Refreshed<'_>) {
            self.0.lock().unwrap().push((refreshed.outcome(), refreshed.took));
        }
    }

    #[derive(Debug)]
    struct Panics;

    impl RefreshObserver for Panics {
        fn refreshed(&self, _: &Refreshed<'_>) {
            panic!("a mistake of the observer");
        }
    }

    #[test]
    fn all_are_told_in_a_word_also_where_one_panics() {
        let (observers, notes) = (RefreshObservers::default(), Arc::new(Notes::default()));
        observers.tell(None, Duration::ZERO);
        observers.add(Arc::new(Panics));
        observers.add(notes.clone());
        observers.tell(None, Duration::from_millis(1));
        observers.tell(Some(&TokenError::transient("away")), Duration::from_millis(2));
        observers.tell(Some(&TokenError::permanent("refused")), Duration::from_millis(3));
        let told = notes.0.lock().unwrap().clone();
        assert_eq!(
            told,
            ["success", "unavailable", "refused"]
                .into_iter()
                .zip([1, 2, 3].map(Duration::from_millis))
                .collect::<Vec<_>>()
        );
        assert!(told.iter().all(|(word, _)| Refreshed::OUTCOMES.contains(word)));
        assert_eq!(format!("{observers:?}"), "RefreshObservers");
    }
}
