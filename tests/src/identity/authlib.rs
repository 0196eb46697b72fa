//! Authlib and Flask on Python.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::{ALICE, Asked, asked, member, token};
use crate::server::{Place, Process};
use crate::tools::{certificates, python, script};
use crate::{TempDir, curl, temp_dir};

/// An authorization server made of Authlib: client credentials, password ([`ALICE`], [`BOB`](super::BOB),
/// [`ZOE`](super::ZOE)), refresh tokens that rotate, and the JWT bearer grant. It enforces how each client has to authenticate: `basic`
/// (secret `basic-secret`) by Basic, `post` (secret `post-secret`) in the body, `key-jwt` by assertions, which it signs
/// with [`client_key`](Self::client_key) by RS256. `key-jwt` is the issuer, too, whose assertions the JWT bearer grant takes, for
/// users. A `jti` is good once in either use.
#[derive(Debug)]
pub struct AuthlibServer {
    place: Place,
    tls: bool,
    folder: TempDir,
    running: Option<Process>,
}

impl AuthlibServer {
    /// Starts one over https, with a certificate by an authority of its own.
    ///
    /// # Panics
    ///
    /// If Python, Authlib or openssl is missing.
    #[must_use]
    pub fn start() -> Self {
        let folder = temp_dir();
        certificates(folder.path(), "DNS:localhost, IP:127.0.0.1");
        Self::start_in(folder, true)
    }

    /// Starts one over plain http.
    ///
    /// # Panics
    ///
    /// If Python or Authlib is missing.
    #[must_use]
    pub fn start_http() -> Self {
        Self::start_in(temp_dir(), false)
    }

    fn start_in(folder: TempDir, tls: bool) -> Self {
        let mut server = Self { place: Place::free(), tls, folder, running: None };
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
        command
            .arg("-u")
            .arg(script("authlib/server.py"))
            .arg(self.place.address().port().to_string())
            .arg(self.folder.path());
        let mut running = Process::start("python3", command);
        assert_eq!(running.address(), self.place.address());
        self.running = Some(running);
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.place.address()
    }

    /// What it calls itself: `https://localhost:PORT`, or `http://localhost:PORT`.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.url("")
    }

    /// The URL of one of its paths: `/jwks`, `/token`, `/introspect`, `/introspect/bearer`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://localhost:{}{path}", self.place.address().port())
    }

    /// The key that `key-jwt` signs assertions with: PKCS#8 in PEM.
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.folder.path().join("client.key")
    }

    /// The certificate that clients have to trust over https.
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

    /// A refresh token of [`ALICE`]'s, good for one use, for the client `basic`.
    ///
    /// # Panics
    ///
    /// If it issues none.
    #[must_use]
    pub fn refresh_token(&self, scope: &str) -> String {
        let (name, password) = ALICE;
        let (name, password, scope) =
            (format!("username={name}"), format!("password={password}"), format!("scope={scope}"));
        let form = ["-d", "grant_type=password", "-d", &name, "-d", &password, "-d", &scope];
        self.call("/token", &form, |arguments| member(arguments, "refresh_token"))
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
        let mut arguments = vec!["-u", "basic:basic-secret"];
        if self.tls {
            arguments.extend(["--cacert", &certificate]);
        }
        arguments.extend(more);
        arguments.push(&url);
        send(&arguments)
    }
}
