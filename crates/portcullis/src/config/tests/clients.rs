//! `[clients]`: every record, how it is told, and what is wrong with one.

use portcullis_testing::contract::shows_no_secret;

use super::*;

const SECRETS: [&str; 2] = ["canary-secret-0123456789abcdef-0123456789", "canary-other-7f3a"];
const SECRET: &str = SECRETS[0];

/// A client with this `auth`.
fn client(auth: &str) -> String {
    format!("[clients.orders]\nurl = \"https://orders.example/base\"\nauth = {{ {auth} }}\n")
}

#[track_caller]
fn grant_of(text: &str) -> &'static str {
    let config = read(text).unwrap_or_else(|error| panic!("{text}\n{error:?}"));
    shows_no_secret(&format!("{config:?}"), &SECRETS);
    config.client("orders").unwrap().grant()
}

/// The one mistake, without its place in the text.
#[track_caller]
fn mistake(text: &str) -> String {
    let found = mistakes(text);
    assert_eq!(found.len(), 1, "{text}\n{found:#?}");
    shows_no_secret(&found[0], &SECRETS);
    found[0].split_once(": ").unwrap().1.to_owned()
}

fn records() -> Vec<(String, &'static str)> {
    let common =
        format!("tokenUrl = \"https://id.example/token\", clientId = \"shop\", clientSecret = \"{SECRET}\"");
    let signed = format!("signatureConfig = {{ algorithm = \"HS256\", config = \"{SECRET}\" }}");
    vec![
        (format!("username = \"alice\", password = \"{SECRET}\""), "basic"),
        (format!("token = \"{SECRET}\""), "bearer"),
        (format!("issuer = \"shop\", username = \"alice\", audience = \"orders\", {signed}"), "jwt"),
        (common.clone(), "client_credentials"),
        (format!("username = \"alice\", password = \"{SECRET}\", {common}"), "password"),
        (
            format!(
                "tokenUrl = \"https://id.example/token\", username = \"alice\", password = \"{SECRET}\", clientId = \"shop\", \
                 clientSecret = \"{SECRET}\", refreshConfig = \"INFER_REFRESH_CONFIG\""
            ),
            "password",
        ),
        (
            format!(
                "refreshUrl = \"https://id.example/token\", refreshToken = \"{SECRET}\", clientId = \"shop\", clientSecret = \
                 \"{SECRET}\""
            ),
            "refresh_token",
        ),
        (format!("assertion = \"{SECRET}\", {common}"), "jwt_bearer"),
        (
            format!(
                "assertion = {{ issuer = \"shop\", audience = \"https://id.example\", {signed} }}, {common}"
            ),
            "jwt_bearer",
        ),
        (
            format!(
                "tokenUrl = \"https://id.example/token\", clientId = \"shop\", clientAssertion = {{ {signed} }}, scopes = [\"a\"]"
            ),
            "client_credentials",
        ),
    ]
}

#[test]
fn every_record_is_told_by_its_keys_or_named_at_the_client_or_in_it() {
    for (auth, name) in records() {
        assert_eq!(grant_of(&client(&auth)), name, "{auth}");
        assert_eq!(grant_of(&client(&format!("grant = \"{name}\", {auth}"))), name, "{auth}");
        assert_eq!(grant_of(&format!("{}grant = \"{name}\"\n", client(&auth))), name, "{auth}");
        // Named twice, even alike, is one word too many.
        let twice = format!("{}grant = \"{name}\"\n", client(&format!("grant = \"{name}\", {auth}")));
        assert_eq!(
            mistake(&twice),
            "clients.orders.auth.grant: is named at the client, too: keep one of them"
        );
    }
}

#[test]
fn an_exchange_of_tokens_is_told_by_its_name() {
    let auth =
        format!("tokenUrl = \"https://id.example/token\", clientId = \"shop\", clientSecret = \"{SECRET}\"");
    for name in ["token_exchange", "on_behalf_of"] {
        let scopes = if name == "on_behalf_of" { ", scopes = \"orders\"" } else { "" };
        assert_eq!(grant_of(&client(&format!("grant = \"{name}\", {auth}{scopes}"))), name);
        assert_eq!(grant_of(&format!("{}grant = \"{name}\"\n", client(&format!("{auth}{scopes}")))), name);
    }
}

