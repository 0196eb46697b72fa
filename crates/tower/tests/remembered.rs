//! Callers who are remembered are let in by the policy that covers their request, and by no other.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::{convert::Infallible, net::IpAddr, sync::Arc};

use http::{Extensions, HeaderValue, Method, Request, Response, StatusCode, Uri, header::AUTHORIZATION};
use portcullis_core::{
    Auth, BoxFuture, Context, Credential, Identity, Outcome, Override, Policy, Principal, Provider, Recall,
    Resource, Scheme,
};
use portcullis_tower::{AuthLayer, AuthLayerWith, ClientAddr, RequestSource, RequestView};
use tower::{Layer as _, ServiceExt as _};

/// Remembers one token as that of alice, who may say hello.
#[derive(Clone, Copy, Debug)]
struct Remembers;

fn alice() -> Arc<Identity> {
    Arc::new(Identity::new("alice").with_scopes(["hello"]))
}

impl Provider for Remembers {
    fn kind(&self) -> &'static str {
        "remembers"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn recall(&self, text: &[u8], _: &Context<'_>) -> Recall {
        Recall::found((text == b"token").then(|| Outcome::Known(alice())))
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(Outcome::Known(alice()))
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::Known(alice()) })
    }
}

fn service() -> Auth {
    Auth::builder().path("/foo").element(Remembers, "hello").build().unwrap()
}

/// A router that has settled one policy for all its routes.
#[derive(Clone)]
struct Settled(Policy);

impl RequestSource for Settled {
    fn view<'a>(&'a self, _: &Method, uri: &'a Uri, _: &'a Extensions) -> RequestView<'a> {
        RequestView::new(uri.path()).with_policy(Some(&self.0))
    }
}

/// The status, and the caller whom the service saw.
async fn answer<R, H>(layer: AuthLayerWith<R, H>, request: Request<()>) -> (StatusCode, Option<String>)
where
    R: RequestSource + Clone,
    H: portcullis_tower::OnRejection<String> + Clone,
{
    let inner = tower::service_fn(async |request: Request<()>| {
        let caller =
            Principal::of(request.extensions()).and_then(|caller| caller.subject().map(str::to_owned));
        Ok::<_, Infallible>(Response::new(caller.unwrap_or_default()))
    });
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    let status = response.status();
    (status, Some(response.into_body()).filter(|caller| !caller.is_empty()))
}

fn caller(status: u16, name: &str) -> (StatusCode, Option<String>) {
    (StatusCode::from_u16(status).unwrap(), Some(name.to_owned()).filter(|name| !name.is_empty()))
}

#[tokio::test]
async fn a_policy_that_a_router_settled_is_the_one_that_decides() {
    let auth = service();
    let with =
        |over| AuthLayerWith::with_source(auth.clone(), Settled(auth.policy_with(over, "route").unwrap()));
    let request = || support::request("GET", "/foo/x", "token");
    assert_eq!(answer(with(Override::scopes("root")), request()).await, caller(403, ""));
    assert_eq!(answer(with(Override::scopes("hello")), request()).await, caller(200, "alice"));
    assert_eq!(answer(with(Override::public()), request()).await, caller(200, ""));
    let nobody = || support::request("GET", "/foo/x", "");
    assert_eq!(answer(with(Override::public()), nobody()).await, caller(200, ""));
    assert_eq!(answer(with(Override::scopes("hello")), nobody()).await, caller(401, ""));
}

#[tokio::test]
async fn a_resource_that_covers_the_path_is_the_one_that_decides() {
    let layer = || AuthLayer::new(service()).resource(Resource::new("/admin").scopes("root")).unwrap();
    for (path, expected) in
        [("/foo/x", caller(200, "alice")), ("/foo/admin", caller(403, "")), ("/elsewhere", caller(500, ""))]
    {
        assert_eq!(answer(layer(), support::request("GET", path, "token")).await, expected, "{path}");
    }
    let open = AuthLayer::new(service()).resource(Resource::new("/open").public()).unwrap();
    assert_eq!(answer(open, support::request("GET", "/foo/open", "")).await, caller(200, ""));
}

#[tokio::test]
async fn without_resources_the_path_makes_no_difference_wherever_the_service_is_mounted() {
    for layer in [AuthLayer::new(service()), AuthLayer::new(service()).mounted_at("/api")] {
        for path in ["/foo/x", "/api/foo/x", "/elsewhere"] {
            let known = support::request("GET", path, "token");
            assert_eq!(answer(layer.clone(), known).await, caller(200, "alice"), "{path}");
            assert_eq!(
                answer(layer.clone(), support::request("GET", path, "")).await,
                caller(401, ""),
                "{path}"
            );
            let mut two = support::request("GET", path, "token");
            two.headers_mut().append(AUTHORIZATION, HeaderValue::from_static("Bearer token"));
            assert_eq!(answer(layer.clone(), two).await, caller(401, ""), "{path}");
        }
    }
}

#[tokio::test]
async fn a_refusal_that_is_logged_tells_path_and_client() {
    let log = support::Log::start();
    for (token, kind) in [("", "no-credential"), ("a,b", "malformed-credential")] {
        let mut request = support::request("GET", "/foo/x", token);
        request.extensions_mut().insert(ClientAddr(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(answer(AuthLayer::new(service()), request).await, caller(401, ""));
        let lines = log.lines();
        let line = lines.last().unwrap();
        for part in [&format!("kind=\"{kind}\""), "path=/foo/x", "client=192.0.2.1"] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
    assert_eq!(log.lines().len(), 2);
}
