//! What was sent, and by whom: what a service and the requests under way share.

use std::{ptr, sync::Arc};

use http::{HeaderMap, header::AUTHORIZATION};
use portcullis_core::{Authorization, TokenLease};

use super::ClientAuth;

/// A credential as it was sent.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) auth: ClientAuth,
    pub(super) token: Authorization,
    /// Until when it can be sent again without asking its source.
    lease: Option<Arc<TokenLease>>,
    /// Whether it was sent with what may be a call of gRPC: so the future of each request need not say it.
    pub(super) may_be_grpc: bool,
}

impl Shown {
    /// One that the source gave for one request.
    pub(super) const fn given(auth: ClientAuth, token: Authorization, may_be_grpc: bool) -> Self {
        Self { auth, token, lease: None, may_be_grpc }
    }

    /// Puts it on a request, where it is `fresh` or can be sent without asking its source. One function, whatever the types of
    /// requests are, and the only one: the hash of the header's name is known in it.
    #[inline(never)]
    pub(super) fn put_on(&self, headers: &mut HeaderMap, fresh: bool) -> bool {
        let goes = fresh || self.lease.as_ref().is_some_and(|lease| lease.is_good());
        if goes {
            headers.append(&AUTHORIZATION, self.token.header().clone());
        }
        goes
    }

    /// Puts on a request what the source gives now, where it need not be waited for.
    #[cold]
    pub(super) fn renew<'l>(
        last: &'l mut Option<Arc<Self>>,
        auth: &ClientAuth,
        may_be_grpc: bool,
        headers: &mut HeaderMap,
    ) -> Option<&'l Arc<Self>> {
        *last = Self::next(last.take(), auth, may_be_grpc);
        let next = last.as_ref()?;
        next.put_on(headers, true);
        Some(next)
    }

    fn next(last: Option<Arc<Self>>, auth: &ClientAuth, may_be_grpc: bool) -> Option<Arc<Self>> {
        if let Some(lease) = auth.lease() {
            let token = lease.token().clone();
            return Some(Arc::new(Self { auth: auth.clone(), token, lease: Some(lease), may_be_grpc }));
        }
        let token = auth.try_token()?;
        // Sources without leases may give the same one again and again.
        let same = last.filter(|last| {
            last.lease.is_none() && ptr::eq(last.token.header().as_bytes(), token.header().as_bytes())
        });
        Some(same.unwrap_or_else(|| Arc::new(Self::given(auth.clone(), token, may_be_grpc))))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{BoxFuture, Probe, Secret, TokenError, TokenSource};

    use super::*;

    /// Gives one token, or a new one each time, and leases none.
    #[derive(Debug)]
    struct Giving(Option<Authorization>);

    fn bearer() -> Authorization {
        Authorization::bearer(&Secret::new("token")).unwrap()
    }

    impl TokenSource for Giving {
        fn try_token(&self) -> Option<Authorization> {
            Some(self.0.clone().unwrap_or_else(bearer))
        }

        fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
            Box::pin(std::future::pending())
        }

        fn refused(&self, _: &Authorization) -> bool {
            false
        }

        fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
            Box::pin(std::future::ready(Vec::new()))
        }
    }

    #[test]
    fn a_token_that_is_given_again_takes_no_place_of_its_own_and_its_source_is_asked_for_it() {
        for (source, same) in [(Giving(Some(bearer())), true), (Giving(None), false)] {
            let auth = ClientAuth::builder(source).url("https://orders.example").build().unwrap();
            let mut last = None;
            let mut headers = HeaderMap::new();
            assert!(Shown::renew(&mut last, &auth, false, &mut headers).is_some());
            assert_eq!(headers[AUTHORIZATION], "Bearer token");
            let first = last.clone().unwrap();
            let mut headers = HeaderMap::new();
            assert!(!first.put_on(&mut headers, false) && headers.is_empty(), "it is not leased");
            assert!(Shown::renew(&mut last, &auth, false, &mut headers).is_some());
            assert_eq!(Arc::ptr_eq(&first, last.as_ref().unwrap()), same);
        }
    }
}
