//! The rows of `tests/data/ballerina` of the area `jwt`, and those of `client-jwt` that call no service, each in a test that
//! is named after it.
//!
//! `ballerina-differences.toml` beside this file lists the rows that wait for a later version, and those whose answer
//! differs from Ballerina's on purpose.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "ballerina/client.rs"]
mod client;
#[cfg(feature = "jwks")]
#[path = "ballerina/jwks.rs"]
mod jwks;

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header::AUTHORIZATION};
use portcullis_core::{
    Auth, Clock, Identity, Principal, Provider, RequestHead, RequiredScopes, Step, UnixTime,
    authenticate_header, authorize,
    config::{Node, Reader, Table, Value as Given},
};
use portcullis_jwt::{JwtIssuer, JwtIssuerConfig, JwtValidator, JwtValidatorConfig, SigningConfig};
use portcullis_testing::ManualClock;
use serde_json::{Value, json};

/// 2023-11-14T22:13:20Z: after the tokens were made, before they expire.
const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

fn data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../tests/data/ballerina").join(path)
}

fn json_of(path: &str) -> Value {
    serde_json::from_slice(&fs::read(data(path)).unwrap()).unwrap()
}

/// The row of this name.
fn row(id: &str) -> Value {
    let rows = [json_of("cases.json"), json_of("edge-cases.json")];
    let found = rows.iter().flat_map(|rows| rows.as_array().unwrap()).find(|row| row["id"] == id);
    found.unwrap_or_else(|| panic!("there is no row {id}")).clone()
}

/// A token of Ballerina's tests.
fn token(name: &str) -> String {
    json_of("data.json")["tokens"][name]["value"]
        .as_str()
        .unwrap_or_else(|| panic!("no token {name}"))
        .to_owned()
}

fn table(value: &Value) -> Table {
    let mut table = Table::default();
    for (name, value) in value.as_object().unwrap() {
        table.insert(name, node(value));
    }
    table
}

fn node(value: &Value) -> Node {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| Node::new(Given::Float(number.as_f64().unwrap()), None), Node::from),
        Value::Array(items) => Node::new(Given::Array(items.iter().map(node).collect()), None),
        Value::Object(_) => table(value).into(),
        Value::Null => panic!("a configuration has no null"),
    }
}

/// The row's files are kept under other names than those in its configuration.
fn renamed(value: &mut Value, files: &[(&str, &str)]) {
    match value {
        Value::String(text) => {
            if let Some((_, kept)) = files.iter().find(|(name, _)| name == text) {
                *text = (*kept).to_owned();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| renamed(item, files)),
        Value::Object(members) => members.values_mut().for_each(|member| renamed(member, files)),
        _ => {}
    }
}

const JWT_FILES: [(&str, &str); 3] = [
    ("ballerinaTruststore.p12", "ballerina-ts--ballerinaTruststore.p12"),
    ("public.crt", "pub--public.crt"),
    ("invalidPublic.crt", "badpub--invalidPublic.crt"),
];
const HTTP_FILES: [(&str, &str); 1] =
    [("ballerinaTruststore.p12", "ballerina-ts-http--ballerinaTruststore.p12")];

/// Reads a `jwtValidatorConfig`, or tells its mistakes.
fn read(config: &Value) -> Result<JwtValidator, Vec<String>> {
    let table = table(config);
    let reader = Reader::new(data("data")).plug(clock());
    let section = reader.section(&table, "jwtValidatorConfig");
    let config = JwtValidatorConfig::read(&section);
    drop(section);
    let problems: Vec<String> = reader.into_problems().iter().map(ToString::to_string).collect();
    match config {
        Some(config) if problems.is_empty() => Ok(JwtValidator::new(config).unwrap()),
        _ => Err(problems),
    }
}

/// The validator of a row of the jwt module.
fn validator(id: &str) -> JwtValidator {
    let mut config = row(id)["config"]["jwtValidatorConfig"].clone();
    renamed(&mut config, &JWT_FILES);
    read(&config).unwrap()
}

/// `valid`, or the code of the refusal.
fn outcome(validator: &JwtValidator, token: &str) -> &'static str {
    validator.validate(token, NOW).map_or_else(|refusal| refusal.code(), |_| "valid")
}

