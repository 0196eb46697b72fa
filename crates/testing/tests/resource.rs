//! The protected resource.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use bytes::Bytes;
use common::{client, request, send};
use http::{Method, Response};
use portcullis_testing::TestResource;

async fn call(resource: &TestResource, lines: &[&str]) -> Response<Bytes> {
    let mut request = request(Method::GET, &resource.url(), "");
    for line in lines {
        request.headers_mut().append("authorization", line.parse().unwrap());
    }
    send(&client(), request).await.unwrap()
}

#[tokio::test]
async fn only_what_was_accepted_is_answered_200() {
    let resource = TestResource::start().await;
    resource.accept("good");
    resource.accept_authorization("Basic YTpi");
    let status = async |lines: &[&str]| call(&resource, lines).await.status().as_u16();
    assert_eq!(status(&["Bearer good"]).await, 200);
    assert_eq!(status(&["Basic YTpi"]).await, 200);
    for bad in [&[][..], &["Bearer other"], &["bearer good"], &["Bearer good", "Bearer good"], &["good"]] {
        assert_eq!(status(bad).await, 401, "{bad:?}");
    }
    let shown: Vec<_> = resource.authorizations();
    assert_eq!(shown[0].as_deref(), Some("Bearer good"));
    assert_eq!(shown[2], None);
    assert_eq!(shown[5].as_deref(), Some("Bearer good, Bearer good"));
    resource.accept_if(|token| token.starts_with("of-"));
    assert_eq!((status(&["Bearer of-alice"]).await, status(&["Bearer good"]).await), (200, 200));
    resource.accept_nothing();
    assert_eq!((status(&["Bearer of-alice"]).await, status(&["Bearer good"]).await), (401, 401));
}

#[tokio::test]
async fn it_challenges_and_redirects_as_it_is_told() {
    let resource = TestResource::start().await;
    let challenge = async || call(&resource, &[]).await.headers()["www-authenticate"].clone();
    assert_eq!(challenge().await, "Bearer realm=\"test\", error=\"invalid_token\"");
    resource.challenge("Bearer error=\"insufficient_scope\"");
    assert_eq!(challenge().await, "Bearer error=\"insufficient_scope\"");
    resource.redirect_to("https://other.example/");
    let answer = call(&resource, &["Bearer good"]).await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()),
        (307, "https://other.example/")
    );
    resource.recover();
    assert_eq!(call(&resource, &[]).await.status(), 401);
}
