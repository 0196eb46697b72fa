//! A table of the configuration, asked for its keys by name.

mod tables;
mod values;

use std::{cell::RefCell, fmt, rc::Rc};

use super::{Location, Node, Reader, Table, suggest};

/// A table of the configuration, asked for its keys by name.
///
/// Every method that asks for a key notes a mistake where the value has the wrong type, and then answers as if
/// the key were absent: reading goes on to the end. When the section is dropped, keys that nobody asked for are
/// noted as unknown; so ask for all keys before you give up.
pub struct Section<'r> {
    reader: &'r Reader,
    table: &'r Table,
    path: String,
    /// The path without positions in arrays, under which the keys asked for are noted: a hundred thousand users have
    /// the keys of one.
    shape: Rc<str>,
    asked: RefCell<Vec<String>>,
    /// Keys that belong elsewhere, and where. Children inherit them.
    misplaced: RefCell<Vec<(String, String)>>,
}

impl<'r> Section<'r> {
    pub(super) fn new(reader: &'r Reader, table: &'r Table, path: String, shape: Rc<str>) -> Self {
        Self { reader, table, path, shape, asked: RefCell::default(), misplaced: RefCell::default() }
    }

    /// The dotted path of the table.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The dotted path of a key in it.
    #[must_use]
    pub fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// The reader that it belongs to.
    #[must_use]
    pub const fn reader(&self) -> &'r Reader {
        self.reader
    }

    /// The table as it stands. Does not count as asking for any of its keys.
    #[must_use]
    pub const fn table(&self) -> &'r Table {
        self.table
    }

    /// The keys of the table, known or not.
    pub fn keys(&self) -> impl Iterator<Item = &'r str> {
        self.table.keys()
    }

    /// Whether the table holds a key. Does not count as asking for it.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Whether a mistake was noted in it so far.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.reader.has_problem_within(&self.path)
    }

    /// Whether a mistake was noted at a key, or below it.
    #[must_use]
    pub fn failed_at(&self, key: &str) -> bool {
        self.reader.has_problem_within(&self.path_of(key))
    }

    /// What was made of the table. Where that is nothing, and no mistake was noted anywhere, notes one here: what could not
    /// be read must not pass for what was never written.
    pub fn accounted<T>(&self, read: Option<T>) -> Option<T> {
        if read.is_none() && !self.reader.has_problem_within("") {
            self.problem_here(
                "could not be read, and what reads it does not say why: that is a mistake of the program, please report it",
            );
        }
        read
    }

    /// Notes a mistake at a key, whether the table holds it or not.
    pub fn problem(&self, key: &str, message: impl Into<String>) {
        self.reader.problem(self.path_of(key), self.place(key), message);
    }

    /// Notes a mistake of the table as a whole.
    pub fn problem_here(&self, message: impl Into<String>) {
        self.reader.problem(self.path.clone(), self.table.at(), message);
    }

    /// Notes something about a key that works and should be known.
    pub fn warn(&self, key: &str, message: impl Into<String>) {
        self.reader.warn(self.path_of(key), self.place(key), message);
    }

    /// Accepts a key that is not needed here, and says so once.
    pub fn accept_unneeded(&self, key: &str, why: &str) {
        if self.node(key).is_some() {
            self.warn(key, format!("accepted and not needed: {why}"));
        }
    }

    /// Says of a key that may slip into this table, or one inside it, where it belongs.
    pub fn belongs_elsewhere(&self, key: &str, where_to: impl Into<String>) {
        self.misplaced.borrow_mut().push((key.to_owned(), where_to.into()));
    }

    fn place(&self, key: &str) -> Option<Location> {
        self.table.key_at(key).or_else(|| self.table.at())
    }

    fn wrong_type(&self, key: &str, node: &Node, expected: &str) {
        self.problem_at(key, node, format!("expected {expected}, found {}", node.kind()));
    }

    fn problem_at(&self, key: &str, node: &Node, message: impl Into<String>) {
        self.reader.problem(self.path_of(key), node.at().or_else(|| self.place(key)), message);
    }

    /// The value of a key as it stands.
    pub fn node(&self, key: &str) -> Option<&'r Node> {
        let mut asked = self.asked.borrow_mut();
        if !asked.iter().any(|name| name == key) {
            asked.push(key.to_owned());
        }
        self.table.get(key)
    }
}

/// A dotted path, with keys quoted that are not bare.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        let asked = self.asked.borrow();
        self.reader.note_asked(&self.shape, &asked);
        for key in self.table.keys() {
            if asked.iter().any(|name| name == key) {
                continue;
            }
            let misplaced = self
                .misplaced
                .borrow()
                .iter()
                .rev()
                .find(|(name, _)| name == key)
                .map(|(_, where_to)| where_to.clone());
            let message = match misplaced {
                Some(where_to) => format!("does not belong here: {where_to}"),
                None => match suggest::nearest(key, asked.iter().map(String::as_str)) {
                    Some(near) => format!("unknown key; did you mean `{near}`?"),
                    None if asked.is_empty() => "unknown key; this table takes none".to_owned(),
                    None => "unknown key; remove it".to_owned(),
                },
            };
            self.problem(key, message);
        }
    }
}

impl fmt::Debug for Section<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section").field("path", &self.path).finish_non_exhaustive()
    }
}
