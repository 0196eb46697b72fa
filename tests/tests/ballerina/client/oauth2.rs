//! Area client-oauth2: tokens by grants, and why there is none.

use std::time::Duration;

use http::{Response, StatusCode, header::CONTENT_TYPE};
use portcullis_testing::{Call, GrantType, TestTokenEndpoint};
use serde_json::{Value, json};

use super::{
    super::{setting::basic, sts::TOKEN_1},
    setting::{
        bearer, client, clock, failure, generated, grant, in_body, mistakes, shown, token_endpoint, told,
    },
};

/// More than the two seconds that a token lives in the rows.
const LATER: Duration = Duration::from_secs(5);

fn text<'v>(record: &'v Value, key: &str) -> &'v str {
    record[key].as_str().unwrap()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The call's form is these parameters, and its header says who the client of the record is.
fn signed_in_the_header(call: &Call, record: &Value, expected: &[(&str, &str)]) {
    assert_eq!(call.parameters(), pairs(expected));
    let pair = format!("{}:{}", text(record, "clientId"), text(record, "clientSecret"));
    assert_eq!(call.header("authorization"), Some(&*basic(&pair)));
}

/// The same, said in the body.
fn signed_in_the_body(call: &Call, record: &Value, expected: &[(&str, &str)]) {
    let client = [("client_id", text(record, "clientId")), ("client_secret", text(record, "clientSecret"))];
    assert_eq!(call.parameters(), pairs(&[expected, &client].concat()));
    assert!(!call.headers.contains_key("authorization"));
}

/// Nobody says who the client is.
fn unsigned(call: &Call, expected: &[(&str, &str)]) {
    assert_eq!(call.parameters(), pairs(expected));
    assert!(!call.headers.contains_key("authorization"));
}

/// The endpoint answers so from now on.
fn script(tokens: &TestTokenEndpoint, status: StatusCode, error: &str, description: &str) {
    let body = json!({"error_description": description, "error": error}).to_string();
    let answer = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    tokens.answer_with(answer.body(body).unwrap());
}

/// What [`script`] makes of both ways to say who the client is. Reading the record asks nobody: the first who wants a token is told.
async fn denied_both_ways(id: &str, tokens: &TestTokenEndpoint, what: &str) {
    let record = grant(id, tokens);
    let before = tokens.call_count();
    for (number, record) in [record.clone(), in_body(record)].into_iter().enumerate() {
        let client = client(&clock(), &record).await;
        assert_eq!(tokens.call_count(), before + number, "nobody has asked for a token");
        assert_eq!(failure(&client).await, told(&tokens.url(), what));
        assert_eq!(tokens.call_count(), before + number + 1);
    }
}

const PASSWORD: [(&str, &str); 3] =
    [("grant_type", "password"), ("username", "admin"), ("password", "admin")];
const VIEW: (&str, &str) = ("scope", "view-order");
const BOTH_SCOPES: (&str, &str) = ("scope", "view-order place-order");
const OWN: (&str, &str) = ("client", "ballerina");

/// An endpoint that knows the client of the row's record, and the user `admin`.
async fn knowing_the_client_of(id: &str) -> (TestTokenEndpoint, Value) {
    let tokens = token_endpoint().await;
    let record = grant(id, &tokens);
    tokens.require_client(text(&record, "clientId"), text(&record, "clientSecret"));
    tokens.user("admin", "admin");
    (tokens, record)
}

#[tokio::test]
async fn oauth2_cli_01() {
    let (tokens, record) = knowing_the_client_of("oauth2-cli-01").await;
    assert_eq!(generated(&client(&clock(), &record).await).await, "access-1");
    assert_eq!(generated(&client(&clock(), &in_body(record.clone())).await).await, "access-2");
    let expected = [("grant_type", "client_credentials"), VIEW, OWN];
    signed_in_the_header(&tokens.calls()[0], &record, &expected);
    signed_in_the_body(&tokens.calls()[1], &record, &expected);
}

#[tokio::test]
async fn oauth2_cli_03() {
    let tokens = token_endpoint().await;
    script(&tokens, StatusCode::UNAUTHORIZED, "invalid_client", "Client credentials are invalid.");
    let what = "refuses the client, 401 (\"invalid_client\"): check `clientId` and `clientSecret`";
    denied_both_ways("oauth2-cli-03", &tokens, what).await;
}

