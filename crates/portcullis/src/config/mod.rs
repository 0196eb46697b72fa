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

#[cfg(feature = "client")]
mod clients;
mod credential;
mod error;
mod gateway;
mod parse;
mod providers;
mod service;
mod table;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use portcullis_core::{
    BuildError, Clock, Element, IntoProvider, Provider, SystemClock,
    config::{Problem, Reader, Section, Source, Value, Warning},
};

#[cfg(feature = "client")]
pub use self::clients::ConfiguredClient;
use self::providers::{Factories, Named, Placed, Providers, Users};
pub use self::{
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

    fn absent(&self, message: String) -> ConfigError {
        ConfigError::new(self.file.as_deref(), vec![Problem::new("", None, message)])
    }

    /// The dotted paths of all keys that were looked for in the file's tables, present or not.
    #[must_use]
    pub fn known_keys(&self) -> &[String] {
        &self.asked
    }

    /// The listener.
    #[cfg(feature = "axum")]
    pub const fn listener(&self) -> &portcullis_axum::serve::ListenerConfig {
        &self.listener
    }

    /// What works and should be known, such as clear-text passwords. Logged once when it is read.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// Reads a configuration with providers, a clock or a source of secrets of your own.
#[derive(Default)]
#[must_use]
pub struct ConfigBuilder {
    factories: Factories,
    clock: Option<Arc<dyn Clock>>,
    source: Option<Box<dyn Source>>,
}

impl ConfigBuilder {
    /// Gives a provider of yours a key: an element or a named provider may then hold a record under `key`, and
    /// `factory` makes the provider from it.
    ///
    /// Ask the section for all keys before giving up: keys that nobody asked for are unknown keys, and every
    /// mistake is to be reported at once.
    pub fn provider<P, F>(mut self, key: impl Into<String>, factory: F) -> Self
    where
        P: IntoProvider,
        F: Fn(&Section<'_>) -> Result<P, BuildError> + Send + Sync + 'static,
    {
        self.factories.add(key, factory);
        self
    }

    /// Another clock than the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Secrets that the configuration only names come from `source` instead of the process's environment and
    /// the machine's files.
    pub fn source(mut self, source: impl Source + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Reads a file. Paths in it are relative to its folder.
    ///
    /// # Errors
    ///
    /// With everything that is wrong.
    pub fn load(self, path: impl AsRef<Path>) -> Result<Config, ConfigError> {
        let path = path.as_ref();
        let text = table::read_text(path)?;
        let base = path.parent().unwrap_or(Path::new(""));
        self.read(&text, base, Some(path))
    }

    /// Reads a text. Paths in it are relative to `base`.
    ///
    /// # Errors
    ///
    /// With everything that is wrong.
    pub fn parse(self, text: &str, base: impl AsRef<Path>) -> Result<Config, ConfigError> {
        self.read(text, base.as_ref(), None)
    }

    fn read(self, text: &str, base: &Path, file: Option<&Path>) -> Result<Config, ConfigError> {
        let (table, syntax) = parse::parse(text);
        if !syntax.is_empty() {
            // What stands after a syntax error was guessed at; judging it would mislead.
            return Err(ConfigError::new(file, syntax));
        }
        let clock: Arc<dyn Clock> = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let reader = reader(self.source, base, &clock);
        let root = reader.section(&table, "");
        root.belongs_elsewhere(
            "scopes",
            "`scopes` is a key of an element of `auth`, of a resource, or of a user",
        );
        let mut providers = Providers::new(&self.factories, read_users(&root));
        if let Some(named) = root.section("providers") {
            providers.read_named(&named);
        }
        let services = read_services(&root, &providers, &clock);
        let (named, elements) = providers.into_parts();
        #[cfg(feature = "client")]
        let clients = clients::read_all(&root);
        #[cfg(not(feature = "client"))]
        if root.node("clients").is_some() {
            root.problem(
                "clients",
                "this build lacks the feature `client`: add it to portcullis' features in Cargo.toml",
            );
        }
        #[cfg(feature = "axum")]
        let listener =
            portcullis_axum::serve::ListenerConfig::read_at(root.section("listener").as_ref(), clock.now());
        #[cfg(not(feature = "axum"))]
        if root.node("listener").is_some() {
            root.problem(
                "listener",
                "this build lacks the feature `axum`: add it to portcullis' features in Cargo.toml",
            );
        }
        drop(root);
        let (warnings, asked) = (reader.warnings(), reader.asked_keys());
        let problems = reader.into_problems();
        #[cfg(feature = "axum")]
        let Some(listener) = listener.filter(|_| problems.is_empty()) else {
            return Err(ConfigError::new(file, problems));
        };
        if !problems.is_empty() {
            return Err(ConfigError::new(file, problems));
        }
        let name = file.map(|file| format!("{}:", file.display())).unwrap_or_default();
        for warning in &warnings {
            tracing::warn!(target: "portcullis", "{name}{warning}");
        }
        Ok(Config {
            file: file.map(Path::to_path_buf),
            services,
            #[cfg(feature = "client")]
            clients,
            #[cfg(feature = "axum")]
            listener,
            warnings,
            elements,
            named,
            asked,
        })
    }
}

/// A reader with what sections need of one another.
fn reader(source: Option<Box<dyn Source>>, base: &Path, clock: &Arc<dyn Clock>) -> Reader {
    let reader = match source {
        Some(source) => Reader::with_source(base, source),
        None => Reader::new(base),
    };
    let reader = reader.plug(Arc::clone(clock));
    #[cfg(any(feature = "introspection", feature = "client"))]
    let reader = reader.plug(portcullis_outbound::TokenSourceReader::new(portcullis_oauth2::grant::read));
    #[cfg(feature = "jwt")]
    let reader = reader.plug(portcullis_core::AssertionReader::new(portcullis_jwt::assertion::read));
    reader
}

/// Names for a message.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The users of the seeds' two tables, as one store.
fn read_users(root: &Section<'_>) -> Users {
    let ballerina = root.section("ballerina");
    let inner = ballerina.as_ref().and_then(|section| section.section("auth"));
    let own = root.section("auth");
    let mut sections = Vec::new();
    for table in [&own, &inner].into_iter().flatten() {
        sections.extend(table.sections("users").unwrap_or_default());
    }
    if sections.is_empty() {
        return if root.failed() { Users::Wrong } else { Users::Absent };
    }
    store(root, sections)
}

#[cfg(feature = "file")]
fn store(root: &Section<'_>, users: Vec<Section<'_>>) -> Users {
    use portcullis_core::IntoProvider;

    let store = portcullis_file::FileUserStore::new(portcullis_file::read_users(users));
    if root.failed() {
        return Users::Wrong;
    }
    match store.into_provider() {
        Ok(store) => Users::Store(store),
        Err(error) => {
            root.problem("auth", format!("{error:?}"));
            Users::Wrong
        }
    }
}

#[cfg(not(feature = "file"))]
fn store(root: &Section<'_>, _: Vec<Section<'_>>) -> Users {
    root.problem("auth", "this build lacks the feature `file`: add it to portcullis' features in Cargo.toml");
    Users::Wrong
}

fn read_services(
    root: &Section<'_>,
    providers: &Providers<'_>,
    clock: &Arc<dyn Clock>,
) -> Vec<ServiceConfig> {
    let Some(node) = root.node("services") else { return Vec::new() };
    let sections: Vec<(Option<&str>, Section<'_>)> = match node.value() {
        Value::Array(_) => {
            root.sections("services").unwrap_or_default().into_iter().map(|section| (None, section)).collect()
        }
        _ => match root.section("services") {
            Some(section) => {
                section.entries().into_iter().map(|(key, section)| (Some(key), section)).collect()
            }
            None => Vec::new(),
        },
    };
    let mut services: Vec<ServiceConfig> = Vec::new();
    for (key, section) in &sections {
        let Some(service) = service::read(section, *key, providers, clock) else { continue };
        let same = |other: &ServiceConfig| {
            other.path().trim_end_matches('/') == service.path().trim_end_matches('/')
        };
        if services.iter().any(same) {
            section.problem_here(format!(
                "the service {:?} is configured twice: keep one of them",
                service.path()
            ));
        }
        services.push(service);
    }
    services
}

impl fmt::Debug for ConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigBuilder").field("providers", &self.factories).finish_non_exhaustive()
    }
}
