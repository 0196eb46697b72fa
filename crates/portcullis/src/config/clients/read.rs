//! The keys of a client.

use std::{path::PathBuf, time::Duration};

use http::Uri;
use portcullis_core::{
    Authorization, Secret,
    config::{Section, Table, Value},
};
use portcullis_outbound::HttpVersion;
use portcullis_tower::{ClientAuth, ClientAuthBuilder};

use super::{ConfiguredClient, Hooks, auth};
use crate::client::Transport;
use crate::config::keeping::Keeping;

/// Reads `[clients]`, in the order of the file.
pub(in crate::config) fn read_all(root: &Section<'_>, hooks: &Hooks) -> Vec<ConfiguredClient> {
    let clients = root.section("clients");
    hooks.check(root, clients.as_ref());
    let Some(clients) = clients else { return Vec::new() };
    let entries = clients.entries().into_iter();
    entries
        .filter_map(|(name, section)| {
            let keeping = Keeping::of(section.reader());
            let mark = keeping.map_or(0, Keeping::mark);
            let client = section.accounted(read(&section, name))?;
            if let Some(keeping) = keeping.filter(|_| hooks.has(name)) {
                // The program writes it: what it wrote is no new version.
                if let Some(file) = refresh_token_file(&section) {
                    keeping.overlook(mark, &file);
                }
            }
            // Its token with it.
            Some(match keeping {
                Some(keeping) => keeping.keep(&format!("client {name}"), &[section.table()], mark, client),
                None => client,
            })
        })
        .collect()
}

/// The file that holds a client's refresh token, where it stands in one.
fn refresh_token_file(client: &Section<'_>) -> Option<PathBuf> {
    fn within<'t>(table: &'t Table, key: &str) -> Option<&'t Table> {
        match table.get(key)?.value() {
            Value::Table(inner) => Some(inner),
            _ => None,
        }
    }
    let token = within(within(client.table(), "auth")?, "refreshToken")?;
    match token.get("file")?.value() {
        Value::String(file) => Some(client.reader().resolve(file)),
        _ => None,
    }
}

fn read(section: &Section<'_>, name: &str) -> Option<ConfiguredClient> {
    if name.trim().is_empty() {
        section.problem_here("a client needs a name: [clients.NAME]");
    }
    let source = auth::read(section);
    let insecure = section.boolean("allowInsecureHttp", false);
    let places = Places::read(section, insecure);
    let retry = section.boolean("retryOn401", true);
    let transport = read_transport(section, &places);
    if section.failed() {
        return None;
    }
    let auth::Source { source, grant } = source?;
    let builder = ClientAuth::builder(source).name(name).retry_on_401(retry).allow_insecure_http(insecure);
    let auth = places.put(builder).build();
    let auth = auth.map_err(|error| section.problem_here(format!("{error:?}"))).ok()?;
    let Places { any_origin, all, .. } = places;
    Some(ConfiguredClient { name: name.to_owned(), grant, auth, origins: all, any_origin, transport })
}

/// Where a credential may go.
struct Places {
    url: Option<String>,
    origins: Vec<String>,
    any_origin: bool,
    /// The origins of both.
    all: Vec<String>,
}

impl Places {
    /// Reads `url`, `origins` and `anyOrigin`. What is wrong is noted at its key, and left out.
    fn read(section: &Section<'_>, insecure: bool) -> Self {
        let mut all = Vec::new();
        let mut takes = |key: &str, text: &str| {
            let uri = alone(key, text, insecure).map_err(|problem| section.problem(key, problem)).ok();
            let Some(uri) = uri else { return false };
            warn_plain(section, key, &uri);
            let origin = origin_of(&uri);
            if !all.contains(&origin) {
                all.push(origin);
            } else if key == "origins" {
                section
                    .warn(key, format!("names {origin} twice, or the origin of `url`, which is one anyway"));
            }
            true
        };
        let url = section.string("url").filter(|url| takes("url", url));
        let mut origins = section.strings("origins").unwrap_or_default();
        if section.has("origins") && origins.is_empty() && !section.failed() {
            section.problem("origins", "an empty list adds nothing: leave it out");
        }
        origins.retain(|origin| takes("origins", origin));
        let any_origin = section.boolean("anyOrigin", false);
        match (any_origin, section.has("origins")) {
            (true, true) => section.problem("origins", "beside `anyOrigin` it has no effect: keep one of them"),
            (true, false) => section.warn(
                "anyOrigin",
                "the credential goes wherever a request goes, and so to whoever can name a URL to call: prefer `origins`",
            ),
            (false, false) if !section.has("url") => section.problem(
                "url",
                "required, and missing: the credential goes to its origin alone; or name `origins`, or lift that by \
                 `anyOrigin = true`",
            ),
            (false, _) => {}
        }
        Self { url, origins, any_origin, all }
    }

