//! One table of a file as a record of its own, for tools that need no more.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};

use portcullis_core::{
    Clock, SystemClock,
    config::{Node, Problem, Reader, Section, Table, Value, Warning},
};
use zeroize::Zeroizing;

use super::{ConfigBuilder, ConfigError, builder, parse};

impl ConfigBuilder {
    /// Reads one table of a file: `table` is its dotted path, such as `clients.orders.auth`, or empty for the
    /// file as a whole. Nothing else in the file is looked at. Paths in it are relative to the file's folder. Answers with what
    /// `read` made of it, and with what works and should be known.
    ///
    /// # Errors
    ///
    /// With everything that is wrong in the table, and when there is no such table.
    pub fn load_table<T>(
        self,
        path: impl AsRef<Path>,
        table: &str,
        read: impl FnOnce(&Section<'_>) -> Option<T>,
    ) -> Result<(T, Vec<Warning>), ConfigError> {
        let path = path.as_ref();
        let text = text_of(path, read_bytes(path))?;
        let base = path.parent().unwrap_or(Path::new(""));
        let (root, syntax) = parse::parse(&text);
        let failed = |problems| Err(ConfigError::new(Some(path), problems));
        if !syntax.is_empty() {
            return failed(syntax);
        }
        let Some(found) = find(&root, "", table) else {
            let message =
                "there is no such table; tables are named by their dotted path, such as clients.orders.auth";
            return failed(vec![Problem::new(table, None, message)]);
        };
        let clock: Arc<dyn Clock> = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let reader = builder::reader(self.source, base, &clock);
        let record = read(&reader.section(found, table));
        let warnings = reader.warnings();
        let problems = reader.into_problems();
        match record {
            Some(record) if problems.is_empty() => Ok((record, warnings)),
            None if problems.is_empty() => {
                failed(vec![Problem::new(table, found.at(), "the table cannot be read")])
            }
            _ => failed(problems),
        }
    }
}

/// A configuration larger than this is none: hundreds of thousands of users have room in it.
pub(super) const MAX_TEXT_BYTES: usize = 64 << 20;

/// The bytes of a configuration file.
pub(super) fn read_bytes(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let mut bytes = Zeroizing::new(Vec::new());
    // Of a pipe the length is not known.
    if file.metadata()?.len() <= MAX_TEXT_BYTES as u64 {
        file.take(MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() <= MAX_TEXT_BYTES {
            return Ok(bytes);
        }
    }
    Err(io::Error::other("it is larger than 64 MiB"))
}

/// The text of a configuration file.
pub(super) fn text_of(path: &Path, bytes: io::Result<Zeroizing<Vec<u8>>>) -> Result<String, ConfigError> {
    let text = bytes.and_then(|bytes| match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(io::Error::other("it is not UTF-8")),
    });
    text.map_err(|error| {
        let message = format!("cannot read the configuration: {error}");
        ConfigError::new(Some(path), vec![Problem::new("", None, message)])
    })
}

/// The table at the dotted path `wanted`, in a table that stands at `here`.
fn find<'t>(table: &'t Table, here: &str, wanted: &str) -> Option<&'t Table> {
    if here == wanted {
        return Some(table);
    }
    // Asked only for how it writes paths, so that they read as in every message.
    let naming = Reader::new("");
    let section = naming.section(table, here);
    table.iter().find_map(|(key, node)| find_in(node, &section.path_of(key), wanted))
}

fn find_in<'t>(node: &'t Node, here: &str, wanted: &str) -> Option<&'t Table> {
    let within =
        wanted.strip_prefix(here).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    match node.value() {
        Value::Table(table) if within => find(table, here, wanted),
        Value::Array(items) if within => items
            .iter()
            .enumerate()
            .find_map(|(position, item)| find_in(item, &format!("{here}[{position}]"), wanted)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        stray = "anything"
        [clients.orders.auth]
        name = "orders"
        [services."/foo"]
        auth = [{ name = "first" }, { name = "second", nmae = "x" }]
    "#;

    fn read(table: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.toml");
        std::fs::write(&file, TEXT).unwrap();
        ConfigBuilder::default()
            .load_table(&file, table, |section| section.required_string("name"))
            .map(|(name, _)| name)
            .map_err(|error| error.problems().iter().map(|problem| format!("{problem}\n")).collect())
    }

    #[test]
    fn a_table_is_found_by_the_path_that_messages_show_and_read_alone() {
        assert_eq!(read("clients.orders.auth").as_deref(), Ok("orders"));
        assert_eq!(read("services.\"/foo\".auth[0]").as_deref(), Ok("first"));
    }

    #[test]
    fn mistakes_in_the_table_and_its_absence_are_located() {
        let mistake = read("services.\"/foo\".auth[1]").unwrap_err();
        assert!(
            mistake.ends_with("services.\"/foo\".auth[1].nmae: unknown key; did you mean `name`?\n"),
            "{mistake}"
        );
        let absent = read("clients.order").unwrap_err();
        assert!(absent.starts_with("clients.order: there is no such table"), "{absent}");
        let whole = read("").unwrap_err();
        assert!(whole.contains("name: required, and missing"), "{whole}");
    }
}
