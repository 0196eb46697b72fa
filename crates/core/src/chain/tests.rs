//! The verdict, for every combination of elements and their answers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header::AUTHORIZATION};

use crate::{
    Auth, BoxFuture, Contact, Context, Credential, Element, Identity, IntoProvider, Looked, Outcome,
    Provider, Reason, RejectionKind, RequestHead, RequiredScopes, Scheme, Step, Unavailable,
};

/// What an element does with the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// It is of the other scheme.
    LooksAway,
    Refuses,
    KnowsWithoutScope,
    Admits,
    Unavailable,
}

const PLANS: [Plan; 5] =
    [Plan::LooksAway, Plan::Refuses, Plan::KnowsWithoutScope, Plan::Admits, Plan::Unavailable];

#[derive(Debug)]
struct Planned {
    plan: Plan,
    waits: bool,
    asked: AtomicUsize,
}

impl Planned {
    fn answer(&self) -> Outcome {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.plan {
            Plan::LooksAway => panic!("an element of another scheme was asked"),
            Plan::Refuses => Outcome::refused(Reason::Other, "the token is wrong"),
            Plan::KnowsWithoutScope => Outcome::known(Identity::new("alice").with_scopes(["other"])),
            Plan::Admits => Outcome::known(Identity::new("alice").with_scopes(["hello"])),
            Plan::Unavailable => Unavailable::new("the server is away").into(),
        }
    }
}

impl Provider for Planned {
    fn kind(&self) -> &'static str {
        "planned"
    }

    fn scheme(&self) -> Scheme {
        if self.plan == Plan::LooksAway { Scheme::Basic } else { Scheme::Bearer }
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        (!self.waits).then(|| self.answer())
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { self.answer() })
    }
}

fn bearer() -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer token"))])
}

/// Written a second time, as a table over the whole array, to hold the walk against.
fn expected(plans: &[Plan]) -> Result<usize, (StatusCode, RejectionKind)> {
    if let Some(first) = plans.iter().position(|plan| *plan == Plan::Admits) {
        Ok(first)
    } else if plans.contains(&Plan::Unavailable) {
        Err((StatusCode::SERVICE_UNAVAILABLE, RejectionKind::Unavailable))
    } else if plans.contains(&Plan::KnowsWithoutScope) {
        Err((StatusCode::FORBIDDEN, RejectionKind::InsufficientScope))
    } else if plans.contains(&Plan::Refuses) {
        Err((StatusCode::UNAUTHORIZED, RejectionKind::Refused))
    } else {
        Err((StatusCode::UNAUTHORIZED, RejectionKind::NotLookedAt))
    }
}

/// Every sequence of `length` plans, each answered at once or after waiting.
fn every_combination(length: u32) -> impl Iterator<Item = Vec<(Plan, bool)>> {
    (0..10_usize.pow(length)).map(move |mut number| {
        (0..length)
            .map(|_| {
                let digit = number % 10;
                number /= 10;
                (PLANS[digit / 2], digit % 2 == 1)
            })
            .collect()
    })
}

