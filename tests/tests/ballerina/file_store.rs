//! Area file-store.

use std::sync::Arc;

use http::{HeaderValue, header};
use http_body_util::BodyExt;
use portcullis::{
    Basic, CredentialErrorKind, FileUserStore, IntoProvider, Principal, Provider, Rejection, RejectionKind,
    Scheme, User, authenticate_header, authorize,
};

use super::setting::{Service, USERS, basic, clock};

/// The users of Ballerina's auth module.
fn store() -> Arc<dyn Provider> {
    let alice = User::with_password("alice", "xxx").scopes(["read", "write"]);
    let bob = User::with_password("bob", "yyy");
    FileUserStore::new([alice, bob]).into_provider().unwrap()
}

async fn ask(provider: &Arc<dyn Provider>, header: &str) -> Result<Principal, Rejection> {
    authenticate_header(provider, &HeaderValue::from_str(header).unwrap(), &clock()).await
}

async fn refused(pair: &str) -> RejectionKind {
    ask(&store(), &basic(pair)).await.unwrap_err().kind()
}

#[tokio::test]
async fn auth_file_01() {
    let principal = ask(&store(), &basic("alice:xxx")).await.unwrap();
    assert_eq!(principal.subject(), Some("alice"));
    assert_eq!(principal.scopes().iter().collect::<Vec<_>>(), ["read", "write"]);
}

#[tokio::test]
async fn auth_file_02() {
    let principal = ask(&store(), &basic("bob:yyy")).await.unwrap();
    assert_eq!(principal.subject(), Some("bob"));
    assert!(principal.scopes().is_empty());
}

#[tokio::test]
async fn auth_file_03() {
    let kind = ask(&store(), "Basic ").await.unwrap_err().kind();
    assert_eq!(kind, RejectionKind::Malformed(CredentialErrorKind::Empty));
}

#[tokio::test]
async fn auth_file_04() {
    assert_eq!(refused("dave:123").await, RejectionKind::Refused);
}

#[tokio::test]
async fn auth_file_05() {
    assert_eq!(refused("alice:xxy").await, RejectionKind::Refused);
}

#[tokio::test]
async fn auth_file_06() {
    assert_eq!(refused(":xxx").await, RejectionKind::Malformed(CredentialErrorKind::EmptyUsername));
}

#[tokio::test]
async fn auth_file_08() {
    assert_eq!(refused("invalid:").await, RejectionKind::Malformed(CredentialErrorKind::EmptyPassword));
}

#[tokio::test]
async fn auth_file_09() {
    assert_eq!(refused(":").await, RejectionKind::Malformed(CredentialErrorKind::EmptyUsername));
}

#[test]
fn auth_util_01() {
    let basic = Basic::decode("YWxpY2U6MTIz").unwrap();
    assert_eq!((basic.username(), basic.password()), ("alice", "123"));
}

#[test]
fn auth_util_02() {
    assert_eq!(
        Basic::decode("!nval!d-b@$e64-encoded-va!ue").unwrap_err().kind(),
        CredentialErrorKind::NotBase64
    );
}

#[test]
fn auth_util_06() {
    let basic = Basic::decode("YWxpY2U6YWxpY2U6QDU=").unwrap();
    assert_eq!((basic.username(), basic.password()), ("alice", "alice:@5"));
}

async fn service() -> Service {
    let element = "auth = [{ scopes = [\"write\", \"update\"], fileUserStoreConfig = {} }]";
    Service::new(&format!("{USERS}\n[services.\"/basicAuthFile\"]\n{element}\n"), "/basicAuthFile").await
}

#[tokio::test]
async fn http_decl_04() {
    assert_eq!(service().await.get("/basicAuthFile", Some(&basic("alice:xxx"))).await, 200);
}

#[tokio::test]
async fn http_decl_06() {
    let service = service().await;
    assert_eq!(service.get("/basicAuthFile", Some(&basic("peter:123"))).await, 401);
    assert_eq!(service.get("/basicAuthFile", None).await, 401);
    // The rows between, which Ballerina's suite has only in other areas: known, and without the scope.
    assert_eq!(service.get("/basicAuthFile", Some(&basic("bob:yyy"))).await, 403);
    assert_eq!(service.get("/basicAuthFile", Some(&basic("eve:123"))).await, 403);
}

/// The users of Ballerina's HTTP tests, called as a handler is.
fn handler() -> Arc<dyn Provider> {
    FileUserStore::new([
        User::with_password("alice", "xxx").scopes(["write", "update"]),
        User::with_password("bob", "yyy").scopes(["read"]),
        User::with_password("eve", "123"),
    ])
    .into_provider()
    .unwrap()
}

#[tokio::test]
async fn http_hnd_01() {
    let principal = ask(&handler(), "Basic YWxpY2U6eHh4").await.unwrap();
    assert_eq!(principal.subject(), Some("alice"));
    assert_eq!(principal.scheme(), Scheme::Basic);
    assert!(authorize(&principal, "write").is_ok());
    assert!(authorize(&principal, "update").is_ok());
}

#[tokio::test]
async fn http_hnd_02() {
    let principal = ask(&handler(), "Basic Ym9iOnl5eQ==").await.unwrap();
    assert_eq!(principal.scopes().iter().collect::<Vec<_>>(), ["read"]);
    for scope in ["write", "update"] {
        assert_eq!(authorize(&principal, scope).unwrap_err().kind(), RejectionKind::InsufficientScope);
    }
}

#[tokio::test]
async fn http_hnd_03() {
    assert_eq!(
        ask(&handler(), "Basic YWxpY2U6aW52YWxpZA==").await.unwrap_err().kind(),
        RejectionKind::Refused
    );
    // Ballerina tells the caller why; here the reason goes to the log.
    let answer = service().await.ask("GET", "/basicAuthFile", None).await;
    assert_eq!(answer.status(), 401);
    assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn http_hnd_04() {
    for (header, kind) in [
        ("invalidtokenstring", RejectionKind::NotLookedAt),
        ("Basic", RejectionKind::Malformed(CredentialErrorKind::Empty)),
        ("", RejectionKind::Malformed(CredentialErrorKind::Empty)),
        ("Bearer sometoken123", RejectionKind::NotLookedAt),
    ] {
        let rejection = ask(&handler(), header).await.unwrap_err();
        assert_eq!((rejection.status().as_u16(), rejection.kind()), (401, kind), "{header:?}");
    }
}

/// The answer is empty, as the seeds show it.
#[tokio::test]
async fn d_body_01() {
    let answer = service().await.ask("GET", "/basicAuthFile", None).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()[header::CONTENT_LENGTH], "0");
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/plain");
    assert_eq!(answer.headers()[header::WWW_AUTHENTICATE], "Basic realm=\"portcullis\", charset=\"UTF-8\"");
    assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn d_hdr_01() {
    let lower = basic("alice:xxx").replace("Basic", "basic");
    assert_eq!(service().await.get("/basicAuthFile", Some(&lower)).await, 200);
}

#[tokio::test]
async fn d_hdr_02() {
    let wide = basic("alice:xxx").replace("Basic ", "Basic  ");
    assert_eq!(service().await.get("/basicAuthFile", Some(&wide)).await, 200);
}

#[tokio::test]
async fn d_hdr_06() {
    assert_eq!(service().await.get("/basicAuthFile", Some("Digest username=\"alice\"")).await, 401);
}
