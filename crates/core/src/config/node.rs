use std::fmt;

/// Where something stands in the file: both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a place in a text has a line and a column")]
pub struct Location {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value of the configuration, and where it stood.
#[derive(Clone)]
pub struct Node {
    value: Value,
    at: Option<Location>,
}

/// A value of the configuration.
#[derive(Clone)]
#[expect(clippy::exhaustive_enums, reason = "these are the kinds of value a configuration file has")]
pub enum Value {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// A number with decimals.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list.
    Array(Vec<Node>),
    /// A table.
    Table(Table),
    /// A value of a kind that no key takes, such as a date.
    Other(&'static str),
}

impl Node {
    /// A value that stood at `at`.
    #[must_use]
    pub const fn new(value: Value, at: Option<Location>) -> Self {
        Self { value, at }
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// Where it stood.
    #[must_use]
    pub const fn at(&self) -> Option<Location> {
        self.at
    }

    /// The kind of value, for messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match &self.value {
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a decimal number",
            Value::Boolean(_) => "a boolean",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
            Value::Other(kind) => kind,
        }
    }
}

/// Values may be secret.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value([redacted])")
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::new(Value::String(text.to_owned()), None)
    }
}

impl From<i64> for Node {
    fn from(number: i64) -> Self {
        Self::new(Value::Integer(number), None)
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::new(Value::Boolean(value), None)
    }
}

impl From<Table> for Node {
    fn from(table: Table) -> Self {
        let at = table.at();
        Self::new(Value::Table(table), at)
    }
}

impl<N: Into<Self>> From<Vec<N>> for Node {
    fn from(nodes: Vec<N>) -> Self {
        Self::new(Value::Array(nodes.into_iter().map(Into::into).collect()), None)
    }
}

/// A table: keys in the order of the file, each with its place.
#[derive(Clone, Debug, Default)]
pub struct Table {
    entries: Vec<(String, Option<Location>, Node)>,
    at: Option<Location>,
}

impl Table {
    /// An empty table that stood at `at`.
    #[must_use]
    pub const fn new(at: Option<Location>) -> Self {
        Self { entries: Vec::new(), at }
    }

    /// Adds a key whose place is its value's.
    pub fn insert(&mut self, key: impl Into<String>, node: impl Into<Node>) {
        let node = node.into();
        let at = node.at();
        self.insert_at(key, at, node);
    }

    /// Adds a key that stood at `at`.
    pub fn insert_at(&mut self, key: impl Into<String>, at: Option<Location>, node: Node) {
        self.entries.push((key.into(), at, node));
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(name, ..)| name == key).map(|(.., node)| node)
    }

    /// Where a key stood.
    #[must_use]
    pub fn key_at(&self, key: &str) -> Option<Location> {
        self.entries.iter().find(|(name, ..)| name == key).and_then(|(_, at, _)| *at)
    }

    /// The keys in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, ..)| name.as_str())
    }

    /// The keys with their values, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.entries.iter().map(|(name, _, node)| (name.as_str(), node))
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where the table stood.
    #[must_use]
    pub const fn at(&self) -> Option<Location> {
        self.at
    }
}
