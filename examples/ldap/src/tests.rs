//! The service with the directory of the example, which the tests change, and switch off.

use axum::body::Body;
use axum::http::Request;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;

async fn start() -> (TestDirectory, Router) {
    let directory = directory().await;
    let app = app(&config(&directory).unwrap()).await.unwrap();
    (directory, app)
}

/// The status, and what the handler says.
async fn ask(app: &Router, path: &str, pair: Option<&str>) -> (u16, String) {
    let mut request = Request::get(path);
    if let Some(pair) = pair {
        request = request.header("authorization", format!("Basic {}", STANDARD.encode(pair)));
    }
    let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn status(app: &Router, path: &str, pair: &str) -> u16 {
    ask(app, path, Some(pair)).await.0
}

#[tokio::test]
async fn people_are_let_in_by_their_passwords_and_their_groups() {
    let (_directory, app) = start().await;
    assert_eq!(ask(&app, "/staff/me", None).await.0, 401);
    let alice = ask(&app, "/staff/me", Some("alice:wonderland")).await;
    assert_eq!(alice, (200, "alice, in payroll and staff\n".to_owned()));
    assert_eq!(ask(&app, "/staff/me", Some("ALICE:wonderland")).await, alice);
    assert_eq!(status(&app, "/staff/me", "alice:Wonderland").await, 401);
    assert_eq!(status(&app, "/staff/me", "*:wonderland").await, 401);
    assert_eq!(status(&app, "/staff/payroll", "alice:wonderland").await, 200);
    assert_eq!(status(&app, "/staff/me", "bob:yes-we-can").await, 200);
    assert_eq!(status(&app, "/staff/payroll", "bob:yes-we-can").await, 403);
    assert_eq!(status(&app, "/staff/me", "eve:apple").await, 403);
    assert_eq!(ask(&app, "/staff/health", None).await, (200, "ok\n".to_owned()));
}

#[tokio::test]
async fn what_changes_in_the_directory_counts_at_once() {
    let (directory, app) = start().await;
    let bob = "uid=bob,ou=People,dc=example,dc=org";
    directory.add_group("cn=payroll,ou=Groups,dc=example,dc=org", [bob]);
    assert_eq!(status(&app, "/staff/payroll", "bob:yes-we-can").await, 200);
    assert_eq!(status(&app, "/staff/payroll", "alice:wonderland").await, 403);
    directory.set_password(bob, "another");
    assert_eq!(status(&app, "/staff/me", "bob:yes-we-can").await, 401);
    assert_eq!(status(&app, "/staff/me", "bob:another").await, 200);
}

#[tokio::test]
async fn an_outage_is_503_and_no_wrong_password() {
    let (directory, app) = start().await;
    assert_eq!(status(&app, "/staff/me", "alice:wonderland").await, 200);
    directory.go_down().await;
    assert_eq!(status(&app, "/staff/me", "alice:wonderland").await, 503);
    assert_eq!(status(&app, "/staff/me", "alice:wrong").await, 503);
    assert_eq!(ask(&app, "/staff/me", None).await.0, 401);
    assert_eq!(ask(&app, "/staff/health", None).await.0, 200);
    directory.come_back().await;
    assert_eq!(status(&app, "/staff/me", "alice:wonderland").await, 200);
    assert_eq!(status(&app, "/staff/me", "alice:wrong").await, 401);
}
