//! Clients of a configuration, and the ready one on hyper.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use portcullis::{
    Auth, ClientAuth, Config, FileUserStore, RequestHead, RequiredScopes, Secret, SendError, User,
    client::{Authorization, HttpVersion, HyperClient, OnBehalfOf, ReplayCloned, Transport, TransportError},
    jwt::decode_unverified,
    keys::{ClientTls, Identity, ServerTls},
    oauth2::grant::RotationHook,
};
use portcullis_testing::{
    GrantType, ManualClock, TestPrincipal, TestResource, TestTokenEndpoint, contract::shows_no_secret,
};
use tokio::net::TcpListener;
use tower::{Service, ServiceExt as _};

use crate::{SECRET, World, credentials, soon};

fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

#[tokio::test]
async fn every_record_calls_a_guarded_resource() {
    let world = World::new().await;
    let tokens = TestTokenEndpoint::start().await;
    tokens.user("alice", SECRET);
    tokens.accept_refresh_token("first-refresh-token");
    let common = credentials(&tokens);
    let signed = format!("signatureConfig = {{ algorithm = \"HS256\", config = \"{SECRET}\" }}");
    world.orders.accept("static-token");
    world.orders.accept_authorization("Basic YWxpY2U6cGFzc3dvcmQx");
    world.orders.accept_if(|token| {
        let claims = decode_unverified(token).map(|token| token.claims);
        token.starts_with("access-") || claims.is_ok_and(|claims| claims["iss"] == "shop")
    });
    for (auth, grant) in [
        ("username = \"alice\", password = \"password1\"".to_owned(), None),
        ("token = \"static-token\"".to_owned(), None),
        (format!("issuer = \"shop\", username = \"alice\", {signed}"), None),
        (common.clone(), Some(GrantType::ClientCredentials)),
        (format!("{common}, username = \"alice\", password = \"{SECRET}\""), Some(GrantType::Password)),
        (
            format!(
                "refreshUrl = \"{}\", refreshToken = \"first-refresh-token\", clientId = \"shop\", clientSecret = \"{SECRET}\"",
                tokens.url()
            ),
            Some(GrantType::RefreshToken),
        ),
        (
            format!("{common}, assertion = {{ issuer = \"shop\", audience = \"x\", {signed} }}"),
            Some(GrantType::JwtBearer),
        ),
    ] {
        let config = world.config(&auth, "");
        let client = config.client("orders").unwrap();
        let hyper = client.hyper().await.unwrap();
        let before = (tokens.call_count(), world.orders.call_count());
        let answer = hyper.request(get("/foo?a=b")).await.unwrap_or_else(|error| panic!("{auth}: {error:?}"));
        assert_eq!(answer.status(), StatusCode::OK, "{auth}");
        assert_eq!(world.orders.call_count(), before.1 + 1, "{auth}");
        let call = world.orders.calls().pop().unwrap();
        assert_eq!(call.uri.path_and_query().unwrap(), "/base/foo?a=b", "{auth}");
        assert_eq!(tokens.call_count() - before.0, usize::from(grant.is_some()), "{auth}");
        if let Some(grant) = grant {
            assert_eq!(tokens.count(grant), 1, "{auth}");
        }
        shows_no_secret(&format!("{config:?} {client:?} {hyper:?}"), &[SECRET, "password1"]);
    }
}