#[tokio::test]
async fn every_combination_of_up_to_four_elements_is_decided_and_explained_alike() {
    let headers = bearer();
    let mut decided = 0;
    for combination in (1..=4).flat_map(every_combination) {
        let providers: Vec<Arc<Planned>> = combination
            .iter()
            .map(|&(plan, waits)| Arc::new(Planned { plan, waits, asked: AtomicUsize::new(0) }))
            .collect();
        let element = |(at, provider): (usize, &Arc<Planned>)| {
            let provider: Arc<dyn Provider> = provider.clone();
            Element::new(provider, "hello").unwrap().named(format!("element-{at}"))
        };
        let auth = Auth::builder().elements(providers.iter().enumerate().map(element)).build().unwrap();
        let request = RequestHead::new(&Method::GET, "/", &headers);
        let plans: Vec<Plan> = combination.iter().map(|(plan, _)| *plan).collect();
        let expected = expected(&plans);

        let step = auth.decide(&request);
        let reached = expected.map_or(plans.len(), |at| at + 1);
        let asked = |at: usize| at < reached && plans[at] != Plan::LooksAway;
        let waited = (0..plans.len()).any(|at| asked(at) && combination[at].1);
        assert_eq!(matches!(step, Step::Wait(_)), waited, "waits only where it has to: {combination:?}");
        let decision = match step {
            Step::Ready(decision) => decision,
            Step::Wait(deciding) => deciding.await,
        };
        match (&expected, &decision) {
            (Ok(at), Ok(admission)) => {
                let principal = admission.principal().unwrap();
                assert_eq!(principal.provider(), format!("element-{at}"), "{combination:?}");
            }
            (Err((status, kind)), Err(rejection)) => {
                assert_eq!((rejection.status(), rejection.kind()), (*status, *kind), "{combination:?}");
                assert_eq!(rejection.retry_after().is_some(), *kind == RejectionKind::Unavailable);
                let challenged = status.as_u16() == 401 || *kind == RejectionKind::InsufficientScope;
                assert_eq!(!rejection.challenges().is_empty(), challenged, "{combination:?}");
            }
            _ => panic!("{combination:?}: expected {expected:?}, decided {decision:?}"),
        }
        for (at, provider) in providers.iter().enumerate() {
            assert_eq!(
                provider.asked.load(Ordering::SeqCst),
                usize::from(asked(at)),
                "asked once or not: {combination:?}"
            );
        }

        let explanation = auth.explain(&request, Contact::Allowed).await;
        assert_eq!(
            explanation.status(),
            decision.as_ref().map_or_else(crate::Rejection::status, |_| StatusCode::OK)
        );
        for (at, report) in explanation.elements.iter().enumerate() {
            let looked = match plans[at] {
                _ if at >= reached => Looked::NotReached,
                Plan::LooksAway => Looked::OtherScheme,
                Plan::Refuses => Looked::Refused,
                Plan::KnowsWithoutScope => Looked::NotAuthorized,
                Plan::Admits => Looked::Admitted,
                Plan::Unavailable => Looked::Unavailable,
            };
            assert_eq!(report.looked, looked, "{combination:?}");
        }
        decided += 1;
    }
    assert_eq!(decided, 10 + 100 + 1_000 + 10_000);
}

fn service(plan: Plan) -> Auth {
    Auth::builder()
        .element(Planned { plan, waits: false, asked: AtomicUsize::new(0) }, "hello")
        .build()
        .unwrap()
}

async fn status_of(auth: &Auth, authorization: Option<&'static str>) -> Result<(), RejectionKind> {
    let headers: HeaderMap =
        authorization.map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).into_iter().collect();
    let decision = auth.decided(&RequestHead::new(&Method::GET, "/", &headers)).await;
    decision.map(|_| ()).map_err(|rejection| rejection.kind())
}

#[tokio::test]
async fn in_an_outage_no_credential_and_one_that_nobody_looks_at_are_still_401() {
    let auth = service(Plan::Unavailable);
    assert_eq!(status_of(&auth, Some("Bearer token")).await, Err(RejectionKind::Unavailable));
    assert_eq!(status_of(&auth, None).await, Err(RejectionKind::NoCredential));
    assert_eq!(status_of(&auth, Some("Basic YWxpY2U6MTIz")).await, Err(RejectionKind::NotLookedAt));
    assert_eq!(status_of(&auth, Some("Digest x")).await, Err(RejectionKind::NotLookedAt));
    assert!(matches!(status_of(&auth, Some("Bearer a b")).await, Err(RejectionKind::Malformed(_))));
}

#[tokio::test]
async fn without_a_credential_every_element_is_told_and_none_is_asked() {
    let auth = service(Plan::Unavailable);
    for value in [None, Some("Bearer a b")] {
        let headers: HeaderMap =
            value.map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).into_iter().collect();
        let explanation =
            auth.explain(&RequestHead::new(&Method::GET, "/", &headers), Contact::Allowed).await;
        assert_eq!(explanation.status(), StatusCode::UNAUTHORIZED);
        let looked: Vec<Looked> = explanation.elements.iter().map(|element| element.looked).collect();
        assert_eq!(looked, [Looked::NothingToLookAt], "{value:?}");
    }
}

