//! `[listener.secureSocket]` of a configuration.

use std::sync::Arc;

use portcullis_core::{UnixTime, config::Section};
use portcullis_keys::{Identity, SelfSigned, ServerTls, TrustAnchors, config};
use rustls::crypto::aws_lc_rs::DEFAULT_CIPHER_SUITES;

use super::reconfigure::Tls;

const VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

pub(super) fn read(section: &Section<'_>, now: UnixTime) -> Option<Arc<Tls>> {
    read_protocol(section);
    read_ciphers(section);
    // Both are read even if one is wrong: all problems are told at once.
    let identity = read_identity(section, now);
    let clients = section.section("mutualSsl").map(|mutual| read_mutual(&mutual));
    let tls = ServerTls::new(identity?);
    let tls = match clients {
        None => tls,
        Some(clients) => match clients? {
            (anchors, true) => tls.require_client_certificate(anchors),
            (anchors, false) => tls.accept_client_certificate(anchors),
        },
    };
    let built = tls.build_with_check().map_err(|error| section.problem_here(config::explained(&error))).ok();
    built.map(|(config, clients)| Arc::new(Tls { config, clients }))
}

fn read_identity(section: &Section<'_>, now: UnixTime) -> Option<Identity> {
    let self_signed = section.boolean("selfSigned", false);
    let key = section.section("key").map(|key| config::read_identity(&key, now.since_epoch()));
    match key {
        Some(_) if self_signed => {
            section
                .problem("selfSigned", "`key` and `selfSigned = true` exclude each other: keep one of them");
            None
        }
        Some(identity) => identity,
        None if self_signed => {
            section.warn(
                "selfSigned",
                "the certificate is made anew at every start and nobody trusts it: for trying things out only",
            );
            let made = SelfSigned::generate(now.since_epoch());
            made.map(|made| made.identity)
                .map_err(|error| section.problem("selfSigned", config::explained(&error)))
                .ok()
        }
        None => {
            if !section.has("key") {
                section.problem_here(
                    "needs a certificate: `key = { certFile = …, keyFile = … }`, `key = { path = …, password = … }` of a PKCS#12 key store, or, for trying things out, `selfSigned = true`",
                );
            }
            None
        }
    }
}

fn read_mutual(section: &Section<'_>) -> Option<(TrustAnchors, bool)> {
    let verify = section.string("verifyClient");
    let required = match verify.as_deref().map(constant) {
        None if section.has("verifyClient") => None,
        None | Some("REQUIRE") => Some(true),
        Some("OPTIONAL") => Some(false),
        Some(other) => {
            section.problem("verifyClient", format!("{other:?} is not one of \"REQUIRE\", \"OPTIONAL\""));
            None
        }
    };
    let anchors = config::read_trust_anchors(section, "cert");
    Some((anchors?, required?))
}

/// `{ name = "TLS", versions = [...] }`, as Ballerina has it.
fn read_protocol(section: &Section<'_>) {
    let Some(protocol) = section.section("protocol") else { return };
    if let Some(name) = protocol.string("name")
        && constant(&name) != "TLS"
    {
        protocol.problem("name", format!("{name:?} is not offered: \"TLS\" is"));
    }
    let Some(versions) = protocol.strings("versions") else { return };
    let mut named: Vec<&str> = versions.iter().map(|version| constant(version)).collect();
    named.sort_unstable();
    named.dedup();
    // Naming one of them would read as if the other were off.
    if named != VERSIONS {
        protocol.problem("versions", "TLS 1.2 and 1.3 are offered, always both: name \"TLSv1.2\" and \"TLSv1.3\", or remove `protocol`");
    }
}

fn read_ciphers(section: &Section<'_>) {
    let Some(ciphers) = section.strings("ciphers") else { return };
    let offered: Vec<String> = DEFAULT_CIPHER_SUITES
        .iter()
        .filter_map(|suite| suite.suite().as_str())
        .map(|name| name.replacen("TLS13_", "TLS_", 1))
        .collect();
    match ciphers.iter().find(|name| !offered.contains(name)) {
        Some(name) => section.problem(
            "ciphers",
            format!("{name:?} is not offered. Those that are need no configuration: remove `ciphers`"),
        ),
        None => section
            .warn("ciphers", format!("accepted and not needed: always offered are {}", offered.join(", "))),
    }
}

/// Ballerina's constants may come with the module they are from.
fn constant(text: &str) -> &str {
    text.strip_prefix("http:").unwrap_or(text)
}
