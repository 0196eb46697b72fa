//! Where the credential goes, and where not: asked of `enrich`, which the layer shares its rules with.

use std::error::Error;

use http::{HeaderMap, HeaderValue, Request, Uri, header::AUTHORIZATION};
use portcullis_core::{Authorization, Secret, TokenError};
use portcullis_tower::{ClientAuth, ClientAuthBuilder, ClientAuthErrorKind as Kind};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::tokens::{Tokens, bearer};

fn orders() -> ClientAuthBuilder {
    ClientAuth::builder(bearer("token-1")).name("orders")
}

async fn shown(auth: &ClientAuth, url: &str) -> Result<Vec<HeaderValue>, Kind> {
    let mut request = Request::get(url).body(()).unwrap();
    // It plays no role.
    request.headers_mut().insert("host", HeaderValue::from_static("orders.example"));
    let outcome = auth.enrich(&mut request).await;
    let shown: Vec<_> = request.headers().get_all(AUTHORIZATION).iter().cloned().collect();
    let mut headers = HeaderMap::new();
    let alike = auth.enrich_headers(request.uri(), &mut headers).await;
    assert_eq!(headers.get_all(AUTHORIZATION).iter().cloned().collect::<Vec<_>>(), shown);
    assert_eq!(alike.map_err(|error| error.kind()), outcome.clone().map_err(|error| error.kind()));
    outcome.map(|()| shown).map_err(|error| error.kind())
}

#[tokio::test]
async fn it_goes_to_the_origin_of_the_url_and_to_the_others_that_were_named() {
    let auth = orders().url("https://orders.example/v2").origin("http://localhost:9090").build().unwrap();
    for url in [
        "https://orders.example/",
        "https://orders.example/v3?x=y",
        "https://Orders.Example:443",
        "https://someone@orders.example",
        "wss://orders.example/socket",
        "http://localhost:9090",
        "ws://LOCALHOST:9090/socket",
    ] {
        let shown = shown(&auth, url).await.unwrap();
        assert_eq!(shown, ["Bearer token-1"], "{url}");
        assert!(shown[0].is_sensitive());
    }
    for (url, kind) in [
        ("https://evil.example/", Kind::ForeignOrigin),
        ("https://orders.example:8443/", Kind::ForeignOrigin),
        ("https://orders.example./", Kind::ForeignOrigin),
        ("https://orders.example@evil.example/", Kind::ForeignOrigin),
        ("https://orders.example:443@evil.example/", Kind::ForeignOrigin),
        ("http://localhost:9091/", Kind::ForeignOrigin),
        ("http://127.0.0.1:9090/", Kind::ForeignOrigin),
        ("https://localhost:9090/", Kind::ForeignOrigin),
        ("http://orders.example/", Kind::PlainHttp),
        ("ws://orders.example/", Kind::PlainHttp),
        ("http://localhost@orders.example/", Kind::PlainHttp),
        ("ftp://orders.example/", Kind::Scheme),
        ("https://orders.example:99999/", Kind::NoOrigin),
        ("/v2", Kind::NoOrigin),
        ("orders.example:443", Kind::NoOrigin),
        ("*", Kind::NoOrigin),
    ] {
        assert_eq!(shown(&auth, url).await, Err(kind), "{url}");
    }
}

#[tokio::test]
async fn any_origin_is_any_over_https_and_this_machine_over_http() {
    let auth = orders().any_origin().build().unwrap();
    for url in
        ["https://a.example", "wss://b.example:1", "http://localhost:2", "ws://127.0.0.1", "http://[::1]:3"]
    {
        assert_eq!(shown(&auth, url).await.unwrap(), ["Bearer token-1"], "{url}");
    }
    for (url, kind) in [
        ("http://a.example", Kind::PlainHttp),
        ("ws://10.0.0.1", Kind::PlainHttp),
        ("gopher://a.example", Kind::Scheme),
        ("/", Kind::NoOrigin),
    ] {
        assert_eq!(shown(&auth, url).await, Err(kind), "{url}");
    }
    let auth = orders().any_origin().allow_insecure_http(true).build().unwrap();
    assert_eq!(shown(&auth, "http://a.example").await.unwrap(), ["Bearer token-1"]);
}

#[tokio::test]
async fn allowed_http_is_still_one_origin() {
    let auth = orders().url("http://orders.example").allow_insecure_http(true).build().unwrap();
    assert_eq!(shown(&auth, "http://orders.example/x").await.unwrap(), ["Bearer token-1"]);
    assert_eq!(shown(&auth, "https://orders.example/x").await, Err(Kind::ForeignOrigin));
    assert_eq!(shown(&auth, "http://evil.example/x").await, Err(Kind::ForeignOrigin));
}

