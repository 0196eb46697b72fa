//! The password grant (RFC 6749 §4.3).

use http::StatusCode;
use portcullis_outbound::{ClientConfig, Endpoint};
use portcullis_testing::{GrantType, TestTokenEndpoint};

use super::{Bench, MINUTE, at, bodies, endpoint};
use crate::{ClientAuthentication, CredentialBearer, PasswordGrant, PasswordGrantConfig, RefreshConfig};

const USER: &str = "zo\u{eb}:&=%+ x";
const PASSWORD: &str = "E2%I1^@N8>Wn+3=QL?M!{gh=l4<u :& \u{fc}";

fn bench(
    server: &TestTokenEndpoint,
    change: impl FnOnce(PasswordGrantConfig) -> PasswordGrantConfig,
) -> Bench {
    server.user(USER, PASSWORD);
    let config = PasswordGrantConfig::new(at(server), USER, PASSWORD);
    let config = change(config.authentication(ClientAuthentication::secret("app", "secret")));
    Bench::new(|clock| PasswordGrant::new(config.clock(clock)).unwrap())
}

#[tokio::test]
async fn name_and_password_are_sent_as_a_form() {
    let server = endpoint().await;
    let bench = bench(&server, |config| {
        config.scopes(["view-order", "place&order"]).optional_param("client", "ballerina")
    });
    assert_eq!(bench.token().await, "access-1");
    let call = server.calls().remove(0);
    assert_eq!(
        call.body,
        "grant_type=password&username=zo%C3%AB%3A%26%3D%25%2B+x\
         &password=E2%25I1%5E%40N8%3EWn%2B3%3DQL%3FM%21%7Bgh%3Dl4%3Cu+%3A%26+%C3%BC\
         &scope=view-order+place%26order&client=ballerina"
    );
    assert_eq!(call.header("authorization"), Some("Basic YXBwOnNlY3JldA=="));
}

#[tokio::test]
async fn which_client_asks_is_not_said_unless_it_is_given() {
    let server = endpoint().await;
    let bench = bench(&server, |config| config.authentication(ClientAuthentication::none()));
    assert_eq!(bench.token().await, "access-1");
    assert_eq!(server.calls()[0].header("authorization"), None);
    assert!(!bodies(&server)[0].contains("client_id"));

    server.require_client("app", "secret");
    bench.clock.advance(MINUTE);
    let error = bench.error().await;
    let expected = r#"refuses the client, 401 ("invalid_client"): it wants to know who asks: set `clientId`"#;
    assert!(error.to_string().contains(expected), "{error}");
}

#[tokio::test]
async fn without_refresh_config_the_grant_is_asked_again() {
    let server = endpoint().await;
    server.with_refresh_tokens();
    let bench = bench(&server, |config| config);
    assert_eq!((bench.token().await, bench.next().await), ("access-1".into(), "access-2".into()));
    assert_eq!((server.count(GrantType::Password), server.call_count()), (2, 2));
}

#[tokio::test]
async fn an_inferred_refresh_goes_where_the_grant_went_and_names_no_scopes() {
    for bearer in [CredentialBearer::AuthHeader, CredentialBearer::PostBody] {
        let server = endpoint().await;
        server.require_client("app", "secret");
        server.with_refresh_tokens();
        let client = ClientConfig::new().header("x-tenant", "blue").payload("p", "v");
        let bench = bench(&server, |config| {
            config
                .scopes(["a"])
                .optional_param("o", "1")
                .credential_bearer(bearer)
                .client(client)
                .refresh(RefreshConfig::inferred())
        });
        assert_eq!(bench.token().await, "access-1");
        assert_eq!(bench.next().await, "access-2");
        assert_eq!(bench.next().await, "access-3");
        let in_body = bearer == CredentialBearer::PostBody;
        let secret = if in_body { "&client_id=app&client_secret=secret" } else { "" };
        for (number, call) in server.calls().iter().enumerate().skip(1) {
            let expected = format!("grant_type=refresh_token&refresh_token=refresh-{number}&o=1{secret}&p=v");
            assert_eq!(call.body, expected);
            assert_eq!(call.header("authorization").is_none(), in_body);
            assert_eq!(call.header("x-tenant"), Some("blue"));
        }
        assert_eq!(server.call_count(), 3);
    }
}

