//! Where a credential goes, and where it does not: redirects, second origins, headers of the caller's own.

use portcullis::{ClientAuth, ClientAuthLayer, SendError, SendVia as _, client::Authorization};
use portcullis_testing::TestResource;
use portcullis_tests::OidcProvider;
use tower::{Layer, ServiceExt};

use crate::service::{client, clock, plain};

const TOKEN: &str = "a-token-of-the-client";

fn shown(value: &str) -> Vec<Option<String>> {
    vec![Some(value.to_owned())]
}

fn auth(origin: &str) -> ClientAuth {
    let token = Authorization::bearer(&TOKEN.into()).unwrap();
    ClientAuth::builder(token).name("orders").url(origin).build().unwrap()
}

#[tokio::test]
async fn a_redirect_to_another_origin_does_not_get_the_credential_by_any_door_of_reqwest() {
    let reqwest = plain();
    for door in ["send_via", "ready", "layer"] {
        let (own, foreign) = (TestResource::start().await, TestResource::start().await);
        own.redirect_to(&foreign.url());
        let auth = auth(&own.origin());
        let status = match door {
            "send_via" => reqwest.get(own.url()).send_via(&auth).await.unwrap().status(),
            "ready" => {
                let orders = client(&clock(), &own.origin(), &format!("token = \"{TOKEN}\"")).await;
                orders.get("/resource").send().await.unwrap().status()
            }
            _ => {
                let service = ClientAuthLayer::new(auth).layer(reqwest.clone());
                service.oneshot(reqwest.get(own.url()).build().unwrap()).await.unwrap().status()
            }
        };
        assert_eq!(status, 401, "{door}");
        assert_eq!(own.authorizations(), shown(&format!("Bearer {TOKEN}")), "{door}");
        assert_eq!(foreign.authorizations(), [None], "{door}: called, and without the credential");
    }
}

#[tokio::test]
async fn a_redirect_within_the_origin_keeps_the_credential() {
    let own = TestResource::start().await;
    own.accept(TOKEN);
    let answer = http::Response::builder().status(307).header("location", "/elsewhere").body("").unwrap();
    own.answer_next_with(answer);
    let orders = client(&clock(), &own.origin(), &format!("token = \"{TOKEN}\"")).await;
    assert_eq!(orders.get("/resource").send().await.unwrap().status(), 200);
    assert_eq!(
        own.authorizations(),
        [shown(&format!("Bearer {TOKEN}")), shown(&format!("Bearer {TOKEN}"))].concat()
    );
    assert_eq!(own.calls()[1].path(), "/elsewhere");
}

#[tokio::test]
async fn a_second_origin_is_an_error_and_is_not_called() {
    let (own, foreign) = (TestResource::start().await, TestResource::start().await);
    let auth = auth(&own.origin());
    let error = plain().get(foreign.url()).send_via(&auth).await.unwrap_err();
    let SendError::Auth(error) = error else { panic!("{error:?}") };
    assert!(error.to_string().contains(&foreign.origin()), "{error}");
    assert!(error.to_string().contains("`origins`"), "the remedy: {error}");
    let mut request = http::Request::get(foreign.url()).body(()).unwrap();
    assert!(auth.enrich(&mut request).await.is_err());
    assert!(!request.headers().contains_key("authorization"));
    assert_eq!(foreign.call_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_an_authorization_of_its_own_keeps_it_and_causes_no_token_request() {
    let provider = OidcProvider::start();
    let (own, foreign) = (TestResource::start().await, TestResource::start().await);
    let (id, secret) = OidcProvider::APP;
    let text = format!(
        "tokenUrl = \"{}\", clientId = \"{id}\", clientSecret = \"{secret}\"",
        provider.url("/token")
    );
    let orders = client(&clock(), &own.origin(), &text).await;
    for resource in [&own, &foreign] {
        let request = orders.get(resource.url()).header("authorization", "Bearer of-the-caller");
        assert_eq!(request.send().await.unwrap().status(), 401, "and no second try");
        assert_eq!(resource.authorizations(), shown("Bearer of-the-caller"));
    }
    assert_eq!(provider.count("/token"), 0);
}
