//! The records: what is read, and every mistake at its key.

use std::sync::Arc;

use portcullis_core::{OnBehalfOf, TokenSource, config::Section};
use portcullis_testing::{GrantType, TestTokenEndpoint};
use serde_json::{Value, json};

use super::{super::SignedTokenReader, bearer, text};
use crate::{exchange, fixtures};

fn read(section: &Value) -> fixtures::Read<Arc<dyn TokenSource>> {
    fixtures::read(section, exchange::read)
}

fn problems(section: &Value) -> Vec<String> {
    let read = read(section);
    let unknown = read.problems.iter().all(|problem| problem.contains("unknown key"));
    assert!(!read.problems.is_empty() && (read.value.is_none() || unknown), "{:?}", read.problems);
    read.problems
}

/// A record of this grant with some keys more.
fn record(grant: &str, more: &Value) -> Value {
    let mut record = json!({
        "grant": grant, "tokenUrl": "https://localhost/token", "clientId": "app", "clientSecret": "secret",
    });
    for (key, value) in more.as_object().unwrap() {
        record[key] = value.clone();
    }
    record
}

async fn exchanged(source: &Arc<dyn TokenSource>, subject: &str) -> String {
    let source = source.on_behalf_of(&OnBehalfOf::token(subject, None)).unwrap();
    text(&source.token().await.unwrap())
}

