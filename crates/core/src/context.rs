//! What a provider is told besides the credential.

use std::{net::IpAddr, sync::Arc};

use crate::{Call, Clock, Guess, Unavailable, throttle::Attempted};

/// What a provider may know of the request beyond the credential, and what it may do.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    clock: &'a Arc<dyn Clock>,
    client: Option<IpAddr>,
    explain: Option<Contact>,
    afresh: bool,
    searched: Option<u64>,
    attempted: Option<Attempted<'a>>,
}

/// Whether an explanation may ask servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contact {
    /// Servers are asked, as for a real request.
    Allowed,
    /// No server is asked; an element that would have to is reported as unavailable.
    Forbidden,
}

impl<'a> Context<'a> {
    /// A context for calling a provider directly.
    #[must_use]
    pub const fn new(clock: &'a Arc<dyn Clock>) -> Self {
        Self { clock, client: None, explain: None, afresh: false, searched: None, attempted: None }
    }

    /// The same with the caller's address.
    #[must_use]
    pub const fn with_client(mut self, client: Option<IpAddr>) -> Self {
        self.client = client;
        self
    }

    /// The same for an explanation, which leaves no trace in any cache.
    #[must_use]
    pub const fn explaining(mut self, contact: Contact) -> Self {
        self.explain = Some(contact);
        self
    }

    /// The same for asking whether a credential that was good still is: what is remembered is no answer.
    #[must_use]
    pub const fn afresh(mut self) -> Self {
        self.afresh = true;
        self
    }

    /// The same for a provider whose memory has just been searched.
    pub(crate) const fn searched(mut self, state: Option<u64>) -> Self {
        self.searched = state;
        self.afresh()
    }

    /// The same for a question that the throttle of the service has permitted.
    pub(crate) const fn attempted(mut self, attempted: Attempted<'a>) -> Self {
        self.attempted = Some(attempted);
        self
    }

    /// Of a password: the guess that it may be. For providers that learn only on the way which account is meant, and would
    /// hold the password against it then: see [`Guess::at`].
    #[must_use]
    pub fn guess(&self) -> Guess {
        self.attempted.map_or(Guess::untold(), Attempted::guess)
    }

    /// Says that a server is about to be asked about this very credential, which was not remembered. A credential that is
    /// then refused counts for the caller's address, where the service has a throttle.
    ///
    /// # Errors
    ///
    /// With the provider's answer, where there were too many such refusals: the caller is then answered with 429.
    ///
    /// What it permits is told by [`Call::refused`] where it goes on without its caller.
    pub fn permit_call(&self) -> Result<Call, Unavailable> {
        self.attempted.map_or(Ok(Call::untold()), Attempted::permit_call)
    }

    /// Whether an answer may come from a cache. False while a decision is being explained, where it is asked
    /// whether a credential still is good, and where the cache has just said [`Recall::Nothing`](crate::Recall::Nothing).
    #[must_use]
    pub const fn may_recall(&self) -> bool {
        self.explain.is_none() && !self.afresh
    }

    /// The state of which the provider has just said [`Recall::NothingIn`](crate::Recall::NothingIn), of this very credential.
    #[must_use]
    pub const fn searched_in(&self) -> Option<u64> {
        self.searched
    }

    /// The clock of the service.
    #[must_use]
    pub const fn clock(&self) -> &'a Arc<dyn Clock> {
        self.clock
    }

    /// The caller's address, where it is known: the socket's peer, or what trusted proxies said. For providers that look at
    /// it ([`Provider::looks_at_client`](crate::Provider::looks_at_client)).
    #[must_use]
    pub const fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// Whether caches may be written. False while a decision is being explained.
    #[must_use]
    pub const fn may_remember(&self) -> bool {
        self.explain.is_none()
    }

    /// Whether servers may be asked.
    #[must_use]
    pub const fn may_contact(&self) -> bool {
        !matches!(self.explain, Some(Contact::Forbidden))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    #[test]
    fn what_a_provider_may_do_depends_on_who_asks() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let request = Context::new(&clock);
        for (cx, recall, remember, contact) in [
            (request, true, true, true),
            (request.afresh(), false, true, true),
            (request.explaining(Contact::Allowed), false, false, true),
            (request.explaining(Contact::Forbidden), false, false, false),
            (request.afresh().explaining(Contact::Allowed), false, false, true),
        ] {
            let may = (cx.may_recall(), cx.may_remember(), cx.may_contact());
            assert_eq!(may, (recall, remember, contact), "{cx:?}");
        }
        let client = Some(IpAddr::from([192, 0, 2, 7]));
        assert_eq!(request.client(), None);
        assert_eq!(request.with_client(client).afresh().client(), client);
    }
}
