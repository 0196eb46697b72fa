use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

use http::Extensions;

use super::{Location, Problem, Section, Table, Warning, section::join};
use crate::{Clock, Secret, SystemClock};

/// Where secrets that a configuration only names come from.
pub trait Source: fmt::Debug {
    /// The value of an environment variable; `None` where it is not set or not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// The content of a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    fn file(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// A file that is named by [`Section::file`] is about to be opened by whoever reads the section. For those who want to
    /// know what a configuration depends on; by default nobody does.
    ///
    /// # Errors
    ///
    /// When it must not be opened: that is a mistake in the section then.
    fn opens(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn variable(&self, name: &str) -> Option<String> {
        (**self).variable(name)
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        (**self).file(path)
    }

    fn opens(&self, path: &Path) -> io::Result<()> {
        (**self).opens(path)
    }
}

/// The process's environment and the machine's files.
#[derive(Clone, Copy, Debug)]
struct System;

impl Source for System {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}

/// The state of reading one configuration: what is wrong so far, and where paths and secrets come from.
#[derive(Debug)]
pub struct Reader {
    base: PathBuf,
    source: Box<dyn Source>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Warning>>,
    /// Keys by the shape of the table that was asked for them.
    asked: RefCell<BTreeMap<Rc<str>, BTreeSet<String>>>,
    plugged: Extensions,
}

impl Reader {
    /// A reader that resolves relative paths against `base`, and takes secrets from the process's environment
    /// and the machine's files.
    #[must_use]
    pub fn new(base: impl Into<PathBuf>) -> Self {
        Self::with_source(base, System)
    }

    /// The same with secrets from elsewhere.
    #[must_use]
    pub fn with_source(base: impl Into<PathBuf>, source: impl Source + 'static) -> Self {
        Self {
            base: base.into(),
            source: Box::new(source),
            problems: RefCell::default(),
            warnings: RefCell::default(),
            asked: RefCell::default(),
            plugged: Extensions::new(),
        }
    }

    /// The same with a value that whoever reads a section may ask for by its type: what sections need of one another,
    /// and only the assembler knows. One of each type.
    #[must_use]
    pub fn plug<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.plugged.insert(value);
        self
    }

    /// The value of a type that was plugged in.
    #[must_use]
    pub fn plugged<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.plugged.get()
    }

    /// The clock that was plugged in as `Arc<dyn Clock>`; the machine's where none was.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.plugged::<Arc<dyn Clock>>().cloned().unwrap_or_else(|| Arc::new(SystemClock::new()))
    }

    /// Opens a table that stands at the dotted path `path`.
    #[must_use]
    pub fn section<'r>(&'r self, table: &'r Table, path: impl Into<String>) -> Section<'r> {
        let path = path.into();
        let shape = path.as_str().into();
        Section::new(self, table, path, shape)
    }

    /// Notes a mistake.
    pub fn problem(&self, path: impl Into<String>, at: Option<Location>, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem::new(path, at, message));
    }

    /// Notes something that works and should be known.
    pub fn warn(&self, path: impl Into<String>, at: Option<Location>, message: impl Into<String>) {
        self.warnings.borrow_mut().push(Problem::new(path, at, message));
    }

    /// Whether a mistake was noted at the dotted path `path` or below it.
    pub(super) fn has_problem_within(&self, path: &str) -> bool {
        let within = |problem: &Problem| match problem.path().strip_prefix(path) {
            Some(rest) => path.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']),
            None => false,
        };
        self.problems.borrow().iter().any(within)
    }

    /// What was noted that works and should be known.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.warnings.borrow().clone()
    }

    pub(super) fn note_asked(&self, shape: &Rc<str>, keys: &[String]) {
        let mut asked = self.asked.borrow_mut();
        let known = asked.entry(Rc::clone(shape)).or_default();
        for key in keys {
            if !known.contains(key) {
                known.insert(key.clone());
            }
        }
    }

    /// The dotted paths of all keys that were asked for, present or not, in sections that were dropped since:
    /// what the tables of this configuration may hold. Those of tables in an array stand there once, without a
    /// position: `auth.users[].username`.
    #[must_use]
    pub fn asked_keys(&self) -> Vec<String> {
        let asked = self.asked.borrow();
        let paths = asked.iter().flat_map(|(shape, keys)| keys.iter().map(|key| join(shape, key)));
        let mut paths: Vec<String> = paths.collect();
        paths.sort_unstable();
        paths
    }

    /// All mistakes, in the order of the file.
    #[must_use]
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(Problem::at);
        problems
    }

    /// A path of the configuration as one that can be opened.
    #[must_use]
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// The same for a file that is opened now.
    pub(super) fn opens(&self, path: &str) -> Result<PathBuf, String> {
        let path = self.resolve(path);
        match self.source.opens(&path) {
            Ok(()) => Ok(path),
            Err(error) => Err(format!("cannot read {}: {error}", path.display())),
        }
    }

    pub(super) fn secret_from_variable(&self, name: &str) -> Result<Secret, String> {
        self.source.variable(name).map(Secret::new).ok_or_else(|| {
            format!("the environment variable {name} is not set, or not UTF-8: set it, or write the secret another way")
        })
    }

    pub(super) fn secret_from_file(&self, path: &str) -> Result<Secret, String> {
        let whole = self.resolve(path);
        let bytes =
            self.source.file(&whole).map_err(|error| format!("cannot read {}: {error}", whole.display()))?;
        let mut text = String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", whole.display()))?;
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        Ok(Secret::new(text))
    }
}
