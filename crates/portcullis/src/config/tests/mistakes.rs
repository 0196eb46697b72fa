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
