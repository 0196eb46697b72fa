//! The gateway, what stands behind it, and the servers that its providers depend on, each behind a proxy.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::extract::ws::{Message, WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use portcullis_testing::{Algorithm, FaultProxy, TestDirectory, TestIntrospection, TestIssuer};
use portcullis_tests::{Program, Running, TempDir, temp_dir, write};

use crate::model::{CHANGING, Model, Server};
use crate::report::Report;

pub(crate) const AUDIENCE: &str = "soak";
/// `cacheConfig.capacity` of all: small, so that they are full soon.
pub(crate) const CAPACITY: usize = 1_000;

/// The users of the file with their passwords: argon2id at full and at little cost, bcrypt, scrypt.
pub(crate) const FILE_USERS: [(&str, &str); 4] =
    [("alice", "password1"), ("bob", "pässword 1"), ("carla", "pässword 1"), ("dora", "pässword 1")];
const HASHES: [&str; 4] = [
    "$argon2id$v=19$m=19456,t=2,p=1$bq6mtAlVfDoKjDRJK92vnw$bW/f22/T8TtE0MZgKC41UxGq5G+KWmGLQJrZHtS2zXc",
    "$2b$04$c2FsdHNhbHRzYWx0c2FsdO3qsAnPKj/uqzgpLZF/QruuDLhHKLID6",
    "$argon2id$v=19$m=16,t=1,p=2$c2FsdHNhbHRzYWx0c2FsdA$2Tisq7J+VJQESgyoQHUA7b/vUwOEmljh6a8XW0gbbGs",
    "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$P9DXf5+NO1OwZ/YN32v3U83Ll+svJrF029wSGeh7PZ0",
];
/// People of the directory with their passwords.
pub(crate) const PEOPLE: [(&str, &str); 2] = [("ann", "ann@123"), ("ben", "ben@123")];

pub(crate) struct World {
    pub(crate) gateway: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Signs the tokens of keys that stand in a file.
    pub(crate) fixed: TestIssuer,
    pub(crate) issuer: TestIssuer,
    pub(crate) introspection: TestIntrospection,
    _directory: TestDirectory,
    proxies: [FaultProxy; 3],
    folder: TempDir,
    pub(crate) model: Model,
    pub(crate) report: Report,
    pub(crate) ended: AtomicBool,
    /// Whether every cache and table has had more than it holds.
    pub(crate) full: AtomicBool,
    pub(crate) began: Instant,
    numbers: AtomicU64,
}

impl World {
    pub(crate) async fn start() -> (Self, Running) {
        let (fixed, issuer) = (TestIssuer::start().await, TestIssuer::start().await);
        let (introspection, directory) = (TestIntrospection::start().await, TestDirectory::start().await);
        fill(&directory);
        let proxies = [
            FaultProxy::start(issuer.address()).await,
            FaultProxy::start(introspection.address()).await,
            FaultProxy::start(directory.address()).await,
        ];
        let upstream = echo().await;
        let folder = temp_dir();
        write(&folder, "fixed.json", fixed.jwks().to_string());
        let [keys, tokens, people] = [&proxies[0], &proxies[1], &proxies[2]].map(FaultProxy::address);
        let (fixed_url, issuer_url) = (fixed.url(), issuer.url());
        write(
            &folder,
            "rest.toml",
            format!(
                r#"
[listener]
address = "127.0.0.1:0"
admin.address = "127.0.0.1:0"
headerTimeout = 3
trustedProxies = ["127.0.255.0/24"]

[reload]
watch = false

[providers]
fixed.jwtValidatorConfig = {{
  issuer = "{fixed_url}", audience = "{AUDIENCE}", cacheConfig = {{ capacity = {CAPACITY} }},
  signatureConfig = {{ certFile = "fixed.json" }},
}}
issuer.jwtValidatorConfig = {{
  issuer = "{issuer_url}", audience = "{AUDIENCE}", cacheConfig = {{ capacity = {CAPACITY} }},
  signatureConfig = {{ jwksConfig = {{
    url = "http://{keys}/jwks", minRefreshInterval = 1, cacheConfig = {{ defaultMaxAge = 4 }},
    clientConfig = {{ connectTimeout = 2, requestTimeout = 3 }},
  }} }},
}}
opaque.oauth2IntrospectionConfig = {{
  url = "http://{tokens}/introspect",
  cacheConfig = {{ capacity = {CAPACITY}, defaultMaxAge = 4, negativeMaxAge = 2 }},
  clientConfig = {{ connectTimeout = 2, requestTimeout = 3 }},
}}
people.ldapUserStoreConfig = {{
  domainName = "soak.example",
  connectionUrl = "ldap://{people}",
  connectionName = "cn=service,dc=soak,dc=example", connectionPassword = "secret",
  userSearchBase = "ou=Users,dc=soak,dc=example",
  userNameAttribute = "uid", userNameSearchFilter = "(&(objectClass=person)(uid=?))",
  groupSearchBase = "ou=Groups,dc=soak,dc=example", groupNameAttribute = "cn",
  groupNameListFilter = "(objectClass=groupOfNames)", membershipAttribute = "member",
  userRolesCacheEnabled = true, rolesMaxAge = 4,
  connectionTimeout = 2, readTimeout = 2,
}}

[services."/file"]
upstream = "http://{upstream}"
auth = [{{ scopes = "hello", fileUserStoreConfig = {{}} }}]
resources."/admin" = {{ scopes = "admin" }}

[services."/fixed"]
upstream = "http://{upstream}"
auth = [{{ scopes = "hello", use = "fixed" }}]
resources."/admin" = {{ scopes = "admin" }}

[services."/keys"]
upstream = "http://{upstream}"
auth = [{{ scopes = "hello", use = "issuer" }}]

[services."/opaque"]
upstream = "http://{upstream}"
auth = [{{ scopes = "hello", use = "opaque" }}]

[services."/people"]
upstream = "http://{upstream}"
auth = [{{ scopes = "hello", use = "people" }}]

[services."/any"]
upstream = "http://{upstream}"
auth = [
  {{ scopes = "hello", fileUserStoreConfig = {{}} }},
  {{ scopes = "hello", use = "fixed" }},
  {{ scopes = "hello", use = "issuer" }},
  {{ scopes = "hello", use = "opaque" }},
  {{ scopes = "hello", use = "people" }},
]

[services."/maybe"]
upstream = "http://{upstream}"
optional = true
auth = [{{ scopes = "hello", use = "fixed" }}]

[services."/status"]
upstream = "http://{upstream}"
public = true
"#
            ),
        );
        write_version(&folder, 0);
        let mut running = Program::new("portcullis")
            .args(["serve", "--log", "error,portcullis::reload=info", "--config"])
            .arg(folder.path().join("Config.toml"))
            .start();
        let gateway = running.address();
        let admin = running.stderr().wait_for("the admin address", |line| {
            line.strip_prefix("admin endpoints on http://")?.trim_end_matches('/').parse().ok()
        });
        let began = Instant::now();
        let model = Model::new(began);
        model.is_published(&issuer.kid());
        let world = Self {
            gateway,
            admin,
            fixed,
            issuer,
            introspection,
            _directory: directory,
            proxies,
            folder,
            model,
            report: Report::default(),
            ended: AtomicBool::new(false),
            full: AtomicBool::new(false),
            began,
            numbers: AtomicU64::new(0),
        };
        for _ in 0..4 {
            let opaque = world.grant();
            world.model.is_used(&opaque);
        }
        (world, running)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    pub(crate) const fn proxy(&self, server: Server) -> &FaultProxy {
        &self.proxies[server as usize]
    }

    /// Another number each time.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Relaxed)
    }

