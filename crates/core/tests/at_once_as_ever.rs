//! What is decided at once, or from a provider's memory, is what a walk over all elements decides.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    cell::Cell,
    pin::pin,
    sync::Arc,
    task::{self, Poll, Waker},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONNECTION, COOKIE, ORIGIN, UPGRADE},
};
use portcullis_core::{
    Auth, AuthBuilder, BoxFuture, Contact, Context, Credential, CredentialSources, Decided, Decision,
    Element, Identity, Observer, Outcome, Protocol, Provider, Reason, Recall, Rejection, RequestHead,
    RequiredScopes, Scheme, Step,
};

/// What a provider says before a credential is read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Memory {
    /// Nothing at all.
    Silent,
    /// Whom it accepted.
    Callers,
    /// Whom it accepted, and what it refused.
    All,
}

/// Accepts some texts, each the credential of the user who is named there, and remembers all of them.
#[derive(Debug)]
struct Accepts {
    scheme: Scheme,
    texts: &'static [(&'static str, &'static str)],
    memory: Memory,
}

impl Accepts {
    fn whose(&self, text: &[u8]) -> Option<Arc<Identity>> {
        let (_, user) = self.texts.iter().find(|(own, _)| own.as_bytes() == text)?;
        Some(Arc::new(Identity::new(*user).with_scopes([*user])))
    }

    fn refused() -> Outcome {
        Outcome::refused(Reason::Other, "nobody's")
    }
}

impl Provider for Accepts {
    fn kind(&self) -> &'static str {
        "accepts"
    }

    fn scheme(&self) -> Scheme {
        self.scheme
    }

    fn recall(&self, text: &[u8], cx: &Context<'_>) -> Recall {
        assert!(cx.may_recall());
        match (self.memory, self.whose(text)) {
            (Memory::Silent, _) => Recall::Unasked,
            (_, Some(identity)) => Recall::Answer(Outcome::Known(identity)),
            (Memory::Callers, None) => Recall::Nothing,
            (Memory::All, None) => Recall::Answer(Self::refused()),
        }
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        let whose = match credential {
            Credential::Bearer(bearer) => self.whose(bearer.as_bytes()),
            Credential::Basic(basic) => self
                .texts
                .iter()
                .find(|(_, user)| *user == basic.username())
                .and_then(|(text, _)| self.whose(text.as_bytes())),
            _ => None,
        };
        Some(whose.map_or_else(Self::refused, Outcome::Known))
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async { self.try_authenticate(credential, cx).unwrap() })
    }
}

/// `alice:secret` in base64.
const ALICE: &str = "YWxpY2U6c2VjcmV0";

/// Two elements of each scheme: what one refuses the next may accept, and both know `both`, under different names.
fn service(memories: [Memory; 2]) -> AuthBuilder {
    let element = |scheme, texts, scopes: RequiredScopes, at: usize| {
        let memory = memories.into_iter().cycle().nth(at).unwrap();
        Element::new(Accepts { scheme, texts, memory }, scopes).unwrap().named(format!("element-{at}"))
    };
    Auth::builder().elements([
        element(Scheme::Bearer, &[("t1", "first"), ("both", "first"), ("t2", "second")], "first".into(), 0),
        element(Scheme::Bearer, &[("t2", "second"), ("both", "second")], RequiredScopes::anyone(), 1),
        element(Scheme::Basic, &[(ALICE, "alice")], "alice".into(), 2),
        element(Scheme::Basic, &[(ALICE, "alice")], "root".into(), 3),
    ])
}

/// Wants to be told, and does not listen.
#[derive(Debug)]
struct Observes;

