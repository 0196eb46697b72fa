//! Servers of keys, documents and introspection that answer something else.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use portcullis_testing::{
    Fault, FaultProxy, ManualClock, TestIntrospection, TestIssuer, TestServer, TestTls,
};
use serde_json::json;

use crate::{
    Line,
    jwt_keys::fetching,
    keys::trusting,
    support::{Door, NOW, told},
    support_tokens::{ISSUER, Signer, claims, encode, validator},
};

const FAULTS: &str = "crates/providers/jwt/tests/jwks/faults.rs";

async fn issuer() -> (TestIssuer, ManualClock) {
    let clock = ManualClock::at(NOW);
    (TestIssuer::builder().clock(Arc::new(clock.clone())).start().await, clock)
}

/// What a service says that has its keys from this issuer by discovery, and why: a part of what is logged.
async fn discovered(issuer: &TestIssuer, clock: &ManualClock, why: &str) -> String {
    let door = Door::open_at(clock, &trusting(issuer, "issuer", issuer.url()), &[]).await;
    let token = issuer.token().audience("orders").scope("hello").sign();
    let before = door.log.text().len();
    let seen = door.knock(token).await;
    let logged = &door.log.text()[before..];
    assert!(logged.contains(why), "{why:?} is not in {logged}");
    if why.is_empty() { seen.to_string() } else { format!("{seen}: \"{why}\"") }
}

#[tokio::test]
async fn line_10_deep_huge_slow_and_foreign_answers_are_an_outage() {
    let mut line = Line::new(10, "Texts and answers that are deep, huge, slow, or something else");
    let key = Signer::p256();
    let door = Door::open(&validator("key.jwk", ""), &[("key.jwk", key.jwk().to_string().as_bytes())]).await;
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let open = "[".repeat(10_000);
    let payload = claims().to_string().replacen('{', &format!("{{\"a\":{deep},"), 1);
    door.rows(
        &mut line,
        [
            ("a good token", key.good(), "200"),
            (
                "a header of 10,000 open brackets",
                key.segments(&encode(&open), &encode("{}")),
                "401 malformed-token",
            ),
            ("a payload of 10,000 open brackets", key.payload(&open), "401 malformed-token"),
            ("claims with an array 5,000 deep", key.payload(payload), "401 malformed-token"),
            (
                "a header with objects 2,000 deep",
                key.text(
                    format!("{{\"alg\":\"ES256\",\"a\":{}1{}}}", "{\"a\":".repeat(2_000), "}".repeat(2_000)),
                    "{}",
                ),
                "401 malformed-token",
            ),
        ],
    )
    .await;
    key_sets(&mut line, &key).await;
    slow(&mut line).await;
    introspection(&mut line, &open).await;
    let (issuer, clock) = issuer().await;
    issuer.answer_discovery_with("application/json", format!("{{\"issuer\":{open}"));
    told(
        &mut line,
        "a discovery document of 10,000 open brackets",
        discovered(&issuer, &clock, "not JSON").await,
        "503 unavailable: \"not JSON\"",
    );
    line.shown_by("each status", &format!("{FAULTS}::answers_that_are_no_key_set_are_an_outage"));
    line.shown_by(
        "introspection, endless answers",
        "crates/providers/oauth2/src/introspection/tests/outages.rs::a_huge_or_endless_answer_is_an_outage",
    );
    line.settle();
}

/// A text as gzip stores it that does not compress: what unpacks it finds the text.
fn gzip(text: &[u8]) -> Vec<u8> {
    let mut crc = u32::MAX;
    for byte in text {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let length = u16::try_from(text.len()).unwrap();
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1];
    let tail = [(!crc).to_le_bytes(), u32::from(length).to_le_bytes()].concat();
    [&head[..], &length.to_le_bytes(), &(!length).to_le_bytes(), text, &tail].concat()
}

