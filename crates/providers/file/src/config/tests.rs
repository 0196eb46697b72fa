use portcullis_core::{
    IntoProvider,
    config::{Location, Node, Reader, Table},
};

use super::*;
use crate::FileUserStore;

const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$/rlPheEuIOPjYHKhaPJaJGV9XBSrUYzuHgudziGWdAc";

/// A table whose keys stand one below the other, from `line` on.
fn table(line: usize, entries: Vec<(&str, Node)>) -> Table {
    let mut table = Table::new(Some(Location { line, column: 1 }));
    for (offset, (key, node)) in entries.into_iter().enumerate() {
        table.insert_at(key, Some(Location { line: line + 1 + offset, column: 1 }), node);
    }
    table
}

/// The users, the problems and the warnings of `[[auth.users]]` and `[[ballerina.auth.users]]`.
fn read(own: &[Table], ballerina: &[Table]) -> (Vec<User>, Vec<String>, Vec<String>) {
    let reader = Reader::new("");
    let sections = |tables: &'static str, rows: &'_ [Table]| -> Vec<String> {
        (0..rows.len()).map(|position| format!("{tables}[{position}]")).collect()
    };
    let (own_paths, ballerina_paths) =
        (sections("auth.users", own), sections("ballerina.auth.users", ballerina));
    let users = read_users(
        own.iter()
            .zip(own_paths)
            .chain(ballerina.iter().zip(ballerina_paths))
            .map(|(table, path)| reader.section(table, path))
            .collect(),
    );
    let warnings = reader.warnings().iter().map(ToString::to_string).collect();
    let problems = reader.into_problems().iter().map(ToString::to_string).collect();
    (users, problems, warnings)
}

#[test]
fn users_of_both_tables_are_read() {
    let (users, problems, warnings) = read(
        &[
            table(1, vec![("username", "alice".into()), ("password", "alice@123".into())]),
            table(
                10,
                vec![
                    ("username", "bob".into()),
                    ("passwordHash", HASH.into()),
                    ("scopes", vec!["hello", "admin"].into()),
                ],
            ),
        ],
        &[table(
            20,
            vec![("username", "eve".into()), ("password", "123".into()), ("scopes", "read write".into())],
        )],
    );
    assert_eq!(problems, Vec::<String>::new());
    let read: Vec<_> = users.iter().map(|user| (user.username(), user.scopes.clone())).collect();
    let words = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        read,
        [("alice", words(&[])), ("bob", words(&["hello", "admin"])), ("eve", words(&["read write"]))],
        "a string is one scope"
    );
    assert_eq!(
        warnings,
        [
            "3:1: auth.users[0].password: a password in clear text, this one and 1 more: use `passwordHash`, which `portcullis hash` makes"
        ]
    );
    assert!(
        users.iter().filter(|user| user.password.is_clear()).all(|user| user.told),
        "said once is enough"
    );
    FileUserStore::new(users).into_provider().unwrap();
}

#[test]
fn hashed_users_are_read_without_a_warning() {
    let (users, problems, warnings) =
        read(&[table(1, vec![("username", "alice".into()), ("passwordHash", HASH.into())])], &[]);
    assert_eq!((users.len(), problems.len(), warnings.len()), (1, 0, 0));
}

#[test]
fn every_mistake_stands_at_its_key_and_shows_no_secret() {
    let (users, problems, _) = read(
        &[
            table(1, vec![("username", "alice".into()), ("password", "canary-1".into())]),
            table(10, vec![("username", "".into()), ("password", "canary-2".into())]),
            table(20, vec![("password", "canary-3".into())]),
            table(30, vec![("username", "bob".into())]),
            table(
                40,
                vec![
                    ("username", "carol".into()),
                    ("password", "canary-4".into()),
                    ("passwordHash", HASH.into()),
                ],
            ),
            table(50, vec![("username", "dave".into()), ("passwordHash", "canary-5".into())]),
            table(60, vec![("username", "erin".into()), ("password", "".into())]),
            table(70, vec![("username", "frank ".into()), ("password", "canary-6".into())]),
            table(80, vec![("username", "a:b".into()), ("password", "canary-7".into())]),
            table(90, vec![("username", "grace".into()), ("password", "canary\t8".into())]),
            table(100, vec![("username", 7.into()), ("password", 8.into()), ("scopes", 9.into())]),
            table(
                110,
                vec![
                    ("username", "heidi".into()),
                    ("passwordhash", "canary-9".into()),
                    ("scopes", vec!["a", ""].into()),
                ],
            ),
        ],
        &[table(200, vec![("username", "alice".into()), ("password", "canary-10".into())])],
    );
    assert_eq!(
        problems,
        [
            "11:1: auth.users[1].username: must not be empty",
            "20:1: auth.users[2].username: required, and missing",
            "30:1: auth.users[3]: needs exactly one of `password` and `passwordHash`",
            "43:1: auth.users[4].passwordHash: `password` and `passwordHash` exclude each other: keep one of them",
            "52:1: auth.users[5].passwordHash: the password hash is no PHC string, which starts with `$`: use argon2id, scrypt, pbkdf2-sha256 or pbkdf2-sha512 as a PHC string, or bcrypt as $2b$",
            "62:1: auth.users[6].password: an empty secret protects nothing: set it",
            "71:1: auth.users[7].username: a user name cannot begin or end with white space: remove it",
            "81:1: auth.users[8].username: a user name cannot hold a colon: Basic authentication ends the name there",
            "92:1: auth.users[9].password: a password cannot hold control characters: Basic authentication refuses them",
            "101:1: auth.users[10].username: expected a string, found an integer",
            "102:1: auth.users[10].password: expected a string, { env = \"NAME\" } or { file = \"path\" }, found an integer",
            "103:1: auth.users[10].scopes: expected a string or an array of strings, found an integer",
            "110:1: auth.users[11]: needs exactly one of `password` and `passwordHash`",
            "112:1: auth.users[11].passwordhash: unknown key; did you mean `passwordHash`?",
            "113:1: auth.users[11].scopes: an empty scope can never be asked for: remove it",
            "201:1: ballerina.auth.users[0].username: auth.users[0] has this name already: user names are unique",
        ]
    );
    assert!(!problems.concat().contains("canary"));
    assert_eq!(users.iter().map(User::username).collect::<Vec<_>>(), ["alice"]);
}

#[test]
fn the_element_has_no_keys() {
    let reader = Reader::new("");
    let empty = Table::default();
    assert_eq!(
        FileUserStoreConfig::read(reader.section(&empty, "auth[0].fileUserStoreConfig")),
        FileUserStoreConfig
    );
    let filled = table(1, vec![("scopes", "hello".into())]);
    let _ = FileUserStoreConfig::read(reader.section(&filled, "auth[0].fileUserStoreConfig"));
    let problems: Vec<String> = reader.into_problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["2:1: auth[0].fileUserStoreConfig.scopes: unknown key; this table takes none"]);
}
