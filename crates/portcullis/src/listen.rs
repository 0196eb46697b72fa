//! The listener of a configuration.

use std::sync::Arc;

use axum::Router;
use portcullis_axum::serve::{Listener, ListenerHandle};
use portcullis_core::{BoxFuture, BuildError};
use tokio::task::JoinSet;

use crate::{Commit, Config, Follow, Live};

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

/// The same for a configuration that is followed: `[listener]` with its keys and certificates as well. Its files are looked
/// at for as long as it serves, and SIGHUP has them looked at at once.
///
/// # Errors
///
/// As [`serve`].
pub async fn serve_live(app: Router, live: &Live) -> Result<(), BuildError> {
    // First: without it the signal ends the process.
    #[cfg(unix)]
    let hangups = live.reload_on_hangup()?;
    let mut listener = None;
    live.follow(async |config| {
        let providers = config.services().iter().flat_map(|service| service.auth().providers());
        let bound = Listener::bind(config.listener()).await?.watching(providers);
        let follower = Arc::new(Following(bound.handle()));
        listener = Some(bound);
        Ok::<_, BuildError>(follower)
    })
    .await?;
    let Some(listener) = listener else { return Ok(()) };
    let mut tasks = JoinSet::new();
    tasks.spawn(live.watch());
    #[cfg(unix)]
    tasks.spawn(hangups);
    listener.serve(app).await
}

struct Following(ListenerHandle);

impl Follow for Following {
    fn prepare<'a>(&'a self, config: &'a Arc<Config>) -> BoxFuture<'a, Result<Commit, BuildError>> {
        let (handle, config) = (self.0.clone(), Arc::clone(config));
        let commit: Commit = Box::new(move || {
            handle.watching(config.services().iter().flat_map(|service| service.auth().providers()));
            for key in handle.reconfigure(config.listener()) {
                tracing::warn!(target: "portcullis::reload", key, "the new value takes effect at the next start");
            }
        });
        Box::pin(std::future::ready(Ok(commit)))
    }
}
