//! `portcullis check --online`, against directories that are right, away, or set up wrongly.

use portcullis_tests::{Finished, Program, Slapd, Transport, temp_dir, write};

use crate::gateway::config;
use crate::record::{Record, seeds};

fn check(element: &str, arguments: &[&str]) -> Finished {
    let folder = temp_dir();
    let file = write(&folder, "Config.toml", config(element));
    Program::new("portcullis").args(["check"]).args(arguments).arg(file).run()
}

/// The line of the table for this server.
fn line<'a>(finished: &'a Finished, url: &str) -> &'a str {
    let found = finished.stdout.lines().find(|line| line.contains(url));
    found.unwrap_or_else(|| panic!("nothing about {url} in:\n{}\n{}", finished.stdout, finished.stderr))
}

#[test]
fn a_directory_that_is_right_is_told_with_what_the_service_sees() {
    let mut slapd = Slapd::start();
    for transport in Transport::ALL {
        let finished = check(&seeds(&slapd, transport), &["--online"]);
        assert_eq!(finished.code, Some(0), "{}\n{}", finished.stdout, finished.stderr);
        let line = line(&finished, &slapd.url(transport));
        // alice, bob, carol, dora, nopass, john, hash, quoted, zoë and the twins; and six groups.
        assert!(line.contains("11 users") && line.contains("6 groups"), "{line}");
        assert!(!finished.stdout.contains("\"secret\"") && !finished.stderr.contains("\"secret\""));
    }
    let before = slapd.traffic().connections.len();
    let finished = check(&seeds(&slapd, Transport::Plain), &[]);
    assert_eq!(finished.code, Some(0), "{}\n{}", finished.stdout, finished.stderr);
    assert_eq!(slapd.traffic().connections.len(), before, "without --online no server is asked");
}

#[test]
fn what_is_wrong_is_told_in_the_words_of_the_operator() {
    let mut slapd = Slapd::start();
    let other = Slapd::builder().certificate_for("directory.elsewhere.example").start();
    let none = Slapd::builder().without_tls().start();
    let plain = || Record::of(&slapd, Transport::Plain);
    let cases: Vec<(&str, Record, Vec<&str>)> = vec![
        ("its password", plain().text("connectionPassword", "canary"), vec!["49", "connectionPassword"]),
        (
            "its name",
            plain().text("connectionName", "cn=nobody,dc=ballerina,dc=io"),
            vec!["49", "connectionName"],
        ),
        (
            "the base",
            plain().text("userSearchBase", "ou=Nowhere,dc=ballerina,dc=io"),
            vec!["32", "ou=Nowhere,dc=ballerina,dc=io", "base"],
        ),
        ("the filter", plain().text("userNameListFilter", "(objectClass=robot)"), vec!["userNameListFilter"]),
        (
            "the name in the certificate",
            Record::of(&other, Transport::Ldaps),
            vec!["directory.elsewhere.example"],
        ),
        (
            "StartTLS",
            Record::at(&none.url(Transport::StartTls)).set("startTls", "true").trusting(&slapd.certificate()),
            vec!["StartTLS"],
        ),
    ];
    for (what, record, words) in cases {
        let finished = check(&record.element(), &["--online"]);
        let all = format!("{}\n{}", finished.stdout, finished.stderr);
        assert_eq!(finished.code, Some(1), "{what}: {all}");
        for word in words {
            assert!(all.contains(word), "{what}: no {word:?} in {all}");
        }
        assert!(!all.contains("canary"), "{all}");
    }
    let (record, url) = (plain(), slapd.url(Transport::Plain));
    slapd.kill();
    let finished = check(&record.element(), &["--online"]);
    assert_eq!(finished.code, Some(1), "{}\n{}", finished.stdout, finished.stderr);
    assert!(line(&finished, &url).contains("refused"), "{}", finished.stdout);
}