#[tokio::test]
async fn a_refresh_of_its_own_has_its_own_endpoint_scopes_parameters_bearer_and_client() {
    let (server, other) = (endpoint().await, endpoint().await);
    server.with_refresh_tokens();
    other.accept_refresh_token("refresh-1");
    let client = ClientConfig::new().payload("p", "refresh");
    let refresh = RefreshConfig::new(at(&other))
        .scopes(["b", " c "])
        .optional_param("o", "2")
        .credential_bearer(CredentialBearer::PostBody)
        .client(client);
    let first = ClientConfig::new().payload("p", "first").header("x-tenant", "blue");
    let bench =
        bench(&server, |config| config.scopes(["a"]).optional_param("o", "1").client(first).refresh(refresh));
    assert_eq!(bench.token().await, "access-1");
    assert_eq!(bench.next().await, "access-1");
    let call = other.calls().remove(0);
    assert_eq!(
        call.body,
        "grant_type=refresh_token&refresh_token=refresh-1&scope=b+c&o=2&client_id=app&client_secret=secret&p=refresh"
    );
    assert_eq!((call.header("x-tenant"), call.header("authorization")), (None, None));
    assert_eq!((server.call_count(), other.call_count()), (1, 1));
    assert!(bodies(&server)[0].ends_with("&scope=a&o=1&p=first"));
}

#[tokio::test]
async fn tokens_of_a_refresh_live_as_the_grants_own_do() {
    for (expires_in, expected) in [(Some(60), "gives a token for 50 s"), (None, "gives a token for 490 s")] {
        let (server, other) = (endpoint().await, endpoint().await);
        server.with_refresh_tokens();
        other.accept_refresh_token("refresh-1");
        other.expires_in(expires_in);
        let bench = bench(&server, |config| {
            let config = config.default_token_exp_time(MINUTE * 500 / 60).clock_skew(MINUTE / 6);
            config.refresh(RefreshConfig::new(at(&other)))
        });
        assert_eq!(bench.token().await, "access-1");
        assert_eq!(bench.source.probe().await[0].result.as_deref(), Ok(expected));
        assert_eq!((server.call_count(), other.call_count()), (1, 1));
    }
}

