//! What whoever reads a section of a configuration sees of it, and what is told of its mistakes.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use portcullis_core::config::{Location, Node, Problem, Reader, Source, Table, Value};

const fn at(line: usize) -> Option<Location> {
    Some(Location { line, column: 1 })
}

/// A table at line 100 whose keys stand at the lines 1, 2 and so on.
fn table(entries: Vec<(&str, Node)>) -> Table {
    let mut table = Table::new(at(100));
    for (line, (key, node)) in entries.into_iter().enumerate() {
        table.insert_at(key, at(line + 1), node);
    }
    table
}

fn inner(entries: Vec<(&str, Node)>) -> Node {
    table(entries).into()
}

fn problems(reader: Reader) -> Vec<String> {
    reader.into_problems().iter().map(ToString::to_string).collect()
}

/// Notes what is opened, and has nothing else.
#[derive(Debug, Default)]
struct Opened(Arc<Mutex<Vec<PathBuf>>>);

impl Source for Opened {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "NAME").then(|| "of the source".to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(path.display().to_string().into_bytes())
    }

    fn opens(&self, path: &Path) -> io::Result<()> {
        self.0.lock().unwrap().push(path.to_owned());
        if path.ends_with("pipe") { Err(io::Error::other("it is a pipe")) } else { Ok(()) }
    }
}

#[test]
fn a_file_that_the_source_does_not_let_open_is_a_mistake_at_its_place() {
    let top = table(vec![("key", "keys/pipe".into())]);
    let reader = Reader::with_source("/base", Box::new(Opened::default()));
    let section = reader.section(&top, "");
    assert_eq!((section.file("key"), section.required_file("key")), (None, None));
    drop(section);
    let expected = "1:1: key: cannot read /base/keys/pipe: it is a pipe";
    assert_eq!(problems(reader), [expected, expected]);
}

#[test]
fn a_problem_says_where_it_stands_and_what_it_is() {
    let problem = Problem::new("a.b", at(7), "is wrong");
    assert_eq!((problem.path(), problem.at(), problem.message()), ("a.b", at(7), "is wrong"));
    assert_eq!(problem.to_string(), "7:1: a.b: is wrong");
    assert_eq!(Problem::new("", None, "is wrong").to_string(), "is wrong");
}

#[test]
fn a_table_shows_what_stands_in_it() {
    let table = table(vec![("a", 1.into()), ("b", inner(vec![]))]);
    let reader = Reader::new("");
    let section = reader.section(&table, "top");
    assert_eq!(section.path(), "top");
    assert_eq!(section.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(
        section.table().iter().map(|(key, node)| (key, node.kind())).collect::<Vec<_>>(),
        [("a", "an integer"), ("b", "a table"),]
    );
    assert_eq!((section.table().at(), section.table().key_at("b")), (at(100), at(2)));
    assert_eq!(section.table().get("b").unwrap().at(), at(100), "the inner table");
    assert!(!section.table().is_empty() && Table::default().is_empty());
    for (key, path) in [
        ("a", "top.a"),
        ("a-b_1", "top.a-b_1"),
        ("", "top.\"\""),
        ("/foo", "top.\"/foo\""),
        ("a.b", "top.\"a.b\""),
    ] {
        assert_eq!(section.path_of(key), path);
    }
    drop(section);
    assert_eq!(
        problems(reader),
        ["1:1: top.a: unknown key; this table takes none", "2:1: top.b: unknown key; this table takes none"]
    );
}

#[test]
fn tables_inside_a_table_are_sections_of_their_own() {
    let top = table(vec![
        ("one", inner(vec![("x", 1.into())])),
        ("other", inner(vec![("x", 2.into())])),
        ("wrong", 3.into()),
    ]);
    let reader = Reader::new("");
    let section = reader.section(&top, "top");
    let entries = section.entries();
    let read: Vec<_> =
        entries.iter().map(|(key, inner)| (*key, inner.path(), inner.integer("x", 0..=9))).collect();
    assert_eq!(read, [("one", "top.one", Some(1)), ("other", "top.other", Some(2))]);
    drop(entries);
    assert_eq!(section.required_section("one").unwrap().integer("x", 0..=9), Some(1));
    assert!(section.required_section("absent").is_none() && section.required_section("wrong").is_none());
    drop(section);
    assert_eq!(
        problems(reader),
        [
            "3:1: top.wrong: expected a table, found an integer",
            "3:1: top.wrong: expected a table, found an integer",
            "100:1: top.absent: required, and missing",
        ]
    );
}

#[test]
fn values_are_read_as_what_they_are() {
    let top = table(vec![
        ("size", 7.into()),
        ("most", 8.into()),
        ("more", 9.into()),
        ("seconds", 90.into()),
        ("century", "36500d".into()),
        ("longer", "36501d".into()),
        ("file", "x.pem".into()),
        ("none", "".into()),
        ("wrong", true.into()),
    ]);
    let opened = Opened::default();
    let noted = Arc::clone(&opened.0);
    let source: Box<dyn Source> = Box::new(opened);
    let reader = Reader::with_source("/base", source);
    let section = reader.section(&top, "");
    let sizes = ["size", "most", "more", "absent"].map(|key| section.size(key, 7..=8));
    assert_eq!(sizes, [Some(7), Some(8), None, None]);
    assert_eq!(section.duration("seconds"), Some(Duration::from_secs(90)));
    assert_eq!(section.duration("century"), Some(Duration::from_secs(36_500 * 86_400)));
    assert_eq!(section.duration("longer"), None);
    assert_eq!(section.file("file"), Some("/base/x.pem".into()));
    assert_eq!(section.required_file("file"), Some("/base/x.pem".into()));
    assert!(["none", "wrong", "absent"].iter().all(|key| section.file(key).is_none()));
    assert!(["none", "wrong", "missing"].iter().all(|key| section.required_file(key).is_none()));
    drop(section);
    assert_eq!(*noted.lock().unwrap(), [Path::new("/base/x.pem"); 2]);
    assert_eq!(
        problems(reader),
        [
            "3:1: more: 9 is out of bounds: from 7 to 8",
            "6:1: longer: a span of time is at most a hundred years",
            "8:1: none: must not be empty",
            "8:1: none: must not be empty",
            "9:1: wrong: expected a string, found a boolean",
            "9:1: wrong: expected a string, found a boolean",
            "100:1: missing: required, and missing",
        ]
    );
}

#[test]
fn a_value_that_stands_elsewhere_than_its_key_is_told_where_it_stands() {
    let item = |value, line| Node::new(value, at(line));
    let items = vec![item(Value::String("a".to_owned()), 21), item(Value::Integer(1), 22)];
    let top = table(vec![
        ("many", Node::new(Value::Array(items), at(20))),
        ("tables", Node::new(Value::Array(vec![item(Value::Boolean(true), 31)]), at(30))),
        ("name", item(Value::Integer(1), 40)),
    ]);
    let reader = Reader::new("");
    let section = reader.section(&top, "");
    assert_eq!((section.strings("many"), section.string("name")), (None, None));
    assert_eq!(section.sections("tables").unwrap().len(), 0);
    drop(section);
    assert_eq!(
        problems(reader),
        [
            "22:1: many: expected an array of strings, found an integer in it",
            "31:1: tables[0]: expected a table, found a boolean",
            "40:1: name: expected a string, found an integer",
        ]
    );
}

#[test]
fn a_section_fails_by_what_is_wrong_in_it_or_below_and_by_nothing_else() {
    for (wrong, fails) in
        [("auth", true), ("auth.key", true), ("auth[0]", true), ("authority", false), ("other.auth", false)]
    {
        let (top, reader) = (Table::default(), Reader::new(""));
        let section = reader.section(&top, "auth");
        assert!(!section.failed());
        reader.problem(wrong, None, "is wrong");
        assert_eq!(section.failed(), fails, "{wrong}");
        assert!(reader.section(&top, "").failed(), "the file as a whole");
    }
}

#[test]
fn what_works_and_should_be_known_is_no_problem() {
    let top = table(vec![("insecure", true.into()), ("old", 1.into())]);
    let reader = Reader::new("");
    let section = reader.section(&top, "top");
    assert!(section.boolean("insecure", false));
    section.warn("insecure", "everybody can read it");
    section.accept_unneeded("old", "the server says it itself");
    section.accept_unneeded("absent", "it is not there");
    assert!(!section.failed());
    drop(section);
    let warnings: Vec<String> = reader.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "1:1: top.insecure: everybody can read it",
            "2:1: top.old: accepted and not needed: the server says it itself",
        ]
    );
    assert!(problems(reader).is_empty());
}

