use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
};

use portcullis_core::config::Problem;

/// Everything that is wrong with a configuration, each mistake with its place and its remedy.
///
/// `Display` and `Debug` print one mistake a line as `file:line:column: path: what is wrong`.
#[derive(Clone)]
pub struct ConfigError {
    file: Option<PathBuf>,
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(crate) fn new(file: Option<&Path>, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(Problem::at);
        Self { file: file.map(Path::to_path_buf), problems }
    }

    /// The mistakes in the order of the file.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The file, where the configuration came from one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.problems.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            match &self.file {
                Some(file) if problem.at().is_some() => write!(f, "{}:{problem}", file.display())?,
                Some(file) => write!(f, "{}: {problem}", file.display())?,
                None => write!(f, "{problem}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mistakes = if self.problems.len() == 1 { "mistake" } else { "mistakes" };
        writeln!(f, "{} {mistakes} in the configuration", self.problems.len())?;
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConfigError {}