impl Observer for Observes {
    fn decided(&self, _: &Decided<'_>) {}
}

/// Services that decide the same, whatever they remember.
struct Alike {
    name: &'static str,
    forgetful: Auth,
    others: Vec<(String, Auth)>,
}

fn services() -> Vec<Alike> {
    type Turn = fn(AuthBuilder) -> AuthBuilder;
    let turns: [(&str, Turn); 11] = [
        ("plain", |auth| auth),
        ("optional", |auth| auth.optional(true)),
        ("short", |auth| auth.max_credential_bytes("Bearer both".len() - 1)),
        ("grpc", |auth| auth.protocol(Protocol::Grpc)),
        ("subprotocol", |auth| auth.credential_sources(CredentialSources::header().websocket_protocol())),
        ("no header", |auth| auth.credential_sources(CredentialSources::none().websocket_protocol())),
        ("revalidated", |auth| auth.revalidate_interval(std::time::Duration::from_secs(1))),
        ("realm", |auth| auth.realm("elsewhere").path("/foo")),
        ("cookie", |auth| auth.credential_sources(cookie())),
        ("cookie, optional", |auth| auth.credential_sources(cookie()).optional(true)),
        ("observed", |auth| auth.observer(Arc::new(Observes))),
    ];
    let alone = |name, auth: fn() -> AuthBuilder| {
        let (forgetful, other) = (auth().build().unwrap(), auth().build().unwrap());
        Alike { name, forgetful, others: vec![(String::new(), other)] }
    };
    let mut all = vec![
        alone("public", || Auth::builder().public()),
        alone("closed", || Auth::builder().refuse_uncovered()),
    ];
    all.extend(turns.into_iter().map(|(name, turn)| {
        let others = [
            [Memory::Callers, Memory::Callers],
            [Memory::Callers, Memory::Silent],
            [Memory::Silent, Memory::Callers],
            [Memory::All, Memory::All],
        ];
        let others = others.map(|memories| {
            (format!(", remembering {memories:?}"), turn(service(memories)).build().unwrap())
        });
        let forgetful = turn(service([Memory::Silent; 2])).build().unwrap();
        Alike { name, forgetful, others: others.into() }
    }));
    all
}

fn cookie() -> CredentialSources {
    CredentialSources::header().cookie("token").origin("https://app.example.org")
}

/// Every way to write a header that has something to do with a credential that is accepted.
fn values() -> Vec<Vec<u8>> {
    let mut values = vec![b"".to_vec()];
    for scheme in ["Bearer", "bearer", "BEARER", "Basic", "bAsIc", "Digest", "Token", " Bearer", ""] {
        for gap in ["", " ", "  ", "\t", " \t"] {
            for text in ["", "t1", "t2", "both", "nobody", ALICE] {
                for end in ["", " ", ",", ", Bearer t1", "=", "\u{e9}"] {
                    values.push(format!("{scheme}{gap}{text}{end}").into_bytes());
                }
            }
        }
    }
    values.push(b"Bearer t\xff".to_vec());
    values
}

fn requests() -> Vec<HeaderMap> {
    let one = |values: &[&[u8]], others: &[(HeaderName, &'static str)]| -> HeaderMap {
        let own = values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_bytes(value).unwrap()));
        let others = others.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        own.chain(others).collect()
    };
    let mut requests = vec![one(&[], &[])];
    requests.extend(values().iter().map(|value| one(&[value], &[])));
    let pairs: [&[u8]; 5] = [b"Bearer t1", b"Bearer t2", b"Basic YWxpY2U6c2VjcmV0", b"x", b""];
    for first in pairs {
        requests.extend(pairs.iter().map(|second| one(&[first, second], &[])));
    }
    let besides: [&[(HeaderName, &'static str)]; 5] = [
        &[(ACCEPT, "a"), (ACCEPT, "b")],
        &[(COOKIE, "token=t2"), (ORIGIN, "https://app.example.org")],
        &[(COOKIE, "token=t2"), (ORIGIN, "https://evil.example.org")],
        &[
            (UPGRADE, "websocket"),
            (CONNECTION, "upgrade"),
            (http::header::SEC_WEBSOCKET_PROTOCOL, "bearer, t2"),
        ],
        &[(UPGRADE, "h2c")],
    ];
    for others in besides {
        requests.push(one(&[], others));
        requests.extend(
            [&b"Bearer t1"[..], b"Bearer t9", b"Basic YWxpY2U6c2VjcmV0"].map(|value| one(&[value], others)),
        );
    }
    requests
}

/// All that can be told of a decision.
#[derive(Debug, PartialEq)]
enum Told {
    In { policy: String, public: bool, caller: Option<Caller> },
    Out { status: StatusCode, kind: String, protocol: Protocol, headers: HeaderMap, on_the_wire: StatusCode },
}

#[derive(Debug, PartialEq)]
struct Caller {
    provider: String,
    scheme: Scheme,
    identity: Identity,
    shown: Option<(Vec<u8>, bool)>,
}

fn told(decision: Decision) -> Told {
    match decision {
        Ok(admission) => Told::In {
            policy: admission.policy().label().to_owned(),
            public: admission.is_public(),
            caller: admission.principal().map(|principal| Caller {
                provider: principal.provider().to_owned(),
                scheme: principal.scheme(),
                identity: principal.identity().clone(),
                shown: principal
                    .authorization()
                    .map(|shown| (shown.header().as_bytes().to_vec(), shown.header().is_sensitive())),
            }),
        },
        Err(rejection) => {
            let mut headers = HeaderMap::new();
            rejection.write_headers(&mut headers);
            let (kind, on_the_wire) = (format!("{:?}", rejection.kind()), rejection.response_status());
            Told::Out {
                status: Rejection::status(&rejection),
                kind,
                protocol: rejection.protocol(),
                headers,
                on_the_wire,
            }
        }
    }
}

fn ready(step: Step) -> Told {
    match step {
        Step::Ready(decision) => told(decision),
        Step::Wait(_) => panic!("nobody has to be waited for"),
    }
}

/// By reading the credential and asking one element after the other: nobody remembers anything, and somebody listens, so
/// that no refusal is made at once. Who is let in without credential is told by the explanation as well, which knows no
/// short way.
fn walked(forgetful: &Auth, head: &RequestHead<'_>) -> Told {
    let long = tracing::subscriber::with_default(tracing_subscriber::registry(), || {
        let (method, headers) = (head.method, head.headers);
        let asked = Cell::new(false);
        let step = forgetful.decide_with(method, headers, || {
            asked.set(true);
            *head
        });
        let long = ready(step);
        let is_read = !matches!(long, Told::In { caller: None, .. });
        assert!(asked.get() || !is_read, "this was the short way: {method} {headers:?}");
        long
    });
    if matches!(long, Told::In { caller: None, .. }) {
        let explaining = pin!(forgetful.explain(head, Contact::Forbidden));
        let Poll::Ready(explanation) = explaining.poll(&mut task::Context::from_waker(Waker::noop())) else {
            panic!("nobody has to be waited for");
        };
        assert_eq!(told(explanation.decision), long);
    }
    long
}

#[test]
fn the_short_way_and_the_long_way_end_alike() {
    let (mut at_once, mut remembered) = (0, 0);
    let requests = requests();
    for Alike { name, forgetful, others } in services() {
        for headers in &requests {
            for method in [Method::GET, Method::CONNECT] {
                let head = RequestHead::new(&method, "/foo", headers);
                let long = walked(&forgetful, &head);
                for (memories, auth) in &others {
                    let about = || format!("{name}{memories}: {method} {headers:?}");
                    let asked = Cell::new(false);
                    let step = auth.decide_with(&method, headers, || {
                        asked.set(true);
                        head
                    });
                    assert_eq!(ready(step), long, "{}", about());
                    if !asked.get() {
                        at_once += 1;
                        remembered += usize::from(matches!(long, Told::In { caller: Some(_), .. }));
                    }
                    assert_eq!(ready(auth.decide(&head)), long, "{}", about());
                    assert_eq!(ready(auth.decide_by(auth.policy(), &head)), long, "{}", about());
                }
            }
        }
    }
    assert!(at_once > 1_000 && remembered > 100, "{at_once} {remembered}");
}
