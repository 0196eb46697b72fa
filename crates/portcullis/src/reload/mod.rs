//! A configuration that is taken up again when its files change.
//!
//! | what happens to the files | what happens here |
//! |---|---|
//! | they change, and the new version is right | it is taken up, as a whole and at once, for every request from then on |
//! | they change, and it is wrong | it is refused with everything that is wrong, and the one before stays in use |
//! | one is deleted, or cannot be read | the same |
//! | they change while they are read | they are read again |
//! | one becomes something else, such as a pipe | it is not opened, and the version is refused |
//!
//! Files are compared by their contents, so it makes no difference how they are replaced: written in place, renamed over,
//! or behind a symbolic link that is turned, as Kubernetes does; nor what their times say.

mod check;
mod contain;
mod outcome;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use portcullis_core::{BoxFuture, BuildError, Clock, LiveAuth, SystemClock};

use self::check::Watch;
pub(crate) use self::outcome::Told;
pub use self::outcome::{ReloadState, Reloaded};
use crate::{Config, ConfigBuilder, ConfigError, ServiceConfig};

/// A configuration that follows its file, and every file that it names. Cheap to clone; clones are one.
///
/// ```
/// use axum::{Router, routing::get};
/// use portcullis::{AuthLayer, Live};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let live = Live::load("Config.toml")?;
/// let foo = live.service("/foo")?.build().await?; // in place of Config::load and config.service
///
/// let app: Router = Router::new().route("/foo/bar", get(|| async { "Hello, World!" })).layer(AuthLayer::new(foo));
/// portcullis::serve_live(app, &live).await?; // looks at the files, and comes when SIGHUP calls
/// # Ok(())
/// # }
/// ```
///
/// Under a server of your own, spawn [`Live::watch`], and [`Live::reload_on_hangup`] where there are signals.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

struct Inner {
    path: PathBuf,
    builder: Box<dyn Fn() -> ConfigBuilder + Send + Sync>,
    clock: Arc<dyn Clock>,
    now: ArcSwap<Config>,
    /// Tells whoever watches of a version that was taken up.
    taken: tokio::sync::Notify,
    /// Held while files are looked at, and while something new begins to follow: nothing misses a version.
    turn: tokio::sync::Mutex<Watch>,
    services: Mutex<Vec<(String, LiveAuth)>>,
    followers: Mutex<Vec<Arc<dyn Follow>>>,
    told: Arc<Told>,
}

/// What puts a version in use that was made ready.
pub type Commit = Box<dyn FnOnce() + Send>;

/// Whoever is made of a configuration and has to be made anew with each version, such as a gateway.
pub trait Follow: Send + Sync + 'static {
    /// Makes a version ready. It is put in use, by calling what comes back, if everybody who follows the configuration is
    /// ready for it, and dropped otherwise.
    ///
    /// Where it panics, nobody takes the version up; where what comes back does, the others do. Both are logged.
    fn prepare<'a>(&'a self, config: &'a Arc<Config>) -> BoxFuture<'a, Result<Commit, BuildError>>;
}

