//! A version that comes while the identity provider is away.

use portcullis_testing::TestIssuer;

use super::{Folder, status};

#[tokio::test]
async fn keys_that_were_fetched_are_kept_and_a_reload_asks_nobody() {
    let issuer = TestIssuer::start().await;
    let text = |manners: &str, skew: u32| {
        format!(
            r#"
            [services."/foo"]
            {manners}
            auth = [{{ scopes = "hello", jwtValidatorConfig = {{
                issuer = {:?}, audience = "foo", clockSkew = {skew},
                signatureConfig = {{ jwksConfig = {{ url = {:?}, preload = true }} }},
            }} }}]
            "#,
            issuer.url(),
            issuer.jwks_url()
        )
    };
    let folder = Folder::new(&text("", 60));
    let live = portcullis::Live::load(folder.path("Config.toml")).unwrap();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let token = format!("Bearer {}", issuer.token().audience("foo").scope("hello").sign());
    assert_eq!(status(&foo, "/foo", &token).await, 200);
    let before = foo.now().providers().remove(0);

    issuer.answer_jwks_with("application/json", "away");
    folder.write("Config.toml", &text("realm = \"other\"", 60));
    assert_eq!(live.reload().await.unwrap().kept, 1);
    assert!(std::sync::Arc::ptr_eq(&before, &foo.now().providers()[0]));
    assert_eq!(status(&foo, "/foo", &token).await, 200);

    // Another definition cannot do without its keys: the version before stays, and it is tried again.
    folder.write("Config.toml", &text("realm = \"third\"", 59));
    assert!(live.check().await.is_none());
    assert!(live.check().await.unwrap().is_err());
    assert_eq!((status(&foo, "/foo", &token).await, live.state().generation), (200, 2));
    issuer.recover();
    // It says so once, and asks again each time.
    while live.state().generation < 3 {
        live.check().await;
    }
    assert_eq!(status(&foo, "/foo", &token).await, 200);
}
