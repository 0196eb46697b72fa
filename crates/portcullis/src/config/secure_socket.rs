//! `secureSocket` of an outgoing connection: whom to trust, and which certificate to show.

use portcullis_core::config::{Section, Value};
use portcullis_keys::{ClientTls, Identity, KeyError, TrustAnchors};

/// Reads `{ disable, cert, key }`; without a section the system's authorities are trusted.
pub(super) fn read_client(section: Option<&Section<'_>>) -> Option<ClientTls> {
    let Some(section) = section else {
        return TrustAnchors::system().map(ClientTls::new).ok();
    };
    let disable = section.boolean("disable", false);
    let anchors = section.has("cert").then(|| read_anchors(section, "cert"));
    let identity = section.section("key").map(|key| read_identity(&key));
    let tls = match (disable, anchors) {
        (true, Some(_)) => {
            section.problem(
                "disable",
                "`disable` beside `cert` is a contradiction: `disable` switches verification off",
            );
            return None;
        }
        (true, None) => {
            section.warn("disable", "the server's certificate is not verified: whoever sits between can read and change everything");
            ClientTls::dangerous_without_verification()
        }
        (false, Some(anchors)) => ClientTls::new(anchors?),
        (false, None) => match TrustAnchors::system() {
            Ok(anchors) => ClientTls::new(anchors),
            Err(error) => {
                section.problem_here(described(&error));
                return None;
            }
        },
    };
    Some(match identity {
        Some(identity) => tls.identity(identity?),
        None => tls,
    })
}

/// A certificate file, or `{ path, password }` of a PKCS#12 trust store.
fn read_anchors(section: &Section<'_>, key: &str) -> Option<TrustAnchors> {
    let anchors = match section.node(key)?.value() {
        Value::Table(_) => {
            let store = section.section(key)?;
            let (path, password) = (store.required_file("path"), store.required_secret("password"));
            TrustAnchors::from_key_store(path?, password?.expose())
        }
        _ => TrustAnchors::from_file(section.file(key)?),
    };
    anchors.map_err(|error| section.problem(key, described(&error))).ok()
}

/// `{ certFile, keyFile, keyPassword? }`, or `{ path, password, alias? }` of a PKCS#12 key store.
fn read_identity(section: &Section<'_>) -> Option<Identity> {
    let identity = match section.exactly_one(&["certFile", "path"])? {
        "path" => {
            let (path, password) = (section.required_file("path"), section.required_secret("password"));
            let alias = section.string("alias");
            Identity::from_key_store(path?, password?.expose(), alias.as_deref())
        }
        _ => {
            let (certificate, key) = (section.required_file("certFile"), section.required_file("keyFile"));
            let password = section.secret("keyPassword");
            Identity::from_files(certificate?, key?, password.as_ref().map(|password| password.expose()))
        }
    };
    identity.map_err(|error| section.problem_here(described(&error))).ok()
}

/// The message with its causes.
fn described(error: &KeyError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
