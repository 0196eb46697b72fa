//! Area client-basic: user name and password.

use axum::{Router, http::StatusCode, response::Redirect, routing::get};
use http::Request;
use http_body_util::Empty;
use portcullis::{
    ClientAuth, ClientAuthErrorKind, SendError,
    client::{Authorization, Transport},
    keys::{ClientTls, TrustAnchors},
};
use portcullis_testing::{TestResource, TestTls};
use portcullis_tests::data;
use serde_json::json;

use super::{
    super::{setting::USERS, sts::server_tls},
    setting::{ELSEWHERE, Secured, client, clock, config, generated, mistakes, row, shown},
};

const NO_USER: &str = "must not be empty";
const NO_PASSWORD: &str = "an empty secret protects nothing: set it";

fn told(key: &str, what: &str) -> (String, String) {
    (key.to_owned(), what.to_owned())
}

/// The same in code.
fn in_code(user: &str, password: &str) -> String {
    Authorization::basic(user, &password.into()).unwrap_err().to_string()
}

#[test]
fn auth_clibasic_02() {
    assert_eq!(mistakes(&row("auth-clibasic-02")), [told("username", NO_USER)]);
    assert_eq!(in_code("", "123"), "the credential has an empty user name");
}

#[test]
fn auth_clibasic_03() {
    assert_eq!(mistakes(&row("auth-clibasic-03")), [told("password", NO_PASSWORD)]);
    assert_eq!(in_code("tom", ""), "the credential has an empty password");
}

#[test]
fn auth_clibasic_04() {
    assert_eq!(
        mistakes(&row("auth-clibasic-04")),
        [told("password", NO_PASSWORD), told("username", NO_USER)]
    );
    assert_eq!(in_code("", ""), "the credential has an empty user name");
}

#[tokio::test]
async fn http_cli_01() {
    let client = client(&clock(), &row("http-cli-01")).await;
    assert_eq!(shown(&client).await.unwrap(), ["Basic YWRtaW46MTIz"; 3]);
    assert_eq!(generated(&client).await, "YWRtaW46MTIz");
    let basic = Authorization::basic("admin", &"123".into()).unwrap();
    let in_code = ClientAuth::builder(basic).url(ELSEWHERE).build().unwrap();
    assert_eq!(shown(&in_code).await.unwrap(), ["Basic YWRtaW46MTIz"; 3]);
}

#[test]
fn http_cli_02() {
    assert_eq!(mistakes(&row("http-cli-02")), [told("password", NO_PASSWORD)]);
    assert_eq!(in_code("admin", ""), "the credential has an empty password");
}

/// The credential goes along to the same origin, and to no other.
#[tokio::test]
async fn x_redir_02() {
    let row = row("x-redir-02");
    assert_eq!(row["server"]["auth"][0]["scopes"], json!(["write", "update"]));
    let other = TestResource::start_https(TestTls::new(server_tls())).await;
    let elsewhere = other.url();
    let redirects = Router::new()
        .route("/redirect/same", get(|| async { Redirect::temporary("/secured/foo") }))
        .route("/redirect/other", get(|| async move { Redirect::temporary(&elsewhere) }));
    let service =
        "[services.\"/secured\"]\nauth = [{ fileUserStoreConfig = {}, scopes = [\"write\", \"update\"] }]\n";
    let service = Secured::start("/secured", &format!("{USERS}{service}"), redirects).await;
    let auth = &row["client"]["auth"];
    let config = config(&clock(), &service.called_by(auth)).unwrap();

    let client = config.client("x").unwrap().reqwest().await.unwrap();
    let answer = client.get("/redirect/same").send().await.unwrap();
    assert_eq!((answer.status(), answer.url().path()), (StatusCode::OK, "/secured/foo"));
    assert_eq!(answer.text().await.unwrap(), "GET by alice: ");
    let answer = client.get("/redirect/other").send().await.unwrap();
    assert_eq!((answer.status(), answer.url().as_str()), (StatusCode::UNAUTHORIZED, other.url().as_str()));
    assert_eq!(other.authorizations(), [None]);

    // Whoever follows by himself is told that the credential is not for there.
    let anchors = TrustAnchors::from_key_store(data("sts/truststore.p12"), "ballerina").unwrap();
    let own = config.client("x").unwrap().build().await.unwrap();
    let client = Transport::new().tls(ClientTls::new(anchors)).hyper(own).await.unwrap();
    let asked = |uri: &str| Request::get(uri).body(Empty::<axum::body::Bytes>::new()).unwrap();
    let answer = client.request(asked("/redirect/other")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
    let SendError::Auth(error) = client.request(asked(&other.url())).await.unwrap_err() else {
        panic!("it is not sent")
    };
    assert_eq!(error.kind(), ClientAuthErrorKind::ForeignOrigin);
    assert_eq!(other.call_count(), 1);
}
