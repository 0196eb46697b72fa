use portcullis_core::{
    BoxFuture, BuildError, Context, Credential, Identity, Outcome, Provider, Scheme, config::Section,
};

use super::*;

/// Knows the bearer token it is configured with.
#[derive(Debug)]
struct Fixed {
    token: portcullis_core::Secret,
    scopes: Vec<String>,
}

impl Fixed {
    fn read(section: &Section<'_>) -> Result<Self, BuildError> {
        let token = section.required_secret("token");
        let scopes = section.strings("grants").unwrap_or_default();
        Ok(Self { token: token.ok_or_else(|| BuildError::new("no token"))?, scopes })
    }
}

impl Provider for Fixed {
    fn kind(&self) -> &'static str {
        "fixed"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(match credential {
            Credential::Bearer(bearer) if bearer.token() == self.token.expose() => {
                Outcome::known(Identity::new("fixed").with_scopes(self.scopes.clone()))
            }
            _ => Outcome::refused("wrong", "another token"),
        })
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        let outcome = self.try_authenticate(credential, cx);
        Box::pin(async move { outcome.unwrap_or_else(|| Outcome::refused("wrong", "unreachable")) })
    }
}

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::builder().provider("fixedConfig", Fixed::read).parse(text, "/base")
}

#[track_caller]
fn mistakes(text: &str) -> Vec<String> {
    read(text).expect_err("a mistake").problems().iter().map(ToString::to_string).collect()
}

