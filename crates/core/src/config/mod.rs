//! How a provider reads its section of a configuration file.
//!
//! A configuration is read once, to the end: every mistake is noted with its place and its remedy, and all of
//! them are reported together. Nothing here knows a file format; whoever parses one hands over a tree of
//! [`Node`]s that know where they stood.
//!
//! A [`Section`] is asked for its keys by name. What it was never asked for is an unknown key, and an error:
//! a misspelt `scopes` must not leave a door open.
//!
//! ```
//! use portcullis_core::config::{Node, Reader, Table};
//!
//! let mut table = Table::default();
//! table.insert("url", Node::from("https://example.org"));
//! table.insert("depht", Node::from(3));
//!
//! let reader = Reader::new(".");
//! let mut section = reader.section(&table, "providers.mine");
//! let url = section.required_string("url");
//! let depth = section.integer("depth", 1..=10);
//! drop(section);
//!
//! assert_eq!(url.as_deref(), Some("https://example.org"));
//! assert_eq!(depth, None);
//! let problems = reader.into_problems();
//! assert_eq!(problems.len(), 1);
//! assert_eq!(problems[0].to_string(), "providers.mine.depht: unknown key; did you mean `depth`?");
//! ```
//!
//! No message shows a value, unless the key is known and known not to be secret.

mod duration;
mod node;
mod problem;
mod reader;
mod section;
mod suggest;
#[cfg(test)]
mod tests;

pub use self::{
    node::{Location, Node, Table, Value},
    problem::{Problem, Warning},
    reader::{Reader, Source},
    section::Section,
    suggest::nearest,
};
