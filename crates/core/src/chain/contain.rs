//! A provider that panics is unavailable, and takes nothing else with it.
//!
//! The panic was printed by the process's panic hook when it happened. Its message is not repeated: nobody knows what it
//! holds. Where a program is compiled with `panic = "abort"` there is nothing to contain.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use crate::{
    Accounts, BoxFuture, BuildError, Context, Credential, Element, Identity, Observer, Outcome, Provider,
    QueueState, Reason, Recall, Rejection, ServerState, Unavailable, Vouch,
};

const PANICKED: &str = "the provider panicked";
const UNAVAILABLE: &str = "unavailable";

/// What an element is asked first, see [`Provider::try_authenticate`](crate::Provider::try_authenticate).
pub(crate) fn try_authenticate(
    element: &Element,
    credential: &Credential<'_>,
    cx: &Context<'_>,
) -> Option<Outcome> {
    let call = || element.provider().try_authenticate(credential, cx);
    catch(call).unwrap_or_else(|()| Some(broken(element, "try_authenticate").into()))
}

/// What an element remembers. Where it panics, it is asked in full and may answer.
pub(crate) fn recall(element: &Element, text: &[u8], cx: &Context<'_>) -> Recall {
    catch(|| element.provider().recall(text, cx)).unwrap_or_else(|()| {
        told(element, "recall", "asked in full");
        Recall::Unasked
    })
}

/// Whom an element knows by the name of `identity`. Nobody, where it panics.
pub(crate) fn vouch(element: &Element, identity: &Identity) -> Option<Vouch> {
    catch(|| element.provider().vouch(identity)).unwrap_or_else(|()| {
        told(element, "vouch", "knows nobody");
        None
    })
}

/// As whose accounts its users are counted. As its own, where it panics.
pub(crate) fn accounts(element: &Element) -> Option<Accounts> {
    catch(|| element.provider().accounts()).unwrap_or_else(|()| {
        told(element, "accounts", "counted for itself");
        None
    })
}

/// Whether asking an element again makes sense. Where it panics it does: an answer that cannot be had closes the connection.
pub(crate) fn can_revoke(element: &Element) -> bool {
    catch(|| element.provider().can_revoke()).unwrap_or_else(|()| {
        told(element, "can_revoke", "asked again");
        true
    })
}

/// An element's answer that has to be waited for.
pub(crate) struct Asking<'a> {
    element: &'a Element,
    /// `None` once it is over.
    answer: Option<BoxFuture<'a, Outcome>>,
}

impl<'a> Asking<'a> {
    pub(crate) fn new(element: &'a Element, credential: &'a Credential<'a>, cx: &'a Context<'a>) -> Self {
        let answer = catch(|| element.provider().authenticate(credential, cx));
        Self { element, answer: answer.ok() }
    }

    pub(crate) fn poll(&mut self, task: &mut TaskContext<'_>) -> Poll<Outcome> {
        let polled = self.answer.as_mut().map(|answer| catch(|| answer.as_mut().poll(task)));
        match polled {
            Some(Ok(polled)) => polled,
            // Made or polled, it panicked.
            Some(Err(())) | None => {
                self.end();
                Poll::Ready(broken(self.element, "authenticate").into())
            }
        }
    }

    pub(crate) async fn answer(mut self) -> Outcome {
        std::future::poll_fn(|task| self.poll(task)).await
    }

