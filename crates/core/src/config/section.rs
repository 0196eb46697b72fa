use std::{cell::RefCell, fmt, ops::RangeInclusive, path::PathBuf, time::Duration};

use super::{Location, Node, Reader, Table, Value, duration, suggest};
use crate::Secret;

/// A table of the configuration, asked for its keys by name.
///
/// Every method that asks for a key notes a mistake where the value has the wrong type, and then answers as if
/// the key were absent: reading goes on to the end. When the section is dropped, keys that nobody asked for are
/// noted as unknown; so ask for all keys before you give up.
pub struct Section<'r> {
    reader: &'r Reader,
    table: &'r Table,
    path: String,
    asked: RefCell<Vec<String>>,
    /// Keys that belong elsewhere, and where. Children inherit them.
    misplaced: RefCell<Vec<(String, String)>>,
}

impl<'r> Section<'r> {
    pub(super) fn new(reader: &'r Reader, table: &'r Table, path: String) -> Self {
        Self { reader, table, path, asked: RefCell::default(), misplaced: RefCell::default() }
    }

    // --- what it is ------------------------------------------------------------------------------------------

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

    // --- noting ----------------------------------------------------------------------------------------------

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

    // --- asking ----------------------------------------------------------------------------------------------

    /// The value of a key as it stands.
    pub fn node(&self, key: &str) -> Option<&'r Node> {
        let mut asked = self.asked.borrow_mut();
        if !asked.iter().any(|name| name == key) {
            asked.push(key.to_owned());
        }
        self.table.get(key)
    }

    /// A key that has to be there; notes its absence.
    fn required<T>(&self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.has(key) {
            self.reader.problem(self.path_of(key), self.table.at(), "required, and missing");
        }
        value
    }

    /// A string.
    pub fn string(&self, key: &str) -> Option<String> {
        let node = self.node(key)?;
        match node.value() {
            Value::String(text) => Some(text.clone()),
            _ => {
                self.wrong_type(key, node, "a string");
                None
            }
        }
    }

    /// A string that has to be there and is not empty.
    pub fn required_string(&self, key: &str) -> Option<String> {
        let text = self.required(key, self.string(key))?;
        if text.is_empty() {
            self.problem(key, "must not be empty");
            return None;
        }
        Some(text)
    }

    /// A string, or an array of strings.
    pub fn strings(&self, key: &str) -> Option<Vec<String>> {
        let node = self.node(key)?;
        match node.value() {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(items) => {
                let mut texts = Vec::with_capacity(items.len());
                for item in items {
                    match item.value() {
                        Value::String(text) => texts.push(text.clone()),
                        _ => self.problem_at(
                            key,
                            item,
                            format!("expected an array of strings, found {} in it", item.kind()),
                        ),
                    }
                }
                (texts.len() == items.len()).then_some(texts)
            }
            _ => {
                self.wrong_type(key, node, "a string or an array of strings");
                None
            }
        }
    }

    /// `true` or `false`; `default` where the key is absent.
    pub fn boolean(&self, key: &str, default: bool) -> bool {
        self.optional_boolean(key).unwrap_or(default)
    }

    /// `true` or `false`, or absent.
    pub fn optional_boolean(&self, key: &str) -> Option<bool> {
        let node = self.node(key)?;
        match node.value() {
            Value::Boolean(value) => Some(*value),
            _ => {
                self.wrong_type(key, node, "true or false");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub fn integer(&self, key: &str, bounds: RangeInclusive<i64>) -> Option<i64> {
        let node = self.node(key)?;
        match node.value() {
            Value::Integer(number) if bounds.contains(number) => Some(*number),
            Value::Integer(number) => {
                self.problem_at(
                    key,
                    node,
                    format!("{number} is out of bounds: from {} to {}", bounds.start(), bounds.end()),
                );
                None
            }
            _ => {
                self.wrong_type(key, node, "an integer");
                None
            }
        }
    }

    /// A size or count within bounds.
    pub fn size(&self, key: &str, bounds: RangeInclusive<usize>) -> Option<usize> {
        let clamp = |bound: usize| i64::try_from(bound).unwrap_or(i64::MAX);
        let number = self.integer(key, clamp(*bounds.start())..=clamp(*bounds.end()))?;
        usize::try_from(number).ok()
    }

    /// A span of time: a number of seconds, decimals allowed, or a string with a unit (`500ms`, `10s`, `5m`,
    /// `1h`, `7d`).
    pub fn duration(&self, key: &str) -> Option<Duration> {
        let node = self.node(key)?;
        let span = match node.value() {
            #[expect(clippy::cast_precision_loss, reason = "spans beyond 2^53 seconds are refused anyway")]
            Value::Integer(seconds) => duration::from_seconds(*seconds as f64),
            Value::Float(seconds) => duration::from_seconds(*seconds),
            Value::String(text) => duration::from_text(text),
            _ => Err(format!("expected a span of time, found {}", node.kind())),
        };
        span.map_err(|message| self.problem_at(key, node, message)).ok()
    }

    /// One of some words.
    pub fn choice(&self, key: &str, words: &[&'static str]) -> Option<&'static str> {
        let text = self.string(key)?;
        let found = words.iter().find(|word| **word == text).copied();
        if found.is_none() {
            let known: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
            let near = suggest::nearest(&text, words.iter().copied());
            let hint = near.map(|word| format!("; did you mean {word:?}?")).unwrap_or_default();
            self.problem(key, format!("{text:?} is not one of {}{hint}", known.join(", ")));
        }
        found
    }

    /// A secret: a string, `{ env = "NAME" }`, or `{ file = "path" }` (one trailing newline dropped). An empty
    /// one is a mistake.
    pub fn secret(&self, key: &str) -> Option<Secret> {
        let node = self.node(key)?;
        let secret = match node.value() {
            Value::String(text) => Ok(Secret::new(text.as_str())),
            Value::Table(table) => {
                let inner = Self::new(self.reader, table, self.path_of(key));
                let name = inner.exactly_one(&["env", "file"])?;
                let value = inner.required_string(name)?;
                if name == "env" {
                    self.reader.secret_from_variable(&value)
                } else {
                    self.reader.secret_from_file(&value)
                }
            }
            _ => Err(format!(
                "expected a string, {{ env = \"NAME\" }} or {{ file = \"path\" }}, found {}",
                node.kind()
            )),
        };
        match secret {
            Ok(secret) if secret.is_empty() => {
                self.problem(key, "an empty secret protects nothing: set it");
                None
            }
            Ok(secret) => Some(secret),
            Err(message) => {
                self.problem_at(key, node, message);
                None
            }
        }
    }

    /// A secret that has to be there.
    pub fn required_secret(&self, key: &str) -> Option<Secret> {
        self.required(key, self.secret(key))
    }

    /// A path, relative to the configuration's folder.
    pub fn file(&self, key: &str) -> Option<PathBuf> {
        let text = self.string(key)?;
        if text.is_empty() {
            self.problem(key, "must not be empty");
            return None;
        }
        Some(self.reader.resolve(&text))
    }

    /// A path that has to be there.
    pub fn required_file(&self, key: &str) -> Option<PathBuf> {
        self.required(key, self.file(key))
    }

    /// A table inside this one.
    pub fn section(&self, key: &str) -> Option<Self> {
        let node = self.node(key)?;
        match node.value() {
            Value::Table(table) => Some(self.child(table, self.path_of(key))),
            _ => {
                self.wrong_type(key, node, "a table");
                None
            }
        }
    }

    /// A table inside this one that has to be there.
    pub fn required_section(&self, key: &str) -> Option<Self> {
        self.required(key, self.section(key))
    }

    /// An array of tables.
    pub fn sections(&self, key: &str) -> Option<Vec<Self>> {
        let node = self.node(key)?;
        let Value::Array(items) = node.value() else {
            self.wrong_type(key, node, "an array of tables");
            return None;
        };
        let mut sections = Vec::with_capacity(items.len());
        for (position, item) in items.iter().enumerate() {
            let path = format!("{}[{position}]", self.path_of(key));
            match item.value() {
                Value::Table(table) => sections.push(self.child(table, path)),
                _ => self.reader.problem(path, item.at(), format!("expected a table, found {}", item.kind())),
            }
        }
        Some(sections)
    }

    /// Every key of the table as a section of its own, for tables keyed by name or path.
    pub fn entries(&self) -> Vec<(&'r str, Self)> {
        let mut sections = Vec::new();
        for (key, node) in self.table.iter() {
            self.node(key);
            match node.value() {
                Value::Table(table) => sections.push((key, self.child(table, self.path_of(key)))),
                _ => self.wrong_type(key, node, "a table"),
            }
        }
        sections
    }

    fn child(&self, table: &'r Table, path: String) -> Self {
        let child = Self::new(self.reader, table, path);
        child.misplaced.borrow_mut().extend(self.misplaced.borrow().iter().cloned());
        child
    }

    /// The one of some keys that excludes the others. Notes a mistake when none or several are there. Does not
    /// count as asking for them, except where it notes a mistake.
    pub fn exactly_one<'k>(&self, keys: &[&'k str]) -> Option<&'k str> {
        let found = self.at_most_one(keys);
        if found.is_none() && !keys.iter().any(|key| self.has(key)) {
            self.problem_here(format!("needs exactly one of {}", listed(keys)));
        }
        found
    }

    /// The one of some keys that excludes the others, where there is one. Notes a mistake when several are there.
    pub fn at_most_one<'k>(&self, keys: &[&'k str]) -> Option<&'k str> {
        let found: Vec<&str> = keys.iter().copied().filter(|key| self.has(key)).collect();
        match found.as_slice() {
            [] => {
                self.asked.borrow_mut().extend(keys.iter().map(|key| (*key).to_owned()));
                None
            }
            [one] => {
                // The others are known, so that a misspelling of them is suggested.
                self.asked
                    .borrow_mut()
                    .extend(keys.iter().filter(|key| *key != one).map(|key| (*key).to_owned()));
                Some(one)
            }
            [_, second, ..] => {
                self.problem(second, format!("{} exclude each other: keep one of them", listed(&found)));
                self.asked.borrow_mut().extend(keys.iter().map(|key| (*key).to_owned()));
                None
            }
        }
    }
}

fn listed(keys: &[&str]) -> String {
    let quoted: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.join(""),
    }
}

/// A dotted path, with keys quoted that are not bare.
fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        let asked = self.asked.borrow();
        self.reader.note_asked(asked.iter().map(|key| self.path_of(key)));
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