#[tokio::test]
async fn oauth2_cli_06() {
    let (tokens, record) = knowing_the_client_of("oauth2-cli-06").await;
    assert_eq!(generated(&client(&clock(), &record).await).await, "access-1");
    assert_eq!(generated(&client(&clock(), &in_body(record.clone())).await).await, "access-2");
    let expected = [&PASSWORD[..], &[BOTH_SCOPES, OWN]].concat();
    signed_in_the_header(&tokens.calls()[0], &record, &expected);
    signed_in_the_body(&tokens.calls()[1], &record, &expected);
}

/// The refresh token that came with the first token is sent to `refreshUrl`.
#[tokio::test]
async fn oauth2_cli_07() {
    for in_the_body in [false, true] {
        let (tokens, mut record) = knowing_the_client_of("oauth2-cli-07").await;
        tokens.expires_in(Some(2));
        tokens.with_refresh_tokens();
        let refreshing = token_endpoint().await;
        refreshing.require_client(text(&record, "clientId"), text(&record, "clientSecret"));
        refreshing.accept_refresh_token("refresh-1");
        refreshing.will_issue("refreshed");
        record["refreshConfig"]["refreshUrl"] = refreshing.url().into();
        if in_the_body {
            record = in_body(record);
            record["refreshConfig"] = in_body(record["refreshConfig"].clone());
        }
        let signed = if in_the_body { signed_in_the_body } else { signed_in_the_header };

        let clock = clock();
        let client = client(&clock, &record).await;
        assert_eq!(generated(&client).await, "access-1");
        signed(&tokens.calls()[0], &record, &[&PASSWORD[..], &[VIEW, OWN]].concat());
        clock.advance(LATER);
        assert_eq!(generated(&client).await, "refreshed");
        let expected = [("grant_type", "refresh_token"), ("refresh_token", "refresh-1"), VIEW, OWN];
        signed(&refreshing.calls()[0], &record, &expected);
        assert_eq!((tokens.call_count(), refreshing.call_count()), (1, 1));
    }
}

#[tokio::test]
async fn oauth2_cli_08() {
    let tokens = token_endpoint().await;
    let description = "Authentication failed for invalid_username";
    script(&tokens, StatusCode::BAD_REQUEST, "invalid_grant", description);
    let what = "refuses the user, 400 (\"invalid_grant\"): check `username` and `password`";
    denied_both_ways("oauth2-cli-08", &tokens, what).await;
}

/// What is told of an id and a secret that are there and empty.
fn empty_client(id: &str, tokens: &TestTokenEndpoint) {
    let record = grant(id, tokens);
    for record in [record.clone(), in_body(record)] {
        let expected =
            [("clientId", "must not be empty"), ("clientSecret", "an empty secret protects nothing: set it")];
        assert_eq!(mistakes(&record), pairs(&expected));
    }
    assert_eq!(tokens.call_count(), 0);
}

#[tokio::test]
async fn oauth2_cli_09() {
    empty_client("oauth2-cli-09", &token_endpoint().await);
}

const UNKNOWN: &str = "refuses the client, 401 (\"invalid_client\"): it wants to know who asks: set `clientId`, and `clientSecret`";

#[tokio::test]
async fn oauth2_cli_10() {
    let tokens = token_endpoint().await;
    let description = "Unsupported Client Authentication Method!";
    script(&tokens, StatusCode::UNAUTHORIZED, "invalid_client", description);
    denied_both_ways("oauth2-cli-10", &tokens, UNKNOWN).await;
    for call in tokens.calls() {
        unsigned(&call, &[&PASSWORD[..], &[VIEW, OWN]].concat());
    }
}

#[tokio::test]
async fn oauth2_cli_11() {
    let tokens = token_endpoint().await;
    let description = "Client authentication failed due to unknown client.";
    script(&tokens, StatusCode::UNAUTHORIZED, "invalid_client", description);
    denied_both_ways("oauth2-cli-11", &tokens, UNKNOWN).await;
    for call in tokens.calls() {
        unsigned(&call, &[&PASSWORD[..], &[VIEW, OWN]].concat());
    }
}