fn of_row(id: &str, name: &str) -> &'static str {
    outcome(&validator(id), &token(name))
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(NOW))
}

/// A service with the one element of a row of the http module.
fn service(id: &str) -> Auth {
    let config = &row(id)["config"]["service"];
    let mut element = config["auth"][0].clone();
    renamed(&mut element, &HTTP_FILES);
    let scopes = element["scopes"].as_array().map_or_else(RequiredScopes::anyone, |scopes| {
        RequiredScopes::any_of(scopes.iter().map(|scope| scope.as_str().unwrap()))
    });
    Auth::builder()
        .path(config["path"].as_str().unwrap())
        .element(read(&element["jwtValidatorConfig"]).unwrap(), scopes)
        .clock(clock())
        .build()
        .unwrap()
}

/// How a service answers a GET with these `Authorization` lines; 200 stands for the handler.
fn status(auth: &Auth, lines: &[&str]) -> StatusCode {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(AUTHORIZATION, HeaderValue::from_str(line).unwrap());
    }
    match auth.decide(&RequestHead::new(&Method::GET, auth.path(), &headers)) {
        Step::Ready(Ok(_)) => StatusCode::OK,
        Step::Ready(Err(rejection)) => rejection.kind().status(),
        Step::Wait(_) => panic!("a token is decided on at once"),
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// The imperative way of a row of the http module.
async fn authenticated(id: &str, name: &str) -> Principal {
    let mut config = row(id)["config"]["jwtValidatorConfig"].clone();
    renamed(&mut config, &HTTP_FILES);
    let provider: Arc<dyn Provider> = Arc::new(read(&config).unwrap());
    let header = HeaderValue::from_str(&bearer(&token(name))).unwrap();
    authenticate_header(&provider, &header, &clock()).await.unwrap()
}

/// What the rows about tokens of our own making are validated with.
fn own(changes: &Value) -> JwtValidator {
    let mut config = json!({"issuer": "wso2", "audience": "ballerina", "signatureConfig": {"certFile": "pub--public.crt"}});
    for (name, value) in changes.as_object().unwrap() {
        config[name] = value.clone();
    }
    read(&config).unwrap()
}

/// A token signed with Ballerina's private key, its header and payload as given. No issuer of portcullis makes these.
fn signed(header: &Value, payload: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let key = portcullis_keys::PrivateKey::from_file(data("data/key--private.key"), None).unwrap();
    let key = aws_lc_rs::signature::RsaKeyPair::from_pkcs8(key.pkcs8_der()).unwrap();
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload));
    let mut signature = vec![0; key.public_modulus_len()];
    let random = aws_lc_rs::rand::SystemRandom::new();
    key.sign(&aws_lc_rs::signature::RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A payload that is accepted, with changes; null takes a claim away.
fn payload(changes: &Value) -> String {
    let mut claims = json!({"iss": "wso2", "sub": "John", "aud": "ballerina", "exp": NOW.as_secs() + 300});
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims.to_string()
}

/// What becomes of a token with these changes under the configuration with those.
fn own_outcome(config: &Value, claims: &Value) -> &'static str {
    outcome(&own(config), &signed(&json!({"alg": "RS256", "typ": "JWT"}), &payload(claims)))
}

// --- the http module, declarative ---------------------------------------------------------------------------

#[test]
fn http_decl_12() {
    let auth = service("http-decl-12");
    assert_eq!(status(&auth, &[&bearer(&token("http:JWT3"))]), StatusCode::UNAUTHORIZED);
    assert_eq!(status(&auth, &[]), StatusCode::UNAUTHORIZED);
    assert_eq!(status(&auth, &[&bearer(&token("http:JWT1"))]), StatusCode::OK, "its own token is let in");
}