/// The decision on a request, as a status and the principal's provider.
async fn ask(
    config: &Config,
    service: &str,
    method: &str,
    path: &str,
    token: Option<&str>,
) -> (u16, Option<String>) {
    let auth = config.service(service).unwrap().build().await.unwrap();
    let mut headers = http::HeaderMap::new();
    if let Some(token) = token {
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let method = method.parse().unwrap();
    match auth.decided(&portcullis_core::RequestHead::new(&method, path, &headers)).await {
        Ok(admission) => (200, admission.principal().map(|principal| principal.provider().to_owned())),
        Err(rejection) => (rejection.status().as_u16(), None),
    }
}

const WHOLE: &str = r#"
    [providers.wso2.fixedConfig]
    token = "t1"
    grants = ["hello"]

    [services."/foo"]
    realm = "foo"
    auth = [
      { scopes = ["admin"], fixedConfig = { token = "t2", grants = "hello" } },
      { scopes = "hello", use = "wso2" },
      { scopes = "*", fixedConfig = {
          token = "t3",
      } },
    ]
    resources."GET /admin" = { scopes = "root" }
    resources."/health" = { public = true }
    resources."/maybe" = { optional = true }
    resources."POST /own" = { auth = [{ scopes = "x", fixedConfig = { token = "t4", grants = "x" } }] }
    resources."/as-in-ballerina" = { auth = { scopes = "hello" } }

    [services."/bar".resources."/baz"]
    auth = [{ use = "wso2" }]
"#;

#[tokio::test]
async fn elements_resources_and_named_providers_decide_as_written() {
    let config = read(WHOLE).unwrap();
    let fixed = || Some("fixed".to_owned());
    for (service, method, path, token, status, provider) in [
        ("/foo", "GET", "/foo/x", None, 401, None),
        ("/foo", "GET", "/foo/x", Some("t1"), 200, Some("wso2".to_owned())),
        ("/foo", "GET", "/foo/x", Some("t2"), 403, None),
        ("/foo", "GET", "/foo/x", Some("t3"), 200, fixed()),
        ("/foo", "GET", "/foo/x", Some("t4"), 401, None),
        ("/foo", "GET", "/foo/admin", Some("t1"), 403, None),
        ("/foo", "HEAD", "/foo/admin", Some("t1"), 403, None),
        ("/foo", "POST", "/foo/admin", Some("t1"), 200, Some("wso2".to_owned())),
        ("/foo", "GET", "/foo/health", None, 200, None),
        ("/foo", "GET", "/foo/health", Some("bad"), 200, None),
        ("/foo", "GET", "/foo/maybe", None, 200, None),
        ("/foo", "GET", "/foo/maybe", Some("bad"), 401, None),
        ("/foo", "POST", "/foo/own", Some("t4"), 200, fixed()),
        ("/foo", "POST", "/foo/own", Some("t1"), 401, None),
        ("/foo", "GET", "/foo/own", Some("t1"), 200, Some("wso2".to_owned())),
        ("/foo", "GET", "/foo/as-in-ballerina", Some("t2"), 200, fixed()),
        ("/foo", "GET", "/foo/as-in-ballerina", Some("t3"), 403, None),
        ("/bar", "GET", "/bar/baz", Some("t1"), 200, Some("wso2".to_owned())),
        ("/bar", "GET", "/bar/baz", None, 401, None),
        ("/bar", "GET", "/bar/other", Some("t1"), 401, None),
        ("/foo", "GET", "/elsewhere", Some("t1"), 500, None),
    ] {
        assert_eq!(
            ask(&config, service, method, path, token).await,
            (status, provider),
            "{method} {path} {token:?}"
        );
    }
}

#[test]
fn arrays_and_keyed_tables_mean_the_same() {
    let config = read(
        r#"
        [[services]]
        path = "/foo"
        auth = [{ scopes = "a", fixedConfig = { token = "t" } }]
        [[services.resources]]
        method = "GET"
        path = "/admin"
        scopes = "b"
        [[services]]
        path = "/bar"
        public = true
        "#,
    )
    .unwrap();
    let paths: Vec<&str> = config.services().iter().map(ServiceConfig::path).collect();
    assert_eq!(paths, ["/foo", "/bar"]);
    assert!(config.service("/bar").unwrap().auth.policy().is_public());
    assert_eq!(config.service("/foo").unwrap().auth.resources().count(), 1);
    let error = config.service("/nope").unwrap_err().to_string();
    assert_eq!(error, "services: there is no service \"/nope\"; the configuration has \"/foo\", \"/bar\"");
}

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
fn what_this_version_lacks_is_said_and_not_ignored() {
    let found = mistakes(
        r#"
clients.orders = {}
[services."/foo"]
credentialSources = ["header", "cookie:x"]
protocol = "grpc"
throttle = {}
auth = [{ scopes = "a", ldapUserStoreConfig = {} }, { scopes = "a", oauth2IntrospectionConfig = {} }]
"#,
    );
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(found.iter().all(|text| text.contains("available in this version")), "{found:?}");
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
fn gateway_keys_are_read_and_checked() {
    let config = read(
        r#"
        [services."/a"]
        public = true
        respond = "hi"
        pathMatching = "exact"
        forwardCredential = false
        cors = { allowOrigins = ["https://x.example"], maxAge = "1h" }
        [services."/b"]
        public = true
        upstream = "http://127.0.0.1:8080/base"
        "#,
    )
    .unwrap();
    let a = config.service("/a").unwrap().gateway();
    assert!(matches!(&a.answer, Some(Answer::Respond(text)) if text == "hi"));
    assert_eq!((a.path_matching, a.forward_credential), (PathMatching::Exact, Some(false)));
    assert_eq!(a.cors.as_ref().unwrap().max_age.unwrap().as_secs(), 3600);
    let b = config.service("/b").unwrap().gateway();
    assert!(
        matches!(&b.answer, Some(Answer::Upstream(upstream)) if upstream.url == "http://127.0.0.1:8080/base" && upstream.tls.is_none())
    );

    let found = mistakes(
        r#"
        [services."/a"]
        public = true
        respond = "hi"
        upstream = "http://x"
        pathMatching = "loose"
        [services."/b"]
        public = true
        upstream = "ftp://user:canary-secret@host/x?canary-secret"
        cors = { allowOrigins = ["*", "nonsense/"], allowCredentials = true }
        "#,
    );
    for expected in [
        "`respond` and `upstream` exclude each other",
        "\"loose\" is not one of",
        "b\".upstream: not an address",
        "\"*\" does not work with",
        "not an origin",
    ] {
        assert!(found.iter().any(|text| text.contains(expected)), "{expected}: {found:#?}");
    }
    assert!(!found.concat().contains("canary"));
}

#[test]
fn an_upstream_is_a_scheme_a_host_and_perhaps_a_port_and_a_base() {
    let upstream = |url: &str| read(&format!("services.\"/a\" = {{ public = true, upstream = \"{url}\" }}"));
    for url in [
        "http://h",
        "http://h/",
        "http://h:80",
        "https://h:65535/base",
        "http://[::1]",
        "http://[::1]:8080/a",
        "http://127.0.0.1:8080",
    ] {
        assert!(upstream(url).is_ok(), "{url}");
    }
    for url in [
        "",
        "h:80",
        "//h",
        "/a",
        "ftp://h",
        "http://",
        "http://:80",
        "http://h:",
        "http://h:0",
        "http://h:99999",
        "http://h:x",
        "http://[::1]:99999",
        "http://u@h",
        "http://u:p@h:80",
        "http://h/?q",
        "http://h:80/a?",
    ] {
        let error = upstream(url).unwrap_err();
        assert_eq!(error.problems().len(), 1, "{url}: {error}");
        assert_eq!(error.problems()[0].path(), "services.\"/a\".upstream", "{url}: {error}");
    }
}

#[test]
fn elements_without_scopes_are_named_once() {
    let config = read("[services.\"/a\"]\nauth = [{ fixedConfig = { token = \"t\" } }, { scopes = \"*\", fixedConfig = { token = \"t\" } }]").unwrap();
    let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["services.\"/a\".auth[0]: no `scopes`: every caller whom the element authenticates is admitted"]
    );
}

#[test]
fn elements_and_named_providers_are_found_by_the_path_that_messages_show() {
    let config = read(WHOLE).unwrap();
    let (service, element) = config.element("services.\"/foo\".auth[1]").unwrap();
    assert_eq!(service.path(), "/foo");
    assert_eq!(element.name(), "wso2");
    assert_eq!(element.scopes().iter().collect::<Vec<_>>(), ["hello"]);
    assert_eq!(
        config.element("services.\"/foo\".resources.\"POST /own\".auth[0]").unwrap().1.name(),
        "fixed"
    );
    assert_eq!(config.provider("wso2").unwrap().kind(), "fixed");
    let absent = config.element("services.\"/foo\".auth[7]").unwrap_err().to_string();
    assert!(
        absent.contains(
            "no element services.\"/foo\".auth[7]; the configuration has services.\"/foo\".auth[0], "
        ),
        "{absent}"
    );
    let absent = config.provider("wso").unwrap_err().to_string();
    assert!(absent.ends_with("the configuration has wso2"), "{absent}");
}

#[test]
fn all_keys_that_a_file_may_hold_are_known() {
    let config = read(WHOLE).unwrap();
    let known = |key: &str| config.known_keys().iter().any(|known| known == key);
    assert!(known("services.\"/foo\".decisionTimeout"));
    assert!(known("providers.wso2.fixedConfig.grants"));
    assert!(!known("services.\"/foo\".publik"));
}
