//! Authlib and Flask on Python.

use std::path::PathBuf;
use std::process::Command;

use super::{Asked, asked, token};
use crate::server::{Place, Process};
use crate::tools::{certificates, python, script};
use crate::{TempDir, curl, temp_dir};

/// An authorization server made of Authlib, over https with a certificate of its own making. It enforces how each client has
/// to authenticate: `basic` (secret `basic-secret`) by Basic, `post` (secret `post-secret`) in the body.
#[derive(Debug)]
pub struct AuthlibServer {
    place: Place,
    folder: TempDir,
    running: Option<Process>,
}

impl AuthlibServer {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// If Python, Authlib or openssl is missing.
    #[must_use]
    pub fn start() -> Self {
        let folder = temp_dir();
        certificates(folder.path(), "DNS:localhost, IP:127.0.0.1");
        let mut server = Self { place: Place::free(), folder, running: None };
        server.start_again();
        server
    }

    /// Kills it, as a machine that fails does.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Kills it where it runs, and starts it on the same port, with a new key. Tokens are forgotten, and so are the requests
    /// seen.
    ///
    /// # Panics
    ///
    /// As [`Self::start`].
    pub fn start_again(&mut self) {
        self.kill();
        let mut command = Command::new(python());
        let file = |name: &str| self.folder.path().join(name);
        command
            .arg("-u")
            .arg(script("authlib/server.py"))
            .arg(self.place.address().port().to_string())
            .args([file("server.crt"), file("server.key")]);
        let mut running = Process::start("python3", command);
        assert_eq!(running.address(), self.place.address());
        self.running = Some(running);
    }

    /// What it calls itself: `https://localhost:PORT`.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.url("")
    }

    /// The URL of one of its paths: `/jwks`, `/token`, `/introspect`, `/introspect/bearer`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.place.address().port())
    }

    /// The certificate that clients have to trust.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// An opaque access token of the client `basic`.
    ///
    /// # Panics
    ///
    /// If it issues none.
    #[must_use]
    pub fn opaque(&self, scope: &str, seconds: u32) -> String {
        self.token(scope, seconds, "opaque")
    }

    /// A JWT access token of the client `basic` for [`super::AUDIENCE`], signed by ES256.
    ///
    /// # Panics
    ///
    /// If it issues none.
    #[must_use]
    pub fn jwt(&self, scope: &str, seconds: u32) -> String {
        self.token(scope, seconds, "jwt")
    }

    fn token(&self, scope: &str, seconds: u32, format: &str) -> String {
        let (scope, ttl, format) =
            (format!("scope={scope}"), format!("ttl={seconds}"), format!("format={format}"));
        self.call(
            "/token",
            &["-d", "grant_type=client_credentials", "-d", &ttl, "-d", &format, "-d", &scope],
            token,
        )
    }

    /// Revokes a token.
    ///
    /// # Panics
    ///
    /// If the server does not say that it did.
    pub fn revoke(&self, token: &str) {
        let form = format!("token={token}");
        assert_eq!(self.call("/revoke", &["-d", &form], |arguments| curl(arguments).status), 200);
    }

    /// The requests since it was started last.
    ///
    /// # Panics
    ///
    /// If it does not run.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.call("/control/requests", &[], asked)
    }

    /// How many requests for this path there were since it was started last.
    ///
    /// # Panics
    ///
    /// If it does not run.
    #[must_use]
    pub fn count(&self, path: &str) -> usize {
        self.asked().iter().filter(|request| request.target == path).count()
    }

    fn call<T>(&self, path: &str, more: &[&str], send: impl FnOnce(&[&str]) -> T) -> T {
        let (certificate, url) = (self.certificate().display().to_string(), self.url(path));
        let mut arguments = vec!["--cacert", &certificate, "-u", "basic:basic-secret"];
        arguments.extend(more);
        arguments.push(&url);
        send(&arguments)
    }
}