impl Live {
    /// Reads a file, as [`Config::load`] does, and follows it from now on.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::load_with(path, Config::builder)
    }

    /// The same with providers, a clock or a source of secrets of your own: `builder` is called for each reading.
    ///
    /// A provider of your own whose record in the file did not change is kept with all that it remembers. What its
    /// factory depends on besides has to be read through the section ([`Section::file`](crate::section::Section::file),
    /// [`Section::secret`](crate::section::Section::secret)), or its changes are not seen.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn load_with(
        path: impl AsRef<Path>,
        builder: impl Fn() -> ConfigBuilder + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let mut first = builder();
        // One for all versions: what is kept from one to the next goes by it.
        let clock = first.clock.get_or_insert_with(|| Arc::new(SystemClock::new())).clone();
        let config = first.load(path)?;
        let watch = Watch::of(&config);
        let told = Arc::new(Told::since(clock.now()));
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            builder: Box::new(builder),
            clock,
            now: ArcSwap::from_pointee(config),
            taken: tokio::sync::Notify::new(),
            turn: tokio::sync::Mutex::new(watch),
            services: Mutex::default(),
            followers: Mutex::default(),
            told,
        })))
    }

    /// The version that is in use. It stays what it is; ask again for the next.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.0.now.load_full()
    }

    /// The service at `path`. A later version without it is refused: the program serves it.
    ///
    /// # Errors
    ///
    /// When the configuration has no such service.
    pub fn service(&self, path: &str) -> Result<LiveService, ConfigError> {
        let path = self.config().service(path)?.path().to_owned();
        Ok(LiveService { live: self.clone(), path })
    }

    /// Has `follower` made anew with each version from now on. It was made of the version that `made` returns, which is
    /// called while no other is taken up; it must not wait for one, nor build services.
    ///
    /// # Errors
    ///
    /// Those of `made`.
    pub async fn follow<F, E>(
        &self,
        made: impl AsyncFnOnce(&Arc<Config>) -> Result<Arc<F>, E>,
    ) -> Result<Arc<F>, E>
    where
        F: Follow,
    {
        let _turn = self.0.turn.lock().await;
        let follower = made(&self.config()).await?;
        locked(&self.0.followers).push(follower.clone());
        Ok(follower)
    }

    /// Reads the files at once, and takes up what they say if it is new.
    ///
    /// # Errors
    ///
    /// With everything that is wrong with the new version; the one before stays in use.
    pub async fn reload(&self) -> Result<Reloaded, ConfigError> {
        self.0.reload().await
    }

    /// Looks at the files as [`Live::watch`] does after each interval: a new version is taken up once two looks after each
    /// other found the same. `None` where there is nothing new, or not for certain yet.
    pub async fn check(&self) -> Option<Result<Reloaded, ConfigError>> {
        self.0.check().await
    }

    /// Looks at the files again and again, for as long as it is polled: spawn it. `[reload]` says how often.
    pub fn watch(&self) -> impl Future<Output = ()> + Send + 'static {
        let inner = Arc::clone(&self.0);
        async move {
            loop {
                let interval = inner.now.load().reload().interval;
                tokio::select! {
                    () = inner.clock.sleep(interval) => {}
                    // It may have another interval.
                    () = inner.taken.notified() => continue,
                }
                if inner.now.load().reload().watch {
                    contain::again(inner.check()).await;
                }
            }
        }
    }

    /// Reloads whenever the process gets SIGHUP, for as long as it is polled: spawn it.
    ///
    /// # Errors
    ///
    /// Where the process cannot wait for signals.
    #[cfg(unix)]
    pub fn reload_on_hangup(&self) -> Result<impl Future<Output = ()> + Send + 'static, BuildError> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangups = signal(SignalKind::hangup())
            .map_err(|error| BuildError::new("cannot wait for signals").with_source(error))?;
        let inner = Arc::clone(&self.0);
        Ok(async move {
            while hangups.recv().await.is_some() {
                // What is wrong is in the log.
                contain::again(inner.reload()).await;
            }
        })
    }

    /// Has `told` called with the outcome of every version that was taken up or refused. A panic in it is logged, and changes
    /// nothing.
    pub fn on_reload(&self, told: impl Fn(&Result<Reloaded, ConfigError>) + Send + Sync + 'static) {
        self.0.told.add(told);
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn told(&self) -> Arc<Told> {
        Arc::clone(&self.0.told)
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> ReloadState {
        self.0.told.state()
    }
}

/// A service of a configuration that is followed. From [`Live::service`].
#[derive(Clone)]
pub struct LiveService {
    live: Live,
    path: String,
}

impl LiveService {
    /// The service's base path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Makes the service ready, as [`ServiceConfig::build`] does; what comes back follows the configuration. Layers and
    /// routers take it: `AuthLayer::new(foo)`, `AuthRouter::guard(&foo)`.
    ///
    /// # Errors
    ///
    /// When a server that has to be there is not.
    pub async fn build(&self) -> Result<LiveAuth, BuildError> {
        let inner = &self.live.0;
        let _turn = inner.turn.lock().await;
        let known = locked(&inner.services).iter().find(|(path, _)| *path == self.path).cloned();
        if let Some((_, live)) = known {
            return Ok(live);
        }
        let config = inner.now.load_full();
        let service = config.service(&self.path).map_err(|error| BuildError::new(error.to_string()))?;
        let live = LiveAuth::following(ServiceConfig::build(service).await?);
        locked(&inner.services).push((self.path.clone(), live.clone()));
        Ok(live)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("path", &self.0.path)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LiveService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveService").field("path", &self.path).finish_non_exhaustive()
    }
}