async fn key_sets(line: &mut Line, key: &Signer) {
    let good = key.jwk_with("good", &json!({}));
    let set = json!({ "keys": [good] }).to_string();
    let many = |count: usize| {
        let filler = vec![good.to_string(); count].join(",");
        format!("{{\"keys\":[{filler}]}}")
    };
    let canary = TestServer::start({
        let set = set.clone();
        move |_| Response::new(set.clone().into())
    })
    .await;
    let elsewhere = canary.origin();
    let answer = |status: u16, name: header::HeaderName, value: &str, body: &[u8]| {
        let answer = Response::builder().status(status).header(name, value);
        answer.body(Bytes::copy_from_slice(body)).unwrap()
    };
    let json = |body: &str| answer(200, header::CONTENT_TYPE, "application/json", body.as_bytes());
    let moved = |to: &str| answer(302, header::LOCATION, to, set.as_bytes());
    let unavailable = "503 unavailable";
    for (what, answer, expected) in [
        ("the good one", json(&set), "200"),
        ("10,000 open brackets", json(&format!("{{\"keys\":{}", "[".repeat(10_000))), unavailable),
        ("100,000 keys", json(&many(100_000)), unavailable),
        ("257 keys, all of them good", json(&many(257)), unavailable),
        ("more than a megabyte", json(&format!("{}{}", set, " ".repeat(1 << 20))), unavailable),
        (
            "packed with gzip, as a bomb would be",
            answer(200, header::CONTENT_ENCODING, "gzip", &gzip(set.as_bytes())),
            unavailable,
        ),
        ("the good one, as text/html", answer(200, header::CONTENT_TYPE, "text/html", set.as_bytes()), "200"),
        (
            "a page of HTML",
            answer(200, header::CONTENT_TYPE, "text/html", b"<!doctype html><title>Login</title>"),
            unavailable,
        ),
        ("empty", json(""), unavailable),
        ("204", answer(204, header::CONTENT_TYPE, "application/json", b""), unavailable),
        (
            "206 with the good one",
            answer(206, header::CONTENT_TYPE, "application/json", set.as_bytes()),
            unavailable,
        ),
        ("a redirect to another path, with the good one as its body", moved("/jwks2"), unavailable),
        ("a redirect to itself", moved("/jwks"), unavailable),
        ("a redirect to another server that has keys", moved(&elsewhere), unavailable),
        (
            "a redirect to the metadata of a cloud",
            moved("http://169.254.169.254/latest/meta-data"),
            unavailable,
        ),
        ("a redirect to a file", moved("file:///etc/passwd"), unavailable),
    ] {
        let issuer = TestIssuer::start().await;
        issuer.answer_with(answer);
        let door = Door::open(&fetching(&issuer.jwks_url(), ""), &[]).await;
        let token = key.token(&json!({"kid": "good"}), &claims());
        told(line, format!("a key set: {what}"), door.knock(token).await, expected);
        let calls = issuer.calls();
        assert!(calls.iter().all(|call| call.path() == "/jwks" && call.header("accept-encoding").is_none()));
    }
    told(line, "connections to the server that was redirected to", canary.connections(), "0");
}

async fn slow(line: &mut Line) {
    let (issuer, clock) = issuer().await;
    let proxy = FaultProxy::start(issuer.address()).await;
    let more = "clientConfig = { requestTimeout = \"250ms\" }";
    for (what, fault) in [
        ("that comes a byte at a time", Fault::Drip(Duration::from_millis(40))),
        ("that is cut off", Fault::CutAfter(60)),
        ("that is no HTTP", Fault::Garbage),
        ("that never comes", Fault::BlackHole),
    ] {
        proxy.set(fault).await;
        let element = fetching(&format!("{}/jwks", proxy.origin()), more).replace(ISSUER, issuer.url());
        let door = Door::open_at(&clock, &element, &[]).await;
        let token = issuer.token().audience("orders").scope("hello").sign();
        // The deadline goes by the clock; what fails by itself does so without.
        let late = async {
            proxy.connected(proxy.connections() + 1).await;
            clock.advance(Duration::from_millis(250));
        };
        let (seen, ()) = tokio::join!(door.knock(&token), late);
        told(line, format!("a key set {what}"), seen, "503 unavailable");
        proxy.set(Fault::None).await;
        clock.advance(Duration::from_secs(10));
        assert_eq!(door.knock(&token).await.status, 200, "{what}: and then it recovers");
    }
}

async fn introspection(line: &mut Line, open: &str) {
    let server = TestIntrospection::start().await;
    let element =
        format!("{{ scopes = \"hello\", oauth2IntrospectionConfig = {{ url = \"{}\" }} }}", server.url());
    let door = Door::open(&element, &[]).await;
    server.grant("good", json!({"sub": "alice", "scope": "hello"}));
    server.answer_raw("deep", format!("{{\"active\":true,\"scope\":\"hello\",\"a\":{open}"));
    server.answer_raw("html", "<!doctype html><title>Login</title>");
    server.answer_raw("large", format!("{{\"active\":true,\"scope\":\"hello\"}}{}", " ".repeat(1 << 20)));
    let body = r#"{"active":true,"scope":"hello"}"#;
    for (token, status) in
        [("204", StatusCode::NO_CONTENT), ("302", StatusCode::FOUND), ("201", StatusCode::CREATED)]
    {
        let answer = Response::builder().status(status).header(header::LOCATION, server.url());
        server.answer_as(token, answer.body(if token == "204" { "" } else { body }).unwrap());
    }
    let packed =
        Response::builder().header(header::CONTENT_ENCODING, "gzip").body(gzip(body.as_bytes())).unwrap();
    server.answer_as("gzip", packed);
    door.rows(
        line,
        [
            ("an introspection answer: the good one", "good", "200"),
            ("an introspection answer: 10,000 open brackets", "deep", "503 unavailable"),
            ("an introspection answer: a page of HTML", "html", "503 unavailable"),
            ("an introspection answer: more than a megabyte", "large", "503 unavailable"),
            ("an introspection answer: packed with gzip", "gzip", "503 unavailable"),
            ("an introspection answer: 201, active", "201", "503 unavailable"),
            ("an introspection answer: 204", "204", "503 unavailable"),
            ("an introspection answer: a redirect, active", "302", "503 unavailable"),
        ],
    )
    .await;
}

