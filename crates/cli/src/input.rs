//! What commands read: files and standard input, each with a bound.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use portcullis::Secret;

use crate::failure::{Failure, Result};

/// `@FILE`, or `@-` for standard input: where something secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Input {
    /// Reads `@FILE` or `@-`. Anything else is most likely the secret itself, so no message repeats it.
    pub(crate) fn parse(text: &str, what: &str) -> Result<Self> {
        match text.strip_prefix('@') {
            Some("-") => Ok(Self::Stdin),
            Some(path) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err(Failure::new(format!(
                "{what} is not taken from the command line, where others can read it: \
                 put it into a file and write @FILE, or pipe it in and write @-"
            ))),
        }
    }

    /// What it is, for messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Reads everything, up to `limit` bytes.
    pub(crate) fn read(&self, limit: u64) -> Result<Content> {
        let read = match self {
            Self::Stdin => bounded(io::stdin().lock(), limit),
            Self::File(path) => File::open(path).and_then(|file| bounded(file, limit)),
        };
        let bytes =
            read.map_err(|error| Failure::new(format!("cannot read {}: {error}", self.describe())))?;
        let Some(bytes) = bytes else { return Ok(Content::TooLong) };
        Ok(match String::from_utf8(bytes) {
            Ok(text) => Content::Text(Secret::new(text)),
            Err(_) => Content::NotText,
        })
    }
}

/// What was read.
#[derive(Debug)]
pub(crate) enum Content {
    Text(Secret),
    /// It is not UTF-8.
    NotText,
    /// It is longer than the limit.
    TooLong,
}

fn bounded(source: impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    let within = u64::try_from(bytes.len()).is_ok_and(|length| length <= limit);
    Ok(within.then_some(bytes))
}

/// A text without the one line end that editors and `echo` put behind it.
pub(crate) fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// Complains about a file that cannot be read, before anybody complains about what stands in it.
pub(crate) fn require_file(path: &Path) -> Result<()> {
    let readable = File::open(path).and_then(|file| file.metadata()).and_then(|metadata| {
        if metadata.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(()) }
    });
    readable.map_err(|error| {
        Failure::new(format!(
            "cannot read {}: {error}; `portcullis init` writes a configuration to start with",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
        assert_eq!(Input::parse("@-", "a token").unwrap(), Input::Stdin);
        assert_eq!(Input::parse("@a/b", "a token").unwrap(), Input::File("a/b".into()));
        for literal in ["canary", "@", "", "Authorization: Basic canary"] {
            let message = Input::parse(literal, "a token").unwrap_err().to_string();
            assert!(message.starts_with("a token is not taken from the command line"), "{message}");
            assert!(!message.contains("canary"), "{message}");
        }
    }

    #[test]
    fn reading_ends_at_the_limit() {
        assert_eq!(bounded(&b"12345"[..], 5).unwrap().as_deref(), Some(&b"12345"[..]));
        assert_eq!(bounded(&b"123456"[..], 5).unwrap(), None);
        assert_eq!(bounded(io::repeat(b'.'), 5).unwrap(), None);
    }

    #[test]
    fn one_line_end_is_dropped_and_no_more() {
        for (text, expected) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a ", "a "), ("a", "a")] {
            assert_eq!(without_line_end(text), expected, "{text:?}");
        }
    }
}
