//! Keys that hold a value.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use super::{Section, join};
use crate::{
    Secret,
    config::{Value, duration, suggest},
};

impl Section<'_> {
    /// A key that has to be there; notes its absence.
    pub(super) fn required<T>(&self, key: &str, value: Option<T>) -> Option<T> {
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
                let inner = Self::new(self.reader, table, self.path_of(key), join(&self.shape, key).into());
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
        self.reader.opens(&text).map_err(|message| self.problem(key, message)).ok()
    }

    /// A path that has to be there.
    pub fn required_file(&self, key: &str) -> Option<PathBuf> {
        self.required(key, self.file(key))
    }
}