#[test]
fn http_decl_40() {
    let auth = service("http-decl-40");
    for name in ["JWT1", "JWT1_1", "JWT1_2", "JWT2", "JWT2_1", "JWT2_2"] {
        assert_eq!(status(&auth, &[&bearer(&token(&format!("http:{name}")))]), StatusCode::OK, "{name}");
    }
    let key =
        SigningConfig::key_store(data("data/ballerina-ks--ballerinaKeystore.p12"), "ballerina", "ballerina");
    let issuer = JwtIssuer::new(JwtIssuerConfig::new(key).issuer("wso2").audience(["ballerina"])).unwrap();
    assert_eq!(status(&auth, &[&bearer(issuer.issue(NOW).unwrap().expose())]), StatusCode::OK);
}

#[test]
fn http_decl_41() {
    let auth = service("http-decl-41");
    assert_eq!(status(&auth, &[&bearer(&token("http:JWT3"))]), StatusCode::UNAUTHORIZED);
    assert_eq!(status(&auth, &[]), StatusCode::UNAUTHORIZED);
}

// --- the http module, imperative ----------------------------------------------------------------------------

fn is_admin_with(identity: &Identity, scp: &Value) {
    let claims = identity.claims();
    assert_eq!(identity.subject(), Some("admin"));
    assert_eq!(identity.issuer(), Some("wso2"));
    assert_eq!((&claims["aud"], &claims["scp"]), (&json!(["ballerina"]), scp));
    assert!(claims["exp"].is_u64() && claims["jti"].is_string());
}

#[tokio::test]
async fn http_hnd_09() {
    let principal = authenticated("http-hnd-09", "http:JWT1").await;
    is_admin_with(principal.identity(), &json!("write"));
    assert!(authorize(&principal, "write").is_ok());
}

#[tokio::test]
async fn http_hnd_10() {
    let principal = authenticated("http-hnd-10", "http:JWT1_1").await;
    is_admin_with(principal.identity(), &json!("read write update"));
    assert!(authorize(&principal, "write").is_ok());
}

#[tokio::test]
async fn http_hnd_11() {
    let principal = authenticated("http-hnd-11", "http:JWT1_2").await;
    is_admin_with(principal.identity(), &json!(["read", "write", "update"]));
    assert!(authorize(&principal, "write").is_ok());
}

#[tokio::test]
async fn http_hnd_12() {
    let principal = authenticated("http-hnd-12", "http:JWT2").await;
    let rejection = authorize(&principal, "write").unwrap_err();
    assert_eq!(rejection.kind().status(), StatusCode::FORBIDDEN);
}

// --- the jwt module, provider -------------------------------------------------------------------------------

#[tokio::test]
async fn jwt_lst_01() {
    let header = HeaderValue::from_str(&bearer(&token("jwt:JWT1"))).unwrap();
    let clock = clock();
    let mut config = row("jwt-lst-01")["config"]["jwtValidatorConfig"].clone();
    renamed(&mut config, &JWT_FILES);
    for capacity in [10, 0] {
        config["cacheConfig"]["capacity"] = capacity.into();
        let provider: Arc<dyn Provider> = Arc::new(read(&config).unwrap());
        let first = authenticate_header(&provider, &header, &clock).await.unwrap();
        let second = authenticate_header(&provider, &header, &clock).await.unwrap();
        for principal in [&first, &second] {
            assert_eq!(principal.claims()["aud"], json!(["ballerina", "ballerinaSamples"]));
        }
        let from_the_cache = std::ptr::eq(first.identity(), second.identity());
        assert_eq!(from_the_cache, capacity > 0);
    }
}

#[test]
fn jwt_lst_04() {
    assert_eq!(outcome(&validator("jwt-lst-04"), "invalid_credential"), "malformed-token");
}

