//! One line of the list, and what became of it.

use std::{
    fmt::{self, Display, Write as _},
    fs,
    path::PathBuf,
};

/// The inputs of one line, each with the verdict that was seen.
pub struct Line {
    number: u8,
    text: String,
}

impl Line {
    /// A line by its number, and what it is about, in a few words.
    pub fn new(number: u8, about: &str) -> Self {
        let text = format!("## {number}. {about}\n\n| what is put in | what comes out |\n|---|---|\n");
        Self { number, text }
    }

    /// Writes down what came of an input. Both are part of a document: no ports, no times, no names of this machine.
    pub fn came(&mut self, input: impl Display, verdict: impl Display) {
        let cell = |text: &dyn Display| text.to_string().replace('|', "\\|").replace('\n', " ");
        writeln!(self.text, "| {} | {} |", cell(&input), cell(&verdict)).unwrap();
    }

    /// Names the test that shows a part of the line where it is looked at more closely, as `path/of/file.rs::name_of_the_test`,
    /// the path from the root of the workspace.
    pub fn shown_by(&mut self, input: impl Display, test: &str) {
        let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{test} is no file::test"));
        let path = root().join(file);
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        let lines: Vec<&str> = source.lines().map(str::trim).collect();
        let declared = |line: &str| {
            let rest = line.trim_start_matches("async ");
            rest.strip_prefix("fn ")
                .and_then(|rest| rest.strip_prefix(name))
                .is_some_and(|rest| rest.starts_with('('))
        };
        let at = lines
            .iter()
            .position(|line| declared(line))
            .unwrap_or_else(|| panic!("{file} has no test {name}"));
        // Behind its attributes.
        let is_test = lines[at.saturating_sub(4)..at].iter().any(|line| {
            line.starts_with("#[test]") || line.starts_with("#[tokio::test") || line.starts_with("proptest!")
        });
        assert!(is_test, "{test} is no test");
        self.came(input, format_args!("`{name}` in `{file}`"));
    }

    /// Holds all of it against what was written down before.
    pub fn settle(self) {
        let path = verdicts().join(format!("{:02}.md", self.number));
        if std::env::var_os("PORTCULLIS_BLESS").is_some() {
            fs::write(&path, &self.text).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(self.text, written, "PORTCULLIS_BLESS=1 writes {} anew", path.display());
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.number)
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

pub fn verdicts() -> PathBuf {
    root().join("tests/tests/adversarial/verdicts")
}
