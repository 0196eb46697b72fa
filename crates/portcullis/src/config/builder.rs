//! How a configuration is read.

use std::{fmt, path::Path, sync::Arc};

use portcullis_core::{
    BuildError, Clock, IntoProvider, Observer, SystemClock,
    config::{Reader, Section, Source, Table, Value},
};

#[cfg(feature = "client")]
use super::clients;
use super::{
    Config, ConfigError, ReloadConfig, ServiceConfig,
    keeping::Keeping,
    parse,
    providers::{Factories, Providers, Users},
    service, table,
};
use crate::AuditLog;

/// Reads a configuration with providers, a clock or a source of secrets of your own.
#[derive(Default)]
#[must_use]
pub struct ConfigBuilder {
    factories: Factories,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) source: Option<Box<dyn Source>>,
    observers: Vec<Arc<dyn Observer>>,
    #[cfg(all(feature = "axum", feature = "metrics"))]
    admin_metrics: Option<Arc<crate::metrics::AuthMetrics>>,
    pub(crate) keeping: Keeping,
    /// Whether its warnings are logged by whoever takes it up.
    pub(crate) quiet: bool,
    #[cfg(feature = "client")]
    hooks: clients::Hooks,
}

impl ConfigBuilder {
    /// Gives a provider of yours a key: an element or a named provider may then hold a record under `key`, and
    /// `factory` makes the provider from it.
    ///
    /// Ask the section for all keys before giving up: keys that nobody asked for are unknown keys, and every
    /// mistake is to be reported at once.
    ///
    /// A key of portcullis' own (`use`, `scopes`, `jwtValidatorConfig` and the other records, in any build), or one that is
    /// given away already, is taken: every configuration that is read with it has a mistake that says so.
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

    /// Has `observer` told of every decision of every service, beside those that are told already.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// The same for numbers that the admin address shows: where the configuration has none (`listener.admin`), nothing is
    /// counted.
    #[cfg(all(feature = "axum", feature = "metrics"))]
    pub fn admin_metrics(mut self, metrics: Arc<crate::metrics::AuthMetrics>) -> Self {
        self.admin_metrics = Some(metrics);
        self
    }

