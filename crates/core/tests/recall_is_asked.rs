//! When the memory of a provider is asked, and what it is told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    cell::Cell,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, UPGRADE},
};
use portcullis_core::{
    Auth, AuthBuilder, BoxFuture, Context, Credential, Identity, Outcome, Protocol, Provider, Reason, Recall,
    RequestHead, Scheme, Step,
};

/// Remembers everybody or nobody, and from where memory was asked. What it is asked for otherwise takes its time, and is
/// refused.
#[derive(Clone, Debug)]
struct Remembers {
    everybody: bool,
    asked: Arc<Mutex<Vec<Option<IpAddr>>>>,
}

impl Remembers {
    fn everybody() -> Self {
        Self { everybody: true, asked: Arc::default() }
    }

    fn nobody() -> Self {
        Self { everybody: false, asked: Arc::default() }
    }

    fn asked(&self) -> Vec<Option<IpAddr>> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn service(&self) -> AuthBuilder {
        Auth::builder().element(self.clone(), "hello")
    }
}

impl Provider for Remembers {
    fn kind(&self) -> &'static str {
        "remembers"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn recall(&self, _: &[u8], cx: &Context<'_>) -> Recall {
        self.asked.lock().unwrap().push(cx.client());
        Recall::found(self.everybody.then(|| Outcome::known(Identity::new("alice").with_scopes(["hello"]))))
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        None
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::refused(Reason::Other, "memory was not asked") })
    }

    fn can_revoke(&self) -> bool {
        true
    }
}

fn bearer(others: &[(HeaderName, &'static str)]) -> HeaderMap {
    let others = others.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
    others.chain([(AUTHORIZATION, HeaderValue::from_static("Bearer token"))]).collect()
}

/// Decides as a layer does, and says whether it had to be told where the request goes and from whom.
fn decide(auth: &Auth, head: &RequestHead<'_>) -> (Step, bool) {
    let asked = Cell::new(false);
    let step = auth.decide_with(head.method, head.headers, || {
        asked.set(true);
        *head
    });
    (step, asked.get())
}

#[test]
fn memory_is_asked_once_and_never_told_the_address() {
    let headers = bearer(&[]);
    let client = Some(IpAddr::from([192, 0, 2, 1]));
    let head = RequestHead::new(&Method::GET, "/", &headers).with_client(client);
    let provider = Remembers::everybody();
    let auth = provider.service().build().unwrap();
    assert!(matches!(decide(&auth, &head), (Step::Ready(Ok(_)), false)));
    assert_eq!(provider.asked(), [None], "at once nothing else is known");
    assert!(matches!(auth.decide(&head), Step::Ready(Ok(_))));
    assert_eq!(provider.asked(), [None], "what it says must not depend on who asks");
    let provider = Remembers::nobody();
    let auth = provider.service().build().unwrap();
    assert!(matches!(decide(&auth, &head), (Step::Wait(_), true)));
    assert_eq!(provider.asked(), [None], "it had said nothing, and is not asked again");
    assert!(matches!(auth.decide(&head), Step::Wait(_)));
    assert_eq!(provider.asked(), [None]);
}

#[test]
fn a_connection_that_is_asked_about_again_is_not_opened_from_memory() {
    let provider = Remembers::everybody();
    let upgrade = bearer(&[(UPGRADE, "websocket")]);
    for (method, headers, opens) in [
        (Method::GET, &upgrade, true),
        (Method::CONNECT, &bearer(&[]), true),
        (Method::GET, &bearer(&[]), false),
    ] {
        let head = RequestHead::new(&method, "/", headers);
        let auth = provider.service().revalidate_interval(Duration::from_secs(60)).build().unwrap();
        let (step, asked) = decide(&auth, &head);
        assert_eq!((matches!(step, Step::Wait(_)), asked), (opens, opens), "{method} {headers:?}");
        assert_eq!(matches!(auth.decide(&head), Step::Wait(_)), opens, "{method} {headers:?}");
        assert_eq!(provider.asked().is_empty(), opens, "{method} {headers:?}");
        // Where nothing is asked again, the answer is the same for all.
        let auth = provider.service().build().unwrap();
        assert!(matches!(decide(&auth, &head), (Step::Ready(Ok(_)), false)), "{method} {headers:?}");
        provider.asked();
    }
}

#[tokio::test]
async fn a_connect_to_a_grpc_service_that_had_to_wait_is_refused_by_its_status() {
    let auth = Remembers::nobody().service().protocol(Protocol::Grpc).build().unwrap();
    let headers = bearer(&[]);
    for (method, status) in [(Method::CONNECT, StatusCode::UNAUTHORIZED), (Method::POST, StatusCode::OK)] {
        let head = RequestHead::new(&method, "/", &headers);
        let Step::Wait(deciding) = auth.decide(&head) else { panic!("it takes its time") };
        assert_eq!(deciding.await.unwrap_err().response_status(), status, "{method}");
    }
}
