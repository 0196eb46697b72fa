//! `portcullis hash`

use std::io::{self, IsTerminal as _};

use portcullis::{Secret, file::hash_password};
use serde_json::json;

use crate::{
    args::HashArgs,
    failure::{Failure, Result, Verdict},
    input::{self, Content, Input},
    output::Output,
};

/// Longer than any header that a listener takes.
const MAX_PASSWORD_BYTES: u64 = 64 * 1024;

pub(super) fn run(args: &HashArgs, out: &mut Output) -> Result {
    if !args.literal.is_empty() {
        return Err(Failure::new(
            "a password is not taken from the command line, where others can read it: \
             call this in a terminal to be asked, or pipe the password in",
        ));
    }
    let password = if io::stdin().is_terminal() { ask()? } else { read()? };
    check(password.expose())?;
    let hash = hash_password(password.expose());
    if args.json {
        out.json(&json!({ "passwordHash": hash }))?;
    } else {
        out.line(hash)?;
    }
    Ok(Verdict::Yes)
}

fn ask() -> Result<Secret> {
    let prompt = |text| {
        let asked = rpassword::prompt_password(text).map(Secret::new);
        asked.map_err(|error| {
            Failure::new(format!("cannot ask for a password: {error}; write it to standard input instead"))
        })
    };
    let (password, again) = (prompt("Password: ")?, prompt("Again: ")?);
    if password != again {
        return Err(Failure::new("the two passwords differ: try again"));
    }
    Ok(password)
}

fn read() -> Result<Secret> {
    match Input::Stdin.read(MAX_PASSWORD_BYTES)? {
        Content::Text(text) => Ok(Secret::new(input::without_line_end(text.expose()))),
        // RFC 7617 §2.1: portcullis' challenge asks for UTF-8.
        Content::NotText => Err(Failure::new("the password is not UTF-8, in which clients send it")),
        Content::TooLong => Err(Failure::new("the password is longer than 64 KiB: no client can send it")),
    }
}

/// Whoever hashes a password that no client can send would look for the mistake elsewhere.
fn check(password: &str) -> Result<()> {
    if password.is_empty() {
        return Err(Failure::new(
            "the password is empty: write it to standard input, or call this in a terminal to be asked",
        ));
    }
    // RFC 7617 §2: "The user-id and password MUST NOT contain any control characters"
    if password.chars().any(char::is_control) {
        return Err(Failure::new(
            "the password holds a control character, such as a second line end: no client can send it",
        ));
    }
    Ok(())
}
