//! What is wrong is told: all of it, at its place, and nothing else.

use super::*;

#[test]
fn all_mistakes_are_told_at_once_each_at_its_place() {
    let found = mistakes(
        r#"[services."/foo"]
realn = "x"
auth = [
  { scopes = [], fixedConfig = { token = "t" } },
  { use = "nobody" },
  { scopes = "a" },
  { scopes = "a", fixedConfig = { token = "", grnats = ["x"] } },
  { fixedConfig = { token = "t" }, use = "nobody" },
]
resources."/x" = { scopes = "a", public = true }
resources."/y" = {}
resources."get /z" = { public = true }
resources."/w" = { auth = {} }
resources."/%41" = { public = true }
[services."bar"]
public = true
[services."/baz"]
[service]
"#,
    );
    let expected = [
        "2:1: services.\"/foo\".realn: unknown key; did you mean `realm`?",
        "4:5: services.\"/foo\".auth[0].scopes: an empty list of scopes would admit nobody: name at least one scope, or leave `scopes` out",
        "5:5: services.\"/foo\".auth[1].use: no provider of this name: there is no [providers] table",
        "6:3: services.\"/foo\".auth[2]: needs exactly one of ",
        "7:35: services.\"/foo\".auth[3].fixedConfig.token: an empty secret protects nothing: set it",
        "7:47: services.\"/foo\".auth[3].fixedConfig.grnats: unknown key; did you mean `grants`?",
        "8:36: services.\"/foo\".auth[4].use: `fixedConfig` and `use` exclude each other: keep one of them",
        "10:34: services.\"/foo\".resources.\"/x\".public: `public` beside `auth`, `scopes` or `optional` is a contradiction: keep one of them",
        "11:18: services.\"/foo\".resources.\"/y\": says nothing: give it `auth`, `scopes` or `public = true`",
        "12:22: services.\"/foo\".resources.\"get /z\": \"get\" is not a method: methods are written in capitals, such as GET",
        "13:27: services.\"/foo\".resources.\"/w\".auth: `auth` is an array of elements, or a table with `scopes` alone",
        "15:1: services.bar: the path \"bar\" cannot be used: a path starts with `/`",
        "17:1: services.\"/baz\": the service has no `auth` and would refuse everybody",
        "18:2: service: unknown key; did you mean `services`?",
    ];
    for expected in expected {
        assert!(found.iter().any(|text| text.starts_with(expected)), "{expected}\n in\n{}", found.join("\n"));
    }
    assert!(found.len() <= expected.len() + 1, "{}", found.join("\n"));
}

#[test]
fn one_mistake_hides_no_other_of_its_service() {
    for (wrong, told) in [
        (
            "realm = \"zo\u{eb}\"",
            "2:1: services[0].realm: the realm holds characters outside printable ASCII",
        ),
        ("decisionTimeout = 0", "2:1: services[0].decisionTimeout: at least a millisecond"),
        ("public = true", "2:1: services[0].public: `public` beside `auth` is a contradiction"),
        ("path = \"a\"", "2:1: services[0].path: the path \"a\" cannot be used: a path starts with `/`"),
    ] {
        let path = if wrong.starts_with("path") { "" } else { "path = \"/a\"" };
        let found = mistakes(&format!(
            "[[services]]\n{wrong}\n{path}\nauth = [{{ fixedConfig = {{ token = \"t\" }} }}]\n\
             resources.\"x\" = {{ public = true }}\nresources.\"/y\" = {{ scopes = [] }}\n\
             [[services]]\npath = \"/a/\"\npublic = true\n"
        ));
        let mut expected = vec![
            told,
            "5:17: services[0].resources.x: the path \"x\" cannot be used: a path starts with `/`",
            "6:20: services[0].resources.\"/y\".scopes: an empty list of scopes",
        ];
        if !path.is_empty() {
            expected.push("7:1: services[1]: the service \"/a/\" is configured twice");
        }
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{expected}\n{found}");
        }
    }
}

