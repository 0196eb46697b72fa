//! `[clients]`: what outgoing calls show, and where it may go.

mod auth;
mod hooks;
mod misplaced;
mod read;
mod record;

use portcullis_core::BuildError;
use portcullis_tower::ClientAuth;

pub(super) use self::{hooks::Hooks, read::read_all};
#[cfg(feature = "reqwest")]
use crate::client::ReqwestClient;
use crate::client::{HyperClient, Transport};

/// A client of the configuration: `[clients.NAME]`.
///
/// Whatever is made of it has one token: it is fetched once for all.
#[derive(Clone, Debug)]
pub struct ConfiguredClient {
    name: String,
    grant: &'static str,
    auth: ClientAuth,
    /// As they are written.
    origins: Vec<String>,
    any_origin: bool,
    transport: Transport,
}

impl ConfiguredClient {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its credential is, as `grant` names it: `basic`, `bearer`, `jwt`, `client_credentials`, `password`,
    /// `refresh_token`, `jwt_bearer`, `token_exchange` or `on_behalf_of`.
    #[must_use]
    pub const fn grant(&self) -> &'static str {
        self.grant
    }

    /// Where its credential may go: the origin of its URL, and further ones. `None` where it goes anywhere.
    #[must_use]
    pub fn origins(&self) -> Option<&[String]> {
        (!self.any_origin).then_some(&*self.origins)
    }

    /// How its server is reached: TLS, the version of HTTP, time-outs.
    pub const fn transport(&self) -> &Transport {
        &self.transport
    }

    /// What puts its credential on requests: for layers, [`SendVia`](crate::client), and everything else. Contacts nobody.
    ///
    /// # Errors
    ///
    /// None today: what is wrong is said when the configuration is read. Later versions may have to prepare something.
    pub async fn build(&self) -> Result<ClientAuth, BuildError> {
        Ok(self.auth.clone())
    }

    /// What puts its credential on requests, for those who look at a configuration. Whoever sends requests asks for
    /// [`ConfiguredClient::build`].
    #[must_use]
    pub const fn auth(&self) -> &ClientAuth {
        &self.auth
    }

    /// A ready client on hyper. Contacts nobody.
    ///
    /// # Errors
    ///
    /// When it cannot speak TLS: the system trusts no authority, and the configuration names none.
    pub async fn hyper(&self) -> Result<HyperClient, BuildError> {
        self.transport.hyper(self.auth.clone()).await
    }

    /// A ready client on reqwest. Contacts nobody.
    ///
    /// # Errors
    ///
    /// When it cannot speak TLS: the system trusts no authority, and the configuration names none.
    #[cfg(feature = "reqwest")]
    pub async fn reqwest(&self) -> Result<ReqwestClient, BuildError> {
        self.transport.reqwest(self.auth.clone()).await
    }
}
