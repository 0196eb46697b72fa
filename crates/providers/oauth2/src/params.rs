//! `optionalParams`: further parameters of a form.

use portcullis_core::{
    BuildError,
    config::{Section, Value},
};

pub(crate) const KEY: &str = "optionalParams";

/// What is wrong, and where: the key of the record, and the key inside it where it is a table.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) key: &'static str,
    pub(crate) inner: Option<String>,
    pub(crate) text: String,
    /// The key of the table that it is in, where that is none of its own.
    pub(crate) table: Option<&'static str>,
}

impl Mistake {
    pub(crate) fn at(key: &'static str, text: impl Into<String>) -> Self {
        Self { key, inner: None, text: text.into(), table: None }
    }

    pub(crate) fn inside(key: &'static str, inner: impl Into<String>, text: impl Into<String>) -> Self {
        Self { key, inner: Some(inner.into()), text: text.into(), table: None }
    }

    /// The same, in the table `table` of a record.
    pub(crate) fn below(self, table: &'static str) -> Self {
        Self { table: Some(table), ..self }
    }

    /// As a line of an error.
    pub(crate) fn line(&self) -> String {
        let table = self.table.map(|table| format!("{table}.")).unwrap_or_default();
        match &self.inner {
            Some(inner) => format!("{table}{}.{inner}: {}", self.key, self.text),
            None => format!("{table}{}: {}", self.key, self.text),
        }
    }

    /// Notes it at its place in its table.
    pub(crate) fn note(&self, section: &Section<'_>) {
        let Some(inner) = &self.inner else { return section.problem(self.key, self.text.as_str()) };
        let at = match section.node(self.key).map(|node| (node.value(), node.at())) {
            Some((Value::Table(table), at)) => table.key_at(inner).or(at),
            Some((_, at)) => at,
            None => None,
        };
        section.reader().problem(format!("{}.{inner}", section.path_of(self.key)), at, self.text.as_str());
    }
}

/// An error of all mistakes, each on a line of its own, where there is one.
pub(crate) fn whole(mistakes: &[Mistake]) -> Result<(), BuildError> {
    let lines: Vec<String> = mistakes.iter().map(Mistake::line).collect();
    if lines.is_empty() { Ok(()) } else { Err(BuildError::new(lines.join("\n"))) }
}

/// Reads a table of strings. Notes what is none.
pub(crate) fn read(section: &Section<'_>) -> Vec<(String, String)> {
    let Some(table) = section.section(KEY) else { return Vec::new() };
    let names: Vec<&str> = table.keys().collect();
    names.into_iter().filter_map(|name| Some((name.to_owned(), table.string(name)?))).collect()
}

/// What is wrong with the parameters of a record: names that are the record's own, and names given twice. `payload` are
/// those that the client adds to every form.
pub(crate) fn mistakes<'p, P: Iterator<Item = &'p str>>(
    params: &[(String, String)],
    payload: impl Fn() -> P,
    own: &[&str],
) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (position, (name, _)) in params.iter().enumerate() {
        let text = if name.is_empty() {
            "a parameter has no name"
        } else if own.contains(&name.as_str()) {
            "is sent by this record itself, and would be sent twice: remove it"
        } else if params.iter().take(position).any(|(before, _)| before == name) {
            "is given twice: keep one of them"
        } else if payload().any(|other| other == name) {
            "is in `clientConfig.customPayload` as well: keep one of them"
        } else {
            continue;
        };
        mistakes.push(Mistake::inside(KEY, name.as_str(), text));
    }
    for name in payload().filter(|name| own.contains(name)) {
        let text = format!("`{name}` is sent by this record itself: remove it");
        mistakes.push(Mistake::inside("clientConfig", "customPayload", text));
    }
    mistakes
}