    fn put(&self, mut builder: ClientAuthBuilder) -> ClientAuthBuilder {
        if let Some(url) = &self.url {
            builder = builder.url(url);
        }
        for origin in &self.origins {
            builder = builder.origin(origin);
        }
        if self.any_origin { builder.any_origin() } else { builder }
    }
}

/// Whether a URL or origin works by itself, so that what is wrong with it is told at its key. Nothing of it is shown but
/// scheme, host and port.
fn alone(key: &str, text: &str, insecure: bool) -> Result<Uri, String> {
    let build = |insecure: bool, place: fn(ClientAuthBuilder, &str) -> ClientAuthBuilder| {
        let any = Authorization::bearer(&Secret::new("-")).map_err(|error| error.to_string())?;
        let auth = place(ClientAuth::builder(any).allow_insecure_http(insecure), text).build();
        auth.map_err(|error| error.to_string().trim_start_matches("client: ").to_owned())
    };
    if key == "origins" {
        build(true, |builder, text| builder.origin(text))?;
    }
    let auth = build(true, |builder, text| builder.url(text))?;
    if build(insecure, |builder, text| builder.url(text)).is_err() {
        return Err(
            "plain http to another machine can be read and changed by whoever sits between: write https, or \
                    set `allowInsecureHttp = true`"
                .to_owned(),
        );
    }
    auth.url().cloned().ok_or_else(|| "is no URL".to_owned())
}

fn origin_of(uri: &Uri) -> String {
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    format!("{}://{authority}", uri.scheme_str().unwrap_or("https")).to_ascii_lowercase()
}

fn is_plain(uri: &Uri) -> bool {
    let origin = origin_of(uri);
    origin.starts_with("http:") || origin.starts_with("ws:")
}

fn warn_plain(section: &Section<'_>, key: &str, uri: &Uri) {
    // Without leave it may only go to this machine.
    if is_plain(uri) && alone(key, &origin_of(uri), false).is_err() {
        section
            .warn(key, "plain http to another machine: whoever sits between can read and change everything");
    }
}

/// Reads how ready clients reach their server.
fn read_transport(section: &Section<'_>, places: &Places) -> Transport {
    let clock = section.reader().clock();
    let mut transport = Transport::new().clock(clock.clone());
    if section.has("secureSocket")
        && let Some(tls) =
            portcullis_keys::config::read_client_tls(section, "secureSocket", clock.now().since_epoch())
    {
        transport = transport.tls(tls);
        if let Err(error) = transport.check() {
            section.problem("secureSocket", error.to_string());
        }
        let mut all = places.all.iter();
        if !places.any_origin
            && !places.all.is_empty()
            && all.all(|origin| !origin.starts_with("https:") && !origin.starts_with("wss:"))
        {
            section.warn("secureSocket", "has no effect: the client calls plain http");
        }
    }
    if let Some(version) = section.string("httpVersion") {
        match version.parse::<HttpVersion>() {
            Ok(version) => transport = transport.http_version(version),
            Err(error) => section.problem("httpVersion", format!("{version:?} is {error}")),
        }
    }
    if let Some(span) = read_timeout(section, "connectTimeout") {
        transport = transport.connect_timeout(span);
    }
    if let Some(span) = read_timeout(section, "requestTimeout") {
        transport = transport.request_timeout(span);
    }
    transport
}

fn read_timeout(section: &Section<'_>, key: &str) -> Option<Duration> {
    let span = section.duration(key)?;
    if span.is_zero() {
        section.problem(key, "zero lets no request succeed: make it longer, or remove it");
        return None;
    }
    Some(span)
}