// --- the jwt module, validator ------------------------------------------------------------------------------

#[test]
fn jwt_val_01() {
    let validator = validator("jwt-val-01");
    for name in ["jwt:JWT1", "jwt:JWT3", "jwt:JWT4"] {
        let identity = validator.validate(&token(name), NOW).unwrap();
        assert_eq!(identity.issuer(), Some("wso2"), "{name}");
    }
}

#[test]
fn jwt_val_02() {
    assert_eq!(of_row("jwt-val-02", "jwt:JWT1"), "valid");
}

#[test]
fn jwt_val_03() {
    assert_eq!(of_row("jwt-val-03", "jwt:JWT1"), "valid");
}

#[test]
fn jwt_val_07() {
    assert_eq!(of_row("jwt-val-07", "jwt:JWT5"), "wrong-issuer");
}

#[test]
fn jwt_val_08() {
    assert_eq!(of_row("jwt-val-08", "jwt:JWT5"), "wrong-audience");
}

#[test]
fn jwt_val_09() {
    assert_eq!(of_row("jwt-val-09", "jwt:JWT5"), "wrong-audience");
}

#[test]
fn jwt_val_10() {
    assert_eq!(of_row("jwt-val-10", "jwt:JWT5"), "wrong-audience");
}

#[test]
fn jwt_val_11() {
    assert_eq!(of_row("jwt-val-11", "jwt:JWT5"), "wrong-jwt-id");
}

#[test]
fn jwt_val_12() {
    assert_eq!(of_row("jwt-val-12", "jwt:JWT5"), "wrong-key-id");
}

#[test]
fn jwt_val_28() {
    assert_eq!(of_row("jwt-val-28", "jwt:JWT1"), "valid");
}

#[test]
fn jwt_val_30() {
    assert_eq!(of_row("jwt-val-30", "jwt:JWT1"), "certificate-expired");
}

/// The secrets of these rows have 6 and 8 bytes: a mistake, unless the risk is accepted by name.
fn of_row_with_a_short_secret(id: &str, name: &str) -> &'static str {
    let mut config = row(id)["config"]["jwtValidatorConfig"].clone();
    let problems = read(&config).unwrap_err();
    assert!(problems.len() == 1 && problems[0].contains("the secret is too short"), "{problems:?}");
    config["signatureConfig"]["insecureShortSecret"] = true.into();
    outcome(&read(&config).unwrap(), &token(name))
}

#[test]
fn jwt_val_31() {
    assert_eq!(of_row_with_a_short_secret("jwt-val-31", "jwt:JWT6"), "valid");
}

#[test]
fn jwt_val_32() {
    assert_eq!(of_row_with_a_short_secret("jwt-val-32", "jwt:JWT7"), "valid");
}

#[test]
fn jwt_val_33() {
    assert_eq!(of_row_with_a_short_secret("jwt-val-33", "jwt:JWT8"), "valid");
}

#[test]
fn jwt_val_34() {
    assert_eq!(of_row_with_a_short_secret("jwt-val-34", "jwt:JWT6"), "bad-signature");
}

#[test]
fn jwt_val_35() {
    assert_eq!(of_row("jwt-val-35", "jwt:JWT6"), "unsupported-algorithm");
}

// --- what is not verified is not shown to anybody -----------------------------------------------------------

/// A service without authentication decodes no token, whatever is sent.
fn has_no_principal(lines: &[&str]) {
    let auth =
        Auth::builder().path("/requestInterceptorJwtInformation").public().clock(clock()).build().unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(AUTHORIZATION, HeaderValue::from_str(line).unwrap());
    }
    let Step::Ready(Ok(admission)) = auth.decide(&RequestHead::new(&Method::GET, auth.path(), &headers))
    else {
        panic!("a public service lets everybody in");
    };
    let mut extensions = http::Extensions::new();
    admission.attach(&mut extensions);
    assert!(Principal::of(&extensions).is_none());
}