#[test]
fn a_resource_that_repeats_the_path_of_its_service_is_named() {
    let warnings = |path: &str| {
        let text = format!(
            "services.\"/a\" = {{ public = true, resources.\"{path}\" = {{ public = true }} }}\n\
             services.\"/\" = {{ public = true, resources.\"{path}\" = {{ public = true }} }}\n"
        );
        read(&text).unwrap().warnings().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for path in ["/a", "/a/x", "/a/{id}"] {
        assert_eq!(
            warnings(path),
            [format!(
                "services.\"/a\".resources.\"{path}\": relative to the service, this is /a{path}: leave /a out unless that is meant"
            )]
        );
    }
    for path in ["/x", "/ab", "/", "/x/a"] {
        assert!(warnings(path).is_empty(), "{path}");
    }
}

#[test]
fn one_mistake_in_an_element_brings_no_false_ones_along() {
    for element in ["{ fixedConfig = {} }", "{ use = \"broken\" }"] {
        let found = mistakes(&format!(
            "providers.broken.fixedConfig = {{}}\n[services.\"/a\"]\nauth = [{element}]\n\
             resources.\"/x\" = {{ scopes = \"a\" }}\nresources.\"/y\" = {{ optional = true }}\n\
             resources.\"/z\" = {{ auth = [{element}] }}\n"
        ));
        let token = |text: &String| text.ends_with("fixedConfig.token: required, and missing");
        assert!(found.iter().all(token), "{found:#?}");
        assert_eq!(found.len(), if element.contains("use") { 1 } else { 3 }, "{found:#?}");
    }
}

#[test]
fn a_scopes_line_that_slipped_into_an_inner_table_is_told_where_it_belongs() {
    let found = mistakes(
        r#"
[[services]]
path = "/foo"
[[services.auth]]
[services.auth.fixedConfig]
token = "t"
scopes = "admin"
"#,
    );
    assert_eq!(
        found,
        [
            "7:1: services[0].auth[0].fixedConfig.scopes: does not belong here: `scopes` is a key of the element: \
          move it to services[0].auth[0], before the record's table"
        ]
    );
}

#[test]
fn a_file_that_fails_open_in_ballerina_is_a_mistake() {
    // d-cfg-01
    let found = mistakes("[services.\"/foo\"]\nauth = []");
    assert_eq!(
        found,
        ["2:1: services.\"/foo\".auth: an empty `auth` would refuse everybody: name at least one element"]
    );
    // d-cfg-02
    let found = mistakes("[services.\"/foo\"]\nresources.\"/x\" = { scopes = \"a\" }");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("`scopes` without `auth` guards nothing"), "{found:?}");
    for (keys, expected) in [
        (
            "public = true\nauth = [{ fixedConfig = { token = \"t\" } }]",
            "public: `public` beside `auth` is a contradiction: keep one of them",
        ),
        (
            "public = true\noptional = true",
            "public: `public` beside `optional` is a contradiction: keep one of them",
        ),
        (
            "optional = true\nresources.\"/x\" = { public = true }",
            "optional: `optional` without `auth` has nothing to look at a credential with",
        ),
    ] {
        let found = mistakes(&format!("[services.\"/foo\"]\n{keys}"));
        assert_eq!(found, [format!("2:1: services.\"/foo\".{expected}")]);
    }
}

#[test]
fn a_throttle_has_bounds() {
    for (value, expected) in [
        ("{ perAddress = 0 }", ".perAddress: "),
        ("{ perUser = 1000001 }", ".perUser: "),
        ("{ maxDelay = \"999ms\" }", ".maxDelay: from a second to an hour"),
        ("{ maxDelay = \"61m\" }", ".maxDelay: from a second to an hour"),
        ("{ perUsr = 3 }", ".perUsr: "),
        ("3", ": a table of `perAddress`, `perUser` and `maxDelay`"),
    ] {
        let found = mistakes(&format!("[services.\"/foo\"]\npublic = true\nthrottle = {value}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(&format!("services.\"/foo\".throttle{expected}")), "{value}: {found:?}");
    }
}

#[test]
fn two_services_at_one_path_are_a_mistake() {
    let found =
        mistakes("[[services]]\npath = \"/a\"\npublic = true\n[[services]]\npath = \"/a\"\npublic = true");
    assert_eq!(found, ["4:1: services[1]: the service \"/a\" is configured twice: keep one of them"]);
    // One whose path is wrong is at no path, and not at `/`.
    let found = mistakes("services = [{ path = \"a\", public = true }, { path = \"/\", public = true }]");
    assert_eq!(found, ["1:15: services[0].path: the path \"a\" cannot be used: a path starts with `/`"]);
}

#[test]
fn a_method_is_one_that_requests_have() {
    let read_both = |method: &str| {
        let keyed = format!("resources.\"{method} /x\" = {{ public = true }}");
        let listed = format!("resources = [{{ method = \"{method}\", path = \"/x\", public = true }}]");
        [keyed, listed].map(|keys| read(&format!("[services.\"/a\"]\npublic = true\n{keys}")))
    };
    for method in [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "PURGE", "MKCOL",
        "LINK", "MOVE", "COPY", "QUERY", "M-SEARCH", "LIST",
    ] {
        for config in read_both(method) {
            let auth = config.unwrap().service("/a").unwrap().auth().clone();
            let taken = auth.resources().next().unwrap();
            assert_eq!(taken.method().map(http::Method::as_str), Some(method));
        }
    }
    let for_all = "is not a method: leave the method out, a resource without one is for all";
    let connect = "covers no request: write GET, which covers extended CONNECT";
    let capitals = "is not a method: methods are written in capitals, such as GET";
    let near = |near: &str| {
        format!(
            "is not a standard method; did you mean {near}? If not, leave the method out: a resource without one is for all"
        )
    };
    for (method, told) in [
        ("*", for_all),
        ("ANY", for_all),
        ("All", for_all),
        ("CONNECT", connect),
        ("connect", connect),
        ("get", capitals),
        ("G(T", capitals),
        ("GETT", &near("GET")),
        ("POTS", &near("POST")),
        ("DELTE", &near("DELETE")),
        ("OPTION", &near("OPTIONS")),
        ("CONNET", &near("CONNECT")),
    ] {
        let [keyed, listed] = read_both(method).map(|config| config.unwrap_err().to_string());
        let column = "resources.\" /x\" = {".len() + method.len();
        assert_eq!(
            keyed,
            format!("3:{column}: services.\"/a\".resources.\"{method} /x\": {method:?} {told}")
        );
        assert_eq!(listed, format!("3:16: services.\"/a\".resources[0].method: {method:?} {told}"));
    }
}

