//! `[services]`: who may call what.

use std::{sync::Arc, time::Duration};

use portcullis_core::{
    Auth, AuthBuilder, BuildError, Clock, Element, Observer, Override, Protocol, Provider, RequiredScopes,
    Resource,
    config::{Section, Value},
};

use super::{
    credential,
    gateway::GatewayConfig,
    keeping::Keeping,
    method,
    providers::{Providers, Read},
    throttle::{self, Wanted},
};

/// A service of the configuration.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Its dotted path.
    place: String,
    pub(super) auth: Auth,
    pub(super) gateway: GatewayConfig,
    /// What was kept of the configuration before.
    keeping: Option<Keeping>,
}

impl ServiceConfig {
    /// The service's base path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.auth.path()
    }

    /// Whether the table at a dotted path is part of it.
    pub(super) fn holds(&self, path: &str) -> bool {
        path.strip_prefix(&self.place).is_some_and(|rest| rest.starts_with('.'))
    }

    /// What only the gateway needs to know of it.
    #[must_use]
    pub const fn gateway(&self) -> &GatewayConfig {
        &self.gateway
    }

    /// Who may call what, as it is written: for those who look at a configuration. Whoever serves requests
    /// asks for [`ServiceConfig::build`].
    #[must_use]
    pub const fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Makes the service ready: servers are contacted where the configuration asks for it, with `preload = true`.
    ///
    /// # Errors
    ///
    /// When a server that has to be there is not.
    pub async fn build(&self) -> Result<Auth, BuildError> {
        // What was kept is ready, whatever became of its servers meanwhile.
        let is_kept = |provider: &Arc<dyn Provider>| {
            self.keeping.as_ref().is_some_and(|keeping| keeping.has_kept(provider))
        };
        for provider in self.auth.providers().into_iter().filter(|provider| !is_kept(provider)) {
            provider.prepare_or_panicked().await?;
        }
        Ok(self.auth.clone())
    }
}

/// Reads one service. `key` is its path where the services are keyed by path.
pub(super) fn read(
    section: &Section<'_>,
    key: Option<&str>,
    providers: &Providers<'_>,
    clock: &Arc<dyn Clock>,
    observers: &[Arc<dyn Observer>],
) -> Option<ServiceConfig> {
    let path = match key {
        Some(path) => Some(path.to_owned()),
        None => section.required_string("path"),
    };
    // What is wrong by itself is told at its key and left out of the service, whose rest is then still checked.
    let path = path.filter(|path| works(section, "path", key.is_none(), Auth::builder().path(path)));
    let mut builder = Auth::builder().clock(Arc::clone(clock));
    for observer in observers {
        builder = builder.observer(Arc::clone(observer));
    }
    if let Some(path) = &path {
        builder = builder.path(path);
    }
    let realm = section.string("realm");
    if let Some(realm) = realm.filter(|realm| works(section, "realm", true, Auth::builder().realm(realm))) {
        builder = builder.realm(realm);
    }
    if let Some(bytes) = section.size("maxCredentialBytes", 1..=1024 * 1024) {
        builder = builder.max_credential_bytes(bytes);
    }
    if let Some(span) = section.duration("decisionTimeout") {
        if span < Duration::from_millis(1) {
            section.problem(
                "decisionTimeout",
                "at least a millisecond: less would refuse whatever has to be waited for",
            );
        } else {
            builder = builder.decision_timeout(span);
        }
    }
    let forward = section.optional_boolean("forwardCredential");
    builder = builder.forward_credential(forward.unwrap_or(true));
    builder = read_manners(section, builder);

    let public = section.boolean("public", false);
    let optional = section.optional_boolean("optional");
    let elements = elements(section, providers);
    let unread = section.has("auth") && elements.is_none();
    let elements = elements.unwrap_or_default();
    if public && section.has("auth") {
        section.problem("public", "`public` beside `auth` is a contradiction: keep one of them");
    } else if public && optional == Some(true) {
        section.problem("public", "`public` beside `optional` is a contradiction: keep one of them");
    }
    let has_resources = section.has("resources");
    if !section.has("auth") && !has_resources && !public {
        section.problem_here("the service has no `auth` and would refuse everybody: add `auth`, give its resources their own, or say `public = true`");
    }
    if !section.has("auth") && !public && optional == Some(true) {
        section.problem("optional", "`optional` without `auth` has nothing to look at a credential with");
    }
    // What could not be read was reported; the rest of the service is still checked.
    builder = if public && !section.has("auth") {
        builder.public()
    } else {
        builder
            .optional(optional.unwrap_or(false) && !elements.is_empty())
            .elements(elements)
            .refuse_uncovered()
    };
    let gateway = GatewayConfig::read(section, forward, clock.now());
    let auth = match builder.build() {
        Ok(auth) => Some(auth),
        Err(error) => {
            if !section.failed() {
                section.problem_here(format!("{error:?}"));
            }
            None
        }
    };
    let auth = resources(section, auth, unread, providers);
    let revokes = |auth: &Auth| auth.providers().iter().any(|provider| provider.can_revoke());
    if section.has("revalidateInterval") && auth.as_ref().is_some_and(|auth| !revokes(auth)) {
        section.warn(
            "revalidateInterval",
            "has no effect: only tokens that are introspected can be revoked before they expire",
        );
    }
    if let Some(auth) = &auth {
        credential::warn_unmet(section, auth);
    }
    path?;
    Some(ServiceConfig {
        place: section.path().to_owned(),
        auth: auth?,
        gateway,
        keeping: Keeping::of(section.reader()).cloned(),
    })
}

