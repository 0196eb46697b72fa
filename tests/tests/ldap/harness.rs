//! The directories tell the truth, by the clients of OpenLDAP; the other tests rest on that.

use portcullis_testing::{TestDirectory, TestTls};
use portcullis_tests::{Seen, Slapd, Transport, data, temp_dir, tool, write};

const ALICE: &str = "uid=alice,ou=Users,dc=ballerina,dc=io";

/// What ldapsearch says and how it ends.
fn ldapsearch(url: &str, authority: Option<&std::path::Path>, arguments: &[&str]) -> (i32, String) {
    // These clients put the machine's own name in the place of `localhost` before they compare it with a certificate.
    let url = url.replace("localhost", "127.0.0.1");
    let mut command = std::process::Command::new("ldapsearch");
    // What the machine's own configuration says must not decide what a test sees.
    command.env("LDAPNOINIT", "1").args(["-x", "-LLL", "-H", &url]).args(arguments);
    if let Some(authority) = authority {
        command.env_remove("LDAPNOINIT").env("LDAPCONF", "/dev/null").env("LDAPRC", "none");
        command.env("LDAPTLS_CACERT", authority).env("LDAPTLS_REQCERT", "demand");
    }
    let output =
        command.output().expect("ldapsearch can be started: run cargo xtask test, which installs it");
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said)
}

fn found(said: &str) -> Vec<&str> {
    said.lines().filter_map(|line| line.strip_prefix("dn: ")).collect()
}

#[test]
fn slapd_holds_the_people_of_the_seeds_and_knows_their_passwords() {
    let slapd = Slapd::start();
    let url = slapd.url(Transport::Plain);
    let bind = |dn: &str, password: &str| {
        ldapsearch(&url, None, &["-D", dn, "-w", password, "-b", "", "-s", "base", "(cn=*)"]).0
    };
    for (dn, password) in [
        ("uid=admin,ou=system", "secret"),
        (ALICE, "alice@123"),
        ("uid=carol,ou=Users,dc=ballerina,dc=io", "carol@123"),
        (r"cn=Smith\, John (Ops) *star*,ou=Users,dc=ballerina,dc=io", "john@123"),
        (r"cn=\#hash\\back+uid=hash,ou=Users,dc=ballerina,dc=io", "hash@123"),
        (r#"cn=\"quoted\"\; a\+b\=c \<d\>,ou=Users,dc=ballerina,dc=io"#, "quoted@123"),
        ("uid=zoë,ou=Users,dc=ballerina,dc=io", "pässwörd"),
        ("uid=ldclakmal,ou=Users,dc=avix,dc=lk", "ldclakmal@123"),
    ] {
        assert_eq!(bind(dn, password), 0, "{dn}");
        assert_eq!(bind(dn, "wrong"), 49, "{dn}");
    }
    let service = ["-D", "uid=admin,ou=system", "-w", "secret", "-b", "dc=ballerina,dc=io"];
    let (_, said) =
        ldapsearch(&url, None, &[&service[..], &["(uid=ＡＬＩＣＥ)", "memberOf", "userPassword"]].concat());
    assert_eq!(found(&said), [ALICE, "uid=alice,ou=Partners,dc=ballerina,dc=io"]);
    assert!(said.contains("memberOf: cn=hello,ou=Groups,dc=ballerina,dc=io"), "{said}");
    assert!(!said.contains("userPassword"), "{said}");
}

#[test]
fn slapd_speaks_tls_from_the_first_byte_and_after_a_wish_for_it() {
    let slapd = Slapd::start();
    let authority = slapd.certificate();
    let bind = ["-D", ALICE, "-w", "alice@123", "-b", "", "-s", "base", "(cn=*)"];
    assert_eq!(ldapsearch(&slapd.url(Transport::Ldaps), Some(&authority), &bind).0, 0);
    let wish = [&["-ZZ"], &bind[..]].concat();
    assert_eq!(ldapsearch(&slapd.url(Transport::StartTls), Some(&authority), &wish).0, 0);

    let other = Slapd::builder().certificate_for("elsewhere.example").start();
    let (code, said) = ldapsearch(&other.url(Transport::Ldaps), Some(&other.certificate()), &bind);
    assert_ne!(code, 0, "{said}");
    let none = Slapd::builder().without_tls().start();
    let (code, said) = ldapsearch(&none.url(Transport::StartTls), Some(&authority), &wish);
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("unsupported extended operation"), "{said}");
}

