//! `ldapUserStoreConfig`: what is read, and every mistake at its key.

use std::time::Duration;

use portcullis_core::config::{Location, Node, Reader, Table, Value};
use portcullis_keys::SelfSigned;
use serde_json::{Value as Json, json};

use crate::{LdapConfig, LdapUserStore};

struct Read {
    config: Option<LdapConfig>,
    problems: Vec<String>,
    warnings: Vec<String>,
}

fn read(section: &Json) -> Read {
    let mut line = 0;
    let Value::Table(table) = node(section, &mut line) else { panic!("a section is a table") };
    let reader = Reader::new(".");
    let config = LdapConfig::read(&reader.section(&table, "x"));
    let warnings = reader.warnings().iter().map(ToString::to_string).collect();
    let problems = reader.into_problems().iter().map(ToString::to_string).collect();
    Read { config, problems, warnings }
}

fn node(value: &Json, line: &mut usize) -> Value {
    match value {
        Json::Null => Value::Other("nothing"),
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Float(number.as_f64().unwrap()),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => {
            Value::Array(items.iter().map(|item| Node::new(node(item, line), None)).collect())
        }
        Json::Object(members) => {
            let mut table = Table::new(Some(Location { line: *line, column: 1 }));
            for (key, value) in members {
                *line += 1;
                let at = Some(Location { line: *line, column: 1 });
                let value = node(value, line);
                table.insert_at(key.clone(), at, Node::new(value, at));
            }
            Value::Table(table)
        }
    }
}

/// The record of the seeds' documentation.
fn seed() -> Json {
    json!({
        "domainName": "ballerina.io", "connectionUrl": "ldap://localhost:20000",
        "connectionName": "uid=admin,ou=system", "connectionPassword": "secret",
        "userSearchBase": "ou=Users,dc=ballerina,dc=io", "userEntryObjectClass": "identityPerson",
        "userNameAttribute": "uid", "userNameSearchFilter": "(&(objectClass=person)(uid=?))",
        "userNameListFilter": "(objectClass=person)", "groupSearchBase": ["ou=Groups,dc=ballerina,dc=io"],
        "groupEntryObjectClass": "groupOfNames", "groupNameAttribute": "cn",
        "groupNameSearchFilter": "(&(objectClass=groupOfNames)(cn=?))",
        "groupNameListFilter": "(objectClass=groupOfNames)", "membershipAttribute": "member",
        "userRolesCacheEnabled": true, "connectionPoolingEnabled": false, "connectionTimeout": 5000,
        "readTimeout": 60000,
    })
}

fn with(changes: &Json) -> Json {
    let mut section = seed();
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Json::Null => drop(section.as_object_mut().unwrap().remove(key)),
            value => section[key] = value.clone(),
        }
    }
    section
}

#[test]
fn the_seeds_record_is_taken_as_it_stands() {
    let read = read(&seed());
    assert_eq!(read.problems, [""; 0]);
    let config = read.config.unwrap();
    assert_eq!(config.user_search_base, ["ou=Users,dc=ballerina,dc=io"]);
    assert_eq!(config.group_search_base, ["ou=Groups,dc=ballerina,dc=io"]);
    assert_eq!((config.pooling, config.roles_max_age), (false, Some(Duration::from_secs(60))));
    assert_eq!(config.read_timeout, Duration::from_secs(60_000));
    let told: Vec<&str> = read.warnings.iter().map(|warning| warning.split(": ").nth(1).unwrap()).collect();
    assert_eq!(
        told,
        ["x.userEntryObjectClass", "x.groupEntryObjectClass", "x.connectionTimeout", "x.readTimeout"],
        "{:?}",
        read.warnings
    );
    assert!(read.warnings[3].ends_with("is 60000 seconds: a number is seconds, not milliseconds"));
    LdapUserStore::new(config).unwrap();
}