#[tokio::test]
async fn all_keys_of_an_exchange_are_read() {
    let server = TestTokenEndpoint::start().await;
    server.require_client("app", "s3cret");
    let read = read(&json!({
        "grant": "token_exchange", "tokenUrl": server.url(), "clientId": "app", "clientSecret": "s3cret",
        "audience": ["orders", "billing"], "resource": "https://orders.example", "scopes": "read",
        "subjectTokenType": "jwt", "requestedTokenType": "access_token",
        "actor": {"token": "ours"}, "actorTokenType": "urn:example:ours",
        "credentialBearer": "POST_BODY_BEARER", "optionalParams": {"tenant": "blue"},
        "defaultTokenExpTime": 60, "clockSkew": 5, "minRefreshInterval": "1s",
        "cacheConfig": {"capacity": 5, "defaultMaxAge": 30, "negativeMaxAge": 1},
        "clientConfig": {"customPayload": {"p": "v"}},
    }));
    assert_eq!((read.problems, read.warnings), (vec![], vec![]));
    let source = read.value.unwrap();
    assert_eq!(exchanged(&source, "caller").await, "access-1");
    assert_eq!(
        server.calls()[0].body,
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=caller\
         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt\
         &actor_token=ours&actor_token_type=urn%3Aexample%3Aours\
         &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
         &audience=orders&audience=billing&resource=https%3A%2F%2Forders.example&scope=read&tenant=blue\
         &client_id=app&client_secret=s3cret&p=v"
    );
    let shown = format!("{source:?}");
    for part in [
        "default_token_exp_time: 60s",
        "clock_skew: 5s",
        "min_refresh_interval: 1s",
        "capacity: 5, max_age: Some(30s), negative_max_age: 1s",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[tokio::test]
async fn the_few_keys_that_have_to_be_there_are_enough() {
    for grant in ["token_exchange", "on_behalf_of"] {
        let more = if grant == "on_behalf_of" { json!({"scopes": "orders"}) } else { json!({}) };
        let read = read(&record(grant, &more));
        assert_eq!((read.problems, read.warnings), (vec![], vec![]));
        let shown = format!("{:?}", read.value.unwrap());
        for part in [
            "default_token_exp_time: 3600s",
            "min_refresh_interval: 10s",
            "capacity: 10000, max_age: None, negative_max_age: 5s",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}

#[tokio::test]
async fn on_behalf_of_is_entras_way() {
    let server = TestTokenEndpoint::start().await;
    let mut record =
        record("on_behalf_of", &json!({"scopes": ["a", "b"], "cacheConfig": {"defaultMaxAge": -1}}));
    record["tokenUrl"] = server.url().into();
    let read = read(&record);
    assert_eq!((read.problems, read.warnings), (vec![], vec![]));
    assert_eq!(exchanged(&read.value.unwrap(), "caller").await, "access-1");
    assert_eq!(server.count(GrantType::OnBehalfOf), 1);
    assert_eq!(server.calls()[0].parameter("assertion").as_deref(), Some("caller"));
    assert_eq!(server.calls()[0].parameter("scope").as_deref(), Some("a b"));
}

#[tokio::test]
async fn an_actor_is_a_grant_of_its_own_a_token_or_a_jwt_that_is_signed_here() {
    const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
    const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
    let server = TestTokenEndpoint::start().await;
    server.will_issue("of-the-grant");
    let grant = json!({"tokenUrl": server.url(), "clientId": "app", "clientSecret": "secret"});
    let signed = json!({"signatureConfig": {}, "issuer": "app"});
    for (actor, sent, kind) in [
        (grant, "of-the-grant", ACCESS_TOKEN),
        (json!({"token": "ours"}), "ours", ACCESS_TOKEN),
        (signed, "signed", JWT),
    ] {
        let mut record = record("token_exchange", &json!({"actor": actor}));
        record["tokenUrl"] = server.url().into();
        let read = fixtures::read_with(&record, exchange::read, |reader| {
            reader.plug(SignedTokenReader::new(|section: &Section<'_>| {
                assert_eq!(section.string("issuer").as_deref(), Some("app"));
                assert!(section.section("signatureConfig").is_some());
                Some(Arc::new(bearer("signed")))
            }))
        });
        assert_eq!((read.problems, read.warnings), (vec![], vec![]));
        exchanged(&read.value.unwrap(), "caller").await;
        let call = server.asked(GrantType::TokenExchange).pop().unwrap();
        assert_eq!(call.parameter("actor_token").as_deref(), Some(sent));
        assert_eq!(call.parameter("actor_token_type").as_deref(), Some(kind));
    }
}

#[test]
fn mistakes_are_told_at_their_keys() {
    let exchange = |more: &Value| problems(&record("token_exchange", more));
    for (more, told) in [
        (json!({"grant": "token_exchang"}), "x.grant: \"token_exchang\" is not one of \"token_exchange\""),
        (json!({"tokenUrl": "https://a b"}), "x.tokenUrl: holds white space"),
        (
            json!({"audience": []}),
            "x.audience: is an empty list: name what the token is for, or leave it out",
        ),
        (json!({"audience": [""]}), "x.audience: holds an empty name"),
        (json!({"audience": 7}), "x.audience: expected a string or an array of strings"),
        (json!({"resource": []}), "x.resource: is an empty list"),
        (
            json!({"resource": ["https://orders.example", "orders"]}),
            "x.resource: holds what is no absolute URI",
        ),
        (json!({"resource": "https://orders.example/#a"}), "x.resource: holds what is no absolute URI"),
        (
            json!({"subjectTokenType": "saml2"}),
            "x.subjectTokenType: \"saml2\" is not one of \"access_token\", \"jwt\"",
        ),
        (
            json!({"requestedTokenType": "urn:ietf:params:oauth:token-type:refresh_token"}),
            "x.requestedTokenType: \"urn:ietf:params:oauth:token-type:refresh_token\" is not one of",
        ),
        (json!({"actorTokenType": "jwt"}), "x.actorTokenType: belongs to an `actor`, and there is none"),
        (json!({"actor": "me"}), "x.actor: expected a table"),
        (json!({"actor": {}}), "x.actor: is the record of no grant"),
        (json!({"actor": {"token": "a b"}}), "x.actor.token: the credential is empty, or holds a blank"),
        (json!({"actor": {"token": ""}}), "x.actor.token: an empty secret"),
        (
            json!({"actor": {"signatureConfig": {}, "issuer": "app"}}),
            "x.actor.signatureConfig: this build of portcullis cannot sign tokens: add its feature `jwt`",
        ),
        (
            json!({"actor": {"grant": "token_exchange", "tokenUrl": "https://localhost"}}),
            "x.actor.grant: `token_exchange` exchanges the tokens of callers, and there are none here: use another grant",
        ),
        (
            json!({"optionalParams": {"resource": "x"}}),
            "x.optionalParams.resource: is sent by this record itself",
        ),
        (
            json!({"cacheConfig": {"capacity": -1}}),
            "x.cacheConfig.capacity: -1 is out of bounds: from 0 to 10000000",
        ),
        (json!({"cacheConfig": {"defaultMaxAge": -2}}), "x.cacheConfig.defaultMaxAge: "),
        (json!({"cacheConfig": {"negativeMaxAge": "soon"}}), "x.cacheConfig.negativeMaxAge: "),
        (json!({"assertion": "x"}), "x.assertion: unknown key"),
    ] {
        let told_all = exchange(&more);
        assert_eq!(told_all.len(), 1, "{more}: {told_all:?}");
        assert!(told_all[0].contains(told), "{more}: {told_all:?}");
    }
    let entra = |more: Value| {
        let mut with_scopes = json!({"scopes": "orders"});
        with_scopes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        problems(&record("on_behalf_of", &with_scopes))
    };
    for key in ["audience", "resource", "subjectTokenType", "requestedTokenType", "actor"] {
        let told = entra(json!({key: "jwt"}));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(&format!("x.{key}: unknown key")), "{told:?}");
    }
    for (scopes, expected) in [
        (None, "required, and missing: it alone says what the token is for"),
        (Some(json!([])), "must not be empty: it alone says what the token is for"),
        (Some(json!("")), "must not be empty: it alone says what the token is for"),
        (Some(json!(" ")), "must not be empty: it alone says what the token is for"),
        (Some(json!(["", "\t"])), "must not be empty: it alone says what the token is for"),
        // What cannot be read is not missing.
        (Some(json!(5)), "expected a string or an array of strings, found an integer"),
        (Some(json!([5])), "expected an array of strings, found an integer in it"),
    ] {
        let more = scopes.map_or_else(|| json!({}), |scopes| json!({"scopes": scopes}));
        let told = problems(&record("on_behalf_of", &more));
        assert_eq!(told.len(), 1, "{more}: {told:?}");
        assert!(told[0].ends_with(&format!("x.scopes: {expected}")), "{more}: {told:?}");
    }
    // Where scopes do not say what the token is for, blank ones are none, as in every grant.
    for more in [json!({"scopes": []}), json!({"scopes": " "})] {
        let read = read(&record("token_exchange", &more));
        assert!(read.value.is_some(), "{:?}", read.problems);
    }
    let told = problems(&json!({"grant": "token_exchange"}));
    assert_eq!(told.len(), 3, "the endpoint, the client and its secret: {told:?}");
}

/// The token would be the caller's alone then.
#[test]
fn an_actor_that_cannot_be_read_is_not_left_out() {
    let record = record("token_exchange", &json!({"actor": {"signatureConfig": {}}}));
    let read = fixtures::read_with(&record, exchange::read, |reader| {
        reader.plug(SignedTokenReader::new(|section: &Section<'_>| {
            section.node("signatureConfig");
            None
        }))
    });
    assert!(read.value.is_none());
    assert_eq!(read.problems.len(), 1, "{:?}", read.problems);
    assert!(read.problems[0].contains("x.actor: could not be read, and what reads it does not say why"));
}

#[test]
fn what_works_and_should_be_known_is_a_warning() {
    for (cache, told) in [
        (json!({"capacity": 0}), "x.cacheConfig.capacity: every call exchanges a token"),
        (
            json!({"negativeMaxAge": 61}),
            "x.cacheConfig.negativeMaxAge: a caller whom the endpoint accepts again",
        ),
        (json!({"evictionFactor": 0.25}), "x.cacheConfig.evictionFactor: accepted and not needed"),
    ] {
        let read = read(&record("token_exchange", &json!({"cacheConfig": cache})));
        assert!(read.value.is_some() && read.problems.is_empty());
        assert_eq!(read.warnings.len(), 1, "{:?}", read.warnings);
        assert!(read.warnings[0].contains(told), "{:?}", read.warnings);
    }
    let read = read(&record("token_exchange", &json!({"cacheConfig": {"negativeMaxAge": "1m"}})));
    assert_eq!(read.warnings, [""; 0], "a minute is no longer than a minute");
}

#[test]
fn how_long_a_token_is_used_is_a_span_or_without_limit() {
    for (span, shown) in [
        (json!(-1), "max_age: None, negative"),
        (json!(-1.0), "max_age: None, negative"),
        (json!(1), "max_age: Some(1s), negative"),
        (json!(1.5), "max_age: Some(1.5s), negative"),
        (json!("1m"), "max_age: Some(60s), negative"),
    ] {
        let read = read(&record("token_exchange", &json!({"cacheConfig": {"defaultMaxAge": span}})));
        assert_eq!((read.problems, read.warnings), (vec![], vec![]), "{span}");
        let source = format!("{:?}", read.value.unwrap());
        assert!(source.contains(shown), "{span}: {source}");
    }
}