/// Whether a service can be built of this alone. Notes why not at `key`, or, where that is not `there`, at the service.
fn works(section: &Section<'_>, key: &str, there: bool, alone: AuthBuilder) -> bool {
    match alone.public().build() {
        Ok(_) => true,
        Err(error) => {
            let text = format!("{error:?}");
            if there {
                section.problem(key, text)
            } else {
                section.problem_here(text)
            }
            false
        }
    }
}

/// How the service speaks with its callers, and where it looks for their credentials.
fn read_manners(section: &Section<'_>, mut builder: AuthBuilder) -> AuthBuilder {
    let sources = credential::read(section);
    if works(section, "credentialSources", true, Auth::builder().credential_sources(sources.clone())) {
        builder = builder.credential_sources(sources);
    }
    if section.choice("protocol", &["http", "grpc"]) == Some("grpc") {
        builder = builder.protocol(Protocol::Grpc);
        if section.has("respond") {
            section.problem(
                "respond",
                "a text is no answer to a gRPC call: use `upstream`, or remove `protocol`",
            );
        }
    }
    if let Some(interval) = section.duration("revalidateInterval") {
        if interval < Duration::from_millis(100) {
            section.problem("revalidateInterval", "at least 100 ms: every open connection asks this often");
        } else {
            builder = builder.revalidate_interval(interval);
        }
    }
    if let Some(keeping) = Keeping::of(section.reader())
        && let Wanted::Yes(throttle) = throttle::read(section, &keeping.throttle())
    {
        builder = builder.throttle(throttle);
    }
    builder
}

/// The elements of `auth`; `None` where it is absent, or not all of them could be read, which was reported.
fn elements(section: &Section<'_>, providers: &Providers<'_>) -> Option<Vec<Element>> {
    let sections = section.sections("auth")?;
    if sections.is_empty() {
        section.problem("auth", "an empty `auth` would refuse everybody: name at least one element");
        return None;
    }
    // Each is read, whatever is wrong with those before it.
    let read = |element: &Section<'_>| element.accounted(read_element(element, providers));
    let elements: Vec<_> = sections.iter().map(read).collect();
    elements.into_iter().collect()
}

fn read_element(section: &Section<'_>, providers: &Providers<'_>) -> Option<Element> {
    let path = section.path();
    section.belongs_elsewhere(
        "scopes",
        format!("`scopes` is a key of the element: move it to {path}, before the record's table"),
    );
    let scopes = scopes(section);
    let (name, read) = match providers.record_key(section, &["use"]) {
        Some("use") => {
            let name = section.required_string("use");
            let read = name.as_deref().and_then(|name| providers.named(section, name));
            (name, read)
        }
        Some(key) => (None, providers.read_record(section, key)),
        None => (None, None),
    };
    let Read { provider, needs_scopes } = read?;
    if let Some(why) = needs_scopes.filter(|_| !section.has("scopes")) {
        section.problem("scopes", why);
        return None;
    }
    if scopes.is_none() && !section.has("scopes") {
        section.reader().warn(
            path,
            None,
            "no `scopes`: every caller whom the element authenticates is admitted",
        );
    }
    let element = Element::new(provider, scopes.unwrap_or(RequiredScopes::anyone()));
    let mut element = element.map_err(|error| section.problem_here(format!("{error:?}"))).ok()?;
    if let Some(name) = name {
        element = element.named(name);
    }
    providers.note(path, &element);
    Some(element)
}

/// `scopes`, checked.
fn scopes(section: &Section<'_>) -> Option<RequiredScopes> {
    let scopes = RequiredScopes::any_of(section.strings("scopes")?);
    if let Some(problem) = scopes.problem() {
        section.problem("scopes", problem);
        return None;
    }
    Some(scopes)
}