#[test]
fn all_other_keys_are_read() {
    let read = read(&with(&json!({
        "connectionUrl": " ldap://localhost:20000  ldap://127.0.0.1 ", "userSearchBase": "ou=A,dc=x # ou=B\\#,dc=x",
        "userEntryObjectClass": null, "groupEntryObjectClass": null, "rolesMaxAge": "5s", "maxConnections": 2,
        "idleTimeout": 60.5, "connectionTimeout": 0.5, "readTimeout": "300s", "connectionPoolingEnabled": true,
        "nestedGroups": true, "userMembershipAttribute": "memberOf", "credentialCache": {"maxAge": "5m"},
        "allowInsecureLdap": true,
    })));
    assert_eq!((read.problems, read.warnings), (vec![], vec![]));
    let config = read.config.unwrap();
    assert_eq!(config.user_search_base, ["ou=A,dc=x", "ou=B\\#,dc=x"]);
    assert_eq!((config.roles_max_age, config.max_connections), (Some(Duration::from_secs(5)), 2));
    assert_eq!(config.idle_timeout, Duration::from_millis(60_500));
    assert_eq!(config.connection_timeout, Duration::from_millis(500));
    assert!(config.pooling && config.nested_groups);
    assert_eq!(config.user_membership_attribute.as_deref(), Some("memberOf"));
    assert_eq!(config.credential_max_age, Some(Duration::from_secs(300)));
    assert_eq!(config.settings().unwrap().urls.len(), 2);
}

#[test]
fn what_is_left_out_has_its_default() {
    let section = json!({
        "domainName": "x", "connectionUrl": "ldap://localhost", "connectionName": "cn=a", "connectionPassword": "p",
        "userSearchBase": ["ou=A,dc=x", "ou=B,dc=x"], "userNameAttribute": "uid", "userNameSearchFilter": "(uid=?)",
    });
    let read = read(&section);
    assert_eq!((read.problems, read.warnings), (vec![], vec![]));
    let config = read.config.unwrap();
    assert_eq!(config.user_search_base.len(), 2);
    assert_eq!(
        (config.connection_timeout, config.read_timeout),
        (Duration::from_secs(5), Duration::from_secs(60))
    );
    assert_eq!((config.max_connections, config.idle_timeout), (10, Duration::from_secs(300)));
    assert!(config.pooling && !config.start_tls && !config.nested_groups && !config.allow_insecure_ldap);
    assert_eq!((config.roles_max_age, config.credential_max_age), (None, None));
}

