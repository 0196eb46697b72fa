//! How slapd starts.

use std::fs;
use std::path::Path;

use super::Slapd;
use crate::server::Place;
use crate::tools::certificates;
use crate::{temp_dir, write};

/// A directory before it starts. See [`Slapd::builder`].
#[derive(Debug)]
#[must_use = "a directory exists once it is started"]
pub struct SlapdBuilder {
    names: Option<String>,
    lines: String,
}

impl Default for SlapdBuilder {
    fn default() -> Self {
        Self { names: Some("DNS:localhost, IP:127.0.0.1".to_owned()), lines: String::new() }
    }
}

impl SlapdBuilder {
    /// Its certificate is for another host than the one it runs on.
    pub fn certificate_for(mut self, host: &str) -> Self {
        self.names = Some(format!("DNS:{host}"));
        self
    }

    /// It has no certificate: the wish for TLS is refused, and there is no `ldaps://`.
    pub fn without_tls(mut self) -> Self {
        self.names = None;
        self
    }

    /// One more line of its configuration, before the databases.
    pub fn line(mut self, line: &str) -> Self {
        self.lines = format!("{}{line}\n", self.lines);
        self
    }

    /// Starts it and fills it.
    ///
    /// # Panics
    ///
    /// If slapd, ldapadd or openssl is missing.
    #[must_use]
    pub fn start(self) -> Slapd {
        let folder = temp_dir();
        for database in ["ballerina.io", "system", "avix.lk"] {
            fs::create_dir(folder.path().join(database)).unwrap();
        }
        let mut lines = self.lines;
        if let Some(names) = &self.names {
            certificates(folder.path(), names);
            let file = |name: &str| folder.path().join(name).display().to_string();
            lines = format!(
                "TLSCertificateFile {}\nTLSCertificateKeyFile {}\n{lines}",
                file("server.crt"),
                file("server.key")
            );
        }
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/slapd/slapd.conf");
        let text = fs::read_to_string(template).unwrap();
        let text = text.replace("@FOLDER@", &folder.path().display().to_string()).replace("@MORE@", &lines);
        write(&folder, "slapd.conf", text);
        let mut slapd = Slapd {
            plain: Place::free(),
            secure: Place::free(),
            folder,
            tls: self.names.is_some(),
            running: None,
            marks: 0,
        };
        slapd.start_again();
        slapd.fill();
        slapd
    }
}
