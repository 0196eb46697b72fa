//! Tables inside a table, and keys that exclude each other.

use std::rc::Rc;

use super::{Section, join};
use crate::config::{Table, Value};

impl<'r> Section<'r> {
    /// A table inside this one.
    pub fn section(&self, key: &str) -> Option<Self> {
        let node = self.node(key)?;
        match node.value() {
            Value::Table(table) => Some(self.at_key(table, key)),
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
        let (array, shape) = (self.path_of(key), Rc::from(join(&self.shape, key) + "[]"));
        let mut sections = Vec::with_capacity(items.len());
        for (position, item) in items.iter().enumerate() {
            let path = format!("{array}[{position}]");
            match item.value() {
                Value::Table(table) => sections.push(self.child(table, path, Rc::clone(&shape))),
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
                Value::Table(table) => sections.push((key, self.at_key(table, key))),
                _ => self.wrong_type(key, node, "a table"),
            }
        }
        sections
    }

    /// The table that is the value of a key.
    pub(super) fn at_key(&self, table: &'r Table, key: &str) -> Self {
        self.child(table, self.path_of(key), join(&self.shape, key).into())
    }

    fn child(&self, table: &'r Table, path: String, shape: Rc<str>) -> Self {
        let child = Self::new(self.reader, table, path, shape);
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
