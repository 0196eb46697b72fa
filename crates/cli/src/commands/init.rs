//! `portcullis init`

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    path::Path,
};

use portcullis::{Secret, file::hash_password};
use serde_json::json;

use crate::{
    args::InitArgs,
    failure::{Failure, Result, Verdict},
    output::Output,
};

const TEMPLATE: &str = include_str!("init.toml");
const USER: &str = "alice";

pub(super) fn run(args: &InitArgs, out: &mut Output) -> Result {
    let file = args.output.display().to_string();
    let password = random_password()?;
    let text = TEMPLATE.replace("PASSWORD_HASH", &hash_password(password.expose()));
    write_new(&args.output, &text)?;
    if args.json {
        let password = password.expose();
        out.json(&json!({ "file": file, "username": USER, "password": password }))?;
        return Ok(Verdict::Yes);
    }
    out.line(format_args!("wrote {file}"))?;
    out.line("")?;
    out.line(format_args!("  user      {USER}"))?;
    out.line(format_args!("  password  {}   (shown this once: the file holds its hash)", password.expose()))?;
    out.line("")?;
    out.line("next, serve it:")?;
    out.line(format_args!("  portcullis serve --config {}", quoted(&file)))?;
    out.line("then call it from another terminal; curl asks for the password:")?;
    out.line(format_args!("  curl -k -u {USER} https://localhost:9090/foo/bar"))?;
    Ok(Verdict::Yes)
}

/// Twenty characters of thirty-two that look different: 100 bits.
fn random_password() -> Result<Secret> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(format!("the operating system gives no randomness: {error}")))?;
    let letters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 31)));
    let mut password = String::with_capacity(23);
    for (position, letter) in letters.enumerate() {
        if position > 0 && position % 5 == 0 {
            password.push('-');
        }
        password.push(char::from(*letter));
    }
    Ok(Secret::new(password))
}

/// Writes a file that is not there yet, readable by its owner alone: hashes can be attacked.
fn write_new(path: &Path, text: &str) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let file = path.display();
        Failure::new(match error.kind() {
            ErrorKind::AlreadyExists => format!(
                "{file} exists and is left as it is: name another file with --output, or remove it first"
            ),
            ErrorKind::NotFound => format!("cannot write {file}: its folder does not exist"),
            _ => format!("cannot write {file}: {error}"),
        })
    })
}

/// A file name as a shell takes it.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ',' | ':' | '@');
    if !name.is_empty() && name.chars().all(plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_never_the_same() {
        let (one, other) = (random_password().unwrap(), random_password().unwrap());
        assert_eq!(one.len(), 23);
        assert_ne!(one, other);
    }

    #[test]
    fn names_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(quoted("/a/Config.toml"), "/a/Config.toml");
        assert_eq!(quoted("my config's.toml"), r"'my config'\''s.toml'");
    }
}
