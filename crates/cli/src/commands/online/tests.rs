use std::future::pending;

use portcullis::{BoxFuture, Context, Credential, Outcome, Reason, Resource, Scheme};
use portcullis_core::ServerState;

use super::*;

/// A provider whose servers answer so.
#[derive(Debug)]
struct Stub {
    kind: &'static str,
    /// `None`: it never comes to an end.
    answers: Option<Vec<Probe>>,
}

impl Provider for Stub {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        None
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::ready(Outcome::refused(Reason::UnknownUser, "nobody is known here")))
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        assert_ne!(self.kind, "broken", "this one panics");
        match &self.answers {
            Some(answers) => Box::pin(std::future::ready(answers.clone())),
            None => Box::pin(pending()),
        }
    }

    fn servers(&self) -> Vec<ServerState> {
        match self.kind {
            "slow" => vec![ServerState::unasked("jwks", "https://slow.example/keys")],
            _ => Vec::new(),
        }
    }
}

fn stub(kind: &'static str, answers: Option<Vec<Probe>>) -> Arc<dyn Provider> {
    Arc::new(Stub { kind, answers })
}

fn probe(role: &'static str, url: &str, result: Result<&str, &str>) -> Probe {
    let result = result.map(str::to_owned).map_err(str::to_owned);
    Probe::new(role, url, Duration::from_millis(12), result)
}

fn names(all: &[Needed]) -> Vec<(&str, Vec<&str>)> {
    all.iter().map(|one| (one.what.kind(), one.by.iter().map(String::as_str).collect())).collect()
}

#[test]
fn every_provider_is_named_once_with_all_that_need_it() {
    let (shared, own) = (stub("shared", Some(vec![])), stub("own", Some(vec![])));
    let foo = Auth::builder()
        .path("/foo")
        .element(Arc::clone(&shared), "a")
        .resource(Resource::new("/admin").scopes("b"))
        .resource(Resource::new("/other").elements(Element::new(Arc::clone(&own), "c")))
        .build()
        .unwrap();
    let bar = Auth::builder().path("/bar").element(Arc::clone(&shared), "a").build().unwrap();
    let all = of_services([&foo, &bar]);
    assert_eq!(
        names(&all),
        [
            ("shared", vec!["service /foo [0] shared", "service /bar [0] shared"]),
            ("own", vec!["resource /foo/other [0] own"]),
        ]
    );
}

#[tokio::test]
async fn all_are_asked_and_each_answer_stands_for_itself() {
    let two = vec![
        probe("jwks", "https://idp.example/keys", Ok("3 keys")),
        probe("token", "https://idp.example/token", Err("the certificate is not trusted")),
    ];
    let needed = |provider, by: &str| Needed { what: Depends::Provider(provider), by: vec![by.to_owned()] };
    let all = vec![
        needed(stub("slow", None), "service /slow [0] slow"),
        needed(stub("broken", None), "service /broken [0] broken"),
        needed(stub("two", Some(two)), "service /two [0] two"),
        needed(stub("file", Some(vec![])), "service /two [1] file"),
    ];
    let answered = ask_within(all, Duration::from_millis(1)).await;
    let lines: Vec<_> = answered
        .iter()
        .map(|one| (one.probe.role, one.probe.url.as_str(), one.is_right(), one.needed_by.join("; ")))
        .collect();
    let by = |name: &str| format!("service /{name} [0] {name}");
    assert_eq!(
        lines,
        [
            ("jwks", "https://slow.example/keys", false, by("slow")),
            ("broken", "", false, by("broken")),
            ("jwks", "https://idp.example/keys", true, by("two")),
            ("token", "https://idp.example/token", false, by("two")),
        ]
    );
    assert_eq!(answered[0].probe.result, Err("no answer within 0 s".to_owned()));
    let told = Value::from(json(&answered));
    assert_eq!(
        told[2],
        json!({
            "role": "jwks", "url": "https://idp.example/keys", "right": true, "milliseconds": 12,
            "answer": "3 keys", "problem": null, "neededBy": ["service /two [0] two"],
        })
    );
    assert_eq!(
        (&told[3]["right"], &told[3]["problem"]),
        (&json!(false), &json!("the certificate is not trusted"))
    );
}
