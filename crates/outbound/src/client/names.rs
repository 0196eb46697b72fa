//! Names looked up, where plain http must not leave this machine.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
    vec,
};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use portcullis_core::BoxFuture;
use tower_service::Service;

use crate::ClientConfig;

/// Looks names up as the system does.
#[derive(Clone)]
pub(super) struct Names<R = GaiResolver> {
    system: R,
    /// Whether addresses of other machines count.
    leaves: bool,
}

impl Names {
    /// For plain http. Where it must not leave this machine, addresses of others do not count: a name service that says where
    /// `localhost` is can be anybody's.
    pub(super) fn of_plain_http(config: &ClientConfig) -> Self {
        Self { system: GaiResolver::new(), leaves: config.allow_insecure_http }
    }
}

impl<R, A> Service<Name> for Names<R>
where
    R: Service<Name, Response = A, Error = io::Error, Future: Send + 'static>,
    A: Iterator<Item = SocketAddr>,
{
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<vec::IntoIter<SocketAddr>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (looked_up, leaves) = (self.system.call(name), self.leaves);
        Box::pin(async move {
            let addresses = looked_up.await?;
            let addresses: Vec<_> =
                addresses.filter(|address| leaves || address.ip().is_loopback()).collect();
            if addresses.is_empty() {
                return Err(io::Error::other("the name is not one of this machine's"));
            }
            Ok(addresses.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use super::*;

    /// A name service that says the same of every name.
    #[derive(Clone)]
    struct Says(&'static [&'static str]);

    impl Service<Name> for Says {
        type Response = vec::IntoIter<SocketAddr>;
        type Error = io::Error;
        type Future = Ready<io::Result<vec::IntoIter<SocketAddr>>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Name) -> Self::Future {
            let addresses: Vec<SocketAddr> = self.0.iter().map(|text| text.parse().unwrap()).collect();
            ready(Ok(addresses.into_iter()))
        }
    }

    #[test]
    fn plain_http_leaves_this_machine_where_somebody_allowed_it() {
        let config = ClientConfig::new();
        assert!(!Names::of_plain_http(&config).leaves);
        assert!(Names::of_plain_http(&config.allow_insecure_http(true)).leaves);
    }

    #[tokio::test]
    async fn localhost_is_on_this_machine_whatever_a_name_service_says() {
        const MIXED: &[&str] = &["192.0.2.7:0", "[::1]:0", "127.0.0.2:0", "[2001:db8::1]:0"];
        for (leaves, said, expected) in [
            (true, MIXED, MIXED),
            (false, MIXED, &["[::1]:0", "127.0.0.2:0"][..]),
            (true, &["192.0.2.7:0"], &["192.0.2.7:0"]),
            (false, &["192.0.2.7:0", "[::ffff:192.0.2.7]:0", "0.0.0.0:0"], &[]),
            (true, &[], &[]),
        ] {
            let mut names = Names { system: Says(said), leaves };
            match names.call("localhost".parse().unwrap()).await {
                Ok(found) => {
                    assert_eq!(found.map(|address| address.to_string()).collect::<Vec<_>>(), expected);
                }
                Err(error) => {
                    assert!(expected.is_empty(), "{said:?}");
                    assert_eq!(error.to_string(), "the name is not one of this machine's");
                }
            }
        }
    }
}