#[tokio::test]
async fn a_refused_refresh_token_makes_room_for_name_and_password() {
    let server = endpoint().await;
    server.with_refresh_tokens();
    let bench = bench(&server, |config| config.refresh(RefreshConfig::inferred()));
    assert_eq!(bench.token().await, "access-1");
    server.forget_refresh_tokens();
    assert_eq!(bench.next().await, "access-2");
    assert_eq!((server.count(GrantType::RefreshToken), server.count(GrantType::Password)), (1, 2));
    assert_eq!(bench.next().await, "access-3", "by the refresh token that came with the second");
    assert_eq!((server.count(GrantType::RefreshToken), server.count(GrantType::Password)), (2, 2));
    // Some servers refuse it with status 200.
    server.answer_next(StatusCode::OK, r#"{"error":"invalid_grant"}"#);
    assert_eq!(bench.next().await, "access-4");
    assert_eq!(server.count(GrantType::Password), 3);
}

#[tokio::test]
async fn a_refused_refresh_token_is_not_tried_again() {
    let server = endpoint().await;
    server.with_refresh_tokens();
    let bench = bench(&server, |config| config.refresh(RefreshConfig::inferred()));
    assert_eq!(bench.token().await, "access-1");
    server.forget_refresh_tokens();
    server.member("refresh_token", serde_json::Value::Null);
    assert_eq!((bench.next().await, bench.next().await), ("access-2".into(), "access-3".into()));
    assert_eq!((server.count(GrantType::RefreshToken), server.count(GrantType::Password)), (1, 3));
}

#[tokio::test]
async fn an_endpoint_in_trouble_costs_no_refresh_token() {
    let server = endpoint().await;
    server.with_refresh_tokens();
    let bench = bench(&server, |config| config.refresh(RefreshConfig::inferred()));
    assert_eq!(bench.token().await, "access-1");
    for (status, body) in [
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"temporarily_unavailable"}"#),
        (StatusCode::INTERNAL_SERVER_ERROR, r#"{"error":"invalid_grant"}"#),
        (StatusCode::UNAUTHORIZED, r#"{"error":"invalid_client"}"#),
        (StatusCode::BAD_REQUEST, r#"{"error":"invalid_scope"}"#),
        (StatusCode::OK, "{"),
    ] {
        server.answer_next(status, body);
        bench.clock.advance(MINUTE);
        bench.error().await;
    }
    assert_eq!(bench.next().await, "access-2");
    assert!(
        bodies(&server)[1..].iter().all(|body| body == "grant_type=refresh_token&refresh_token=refresh-1")
    );
    assert_eq!(server.call_count(), 7);
}

#[tokio::test]
async fn a_refresh_token_stays_where_no_other_came() {
    let server = endpoint().await;
    server.with_lasting_refresh_tokens();
    let bench = bench(&server, |config| config.refresh(RefreshConfig::inferred()));
    assert_eq!(bench.token().await, "access-1");
    for number in 2..5 {
        assert_eq!(bench.next().await, format!("access-{number}"));
    }
    assert!(
        bodies(&server)[1..].iter().all(|body| body == "grant_type=refresh_token&refresh_token=refresh-1")
    );
}

#[tokio::test]
async fn an_answer_without_refresh_token_has_the_grant_asked_again() {
    let server = endpoint().await;
    for odd in ["absent", "null", "empty", "number"] {
        match odd {
            "null" => server.member("refresh_token", serde_json::Value::Null),
            "empty" => server.member("refresh_token", ""),
            "number" => server.member("refresh_token", 5),
            _ => {}
        }
        let before = server.call_count();
        let bench = bench(&server, |config| config.refresh(RefreshConfig::inferred()));
        bench.token().await;
        bench.next().await;
        assert_eq!(server.call_count() - before, 2, "{odd}");
    }
    assert_eq!(server.count(GrantType::RefreshToken), 0);
}

#[tokio::test]
async fn a_wrong_password_is_told_as_such_and_not_tried_again_and_again() {
    let server = endpoint().await;
    let bench = bench(&server, |config| config.refresh(RefreshConfig::inferred()));
    server.user(USER, "another");
    for _ in 0..59 {
        let error = bench.error().await;
        let expected = format!(
            "the token endpoint {} refuses the user, 400 (\"invalid_grant\"): check `username` and `password`",
            server.url()
        );
        assert_eq!(error.to_string(), expected);
        assert!(!error.is_transient());
        bench.clock.advance(MINUTE / 60);
    }
    assert_eq!(server.call_count(), 1, "who tries often is locked out");
    server.user(USER, PASSWORD);
    assert_eq!(bench.next().await, "access-1");
}

#[test]
fn what_cannot_work_is_told_when_the_source_is_built() {
    let endpoint = || Endpoint::parse("https://localhost/token").unwrap();
    let config = PasswordGrantConfig::new(endpoint(), "", "")
        .authentication(ClientAuthentication::secret("", ""))
        .optional_param("username", "x")
        .optional_param("refresh_token", "x")
        .optional_param("client_assertion", "the grant sends none")
        .min_refresh_interval(MINUTE * 61)
        .client(ClientConfig::new().payload("password", "x"))
        .refresh(
            RefreshConfig::new(endpoint())
                .scopes([""])
                .optional_param("refresh_token", "x")
                .client(ClientConfig::new().header("authorization", "x")),
        );
    let expected = [
        "username: must not be empty",
        "password: an empty secret protects nothing: set it",
        "clientId: must not be empty",
        "clientSecret: an empty secret protects nothing: set it",
        "minRefreshInterval: is out of bounds: from 100ms to 1h",
        "optionalParams.username: is sent by this record itself, and would be sent twice: remove it",
        "optionalParams.refresh_token: is sent by this record itself, and would be sent twice: remove it",
        "clientConfig.customPayload: `password` is sent by this record itself: remove it",
        "refreshConfig.clientId: must not be empty",
        "refreshConfig.clientSecret: an empty secret protects nothing: set it",
        "refreshConfig.clientConfig.customHeaders: `Authorization` stands beside the client's own id and secret: keep one of them",
        "refreshConfig.scopes: holds an empty scope: name it, or leave it out",
        "refreshConfig.optionalParams.refresh_token: is sent by this record itself, and would be sent twice: remove it",
    ];
    let error = PasswordGrant::new(config).unwrap_err();
    assert_eq!(error.to_string().lines().collect::<Vec<_>>(), expected);

    let config = PasswordGrantConfig::new(endpoint(), "a", "b")
        .refresh(RefreshConfig::new(Endpoint::parse("http://auth.example/token").unwrap()));
    let error = PasswordGrant::new(config).unwrap_err();
    assert!(error.to_string().contains("plain http to another machine"), "{error}");
}