#[test]
fn slapd_says_what_reached_it_and_keeps_what_it_holds_over_a_restart() {
    let mut slapd = Slapd::start();
    let url = slapd.url(Transport::Plain);
    let before = slapd.traffic();
    ldapsearch(&url, None, &["-D", ALICE, "-w", "alice@123", "-b", ALICE, "(uid=alice)"]);
    let after = slapd.traffic();
    assert_eq!(after.binds(ALICE) - before.binds(ALICE), 1);
    assert_eq!((before.searches(ALICE), after.searches(ALICE)), (0, 1));
    assert_eq!(after.connections.len() - before.connections.len(), 1);
    let mine = after.connections.values().find(|seen| seen.contains(&Seen::Bind(ALICE.to_owned()))).unwrap();
    assert_eq!(mine.len(), 3, "{mine:?}");
    assert!(matches!(mine[2], Seen::Closed(_)), "{mine:?}");

    slapd.kill();
    assert_eq!(ldapsearch(&url, None, &["-b", ""]).0, 255, "nothing listens");
    slapd.start_again();
    slapd.set_password(ALICE, "changed");
    slapd.start_again();
    let bind =
        |password: &str| ldapsearch(&url, None, &["-D", ALICE, "-w", password, "-b", "", "-s", "base"]).0;
    assert_eq!((bind("alice@123"), bind("changed")), (49, 0));
}

#[test]
fn a_frozen_slapd_answers_when_it_goes_on() {
    let slapd = Slapd::start();
    let url = slapd.url(Transport::Plain);
    slapd.freeze();
    let asked = std::thread::spawn(move || ldapsearch(&url, None, &["-b", "", "-s", "base"]).0);
    assert!(!asked.is_finished());
    slapd.thaw();
    assert_eq!(asked.join().unwrap(), 0);
}

/// The directory of `portcullis-testing`, asked by clients that are not ours.
#[tokio::test(flavor = "multi_thread")]
async fn the_directory_in_process_is_one_to_the_clients_of_openldap() {
    let directory = TestDirectory::start().await;
    directory.add_ldif(&std::fs::read_to_string(data("ballerina/data/auth-ldif--bootstrap.ldif")).unwrap());
    let (url, base) = (directory.url(), "dc=avix,dc=lk");
    let as_alice = ["-D", "uid=alice,ou=Users,dc=avix,dc=lk", "-w", "alice@123", "-b", base];
    let (code, said) = ldapsearch(
        &url,
        None,
        &[&as_alice[..], &["(&(objectClass=groupOfNames)(member=uid=alice,ou=Users,dc=avix,dc=lk))", "cn"]]
            .concat(),
    );
    assert_eq!((code, found(&said)), (0, vec!["cn=developer,ou=Groups,dc=avix,dc=lk"]), "{said}");
    let wrong = ["-D", "uid=alice,ou=Users,dc=avix,dc=lk", "-w", "wrong", "-b", base];
    assert_eq!(ldapsearch(&url, None, &wrong).0, 49);
    let paged = [&as_alice[..], &["-E", "pr=2/noprompt", "(uid=*)", "1.1"]].concat();
    let (code, said) = ldapsearch(&url, None, &paged);
    assert_eq!((code, found(&said).len()), (0, 2), "{said}");
    let unlimited = ldapsearch(&url, None, &[&as_alice[..], &["-z", "1", "(uid=*)"]].concat());
    assert_eq!(unlimited.0, 4, "{}", unlimited.1);
    let printed = tool("ldapwhoami", ["-x", "-H", &url, "-D", as_alice[1], "-w", as_alice[3]]);
    assert_eq!(String::from_utf8(printed).unwrap(), "dn:uid=alice,ou=Users,dc=avix,dc=lk\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_in_process_speaks_tls_to_the_clients_of_openldap() {
    let folder = temp_dir();
    let tls = TestTls::self_signed();
    let authority = write(&folder, "ca.crt", tls.certificate_pem().unwrap());
    let root = ["-b", "", "-s", "base", "(objectClass=*)", "+"];
    let wish = [&["-ZZ"], &root[..]].concat();

    let ldaps = TestDirectory::builder().ldaps(tls.clone()).start().await;
    let (code, said) = ldapsearch(&ldaps.url(), Some(&authority), &root);
    assert_eq!(code, 0, "{said}");
    assert!(ldaps.requests().iter().all(|request| request.encrypted));

    let both = TestDirectory::builder().start_tls(tls).start().await;
    let (code, said) = ldapsearch(&both.url(), Some(&authority), &wish);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("supportedExtension: 1.3.6.1.4.1.1466.20037"), "{said}");
    let encrypted: Vec<bool> = both.requests().iter().map(|request| request.encrypted).collect();
    assert_eq!(encrypted[..2], [false, true], "the wish, and what follows");
    assert_eq!(ldapsearch(&both.url(), None, &root).0, 0, "clear text is spoken, too");

    both.refuse_start_tls(52, "not today");
    let (code, said) = ldapsearch(&both.url(), Some(&authority), &wish);
    assert_ne!(code, 0);
    assert!(said.contains("not today"), "{said}");
    let none = TestDirectory::start().await;
    assert!(ldapsearch(&none.url(), Some(&authority), &wish).1.contains("unsupported extended operation"));
}
