//! Who is let in, and what the upstream sees of the credential.

use http::Uri;
use portcullis_cli::gateway::{Answer, Service, Upstream};
use portcullis_core::{Auth, CredentialSources, Resource};

use crate::support::{Http2, basic, echo, gateway, guarded, in_front_of, raw};

#[tokio::test]
async fn refusals_look_as_everywhere_and_nothing_goes_upstream() {
    let mut upstream = echo().await;
    let auth = guarded("/foo").resource(Resource::new("/admin").scopes("admin")).build().unwrap();
    let gateway = gateway([in_front_of(auth, &upstream)]).await;
    let challenges = ["Basic realm=\"portcullis\", charset=\"UTF-8\"", "Bearer realm=\"portcullis\""];
    let invalid = [challenges[0], "Bearer realm=\"portcullis\", error=\"invalid_token\""];
    let insufficient = ["Bearer realm=\"portcullis\", error=\"insufficient_scope\", scope=\"admin\""];
    for (head, status, expected) in [
        ("GET /foo", 401, &challenges[..]),
        ("POST /foo\nContent-Length: 0", 401, &challenges),
        ("GET /foo\nAuthorization: Basic YWxpY2U6d3Jvbmc=", 401, &challenges),
        ("GET /foo\nAuthorization: Bearer bad", 401, &invalid),
        ("GET /foo\nAuthorization: Bearer good\nAuthorization: Bearer good", 401, &challenges),
        ("GET /foo\nAuthorization: Bearer good, Bearer good", 401, &invalid),
        ("GET /foo\nAuthorization: Bearer\tgood", 401, &challenges),
        ("GET /foo\nAuthorization: Digest x", 401, &challenges),
        ("GET /foo/admin\nAuthorization: Bearer good", 403, &insufficient),
    ] {
        let reply = raw(gateway, head).await;
        assert_eq!((reply.status, reply.body.as_str()), (status, ""), "{head}");
        assert_eq!(reply.all("www-authenticate"), expected, "{head}");
        assert_eq!(reply.all("content-length"), ["0"], "{head}");
        assert_eq!(reply.all("content-type"), ["text/plain"], "{head}");
    }
    assert_eq!(upstream.reached().len(), 0);
}

#[tokio::test]
async fn two_authorization_headers_are_refused_over_http2_too() {
    let mut upstream = echo().await;
    let gateway = gateway([in_front_of(guarded("/").build().unwrap(), &upstream)]).await;
    let mut client = Http2::connect(gateway).await;
    let good = ("authorization", "Bearer good");
    assert_eq!(client.get("http://a/", &[good, good]).await.status(), 401);
    assert_eq!(upstream.reached().len(), 0);
    assert_eq!(client.get("http://a/", &[good]).await.status(), 200);
    assert_eq!(upstream.reached().len(), 1);
}

#[tokio::test]
async fn head_falls_under_the_resource_for_get_and_other_methods_under_the_service() {
    let mut upstream = echo().await;
    let resource = Resource::new("/admin").method(http::Method::GET).scopes("admin");
    let gateway = gateway([in_front_of(guarded("/").resource(resource).build().unwrap(), &upstream)]).await;
    for (method, user, status) in [
        ("GET", "alice", 403),
        ("HEAD", "alice", 403),
        ("POST", "alice", 200),
        ("GET", "root", 200),
        ("HEAD", "root", 200),
    ] {
        let reply = raw(gateway, &format!("{method} /admin\nAuthorization: {}", basic(user))).await;
        assert_eq!(reply.status, status, "{method} {user}");
    }
    let methods: Vec<String> = upstream.reached().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["POST", "GET", "HEAD"]);
}

#[tokio::test]
async fn a_bearer_token_goes_on_to_this_machine_and_a_password_does_not_unless_told_so() {
    let (bearer, alice) = ("Bearer good".to_owned(), basic("alice"));
    for (configured, credential, forwarded) in [
        (None, &bearer, true),
        (None, &alice, false),
        (Some(true), &bearer, true),
        (Some(true), &alice, true),
        (Some(false), &bearer, false),
        (Some(false), &alice, false),
    ] {
        for open in [false, true] {
            let mut upstream = echo().await;
            let auth = if open { Auth::builder().path("/").public() } else { guarded("/") };
            let mut service = in_front_of(auth.build().unwrap(), &upstream);
            if let Some(forward) = configured {
                service = service.forward_credential(forward);
            }
            let gateway = gateway([service]).await;
            let reply = raw(gateway, &format!("GET /\nAuthorization: {credential}\nCookie: session=1")).await;
            assert_eq!(reply.status, 200);
            let seen = upstream.reached_once();
            let expected = if forwarded { vec![credential.as_str()] } else { vec![] };
            assert_eq!(seen.all("authorization"), expected, "{configured:?} {credential} {open}");
            assert_eq!(seen.all("cookie"), ["session=1"]);
        }
    }
}

#[tokio::test]
async fn an_authorization_that_the_decision_did_not_look_at_stays_here() {
    let mut upstream = echo().await;
    let cookie = |sources: CredentialSources| sources.cookie("sid").origin("https://app.example");
    for (sources, forwarded) in [
        (cookie(CredentialSources::header()), Some("Bearer good")),
        (cookie(CredentialSources::none()), None),
    ] {
        let auth = guarded("/").credential_sources(sources).build().unwrap();
        let gateway = gateway([in_front_of(auth, &upstream)]).await;
        let credential = if forwarded.is_some() {
            "Authorization: Bearer good"
        } else {
            "Authorization: Bearer nameless\nOrigin: https://app.example\nCookie: sid=good"
        };
        assert_eq!(raw(gateway, &format!("GET /\n{credential}")).await.status, 200);
        let reached = upstream.reached();
        let seen = reached[0].headers.get("authorization").map(|value| value.to_str().unwrap());
        assert_eq!(seen, forwarded);
    }
}

#[tokio::test]
async fn services_that_cannot_be_told_apart_are_refused_when_the_gateway_is_built() {
    let upstream = Upstream::new(&Uri::from_static("http://127.0.0.1:1"), None).unwrap();
    let service = |path: &str, resources: &[&str]| {
        let mut auth = guarded(path);
        for resource in resources {
            auth = auth.resource(Resource::new(*resource).public());
        }
        Service::new(auth.build().unwrap(), Answer::Upstream(upstream.clone()))
    };
    let error = portcullis_cli::gateway::Gateway::new([
        service("/a", &[]),
        service("/a/", &[]),
        service("/b", &["/x", "/X"]),
    ])
    .unwrap_err()
    .to_string();
    assert!(error.contains("two services have the path \"/a\""), "{error}");
    assert!(error.contains("resource /b/x and resource /b/X differ only in case"), "{error}");
}
