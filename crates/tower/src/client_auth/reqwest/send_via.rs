use reqwest::{Client, Request, RequestBuilder};
use tower_service::Service as _;

use crate::client_auth::{ClientAuth, ClientAuthService, ReplayEmpty, ResponseFuture, SendError};

/// Sends a request of reqwest with a client's credential.
///
/// ```
/// use portcullis_core::{Authorization, Secret};
/// use portcullis_tower::{ClientAuth, SendVia, redirect_policy};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let token = Authorization::bearer(&Secret::new("2YotnFZFEjr1zCsicMWpAA"))?;
/// let orders = ClientAuth::builder(token).name("orders").url("https://orders.example").build()?;
///
/// let client = reqwest::Client::builder().redirect(redirect_policy()).build()?;
/// let response = client.get("https://orders.example/v2/open").send_via(&orders).await?;
/// # Ok(())
/// # }
/// ```
pub trait SendVia {
    /// Sends it by the `reqwest::Client` that the request was begun with, by the [rules](crate::client_auth) of the layer. An
    /// `Authorization` that the client sends by default gives way; a user name in the URL does not, as reqwest makes one of it.
    ///
    /// # Security
    ///
    /// Give the client [`redirect_policy`](crate::redirect_policy): reqwest's own shows the credential to another origin, once that redirects
    /// to itself. And `no_proxy` where it calls plain http: a proxy that the environment names reads the credential, that of calls to
    /// `localhost` included.
    ///
    /// Errors of reqwest show the whole URL, its query included: `reqwest::Error::without_url` takes it out.
    ///
    /// # Errors
    ///
    /// As `RequestBuilder::send`, and where the request does not get the credential.
    fn send_via(self, auth: &ClientAuth) -> ResponseFuture<Client, Request>;
}

impl SendVia for RequestBuilder {
    fn send_via(self, auth: &ClientAuth) -> ResponseFuture<Client, Request> {
        let (client, request) = self.build_split();
        match request {
            // A client of reqwest is always ready.
            Ok(request) => ClientAuthService::new(client, auth.clone(), ReplayEmpty, false).call(request),
            Err(error) => ResponseFuture::failed(SendError::Service(error)),
        }
    }
}