#[test]
fn one_mistake_is_one_message_with_its_remedy() {
    for (changes, expected) in [
        (json!({"domainName": null}), "x.domainName: required, and missing"),
        (json!({"domainName": ""}), "x.domainName: must not be empty"),
        (json!({"domainName": 5}), "x.domainName: expected a string, found an integer"),
        (json!({"connectionUrl": null}), "x.connectionUrl: required, and missing"),
        (json!({"connectionUrl": ""}), "x.connectionUrl: must not be empty"),
        (json!({"connectionUrl": " "}), "x.connectionUrl: must not be empty"),
        (json!({"connectionUrl": []}), "x.connectionUrl: expected a string, found an array"),
        (
            json!({"connectionUrl": "localhost:389"}),
            "x.connectionUrl: address 1 begins with neither `ldap://`",
        ),
        (json!({"connectionUrl": "ldap://localhost ldaps://"}), "x.connectionUrl: address 2 has no host"),
        (
            json!({"connectionUrl": "ldap://dir.example"}),
            "x.connectionUrl: ldap://dir.example:389 is another machine",
        ),
        (
            json!({"connectionUrl": "ldaps://dir.example ldap://dir2.example", "allowInsecureLdap": true}),
            "x.connectionUrl: ldap://dir2.example:389 would be asked in clear text where those with `ldaps://` are away",
        ),
        (json!({"connectionName": null}), "x.connectionName: required, and missing"),
        (json!({"connectionPassword": null}), "x.connectionPassword: required, and missing"),
        (json!({"connectionPassword": ""}), "x.connectionPassword: an empty secret protects nothing"),
        (json!({"userSearchBase": null}), "x.userSearchBase: required, and missing"),
        (json!({"userSearchBase": []}), "x.userSearchBase: must not be empty"),
        (json!({"userSearchBase": ""}), "x.userSearchBase: must not be empty"),
        (json!({"userSearchBase": 5}), "x.userSearchBase: expected a string or an array of strings"),
        (
            json!({"userSearchBase": [5]}),
            "x.userSearchBase: expected an array of strings, found an integer in it",
        ),
        (json!({"userSearchBase": "ou=A,dc=x#"}), "x.userSearchBase: \"\" is no distinguished name"),
        (json!({"userSearchBase": ["users"]}), "x.userSearchBase: \"users\" is no distinguished name"),
        (json!({"userNameAttribute": null}), "x.userNameAttribute: required, and missing"),
        (json!({"userNameAttribute": "u id"}), "x.userNameAttribute: \"u id\" is no name of an attribute"),
        (json!({"userNameSearchFilter": null}), "x.userNameSearchFilter: required, and missing"),
        (json!({"userNameSearchFilter": "(uid=alice)"}), "x.userNameSearchFilter: holds no `?`"),
        (
            json!({"userNameSearchFilter": "(&(uid=?)"}),
            "x.userNameSearchFilter: is no search filter (RFC 4515)",
        ),
        (json!({"userNameListFilter": "(uid=("}), "x.userNameListFilter: is no search filter"),
        (json!({"groupNameListFilter": "x"}), "x.groupNameListFilter: is no search filter"),
        (json!({"groupNameSearchFilter": "(cn=x)"}), "x.groupNameSearchFilter: holds no `?`"),
        (json!({"groupNameAttribute": null}), "x.groupNameAttribute: required, and missing"),
        (json!({"groupSearchBase": "nowhere"}), "x.groupSearchBase: \"nowhere\" is no distinguished name"),
        (json!({"groupSearchBase": null}), "x.groupSearchBase: required beside `membershipAttribute`"),
        (json!({"groupSearchBase": []}), "x.groupSearchBase: must not be empty"),
        (json!({"groupSearchBase": ""}), "x.groupSearchBase: must not be empty"),
        (json!({"groupSearchBase": true}), "x.groupSearchBase: expected a string or an array of strings"),
        (json!({"membershipAttribute": null}), "x.membershipAttribute: required, and missing"),
        (json!({"membershipAttribute": "*"}), "x.membershipAttribute: \"*\" is no name of an attribute"),
        (
            json!({"membershipAttribute": "memberUid", "nestedGroups": true}),
            "x.nestedGroups: groups with `memberUid` hold users and no groups",
        ),
        (json!({"connectionTimeout": 0}), "x.connectionTimeout: has to be more than zero"),
        (json!({"readTimeout": -1}), "x.readTimeout: a span of time is zero or more seconds"),
        (json!({"maxConnections": -1}), "x.maxConnections: is from 2 to 10000"),
        (json!({"maxConnections": i64::MAX}), "x.maxConnections: is from 2 to 10000"),
        (json!({"maxConnections": "2"}), "x.maxConnections: expected an integer, found a string"),
        (json!({"maxConnections": 1}), "x.maxConnections: is from 2 to 10000"),
        (json!({"maxConnections": 10_001}), "x.maxConnections: is from 2 to 10000"),
        (json!({"rolesMaxAge": 0}), "x.rolesMaxAge: has to be more than zero"),
        (json!({"credentialCache": {"maxAge": 301}}), "x.credentialCache.maxAge: is at most five minutes"),
        (json!({"credentialCache": {"maxAge": 0}}), "x.credentialCache.maxAge: has to be more than zero"),
        (json!({"credentialCache": {}}), "x.credentialCache.maxAge: required, and missing"),
        (json!({"credentialCache": true}), "x.credentialCache: expected a table, found a boolean"),
        (
            json!({"connectionUrl": "ldaps://localhost", "startTls": true}),
            "x.startTls: `ldaps://` is TLS from the start",
        ),
        (json!({"secureSocket": {}}), "x.secureSocket.cert: required, and missing"),
        (
            json!({"connectionTimeOut": 5}),
            "x.connectionTimeOut: unknown key; did you mean `connectionTimeout`?",
        ),
    ] {
        let read = read(&with(&changes));
        assert_eq!(read.problems.len(), 1, "{changes}: {:#?}", read.problems);
        assert!(read.problems[0].contains(expected), "{changes}: {:?}", read.problems);
        // An unknown key is noted when the section ends.
        assert!(read.config.is_none() || read.problems[0].contains("unknown key"), "{changes}");
    }
}

#[test]
fn a_mistake_in_a_table_within_is_told_once_and_at_its_line() {
    for (max_age, expected) in [
        (json!(301), "x.credentialCache.maxAge: is at most five"),
        (json!("soon"), "x.credentialCache.maxAge: "),
    ] {
        let read = read(&json!({"credentialCache": {"maxAge": max_age}}));
        let told: Vec<&String> =
            read.problems.iter().filter(|told| told.contains("credentialCache")).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(expected), "{told:?}");
        assert!(told[0].contains("2:1"), "{told:?}");
    }
}

