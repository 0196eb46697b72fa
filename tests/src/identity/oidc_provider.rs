//! `oidc-provider` on Node.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{ALICE, Asked, asked, member};
use crate::server::{Place, Process};
use crate::tools::{certificates, client_certificates, node, script};
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

/// An authorization server made of `oidc-provider`: opaque access tokens and JWTs by client credentials, password
/// ([`ALICE`], [`BOB`](super::BOB), [`ZOE`](super::ZOE)), refresh tokens that rotate, and token exchange; introspection with client
/// authentication, revocation, JWKS, and discovery.
///
/// It takes a secret in the header or in the body. Beside the clients that are named here it knows `public`, which has no secret;
/// `key-jwt`, which signs assertions with [`client_key`](Self::client_key) or [`client_ec_key`](Self::client_ec_key); and over https
/// `tls` and `tls-self-signed`, which show a certificate.
#[derive(Debug)]
pub struct OidcProvider {
    place: Place,
    issuer: String,
    tls: bool,
    folder: TempDir,
    running: Option<Process>,
}

impl OidcProvider {
    /// The client that may introspect, and its secret.
    pub const API: (&str, &str) = ("api", "api-secret-api-secret-api-secret");
    /// A client that gets tokens by every grant, and its secret.
    pub const APP: (&str, &str) = ("app", "app-secret-app-secret-app-secret");
    /// Another one, with what a header and a form have to encode, in both.
    pub const ODD: (&str, &str) = ("odd:id %&+=/ü", "s3cr:t % & + = / ä ö ß ✓ s3cr:t");
    /// One that authenticates by assertions, with its secret as the key (`client_secret_jwt`).
    pub const SECRET_JWT: (&str, &str) =
        ("secret-jwt", "secret-jwt-secret-secret-jwt-secret-secret-jwt-secret");

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

    /// Starts one over https, with a certificate by an authority of its own, that asks clients for theirs.
    ///
    /// # Panics
    ///
    /// If openssl is missing, and as [`Self::start`].
    #[must_use]
    pub fn start_https() -> Self {
        let place = Place::free();
        let issuer = format!("https://localhost:{}", place.address().port());
        let mut provider = Self { tls: true, ..Self::stopped(place, &issuer) };
        certificates(provider.folder.path(), "DNS:localhost, IP:127.0.0.1");
        client_certificates(provider.folder.path());
        provider.start_again(Keys::Same);
        provider
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
        Self { place, issuer: issuer.to_owned(), tls: false, folder: temp_dir(), running: None }
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
            .arg(self.folder.path())
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
        if self.tls {
            format!("https://localhost:{}{path}", self.address().port())
        } else {
            format!("http://{}{path}", self.address())
        }
    }

    /// The certificate that clients have to trust over https.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.file("ca.crt")
    }

    /// The key that `key-jwt` signs its assertions with, by RS256 or PS256: PKCS#8 in PEM. There once the server was started.
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.file("client.key")
    }

    /// Another key of `key-jwt`, for ES256.
    #[must_use]
    pub fn client_ec_key(&self) -> PathBuf {
        self.file("client-ec.key")
    }

    /// What the client `tls` shows over https, a certificate by the server's own authority, and its key.
    #[must_use]
    pub fn tls_client(&self) -> (PathBuf, PathBuf) {
        (self.file("client.crt"), self.file("client-tls.key"))
    }

    /// What the client `tls-self-signed` shows over https, a certificate by nobody else, and its key.
    #[must_use]
    pub fn tls_self_signed_client(&self) -> (PathBuf, PathBuf) {
        (self.file("self-signed.crt"), self.file("self-signed.key"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An opaque access token with these scopes.
    ///
    /// # Panics
    ///
    /// If it issues none.
    #[must_use]
    pub fn opaque(&self, scope: &str, seconds: u32) -> String {
        self.token(&[], scope, seconds, "access_token")
    }

    /// A JWT access token for [`super::AUDIENCE`], signed by RS256, PS256, ES256, ES384 or EdDSA.
    ///
    /// # Panics
    ///
    /// If it issues none.
    #[must_use]
    pub fn jwt(&self, algorithm: &str, scope: &str, seconds: u32) -> String {
        self.token(&[("resource", &Self::resource(algorithm))], scope, seconds, "access_token")
    }

    /// An opaque access token of a user's.
    ///
    /// # Panics
    ///
    /// If it issues none.
    #[must_use]
    pub fn opaque_of(&self, user: (&str, &str), scope: &str, seconds: u32) -> String {
        self.token(&by_password(user), scope, seconds, "access_token")
    }

    /// A JWT access token of a user's for [`super::AUDIENCE`].
    ///
    /// # Panics
    ///
    /// If it issues none.
    #[must_use]
    pub fn jwt_of(&self, user: (&str, &str), algorithm: &str, scope: &str, seconds: u32) -> String {
        let resource = Self::resource(algorithm);
        let form = [&by_password(user)[..], &[("resource", &resource)]].concat();
        self.token(&form, scope, seconds, "access_token")
    }

    /// A refresh token of [`ALICE`]'s, good for one use, for the client [`APP`](Self::APP).
    ///
    /// # Panics
    ///
    /// If it issues none.
    #[must_use]
    pub fn refresh_token(&self, scope: &str) -> String {
        self.token(&by_password(ALICE), scope, 60, "refresh_token")
    }

    /// The resource for which a client is given JWTs signed by this algorithm.
    #[must_use]
    pub fn resource(algorithm: &str) -> String {
        format!("{}{algorithm}", super::AUDIENCE)
    }

    fn token(&self, form: &[(&str, &str)], scope: &str, seconds: u32, name: &str) -> String {
        let grant =
            if form.iter().any(|(name, _)| *name == "username") { "password" } else { "client_credentials" };
        let seconds = seconds.to_string();
        let own = [("grant_type", grant), ("scope", scope), ("ttl", &seconds)];
        let pairs: Vec<String> =
            own.iter().chain(form).map(|(name, value)| format!("{name}={value}")).collect();
        let mut arguments = Vec::new();
        for pair in &pairs {
            arguments.extend(["--data-urlencode", pair]);
        }
        self.call("/token", &arguments, |arguments| member(arguments, name))
    }

    /// Calls one of its paths as [`APP`](Self::APP).
    fn call<T>(&self, path: &str, more: &[&str], send: impl FnOnce(&[&str]) -> T) -> T {
        let (id, secret) = Self::APP;
        let (client, certificate, url) =
            (format!("{id}:{secret}"), self.certificate().display().to_string(), self.url(path));
        let mut arguments = vec!["-u", &client];
        if self.tls {
            arguments.extend(["--cacert", &certificate]);
        }
        arguments.extend(more);
        arguments.push(&url);
        send(&arguments)
    }

    /// Revokes an opaque token.
    ///
    /// # Panics
    ///
    /// If the server does not say that it did.
    pub fn revoke(&self, token: &str) {
        let form = format!("token={token}");
        let revoked =
            self.call("/token/revocation", &["--data-urlencode", &form], |arguments| curl(arguments).status);
        assert_eq!(revoked, 200);
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
}

fn by_password<'a>((name, password): (&'a str, &'a str)) -> [(&'static str, &'a str); 2] {
    [("username", name), ("password", password)]
}
