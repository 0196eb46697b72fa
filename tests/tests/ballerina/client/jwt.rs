//! Area client-jwt, the rows that call a service: JWTs that the client signs itself.

use axum::{
    Router,
    http::{Method, StatusCode},
};
use portcullis_tests::data;
use serde_json::{Value, json};

use super::{
    super::setting::JWT,
    setting::{Secured, clock, config, mistakes, row},
};

#[test]
fn http_cli_05() {
    const STORE: &str = "signatureConfig.config.keyStore";
    let mut auth = row("http-cli-05")["jwtIssuerConfig"].clone();
    let told = |key: String, what: &str| [(key, what.to_owned())];
    let empty = "an empty secret protects nothing: set it";
    assert_eq!(mistakes(&auth), told(format!("{STORE}.password"), empty));
    auth["signatureConfig"]["config"]["keyStore"]["password"] = "wrong".into();
    let file = data("ballerina/data/ballerina-ks--ballerinaKeystore.p12");
    let wrong = format!("{}: the password is wrong: check `password` and `keyPassword`", file.display());
    assert_eq!(mistakes(&auth), told(format!("{STORE}.password"), &wrong));
}

/// The method by which the row calls, with this body, is answered 200; without the credential 401, without the scope 403.
async fn answered(id: &str, method: Method, body: &'static str) {
    let row = row(id);
    assert_eq!(row["server"]["authorize"], json!(["write", "update"]));
    let service = format!(
        "[services.\"/declarativeclient\"]\nauth = [{{ scopes = [\"write\", \"update\"], {JWT} }}]\n"
    );
    let service = Secured::start("/declarativeclient", &service, Router::new()).await;
    let mut auth = row["client"]["auth"]["jwtIssuerConfig"].clone();
    let client = async |auth: &Value| {
        let config = config(&clock(), &service.called_by(auth)).unwrap();
        config.client("x").unwrap().reqwest().await.unwrap()
    };
    let path = "/declarativeclient/foo";

    let writer = client(&auth).await;
    let answer = writer.request(method.clone(), path).body(body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let expected = if method == Method::HEAD { String::new() } else { format!("{method} by admin: {body}") };
    assert_eq!(answer.text().await.unwrap(), expected);

    let url = format!("{}{path}", service.origin);
    let nobody = writer.inner().request(method.clone(), url).body(body).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);

    auth["customClaims"]["scp"] = "read".into();
    let reader = client(&auth).await.request(method, path).body(body).send().await.unwrap();
    assert_eq!(reader.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn http_clidecl_01() {
    answered("http-clidecl-01", Method::GET, "").await;
}

#[tokio::test]
async fn http_clidecl_02() {
    answered("http-clidecl-02", Method::POST, "a text").await;
}

#[tokio::test]
async fn http_clidecl_03() {
    answered("http-clidecl-03", Method::HEAD, "").await;
}

#[tokio::test]
async fn http_clidecl_04() {
    answered("http-clidecl-04", Method::PUT, "a text").await;
}

/// The method is a text there.
#[tokio::test]
async fn http_clidecl_05() {
    answered("http-clidecl-05", "POST".parse().unwrap(), "a text").await;
}

#[tokio::test]
async fn http_clidecl_06() {
    answered("http-clidecl-06", Method::PATCH, "a text").await;
}

#[tokio::test]
async fn http_clidecl_07() {
    answered("http-clidecl-07", Method::DELETE, "a text").await;
}

#[tokio::test]
async fn http_clidecl_08() {
    answered("http-clidecl-08", Method::OPTIONS, "").await;
}
