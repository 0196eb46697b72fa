//! The service in process: no port, no TLS, the real chain and a real database.

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use portcullis::{Config, file::hash_password};
use rusqlite::Connection;
use tempfile::TempDir;
use tower::ServiceExt;

use super::{app, config, init};

const CONFIG: &str = r#"
[services."/foo"]
auth = [{ scopes = "hello", sqliteUserStoreConfig = { path = "users.db" } }]
"#;

const ALICE: &str = "Basic YWxpY2U6d29uZGVybGFuZA=="; // alice:wonderland
const BOB: &str = "Basic Ym9iOmJ1aWxkZXI="; // bob:builder
const WRONG: &str = "Basic YWxpY2U6YnVpbGRlcg=="; // alice:builder
const UNKNOWN: &str = "Basic bWFsbG9yeTp3b25kZXJsYW5k"; // mallory:wonderland
const INJECTION: &str = "Basic JyBPUiAnMSc9JzE6d29uZGVybGFuZA=="; // ' OR '1'='1:wonderland

/// A folder with a database, and the service that reads it.
async fn service() -> (TempDir, Router) {
    let folder = TempDir::new().unwrap();
    init(&folder.path().join("users.db")).unwrap();
    let config = config().parse(CONFIG, folder.path()).unwrap();
    (folder, app(&config).await.unwrap())
}

async fn ask(app: &Router, authorization: Option<&str>) -> StatusCode {
    let request = Request::get("/foo/bar");
    let request = match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    };
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
}

fn change(folder: &TempDir, statement: &str, values: &[&str]) {
    let connection = Connection::open(folder.path().join("users.db")).unwrap();
    assert_eq!(connection.execute(statement, rusqlite::params_from_iter(values)).unwrap(), 1);
}

#[tokio::test]
async fn users_of_the_database_are_let_in_by_their_scopes() {
    let (_folder, app) = service().await;
    for _ in 0..2 {
        assert_eq!(ask(&app, Some(ALICE)).await, StatusCode::OK);
        assert_eq!(ask(&app, Some(BOB)).await, StatusCode::FORBIDDEN);
        for refused in [None, Some(WRONG), Some(UNKNOWN), Some(INJECTION), Some("Bearer abc")] {
            assert_eq!(ask(&app, refused).await, StatusCode::UNAUTHORIZED, "{refused:?}");
        }
    }
}

#[tokio::test]
async fn a_changed_row_holds_at_once_although_the_password_was_remembered() {
    let (folder, app) = service().await;
    assert_eq!(ask(&app, Some(ALICE)).await, StatusCode::OK);
    change(&folder, "UPDATE users SET password_hash = ?1 WHERE name = 'alice'", &[&hash_password("builder")]);
    assert_eq!(ask(&app, Some(ALICE)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&app, Some(WRONG)).await, StatusCode::OK, "which is the right one now");
    change(&folder, "UPDATE users SET scopes = ?1 WHERE name = 'alice'", &["other"]);
    assert_eq!(ask(&app, Some(WRONG)).await, StatusCode::FORBIDDEN);
    change(&folder, "DELETE FROM users WHERE name = ?1", &["alice"]);
    assert_eq!(ask(&app, Some(WRONG)).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_database_that_cannot_be_asked_is_an_outage_and_no_wrong_password() {
    let (folder, app) = service().await;
    Connection::open(folder.path().join("users.db")).unwrap().execute_batch("DROP TABLE users").unwrap();
    assert_eq!(ask(&app, Some(ALICE)).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask(&app, None).await, StatusCode::UNAUTHORIZED);
}

#[test]
fn the_key_is_read_as_strictly_as_portcullis_reads_its_own() {
    let folder = TempDir::new().unwrap();
    let problem = |text: &str| config().parse(text, folder.path()).unwrap_err().to_string();
    let absent = problem(CONFIG);
    assert!(absent.contains("sqliteUserStoreConfig: cannot read users from"), "{absent}");
    assert!(!folder.path().join("users.db").exists(), "no empty database is made");
    let misspelt = problem(&CONFIG.replace("path =", "paht ="));
    assert!(misspelt.contains("did you mean `path`?"), "{misspelt}");
    let foreign = Config::parse(CONFIG, folder.path()).unwrap_err().to_string();
    assert!(foreign.contains("sqliteUserStoreConfig: unknown key"), "{foreign}");
}