#[test]
fn a_misspelt_alternative_is_suggested_beside_the_one_that_is_there() {
    let keys = ["certFile", "secret"];
    let top = table(vec![("secret", "x".into()), ("certFil", "y".into())]);
    let reader = Reader::new("");
    let section = reader.section(&top, "s");
    assert_eq!(section.at_most_one(&keys), Some("secret"));
    drop(section);
    assert_eq!(
        problems(reader),
        [
            // Nobody has asked for its value.
            "1:1: s.secret: unknown key; remove it",
            "2:1: s.certFil: unknown key; did you mean `certFile`?",
        ]
    );
    let (empty, reader) = (Table::default(), Reader::new(""));
    assert_eq!(reader.section(&empty, "s").exactly_one(&["only"]), None);
    assert_eq!(reader.section(&empty, "s").exactly_one(&["a", "b", "c"]), None);
    assert_eq!(
        problems(reader),
        ["s: needs exactly one of `only`", "s: needs exactly one of `a`, `b` and `c`"]
    );
}

#[test]
fn a_value_of_the_wrong_type_is_not_missing_as_well() {
    let top = table(vec![("url", 1.into())]);
    let reader = Reader::new("");
    assert_eq!(reader.section(&top, "").required_string("url"), None);
    assert_eq!(problems(reader), ["1:1: url: expected a string, found an integer"]);
}

#[test]
fn secrets_come_from_the_process_and_its_files_unless_said_otherwise() {
    let secret = |key: &str, value: &str| inner(vec![(key, value.into())]);
    let top = table(vec![
        ("variable", secret("env", "CARGO_PKG_NAME")),
        ("file", secret("file", "clippy.toml")),
        ("named", secret("env", "NAME")),
    ]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let reader = Reader::new(&root);
    let section = reader.section(&top, "");
    assert_eq!(section.secret("variable").unwrap().expose(), "portcullis-core");
    let text = std::fs::read_to_string(root.join("clippy.toml")).unwrap();
    assert_eq!(section.secret("file").unwrap().expose(), text.trim_end_matches('\n'));
    drop(section);
    let reader = Reader::with_source("/base", Box::new(Opened::default()) as Box<dyn Source>);
    let section = reader.section(&top, "");
    assert_eq!(section.secret("file").unwrap().expose(), "/base/clippy.toml");
    assert_eq!(section.secret("named").unwrap().expose(), "of the source");
    assert!(section.secret("variable").is_none());
}
