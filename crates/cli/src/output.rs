//! The one place that prints.
//!
//! Names, paths and claims come from files and tokens that somebody else may have written: no control
//! character of theirs reaches the terminal.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    io::{self, ErrorKind, Write},
};

use serde_json::Value;

use crate::failure::{Failure, Result};

/// Standard output. When its reader has gone away, the rest is not printed, and the command still comes to its
/// verdict.
pub(crate) struct Output {
    to: Box<dyn Write>,
    closed: bool,
}

impl Output {
    /// The process's standard output, locked.
    pub(crate) fn stdout() -> Self {
        Self { to: Box::new(io::stdout().lock()), closed: false }
    }

    /// Prints one line.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> Result<()> {
        let line = line.to_string();
        let line = printable(&line);
        self.write(&format!("{line}\n"))
    }

    /// Prints a value as JSON.
    pub(crate) fn json(&mut self, value: &Value) -> Result<()> {
        self.write(&format!("{}\n", json_text(value)))
    }

    /// Prints a table.
    pub(crate) fn table(&mut self, table: &Table) -> Result<()> {
        table.lines().into_iter().try_for_each(|line| self.line(line))
    }

    fn write(&mut self, text: &str) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        match self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::new(format!("cannot write to standard output: {error}"))),
        }
    }
}

/// Says something on standard error. Lines stay lines.
pub(crate) fn complain(text: impl fmt::Display) {
    let text = text.to_string();
    let mut safe = String::new();
    for line in text.lines() {
        safe.push_str(&printable(line));
        safe.push('\n');
    }
    // Where standard error is gone there is nobody to tell.
    let _ = io::stderr().lock().write_all(safe.as_bytes());
}

/// A text without characters that move the cursor, colour the terminal or turn the direction of writing.
fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unprintable) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unprintable(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe.into()
}

/// Control characters (C0, DEL, C1), line separators, and what sets the direction of writing.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A value as JSON, indented. Whatever should not reach a terminal is escaped; it stands inside strings only.
fn json_text(value: &Value) -> String {
    let text = format!("{value:#}");
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && is_unprintable(character) {
            // All of them lie in the basic plane, so one escape is enough.
            let _ = write!(safe, "\\u{:04x}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    safe
}

/// A table with left-aligned columns.
#[derive(Debug)]
pub(crate) struct Table {
    indent: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings, `indent` columns from the left.
    pub(crate) fn new(indent: usize, headings: &[&str]) -> Self {
        Self { indent, rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row.
    pub(crate) fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let cells = cells.into_iter().map(|cell| printable(&cell.into()).into_owned());
        self.rows.push(cells.collect());
    }

    fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |row: &Vec<String>, column| row.get(column).map(|cell: &String| cell.chars().count());
        let widest = |column| self.rows.iter().filter_map(|row| width(row, column)).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns).map(widest).collect();
        let line = |row: &Vec<String>| {
            let mut line = " ".repeat(self.indent);
            for (cell, width) in row.iter().zip(&widths) {
                let _ = write!(line, "{cell:width$}  ");
            }
            line.trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn control_characters_of_others_never_reach_the_terminal() {
        assert_eq!(printable("zoë 🦀"), "zoë 🦀");
        assert_eq!(printable("a\u{1b}[2Jb\u{9b}c\u{202e}d\r"), "a\\u{1b}[2Jb\\u{9b}c\\u{202e}d\\u{d}");
        let value = json!({ "a\u{9b}": "b\u{202e}\u{1b}\u{7f}c" });
        let text = json_text(&value);
        assert!(!text.contains(|c: char| c != '\n' && is_unprintable(c)), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(2, &["A", "LONG", "C"]);
        table.row(["abc", "zoë", ""]);
        table.row(["a", "", "x"]);
        assert_eq!(table.lines(), ["  A    LONG  C", "  abc  zoë", "  a          x"]);
    }
}
