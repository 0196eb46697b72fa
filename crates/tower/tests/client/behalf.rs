//! On whose behalf a client calls.

use http::{HeaderMap, HeaderValue, Request, header::AUTHORIZATION};
use portcullis_core::{
    Auth, BoxFuture, Context, Credential, Identity, OnBehalfOf, Outcome, Principal, Provider, RequestHead,
    Scheme, Secret,
};
use portcullis_tower::{ClientAuth, ClientAuthErrorKind as Kind};

use crate::tokens::{Tokens, bearer};

/// Knows everybody.
#[derive(Debug)]
struct Anyone(Scheme);

impl Provider for Anyone {
    fn kind(&self) -> &'static str {
        "anyone"
    }

    fn scheme(&self) -> Scheme {
        self.0
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(Outcome::known(Identity::new("alice")))
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::known(Identity::new("alice")) })
    }
}

async fn caller(scheme: Scheme, authorization: &'static str) -> Principal {
    let auth = Auth::builder().element(Anyone(scheme), "*").build().unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(authorization))]);
    let decision = auth.decided(&RequestHead::new(&http::Method::GET, "/", &headers)).await;
    decision.unwrap().principal().unwrap().clone()
}

async fn shown(auth: &ClientAuth, url: &str) -> Result<HeaderValue, Kind> {
    let mut request = Request::get(url).body(()).unwrap();
    auth.enrich(&mut request).await.map_err(|error| error.kind())?;
    Ok(request.headers()[AUTHORIZATION].clone())
}

#[tokio::test]
async fn each_caller_has_a_client_with_the_same_rules_and_a_token_of_its_own() {
    let own =
        ClientAuth::builder(Tokens::at_hand(1)).name("orders").url("https://orders.example").build().unwrap();
    let alice = own.on_behalf_of(&caller(Scheme::Bearer, "Bearer alice-token").await).unwrap();
    let bob = own.on_behalf_of_token(&OnBehalfOf::token(Secret::new("bob-token"), None)).unwrap();
    let url = "https://orders.example/v2";
    assert_eq!(shown(&alice, url).await.unwrap(), "Bearer for-alice-token");
    assert_eq!(shown(&bob, url).await.unwrap(), "Bearer for-bob-token");
    assert_eq!(shown(&own, url).await.unwrap(), "Bearer token-1");
    for auth in [&alice, &bob] {
        assert_eq!((auth.name(), auth.url()), (own.name(), own.url()));
        assert_eq!(shown(auth, "https://evil.example").await, Err(Kind::ForeignOrigin));
    }
}

#[tokio::test]
async fn a_caller_without_a_token_is_nobody_to_call_on_behalf_of() {
    let own = ClientAuth::builder(Tokens::at_hand(1)).name("orders").any_origin().build().unwrap();
    let error = own.on_behalf_of(&caller(Scheme::Basic, "Basic YWxpY2U6MTIz").await).unwrap_err();
    assert_eq!((error.kind(), error.client()), (Kind::NoSubject, Some("orders")));
}

#[tokio::test]
async fn a_credential_of_the_services_own_acts_on_behalf_of_nobody() {
    let own = ClientAuth::builder(bearer("token-1")).name("orders").any_origin().build().unwrap();
    let error = own.on_behalf_of(&caller(Scheme::Bearer, "Bearer alice-token").await).unwrap_err();
    assert_eq!((error.kind(), error.client()), (Kind::NotOnBehalf, Some("orders")));
}
