use std::{collections::HashMap, io, path::Path, sync::Arc, time::Duration};

use super::*;
use crate::{BoxFuture, Clock, UnixTime};

#[derive(Debug, Default)]
struct Fixed {
    variables: HashMap<&'static str, &'static str>,
    files: HashMap<&'static str, &'static str>,
}

impl Source for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|text| (*text).to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = path.to_str().and_then(|path| self.files.get(path));
        found.map(|text| text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn table(entries: Vec<(&str, Node)>) -> Table {
    let mut table = Table::default();
    for (line, (key, node)) in entries.into_iter().enumerate() {
        table.insert_at(key, Some(Location { line: line + 1, column: 1 }), node);
    }
    table
}

fn problems(reader: Reader) -> Vec<String> {
    reader.into_problems().iter().map(ToString::to_string).collect()
}

#[test]
fn right_values_are_read_without_a_problem() {
    let table = table(vec![
        ("name", "x".into()),
        ("one", "a".into()),
        ("many", vec!["a", "b"].into()),
        ("on", true.into()),
        ("count", 7.into()),
        ("span", "500ms".into()),
        ("seconds", Node::new(Value::Float(0.5), None)),
        ("mode", "strict".into()),
    ]);
    let reader = Reader::new("/etc/x");
    let section = reader.section(&table, "top");
    assert_eq!(section.required_string("name").as_deref(), Some("x"));
    assert_eq!(section.strings("one"), Some(vec!["a".to_owned()]));
    assert_eq!(section.strings("many"), Some(vec!["a".to_owned(), "b".to_owned()]));
    assert!(section.boolean("on", false));
    assert!(section.boolean("absent", true));
    assert_eq!(section.integer("count", 0..=10), Some(7));
    assert_eq!(section.duration("span"), Some(Duration::from_millis(500)));
    assert_eq!(section.duration("seconds"), Some(Duration::from_millis(500)));
    assert_eq!(section.choice("mode", &["strict", "exact"]), Some("strict"));
    assert!(!section.failed());
    drop(section);
    assert!(problems(reader).is_empty());
}

#[test]
fn every_mistake_is_noted_with_place_and_remedy() {
    let table = table(vec![
        ("name", 3.into()),
        ("many", vec![Node::from("a"), 1.into()].into()),
        ("count", 11.into()),
        ("span", "10 parsecs".into()),
        ("mode", "stricct".into()),
        ("scpoes", "x".into()),
        ("zzz", "canary-secret".into()),
    ]);
    let reader = Reader::new("");
    let section = reader.section(&table, "services.\"/foo\"");
    assert_eq!(section.string("name"), None);
    assert_eq!(section.strings("many"), None);
    assert_eq!(section.integer("count", 0..=10), None);
    assert_eq!(section.duration("span"), None);
    assert_eq!(section.choice("mode", &["strict", "exact"]), None);
    assert_eq!(section.strings("scopes"), None);
    assert_eq!(section.required_string("url"), None);
    drop(section);
    let found = problems(reader);
    assert_eq!(
        found,
        [
            "services.\"/foo\".url: required, and missing",
            "1:1: services.\"/foo\".name: expected a string, found an integer",
            "2:1: services.\"/foo\".many: expected an array of strings, found an integer in it",
            "3:1: services.\"/foo\".count: 11 is out of bounds: from 0 to 10",
            "4:1: services.\"/foo\".span: a span of time is a number of seconds, or a string with a unit such as \"500ms\", \"10s\", \"5m\", \"1h\" or \"7d\"",
            "5:1: services.\"/foo\".mode: \"stricct\" is not one of \"strict\", \"exact\"; did you mean \"strict\"?",
            "6:1: services.\"/foo\".scpoes: unknown key; did you mean `scopes`?",
            "7:1: services.\"/foo\".zzz: unknown key; remove it",
        ]
    );
    assert!(!found.concat().contains("canary"));
}

#[test]
fn a_mistake_is_known_at_its_key_and_above_it() {
    let inner = table(vec![("deep", 3.into())]);
    let table = table(vec![("name", 3.into()), ("inner", inner.into()), ("names", "x".into())]);
    let reader = Reader::new("");
    let section = reader.section(&table, "top");
    section.string("name");
    section.string("names");
    section.section("inner").unwrap().string("deep");
    for (key, failed) in [("name", true), ("inner", true), ("names", false), ("nam", false), ("deep", false)]
    {
        assert_eq!(section.failed_at(key), failed, "{key}");
    }
}

#[test]
fn what_could_not_be_read_is_a_mistake_though_its_reader_says_nothing() {
    let elsewhere = |reader: &Reader| reader.problem("elsewhere", None, "wrong");
    for (read, noted, expected) in [
        (Some(7), false, vec![]),
        (
            None,
            false,
            vec![
                "4:2: top.inner: could not be read, and what reads it does not say why: that is a mistake of the program, \
                 please report it",
            ],
        ),
        // Whatever it is, the configuration is refused for it.
        (None, true, vec!["elsewhere: wrong"]),
        (Some(7), true, vec!["elsewhere: wrong"]),
    ] {
        let table = Table::new(Some(Location { line: 4, column: 2 }));
        let reader = Reader::new("");
        if noted {
            elsewhere(&reader);
        }
        assert_eq!(reader.section(&table, "top.inner").accounted(read), read);
        assert_eq!(problems(reader), expected);
    }
}

#[test]
fn secrets_come_from_text_environment_and_files() {
    let mut from_variable = Table::default();
    from_variable.insert("env", "TOKEN");
    let mut from_file = Table::default();
    from_file.insert("file", "token.txt");
    let table = table(vec![("a", "plain".into()), ("b", from_variable.into()), ("c", from_file.into())]);
    let source = Fixed {
        variables: HashMap::from([("TOKEN", "from env")]),
        files: HashMap::from([("/base/token.txt", "two\n\n")]),
    };
    let reader = Reader::with_source("/base", source);
    let section = reader.section(&table, "");
    assert_eq!(section.secret("a").unwrap().expose(), "plain");
    assert_eq!(section.secret("b").unwrap().expose(), "from env");
    assert_eq!(section.secret("c").unwrap().expose(), "two\n", "one newline is dropped, and no more");
    assert!(section.secret("d").is_none());
    drop(section);
    assert!(problems(reader).is_empty());
}

#[test]
fn secrets_that_cannot_be_had_are_mistakes_and_are_never_shown() {
    let secret = |key: &str, value: &str| {
        let mut table = Table::default();
        table.insert(key, value);
        Node::from(table)
    };
    let table = table(vec![
        ("a", "".into()),
        ("b", secret("env", "MISSING")),
        ("c", secret("file", "missing.txt")),
        ("d", secret("vault", "canary-secret")),
        ("e", 5.into()),
        ("f", secret("env", "EMPTY")),
    ]);
    let reader = Reader::with_source(
        "/base",
        Fixed { variables: HashMap::from([("EMPTY", "")]), files: HashMap::new() },
    );
    let section = reader.section(&table, "");
    for key in ["a", "b", "c", "d", "e", "f"] {
        assert!(section.secret(key).is_none(), "{key}");
    }
    assert!(section.required_secret("g").is_none());
    drop(section);
    let found = problems(reader).join("\n");
    for part in [
        "1:1: a: an empty secret",
        "b: the environment variable MISSING is not set",
        "c: cannot read /base/missing.txt",
        "d: needs exactly one of `env` and `file`",
        "e: expected a string, { env",
        "f: an empty secret",
        "g: required, and missing",
    ] {
        assert!(found.contains(part), "{part}\n{found}");
    }
    assert!(!found.contains("canary"));
}

#[test]
fn a_key_that_slipped_into_an_inner_table_is_told_where_it_belongs() {
    let mut inner = Table::default();
    inner.insert("scopes", "admin");
    let mut outer = Table::default();
    outer.insert("signatureConfig", inner);
    let reader = Reader::new("");
    let section = reader.section(&outer, "auth[0]");
    section.belongs_elsewhere("scopes", "move it to auth[0]");
    drop(section.section("signatureConfig"));
    drop(section);
    assert_eq!(
        problems(reader),
        ["auth[0].signatureConfig.scopes: does not belong here: move it to auth[0]"]
    );
}

#[test]
fn alternatives_exclude_each_other() {
    let keys = ["certFile", "secret"];
    for (entries, expected, problem) in [
        (vec![("secret", Node::from("x"))], Some("secret"), None),
        (vec![], None, Some("s: needs exactly one of `certFile` and `secret`")),
        (
            vec![("certFile", "x".into()), ("secret", "y".into())],
            None,
            Some("2:1: s.secret: `certFile` and `secret` exclude each other: keep one of them"),
        ),
    ] {
        let table = table(entries);
        let reader = Reader::new("");
        let section = reader.section(&table, "s");
        let found = section.exactly_one(&keys);
        assert_eq!(found, expected);
        if let Some(key) = found {
            assert!(section.string(key).is_some());
        }
        drop(section);
        assert_eq!(problems(reader).first().map(String::as_str), problem);
    }
}

#[test]
fn every_key_that_was_asked_for_is_known_by_its_path() {
    let items = vec![Table::default(), Table::default()];
    let table =
        table(vec![("name", "x".into()), ("inner", Table::default().into()), ("items", items.into())]);
    let reader = Reader::new("/etc/x");
    let section = reader.section(&table, "top");
    section.string("name");
    section.string("absent");
    section.section("inner").unwrap().at_most_one(&["one", "other"]);
    for (item, key) in section.sections("items").unwrap().iter().zip(["first", "second"]) {
        item.string(key);
        item.string("both");
    }
    drop(section);
    assert_eq!(
        reader.asked_keys(),
        [
            "top.absent",
            "top.inner",
            "top.inner.one",
            "top.inner.other",
            "top.items",
            "top.items[].both",
            "top.items[].first",
            "top.items[].second",
            "top.name"
        ]
    );
}

#[test]
fn what_sections_need_of_one_another_is_plugged_in_by_its_type() {
    #[derive(Clone, Debug, PartialEq)]
    struct Shared(u8);

    #[derive(Debug)]
    struct Frozen;
    impl Clock for Frozen {
        fn now(&self) -> UnixTime {
            UnixTime::from_secs(7)
        }
        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    let bare = Reader::new("/etc/x");
    assert_eq!(bare.plugged::<Shared>(), None);
    assert!(bare.clock().now() > UnixTime::from_secs(7), "the machine's");

    let clock: Arc<dyn Clock> = Arc::new(Frozen);
    let reader = Reader::new("/etc/x").plug(Shared(1)).plug(Shared(2)).plug(clock);
    assert_eq!(reader.plugged::<Shared>(), Some(&Shared(2)), "one of each type");
    assert_eq!(reader.clock().now(), UnixTime::from_secs(7));
}