#[test]
fn x_ctx_03() {
    has_no_principal(&["Bearer abcd"]);
    has_no_principal(&[&bearer(&token("http:JWT1"))]);
}

#[test]
fn x_ctx_04() {
    has_no_principal(&[]);
}

// --- edge cases ---------------------------------------------------------------------------------------------

#[test]
fn d_hdr_03() {
    let auth = service("http-decl-40");
    let token = token("http:JWT1");
    assert_eq!(status(&auth, &[&format!("Bearer {token}")]), StatusCode::OK);
    assert_eq!(status(&auth, &[&format!("Bearer {token} trailing")]), StatusCode::UNAUTHORIZED);
}

#[test]
fn d_hdr_04() {
    let auth = service("http-decl-40");
    let good = bearer(&token("http:JWT1"));
    for lines in [[good.as_str(), "Bearer abc"], ["Bearer abc", &good], [&good, &good]] {
        assert_eq!(status(&auth, &lines), StatusCode::UNAUTHORIZED);
    }
}

#[test]
fn d_jwt_02() {
    let problems = read(&json!({"issuer": "wso2", "signatureConfig": {}})).unwrap_err();
    assert!(problems.len() == 1 && problems[0].contains("needs exactly one of"), "{problems:?}");
    let problems = read(&json!({"issuer": "wso2"})).unwrap_err();
    assert!(problems.len() == 1 && problems[0].contains("no token is accepted unverified"), "{problems:?}");
}

#[test]
fn d_jwt_03() {
    for alg in ["none", "None", "NONE"] {
        let token = signed(&json!({"alg": alg}), &payload(&json!({})));
        assert_eq!(outcome(&own(&json!({})), &token), "unsupported-algorithm");
        let (head, _) = token.rsplit_once('.').unwrap();
        assert_eq!(outcome(&own(&json!({})), &format!("{head}.")), "unsupported-algorithm");
    }
}

#[test]
fn d_jwt_04() {
    let secret = json!({"signatureConfig": {"secret": "a secret of thirty-two bytes, ok"}});
    assert_eq!(own_outcome(&secret, &json!({})), "unsupported-algorithm");
}

#[test]
fn d_jwt_07() {
    for nbf in [json!("0"), json!("soon"), json!(true), json!({})] {
        assert_eq!(own_outcome(&json!({}), &json!({"nbf": nbf})), "malformed-claim");
    }
    assert_eq!(own_outcome(&json!({}), &json!({"nbf": 0})), "valid");
}

#[test]
fn d_jwt_08() {
    assert_eq!(own_outcome(&json!({}), &json!({"exp": null})), "missing-expiration");
    assert_eq!(own_outcome(&json!({"requireExpiration": false}), &json!({"exp": null})), "valid");
}

#[test]
fn d_jwt_09() {
    for name in ["iss", "sub", "jti"] {
        assert_eq!(own_outcome(&json!({}), &json!({name: 1})), "malformed-claim", "{name}");
    }
    for name in ["typ", "kid"] {
        let token = signed(&json!({"alg": "RS256", name: 1}), &payload(&json!({})));
        assert_eq!(outcome(&own(&json!({})), &token), "malformed-token", "{name}");
    }
}

#[test]
fn d_jwt_10() {
    for payload in ["[]", "\"wso2\"", "[{\"iss\":\"wso2\"}]", "1", "null"] {
        assert_eq!(
            outcome(&own(&json!({})), &signed(&json!({"alg": "RS256"}), payload)),
            "malformed-token",
            "{payload}"
        );
    }
}

#[test]
fn d_jwt_11() {
    assert_eq!(own_outcome(&json!({"audience": "123"}), &json!({"aud": [123]})), "malformed-claim");
    assert_eq!(own_outcome(&json!({"audience": "123"}), &json!({"aud": ["123"]})), "valid");
}

