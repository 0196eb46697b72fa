//! What docs/security.md names exists.

use std::{collections::BTreeSet, fs};

use crate::{Line, complete::sources, line::root};

#[test]
fn every_test_that_the_security_page_names_exists() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let mut named = Line::new(0, "named in docs/security.md");
    let tests: BTreeSet<&str> = page
        .split('`')
        .filter(|text| text.contains(".rs::") && !text.contains(char::is_whitespace))
        .collect();
    assert!(tests.len() > 50, "{tests:?}");
    for test in tests {
        named.shown_by("", test);
    }
}

#[test]
fn every_line_that_the_security_page_names_has_a_test_and_every_row_names_something() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let sources = sources();
    let mut lines = BTreeSet::new();
    for row in page.lines().filter(|row| row.starts_with('|') && !row.starts_with("|---")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let shown_by = cells.last().unwrap().trim();
        if shown_by == "shown by" {
            continue;
        }
        let numbers = numbers(shown_by);
        let named = [".rs::", "deny.toml", "by construction"].iter().any(|what| shown_by.contains(what));
        assert!(named || !numbers.is_empty(), "{row}");
        lines.extend(numbers);
    }
    for number in &lines {
        assert!(sources.contains(&format!("fn line_{number:02}_")), "line {number} has no test");
    }
    assert!(lines.len() > 40, "{lines:?}");
}

/// The numbers in `line 5` and `lines 5, 6`.
fn numbers(cell: &str) -> Vec<u8> {
    let mut found = Vec::new();
    for (at, _) in cell.match_indices("line") {
        let rest = cell[at..].trim_start_matches("lines ").trim_start_matches("line ");
        for part in rest.split(", ") {
            let digits = part.trim_end_matches(|char: char| !char.is_ascii_digit());
            match digits.parse() {
                Ok(number) => found.push(number),
                Err(_) => break,
            }
        }
    }
    found
}
