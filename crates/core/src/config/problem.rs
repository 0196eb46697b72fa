use std::{error::Error, fmt};

use super::Location;

/// One mistake in a configuration: where it stands, what is wrong, and the remedy. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    path: String,
    at: Option<Location>,
    message: String,
}

impl Problem {
    /// A mistake at the dotted path `path`.
    #[must_use]
    pub fn new(path: impl Into<String>, at: Option<Location>, message: impl Into<String>) -> Self {
        Self { path: path.into(), at, message: message.into() }
    }

    /// The dotted path of the key, for instance `services."/foo".auth[0].scopes`. Empty for the file as a whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where it stands in the file, where that is known.
    #[must_use]
    pub const fn at(&self) -> Option<Location> {
        self.at
    }

    /// What is wrong, and the remedy.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.at {
            write!(f, "{at}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl Error for Problem {}

/// Something that works and should be known: named once when the service starts.
pub type Warning = Problem;
