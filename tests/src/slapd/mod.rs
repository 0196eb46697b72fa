//! Debian's `slapd`, OpenLDAP's server.

mod builder;
mod log;

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

pub use self::builder::SlapdBuilder;
pub use self::log::{Seen, Traffic};
use crate::program::watchdog;
use crate::server::Place;
use crate::tools::missing;
use crate::{Lines, PATIENCE, TempDir, data, tool, write};

/// A directory with the entries of the seeds (`dc=ballerina,dc=io`) and those of Ballerina's own tests (`dc=avix,dc=lk`), on
/// loopback, until this guard is dropped.
///
/// It speaks clear text and StartTLS on one port and `ldaps://` on another. Its certificate is for `localhost` and 127.0.0.1.
#[derive(Debug)]
pub struct Slapd {
    plain: Place,
    secure: Place,
    folder: TempDir,
    tls: bool,
    running: Option<Running>,
    /// How many marks were set in the log.
    marks: usize,
}

#[derive(Debug)]
struct Running {
    child: Child,
    watchdog: Child,
    log: Lines,
}

/// The ways to reach a directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// Clear text.
    Plain,
    /// TLS from the first byte.
    Ldaps,
    /// TLS after a wish for it.
    StartTls,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Ldaps, Self::StartTls];
}

impl Slapd {
    /// Who may change what stands below `dc=ballerina,dc=io`, and the password.
    pub const ADMIN: (&str, &str) = ("cn=admin,dc=ballerina,dc=io", "secret");

    /// Starts one and fills it.
    ///
    /// # Panics
    ///
    /// If slapd or ldapadd is missing.
    #[must_use]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// One with another certificate, without TLS, or with more lines in its configuration.
    pub fn builder() -> SlapdBuilder {
        SlapdBuilder::default()
    }

    fn fill(&self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/slapd");
        self.load(Self::ADMIN, &folder.join("ballerina.io.ldif"));
        let root = "dn: dc=avix,dc=lk\nobjectClass: domain\ndc: avix\n";
        let avix = ("cn=admin,dc=avix,dc=lk", "avix123");
        self.load(avix, &write(&self.folder, "avix.lk.ldif", root));
        self.load(avix, &data("ballerina/data/auth-ldif--bootstrap.ldif"));
    }

    fn load(&self, (name, password): (&str, &str), ldif: &Path) {
        self.client("ldapadd", &["-D", name, "-w", password, "-f", &ldif.display().to_string()]);
    }

    /// Runs a client of OpenLDAP against the port of clear text.
    fn client(&self, name: &str, arguments: &[&str]) -> String {
        let url = format!("ldap://{}", self.plain.address());
        let printed = tool(name, [&["-x", "-H", &url], arguments].concat());
        String::from_utf8(printed).expect("what it prints is UTF-8")
    }

    /// Adds entries.
    ///
    /// # Panics
    ///
    /// If it refuses them.
    pub fn add(&self, ldif: &str) {
        self.load(Self::ADMIN, &write(&self.folder, "add.ldif", ldif));
    }

    /// Changes entries: LDIF with `changetype`.
    ///
    /// # Panics
    ///
    /// If it refuses that.
    pub fn modify(&self, ldif: &str) {
        let file = write(&self.folder, "modify.ldif", ldif);
        let (name, password) = Self::ADMIN;
        self.client("ldapmodify", &["-D", name, "-w", password, "-f", &file.display().to_string()]);
    }

    /// Gives an entry another password.
    ///
    /// # Panics
    ///
    /// If there is no such entry.
    pub fn set_password(&self, dn: &str, password: &str) {
        self.modify(&format!(
            "dn: {dn}\nchangetype: modify\nreplace: userPassword\nuserPassword: {password}\n"
        ));
    }

    /// Where it speaks clear text, and TLS after a wish for it.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.plain.address()
    }

    /// Where it speaks TLS.
    #[must_use]
    pub const fn ldaps_address(&self) -> SocketAddr {
        self.secure.address()
    }

    /// What a client is told to connect to.
    #[must_use]
    pub fn url(&self, transport: Transport) -> String {
        match transport {
            Transport::Ldaps => format!("ldaps://localhost:{}", self.secure.address().port()),
            Transport::Plain | Transport::StartTls => {
                format!("ldap://localhost:{}", self.plain.address().port())
            }
        }
    }

    /// The authority that clients have to trust.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// Kills it, as a machine that fails does: it is not asked to end, and says goodbye to nobody.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Kills it where it runs, and starts it on the same ports with what it held. Its log begins anew.
    ///
    /// # Panics
    ///
    /// As [`Self::start`].
    pub fn start_again(&mut self) {
        self.kill();
        let mut urls = format!("ldap://{}/", self.plain.address());
        if self.tls {
            urls = format!("{urls} ldaps://{}/", self.secure.address());
        }
        // Debian has it where only root's PATH leads. `-d` keeps it in the foreground; 256 are connections, operations and
        // results.
        let mut child = Command::new("/usr/sbin/slapd")
            .arg("-f")
            .arg(self.folder.path().join("slapd.conf"))
            .args(["-h", &urls, "-d", "256"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}", missing("slapd", &error)));
        let mut log = Lines::of(child.stderr.take().unwrap());
        let watchdog = watchdog(child.id());
        log.wait_for("slapd to start", |line| line.contains("slapd starting").then_some(()));
        self.running = Some(Running { child, watchdog, log });
        // It says so before it listens.
        listening(self.plain.address());
        if self.tls {
            listening(self.secure.address());
        }
    }

    /// Stops it in the midst of whatever it does: connections are accepted by the system, and nobody answers.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.running.as_ref().expect("slapd runs").child.id().to_string();
        tool("sh", ["-c", "kill -\"$1\" \"$2\"", "sh", name, &id]);
    }

    /// What it did since it was started last. Everything that was answered before this call is in it.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn traffic(&mut self) -> Traffic {
        // Its log is read in the background: a mark shows that everything before was.
        self.marks += 1;
        let mark = format!("cn=mark-{}", self.marks);
        let (name, password) = Self::ADMIN;
        self.client(
            "ldapsearch",
            &["-LLL", "-D", name, "-w", password, "-b", "", "-s", "base", &format!("({mark})")],
        );
        let running = self.running.as_mut().expect("slapd runs");
        running.log.wait_for("the mark", |line| line.contains(&mark).then_some(()));
        Traffic::of(running.log.so_far())
    }

    /// Waits for a line of its log with all of these words, if there is none yet.
    ///
    /// # Panics
    ///
    /// If it does not run, or none comes within [`PATIENCE`].
    pub fn logged(&mut self, words: &[&str]) {
        let has_all = |line: &str| words.iter().all(|word| line.contains(word));
        let log = &mut self.running.as_mut().expect("slapd runs").log;
        if !log.so_far().iter().any(|line| has_all(line)) {
            log.wait_for(&format!("slapd to say {words:?}"), |line| has_all(line).then_some(()));
        }
    }
}

/// Waits until a server accepts connections here.
fn listening(address: SocketAddr) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = TcpStream::connect(address) {
        assert!(Instant::now() < deadline, "slapd does not listen on {address}: {error}");
        std::thread::yield_now();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // First, lest it kills a stranger who is given the number of slapd.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
