//! One audit event for each decision: neither more nor fewer, whatever becomes of the request.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, Response, header::AUTHORIZATION};
use portcullis::{AuditLog, Auth, AuthLayer, FileUserStore, RequireScopes, Resource, Step, Throttle, User};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{ByToken, Captured};

fn auth() -> Auth {
    Auth::builder()
        .element(ByToken, "hello")
        .element(
            FileUserStore::new([User::with_password("alice", "correct horse").scopes(["hello"])]),
            "hello",
        )
        .resource(Resource::new("/admin").scopes("admin"))
        .resource(Resource::new("/open").public())
        .resource(Resource::new("/maybe").optional(true))
        .throttle(Throttle::new().per_user(1).per_address(1))
        .decision_timeout(Duration::from_millis(20))
        .observer(Arc::new(AuditLog))
        .build()
        .unwrap()
}

fn request(path: &str, authorization: &'static str) -> Request<()> {
    let mut request = Request::get(path).body(()).unwrap();
    if !authorization.is_empty() {
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static(authorization));
    }
    request
}

/// `outcome reason`, or `outcome` alone, of each audit event.
fn audited(captured: &Captured) -> Vec<String> {
    let value = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!(" {name}=\""))?;
        Some(rest.split('"').next().unwrap().to_owned())
    };
    let lines = captured.lines().into_iter().filter(|line| line.contains("portcullis::audit"));
    lines
        .map(|line| {
            let words = [value(&line, "outcome"), value(&line, "reason"), value(&line, "asker")];
            words.into_iter().flatten().collect::<Vec<_>>().join(" ")
        })
        .collect()
}

const ALICE: &str = "Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==";
const WRONG: &str = "Basic YWxpY2U6d3Jvbmc=";

#[tokio::test]
async fn each_decision_is_one_event() {
    let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    for (path, authorizations, told) in [
        ("/x", &["Bearer good"][..], &["admitted"][..]),
        ("/x", &[""], &["refused no-credential"]),
        ("/x", &["Bearer a b"], &["refused trailing-words"]),
        ("/x", &["Bearer refused.expired"], &["refused expired"]),
        ("/admin", &["Bearer good"], &["forbidden insufficient-scope"]),
        ("/x", &["Bearer weak"], &["forbidden insufficient-scope"]),
        ("/open", &["Bearer good"], &["public"]),
        ("/maybe", &[""], &["anonymous"]),
        ("//admin", &["Bearer good"], &["bad-request ambiguous-path"]),
        ("/x", &["Bearer unavailable.overloaded"], &["unavailable overloaded"]),
        ("/x", &["Bearer panics"], &["unavailable panicked"]),
        ("/x", &["Bearer hangs"], &["unavailable timed-out"]),
        // The second is let in from memory.
        ("/x", &[ALICE, ALICE], &["admitted", "admitted"]),
        ("/x", &[WRONG, WRONG], &["refused wrong-password", "throttled too-many-attempts"]),
    ] {
        let service = AuthLayer::new(auth()).layer(handler);
        let (captured, _guard) = Captured::start();
        for authorization in authorizations {
            service.clone().oneshot(request(path, authorization)).await.unwrap();
        }
        assert_eq!(audited(&captured), told, "{path} {authorizations:?} {:#?}", captured.lines());
    }
}

#[tokio::test]
async fn layers_within_one_another_decide_one_after_the_other_and_a_check_inside_adds_its_refusal() {
    let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    let admins = RequireScopes::any_of(["admin"]).unwrap().layer(handler);
    let service = AuthLayer::new(auth()).layer(AuthLayer::new(auth()).layer(admins));
    let (captured, _guard) = Captured::start();
    let answer = service.oneshot(request("/x", "Bearer good")).await.unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(
        audited(&captured),
        ["admitted", "admitted", "forbidden insufficient-scope RequireScopes"],
        "{:#?}",
        captured.lines()
    );
}

#[tokio::test]
async fn a_request_that_is_given_up_is_no_decision() {
    let (captured, _guard) = Captured::start();
    let request = request("/x", "Bearer hangs");
    let head = portcullis::RequestHead::new(&Method::GET, "/x", request.headers());
    let Step::Wait(deciding) = auth().decide(&head) else { panic!("it was decided") };
    assert!(futures_util::poll!(Box::pin(deciding)).is_pending());
    assert_eq!(audited(&captured), Vec::<String>::new());
    let spans: Vec<String> = captured.lines().into_iter().filter(|line| line.contains(": close")).collect();
    assert!(spans.len() == 1 && !spans[0].contains("outcome"), "{spans:?}");
}