#[tokio::test]
async fn an_authorization_of_the_requests_own_is_left_alone_wherever_it_goes() {
    let auth = orders().url("https://orders.example").build().unwrap();
    for url in ["https://orders.example", "https://evil.example", "http://evil.example", "/"] {
        let own = Request::get(url).header(AUTHORIZATION, "Basic YTpi").header(AUTHORIZATION, "Bearer mine");
        let mut request = own.body(()).unwrap();
        auth.enrich(&mut request).await.unwrap();
        let shown: Vec<_> = request.headers().get_all(AUTHORIZATION).iter().collect();
        assert_eq!(shown, ["Basic YTpi", "Bearer mine"], "{url}");
    }
}

#[tokio::test]
async fn an_error_names_the_origin_and_the_remedy_and_nothing_else_of_the_url() {
    let auth = orders().url("https://orders.example").build().unwrap();
    let mut request =
        Request::get("https://alice:canary@evil.example:8443/canary?canary=1").body(()).unwrap();
    let error = auth.enrich(&mut request).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "client `orders`: its credential is not for https://evil.example:8443; add that origin to `origins`, or call it \
         without this client"
    );
    assert!(request.headers().is_empty());
}

#[tokio::test]
async fn the_request_that_opens_a_websocket_is_one_like_any_other() {
    let auth = orders().url("https://push.example").build().unwrap();
    let mut request = "wss://push.example/socket".into_client_request().unwrap();
    auth.enrich(&mut request).await.unwrap();
    assert_eq!(request.headers()[AUTHORIZATION], "Bearer token-1");
    assert!(request.headers().contains_key("sec-websocket-key"));

    let mut request = "wss://evil.example/socket".into_client_request().unwrap();
    assert_eq!(auth.enrich(&mut request).await.unwrap_err().kind(), Kind::ForeignOrigin);
    assert!(!request.headers().contains_key(AUTHORIZATION));
    let mut request = "ws://push.example/socket".into_client_request().unwrap();
    assert_eq!(auth.enrich(&mut request).await.unwrap_err().kind(), Kind::PlainHttp);
}

#[tokio::test]
async fn the_credential_can_be_had_in_hand() {
    let auth = orders().any_origin().build().unwrap();
    assert_eq!(auth.generate_token().await.unwrap().expose(), "token-1");
    assert_eq!(auth.authorization().await.unwrap(), bearer("token-1"));
    let headers = auth.security_headers().await.unwrap();
    assert_eq!((headers.len(), &headers[AUTHORIZATION]), (1, &HeaderValue::from_static("Bearer token-1")));
    assert!(headers[AUTHORIZATION].is_sensitive());
    assert!(!auth.refused(&bearer("token-1")), "nothing renews it");
    assert!(auth.probe().await.is_empty());

    let basic = Authorization::basic("Aladdin", &Secret::new("open sesame")).unwrap();
    let auth = ClientAuth::builder(basic).any_origin().build().unwrap();
    assert_eq!(auth.generate_token().await.unwrap().expose(), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_eq!(auth.security_headers().await.unwrap()[AUTHORIZATION], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");

    let tokens = Tokens::at_hand(2);
    let auth = ClientAuth::builder(tokens.clone()).any_origin().build().unwrap();
    assert_eq!(auth.probe().await.len(), 1);
    assert!(auth.refused(&bearer("token-1")), "there is another one");
    assert_eq!(auth.generate_token().await.unwrap().expose(), "token-2");
    assert!(!auth.refused(&bearer("token-2")), "and no third");
}

#[tokio::test]
async fn without_a_credential_nothing_is_sent_and_the_source_says_why() {
    let tokens = Tokens::slow(1);
    tokens.open(10);
    tokens.fail(
        TokenError::transient("https://id.example/token answered 503")
            .with_retry_after(std::time::Duration::from_secs(7)),
    );
    let auth = ClientAuth::builder(tokens).name("orders").url("https://orders.example").build().unwrap();
    let mut request = Request::get("https://orders.example").body(()).unwrap();
    let uri = Uri::from_static("https://orders.example");
    for error in [
        auth.enrich(&mut request).await.unwrap_err(),
        auth.enrich_headers(&uri, request.headers_mut()).await.unwrap_err(),
        auth.generate_token().await.unwrap_err(),
        auth.security_headers().await.unwrap_err(),
        auth.authorization().await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.client()), (Kind::NoCredential, Some("orders")));
        assert!(error.is_transient());
        assert_eq!(error.retry_after().unwrap().as_secs(), 7);
        assert_eq!(error.source().unwrap().to_string(), "https://id.example/token answered 503");
    }
    assert!(request.headers().is_empty());
}
