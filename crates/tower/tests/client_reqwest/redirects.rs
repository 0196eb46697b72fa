//! What reqwest's own redirects do with the credential: held here, because our promise stands on it.

use std::{
    error::Error as _,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use http::{Response, StatusCode};
use portcullis_testing::{TestResource, TestServer, TestTls};
use portcullis_tower::{ClientAuth, SendError, SendVia};
use reqwest::Certificate;

use crate::tokens::bearer;

/// Answers `/…` with a redirect to what the path names, and everything else with 200.
async fn pointing(at: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> TestServer {
    TestServer::start(move |call| match at(call.path()) {
        Some(location) => {
            Response::builder().status(302).header("location", location).body(Bytes::new()).unwrap()
        }
        None => Response::new(Bytes::new()),
    })
    .await
}

fn shown(server: &TestServer) -> Vec<(String, Option<String>)> {
    let shown = |call: &portcullis_testing::Call| {
        (call.path().to_owned(), call.header("authorization").map(str::to_owned))
    };
    server.calls().iter().map(shown).collect()
}

/// Whatever the client may call, the credential stays with the origin that was asked for.
fn anywhere() -> ClientAuth {
    ClientAuth::builder(bearer("token-1")).any_origin().allow_insecure_http(true).build().unwrap()
}

fn with(path: &str) -> (String, Option<String>) {
    (path.to_owned(), Some("Bearer token-1".to_owned()))
}

fn without(path: &str) -> (String, Option<String>) {
    (path.to_owned(), None)
}

#[tokio::test]
async fn within_one_origin_the_credential_stays() {
    let server = pointing(|path| (path == "/a").then(|| "/b".to_owned())).await;
    crate::client()
        .build()
        .unwrap()
        .get(format!("{}/a", server.origin()))
        .send_via(&anywhere())
        .await
        .unwrap();
    assert_eq!(shown(&server), [with("/a"), with("/b")]);
}

#[tokio::test]
async fn another_port_never_receives_it_and_on_the_way_back_it_is_gone() {
    let back = Arc::new(OnceLock::<String>::new());
    let other = {
        let back = back.clone();
        pointing(move |_| back.get().cloned()).await
    };
    let away = format!("{}/away", other.origin());
    let server = pointing(move |path| (path == "/a").then(|| away.clone())).await;
    back.set(format!("{}/back", server.origin())).unwrap();
    crate::client()
        .build()
        .unwrap()
        .get(format!("{}/a", server.origin()))
        .send_via(&anywhere())
        .await
        .unwrap();
    assert_eq!(shown(&server), [with("/a"), without("/back")]);
    assert_eq!(shown(&other), [without("/away")]);
}

#[tokio::test]
async fn another_host_never_receives_it() {
    let server = pointing(|_| None).await;
    let port = server.address().port();
    let client = crate::client().resolve("other.example", server.address()).build().unwrap();
    let first = pointing(move |_| Some(format!("http://other.example:{port}/named"))).await;
    client.get(format!("{}/a", first.origin())).send_via(&anywhere()).await.unwrap();
    assert_eq!(shown(&first), [with("/a")]);
    assert_eq!(shown(&server), [without("/named")]);

    // By another name of the same server, and with the first one's where user-info stands.
    let named = pointing(move |_| Some(format!("http://127.0.0.1:{port}@localhost:{port}/localhost"))).await;
    client.get(format!("{}/a", named.origin())).send_via(&anywhere()).await.unwrap();
    assert_eq!(shown(&named), [with("/a")]);
    assert!(server.calls()[1].header("authorization").is_none_or(|shown| !shown.contains("token-1")));
}

/// `first` redirects to `/1` of the other, which redirects to `/2`, which is its own or back at the first.
async fn through(second: &'static str) -> (TestServer, TestServer) {
    let home = Arc::new(OnceLock::<String>::new());
    let first = Arc::clone(&home);
    let other = pointing(move |path| match (path, second) {
        ("/1", "back") => first.get().map(|first| format!("{first}/2")),
        ("/1", _) => Some("/2".to_owned()),
        _ => None,
    })
    .await;
    let away = format!("{}/1", other.origin());
    let server = pointing(move |path| match path {
        "/a" => Some(away.clone()),
        "/2" => Some("/3".to_owned()),
        _ => None,
    })
    .await;
    home.set(server.origin()).unwrap();
    (server, other)
}

#[tokio::test]
async fn an_origin_that_redirects_to_itself_does_not_receive_it() {
    let client = crate::client().build().unwrap();
    let (server, other) = through("within").await;
    let error = client.get(format!("{}/a", server.origin())).send_via(&anywhere()).await.unwrap_err();
    let SendError::Service(error) = error else { panic!("{error:?}") };
    assert!(error.is_redirect(), "{error:?}");
    assert!(error.source().unwrap().to_string().contains("the credential would be shown"), "{error:?}");
    assert_eq!((shown(&server), shown(&other)), (vec![with("/a")], vec![without("/1")]));

    // Nor is a URL that it chose called with it.
    let (server, other) = through("back").await;
    let error = client.get(format!("{}/a", server.origin())).send_via(&anywhere()).await.unwrap_err();
    assert!(matches!(&error, SendError::Service(error) if error.is_redirect()), "{error:?}");
    assert_eq!((shown(&server), shown(&other)), (vec![with("/a"), without("/2")], vec![without("/1")]));
}

#[tokio::test]
async fn reqwests_own_policy_shows_it_there_which_is_why_there_is_ours() {
    let client = crate::bare_client().build().unwrap();
    let (server, other) = through("within").await;
    client.get(format!("{}/a", server.origin())).send_via(&anywhere()).await.unwrap();
    assert_eq!(
        shown(&other),
        [without("/1"), with("/2")],
        "once reqwest does better, ours has done its duty"
    );
}

#[tokio::test]
async fn ten_redirects_are_followed_and_no_eleventh() {
    let count = |path: &str| path.trim_start_matches('/').parse::<u32>().unwrap();
    let server = pointing(move |path| (count(path) > 0).then(|| format!("/{}", count(path) - 1))).await;
    let client = crate::client().build().unwrap();
    let get = |from: u32| client.get(format!("{}/{from}", server.origin())).send_via(&anywhere());
    assert_eq!(get(10).await.unwrap().status(), StatusCode::OK);
    let error = get(11).await.unwrap_err();
    assert!(matches!(&error, SendError::Service(error) if error.is_redirect()), "{error:?}");
    assert!(shown(&server).iter().all(|(_, shown)| shown.is_some()));
}

#[tokio::test]
async fn another_scheme_never_receives_it() {
    let secure = TestServer::start_https(TestTls::self_signed(), |_| Response::new(Bytes::new())).await;
    let certificate = Certificate::from_pem(secure.certificate_pem().unwrap().as_bytes()).unwrap();
    let client = crate::client().tls_certs_only([certificate]).build().unwrap();

    let target = format!("{}/up", secure.origin());
    let server = pointing(move |_| Some(target.clone())).await;
    client.get(format!("{}/a", server.origin())).send_via(&anywhere()).await.unwrap();
    assert_eq!(shown(&server), [with("/a")]);
    assert_eq!(shown(&secure), [without("/up")]);

    let plain = pointing(|_| None).await;
    let down = Response::builder().status(302).header("location", format!("{}/down", plain.origin()));
    secure.answer_next_with(down.body(Bytes::new()).unwrap());
    client.get(format!("{}/b", secure.origin())).send_via(&anywhere()).await.unwrap();
    assert_eq!(shown(&secure)[1], with("/b"));
    assert_eq!(shown(&plain), [without("/down")]);
}

#[tokio::test]
async fn a_refusal_by_the_same_origin_after_a_redirect_is_one() {
    let server = TestResource::start().await;
    server.accept("token-2");
    let target = server.url();
    let tokens = crate::tokens::Tokens::at_hand(2);
    let orders = ClientAuth::builder(tokens).url(server.origin()).build().unwrap();
    server.answer_next_with(
        Response::builder().status(302).header("location", "/b").body(Bytes::new()).unwrap(),
    );
    let response = crate::client().build().unwrap().get(target).send_via(&orders).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    assert_eq!(server.authorizations(), [bearer("token-1"), bearer("token-1"), bearer("token-2")]);
}
