//! Other programs: started, waited for, believed only if they end well; installed where they are missing.

use std::{
    ffi::OsStr,
    process::{Command, Stdio},
};

use crate::Outcome;

pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// What a program prints on both streams.
pub fn output(command: &mut Command) -> Outcome<String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|error| format!("{shown} cannot be started: {error}"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if output.status.success() { Ok(text) } else { Err(format!("{shown}: {}\n{text}", output.status).into()) }
}

/// Installs the Debian package of a program that is missing.
pub fn ensure(program: &str, package: &str) -> Outcome {
    if Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok() {
        return Ok(());
    }
    eprintln!("installing {package}");
    let as_root = |arguments: &[&str]| {
        let mut all =
            vec!["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300"];
        if output(command("id").arg("-u")).is_ok_and(|id| id.trim() != "0") {
            all.insert(0, "sudo");
        }
        all.extend(arguments);
        output(command(all[0]).args(&all[1..]))
    };
    as_root(&["update"])?;
    as_root(&["install", "-y", "--no-install-recommends", package]).map(drop)
}
