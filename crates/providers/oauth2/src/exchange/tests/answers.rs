//! What is made of an answer.

use http::StatusCode;
use portcullis_core::TokenSource as _;
use serde_json::{Value, json};

use super::{super::TokenType, Bench, secs};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

impl Bench {
    /// What is made of an answer of success with these members in the place of the usual ones; null takes one away.
    async fn answered(&self, change: Value) -> Result<String, String> {
        let mut members = json!({
            "access_token": "new",
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": 60,
        });
        for (name, value) in change.as_object().unwrap() {
            members[name] = value.clone();
        }
        members.as_object_mut().unwrap().retain(|_, value| *value != "absent");
        self.answer_next(StatusCode::OK, &members.to_string());
        // A caller of its own, so that nothing is remembered.
        let caller = format!("caller-{}", self.calls());
        match self.of(&caller).token().await {
            Ok(token) => Ok(super::text(&token)),
            Err(error) => {
                assert!(!error.is_transient(), "{error}");
                let text = error.to_string();
                let (_, what) = text.split_once("/token ").unwrap();
                Err(what.to_owned())
            }
        }
    }
}

#[tokio::test]
async fn a_token_to_call_with_is_taken() {
    let bench = Bench::new().await;
    for change in [
        json!({}),
        json!({"token_type": "bearer"}),
        json!({"issued_token_type": "urn:ietf:params:oauth:token-type:jwt"}),
        // RFC 8693 §2.2.1 requires it, and some servers leave it out.
        json!({"issued_token_type": "absent"}),
        json!({"issued_token_type": null}),
        json!({"expires_in": "absent", "scope": "read", "refresh_token": "r"}),
    ] {
        assert_eq!(bench.answered(change.clone()).await.unwrap(), "new", "{change}");
    }
}

#[tokio::test]
async fn what_is_no_access_token_is_refused() {
    let bench = Bench::new().await;
    for (change, says) in [
        (
            json!({"token_type": "N_A", "issued_token_type": "urn:ietf:params:oauth:token-type:id_token"}),
            "gave a token that is not an access token (`token_type` is N_A): set `requestedTokenType` to \
             \"access_token\", or have the server give one",
        ),
        (
            json!({"token_type": "n_a"}),
            "gave a token that is not an access token (`token_type` is N_A): set `requestedTokenType` to \
             \"access_token\", or have the server give one",
        ),
        (
            json!({"issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}),
            "gave a token of the kind \"urn:ietf:params:oauth:token-type:refresh_token\", which was not asked for: \
             set `requestedTokenType`",
        ),
        (
            json!({"issued_token_type": "urn:ietf:params:oauth:token-type:id_token"}),
            "gave a token of the kind \"urn:ietf:params:oauth:token-type:id_token\", which was not asked for: set \
             `requestedTokenType`",
        ),
        (json!({"issued_token_type": 7}), "gave an `issued_token_type` that is not a string"),
        (json!({"token_type": "DPoP"}), "gave a token of type \"DPoP\", and only Bearer is understood"),
        (json!({"token_type": "absent"}), "gave no `token_type`"),
        (json!({"access_token": "absent"}), "gave no `access_token`"),
        (json!({"access_token": "a b"}), "gave an `access_token` that no header can carry"),
        (json!({"expires_in": -1}), "gave an `expires_in` that is not a number of seconds"),
    ] {
        assert_eq!(bench.answered(change.clone()).await.unwrap_err(), says, "{change}");
    }
}

#[tokio::test]
async fn another_kind_is_taken_where_it_was_asked_for() {
    let bench = Bench::with(|config| config.requested_token_type(TokenType::id_token())).await;
    let id_token = json!({"issued_token_type": "urn:ietf:params:oauth:token-type:id_token"});
    assert_eq!(bench.answered(id_token).await.unwrap(), "new");
    assert_eq!(bench.answered(json!({})).await.unwrap(), "new");
    let saml = json!({"issued_token_type": "urn:ietf:params:oauth:token-type:saml2"});
    assert!(bench.answered(saml).await.unwrap_err().contains("which was not asked for"));
}

#[tokio::test]
async fn a_lifetime_is_the_answers_or_the_configurations_less_the_skew() {
    for (members, lives) in [(json!({}), 55), (json!({"expires_in": "absent"}), 35)] {
        let bench = Bench::with(|config| config.default_token_exp_time(secs(40)).clock_skew(secs(5))).await;
        bench.answered(members).await.unwrap();
        // No younger one comes in the background.
        bench.server.fail_with(StatusCode::BAD_REQUEST);
        let source = bench.of("caller-0");
        bench.advance(lives - 1);
        assert!(source.try_token().is_some());
        bench.quiet().await;
        bench.advance(1);
        assert!(source.try_token().is_none());
    }
}
