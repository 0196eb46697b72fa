//! Config.toml: who may call what, in one place.
//!
//! A configuration is read whole: every mistake in it is reported at once, with its dotted path, its line and
//! the remedy ([`ConfigError`]). Nothing half-right comes out.
//!
//! ```
//! use portcullis::Config;
//!
//! let config = Config::parse(
//!     r#"
//!     [[auth.users]]
//!     username = "alice"
//!     password = "password1"
//!     scopes = ["hello"]
//!
//!     [services."/foo"]
//!     auth = [{ scopes = "hello", fileUserStoreConfig = {} }]
//!     resources."/health" = { public = true }
//!     "#,
//!     ".",
//! )?;
//! let foo = config.service("/foo")?;
//! assert_eq!(foo.path(), "/foo");
//!
//! let error = Config::parse("[services.\"/foo\"]\npublik = true", ".").unwrap_err();
//! assert!(error.to_string().contains("did you mean `public`?"));
//! # Ok::<(), portcullis::ConfigError>(())
//! ```

mod builder;
#[cfg(feature = "client")]
mod clients;
mod credential;
mod error;
mod gateway;
pub(crate) mod keeping;
mod method;
mod parse;
mod providers;
mod reload;
mod service;
mod table;
#[cfg(test)]
mod tests;
mod throttle;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use portcullis_core::{
    Element, Provider, Throttle,
    config::{Problem, Warning},
};

#[cfg(feature = "client")]
pub use self::clients::ConfiguredClient;
use self::providers::{Named, Placed};
pub use self::reload::ReloadConfig;
pub use self::{
    builder::ConfigBuilder,
    error::ConfigError,
    gateway::{Answer, CorsConfig, GatewayConfig, PathMatching, Upstream},
    service::ServiceConfig,
};

/// A configuration without mistakes.
#[derive(Debug)]
pub struct Config {
    file: Option<PathBuf>,
    services: Vec<ServiceConfig>,
    #[cfg(feature = "client")]
    clients: Vec<ConfiguredClient>,
    #[cfg(feature = "axum")]
    listener: portcullis_axum::serve::ListenerConfig,
    warnings: Vec<Warning>,
    elements: Placed,
    named: Named,
    asked: Vec<String>,
    /// What it was made of.
    pub(crate) keeping: keeping::Keeping,
    pub(crate) reload: ReloadConfig,
    pub(crate) users: usize,
}