#[test]
fn records_that_contradict_each_other_or_their_name_are_one_mistake_each() {
    let signed = format!("signatureConfig = {{ algorithm = \"HS256\", config = \"{SECRET}\" }}");
    let grant = "tokenUrl = \"https://id.example/token\"";
    for (auth, told) in [
        (
            format!("token = \"{SECRET}\", {grant}"),
            "clients.orders.auth.token: `tokenUrl` and `token` belong to different records",
        ),
        (
            format!("username = \"alice\", password = \"{SECRET}\", token = \"{SECRET}\""),
            "clients.orders.auth.password: `token` and `password` belong to different records",
        ),
        (
            format!("{signed}, password = \"{SECRET}\""),
            "clients.orders.auth.password: `signatureConfig` and `password` belong to different records",
        ),
        (
            format!("{signed}, {grant}"),
            "clients.orders.auth.tokenUrl: `signatureConfig` and `tokenUrl` belong to different records",
        ),
        (
            format!("grant = \"bearer\", {grant}"),
            "clients.orders.auth.tokenUrl: does not belong to the record that `grant = \"bearer\"` names",
        ),
        (
            format!("grant = \"client_credentials\", username = \"alice\", password = \"{SECRET}\""),
            "clients.orders.auth.password: does not belong to the record that `grant = \"client_credentials\"` names",
        ),
        (
            format!("grant = \"token_exchange\", token = \"{SECRET}\""),
            "clients.orders.auth.token: does not belong to the record that `grant = \"token_exchange\"` names",
        ),
        (
            String::new(),
            "clients.orders.auth: needs the keys of exactly one record: `username` and `password`; `token`;",
        ),
        (
            format!("grant = \"client_credential\", {grant}"),
            "clients.orders.auth.grant: \"client_credential\" is not one of \"basic\", \"bearer\", \"jwt\", \
             \"client_credentials\", \"password\", \"refresh_token\", \"jwt_bearer\", \"token_exchange\", \"on_behalf_of\"; \
             did you mean \"client_credentials\"?",
        ),
    ] {
        let found = mistake(&client(&auth));
        assert!(found.starts_with(told), "{auth}\n{found}\n{told}");
    }
    let absent = mistake("[clients.orders]\nurl = \"https://orders.example\"\n");
    assert!(absent.starts_with("clients.orders.auth: required, and missing"), "{absent}");
}

#[test]
fn what_no_header_can_carry_is_told_when_it_is_read() {
    for (auth, told) in [
        (
            "username = \"\", password = \"canary-other-7f3a\"",
            "clients.orders.auth.username: must not be empty",
        ),
        (
            "username = \"  \", password = \"canary-other-7f3a\"",
            "clients.orders.auth.username: is blank: name the user",
        ),
        (
            "username = \"alice\", password = \"\"",
            "clients.orders.auth.password: an empty secret protects nothing: set it",
        ),
        ("username = \"alice\", password = \" \"", "clients.orders.auth.password: is blank: set it"),
        ("username = \"alice\"", "clients.orders.auth.password: required, and missing"),
        ("password = \"canary-other-7f3a\"", "clients.orders.auth.username: required, and missing"),
        (
            "username = \"al:ice\", password = \"canary-other-7f3a\"",
            "clients.orders.auth.username: the credential has a user name with a colon",
        ),
        (
            "username = \"alice\", password = \"canary-other-7f3a\\n\"",
            "clients.orders.auth.password: the credential has a control character",
        ),
        ("token = \"\"", "clients.orders.auth.token: an empty secret protects nothing: set it"),
        (
            "token = \"Bearer canary-other-7f3a\"",
            "clients.orders.auth.token: the credential is empty, or holds a blank, a comma",
        ),
        ("issuer = \"shop\"", "clients.orders.auth.signatureConfig: required, and missing"),
        (
            "clientId = \"shop\", clientSecret = \"canary-other-7f3a\"",
            "clients.orders.auth.tokenUrl: required, and missing",
        ),
    ] {
        let found = mistake(&client(auth));
        assert!(found.starts_with(told), "{auth}\n{found}");
    }
}

#[test]
fn misspelt_keys_are_suggested_at_the_client_and_in_its_record() {
    let found =
        mistakes("[clients.orders]\nurll = \"https://a.example\"\nauth = { tokn = \"canary-other-7f3a\" }\n");
    let told = [
        "2:1: clients.orders.urll: unknown key; did you mean `url`?",
        "3:8: clients.orders.auth: needs the keys of exactly one record",
        "3:10: clients.orders.auth.tokn: unknown key; did you mean `token`?",
    ];
    for told in told {
        assert!(found.iter().any(|found| found.starts_with(told)), "{told}\n{found:#?}");
    }
    shows_no_secret(&found.concat(), &SECRETS);
}

