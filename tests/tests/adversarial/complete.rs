//! No line is skipped in silence, and the document shows what the tests saw.

use std::fs;

use crate::line::{root, verdicts};

/// How many lines there are.
const LINES: u8 = 68;

const PREFACE: &str = "\
# What is thrown at it, and what becomes of that

What breaks products of this kind, as a list of lines, each driven at portcullis by a test: line 5 is the test whose name begins with
`line_05` in `tests/tests/adversarial`. The tables are what these tests saw; they are written by them (`PORTCULLIS_BLESS=1`), and a
verdict that changes fails. [security.md](security.md) says which part of the design stops what.
";

#[test]
fn every_line_has_its_verdicts_and_the_document_shows_them() {
    let mut document = PREFACE.to_owned();
    let mut missing = Vec::new();
    for number in 1..=LINES {
        match fs::read_to_string(verdicts().join(format!("{number:02}.md"))) {
            Ok(chapter) if chapter.lines().count() > 4 => {
                document.push('\n');
                document.push_str(&chapter);
            }
            _ => missing.push(number),
        }
    }
    assert!(missing.is_empty(), "lines without a verdict: {missing:?}");
    let sources = sources();
    let untested: Vec<u8> =
        (1..=LINES).filter(|number| !sources.contains(&format!("fn line_{number:02}_"))).collect();
    assert!(untested.is_empty(), "lines without a test: {untested:?}");
    let path = root().join("docs/adversarial.md");
    if std::env::var_os("PORTCULLIS_BLESS").is_some() {
        fs::write(&path, &document).unwrap();
    }
    assert_eq!(document, fs::read_to_string(&path).unwrap_or_default(), "PORTCULLIS_BLESS=1 writes it anew");
}

/// All tests of this folder, one after the other.
pub fn sources() -> String {
    fn read(folder: &std::path::Path, all: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut all = String::new();
    read(&root().join("tests/tests/adversarial"), &mut all);
    all
}
