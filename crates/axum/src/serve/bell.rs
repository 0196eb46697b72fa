//! Futures that are asked only when they have something to say.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
    task::{Context, Wake, Waker},
};

/// Tells whether one of the futures has woken the task that were polled with what it gives.
///
/// A connection's task is woken for every request, and what ends the connection seldom has anything to say: to ask it each time
/// would take locks, some of which all connections share.
#[derive(Default)]
pub(super) struct Bell(Option<(Arc<Rope>, Waker)>);

struct Rope {
    is_pulled: AtomicBool,
    task: Waker,
}

impl Bell {
    /// What to poll all of the futures with, where they have to be polled: at first, after one of them has woken the task, and
    /// when the task is another.
    pub(super) fn rung(&mut self, cx: &Context<'_>) -> Option<Context<'_>> {
        let is_anothers = |(rope, _): &mut (Arc<Rope>, Waker)| !rope.task.will_wake(cx.waker());
        self.0.take_if(is_anothers);
        let (rope, waker) = self.0.get_or_insert_with(|| {
            let rope = Arc::new(Rope { is_pulled: AtomicBool::new(true), task: cx.waker().clone() });
            (Arc::clone(&rope), Waker::from(rope))
        });
        // It has seldom been, and to read it is cheaper.
        let is_pulled = rope.is_pulled.load(Acquire) && rope.is_pulled.swap(false, AcqRel);
        is_pulled.then(|| Context::from_waker(waker))
    }
}

impl Wake for Rope {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_pulled.store(true, Release);
        self.task.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, AcqRel);
        }
    }

    #[test]
    fn it_rings_at_first_and_whenever_it_has_woken_the_task() {
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let cx = Context::from_waker(&waker);
        let mut bell = Bell::default();
        let first = bell.rung(&cx).unwrap().waker().clone();
        assert!(bell.rung(&cx).is_none());
        // The task was woken by something else.
        waker.wake_by_ref();
        assert!(bell.rung(&cx).is_none());
        first.wake_by_ref();
        first.wake();
        assert_eq!(task.0.load(Acquire), 3);
        assert!(bell.rung(&cx).is_some());
        assert!(bell.rung(&cx).is_none());
    }

    #[test]
    fn another_task_is_told_anew_and_the_one_before_is_not_woken() {
        let (one, other) = (Arc::new(Task::default()), Arc::new(Task::default()));
        let (one_waker, other_waker) = (Waker::from(Arc::clone(&one)), Waker::from(Arc::clone(&other)));
        let mut bell = Bell::default();
        assert!(bell.rung(&Context::from_waker(&one_waker)).is_some());
        let cx = Context::from_waker(&other_waker);
        bell.rung(&cx).unwrap().waker().wake_by_ref();
        assert_eq!((one.0.load(Acquire), other.0.load(Acquire)), (0, 1));
        assert!(bell.rung(&cx).is_some());
    }
}
