//! `oidc-provider` on Node.

use std::net::SocketAddr;

use super::{Asked, asked, token};
use crate::server::{Place, Process};
use crate::tools::{node, script};
use crate::{TempDir, curl, temp_dir};

/// What becomes of the keys when the server starts again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keys {
    /// They stay.
    Same,
    /// New ones sign from now on; the old ones stay in the key set.
    Added,
    /// New ones sign from now on; the old ones are gone.
    Replaced,
}

/// An authorization server made of `oidc-provider`: opaque access tokens and JWTs by client credentials, introspection with client
/// authentication, revocation, JWKS, and discovery.
#[derive(Debug)]
pub struct OidcProvider {
    place: Place,
    issuer: String,
    folder: TempDir,
    running: Option<Process>,
}

impl OidcProvider {
    /// The client that may introspect, and its secret.
    pub const API: (&str, &str) = ("api", "api-secret-api-secret-api-secret");
    const APP: &str = "app:app-secret-app-secret-app-secret";

    /// Starts one whose issuer is its own address.
    ///
    /// # Panics
    ///
    /// If Node or oidc-provider is missing.
    #[must_use]
    pub fn start() -> Self {
        let place = Place::free();
        let issuer = format!("http://{}", place.address());
        Self::start_at(place, &issuer)
    }

    /// Starts one that calls itself `issuer`, as behind a proxy.
    ///
    /// # Panics
    ///
    /// As [`Self::start`].
    #[must_use]
    pub fn start_at(place: Place, issuer: &str) -> Self {
        let mut provider = Self::stopped(place, issuer);
        provider.start_again(Keys::Same);
        provider
    }

    /// One that does not run yet.
    #[must_use]
    pub fn stopped(place: Place, issuer: &str) -> Self {
        Self { place, issuer: issuer.to_owned(), folder: temp_dir(), running: None }
    }

    /// Kills it, as a machine that fails does: it is not asked to end.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Kills it where it runs, and starts it on the same port. Opaque tokens are forgotten, and so are the requests seen.
    ///
    /// # Panics
    ///
    /// As [`Self::start`].
    pub fn start_again(&mut self, keys: Keys) {
        self.kill();
        let mode = match keys {
            Keys::Same => "keep",
            Keys::Added => "add",
            Keys::Replaced => "drop",
        };
        let mut command = node("oidc-provider");
        command
            .arg(script("oidc/server.mjs"))
            .args([self.place.address().port().to_string().as_str(), self.issuer.as_str()])
            .arg(self.folder.path().join("keys.json"))
            .arg(mode);
        let mut running = Process::start("node", command);
        assert_eq!(running.address(), self.place.address());
        self.running = Some(running);
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.place.address()
    }

    /// What it calls itself.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The URL of one of its paths: `/jwks`, `/token`, `/token/introspection`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// An opaque access token with these scopes.
    ///
    /// # Panics
    ///
    /// If it issues none.
    #[must_use]
    pub fn opaque(&self, scope: &str, seconds: u32) -> String {
        self.token(scope, seconds, &[])
    }

    /// A JWT access token for [`super::AUDIENCE`], signed by RS256, PS256, ES256, ES384 or EdDSA.
    ///
    /// # Panics
    ///
    /// If it issues none.
    #[must_use]
    pub fn jwt(&self, algorithm: &str, scope: &str, seconds: u32) -> String {
        let resource = format!("resource={}{algorithm}", super::AUDIENCE);
        self.token(scope, seconds, &["--data-urlencode", &resource])
    }

    fn token(&self, scope: &str, seconds: u32, more: &[&str]) -> String {
        let (scope, ttl) = (format!("scope={scope}"), format!("ttl={seconds}"));
        let url = self.url("/token");
        let mut arguments = vec!["-u", Self::APP, "-d", "grant_type=client_credentials", "-d", &ttl];
        arguments.extend(["--data-urlencode", &scope]);
        arguments.extend(more);
        arguments.push(&url);
        token(&arguments)
    }

    /// Revokes an opaque token.
    ///
    /// # Panics
    ///
    /// If the server does not say that it did.
    pub fn revoke(&self, token: &str) {
        let (form, url) = (format!("token={token}"), self.url("/token/revocation"));
        assert_eq!(curl(["-u", Self::APP, "--data-urlencode", &form, &url]).status, 200);
    }

    /// The requests since it was started last.
    ///
    /// # Panics
    ///
    /// If it does not run.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        asked(&[&self.url("/control/requests")])
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
}