#[test]
fn d_jwt_12() {
    let level = |expected: Value| json!({"customClaims": {"level": expected}});
    assert_eq!(own_outcome(&level(json!("5")), &json!({"level": 5})), "wrong-claim");
    assert_eq!(own_outcome(&level(json!(5)), &json!({"level": 5})), "valid");
}

#[test]
fn d_jwt_13() {
    for crit in [json!(["exp"]), json!([]), json!("x")] {
        let token = signed(&json!({"alg": "RS256", "crit": crit}), &payload(&json!({})));
        assert_eq!(outcome(&own(&json!({})), &token), "critical-header");
    }
}

#[test]
fn d_jwt_14() {
    let good = token("jwt:JWT1");
    // By `certFile`, and by `trustStoreConfig`.
    for id in ["jwt-val-28", "jwt-val-02"] {
        let validator = validator(id);
        let at = |seconds| validator.validate(&good, UnixTime::from_secs(seconds)).unwrap_err().code();
        assert_eq!(at(2_200_000_000), "certificate-expired", "{id}");
        assert_eq!(at(1_400_000_000), "certificate-not-yet-valid", "{id}");
    }
}

#[test]
fn d_jwt_21() {
    assert_eq!(own_outcome(&json!({}), &json!({"exp": "1935400394"})), "malformed-claim");
    assert_eq!(own_outcome(&json!({}), &json!({"exp": 1_935_400_394})), "valid");
}

#[test]
fn d_scp_05() {
    let scopes = |key: &str| {
        let claims = payload(&json!({"realm_access": {"roles": ["admin", "user"]}}));
        let identity =
            own(&json!({"scopeKey": key})).validate(&signed(&json!({"alg": "RS256"}), &claims), NOW).unwrap();
        identity.scopes().iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(scopes("/realm_access/roles"), ["admin", "user"]);
    assert_eq!(scopes("realm_access.roles"), [""; 0]);
}

// --- the table is complete ----------------------------------------------------------------------------------

/// The names under a heading of `ballerina-differences.toml`, which holds nothing but lines `name = "why"`.
fn listed(heading: &str) -> BTreeSet<String> {
    let text = include_str!("ballerina-differences.toml");
    let lines = text.lines().skip_while(|line| *line != format!("[{heading}]")).skip(1);
    let entries = lines.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once(" = \""));
    entries
        .map(|(name, why)| {
            assert!(why.len() > 10, "{name} has a reason");
            name.to_owned()
        })
        .collect()
}

#[test]
fn every_row_of_the_area_has_a_test_or_a_reason() {
    let sources = [
        include_str!("ballerina.rs"),
        include_str!("ballerina/client.rs"),
        include_str!("ballerina/jwks.rs"),
    ];
    let tested: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| source.lines())
        .filter_map(|line| line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn ")))
        .filter_map(|line| line.strip_suffix("() {"))
        .map(|name| name.replace('_', "-"))
        .collect();
    let (deferred, differences) = (listed("deferred"), listed("differences"));
    let mut of_area = BTreeSet::new();
    for file in ["cases.json", "edge-cases.json"] {
        for row in json_of(file).as_array().unwrap() {
            let id = row["id"].as_str().unwrap();
            // The rows of a client that calls a service are tested with services.
            if row["area"] == "jwt" || row["area"] == "client-jwt" && id.starts_with("jwt-") {
                of_area.insert(id.to_owned());
            }
        }
    }
    assert_eq!(of_area.len(), 65);
    for id in &of_area {
        assert_ne!(
            tested.contains(id),
            deferred.contains(id),
            "{id} has a test or waits for a later version"
        );
    }
    for id in deferred.iter().chain(&differences) {
        assert!(of_area.contains(id), "{id} is no row of the area");
    }
    assert!(differences.iter().all(|id| tested.contains(id)), "a difference is shown by a test");
}
