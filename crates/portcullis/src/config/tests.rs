use portcullis_core::{
    BoxFuture, BuildError, Context, Credential, Identity, Outcome, Provider, Reason, Scheme, config::Section,
};

use super::*;

#[cfg(all(feature = "client", feature = "jwt"))]
mod clients;
mod gateway;
mod manners;
#[cfg(all(feature = "client", feature = "jwt"))]
mod misplaced;
mod mistakes;
mod silent;
mod throttles;

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
            _ => Outcome::refused(Reason::Other, "another token"),
        })
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        let outcome = self.try_authenticate(credential, cx);
        Box::pin(async move { outcome.unwrap_or_else(|| Outcome::refused(Reason::Other, "unreachable")) })
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

/// Never answers.
#[derive(Debug)]
struct Silent;

impl Provider for Silent {
    fn kind(&self) -> &'static str {
        "silent"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        None
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn limits_of_a_service_are_those_of_the_file() {
    use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

    let clock = portcullis_testing::ManualClock::at(portcullis_core::UnixTime::from_secs(1_000));
    let config = Config::builder()
        .clock(Arc::new(clock.clone()))
        .provider("silentConfig", |_: &Section<'_>| Ok(Silent))
        .parse(
            r#"
            services."/as-it-is" = { auth = [{ silentConfig = {} }] }
            [services."/said"]
            auth = [{ silentConfig = {} }]
            decisionTimeout = 2
            maxCredentialBytes = 20
            forwardCredential = false
            realm = "here"
            "#,
            ".",
        )
        .unwrap();
    for (path, seconds, bytes, forwards) in [("/as-it-is", 10, 16 * 1024, true), ("/said", 2, 20, false)] {
        let auth = config.service(path).unwrap().build().await.unwrap();
        assert_eq!((auth.max_credential_bytes(), auth.forwards_credential()), (bytes, forwards), "{path}");
        let headers = http::HeaderMap::from_iter([(
            http::header::AUTHORIZATION,
            http::HeaderValue::from_static("Bearer t"),
        )]);
        let head = portcullis_core::RequestHead::new(&http::Method::GET, path, &headers);
        let mut decided = pin!(auth.decided(&head));
        let mut look = async || poll_fn(|cx| Poll::Ready(decided.as_mut().poll(cx))).await;
        assert!(look().await.is_pending(), "{path}");
        clock.advance(Duration::from_secs(seconds) - Duration::from_millis(1));
        assert!(look().await.is_pending(), "{path}");
        clock.advance(Duration::from_millis(1));
        let Poll::Ready(Err(rejection)) = look().await else { panic!("{path} waits no longer") };
        assert_eq!(rejection.status(), 503, "{path}");
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

#[test]
fn resources_that_cover_the_same_are_told_at_the_later_one_and_hide_no_other_mistake() {
    let found = mistakes(
        r#"[services."/a"]
auth = [{ scopes = "x", fixedConfig = { token = "t" } }]
[[services."/a".resources]]
path = "/r/{one}"
scopes = "y"
[[services."/a".resources]]
path = "/s"
scopes = "y"
[[services."/a".resources]]
path = "/r/{two}"
public = true
[[services."/a".resources]]
path = "/s"
public = true
"#,
    );
    assert_eq!(found.len(), 2, "{found:?}");
    let twin = "cover the same requests: keep one of them";
    assert!(found.iter().all(|text| text.ends_with(twin)), "{found:?}");
    assert!(found[0].contains("services.\"/a\".resources[2]: "), "{found:?}");
    assert!(found[1].contains("services.\"/a\".resources[3]: "), "{found:?}");
}

#[test]
fn hundreds_of_resources_are_read_in_one_go() {
    let resource = |number: usize| format!("resources.\"GET /r{number}/{{id}}\" = {{ scopes = \"x\" }}\n");
    let many: String = (0..300).map(resource).collect();
    let text = format!(
        "[services.\"/a\"]\nauth = [{{ scopes = \"x\", fixedConfig = {{ token = \"t\" }} }}]\n{many}"
    );
    assert_eq!(read(&text).unwrap().service("/a").unwrap().auth.resources().count(), 300);
}