    /// Secrets that the configuration only names come from `source` instead of the process's environment and
    /// the machine's files.
    pub fn source(mut self, source: impl Source + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Gives the client `[clients.NAME]` a hook that keeps its newest refresh token where it outlives the process: many
    /// servers give a new one with each use, and refuse the old one then.
    ///
    /// A hook for a client that the configuration does not have is a mistake. A file that holds the refresh token is the
    /// program's own then: a [`Live`](crate::Live) configuration does not look at it for changes.
    ///
    /// ```
    /// use portcullis::{Config, oauth2::grant::RotationHook};
    ///
    /// let keep = RotationHook::new(|token| async move {
    ///     std::fs::write("refresh-token.new", token.expose())?;
    ///     Ok(std::fs::rename("refresh-token.new", "refresh-token")?)
    /// });
    /// let config = Config::builder().rotation_hook("orders", keep).parse(
    ///     r#"
    ///     [clients.orders]
    ///     url = "https://orders.example"
    ///     auth = { refreshUrl = "https://id.example/token", refreshToken = "tGzv3JOkF0XG5Qx2TlKWIA", clientId = "shop", clientSecret = "s3cr3t" }
    ///     "#, // or refreshToken = { file = "refresh-token" }
    ///     ".",
    /// )?;
    /// # Ok::<_, portcullis::ConfigError>(())
    /// ```
    #[cfg(feature = "client")]
    pub fn rotation_hook(
        mut self,
        client: impl Into<String>,
        hook: portcullis_oauth2::grant::RotationHook,
    ) -> Self {
        self.hooks.add(client, hook);
        self
    }

    /// Reads a file. Paths in it are relative to its folder.
    ///
    /// # Errors
    ///
    /// With everything that is wrong.
    pub fn load(self, path: impl AsRef<Path>) -> Result<Config, ConfigError> {
        let path = path.as_ref();
        let bytes = self.keeping.may_open(path).and_then(|()| table::read_bytes(path));
        // Whatever it holds: what is no text is not read anew before it changes.
        self.keeping.note_text(path, bytes.as_ref().ok().map(|bytes| bytes.as_slice()));
        let text = table::text_of(path, bytes)?;
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
        let keeping = self.keeping;
        let reader = reader(Some(Box::new(keeping.watch(self.source))), base, &clock).plug(keeping.clone());
        #[cfg(feature = "client")]
        let reader = self.hooks.plug(reader);
        self.factories.check(&reader);
        let root = reader.section(&table, "");
        root.belongs_elsewhere(
            "scopes",
            "`scopes` is a key of an element of `auth`, of a resource, or of a user",
        );
        let (users, user_count) = read_users(&root);
        let reload = ReloadConfig::read(root.section("reload").as_ref());
        let mut providers = Providers::new(&self.factories, users);
        if let Some(named) = root.section("providers") {
            providers.read_named(&named);
        }
        #[cfg(feature = "axum")]
        let listening = root.section("listener");
        let mut observers = self.observers;
        #[cfg(all(feature = "axum", feature = "metrics"))]
        if let Some(metrics) = self.admin_metrics
            && listening.as_ref().is_some_and(|section| section.has("admin"))
        {
            observers.push(metrics);
        }
        if root.section("observability").is_some_and(|section| section.boolean("audit", false)) {
            observers.push(Arc::new(AuditLog));
        }
        let services = read_services(&root, &providers, &clock, &observers);
        let (named, elements) = providers.into_parts();
        #[cfg(feature = "client")]
        let clients = clients::read_all(&root, &self.hooks);
        #[cfg(not(feature = "client"))]
        if root.node("clients").is_some() {
            root.problem(
                "clients",
                "this build lacks the feature `client`: add it to portcullis' features in Cargo.toml",
            );
        }
        #[cfg(feature = "axum")]
        let listener = read_listener(listening.as_ref(), &keeping, &clock);
        #[cfg(feature = "axum")]
        let listener = listening.as_ref().unwrap_or(&root).accounted(listener);
        // Keys that nobody asked for are told now.
        #[cfg(feature = "axum")]
        drop(listening);
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
        keeping.forget_earlier();
        let config = Config {
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
            keeping,
            reload,
            users: user_count,
        };
        if !self.quiet {
            config.log_warnings();
        }
        Ok(config)
    }
}

/// A reader with what sections need of one another.
pub(super) fn reader(source: Option<Box<dyn Source>>, base: &Path, clock: &Arc<dyn Clock>) -> Reader {
    let reader = match source {
        Some(source) => Reader::with_source(base, source),
        None => Reader::new(base),
    };
    let reader = reader.plug(Arc::clone(clock));
    #[cfg(any(feature = "introspection", feature = "client"))]
    let reader = reader.plug(portcullis_outbound::TokenSourceReader::new(|section| {
        section.accounted(portcullis_oauth2::grant::read(section))
    }));
    #[cfg(feature = "jwt")]
    let reader = reader.plug(portcullis_core::AssertionReader::new(|section, purpose| {
        section.accounted(portcullis_jwt::assertion::read(section, purpose))
    }));
    #[cfg(all(feature = "jwt", feature = "client"))]
    let reader = reader.plug(portcullis_oauth2::exchange::SignedTokenReader::new(|section| {
        section.accounted(portcullis_jwt::client::read(section))
    }));
    reader
}

/// The users of the seeds' two tables, as one store.
fn read_users(root: &Section<'_>) -> (Users, usize) {
    let mark = Keeping::of(root.reader()).map_or(0, Keeping::mark);
    let ballerina = root.section("ballerina");
    let inner = ballerina.as_ref().and_then(|section| section.section("auth"));
    let own = root.section("auth");
    let mut sections = Vec::new();
    for table in [&own, &inner].into_iter().flatten() {
        sections.extend(table.sections("users").unwrap_or_default());
    }
    if sections.is_empty() {
        return (if root.failed() { Users::Wrong } else { Users::Absent }, 0);
    }
    let count = sections.len();
    let tables: Vec<&Table> = [&own, &inner].into_iter().flatten().map(Section::table).collect();
    let users = match (store(root, sections), Keeping::of(root.reader())) {
        (Users::Store(store), Some(keeping)) => Users::Store(keeping.keep("users", &tables, mark, store)),
        (users, _) => users,
    };
    (users, count)
}

/// The listener, with the TLS of the configuration before where nothing of it changed.
#[cfg(feature = "axum")]
fn read_listener(
    section: Option<&Section<'_>>,
    keeping: &Keeping,
    clock: &Arc<dyn Clock>,
) -> Option<portcullis_axum::serve::ListenerConfig> {
    let mark = keeping.mark();
    let listener = portcullis_axum::serve::ListenerConfig::read_at(section, clock.now())?;
    let Some(section) = section else { return Some(listener) };
    match section.table().get("secureSocket").map(portcullis_core::config::Node::value) {
        Some(Value::Table(table)) => {
            let kept = keeping.keep("listener", &[table], mark, listener.clone());
            Some(listener.keeping_tls_of(&kept))
        }
        _ => Some(listener),
    }
}

#[cfg(feature = "file")]
fn store(root: &Section<'_>, users: Vec<Section<'_>>) -> Users {
    use portcullis_core::IntoProvider;

    let mut store = portcullis_file::FileUserStore::new(portcullis_file::read_users(users));
    if let Some(keeping) = Keeping::of(root.reader()) {
        // The bound on what is hashed at one time is one for all versions: those of before may still be hashing.
        store = store.hashing(&keeping.keep_always("hashing", portcullis_file::Hashing::new()));
        // What a throttle knows of users outlives a change of their scopes.
        store = store.accounts(keeping.keep_always("accounts", portcullis_core::Accounts::new()));
    }
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
    observers: &[Arc<dyn Observer>],
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
        let service = service::read(section, *key, providers, clock, observers);
        let Some(service) = section.accounted(service) else { continue };
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