#[tokio::test]
async fn whatever_is_made_of_a_client_has_one_token_and_reading_it_contacts_nobody() {
    let world = World::new().await;
    world.orders.accept("access-1");
    let tokens = TestTokenEndpoint::start().await;
    let config = world.config(&credentials(&tokens), "");
    let client = config.client("orders").unwrap();
    let (auth, again) = (client.build().await.unwrap(), client.build().await.unwrap());
    let hyper = client.hyper().await.unwrap();
    assert_eq!((tokens.call_count(), world.orders.call_count()), (0, 0));

    let (one, two) = tokio::join!(auth.generate_token(), again.generate_token());
    assert_eq!((one.unwrap().expose(), two.unwrap().expose()), ("access-1", "access-1"));
    assert_eq!(hyper.request(get("/")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(hyper.clone().oneshot(get("/")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(tokens.call_count(), 1);
}

#[tokio::test]
async fn the_hook_of_a_client_is_told_of_its_new_refresh_token_and_of_no_other() {
    let tokens = TestTokenEndpoint::start().await;
    tokens.with_refresh_tokens();
    tokens.accept_refresh_token("first-refresh-token");
    let client = |name: &str| {
        format!(
            "[clients.{name}]\nurl = \"https://orders.example\"\nauth = {{ refreshUrl = \"{}\", refreshToken = \
             \"first-refresh-token\", clientId = \"shop\", clientSecret = \"{SECRET}\" }}\n",
            tokens.url()
        )
    };
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let hook = RotationHook::new(move |token: Secret| {
        let tell = tell.clone();
        async move { Ok(tell.send(token.expose().to_owned())?) }
    });
    let text = client("\"or ders\"") + &client("others");
    let config = Config::builder().rotation_hook("or ders", hook).parse(&text, ".").unwrap();
    for (name, hears) in [("or ders", true), ("others", false)] {
        tokens.accept_refresh_token("first-refresh-token");
        let auth = config.client(name).unwrap().build().await.unwrap();
        auth.generate_token().await.unwrap();
        assert_eq!(told.try_recv().is_ok_and(|token| token.starts_with("refresh-")), hears, "{name}");
    }
}

#[tokio::test]
async fn the_credential_goes_to_the_clients_own_origins_alone() {
    let world = World::new().await;
    world.orders.accept("static-token");
    let (own, foreign) = (TestResource::start().await, TestResource::start().await);
    own.accept("static-token");
    let origins = format!("origins = \"{}\"", own.origin());
    let config = world.config("token = \"static-token\"", &origins);
    let client = config.client("orders").unwrap().hyper().await.unwrap();
    for url in [format!("{}/elsewhere", world.orders.origin()), own.url(), "/foo".to_owned()] {
        assert_eq!(client.request(get(&url)).await.unwrap().status(), StatusCode::OK, "{url}");
    }
    let error = client.request(get(&foreign.url())).await.unwrap_err();
    assert!(matches!(&error, SendError::Auth(error) if error.client() == Some("orders")), "{error:?}");
    assert!(error.to_string().contains(&foreign.origin()), "{error}");
    assert_eq!(foreign.call_count(), 0);

    // What the caller set is the caller's: no rule applies.
    let mut own_header = get(&foreign.url());
    own_header.headers_mut().insert("authorization", "Bearer own".parse().unwrap());
    assert_eq!(client.request(own_header).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(foreign.authorizations(), [Some("Bearer own".to_owned())]);

    let any =
        Config::parse("[clients.any]\nanyOrigin = true\nauth = { token = \"static-token\" }", ".").unwrap();
    let any = any.client("any").unwrap().hyper().await.unwrap();
    assert_eq!(any.request(get(&own.url())).await.unwrap().status(), StatusCode::OK);
    // There is no URL to join it to.
    assert!(matches!(any.request(get("/foo")).await, Err(SendError::Auth(_))));
}

#[tokio::test]
async fn a_request_that_is_passed_on_names_the_server_that_it_is_sent_to() {
    let world = World::new().await;
    let client = world.config("token = \"static-token\"", "httpVersion = \"1.1\"");
    let client = client.client("orders").unwrap().hyper().await.unwrap();
    let own = world.orders.origin().replace("https://", "");
    for (url, host) in [("/foo".to_owned(), &*own), (world.orders.url(), "given.example")] {
        let mut request = get(&url);
        request.headers_mut().insert("host", "given.example".parse().unwrap());
        client.request(request).await.unwrap();
        assert_eq!(world.orders.calls().pop().unwrap().header("host"), Some(host), "{url}");
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_a_body_is_sent_again_where_that_is_asked_for() {
    let world = World::new().await;
    let tokens = TestTokenEndpoint::start().await;
    let post = || Request::post("/").body(Full::new(Bytes::from_static(b"body"))).unwrap();
    // Each reading of the configuration begins without a token.
    let client = async |more: &str| {
        world.orders.accept_nothing();
        world.orders.accept(&format!("access-{}", tokens.issued().len() + 2));
        world.config(&credentials(&tokens), more).client("orders").unwrap().hyper().await.unwrap()
    };
    let status = |answer: Result<http::Response<_>, SendError<TransportError>>| answer.unwrap().status();

    let empty = client("").await;
    assert_eq!(status(empty.request(get("/")).await), 200);
    let shown = ["Bearer access-1", "Bearer access-2"].map(|value| Some(value.to_owned()));
    assert_eq!(world.orders.authorizations(), shown);

    let with_body = client("").await;
    assert_eq!(status(with_body.request(post()).await), 401, "the body is not sent again unasked");
    assert_eq!(status(with_body.request(post()).await), 200, "the token is another one then");

    let cloned = client("").await.replay_cloned();
    let before = world.orders.call_count();
    assert_eq!(status(cloned.request(post()).await), 200);
    let bodies: Vec<Bytes> =
        world.orders.calls().split_off(before).into_iter().map(|call| call.body).collect();
    assert_eq!(bodies, ["body", "body"]);

    let never = client("retryOn401 = false").await;
    assert_eq!(status(never.request(get("/")).await), 401);
    assert_eq!(status(never.request(get("/")).await), 401, "and the token is not given up");
}

#[tokio::test]
async fn bodies_of_any_type_are_sent_and_streams_once() {
    let world = World::new().await;
    world.orders.accept("static-token");
    let config = world.config("token = \"static-token\"", "");
    let client = config.client("orders").unwrap().hyper().await.unwrap();
    let frames =
        ["one ", "two"].map(|text| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(text))));
    let stream = StreamBody::new(futures_util::stream::iter(frames));
    let request = Request::post("/").body(stream).unwrap();
    assert_eq!(client.clone().never_replay().request(request).await.unwrap().status(), StatusCode::OK);
    assert_eq!(world.orders.calls()[0].body, "one two");
    let request = Request::post("/").body("text".to_owned()).unwrap();
    let answer = client.replay_cloned().request(request).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
    assert_eq!(world.orders.calls()[1].body, "text");
}

#[tokio::test]
async fn the_version_of_http_is_the_configured_one() {
    for (more, version) in [
        ("", Version::HTTP_2),
        ("httpVersion = \"1.1\"", Version::HTTP_11),
        ("httpVersion = \"http:HTTP_2\"", Version::HTTP_2),
    ] {
        let world = World::new().await;
        let config = world.config("token = \"static-token\"", more);
        let client = config.client("orders").unwrap().hyper().await.unwrap();
        client.request(get("/")).await.unwrap();
        assert_eq!(world.orders.calls()[0].version, version, "{more}");
    }
}

#[tokio::test]
async fn a_server_that_knows_no_http_2_is_told_from_a_broken_one() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/ballerina/data");
    let identity =
        Identity::from_files(data.join("pub--public.crt"), data.join("key--private.key"), None).unwrap();
    let mut tls = Arc::unwrap_or_clone(ServerTls::new(identity).build().unwrap());
    tls.alpn_protocols.clear();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (peer, _) = listener.accept().await.unwrap();
        drop(acceptor.accept(peer).await);
    });
    let tls = ClientTls::dangerous_without_verification();
    let client = in_code(Transport::new().tls(tls).http_version(HttpVersion::Http2), &url).await;
    let Err(SendError::Service(error)) = client.request(get("/")).await else {
        panic!("an error of the connection")
    };
    assert!(error.is_connect(), "{error:?}");
    let told = format!("{error:?}");
    assert!(told.ends_with("the server does not offer HTTP/2: leave the version to it"), "{told}");
    soon("the end of the server", server).await.unwrap();
}

#[test]
fn a_ready_client_stands_below_whatever_takes_a_service_of_requests() {
    fn stands<B, S>()
    where
        S: Service<Request<B>, Future: Send> + Clone + Send + Sync + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
    }
    // The body of tonic's clients is of this kind.
    stands::<UnsyncBoxBody<Bytes, std::io::Error>, HyperClient>();
    stands::<Full<Bytes>, HyperClient>();
    stands::<::hyper::body::Incoming, HyperClient<portcullis::client::NeverReplay>>();
}

#[tokio::test]
async fn another_certificate_than_the_trusted_one_is_refused_and_nothing_is_sent() {
    let (world, other) = (World::new().await, World::new().await);
    let origins = format!("origins = \"{}\"", other.orders.origin());
    let config = world.config("token = \"static-token\"", &origins);
    let client = config.client("orders").unwrap().hyper().await.unwrap();
    let Err(SendError::Service(error)) = client.request(get(&other.orders.url())).await else {
        panic!("an error of the connection")
    };
    assert!(error.is_connect() && !error.is_timeout(), "{error:?}");
    assert!(format!("{error:?}").starts_with("cannot connect: "), "{error:?}");
    assert!(format!("{error:?}").contains("certificate"), "{error:?}");
    assert_eq!(other.orders.call_count(), 0);
}

async fn in_code(transport: Transport, url: &str) -> HyperClient {
    let token = Authorization::bearer(&Secret::new("static-token")).unwrap();
    let auth = ClientAuth::builder(token).url(url).build().unwrap();
    transport.hyper(auth).await.unwrap()
}

#[tokio::test]
async fn a_ready_client_is_made_in_code_too() {
    let world = World::new().await;
    world.orders.accept("static-token");
    let transport = Transport::new().tls(world.tls()).http_version(HttpVersion::Http11);
    let client = in_code(transport, &world.orders.origin()).await;
    assert_eq!(client.request(get("/foo")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(world.orders.calls()[0].path(), "/foo");

    let token = Authorization::bearer(&Secret::new("static-token")).unwrap();
    let auth = ClientAuth::builder(token).url("https://localhost").build().unwrap();
    let zero = Transport::new().tls(world.tls()).request_timeout(Duration::ZERO).hyper(auth).await;
    assert_eq!(zero.unwrap_err().to_string(), "a time-out of zero lets no request succeed: make it longer");
}

#[tokio::test]
async fn a_request_that_is_not_answered_ends_in_time() {
    let clock = ManualClock::at(crate::NOW);
    let server = TestResource::start().await;
    let _hold = server.hold();
    let transport = Transport::new().clock(Arc::new(clock.clone())).request_timeout(Duration::from_secs(3));
    let client = in_code(transport, &server.origin()).await;
    let request = tokio::spawn(async move { client.request(get("/")).await });
    server.called(1).await;
    clock.advance(Duration::from_secs(3) - Duration::from_millis(1));
    tokio::task::yield_now().await;
    assert!(!request.is_finished());
    clock.advance(Duration::from_millis(1));
    let Err(SendError::Service(error)) = soon("the deadline", request).await.unwrap() else {
        panic!("an error of the connection")
    };
    assert!(error.is_timeout() && !error.is_connect(), "{error:?}");
    assert_eq!(error.to_string(), "no answer within 3s");
}

#[tokio::test]
async fn a_handshake_that_does_not_end_ends_in_time() {
    let clock = ManualClock::at(crate::NOW);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let world = World::new().await;
    let transport = Transport::new().tls(world.tls()).clock(Arc::new(clock.clone()));
    let client = in_code(transport, &url).await;
    let request = tokio::spawn(async move { client.request(get("/")).await });
    // Accepted, and never said a word to. Its greeting says that it waits.
    let (mut peer, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut first = [0];
    soon("a handshake", tokio::io::AsyncReadExt::read_exact(&mut peer, &mut first)).await.unwrap();
    clock.advance(Duration::from_secs(5));
    let Err(SendError::Service(error)) = soon("the deadline", request).await.unwrap() else {
        panic!("an error of the connection")
    };
    assert!(error.is_timeout() && error.is_connect(), "{error:?}");
    assert!(format!("{error:?}").contains("name, TCP and TLS took more than 5s"), "{error:?}");
}

#[tokio::test]
async fn calls_on_behalf_of_somebody_carry_that_ones_token_over_the_same_connections() {
    let world = World::new().await;
    let tokens = TestTokenEndpoint::start().await;
    world.orders.accept("access-1");
    let config = world.config(&format!("grant = \"token_exchange\", {}", credentials(&tokens)), "");
    let client = config.client("orders").unwrap().hyper().await.unwrap();
    // Never under the service's own name.
    assert!(matches!(client.request(get("/")).await, Err(SendError::Auth(_))));
    assert_eq!(world.orders.call_count(), 0);

    let own = client.auth().on_behalf_of_token(&OnBehalfOf::token("test", None)).unwrap();
    tokens.accept_subject("test");
    assert_eq!(own.generate_token().await.unwrap().expose(), "access-1");
    assert_eq!(tokens.subject_of("access-1").as_deref(), Some("test"));

    // The one that this principal showed.
    let caller = TestPrincipal::new("alice").principal();
    let alice = client.on_behalf_of(&caller).unwrap();
    // What is sent twice stays as it was said.
    let _: HyperClient<ReplayCloned> = client.clone().replay_cloned().on_behalf_of(&caller).unwrap();
    assert_eq!(alice.request(get("/")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(world.orders.authorizations(), [Some("Bearer access-1".to_owned())]);
    assert_eq!(tokens.call_count(), 1);

    let users = FileUserStore::new([User::with_password("bob", "password1")]);
    let auth = Auth::builder().element(users, RequiredScopes::anyone()).build().unwrap();
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", "Basic Ym9iOnBhc3N3b3JkMQ==".parse().unwrap());
    let admission = auth.decided(&RequestHead::new(&Method::GET, "/", &headers)).await.unwrap();
    let error = client.on_behalf_of(admission.principal().unwrap()).unwrap_err();
    assert!(error.to_string().contains("the caller showed no token"), "{error}");

    let service =
        world.config("token = \"static-token\"", "").client("orders").unwrap().hyper().await.unwrap();
    let error = service.on_behalf_of(&caller).unwrap_err();
    assert!(error.to_string().contains("acts on behalf of nobody"), "{error}");
}