impl Config {
    /// Reads a file. Paths in it are relative to its folder.
    ///
    /// # Errors
    ///
    /// With everything that is wrong: TOML syntax, unknown keys, wrong types, alternatives that exclude each
    /// other, key files that cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::builder().load(path)
    }

    /// Reads a text. Paths in it are relative to `base`.
    ///
    /// # Errors
    ///
    /// With everything that is wrong.
    pub fn parse(text: &str, base: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::builder().parse(text, base)
    }

    /// Starts reading with providers, a clock or a source of secrets of your own.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// The service at `path`.
    ///
    /// # Errors
    ///
    /// When the configuration has no such service.
    pub fn service(&self, path: &str) -> Result<&ServiceConfig, ConfigError> {
        self.services.iter().find(|service| service.path() == path).ok_or_else(|| {
            let known: Vec<String> =
                self.services.iter().map(|service| format!("{:?}", service.path())).collect();
            let known = listed(known.iter().map(String::as_str));
            let message = format!("there is no service {path:?}; the configuration has {known}");
            ConfigError::new(self.file.as_deref(), vec![Problem::new("services", None, message)])
        })
    }

    /// The services in the order of the file.
    #[must_use]
    pub fn services(&self) -> &[ServiceConfig] {
        &self.services
    }

    /// The client `[clients.NAME]`.
    ///
    /// # Errors
    ///
    /// When there is none; the message lists those that there are.
    #[cfg(feature = "client")]
    pub fn client(&self, name: &str) -> Result<&ConfiguredClient, ConfigError> {
        self.clients.iter().find(|client| client.name() == name).ok_or_else(|| {
            let known = listed(self.clients.iter().map(ConfiguredClient::name));
            let message = format!("there is no client {name:?}; the configuration has {known}");
            ConfigError::new(self.file.as_deref(), vec![Problem::new("clients", None, message)])
        })
    }

    /// The clients in the order of the file.
    #[cfg(feature = "client")]
    #[must_use]
    pub fn clients(&self) -> &[ConfiguredClient] {
        &self.clients
    }

    /// The element at a dotted path of the file, written as mistakes are reported: `services."/foo".auth[1]`,
    /// and the service that it guards.
    ///
    /// # Errors
    ///
    /// When there is none; the message lists those that there are.
    pub fn element(&self, path: &str) -> Result<(&ServiceConfig, &Element), ConfigError> {
        let found = self.elements.iter().find(|(known, _)| known == path).and_then(|(_, element)| {
            let service = self.services.iter().find(|service| service.holds(path))?;
            Some((service, element))
        });
        found.ok_or_else(|| {
            let known = self.elements.iter().map(|(path, _)| path.as_str());
            self.absent(format!("there is no element {path}; the configuration has {}", listed(known)))
        })
    }

    /// The provider `[providers.NAME]`, for calling it alone.
    ///
    /// # Errors
    ///
    /// When there is none; the message lists those that there are.
    pub fn provider(&self, name: &str) -> Result<&Arc<dyn Provider>, ConfigError> {
        self.named.get(name).ok_or_else(|| {
            let known = self.named.keys().map(String::as_str);
            self.absent(format!("there is no provider {name:?}; the configuration has {}", listed(known)))
        })
    }

    /// The providers of `[providers]`, by name.
    pub fn providers(&self) -> impl Iterator<Item = (&str, &Arc<dyn Provider>)> {
        self.named.iter().map(|(name, provider)| (name.as_str(), provider))
    }

    pub(crate) fn log_warnings(&self) {
        let name = self.file.as_ref().map(|file| format!("{}:", file.display())).unwrap_or_default();
        for warning in &self.warnings {
            tracing::warn!(target: "portcullis", "{name}{warning}");
        }
    }

    fn absent(&self, message: String) -> ConfigError {
        ConfigError::new(self.file.as_deref(), vec![Problem::new("", None, message)])
    }

    /// The dotted paths of all keys that were looked for in the file's tables, present or not. Those of tables in an
    /// array stand there once, without a position: `auth.users[].username`.
    #[must_use]
    pub fn known_keys(&self) -> &[String] {
        &self.asked
    }

    /// What slows down who guesses, by its usual limits, for a service that says nothing of `throttle`. What is counted is
    /// counted together with all services that have one; a configuration that replaces this one goes on counting.
    #[must_use]
    pub fn throttle(&self) -> Throttle {
        self.keeping.throttle()
    }

    /// The listener.
    #[cfg(feature = "axum")]
    pub const fn listener(&self) -> &portcullis_axum::serve::ListenerConfig {
        &self.listener
    }

    /// The files that it was read from: itself, and every file that it names, each once. A [`Live`](crate::Live)
    /// configuration looks at these for changes.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let contents = self.keeping.contents();
        let path = |noted: &keeping::Noted| match noted {
            keeping::Noted::Text(path) | keeping::Noted::Opened(path) | keeping::Noted::Secret(path) => {
                Some(path.clone())
            }
            keeping::Noted::Variable(_) => None,
        };
        let mut files: Vec<PathBuf> = contents.keys().filter_map(path).collect();
        files.sort_unstable();
        files.dedup();
        files
    }

    /// When its files are looked at for changes.
    #[must_use]
    pub const fn reload(&self) -> ReloadConfig {
        self.reload
    }

    /// What works and should be known, such as clear-text passwords. Logged once when it is read.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// Names for a message.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