/// Adds the resources to a service, each checked at its own place. Those that keep the service's elements have none to
/// keep where these are `unread`.
fn resources(
    section: &Section<'_>,
    auth: Option<Auth>,
    unread: bool,
    providers: &Providers<'_>,
) -> Option<Auth> {
    let Some(node) = section.node("resources") else { return auth };
    let list: Vec<(Option<&str>, Section<'_>)> = match node.value() {
        Value::Array(_) => {
            section.sections("resources")?.into_iter().map(|section| (None, section)).collect()
        }
        _ => section
            .section("resources")?
            .entries()
            .into_iter()
            .map(|(key, section)| (Some(key), section))
            .collect(),
    };
    let mut right: Vec<(&Section<'_>, Resource)> = Vec::new();
    for (key, entry) in &list {
        let resource = entry.accounted(read_resource(entry, *key, unread, providers));
        if let (Some((path, resource)), Some(service)) = (resource, &auth) {
            let base = service.path().trim_end_matches('/');
            let repeats =
                path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if repeats && !base.is_empty() {
                let text = format!(
                    "relative to the service, this is {base}{path}: leave {base} out unless that is meant"
                );
                entry.reader().warn(entry.path(), None, text);
            }
            match service.with_resource(resource.clone()) {
                Ok(_) => right.push((entry, resource)),
                Err(error) => entry.problem_here(format!("{error:?}")),
            }
        }
    }
    let service = auth?;
    let with =
        |first: &[(&Section<'_>, Resource)]| service.with_resources(first.iter().map(|(_, one)| one.clone()));
    // Each is right by itself. Where one does not go with those before it, it is found by halving.
    loop {
        if let Ok(whole) = with(&right) {
            return Some(whole);
        }
        let (mut goes, mut fails) = (0, right.len());
        while fails - goes > 1 {
            let middle = goes + (fails - goes) / 2;
            if with(right.get(..middle).unwrap_or_default()).is_ok() {
                goes = middle;
            } else {
                fails = middle;
            }
        }
        let (entry, resource) = right.remove(goes);
        let before = with(right.get(..goes).unwrap_or_default());
        if let Err(error) = before.and_then(|before| before.with_resource(resource)) {
            entry.problem_here(format!("{error:?}"));
        }
    }
}

/// Reads one resource, and its path as it is written.
fn read_resource(
    section: &Section<'_>,
    key: Option<&str>,
    unread: bool,
    providers: &Providers<'_>,
) -> Option<(String, Resource)> {
    let (method, path) = match key {
        // A path may hold blanks.
        Some(key) if key.starts_with('/') => {
            if let Some((path, method)) = method::after(key) {
                section.problem_here(format!("the method comes first: write \"{method} {path}\""));
            }
            (None, Some(key.to_owned()))
        }
        Some(key) => match key.trim().split_once(' ') {
            Some((method, path)) => (Some(method.to_owned()), Some(path.trim().to_owned())),
            None => (None, Some(key.to_owned())),
        },
        None => (section.string("method"), section.required_string("path")),
    };
    // What could not be read was reported. An override that says nothing, and so opens nothing, stands in for it, so that
    // the path is still checked.
    let over = section.accounted(read_override(section, providers));
    let over = over.filter(|_| !unread).unwrap_or_default();
    let unfit = |text| match key {
        Some(_) => section.problem_here(text),
        None => section.problem("method", text),
    };
    let method = match method {
        Some(text) => Some(method::read(&text).map_err(unfit).ok()?),
        None => None,
    };
    let path = path?;
    let mut resource = Resource::new(&path).with(over);
    if let Some(method) = method {
        resource = resource.method(method);
    }
    Some((path, resource))
}

fn read_override(section: &Section<'_>, providers: &Providers<'_>) -> Option<Override> {
    let public = section.boolean("public", false);
    let optional = section.optional_boolean("optional");
    let auth_is_table = matches!(section.node("auth").map(|node| node.value()), Some(Value::Table(_)));
    let over = match section.at_most_one(&["auth", "scopes"]) {
        Some("auth") if auth_is_table => {
            // As in Ballerina: `auth = { scopes = … }` keeps the service's elements.
            let inner = section.section("auth")?;
            if inner.has("scopes") {
                Override::scopes(scopes(&inner)?)
            } else {
                inner.problem_here("`auth` is an array of elements, or a table with `scopes` alone");
                return None;
            }
        }
        Some("auth") => Override::elements(elements(section, providers)?),
        Some(_) => Override::scopes(scopes(section)?),
        None if section.has("auth") => return None,
        None if public => Override::public(),
        None if optional.is_some() => Override::default(),
        None => {
            section.problem_here("says nothing: give it `auth`, `scopes` or `public = true`");
            return None;
        }
    };
    if public && (section.has("auth") || section.has("scopes") || optional.is_some()) {
        section.problem(
            "public",
            "`public` beside `auth`, `scopes` or `optional` is a contradiction: keep one of them",
        );
        return None;
    }
    Some(match optional {
        Some(optional) => over.optional(optional),
        None => over,
    })
}