/// The refresh request is as the first one, but for the scopes.
#[tokio::test]
async fn oauth2_cli_13() {
    for in_the_body in [false, true] {
        let (tokens, mut record) = knowing_the_client_of("oauth2-cli-13").await;
        tokens.expires_in(Some(2));
        tokens.with_refresh_tokens();
        if in_the_body {
            record = in_body(record);
        }
        let signed = if in_the_body { signed_in_the_body } else { signed_in_the_header };

        let clock = clock();
        let client = client(&clock, &record).await;
        assert_eq!(generated(&client).await, "access-1");
        signed(&tokens.calls()[0], &record, &[&PASSWORD[..], &[VIEW, OWN]].concat());
        clock.advance(LATER);
        assert_eq!(generated(&client).await, "access-2");
        let expected = [("grant_type", "refresh_token"), ("refresh_token", "refresh-1"), OWN];
        signed(&tokens.calls()[1], &record, &expected);
        assert_eq!(tokens.call_count(), 2);
    }
}

#[tokio::test]
async fn oauth2_cli_14() {
    let tokens = TestTokenEndpoint::start().await;
    let mut record = grant("oauth2-cli-14", &tokens);
    tokens.require_client(text(&record, "clientId"), text(&record, "clientSecret"));
    let sent = async |record: &Value| {
        tokens.user("sabthar", text(record, "password"));
        let client = client(&clock(), record).await;
        assert_eq!(generated(&client).await, format!("access-{}", tokens.call_count()));
        String::from_utf8(tokens.calls().pop().unwrap().body.to_vec()).unwrap()
    };
    let form =
        |password: &str| format!("grant_type=password&username=sabthar&password={password}&scope=view-order");
    let encoded = "E2%25I1%5E%40N8%3EWn%2B3%3DQL%3FM%21%7Bgh%3Dl4%3Cu";
    assert_eq!(sent(&record).await, form(encoded));
    // What a form writes otherwise than a URL does.
    record["password"] = "a b*c~dß".into();
    assert_eq!(sent(&record).await, form("a+b*c%7Ed%C3%9F"));
}

#[tokio::test]
async fn oauth2_cli_16() {
    const CONFIGURED: &str = "24f19603-8565-4b5f-a036-88a945e1f272";
    for in_the_body in [false, true] {
        for (rotates, second) in [(true, "refresh-1"), (false, CONFIGURED)] {
            let (tokens, mut record) = knowing_the_client_of("oauth2-cli-16").await;
            tokens.expires_in(Some(2));
            tokens.accept_refresh_token(CONFIGURED);
            if rotates {
                tokens.with_refresh_tokens()
            } else {
                tokens.with_lasting_refresh_tokens()
            }
            if in_the_body {
                record = in_body(record);
            }
            let signed = if in_the_body { signed_in_the_body } else { signed_in_the_header };

            let clock = clock();
            let client = client(&clock, &record).await;
            assert_eq!(generated(&client).await, "access-1");
            clock.advance(LATER);
            assert_eq!(generated(&client).await, "access-2");
            for (number, token) in [CONFIGURED, second].into_iter().enumerate() {
                let expected = [("grant_type", "refresh_token"), ("refresh_token", token), VIEW, OWN];
                signed(&tokens.calls()[number], &record, &expected);
            }
            assert_eq!(tokens.call_count(), 2);
        }
    }
}

#[tokio::test]
async fn oauth2_cli_18() {
    let tokens = token_endpoint().await;
    let description = "A valid OAuth client could not be found for client_id: invalid_client_id";
    script(&tokens, StatusCode::UNAUTHORIZED, "invalid_client", description);
    let what = "refuses the client, 401 (\"invalid_client\"): check `clientId` and `clientSecret`";
    denied_both_ways("oauth2-cli-18", &tokens, what).await;
}