#[test]
fn a_key_that_begins_with_a_slash_is_a_path() {
    let patterns = |key: &str| {
        let config =
            read(&format!("[services.\"/a\"]\npublic = true\nresources.\"{key}\" = {{ public = true }}"));
        let auth = config.unwrap().service("/a").unwrap().auth().clone();
        let taken = auth.resources().next().unwrap();
        (taken.method().cloned(), taken.pattern().to_owned())
    };
    for (key, method, pattern) in [
        ("/my files", None, "/a/my files"),
        ("/a  b/{id}", None, "/a/a  b/{id}"),
        ("GET /my files", Some(http::Method::GET), "/a/my files"),
        ("GET  /x", Some(http::Method::GET), "/a/x"),
        ("/x", None, "/a/x"),
    ] {
        assert_eq!(patterns(key), (method, pattern.to_owned()), "{key}");
    }
    for (key, told) in [("/x POST", "POST /x"), ("/my files  get ", "GET /my files")] {
        let text = format!("[services.\"/a\"]\npublic = true\nresources.\"{key}\" = {{ public = true }}");
        let error = read(&text).unwrap_err().to_string();
        assert!(error.ends_with(&format!("the method comes first: write {told:?}")), "{error}");
    }
}

#[test]
fn a_key_of_a_provider_of_ones_own_is_free_and_given_away_once() {
    let told = |keys: &[&str], text: &str| {
        let mut builder = Config::builder();
        for key in keys {
            builder = builder.provider(*key, Fixed::read);
        }
        let problems = builder.parse(text, ".").map(|_| ()).map_err(|error| error.problems().to_vec());
        let texts = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
        problems.map_err(texts).err().unwrap_or_default()
    };
    let own = |key: &str| {
        format!("the key {key:?} of `ConfigBuilder::provider` is one of portcullis' own: choose another")
    };
    let right = "[services.\"/a\"]\nauth = [{ scopes = \"x\", aConfig = { token = \"t\" } }]";
    assert_eq!(told(&["aConfig", "bConfig"], right), [""; 0]);
    for key in [
        "use",
        "scopes",
        "fileUserStoreConfig",
        "ldapUserStoreConfig",
        "jwtValidatorConfig",
        "oauth2IntrospectionConfig",
    ] {
        assert_eq!(told(&["aConfig", key], right), [own(key)]);
    }
    // Whatever the configuration says, and beside what is wrong with it.
    assert_eq!(told(&["use"], ""), [own("use")]);
    assert_eq!(
        told(&["aConfig", "aConfig"], &right.replace("token", "tokn")),
        [
            "the key \"aConfig\" of `ConfigBuilder::provider` is given away twice: choose another for one of them",
            "2:35: services.\"/a\".auth[0].aConfig.token: required, and missing",
            "2:37: services.\"/a\".auth[0].aConfig.tokn: unknown key; did you mean `token`?",
        ]
    );
}

#[cfg(feature = "ldap")]
#[test]
fn a_directory_that_cannot_be_read_opens_no_resource() {
    let record = |keys: &str| {
        format!(
            "{{ domainName = \"d\", connectionUrl = \"ldap://localhost\", connectionName = \"cn=a\", connectionPassword = \
             \"p\", userSearchBase = \"dc=x\", userNameAttribute = \"uid\", userNameSearchFilter = \"(uid=?)\"{keys} }}"
        )
    };
    let text = |record: &str| {
        format!(
            "[services.\"/a\"]\nauth = [{{ scopes = \"*\", fixedConfig = {{ token = \"t\" }} }}]\n\
             resources.\"/admin\" = {{ auth = [{{ scopes = \"admin\", ldapUserStoreConfig = {record} }}] }}\n"
        )
    };
    let config = read(&text(&record(""))).unwrap();
    let resource = config.service("/a").unwrap().auth().resources().next().unwrap().policy().clone();
    assert_eq!(resource.elements()[0].provider().kind(), "ldap");
    for (wrong, key) in [
        (record("").replace("userSearchBase = \"dc=x\"", "userSearchBase = []"), "userSearchBase"),
        (record("").replace("ldap://localhost", " "), "connectionUrl"),
        (
            record(", groupSearchBase = [], membershipAttribute = \"member\", groupNameAttribute = \"cn\""),
            "groupSearchBase",
        ),
    ] {
        let found = mistakes(&text(&wrong));
        assert_eq!(found.len(), 1, "{found:?}");
        let place = format!("services.\"/a\".resources.\"/admin\".auth[0].ldapUserStoreConfig.{key}");
        assert!(found[0].ends_with(&format!(": {place}: must not be empty")), "{found:?}");
    }
}
