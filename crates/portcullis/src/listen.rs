//! The listener of a configuration.

use axum::Router;
use portcullis_core::BuildError;

use crate::Config;

/// Serves a router at the listener of `config` until the process gets SIGTERM or SIGINT, and then finishes what is in
/// flight.
///
/// For more say in it, such as the port that the system chose, use
/// [`serve::Listener`](portcullis_axum::serve::Listener) with [`Config::listener`].
///
/// # Errors
///
/// Where the address cannot be had, or would carry credentials in clear text to other machines.
pub async fn serve(app: Router, config: &Config) -> Result<(), BuildError> {
    portcullis_axum::serve::serve(app, config.listener()).await
}
