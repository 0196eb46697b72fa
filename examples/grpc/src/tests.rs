//! A real client on a real connection: what tonic makes of each refusal.

use portcullis::{
    Auth, BoxFuture, Context, Credential, Outcome, Protocol, Provider, RequiredScopes, Scheme, Unavailable,
};
use tonic::Code;

use super::*;

async fn configured() -> SocketAddr {
    let config = Config::parse(include_str!("../Config.toml"), env!("CARGO_MANIFEST_DIR")).unwrap();
    start(config.service("/").unwrap().build().await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn callers_are_let_in_method_by_method() {
    let address = configured().await;
    let (alice, bob) = (issue("alice", "greet").unwrap(), issue("bob", "greet shout").unwrap());
    assert_eq!(call(address, Method::SayHello, Some(&alice)).await.unwrap(), "Hello, alice!");
    assert_eq!(call(address, Method::SayHello, Some(&bob)).await.unwrap(), "Hello, bob!");
    assert_eq!(call(address, Method::Shout, Some(&bob)).await.unwrap(), "HELLO, BOB!");
    let forbidden = call(address, Method::Shout, Some(&alice)).await.unwrap_err();
    assert_eq!((forbidden.code(), forbidden.message()), (Code::PermissionDenied, "not permitted"));
}

#[tokio::test]
async fn who_is_not_known_is_unauthenticated() {
    let address = configured().await;
    for (token, challenge) in [
        (None, "Bearer realm=\"portcullis\""),
        (Some("x.y.z"), "Bearer realm=\"portcullis\", error=\"invalid_token\""),
    ] {
        let refused = call(address, Method::SayHello, token).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::Unauthenticated, "not authenticated"));
        assert_eq!(refused.metadata().get("www-authenticate").unwrap(), challenge);
    }
}

/// Stands for a server that cannot be asked.
#[derive(Debug)]
struct Away;

impl Provider for Away {
    fn kind(&self) -> &'static str {
        "away"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(Unavailable::new("the server is away").with_retry_after(Duration::from_secs(7)).into())
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Unavailable::new("the server is away").into() })
    }
}

#[tokio::test]
async fn an_outage_is_unavailable_and_the_same_without_grpc_is_a_plain_status() {
    let auth = || Auth::builder().element(Away, RequiredScopes::anyone());
    let address = start(auth().protocol(Protocol::Grpc).build().unwrap()).await.unwrap();
    let away = call(address, Method::SayHello, Some("token")).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable);
    assert_eq!(away.metadata().get("retry-after").unwrap(), "7");

    // What says nothing of gRPC answers with 503, of which a client makes what it can.
    let address = start(auth().build().unwrap()).await.unwrap();
    let away = call(address, Method::SayHello, Some("token")).await.unwrap_err();
    assert_eq!(away.metadata().get("grpc-status"), None);
    assert!(away.message().contains("503"), "{away:?}");
}