    fn end(&mut self) {
        let answer = self.answer.take();
        // What is dropped may panic as well.
        if catch(|| drop(answer)).is_err() {
            told(self.element, "authenticate, given up", "its answer stands");
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// What people ask of a provider, who want an answer whatever it does.
impl dyn Provider {
    /// [`Provider::servers`]; of a provider that panics, one that is not usable.
    #[must_use]
    pub fn servers_or_panicked(&self) -> Vec<ServerState> {
        catch(|| self.servers()).unwrap_or_else(|()| {
            let kind = self.kind_or_panicked();
            said(kind, "servers", UNAVAILABLE);
            let mut state = ServerState::unasked("provider", kind);
            state.usable = false;
            state.last_error = Some(PANICKED.to_owned());
            vec![state]
        })
    }

    /// [`Provider::queues`]; none of a provider that panics.
    #[must_use]
    pub fn queues_or_panicked(&self) -> Vec<QueueState> {
        catch(|| self.queues()).unwrap_or_else(|()| {
            said(self.kind_or_panicked(), "queues", "has none");
            Vec::new()
        })
    }

    /// [`Provider::prepare`], which fails for a provider that panics.
    ///
    /// # Errors
    ///
    /// When a server that has to be there is not, or the provider panics.
    pub async fn prepare_or_panicked(&self) -> Result<(), BuildError> {
        Contained(catch(|| self.prepare()).ok()).await.unwrap_or_else(|()| {
            let kind = self.kind_or_panicked();
            said(kind, "prepare", UNAVAILABLE);
            Err(BuildError::new(format!("the provider {kind} panicked while it was made ready")))
        })
    }

    fn kind_or_panicked(&self) -> &'static str {
        catch(|| self.kind()).unwrap_or("unknown")
    }
}

/// The future of a call; `None` where making it panicked already.
struct Contained<'a, T>(Option<BoxFuture<'a, T>>);

impl<T> Future for Contained<'_, T> {
    type Output = Result<T, ()>;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Ready(Err(())) };
        match catch(|| future.as_mut().poll(task)) {
            Ok(polled) => polled.map(Ok),
            Err(()) => {
                let _ended = catch(|| self.0 = None);
                Poll::Ready(Err(()))
            }
        }
    }
}

/// Tells an observer. One that panics decides nothing.
pub(crate) fn observer(observer: &dyn Observer, tell: impl FnOnce(&dyn Observer)) {
    observed(|| tell(observer));
}

/// The same, whoever is told, and of what.
pub(crate) fn observed(tell: impl FnOnce()) {
    if catch(tell).is_err() {
        tracing::error!(
            target: "portcullis",
            remedy = "this is a defect of the observer: the panic was printed where it happened",
            "an observer panicked; the decision stands"
        );
    }
}

impl Rejection {
    /// What a hook of the service writes for this refusal, such as its body. `None` where the hook panics, which is logged:
    /// the refusal itself stands.
    pub fn written<T>(&self, hook: impl FnOnce() -> T) -> Option<T> {
        let written = catch(hook).ok();
        if written.is_none() {
            tracing::error!(
                target: "portcullis",
                kind = self.kind().as_str(),
                remedy = "this is a defect of the hook: the panic was printed where it happened",
                "a hook that writes refusals panicked; the refusal stands, without a body"
            );
        }
        written
    }
}

fn broken(element: &Element, method: &'static str) -> Unavailable {
    told(element, method, UNAVAILABLE);
    Unavailable::new(PANICKED).because(Reason::Panicked)
}

fn told(element: &Element, method: &'static str, meanwhile: &'static str) {
    said(element.name(), method, meanwhile);
}

/// `meanwhile` is what it counts as.
fn said(element: &str, method: &'static str, meanwhile: &'static str) {
    tracing::error!(
        target: "portcullis",
        element,
        method,
        meanwhile,
        remedy = "this is a defect of the provider: the panic was printed where it happened",
        "a provider panicked"
    );
}

/// What the call gives, or nothing where it panics.
fn catch<T>(call: impl FnOnce() -> T) -> Result<T, ()> {
    // The state that a panic left half changed is the provider's own, and stays there.
    catch_unwind(AssertUnwindSafe(call)).map_err(discard)
}

/// What was thrown may panic once more when it is dropped, and so on: the second is let be.
#[cold]
fn discard(thrown: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(thrown))) {
        mem::forget(again);
    }
}