#[tokio::test]
async fn optional_admits_no_credential_and_refuses_a_bad_one() {
    let optional = |plan| {
        let provider = Planned { plan, waits: false, asked: AtomicUsize::new(0) };
        Auth::builder().element(provider, "hello").optional(true).build().unwrap()
    };
    assert_eq!(status_of(&optional(Plan::Refuses), None).await, Ok(()));
    assert_eq!(status_of(&optional(Plan::Refuses), Some("Bearer token")).await, Err(RejectionKind::Refused));
    assert_eq!(status_of(&optional(Plan::Admits), Some("Bearer token")).await, Ok(()));
    assert!(status_of(&optional(Plan::Admits), Some("Bearer")).await.is_err());
    let headers = HeaderMap::new();
    let admission =
        optional(Plan::Admits).decided(&RequestHead::new(&Method::GET, "/", &headers)).await.unwrap();
    assert!(admission.principal().is_none());
    let mut extensions = http::Extensions::new();
    admission.attach(&mut extensions);
    let rejection = crate::Admission::demand_caller(&extensions, "test").unwrap_err();
    assert_eq!(
        (rejection.kind(), rejection.status()),
        (RejectionKind::NoCredential, StatusCode::UNAUTHORIZED)
    );
    assert_eq!(rejection.challenges().len(), 1);
}

#[tokio::test]
async fn the_earliest_retry_after_of_the_unavailable_elements_is_told() {
    #[derive(Debug)]
    struct Away(u64);
    impl Provider for Away {
        fn kind(&self) -> &'static str {
            "away"
        }
        fn scheme(&self) -> Scheme {
            Scheme::Bearer
        }
        fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
            Some(Unavailable::new("away").with_retry_after(std::time::Duration::from_secs(self.0)).into())
        }
        fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
            Box::pin(async { Unavailable::new("away").into() })
        }
    }
    let auth = Auth::builder().element(Away(30), "a").element(Away(7), "b").build().unwrap();
    let headers = bearer();
    let rejection = auth.decided(&RequestHead::new(&Method::GET, "/", &headers)).await.unwrap_err();
    assert_eq!(rejection.retry_after().unwrap().as_secs(), 7);
}

/// Never answers.
#[derive(Debug)]
struct Silent;

impl Provider for Silent {
    fn kind(&self) -> &'static str {
        "silent"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        None
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn the_walk_ends_with_503_when_the_decision_time_is_over() {
    let known = Planned { plan: Plan::KnowsWithoutScope, waits: true, asked: AtomicUsize::new(0) };
    let auth = Auth::builder()
        .element(known, "hello")
        .element(Silent, RequiredScopes::anyone())
        .decision_timeout(std::time::Duration::from_secs(3))
        .build()
        .unwrap();
    let started = tokio::time::Instant::now();
    assert_eq!(status_of(&auth, Some("Bearer token")).await, Err(RejectionKind::Unavailable));
    assert_eq!(started.elapsed().as_secs(), 3);
}

#[tokio::test]
async fn a_403_names_the_scopes_of_the_elements_that_authenticated_in_order() {
    let planned = |plan| Planned { plan, waits: false, asked: AtomicUsize::new(0) };
    let auth = Auth::builder()
        .element(planned(Plan::Refuses), "never")
        .element(planned(Plan::KnowsWithoutScope), ["root", "admin"])
        .element(planned(Plan::KnowsWithoutScope), "staff")
        .build()
        .unwrap();
    let headers = bearer();
    let rejection = auth.decided(&RequestHead::new(&Method::GET, "/", &headers)).await.unwrap_err();
    assert_eq!(
        rejection.challenges(),
        ["Bearer realm=\"portcullis\", error=\"insufficient_scope\", scope=\"root admin staff\""]
    );
}

#[tokio::test]
async fn explaining_asks_no_server_unless_told_to() {
    #[derive(Debug)]
    struct Watching;
    impl Provider for Watching {
        fn kind(&self) -> &'static str {
            "watching"
        }
        fn scheme(&self) -> Scheme {
            Scheme::Bearer
        }
        fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
            panic!("an explanation takes the whole way")
        }
        fn authenticate<'a>(&'a self, _: &'a Credential<'a>, cx: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
            assert!(!cx.may_remember());
            let contact = cx.may_contact();
            Box::pin(async move {
                if contact {
                    Outcome::known(Identity::new("x"))
                } else {
                    Unavailable::new("not asked\nnow").into()
                }
            })
        }
    }
    let auth =
        Auth::builder().element(Watching.into_provider().unwrap(), RequiredScopes::anyone()).build().unwrap();
    let headers = bearer();
    let request = RequestHead::new(&Method::GET, "/", &headers);
    let offline = auth.explain(&request, Contact::Forbidden).await;
    assert_eq!(offline.elements[0].looked, Looked::Unavailable);
    assert_eq!(offline.elements[0].text, "not asked\\u{a}now", "a reason stays on its line");
    assert_eq!(auth.explain(&request, Contact::Allowed).await.elements[0].looked, Looked::Admitted);
}
