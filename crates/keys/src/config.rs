//! How a configuration names keys and certificates: the records that `secureSocket` has on both sides.

use std::{error::Error, time::Duration};

use portcullis_core::config::{Section, Value};

use crate::{ClientTls, Identity, KeyError, TrustAnchors};

/// Reads the record of a key with its certificate: `{ certFile, keyFile, keyPassword? }`, or `{ path, password,
/// alias? }` of a PKCS#12 key store.
///
/// What is wrong is noted at its key. What is questionable at the time `now`, since the Unix epoch, is noted as a
/// warning.
#[must_use]
pub fn read_identity(section: &Section<'_>, now: Duration) -> Option<Identity> {
    let Some(which) = section.exactly_one(&["certFile", "path"]) else {
        // Which of the two it is to be is not known; what stands beside them is not wrong by itself.
        for key in ["keyFile", "keyPassword", "password", "alias"] {
            section.node(key);
        }
        return None;
    };
    let (key, identity) = match which {
        "certFile" => {
            let (certificate, key) = (section.required_file("certFile"), section.required_file("keyFile"));
            let password = section.secret("keyPassword");
            if section.has("keyPassword") && password.is_none() {
                return None;
            }
            let password = password.as_ref().map(portcullis_core::Secret::expose);
            ("certFile", Identity::from_files(certificate?, key?, password))
        }
        _ => {
            let (path, password) = (section.required_file("path"), section.required_secret("password"));
            let alias = section.string("alias");
            ("path", Identity::from_key_store(path?, password?.expose(), alias.as_deref()))
        }
    };
    let identity = noted(section, key, identity)?;
    for warning in identity.warnings(now) {
        section.warn(key, warning.to_string());
    }
    Some(identity)
}

/// Reads the certificates that peers are judged by: `key` holds a file, or `{ path, password }` of a PKCS#12 trust
/// store. What is wrong is noted at its key.
#[must_use]
pub fn read_trust_anchors(section: &Section<'_>, key: &str) -> Option<TrustAnchors> {
    match section.node(key).map(portcullis_core::config::Node::value) {
        None => {
            section.problem(key, "required, and missing: the certificates by which the other side is judged");
            None
        }
        Some(Value::Table(_)) => {
            let store = section.section(key)?;
            let (path, password) = (store.required_file("path"), store.required_secret("password"));
            noted(&store, "path", TrustAnchors::from_key_store(path?, password?.expose()))
        }
        Some(_) => {
            let path = section.file(key)?;
            noted(section, key, TrustAnchors::from_file(path))
        }
    }
}

/// Reads `secureSocket` of an outgoing connection: `{ disable, cert, key }`. Without it, and without `cert`, the
/// system's authorities are trusted.
///
/// What is wrong is noted at its key; where the system trusts nobody that is noted at `key` of `parent`.
#[must_use]
pub fn read_client_tls(parent: &Section<'_>, key: &str, now: Duration) -> Option<ClientTls> {
    let Some(section) = parent.section(key) else {
        return if parent.has(key) {
            None
        } else {
            noted(parent, key, TrustAnchors::system()).map(ClientTls::new)
        };
    };
    // All three are read even if one is wrong: all problems are told at once.
    let disable = section.boolean("disable", false);
    let anchors = section.has("cert").then(|| read_trust_anchors(&section, "cert"));
    let identity = section.section("key").map(|key| read_identity(&key, now));
    let tls = match (disable, anchors) {
        (true, Some(_)) => {
            section
                .problem("disable", "`disable` beside `cert` is a contradiction: `disable` verifies nothing");
            return None;
        }
        (true, None) => {
            section.warn(
                "disable",
                "the server's certificate is not verified: whoever sits between can read and change everything",
            );
            ClientTls::dangerous_without_verification()
        }
        (false, Some(anchors)) => ClientTls::new(anchors?),
        (false, None) => noted(parent, key, TrustAnchors::system()).map(ClientTls::new)?,
    };
    Some(match identity {
        Some(identity) => tls.identity(identity?),
        None => tls,
    })
}

fn noted<T>(section: &Section<'_>, key: &str, result: Result<T, KeyError>) -> Option<T> {
    result.map_err(|error| section.problem(key, explained(&error))).ok()
}

/// What is wrong and why, in one line: the message with its causes, which its own text leaves out.
#[must_use]
pub fn explained(error: &KeyError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
