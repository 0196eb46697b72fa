//! What must not be seen, and must not rest.

use std::sync::Arc;

use http::{Response, StatusCode};
use portcullis_core::{OnBehalfOf, Scheme, TokenSource};
use portcullis_outbound::HttpVersion;
use portcullis_testing::contract::{SourceCase, shows_no_secret, token_source_keeps_its_contract};

use super::{
    super::{TokenType, config::Protocol},
    Bench, bearer, config,
};
use crate::{ClientAuthentication, TokenExchange, TokenExchangeConfig, fixtures::Log};

const SUBJECT: &str = "canary-subject-4711";
const ACTOR: &str = "canary-actor-0815";
const SECRET: &str = "canary-secret-0816";
const ISSUED: &str = "canary-issued-0817";
const PARAM: &str = "canary-param-0818";
const ALL: [&str; 5] = [SUBJECT, ACTOR, SECRET, ISSUED, PARAM];

fn with_canaries(config: TokenExchangeConfig) -> TokenExchangeConfig {
    let client = config.settings.client.clone().payload("p", PARAM).header("x-key", PARAM);
    config
        .authentication(ClientAuthentication::secret("gateway", SECRET))
        .actor(Arc::new(bearer(ACTOR)), TokenType::access_token())
        .optional_param("tenant", PARAM)
        .client(client)
}

#[tokio::test]
async fn no_secret_shows_in_debug_logs_and_errors() {
    for version in [HttpVersion::Http11, HttpVersion::Http2] {
        let log = Log::default();
        let _guard = log.listen();
        let bench = Bench::with(|config| {
            let config = with_canaries(config);
            let client = config.settings.client.clone().http_version(version);
            config.client(client)
        })
        .await;
        bench.server.require_client("gateway", SECRET);
        bench.server.accept_subject(SUBJECT);
        bench.server.will_issue(ISSUED);
        let mut shown = vec![format!("{:?} {:#?}", bench.exchange, bench.exchange)];
        let source = bench.of(SUBJECT);
        let token = source.token().await.unwrap();
        shown.push(format!("{source:?} {source:#?} {token:?}"));
        shown.push(format!("{:?}", bench.exchange));
        assert!(source.refused(&token));
        for status in [400, 401, 500, 503] {
            for code in ALL {
                let body = format!(r#"{{"error":"bad {code}","error_description":"{SUBJECT} {SECRET}"}}"#);
                bench.answer_next(StatusCode::from_u16(status).unwrap(), &body);
                let error = source.token().await.unwrap_err();
                assert!(error.to_string().contains("an error code that is not known"), "{error}");
                shown.push(format!("{error} {error:?}"));
                bench.advance(60);
            }
        }
        bench.answer_next(StatusCode::OK, &format!("{{\"{SUBJECT}\":1,\"{SECRET}"));
        shown.push(format!("{:?}", source.token().await.unwrap_err()));
        bench.advance(60);
        bench.server.answer_next_with(
            Response::builder().status(302).header("location", format!("/{SUBJECT}")).body("").unwrap(),
        );
        shown.push(format!("{:?}", source.token().await.unwrap_err()));
        shown.push(format!("{:?}", bench.exchange.probe().await));
        bench.advance(60);
        bench.server.go_down().await;
        shown.push(format!("{:?}", source.token().await.unwrap_err()));
        shown.push(format!("{:?}", bench.exchange.probe().await));
        shown.push(format!("{:?}", bench.exchange));
        // It is the libraries' own account that is looked through, too.
        let text = log.text();
        assert!(text.contains("hyper") && text.contains("no token could be exchanged"), "{text}");
        shown.push(text);
        for text in shown {
            shows_no_secret(&text, &ALL);
        }
    }
}

#[tokio::test]
async fn no_callers_token_rests_in_what_is_kept() {
    let bench = Bench::with(with_canaries).await;
    bench.server.require_client("gateway", SECRET);
    bench.server.accept_subject(SUBJECT);
    let token = bench.token(SUBJECT).await;
    bench.error("canary-subject-refused").await;
    let dump = bench.exchange.kept().dump();
    assert_eq!(dump.lines().count(), 2, "{dump}");
    shows_no_secret(&dump, &ALL);
    shows_no_secret(&dump, &["canary-subject-refused"]);
    assert!(bench.of(SUBJECT).refused(&token));
    let dump = bench.exchange.kept().dump();
    assert_eq!(dump.lines().count(), 2, "when it was refused, and the other: {dump}");
    shows_no_secret(&dump, &[SUBJECT, ACTOR]);
    // It is the digest of the whole token that finds it, under a key of this source's own.
    let other = TokenExchange::new(config(&bench.server.url(), &bench.clock)).unwrap();
    assert_ne!(bench.exchange.digest_of(SUBJECT), other.digest_of(SUBJECT));
    assert_eq!(bench.exchange.digest_of(SUBJECT), bench.exchange.clone().digest_of(SUBJECT));
}

#[tokio::test]
async fn the_contract_of_sources_is_kept() {
    let both = |config: TokenExchangeConfig, on_behalf_of: bool| {
        let (mut config, client) = (with_canaries(config.clone()), config.settings.client);
        if on_behalf_of {
            (config.protocol, config.actor) = (Protocol::OnBehalfOf, None);
            config.settings.client = client;
            config = config.scopes(["orders"]);
        }
        config
    };
    for on_behalf_of in [false, true] {
        let bench = Bench::with(|config| both(config, on_behalf_of)).await;
        bench.server.require_client("gateway", SECRET);
        bench.server.accept_subject(SUBJECT);
        bench.server.accept_assertion(SUBJECT);
        let server = Arc::new(bench.server);
        token_source_keeps_its_contract(SourceCase {
            source: Arc::new(bench.exchange) as Arc<dyn TokenSource>,
            scheme: Scheme::Bearer,
            renews: true,
            subject: Some(OnBehalfOf::token(SUBJECT, None)),
            requests: Some(Box::new({
                let server = Arc::clone(&server);
                move || server.call_count()
            })),
            secrets: ALL.map(str::to_owned).to_vec(),
        })
        .await;
    }
}