/// Unlike the others, this may mend itself.
#[tokio::test]
async fn oauth2_cli_20() {
    let tokens = token_endpoint().await;
    script(&tokens, StatusCode::INTERNAL_SERVER_ERROR, "server_error", "Internal Server Error.");
    denied_both_ways("oauth2-cli-20", &tokens, "answered 500 (\"server_error\")").await;
    let record = grant("oauth2-cli-20", &tokens);
    let clock = clock();
    let client = client(&clock, &record).await;
    assert!(client.generate_token().await.unwrap_err().is_transient());
    tokens.recover();
    clock.advance(LATER);
    assert_eq!(generated(&client).await, "access-1");
    let expected =
        [("grant_type", GrantType::JwtBearer.name()), ("assertion", text(&record, "assertion")), VIEW, OWN];
    signed_in_the_header(&tokens.calls().pop().unwrap(), &record, &expected);
}

#[tokio::test]
async fn oauth2_cli_21() {
    let tokens = token_endpoint().await;
    script(&tokens, StatusCode::BAD_REQUEST, "invalid_grant", "Error while parsing the JWT.");
    let what =
        "refuses the assertion, 400 (\"invalid_grant\"): it may have expired: put a new one into `assertion`";
    denied_both_ways("oauth2-cli-21", &tokens, what).await;
}

#[tokio::test]
async fn oauth2_cli_22() {
    empty_client("oauth2-cli-22", &token_endpoint().await);
}

#[tokio::test]
async fn oauth2_cli_23() {
    let tokens = token_endpoint().await;
    let description = "Unsupported Client Authentication Method!";
    script(&tokens, StatusCode::UNAUTHORIZED, "invalid_client", description);
    denied_both_ways("oauth2-cli-23", &tokens, UNKNOWN).await;
    let record = grant("oauth2-cli-23", &tokens);
    let expected =
        [("grant_type", GrantType::JwtBearer.name()), ("assertion", text(&record, "assertion")), VIEW, OWN];
    for call in tokens.calls() {
        unsigned(&call, &expected);
    }
}

#[tokio::test]
async fn http_cli_08() {
    const TOKEN: &str = "NiIsInR5cCI6IkpXV";
    let (tokens, record) = knowing_the_client_of("http-cli-08").await;
    tokens.user("complexpassuser", text(&record, "password"));
    tokens.will_issue(TOKEN);
    assert_eq!(shown(&client(&clock(), &record).await).await.unwrap(), bearer(TOKEN));
    let sent = "grant_type=password&username=complexpassuser&\
        password=Ef2%25I1%5E%40Nd8%3EWTtcn%2B3%3DQL%3FM%21%7BgG198h%3DlH4%3Cukg&scope=token-scope1+token-scope2";
    assert_eq!(tokens.calls()[0].body, sent);
    assert_eq!(tokens.call_count(), 1);
}

/// One token for all three calls; and none where the server says that it is of a type nobody knows.
async fn three_calls(tokens: &TestTokenEndpoint, record: &Value) {
    tokens.will_issue("refused");
    tokens.member("token_type", "example");
    let what = "gave a token of type \"example\", and only Bearer is understood";
    assert_eq!(failure(&client(&clock(), record).await).await, told(&tokens.url(), what));

    tokens.will_issue(TOKEN_1);
    tokens.member("token_type", "Bearer");
    assert_eq!(shown(&client(&clock(), record).await).await.unwrap(), bearer(TOKEN_1));
    assert_eq!(tokens.call_count(), 2);
}

#[tokio::test]
async fn http_cli_09() {
    let (tokens, record) = knowing_the_client_of("http-cli-09").await;
    let configured = text(&record, "refreshToken");
    assert_eq!(configured, "XlfBs91yquexJqDaKEMzVg==");
    tokens.with_lasting_refresh_tokens();
    tokens.accept_refresh_token(configured);
    three_calls(&tokens, &record).await;
    let scope = ("scope", "token-scope1 token-scope2");
    let expected = [("grant_type", "refresh_token"), ("refresh_token", configured), scope];
    signed_in_the_header(&tokens.calls()[1], &record, &expected);
}

#[tokio::test]
async fn http_cli_10() {
    let (tokens, record) = knowing_the_client_of("http-cli-10").await;
    let assertion = text(&record, "assertion");
    tokens.accept_assertion(assertion);
    three_calls(&tokens, &record).await;
    let scope = ("scope", "token-scope1 token-scope2");
    let expected = [("grant_type", GrantType::JwtBearer.name()), ("assertion", assertion), scope];
    signed_in_the_header(&tokens.calls()[1], &record, &expected);
}
