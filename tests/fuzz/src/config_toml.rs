//! Config.toml.

use std::{io, path::Path, sync::Arc};

use portcullis::Config;
use portcullis_core::{Clock, UnixTime, config::Source};

use crate::support::{NOW, ballerina, hides};

/// A secret that stands in seeds.
const CANARY: &str = "canary-7361";

/// Keys whose values are secrets, and end in no message.
const SECRETS: [&str; 8] = [
    "password",
    "secret",
    "clientSecret",
    "connectionPassword",
    "keyPassword",
    "X-Canary",
    "canary_param",
    "client_secret",
];

/// Secrets that a configuration only names: none but the canary.
#[derive(Debug)]
struct Named;

impl Source for Named {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "CANARY").then(|| CANARY.to_owned())
    }

    fn file(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

#[derive(Debug)]
struct Standing;

impl Clock for Standing {
    fn now(&self) -> UnixTime {
        NOW
    }

    fn monotonic(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }

    fn sleep(&self, _: std::time::Duration) -> portcullis_core::BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Takes the text.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Devices and files of the machine are no input.
    if ["/dev", "/proc", "/sys", "/tmp", ".."].iter().any(|path| text.contains(path)) {
        return;
    }
    let read = Config::builder().source(Named).clock(Arc::new(Standing)).parse(text, ballerina());
    let is_secret = only_as_secret(text);
    match read {
        Ok(config) => {
            if is_secret {
                let shown = format!("{config:?}\n{:?}", config.warnings());
                assert!(!shown.contains(CANARY), "a secret in {shown}");
            }
            for service in config.services() {
                assert!(service.path().starts_with('/'));
                let policy = service.auth().policy();
                assert!(policy.is_public() || !policy.label().is_empty());
            }
        }
        Err(error) => {
            assert!(!error.problems().is_empty(), "a refusal without a reason");
            assert!(error.problems().iter().all(|problem| !problem.to_string().is_empty()));
            if is_secret {
                hides(&error, CANARY);
            }
        }
    }
}

/// Whether the canary stands in the text as the value of a secret, once or more, and nowhere else.
fn only_as_secret(text: &str) -> bool {
    let (mut rest, mut found) = (text, false);
    while let Some(at) = rest.find(CANARY) {
        let before = &rest[..at];
        let line = before.rsplit('\n').next().unwrap_or(before);
        let Some(key) = line.strip_suffix("= \"").map(str::trim_end) else { return false };
        if !rest[at + CANARY.len()..].starts_with('"') {
            return false;
        }
        let name = key.rsplit(|byte: char| !(byte.is_ascii_alphanumeric() || "-_".contains(byte))).next();
        if !name.is_some_and(|name| SECRETS.contains(&name)) || key.contains(['"', '\'']) {
            return false;
        }
        found = true;
        rest = &rest[at + CANARY.len()..];
    }
    found
}
