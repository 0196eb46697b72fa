//! The listener of a configuration.

use axum::Router;
use portcullis_axum::serve::Listener;
use portcullis_core::BuildError;

use crate::Config;

/// Serves a router at the listener of `config` until the process gets SIGTERM or SIGINT, and then finishes what is in
/// flight. Metrics show the servers that the configuration's providers depend on.
///
/// For more say in it, such as the port that the system chose, use
/// [`serve::Listener`](portcullis_axum::serve::Listener) with [`Config::listener`].
///
/// # Errors
///
/// Where the address cannot be had, or would carry credentials in clear text to other machines.
pub async fn serve(app: Router, config: &Config) -> Result<(), BuildError> {
    let providers = config.services().iter().flat_map(|service| service.auth().providers());
    Listener::bind(config.listener()).await?.watching(providers).serve(app).await
}
