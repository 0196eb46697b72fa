//! Area client-oauth2: the edge cases.

use std::time::Duration;

use axum::{Router, http::StatusCode};
use portcullis_testing::{GrantType, TestTokenEndpoint};
use serde_json::{Value, json};

use super::{
    super::{
        setting::basic,
        sts::{CLIENT_ID, CLIENT_SECRET, Sts, TOKEN_1},
    },
    setting::{Secured, client, clock, config, failure, generated, in_body, mistakes, told},
};

fn client_credentials(tokens: &TestTokenEndpoint, id: &str, secret: &str) -> Value {
    json!({"tokenUrl": tokens.url(), "clientId": id, "clientSecret": secret})
}

fn password(tokens: &TestTokenEndpoint) -> Value {
    tokens.user("admin", "admin");
    json!({"tokenUrl": tokens.url(), "username": "admin", "password": "admin"})
}

#[tokio::test]
async fn d_oauth_01() {
    const SECRET: &str = "a&b=c";
    let tokens = TestTokenEndpoint::start().await;
    let record = client_credentials(&tokens, "orders", SECRET);
    tokens.require_client_in_body("orders", SECRET);
    assert_eq!(generated(&client(&clock(), &in_body(record.clone())).await).await, "access-1");
    let sent = "grant_type=client_credentials&client_id=orders&client_secret=a%26b%3Dc";
    assert_eq!(tokens.calls()[0].body, sent);
    // In the header both are encoded as well (RFC 6749 §2.3.1).
    tokens.require_client_in_header("orders", SECRET);
    assert_eq!(generated(&client(&clock(), &record).await).await, "access-2");
    assert_eq!(tokens.calls()[1].header("authorization"), Some(&*basic("orders:a%26b%3Dc")));
}

#[tokio::test]
async fn d_oauth_02() {
    let tokens = TestTokenEndpoint::start().await;
    let mut record = client_credentials(&tokens, "orders", "secret");
    record["clientConfig"] = json!({"customHeaders": {"Authorization": "Basic YWRtaW46YWRtaW4="}});
    let what = "`Authorization` stands beside the client's own id and secret: keep one of them";
    let expected = [("clientConfig.customHeaders".to_owned(), what.to_owned())];
    assert_eq!(mistakes(&record), expected);
    assert_eq!(mistakes(&in_body(record)), expected, "that is another one, and one is all");
    // Where the header is all that says who the client is, it is sent.
    let mut record = password(&tokens);
    record["clientConfig"] = json!({"customHeaders": {"Authorization": "Basic YWRtaW46YWRtaW4="}});
    assert_eq!(generated(&client(&clock(), &record).await).await, "access-1");
    assert_eq!(tokens.calls()[0].header("authorization"), Some("Basic YWRtaW46YWRtaW4="));
}

/// The server refuses the refresh token: the password is at hand.
#[tokio::test]
async fn d_oauth_04() {
    for own in [false, true] {
        let tokens = TestTokenEndpoint::start().await;
        tokens.expires_in(Some(60));
        tokens.with_refresh_tokens();
        let mut record = password(&tokens);
        record["refreshConfig"] =
            if own { json!({"refreshUrl": tokens.url()}) } else { "INFER_REFRESH_CONFIG".into() };
        let clock = clock();
        let client = client(&clock, &record).await;
        assert_eq!(generated(&client).await, "access-1");
        tokens.forget_refresh_tokens();
        clock.advance(Duration::from_secs(60));
        assert_eq!(generated(&client).await, "access-2");
        assert_eq!((tokens.count(GrantType::Password), tokens.count(GrantType::RefreshToken)), (2, 1));
        // The refresh token that came then is good again.
        clock.advance(Duration::from_secs(60));
        assert_eq!(generated(&client).await, "access-3");
        assert_eq!((tokens.count(GrantType::Password), tokens.count(GrantType::RefreshToken)), (2, 2));
        assert_eq!(tokens.calls()[3].parameter("refresh_token").as_deref(), Some("refresh-2"));
    }
}

#[tokio::test]
async fn d_oauth_06() {
    let tokens = TestTokenEndpoint::start().await;
    let mut record = client_credentials(&tokens, "orders", "secret");
    record.as_object_mut().unwrap().remove("clientSecret").unwrap();
    let what = "required, and missing: set it, or `clientAssertion`, or `clientConfig.secureSocket.key`, a certificate";
    assert_eq!(mistakes(&record), [("clientSecret".to_owned(), what.to_owned())]);

    // Where a grant proves more than the client, it may be a public one.
    tokens.require_public_client("orders");
    let mut record = password(&tokens);
    record["clientId"] = "orders".into();
    assert_eq!(generated(&client(&clock(), &record).await).await, "access-1");
    assert_eq!(tokens.calls()[0].body, "grant_type=password&username=admin&password=admin&client_id=orders");
    record["clientId"] = "others".into();
    let what = "refuses the client, 401 (\"invalid_client\"): check `clientId`, and whether it wants a `clientSecret`";
    assert_eq!(failure(&client(&clock(), &record).await).await, told(&tokens.url(), what));
}

/// A token is revoked before it expires. Another one is fetched for it, and not for ever another one.
#[tokio::test]
async fn d_oauth_07() {
    let sts = Sts::start().await;
    let toml =
        format!("[services.\"/foo\"]\nauth = [{{ scopes = [\"write\", \"update\"], {} }}]\n", sts.element());
    let service = Secured::start("/foo", &toml, Router::new()).await;
    let mut auth = client_credentials(&sts.tokens, CLIENT_ID, CLIENT_SECRET);
    auth["clientConfig"] =
        json!({"secureSocket": {"cert": {"path": "../../sts/truststore.p12", "password": "ballerina"}}});
    let called = async |client: &portcullis::client::ReqwestClient| {
        client.get("/foo/foo").send().await.unwrap().status()
    };

    let (clock, mut table) = (clock(), service.called_by(&auth));
    let client = config(&clock, &table).unwrap().client("x").unwrap().reqwest().await.unwrap();
    assert_eq!(called(&client).await, StatusCode::OK);
    assert_eq!(sts.tokens.issued(), [TOKEN_1]);
    sts.introspection.revoke(TOKEN_1);
    sts.introspection.grant("access-2", json!({"scp": "write"}));
    assert_eq!(called(&client).await, StatusCode::OK);
    assert_eq!(sts.tokens.issued(), [TOKEN_1, "access-2"]);
    assert_eq!(sts.introspection.call_count(), 3);
    // Within `minRefreshInterval` the refusal is the answer.
    sts.introspection.revoke("access-2");
    assert_eq!(called(&client).await, StatusCode::UNAUTHORIZED);
    assert_eq!((sts.tokens.call_count(), sts.introspection.call_count()), (2, 4));
    clock.advance(Duration::from_secs(10));
    sts.introspection.grant("access-3", json!({"scp": "write"}));
    assert_eq!(called(&client).await, StatusCode::OK);
    assert_eq!((sts.tokens.call_count(), sts.introspection.call_count()), (3, 6));

    // Where nobody wants it, the first refusal is the answer.
    table["retryOn401"] = false.into();
    let client = config(&clock, &table).unwrap().client("x").unwrap().reqwest().await.unwrap();
    assert_eq!(called(&client).await, StatusCode::UNAUTHORIZED);
    assert_eq!((sts.tokens.call_count(), sts.introspection.call_count()), (4, 7));
}
