//! What must not cost more where there is more of it.

use axum::body::Body;
use portcullis::{Auth, AuthLayer, Element, FileUserStore, Resource, User};
use serde_json::{Value, json};

use super::{
    Bench, Case, Requests, Serving,
    ours::{self, alice, auth, basic, by_secret, guarded, jwt},
    plain::hello,
};
use crate::fixtures::SCOPE;

/// Users of a file user store, all with one hash, of whom one calls.
pub fn users(bench: &Bench, count: usize) -> Box<dyn Case> {
    let app = move |bench: &Bench| {
        let user =
            |number| User::new(format!("user-{number}"), &bench.fixtures.password_hash).scopes([SCOPE]);
        let others = (1..count).map(user);
        guarded(auth(FileUserStore::new(others.chain([alice(bench)]))))
    };
    Box::new(Serving::<_, _, Body>::new(bench, basic(), app).warm(bench))
}

/// The route that a resource covers, unprotected.
pub fn open_resource(bench: &Bench) -> Box<dyn Case> {
    Box::new(Serving::<_, _, Body>::new(bench, item(bench), |_| hello("/orders/0/items")))
}

fn item(bench: &Bench) -> Requests {
    Requests::bearer(bench.fixtures.rsa.tokens.first()).to("/orders/0/items")
}

/// Resources with scopes of their own, of which one is asked for.
pub fn resources(bench: &Bench, count: usize) -> Box<dyn Case> {
    let requests = item(bench);
    let app = move |bench: &Bench| {
        let resource = |number| Resource::new(format!("/orders/{number}/items")).scopes(SCOPE);
        let auth = auth(jwt(&bench.fixtures.rsa)).with_resources((0..count).map(resource));
        hello("/orders/0/items").layer(AuthLayer::new(auth.expect("the resources are good")))
    };
    Box::new(Serving::<_, _, Body>::new(bench, requests, app).warm(bench))
}

/// Remembered tokens, of which one is shown.
pub fn tokens(bench: &Bench, count: usize) -> Box<dyn Case> {
    let remembered = bench.fixtures.many_tokens(count);
    let requests = Requests::bearer(&remembered[..1]);
    let app = move |bench: &Bench| {
        let app = guarded(auth(by_secret(2 * count.max(1_000))));
        let kept = app.clone();
        Serving::<_, _, Body>::new(bench, Requests::bearer(&remembered), move |_| kept.clone()).warm(bench);
        app
    };
    Box::new(Serving::<_, _, Body>::new(bench, requests, app).warm(bench))
}

/// Keys of a fetched set, of which the last one signed the token.
pub fn keys(bench: &Bench, count: usize) -> Box<dyn Case> {
    let own = bench.fixtures.rsa.jwk();
    let other = |number: usize| {
        let mut key = bench.fixtures.p256.jwk();
        key["kid"] = Value::from(format!("other-{number}"));
        key
    };
    let all: Vec<Value> = (1..count).map(other).chain([own]).collect();
    ours::fetched(bench, json!({ "keys": all }).to_string())
}

/// Elements of the other scheme before the one that looks at tokens.
pub fn elements(bench: &Bench, further: usize) -> Box<dyn Case> {
    let requests = Requests::bearer(bench.fixtures.rsa.tokens.first());
    let app = move |bench: &Bench| {
        let users = || Element::new(FileUserStore::new([alice(bench)]), SCOPE).expect("the element is good");
        let tokens = Element::new(jwt(&bench.fixtures.rsa), SCOPE).expect("the element is good");
        let elements = (0..further).map(|_| users()).chain([tokens]);
        guarded(Auth::builder().elements(elements).build().expect("the service is built"))
    };
    Box::new(Serving::<_, _, Body>::new(bench, requests, app).warm(bench))
}
