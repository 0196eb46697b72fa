//! Tokens that are bound to a key. Proofs are not checked here, so that such a token lets nobody in: not half of it is believed.

use axum::Router;
use serde_json::{Value, json};

use crate::{
    support_http::{Sheet, Site, header},
    support_tokens::{ISSUER, Signer, encode, validator, with},
};

const RULES: &str = "crates/providers/jwt/src/validate/tests/rules.rs::a_bound_token_is_refused";
const ANSWERS: &str = "crates/providers/oauth2/src/introspection/tests/answers.rs::a_bound_token_is_refused";

async fn site(key: &Signer) -> Site {
    let text = format!("[services.\"/\"]\nauth = [{}]\n", validator("key.jwk", ""));
    let inside = Router::new().fallback(async || "inside");
    Site::beside(&[("key.jwk", key.jwk().to_string().as_bytes())], &text, inside).await
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[tokio::test]
async fn line_67_a_token_that_needs_a_proof_lets_nobody_in_with_or_without_one() {
    let mut sheet = Sheet::new(
        67,
        "DPoP, which is not checked here: tokens and proofs are refused, whatever the proof is worth",
    );
    let (key, holder) = (Signer::p256(), Signer::p256());
    let site = site(&key).await;
    let bound = key.claims(&with("cnf", json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})));
    let (plain, now) = (key.good(), crate::support::NOW.as_secs());
    let claims = json!({"jti": "1", "htm": "GET", "htu": "http://localhost/orders", "iat": now, "ath": encode([0; 32])});
    let proof_of = |header: Value, claims: &Value| holder.token(&header, claims);
    let head = |jwk: Value| json!({"typ": "dpop+jwt", "jwk": jwk});
    let right = proof_of(head(holder.jwk()), &claims);
    let other = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        format!("DPoP: {}\r\n", proof_of(head(holder.jwk()), &claims))
    };
    let mut private = holder.jwk();
    private["d"] = encode([7; 32]).into();
    let hmac = Signer::secret([7; 32]);
    let proof = format!("DPoP: {right}\r\n");
    let proofs: Vec<(&str, String)> = vec![
        ("with a proof as it has to be", proof.clone()),
        ("without a proof", String::new()),
        ("with the proof twice", format!("{proof}{proof}")),
        ("with a proof that was used before", proof.clone()),
        ("another method in the proof", other("htm", json!("POST"))),
        ("another path in the proof", other("htu", json!("http://localhost/other"))),
        ("a query in the proof", other("htu", json!("http://localhost/orders?x=1"))),
        ("the host in capitals and with its port", other("htu", json!("HTTP://LOCALHOST:80/orders"))),
        ("an old proof", other("iat", json!(now - 3600))),
        ("a proof for another token", other("ath", json!("x"))),
        ("a proof with a nonce that nobody gave", other("nonce", json!("x"))),
        ("a proof that shows its private key", format!("DPoP: {}\r\n", proof_of(head(private), &claims))),
        ("a proof by HMAC", format!("DPoP: {}\r\n", hmac.token(&head(hmac.jwk()), &claims))),
        ("no proof but a word", "DPoP: x\r\n".to_owned()),
    ];
    for (what, proof) in &proofs {
        let scheme = site.send(format!("Authorization: DPoP {bound}\r\n{proof}")).await;
        let as_bearer = site.send(format!("{}{proof}", bearer(&bound))).await;
        let free = site.send(format!("Authorization: DPoP {plain}\r\n{proof}")).await;
        sheet.row(
            format!("{what}: a bound token as `DPoP`, as `Bearer`, and one that is not bound as `DPoP`"),
            format!("{scheme}, {as_bearer}, {free}"),
            "401 not-looked-at, 401 bound-token, 401 not-looked-at",
        );
    }
    sheet.row("a token that is not bound, as `Bearer`", site.send(bearer(&plain)).await, "200");
    sheet.row(
        "the same beside a proof, which is not looked at",
        site.send(format!("{}{proof}", bearer(&plain))).await,
        "200",
    );
    sheet.row(
        "a bound token as `Bearer`, and one that is not, as two lines",
        site.send(format!("{}Authorization: DPoP {bound}\r\n", bearer(&plain))).await,
        "401 repeated-header",
    );
    sheet.row("the proof itself as the token", site.send(bearer(&right)).await, "401 bad-signature");
    for (what, cnf) in [
        ("an empty `cnf`", json!({})),
        ("a `cnf` that is a text", json!("x")),
        ("a `cnf` of null", Value::Null),
        ("a `cnf` with the key itself", json!({"jwk": holder.jwk()})),
    ] {
        sheet.row(what, site.send(bearer(&key.claims(&with("cnf", cnf)))).await, "401 bound-token");
    }
    let seen = site.send("").await;
    sheet.row(
        "what callers are told to use",
        header(&seen, "www-authenticate").unwrap_or_default(),
        "Bearer realm=\"portcullis\"",
    );
    assert!(ISSUER.starts_with("https://"));
    sheet.shown_by("tokens that are introspected, also by their `token_type`", ANSWERS);
    sheet.shown_by("each form of `cnf`", RULES);
    sheet.settle();
}

#[tokio::test]
async fn line_68_a_certificate_in_a_header_binds_nothing() {
    let mut sheet =
        Sheet::new(68, "Tokens that are bound to a client certificate, which is not compared here");
    let key = Signer::p256();
    let site = site(&key).await;
    let thumbprint = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2";
    let bound = key.claims(&with("cnf", json!({"x5t#S256": thumbprint})));
    let certificate = String::from_utf8(crate::support_tokens::certificate()).unwrap();
    let one_line: String = certificate.lines().filter(|line| !line.starts_with('-')).collect();
    sheet.row("a bound token, without a certificate", site.send(bearer(&bound)).await, "401 bound-token");
    let other = key.claims(&with("cnf", json!({"x5t#S256": "AAAA"})));
    sheet.row("bound to another certificate", site.send(bearer(&other)).await, "401 bound-token");
    for name in [
        "X-Client-Cert",
        "X-SSL-Client-Cert",
        "X-Forwarded-Client-Cert",
        "Client-Cert",
        "SSL_CLIENT_CERT",
        "X-ARR-ClientCert",
        "X-Amzn-Mtls-Clientcert",
    ] {
        let expected = "401 bound-token, 401 no-credential";
        let mut all = String::new();
        for value in
            [format!(":{one_line}:"), one_line.clone(), format!("Hash={thumbprint};Cert=\"{one_line}\"")]
        {
            let with_token = site.send(format!("{}{name}: {value}\r\n", bearer(&bound))).await;
            let alone = site.send(format!("{name}: {value}\r\n")).await;
            let seen = format!("{with_token}, {alone}");
            if seen != expected || all.is_empty() {
                all = seen;
            }
        }
        sheet.row(format!("a bound token beside a certificate in `{name}`, from whom nobody trusts, and the certificate alone"), all, expected);
    }
    sheet.row("a token that is not bound", site.send(bearer(&key.good())).await, "200");
    sheet.shown_by("tokens that are introspected", ANSWERS);
    sheet.shown_by("each form of `cnf`", RULES);
    sheet.shown_by(
        "certificates that clients show in TLS",
        "crates/axum/tests/listener/mutual.rs::required_everything_else_fails_in_the_handshake",
    );
    sheet.settle();
}
