//! What a program plugs in may panic: that is a defect of it, and takes nothing else with it.
//!
//! The panic was printed by the process's panic hook when it happened. Its message is not repeated: nobody knows what it
//! holds. Where a program is compiled with `panic = "abort"` there is nothing to contain.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use portcullis_core::{Auth, BoxFuture, BuildError, LiveAuth, Replacement};

use super::{Commit, Follow, outcome::TARGET};
use crate::Config;

/// It panicked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Panicked;

/// What a follower makes of a version. Where it panics it is not ready for it.
pub(super) async fn prepare(follower: &dyn Follow, config: &Arc<Config>) -> Result<Commit, BuildError> {
    let prepared = futured(|| follower.prepare(config)).await;
    prepared.unwrap_or_else(|Panicked| Err(panicked("what follows the configuration", "it was made ready")))
}

/// The same for what was derived from a service, such as the policies of routes.
pub(super) fn replacement(live: &LiveAuth, auth: Auth) -> Result<Replacement<'_>, BuildError> {
    catch(|| live.prepare(auth)).unwrap_or_else(|Panicked| {
        Err(panicked("what derives from the service", "it was derived from the new version"))
    })
}

/// Has a follower put the version in use. The others do, whatever becomes of it.
pub(super) fn commit(commit: Commit) {
    if catch(commit).is_err() {
        said("what follows the configuration", "commit", "the others go by the new version");
    }
}

/// Tells a listener. The version stands, and the others are told.
pub(super) fn listener(tell: impl FnOnce()) {
    if catch(tell).is_err() {
        said("a listener of reloads", "on_reload", "the outcome stands");
    }
}

/// Does what comes again and again. Where it panics, the next time comes all the same.
pub(super) async fn again<T>(work: impl Future<Output = T> + Send) {
    let work: BoxFuture<'_, T> = Box::pin(work);
    if futured(|| work).await.is_err() {
        said("the reading of the configuration", "reload", "the version in use stays");
    }
}

fn panicked(who: &str, when: &str) -> BuildError {
    BuildError::new(format!(
        "{who} panicked while {when}: this is a defect of the program, and the panic was printed where it happened"
    ))
}

fn said(who: &'static str, method: &'static str, meanwhile: &'static str) {
    tracing::error!(
        target: TARGET,
        who,
        method,
        meanwhile,
        remedy = "this is a defect of the program: the panic was printed where it happened",
        "something that is called for a new version of the configuration panicked"
    );
}

/// Awaits a future. What is made, polled or dropped may panic.
async fn futured<'a, T>(make: impl FnOnce() -> BoxFuture<'a, T>) -> Result<T, Panicked> {
    Contained(Some(catch(make)?)).await
}

/// `None` once it is over.
struct Contained<'a, T>(Option<BoxFuture<'a, T>>);

impl<T> Contained<'_, T> {
    fn end(&mut self) -> Result<(), Panicked> {
        let future = self.0.take();
        catch(|| drop(future))
    }
}

impl<T> Future for Contained<'_, T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Ready(Err(Panicked)) };
        let polled = match catch(|| future.as_mut().poll(task)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(Panicked) => Err(Panicked),
        };
        // It has given its value, or will give none: what is dropped of it changes nothing.
        let _ended = self.end();
        Poll::Ready(polled)
    }
}

impl<T> Drop for Contained<'_, T> {
    fn drop(&mut self) {
        let _ended = self.end();
    }
}

/// What the call gives, or nothing where it panics.
fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    // The state that a panic left half changed is the program's own, and stays there.
    catch_unwind(AssertUnwindSafe(call)).map_err(discard)
}

/// What was thrown may panic once more when it is dropped, and so on: the second is let be.
#[cold]
fn discard(thrown: Box<dyn Any + Send>) -> Panicked {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(thrown))) {
        mem::forget(again);
    }
    Panicked
}
