//! A configuration that is followed: what is taken up, what is refused, what is kept, and what requests see of it.
#![cfg(all(feature = "config", feature = "file", feature = "jwt", feature = "axum"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod files;
mod kept;
mod leases;
mod load;
mod noticed;
#[cfg(unix)]
mod odd;
#[cfg(feature = "jwks")]
mod outage;
mod outcomes;
mod panics;
mod router;
#[cfg(feature = "ldap")]
mod throttled;

use std::{fs, path::PathBuf, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, Method};
use portcullis::{Clock, Config, Live, LiveAuth, RequestHead, UnixTime};
use portcullis_testing::ManualClock;
use tempfile::TempDir;

/// A folder with a Config.toml that is followed.
struct Folder {
    dir: TempDir,
}

impl Folder {
    fn new(text: &str) -> Self {
        let folder = Self { dir: TempDir::new().unwrap() };
        folder.write("Config.toml", text);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file beside, and puts it in place, as careful programs do.
    fn write(&self, name: &str, text: &str) {
        let beside = self.path(&format!(".{name}.new"));
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.path(name)).unwrap();
    }

    fn live(&self) -> Live {
        Live::load_with(self.path("Config.toml"), || Config::builder().clock(clock())).unwrap()
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(UnixTime::from_secs(1_000_000)))
}

fn basic(pair: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(pair))
}

/// The status of a request to `/foo/path` with this `Authorization`.
async fn status(service: &LiveAuth, path: &str, authorization: &str) -> u16 {
    let mut headers = HeaderMap::new();
    if !authorization.is_empty() {
        headers.insert("authorization", authorization.parse().unwrap());
    }
    let auth = service.now().clone();
    match auth.decided(&RequestHead::new(&Method::GET, path, &headers)).await {
        Ok(_) => 200,
        Err(rejection) => rejection.status().as_u16(),
    }
}

/// A service at /foo for these users, who need `hello`.
fn users(users: &[(&str, &str, &str)]) -> String {
    let users = users.iter().map(|(name, password, scope)| {
        format!("[[auth.users]]\nusername = {name:?}\npassword = {password:?}\nscopes = [{scope:?}]\n")
    });
    let service = "[services.\"/foo\"]\nauth = [{ scopes = \"hello\", fileUserStoreConfig = {} }]\nresources.\"/open\" = { public = true }\n";
    users.collect::<String>() + service
}

const ALICE: (&str, &str, &str) = ("alice", "password1", "hello");
const BOB: (&str, &str, &str) = ("bob", "password2", "hello");
