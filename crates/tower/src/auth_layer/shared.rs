//! What all clones of a layer and its services share, counted apart by each thread.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use portcullis_core::Lanes;

/// One value for all clones. axum clones a layer and its service for every request: were they counted in one place, that
/// place would be handed from processor to processor (ADR 0017).
///
/// A clone that is made on the thread where the value was, or on one of its lane, is as the original. So is what a router
/// keeps, which clones when it is built. A clone made elsewhere is counted by the other thread's lane, and so are its own.
pub(super) struct Shared<T>(Arc<Handle<T>>);

/// Apart from the counts of its `Arc`, which one thread writes while others read this.
#[repr(align(128))]
struct Handle<T> {
    value: Arc<T>,
    /// Those of other threads; `None` in one of these.
    others: Option<Others<T>>,
}

struct Others<T> {
    home: usize,
    handles: Lanes<OnceLock<Arc<Handle<T>>>>,
}

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        let handles = Lanes::new(OnceLock::new);
        let others = Some(Others { home: handles.own_number(), handles });
        Self(Arc::new(Handle { value: Arc::new(value), others }))
    }

    /// The same for another value.
    pub(super) fn map<U>(self, map: impl FnOnce(T) -> U) -> Shared<U>
    where
        T: Clone,
    {
        Shared::new(map(T::clone(&self)))
    }
}

impl<T> Clone for Shared<T> {
    #[inline]
    fn clone(&self) -> Self {
        let Self(handle) = self;
        let Some(others) = &handle.others else { return Self(Arc::clone(handle)) };
        let lane = others.handles.own_number();
        if lane == others.home {
            return Self(Arc::clone(handle));
        }
        let away = || Arc::new(Handle { value: Arc::clone(&handle.value), others: None });
        Self(Arc::clone(others.handles.numbered(lane).get_or_init(away)))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn elsewhere<T: Send>(make: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| scope.spawn(make).join().unwrap())
    }

    #[test]
    fn a_thread_counts_apart_from_where_the_value_was_made_unless_it_has_the_same_lane() {
        let shared = Shared::new("value");
        let Place { home, .. } = Place::of(&shared);
        let mut lanes_seen = 0;
        // More threads than lanes, so that each lane is somebody's.
        for _ in 0..256 {
            let (lane, first, second, of_first) = elsewhere(|| {
                let lane = Place::of(&shared).lane;
                let first = shared.clone();
                let (second, of_first) = (shared.clone(), first.clone());
                (lane, first, second, of_first)
            });
            assert!(Arc::ptr_eq(&first.0, &second.0) && Arc::ptr_eq(&first.0, &of_first.0), "one for a lane");
            assert_eq!(Arc::ptr_eq(&first.0, &shared.0), lane == home);
            assert!(Arc::ptr_eq(&first.0.value, &shared.0.value), "of the same value");
            // Whoever takes one of another thread's keeps it.
            assert!(Arc::ptr_eq(&first.clone().0, &first.0) || lane == home);
            lanes_seen = lanes_seen.max(lane + 1);
        }
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        assert_eq!(lanes_seen > 1, processors > 1);
        assert!(Arc::ptr_eq(&shared.clone().0, &shared.0), "at home it is the original");
    }

    #[test]
    fn the_value_goes_with_the_last_of_all_threads() {
        let value = Arc::new(());
        let shared = Shared::new(Arc::clone(&value));
        let away: Vec<_> = (0..8).map(|_| elsewhere(|| shared.clone())).collect();
        drop(shared);
        assert_eq!(Arc::strong_count(&value), 2, "others hold it");
        drop(away);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    /// What a test sees of a handle, and of the thread that asks.
    struct Place {
        home: usize,
        lane: usize,
    }

    impl Place {
        fn of<T>(shared: &Shared<T>) -> Self {
            let others = shared.0.others.as_ref().unwrap();
            Self { home: others.home, lane: others.handles.own_number() }
        }
    }
}
