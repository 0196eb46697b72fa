//! Programs from elsewhere (keytool, openssl), temporary folders, and the files under `tests/data`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Runs a tool to its end and answers with what it printed.
///
/// # Panics
///
/// If it is missing, with the remedy, or fails, with what it said.
pub fn tool(name: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Vec<u8> {
    let output = Command::new(name)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{}", missing(name, &error)));
    let said = || {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        format!("{out}{err}")
    };
    assert!(output.status.success(), "{name} ended with {}: {}", output.status, said());
    output.stdout
}

/// What `cargo xtask test` installs for the tests, below the checkout.
fn installed(name: &str, what: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.servers").join(name);
    // Not resolved: the programs of a virtual environment are links, and go by their own path.
    assert!(
        path.exists(),
        "there is no {what} at {}: run cargo xtask test, which installs it",
        path.display()
    );
    path
}

/// Node, with the environment variable that tells our scripts where the modules are, one of which is `module`.
pub(crate) fn node(module: &str) -> Command {
    let modules = installed("node_modules", "folder of Node's modules");
    installed(&format!("node_modules/{module}"), module);
    // A newer Node, where the machine's own is too old for the modules.
    let own = modules.join(".bin/node");
    let mut command = Command::new(if own.exists() { own.as_os_str() } else { OsStr::new("node") });
    command.env("PORTCULLIS_TEST_NODE_MODULES", modules).env("NODE_ENV", "production");
    command
}

/// The Python of the virtual environment.
pub(crate) fn python() -> PathBuf {
    installed("venv/bin/python", "virtual environment of Python")
}

/// A program of ours in another language, below `tests/servers`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(name)
}

/// What a test says where a program of the machine is missing: it never skips itself.
pub(crate) fn missing(name: &str, error: &std::io::Error) -> String {
    format!("{name} cannot be started ({error}): run cargo xtask test, which installs it")
}

/// Writes into `folder` an authority that nobody knows (`ca.crt`), and a certificate by it for these subject alternative names
/// (`server.crt`, `server.key`).
pub(crate) fn certificates(folder: &Path, names: &str) {
    let script = "
        set -e
        cd \"$1\"
        ec='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
        openssl req -x509 $ec -keyout ca.key -out ca.crt -days 2 -subj '/CN=Tests of portcullis'
        openssl req $ec -keyout server.key -out server.csr -subj /CN=portcullis
        printf 'subjectAltName = %s\\n' \"$2\" > names
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt
    ";
    tool("sh", ["-c", script, "sh", &folder.display().to_string(), names]);
}

/// Writes into a folder of [`certificates`] what clients show: a certificate by that authority for `client.example` (`client.crt`,
/// `client-tls.key`), and one that is its own authority (`self-signed.crt`, `self-signed.key`).
pub(crate) fn client_certificates(folder: &Path) {
    let script = "
        set -e
        cd \"$1\"
        ec='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
        openssl req $ec -keyout client-tls.key -out client.csr -subj /CN=client
        echo 'subjectAltName = DNS:client.example' > names
        openssl x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out client.crt
        openssl req -x509 $ec -keyout self-signed.key -out self-signed.crt -days 2 -subj /CN=itself
    ";
    tool("sh", ["-c", script, "sh", &folder.display().to_string()]);
}

/// The SHA-256 of a file, in lower-case hex, by openssl: to compare with [`crate::Request::body_sha256`].
///
/// # Panics
///
/// If openssl is missing or the file is.
#[must_use]
pub fn openssl_sha256(file: &Path) -> String {
    let printed =
        tool("openssl", [OsStr::new("dgst"), OsStr::new("-sha256"), OsStr::new("-r"), file.as_os_str()]);
    String::from_utf8_lossy(&printed).split(' ').next().unwrap_or_default().to_owned()
}

/// A folder that is gone when the guard is.
///
/// # Panics
///
/// If the machine has no place for it.
#[must_use]
pub fn temp_dir() -> TempDir {
    TempDir::with_prefix("portcullis-test-").expect("a temporary folder can be made")
}

/// Writes a file, with the folders above it, and answers with its path.
///
/// # Panics
///
/// If it cannot be written.
pub fn write(folder: impl AsRef<Path>, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.as_ref().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, contents).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

/// The path of a file under `tests/data`.
///
/// # Panics
///
/// If there is no such file.
#[must_use]
pub fn data(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name);
    assert!(path.exists(), "there is no {}", path.display());
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_and_hashed() {
        let folder = temp_dir();
        let file = write(&folder, "a/b.txt", "abc");
        assert_eq!(openssl_sha256(&file), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    #[should_panic(expected = "run cargo xtask test, which installs it")]
    fn a_missing_module_says_how_to_get_it() {
        let _ = node("portcullis-no-such-module");
    }

    #[test]
    #[should_panic(expected = "run cargo xtask test, which installs it")]
    fn a_missing_tool_says_how_to_get_it() {
        tool("portcullis-no-such-tool", [""]);
    }

    #[test]
    #[should_panic(expected = "openssl ended with exit status: 1")]
    fn a_tool_that_fails_is_a_failure() {
        tool("openssl", ["x509", "-in", "no-such-file"]);
    }
}