#[test]
fn a_client_says_where_its_credential_may_go() {
    let places = |keys: &str| {
        let text = format!("[clients.orders]\n{keys}\nauth = {{ token = \"t\" }}\n");
        read(&text).map(|config| config.client("orders").unwrap().origins().map(<[String]>::to_vec))
    };
    for (keys, origins) in [
        ("url = \"https://Orders.example/base\"", Some(vec!["https://orders.example"])),
        ("url = \"orders.example:8443\"", Some(vec!["https://orders.example:8443"])),
        ("url = \"wss://orders.example/chat\"", Some(vec!["wss://orders.example"])),
        ("url = \"WSS://orders.example/chat\"", Some(vec!["wss://orders.example"])),
        ("url = \"http://127.0.0.1:8080\"", Some(vec!["http://127.0.0.1:8080"])),
        (
            "url = \"https://a.example\"\norigins = [\"https://b.example\", \"c.example\"]",
            Some(vec!["https://a.example", "https://b.example", "https://c.example"]),
        ),
        ("origins = \"https://b.example\"", Some(vec!["https://b.example"])),
        ("url = \"http://a.example\"\nallowInsecureHttp = true", Some(vec!["http://a.example"])),
        ("anyOrigin = true", None),
        ("url = \"https://a.example\"\nanyOrigin = true", None),
    ] {
        let origins: Option<Vec<String>> =
            origins.map(|origins| origins.into_iter().map(str::to_owned).collect());
        assert_eq!(places(keys).unwrap(), origins, "{keys}");
    }
    for (keys, told) in [
        ("", "clients.orders.url: required, and missing: the credential goes to its origin alone"),
        ("anyOrigin = false", "clients.orders.url: required, and missing"),
        ("url = \"\"", "clients.orders.url: "),
        (
            "url = \"https://alice:canary-other-7f3a@a.example\"",
            "clients.orders.url: the url has a user name",
        ),
        (
            "url = \"https://a.example/?key=canary-other-7f3a\"",
            "clients.orders.url: the url has a query or a fragment",
        ),
        ("url = \"ftp://a.example\"", "clients.orders.url: the url has another scheme"),
        ("url = \"http://a.example\"", "clients.orders.url: plain http to another machine can be read"),
        ("url = \"https://a.example\"\norigins = []", "clients.orders.origins: an empty list adds nothing"),
        (
            "url = \"https://a.example\"\norigins = \"https://b.example/path\"",
            "clients.orders.origins: the origin has a path",
        ),
        (
            "url = \"https://a.example\"\norigins = \"http://b.example\"",
            "clients.orders.origins: plain http to another machine",
        ),
        (
            "anyOrigin = true\norigins = \"https://b.example\"",
            "clients.orders.origins: beside `anyOrigin` it has no effect",
        ),
        (
            "url = \"https://a.example\"\nconnectTimeout = 0",
            "clients.orders.connectTimeout: zero lets no request succeed",
        ),
        (
            "url = \"https://a.example\"\nrequestTimeout = \"0s\"",
            "clients.orders.requestTimeout: zero lets no request succeed",
        ),
        (
            "url = \"https://a.example\"\nhttpVersion = \"3\"",
            "clients.orders.httpVersion: \"3\" is no version of HTTP that is spoken",
        ),
        (
            "url = \"https://a.example\"\nsecureSocket = { cert = \"absent.crt\" }",
            "clients.orders.secureSocket.cert: ",
        ),
    ] {
        let text = format!("[clients.orders]\n{keys}\nauth = {{ token = \"t\" }}\n");
        let found = mistake(&text);
        assert!(found.starts_with(told), "{keys}\n{found}");
    }
}

#[test]
fn all_mistakes_of_a_client_are_told_at_once() {
    let found = mistakes(
        r#"[clients.orders]
url = "ftp://a.example"
origins = [3]
auth = { username = "", password = "" }
retryOn401 = "no"
connectTimeout = 0
httpVersion = "3"
secureSocket = { cert = "absent.crt" }
[clients.""]
url = "https://a.example"
auth = { token = "t" }
[clients]
other = 7
"#,
    );
    for told in [
        "clients.orders.url: ",
        "clients.orders.origins: ",
        "clients.orders.auth.username: ",
        "clients.orders.auth.password: ",
        "clients.orders.retryOn401: expected true or false, found a string",
        "clients.orders.connectTimeout: ",
        "clients.orders.httpVersion: ",
        "clients.orders.secureSocket.cert: ",
        "clients.\"\": a client needs a name: [clients.NAME]",
        "clients.other: expected a table, found an integer",
    ] {
        assert_eq!(found.iter().filter(|found| found.contains(told)).count(), 1, "{told}\n{found:#?}");
    }
    assert_eq!(found.len(), 10, "{found:#?}");
}

