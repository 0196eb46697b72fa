//! A server that does not answer.

use tokio::sync::watch;

/// While this lives, the server does not answer. See [`TestServer::hold`](super::TestServer::hold) and
/// [`TestDirectory::hold`](crate::TestDirectory::hold).
#[derive(Debug)]
#[must_use = "the server answers again as soon as this is dropped"]
pub struct Hold(watch::Sender<usize>);

impl Hold {
    pub(crate) fn new(held: watch::Sender<usize>) -> Self {
        held.send_modify(|count| *count += 1);
        Self(held)
    }

    /// Lets the server answer.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