#[tokio::test]
async fn line_19_a_discovery_document_speaks_for_its_own_issuer_alone() {
    let mut line = Line::new(19, "Discovery documents that send elsewhere");
    let canary = TestServer::start(|_| Response::new("{\"keys\":[]}".into())).await;
    let (start, _) = issuer().await;
    let url = start.url().to_owned();
    drop(start);
    let other = |text: &str| json!(text);
    let uri = |text: &str| Some(("jwks_uri", json!(text)));
    let cases = [
        ("as it should be", None, "", "200"),
        ("`issuer` of another", Some(("issuer", other("https://evil.example"))), "issuer", "503 unavailable"),
        ("`issuer` with a slash behind it", Some(("issuer", json!("SLASH"))), "issuer", "503 unavailable"),
        ("`issuer` an array", Some(("issuer", json!([url]))), "", "503 unavailable"),
        ("no `issuer`", Some(("issuer", json!(null))), "issuer", "503 unavailable"),
        ("no `jwks_uri`", Some(("jwks_uri", json!(null))), "jwks_uri", "503 unavailable"),
        ("`jwks_uri` a number", Some(("jwks_uri", json!(1))), "jwks_uri", "503 unavailable"),
        (
            "`jwks_uri` over http on another machine",
            uri("http://keys.example/jwks"),
            "http",
            "503 unavailable",
        ),
        (
            "`jwks_uri` at the metadata of a cloud",
            uri("http://169.254.169.254/latest/meta-data"),
            "http",
            "503 unavailable",
        ),
        ("`jwks_uri` a file", uri("file:///etc/passwd"), "", "503 unavailable"),
        ("`jwks_uri` in itself", uri("data:application/json,{\"keys\":[]}"), "", "503 unavailable"),
        ("`jwks_uri` with a name and a password", uri("http://a:b@127.0.0.1/jwks"), "", "503 unavailable"),
        ("`jwks_uri` without a host", uri("/jwks"), "", "503 unavailable"),
    ];
    for (what, member, why, expected) in cases {
        let (issuer, clock) = issuer().await;
        if let Some((name, value)) = member {
            let value = if value == "SLASH" { json!(format!("{}/", issuer.url())) } else { value };
            issuer.discovery_member(name, value);
        }
        let seen = discovered(&issuer, &clock, why).await;
        assert!(seen.starts_with(expected), "{what}: {seen}");
        line.came(what, expected);
        let keys = issuer.fetches().jwks;
        assert_eq!(keys, usize::from(expected == "200"), "{what}");
    }
    // Keys that come with less protection than the document that names them.
    let clock = ManualClock::at(NOW);
    let secure =
        TestIssuer::builder().clock(Arc::new(clock.clone())).https(TestTls::self_signed()).start().await;
    let element = trusting(&secure, "issuer", secure.url())
        .replace("\",  }", "\", clientConfig = { secureSocket = { cert = \"ca.pem\" } } }");
    let ca = secure.certificate_pem().unwrap().to_owned();
    for (what, uri, expected) in [
        ("a document over https, and its keys", secure.jwks_url(), "200"),
        ("a document over https, and keys over http", canary.origin(), "503 unavailable"),
    ] {
        secure.discovery_member("jwks_uri", uri);
        let door = Door::open_at(&clock, &element, &[("ca.pem", ca.as_bytes())]).await;
        let token = secure.token().audience("orders").scope("hello").sign();
        told(&mut line, what, door.knock(token).await, expected);
    }
    told(&mut line, "connections to that server over http", canary.connections(), "0");
    line.shown_by(
        "byte for byte",
        "crates/providers/jwt/tests/jwks/discovery.rs::the_issuer_of_the_document_is_compared_byte_for_byte",
    );
    line.shown_by(
        "what else a document may not say",
        "crates/providers/jwt/tests/jwks/discovery.rs::what_a_document_may_say_of_the_keys_is_bounded",
    );
    line.settle();
}
