//! Area client-bearer: a token that somebody configured.

use axum::{Router, http::StatusCode};
use http::{Request, header::AUTHORIZATION};
use portcullis::{ClientAuth, client::Authorization};
use serde_json::Value;

use super::{
    super::setting::JWT,
    setting::{ELSEWHERE, Secured, bearer, client, clock, config, generated, row, shown},
};

#[tokio::test]
async fn http_cli_03() {
    const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsICJ0eXAiOiJKV1QifQ";
    let client = client(&clock(), &row("http-cli-03")).await;
    assert_eq!(shown(&client).await.unwrap(), bearer(TOKEN));
    assert_eq!(generated(&client).await, TOKEN);
    let fixed = Authorization::bearer(&TOKEN.into()).unwrap();
    let in_code = ClientAuth::builder(fixed).url(ELSEWHERE).build().unwrap();
    assert_eq!(shown(&in_code).await.unwrap(), bearer(TOKEN));
}

/// The service of the imperative rows, and the table of a client that shows the row's token to it.
async fn called(id: &str) -> (Secured, Value) {
    let service =
        format!("[services.\"/imperativeclient\"]\nauth = [{{ scopes = [\"write\", \"update\"], {JWT} }}]\n");
    let service = Secured::start("/imperativeclient", &service, Router::new()).await;
    let mut auth = row(id);
    auth.as_object_mut().unwrap().remove("server").unwrap();
    let client = service.called_by(&auth);
    (service, client)
}

#[tokio::test]
async fn http_cliimp_01() {
    let (service, client) = called("http-cliimp-01").await;
    let config = config(&clock(), &client).unwrap();
    let url = format!("{}/imperativeclient/foo", service.origin);
    let mut request = Request::post(&url).body("a text").unwrap();
    config.client("x").unwrap().build().await.unwrap().enrich(&mut request).await.unwrap();

    // A client that knows of no credential sends what was made.
    let plain = config.client("x").unwrap().reqwest().await.unwrap().inner().clone();
    let (head, body) = request.into_parts();
    let sent = plain.request(head.method, &url).headers(head.headers).body(body).send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::OK);
    assert_eq!(sent.text().await.unwrap(), "POST by admin: a text");
    let bare = plain.post(&url).body("a text").send().await.unwrap();
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
}

/// As headers they let the request in; in its body they are a body.
#[tokio::test]
async fn http_cliimp_03() {
    let (service, client) = called("http-cliimp-03").await;
    let config = config(&clock(), &client).unwrap();
    let headers = config.client("x").unwrap().build().await.unwrap().security_headers().await.unwrap();

    let plain = config.client("x").unwrap().reqwest().await.unwrap().inner().clone();
    let url = format!("{}/imperativeclient/foo", service.origin);
    let answer = plain.get(&url).headers(headers.clone()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.text().await.unwrap(), "GET by admin: ");
    let value = headers[AUTHORIZATION].to_str().unwrap();
    let body = serde_json::json!({ "Authorization": value }).to_string();
    let answer = plain.post(&url).body(body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}