#[test]
fn what_works_and_should_be_known_is_warned_about() {
    let warnings = |keys: &str| {
        let config = read(&format!("[clients.orders]\n{keys}\nauth = {{ token = \"t\" }}\n")).unwrap();
        config.warnings().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(warnings("url = \"https://a.example\""), Vec::<String>::new());
    assert_eq!(warnings("url = \"http://localhost:1\""), Vec::<String>::new());
    for (keys, told) in [
        ("anyOrigin = true", "2:1: clients.orders.anyOrigin: the credential goes wherever a request goes"),
        (
            "url = \"http://a.example\"\nallowInsecureHttp = true",
            "2:1: clients.orders.url: plain http to another machine",
        ),
        (
            "url = \"WS://a.example\"\nallowInsecureHttp = true",
            "2:1: clients.orders.url: plain http to another machine",
        ),
        (
            "url = \"https://a.example/x\"\norigins = \"https://A.example\"",
            "3:1: clients.orders.origins: names https://a.example twice, or the origin of `url`, which is one anyway",
        ),
        (
            "url = \"http://localhost:1\"\nsecureSocket = { disable = true }",
            "3:1: clients.orders.secureSocket: has no effect: the client calls plain http",
        ),
        (
            "url = \"https://a.example\"\nsecureSocket = { disable = true }",
            "3:18: clients.orders.secureSocket.disable: the server's certificate is not verified",
        ),
    ] {
        let found = warnings(keys);
        assert!(found.iter().any(|found| found.starts_with(told)), "{keys}\n{found:#?}");
    }
}

#[test]
fn clients_are_found_by_name_in_the_order_of_the_file() {
    let text = "[clients.zebra]\nurl = \"https://z.example\"\nauth = { token = \"t\" }\n\
                [clients.\"a b\"]\nurl = \"https://a.example\"\nauth = { token = \"t\" }\n";
    let config = read(text).unwrap();
    let names: Vec<&str> = config.clients().iter().map(ConfiguredClient::name).collect();
    assert_eq!(names, ["zebra", "a b"]);
    assert_eq!(config.client("a b").unwrap().origins().unwrap(), ["https://a.example"]);
    let absent = config.client("orders").unwrap_err().to_string();
    assert_eq!(absent, "clients: there is no client \"orders\"; the configuration has zebra, a b");
    let none = read("[clients]").unwrap();
    assert!(none.clients().is_empty());
    let absent = none.client("orders").unwrap_err().to_string();
    assert_eq!(absent, "clients: there is no client \"orders\"; the configuration has none");
    assert_eq!(mistake("clients = 7"), "clients: expected a table, found an integer");
}

#[test]
fn a_rotation_hook_is_for_a_client_that_there_is() {
    use portcullis_oauth2::grant::RotationHook;

    let hook = || RotationHook::new(|_| async { Ok(()) });
    let text = client("token = \"t\"");
    assert!(Config::builder().rotation_hook("orders", hook()).parse(&text, ".").is_ok());
    for text in [text.as_str(), ""] {
        let error = Config::builder().rotation_hook("order", hook()).parse(text, ".").unwrap_err();
        let told = "there is no client \"order\", for which the program has a rotation hook";
        assert!(error.to_string().ends_with(told), "{error}");
    }
}

#[test]
fn the_token_of_an_introspection_call_comes_by_any_grant_and_by_no_other_record() {
    let introspection = |auth: &str| {
        format!(
            "services.\"/\" = {{ auth = [{{ scopes = \"x\", oauth2IntrospectionConfig = {{ url = \
             \"https://id.example/introspect\", clientConfig = {{ auth = {{ {auth} }} }} }} }}] }}\n"
        )
    };
    for (auth, name) in records() {
        let text = introspection(&auth);
        match name {
            "basic" | "bearer" | "jwt" => drop(mistakes(&text)),
            _ => {
                let config = read(&text).unwrap_or_else(|error| panic!("{auth}\n{error:?}"));
                shows_no_secret(&format!("{config:?}"), &SECRETS);
            }
        }
    }
    // The call for the token itself has none of its own.
    let (grant, _) = &records()[3];
    let nested = introspection(&format!("{grant}, clientConfig = {{ auth = {{ {grant} }} }}"));
    let found = mistake(&nested);
    assert!(
        found.contains(".auth.clientConfig.auth: a token endpoint is asked with the client's own id"),
        "{found}"
    );
}
