//! What the log tells of key sets: one line for each failed fetch and each change, and no key.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{
    io,
    sync::{Arc, Mutex},
};

use http::StatusCode;
use portcullis_core::Provider as _;
use portcullis_jwt::{JwksConfig, JwtValidator, JwtValidatorConfig, SignatureConfig};
use portcullis_outbound::ClientConfig;
use portcullis_testing::TestIssuer;
use serde_json::json;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// What was written since it was last asked.
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// The one test of this file: fetches end on threads of the runtime, so the subscriber is the process's.
#[tokio::test]
async fn every_failed_fetch_and_every_change_is_one_line_and_no_key_is_shown() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let issuer = TestIssuer::start().await;
    let url = format!("{}?key=canary-query", issuer.jwks_url());
    let client = ClientConfig::new().header("X-Api-Key", "canary-header");
    let signature = SignatureConfig::jwks(JwksConfig::url(url).client(client));
    let config = JwtValidatorConfig::new(signature).issuer(issuer.url()).audience(["orders"]);
    let validator = JwtValidator::new(config).unwrap();
    let line = |text: &str, parts: &[&str]| {
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        assert!(text.contains("portcullis: ") && text.contains(&issuer.jwks_url()), "{text}");
        assert!(!text.contains("canary"), "{text}");
    };

    validator.prepare().await.unwrap();
    line(&log.take(), &["INFO", "keys are fetched with the first token", "preload = true"]);
    issuer.fail_with(StatusCode::BAD_GATEWAY);
    validator.probe().await;
    line(&log.take(), &["WARN", "cannot fetch the key set", "status 502", "answered with 503"]);
    issuer.recover();
    validator.probe().await;
    line(&log.take(), &["INFO", "key set fetched", "keys=1", "skipped=0"]);
    validator.probe().await;
    assert_eq!(log.take(), "", "nothing has changed");
    issuer.fail_with(StatusCode::BAD_GATEWAY);
    validator.probe().await;
    line(&log.take(), &["WARN", "cannot fetch the key set", "the keys of before stay in use"]);
    issuer.recover();

    let mut keys = vec![issuer.jwks()["keys"][0].clone()];
    keys.extend((0..20).map(|number| json!({"kty": "oct", "kid": format!("\r\n{number}"), "k": "canary"})));
    issuer.answer_jwks_with("application/json", json!({"keys": keys}).to_string());
    for round in 0..2 {
        validator.probe().await;
        let text = log.take();
        if round == 1 {
            assert_eq!(text, "", "what is left out is told once");
            continue;
        }
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1 + 8, "bounded: {text}");
        assert!(lines[0].contains("key set changed") && lines[0].contains("skipped=20"), "{text}");
        assert!(
            lines[1].contains("WARN")
                && lines[1].contains(r#"a key of the set is left out: the key "\r\n0""#),
            "{text}"
        );
        assert!(!text.contains("canary"), "{text}");
    }
    for part in ["\"x\"", "\"y\"", "\"k\""] {
        assert!(!format!("{validator:?}").contains(part), "no key material in Debug");
    }
}