#[test]
fn only_what_says_where_users_stand_may_be_several_bases_in_one() {
    let joined = "ou=A#1,dc=x";
    for (section, users, groups) in [
        (json!({"userSearchBase": "dc=x#dc=y", "groupSearchBase": joined}), vec!["dc=x", "dc=y"], [joined]),
        (json!({"userSearchBase": [joined], "groupSearchBase": [joined]}), vec![joined], [joined]),
    ] {
        let config = read(&with(&section)).config.unwrap();
        assert_eq!(
            (config.user_search_base, config.group_search_base.as_slice()),
            (users.into_iter().map(str::to_owned).collect(), groups.map(str::to_owned).as_slice(),)
        );
    }
}

#[test]
fn clear_text_to_another_machine_has_to_be_allowed_by_name() {
    let read_with = |changes: &Json| read(&with(changes));
    let allowed = read_with(&json!({"connectionUrl": "ldap://dir.example", "allowInsecureLdap": true}));
    assert!(allowed.config.is_some());
    assert!(
        allowed
            .warnings
            .iter()
            .any(|warning| warning.contains("x.allowInsecureLdap: passwords go to another"))
    );
    for changes in [
        json!({"connectionUrl": "ldaps://dir.example"}),
        json!({"connectionUrl": "ldap://dir.example", "startTls": true}),
        json!({"connectionUrl": "ldap://localhost ldap://[::1]:389 ldap://127.0.0.2"}),
        json!({"connectionUrl": "ldaps://dir.example ldap://localhost:1389"}),
    ] {
        let read = read_with(&changes);
        assert_eq!(read.problems, [""; 0], "{changes}");
    }
    // Where it allows nothing, nothing is said of it.
    for changes in [
        json!({"connectionUrl": "ldaps://dir.example", "allowInsecureLdap": true}),
        json!({"connectionUrl": "ldap://dir.example", "startTls": true, "allowInsecureLdap": true}),
        json!({"connectionUrl": "ldap://localhost", "allowInsecureLdap": true}),
    ] {
        let told = read_with(&changes).warnings;
        assert!(!told.iter().any(|warning| warning.contains("allowInsecureLdap")), "{changes}: {told:?}");
    }
}

#[test]
fn trust_anchors_are_read_from_pem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("public.crt");
    let made = SelfSigned::generate(Duration::from_secs(1_700_000_000)).unwrap();
    std::fs::write(&file, made.pem).unwrap();
    let cert =
        |url: &str| with(&json!({"connectionUrl": url, "secureSocket": {"cert": file.to_str().unwrap()}}));
    let config = read(&cert("ldaps://localhost")).config.unwrap();
    assert!(config.trust.is_some());
    LdapUserStore::new(config).unwrap();
    let is_unused = |section: &Json| {
        read(section).warnings.iter().any(|warning| warning.contains("x.secureSocket.cert: is not used"))
    };
    assert!(is_unused(&cert("ldap://localhost")));
    assert!(!is_unused(&cert("LDAPS://localhost")));
    let mut start_tls = cert("ldap://localhost");
    start_tls["startTls"] = json!(true);
    assert!(!is_unused(&start_tls));
    // Whether it is used shows when the address is one.
    assert!(!is_unused(&cert("localhost")));
    let gone =
        read(&with(&json!({"connectionUrl": "ldaps://localhost", "secureSocket": {"cert": "gone.crt"}})));
    assert_eq!(gone.problems.len(), 1);
    assert!(gone.problems[0].contains("x.secureSocket.cert: "), "{:?}", gone.problems);
}

#[test]
fn no_secret_shows_in_a_message() {
    for changes in [
        json!({"connectionUrl": "ldap://canary:canary@localhost"}),
        json!({"connectionPassword": {"env": 5}, "connectionUrl": "ldap://localhost/canary?canary"}),
    ] {
        for problem in read(&with(&changes)).problems {
            assert!(!problem.contains("canary"), "{problem}");
        }
    }
}

#[test]
fn in_code_all_mistakes_are_told_at_once() {
    let error = LdapUserStore::new(LdapConfig::new("ldap://dir.example").max_connections(0)).unwrap_err();
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().collect();
    for key in [
        "connectionUrl: ",
        "domainName: ",
        "connectionName: ",
        "connectionPassword: ",
        "userSearchBase: ",
        "userNameAttribute: ",
        "userNameSearchFilter: ",
        "maxConnections: ",
    ] {
        assert_eq!(lines.iter().filter(|line| line.starts_with(key)).count(), 1, "{key} {lines:#?}");
    }
    assert_eq!(lines.len(), 8, "{lines:#?}");
}
