//! The introspection endpoint and the token endpoint.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use common::{client, post_form, request, send};
use http::{Method, StatusCode};
use portcullis_testing::{TestIntrospection, TestTokenEndpoint};
use serde_json::json;

#[tokio::test]
async fn only_granted_tokens_are_active() {
    let server = TestIntrospection::start().await;
    server.grant("t1", json!({"sub": "alice", "scope": "read"}));
    let active = (200, json!({"active": true, "sub": "alice", "scope": "read"}));
    let inactive = (200, json!({"active": false}));
    assert_eq!(post_form(&server.url(), "token=t1", &[]).await, active);
    assert_eq!(post_form(&server.url(), "token=t2", &[]).await, inactive);
    server.revoke("t1");
    assert_eq!(post_form(&server.url(), "token=t1", &[]).await, inactive);
    server.answer_raw("t1", "{\"active\": \"true\"}");
    assert_eq!(post_form(&server.url(), "token=t1", &[]).await, (200, json!({"active": "true"})));
    assert_eq!(server.call_count(), 4);
}

#[tokio::test]
async fn a_token_is_one_parameter_however_it_is_written() {
    let server = TestIntrospection::start().await;
    server.grant("x&client_id=evil", json!({}));
    assert_eq!(
        post_form(&server.url(), "token=x%26client_id%3Devil", &[]).await,
        (200, json!({"active": true}))
    );
    assert_eq!(server.calls()[0].parameters(), [("token".to_owned(), "x&client_id=evil".to_owned())]);
    for form in ["", "token=a&token=b", "tokens=a"] {
        let (status, answer) = post_form(&server.url(), form, &[]).await;
        assert_eq!((status, answer), (400, json!({"error": "invalid_request"})), "{form}");
    }
    let json = send(&client(), request(Method::POST, &server.url(), "token=a")).await.unwrap();
    assert_eq!(json.status(), StatusCode::BAD_REQUEST, "without a content type it is no form");
    let elsewhere = send(&client(), request(Method::POST, &server.origin(), "token=a")).await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_caller_has_to_be_who_is_asked_for() {
    let server = TestIntrospection::start().await;
    server.require_basic("app:one", "s%cret");
    let ask = async |headers: &[(&str, &str)]| post_form(&server.url(), "token=t", headers).await.0;
    // app%3Aone:s%25cret
    assert_eq!(ask(&[("authorization", "Basic YXBwJTNBb25lOnMlMjVjcmV0")]).await, 200);
    for headers in [
        &[][..],
        &[("authorization", "Basic YXBwOm9uZTpzJWNyZXQ=")],
        &[("authorization", "Bearer YXBwJTNBb25lOnMlMjVjcmV0")],
    ] {
        assert_eq!(ask(headers).await, 401, "{headers:?}");
    }
    server.require_bearer("own");
    assert_eq!(ask(&[("authorization", "Bearer own")]).await, 200);
    assert_eq!(ask(&[("authorization", "Bearer other")]).await, 401);
    assert_eq!(ask(&[]).await, 401);
}

#[tokio::test]
async fn a_required_client_says_who_it_is_in_one_way() {
    let server = TestTokenEndpoint::start().await;
    let grant = "grant_type=client_credentials";
    assert_eq!(post_form(&server.url(), grant, &[]).await.0, 200, "none is required at first");
    server.require_client("app", "secret");
    let basic = [("authorization", "Basic YXBwOnNlY3JldA==")];
    let in_body = format!("{grant}&client_id=app&client_secret=secret");
    assert_eq!(post_form(&server.url(), grant, &basic).await.0, 200);
    assert_eq!(post_form(&server.url(), &in_body, &[]).await.0, 200);
    for (form, headers) in [
        (grant, &[][..]),
        (&in_body, &basic),
        ("grant_type=client_credentials&client_id=app&client_secret=other", &[]),
    ] {
        let answer = post_form(&server.url(), form, headers).await;
        assert_eq!(answer, (401, json!({"error": "invalid_client"})), "{form} {headers:?}");
    }
    assert_eq!(server.issued(), ["access-1", "access-2", "access-3"]);
}

#[tokio::test]
async fn answers_say_how_long_and_what_for() {
    let server = TestTokenEndpoint::start().await;
    let ask = async |form: &str| post_form(&server.url(), form, &[]).await.1;
    let first = ask("grant_type=client_credentials&scope=a+b").await;
    let expected =
        json!({"access_token": "access-1", "token_type": "Bearer", "expires_in": 3600, "scope": "a b"});
    assert_eq!(first, expected);
    server.expires_in(None);
    server.will_issue("mine");
    server.with_refresh_tokens();
    assert_eq!(
        ask("grant_type=client_credentials").await,
        json!({"access_token": "mine", "token_type": "Bearer"})
    );
}

#[tokio::test]
async fn users_are_given_tokens_for_their_password_and_a_refresh_token_is_good_once() {
    let server = TestTokenEndpoint::start().await;
    server.user("alice", "pass");
    server.with_refresh_tokens();
    let ask = async |form: &str| post_form(&server.url(), form, &[]).await;
    let (status, first) = ask("grant_type=password&username=alice&password=pass").await;
    assert_eq!((status, &first["refresh_token"]), (200, &json!("refresh-1")));
    let (status, second) = ask("grant_type=refresh_token&refresh_token=refresh-1").await;
    assert_eq!((status, &second["refresh_token"]), (200, &json!("refresh-2")));
    server.accept_refresh_token("given");
    assert_eq!(ask("grant_type=refresh_token&refresh_token=given").await.0, 200);
    for (form, error) in [
        ("grant_type=refresh_token&refresh_token=refresh-1", "invalid_grant"),
        ("grant_type=refresh_token", "invalid_request"),
        ("grant_type=password&username=alice&password=other", "invalid_grant"),
        ("grant_type=password&username=eve&password=", "invalid_grant"),
        ("grant_type=password&username=alice", "invalid_request"),
        ("grant_type=implicit", "unsupported_grant_type"),
        ("", "invalid_request"),
    ] {
        assert_eq!(ask(form).await, (400, json!({ "error": error })), "{form}");
    }
    let plain = send(&client(), request(Method::POST, &server.url(), "grant_type=client_credentials")).await;
    assert_eq!(plain.unwrap().status(), StatusCode::BAD_REQUEST, "without a content type it is no form");
}