    /// An opaque token that was never seen before, which is good from now on.
    pub(crate) fn grant(&self) -> String {
        let number = self.number();
        let (token, subject) = (format!("granted-{number}"), format!("olga-{number}"));
        self.introspection.grant(&token, serde_json::json!({"sub": subject, "scope": "hello"}));
        self.model.is_granted(&token, &subject);
        token
    }

    /// One key more, by which tokens may be signed from now on.
    pub(crate) fn publish(&self) {
        self.model.is_published(&self.issuer.add_key(Algorithm::Es256));
    }

    /// Writes the version of this number.
    pub(crate) fn write(&self, version: u64) {
        write_version(&self.folder, version);
    }
}

/// The password of the user whose password changes.
pub(crate) fn password(version: u64) -> String {
    format!("turn-{version}")
}

fn write_version(folder: &TempDir, version: u64) {
    let rest = std::fs::read_to_string(folder.path().join("rest.toml")).unwrap();
    let mut users = String::new();
    for ((name, _), hash) in FILE_USERS.iter().zip(HASHES) {
        // Alice alone is an administrator.
        let scopes = if *name == "alice" { r#"["hello", "admin"]"# } else { r#""hello""# };
        users +=
            &format!("[[auth.users]]\nusername = \"{name}\"\npasswordHash = \"{hash}\"\nscopes = {scopes}\n");
    }
    let password = password(version);
    users += &format!(
        "[[auth.users]]\nusername = \"{CHANGING}\"\npassword = \"{password}\"\nscopes = \"hello\"\n"
    );
    write(folder, "Config.toml", format!("{users}\n{rest}"));
}

fn fill(directory: &TestDirectory) {
    directory.add_user("cn=service,dc=soak,dc=example", "secret");
    let name = |name: &str| format!("uid={name},ou=Users,dc=soak,dc=example");
    for (user, password) in PEOPLE {
        directory.add_user(&name(user), password);
    }
    let members: Vec<String> = PEOPLE.iter().map(|(user, _)| name(user)).collect();
    directory.add_group("cn=hello,ou=Groups,dc=soak,dc=example", members.iter().map(String::as_str));
}

/// The server behind: it says whom it was told of, and on a WebSocket what it was told.
async fn echo() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn answer(
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
) -> Response {
    match upgrade {
        Ok(upgrade) => upgrade.on_upgrade(async |mut socket| {
            while let Some(Ok(message)) = socket.recv().await {
                if matches!(message, Message::Text(_)) && socket.send(message).await.is_err() {
                    break;
                }
            }
        }),
        Err(_) => {
            let subject = headers.get("x-auth-subject").and_then(|subject| subject.to_str().ok());
            subject.unwrap_or("nobody").to_owned().into_response()
        }
    }
}

/// A clock that ticks so often, on which traffic is sent: its pace is what the test is about. Ticks that were missed are left out.
pub(crate) fn every(span: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(span);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}
