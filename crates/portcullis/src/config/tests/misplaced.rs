//! Keys that stand in the wrong table of a client.

use super::*;

const GRANT: &str = "tokenUrl = \"https://id.example/t\", clientId = \"x\", clientSecret = \"s3cr3t\"";

/// The mistakes of a client with these lines.
#[track_caller]
fn told(lines: &str) -> Vec<String> {
    mistakes(&format!("[clients.a]\n{lines}\n"))
}

#[test]
fn a_key_of_the_record_at_the_client_is_sent_to_auth() {
    for (key, value) in [("scopes", "\"orders\""), ("clientConfig", "{ requestTimeout = 3 }")] {
        let found = told(&format!("url = \"https://a.example\"\n{key} = {value}\nauth = {{ {GRANT} }}"));
        assert_eq!(
            found,
            [format!(
                "3:1: clients.a.{key}: does not belong here: `{key}` is a key of `auth`: move it to clients.a.auth"
            )]
        );
    }
    let found = told("url = \"https://a.example\"\nusername = \"u\"\npassword = \"s3cr3t\"");
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found.iter().any(|text| text.contains("a.auth: required, and missing")), "{found:#?}");
    assert!(
        found.iter().any(|text| text.ends_with("`password` is a key of `auth`: move it to clients.a.auth"))
    );
}

#[test]
fn a_key_of_the_client_behind_the_header_of_auth_is_sent_back() {
    let found = told("url = \"https://a.example\"\n[clients.a.auth]\ntoken = \"t\"\nretryOn401 = false");
    assert_eq!(
        found,
        [
            "5:1: clients.a.auth.retryOn401: does not belong here: `retryOn401` is a key of the client: move it to clients.a, \
          before the table of `auth`"
        ]
    );
    let found = told("[clients.a.auth]\ntoken = \"t\"\nurl = \"https://a.example\"");
    assert!(found.iter().any(|text| text.contains("`url` is a key of the client")), "{found:#?}");
}

#[test]
fn how_a_server_is_called_is_said_of_the_token_endpoint_or_of_the_service() {
    let with = |auth: &str| told(&format!("url = \"https://a.example\"\nauth = {{ {auth} }}"));
    let found = with(&format!("requestTimeout = 3, {GRANT}"));
    assert_eq!(
        found,
        ["3:10: clients.a.auth.requestTimeout: does not belong here: `requestTimeout` is a key of \
          clients.a.auth.clientConfig, for the token endpoint, and of clients.a, for what it calls"]
    );
    let found = with("token = \"t\", requestTimeout = 3");
    assert!(found[0].contains("`requestTimeout` is a key of the client"), "{found:#?}");
}

#[test]
fn scopes_are_a_grants_and_stand_before_its_tables() {
    let with = |auth: &str| told(&format!("url = \"https://a.example\"\nauth = {{ {auth} }}"));
    let signed = "signatureConfig = { algorithm = \"HS256\", config = \"0123456789abcdef0123456789abcdef\" }";
    let nested = format!("{GRANT}, clientConfig = {{ scopes = \"orders\" }}");
    for (auth, says) in [
        (nested.clone(), "move it to clients.a.auth, before the tables in it"),
        (format!("{signed}, scopes = \"orders\""), "has its scopes among `customClaims`"),
        (
            "username = \"u\", password = \"s3cr3t\", scopes = \"orders\"".to_owned(),
            "only a grant asks for scopes",
        ),
        ("token = \"t\", scopes = \"orders\"".to_owned(), "only a grant asks for scopes"),
    ] {
        let found = with(&auth);
        assert!(found.len() == 1 && found[0].contains(says), "{auth}: {found:#?}");
    }
    let named =
        told(&format!("url = \"https://a.example\"\ngrant = \"client_credentials\"\nauth = {{ {nested} }}"));
    assert!(named.len() == 1 && named[0].contains("before the tables in it"), "{named:#?}");
}

#[test]
fn a_key_of_an_exchange_names_the_grant_that_is_missing() {
    let with = |auth: &str| told(&format!("url = \"https://a.example\"\nauth = {{ {auth} }}"));
    let found = with(&format!("{GRANT}, audience = \"stock\""));
    assert!(found.len() == 1 && found[0].contains("is a key of `grant = \"token_exchange\"`"), "{found:#?}");
    let named = format!("grant = \"token_exchange\", {GRANT}, audience = \"stock\"");
    read(&format!("[clients.a]\nurl = \"https://a.example\"\nauth = {{ {named} }}\n")).unwrap();
}
