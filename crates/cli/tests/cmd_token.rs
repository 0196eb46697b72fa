//! `portcullis token`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by all tests of commands; none needs everything")]
mod command;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use command::{Finished, Folder};
use serde_json::json;

const CONFIG: &str = r#"
[[auth.users]]
username = "alice"
password = "canary-alice"

[providers.partner.jwtValidatorConfig]
issuer = "https://issuer.example"
audience = "foo"
signatureConfig = { certFile = "issuer.crt" }

[services."/foo"]
maxCredentialBytes = 2048
auth = [
  { scopes = "*", fileUserStoreConfig = {} },
  { scopes = "hello", use = "partner" },
  { scopes = "admin", use = "partner" },
]
"#;

const ISSUER: &str = r#"
issuer = "https://issuer.example"
username = "alice"
audience = "foo"
customClaims = { scope = "hello" }
signatureConfig = { algorithm = "ES256", config = { keyFile = "issuer.key" } }
"#;

fn folder() -> Folder {
    let folder = Folder::new();
    let key = rcgen::generate_simple_self_signed(["issuer".to_owned()]).unwrap();
    folder.file("issuer.crt", key.cert.pem());
    folder.file("issuer.key", key.signing_key.serialize_pem());
    folder.file("c.toml", CONFIG);
    folder.file("issuer.toml", ISSUER);
    folder
}

fn issue(folder: &Folder) -> String {
    let run = folder.run(["token", "issue", "--config", "issuer.toml"]);
    run.assert_code(0);
    assert_eq!(run.stderr, "");
    run.stdout.trim_end().to_owned()
}

fn verify(folder: &Folder, token: impl Into<Vec<u8>>, by: [&str; 2]) -> Finished {
    folder.run_with(token, ["token", "verify", "--config", "c.toml", by[0], by[1]])
}

const PARTNER: [&str; 2] = ["--provider", "partner"];

#[test]
fn a_token_is_issued_verified_and_decoded() {
    let folder = folder();
    let token = issue(&folder);
    let run = verify(&folder, format!("{token}\n"), PARTNER);
    run.assert_code(0);
    assert!(
        run.stdout
            .starts_with("accepted: alice holds [\"hello\"], issued by https://issuer.example, expires in "),
        "{run:?}"
    );
    verify(&folder, &*token, ["--element", "services.\"/foo\".auth[1]"]).assert_code(0);

    let run = folder.run_with(&*token, ["token", "decode"]);
    run.assert_code(0);
    assert!(run.stderr.contains("nothing is verified"), "{run:?}");
    let told = run.json();
    assert_eq!(told["verified"], json!(false));
    assert_eq!(told["header"]["alg"], json!("ES256"));
    assert_eq!(told["claims"]["sub"], json!("alice"));
    assert_eq!(told["claims"]["scope"], json!("hello"));
    let lifetime = told["claims"]["exp"].as_u64().unwrap() - told["claims"]["iat"].as_u64().unwrap();
    assert_eq!(lifetime, 300);

    folder.file("token.txt", format!("{token}\r\n"));
    let run = folder.run(["token", "decode", "--json", "@token.txt"]);
    run.assert_code(0);
    assert_eq!(run.stderr, "");
    assert_eq!(run.json(), told);
    folder
        .run(["token", "verify", "--config", "c.toml", "--provider", "partner", "@token.txt"])
        .assert_code(0);
}

#[test]
fn an_element_also_asks_for_its_scopes() {
    let folder = folder();
    let run = verify(&folder, issue(&folder), ["--element", "services.\"/foo\".auth[2]"]);
    run.assert_code(1);
    assert_eq!(
        run.stdout,
        "refused: alice is known, holds [\"hello\"] and needs any one of: admin (insufficient-scope)\n"
    );
}

#[test]
fn a_refusal_tells_its_code_and_reason() {
    let folder = folder();
    let token = issue(&folder);
    let (rest, _) = token.rsplit_once('.').unwrap();
    let (_, payload) = rest.split_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    for (token, code) in [
        (format!("{rest}."), "bad-signature"),
        (format!("{rest}.AAAA"), "bad-signature"),
        (format!("{none}.{payload}."), "unsupported-algorithm"),
        ("a.b".to_owned(), "malformed-token"),
        (String::new(), "malformed-credential"),
        (format!("{token} {token}"), "malformed-credential"),
        (format!("{token}\n\n"), "malformed-credential"),
        (format!("Bearer {token}"), "malformed-credential"),
    ] {
        let run = verify(&folder, &*token, PARTNER);
        run.assert_code(1);
        assert!(run.stdout.starts_with("refused: "), "{run:?}");
        assert!(run.stdout.ends_with(&format!("({code})\n")), "{code} {run:?}");
        assert!(!run.stdout.contains(payload), "{run:?}");
    }
    let told = folder
        .run_with("a.b", ["token", "verify", "--config", "c.toml", "--provider", "partner", "--json"])
        .json();
    assert_eq!((&told["accepted"], &told["code"]), (&json!(false), &json!("malformed-token")));
    let told = folder
        .run_with(&*token, ["token", "verify", "--config", "c.toml", "--provider", "partner", "--json"])
        .json();
    assert_eq!(told["accepted"], json!(true));
    assert_eq!(told["principal"]["subject"], json!("alice"));
}

#[test]
fn hostile_tokens_are_refused_and_nothing_panics() {
    let folder = folder();
    let brackets = "[".repeat(10_000);
    let nested = format!("{{\"a\":{brackets}{}}}", "]".repeat(10_000));
    let segment = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let head = segment(r#"{"alg":"ES256"}"#);
    for token in [
        brackets.clone().into_bytes(),
        format!("{}.{}.{}", segment(&nested), segment(&nested), segment(&nested)).into_bytes(),
        format!("{head}.{}.AAAA", segment(&brackets)).into_bytes(),
        format!("{head}.{}.AAAA", segment(r#"{"iss":1}"#)).into_bytes(),
        vec![b'.'; 1_000_000],
        vec![b'.'; 3_000_000],
        vec![0; 100],
        vec![0xff; 100],
        "\u{202e}\u{1b}[2J".into(),
    ] {
        for run in [
            verify(&folder, token.clone(), PARTNER),
            verify(&folder, token.clone(), ["--element", "services.\"/foo\".auth[1]"]),
            folder.run_with(token.clone(), ["token", "decode"]),
        ] {
            if run.stdout.contains("\"verified\"") {
                // `decode` shows what can be read.
                continue;
            }
            run.assert_code(1);
            assert!(run.stdout.len() + run.stderr.len() < 1000, "{run:?}");
            assert!(!run.stderr.contains("panic"), "{run:?}");
        }
    }
}

#[test]
fn what_is_no_token_is_told_in_json_where_that_is_asked_for() {
    let folder = folder();
    let run = folder.run_with("garbage", ["token", "decode", "--json"]);
    run.assert_code(1);
    let told = run.json();
    assert_eq!((&told["verified"], &told["code"]), (&false.into(), &"malformed-token".into()), "{run:?}");
    assert_eq!(run.stderr, "");
    let run = folder.run_with("garbage", ["token", "decode"]);
    run.assert_code(1);
    assert_eq!(
        (run.stdout.as_str(), run.stderr.starts_with("error: this is no token: ")),
        ("", true),
        "{run:?}"
    );
}

#[test]
fn an_element_looks_at_no_more_than_its_service() {
    let folder = folder();
    let issuer =
        ISSUER.replace("scope = \"hello\"", &format!("scope = \"hello\", pad = \"{}\"", "x".repeat(2000)));
    folder.file("issuer.toml", issuer);
    let token = issue(&folder);
    verify(&folder, &*token, PARTNER).assert_code(0);
    let run = verify(&folder, &*token, ["--element", "services.\"/foo\".auth[1]"]);
    run.assert_code(1);
    assert!(run.stdout.contains("longer than the 2048 bytes of `maxCredentialBytes`"), "{run:?}");
}

#[test]
fn tokens_never_come_from_the_command_line() {
    let folder = folder();
    let token = issue(&folder);
    for arguments in [
        vec!["token", "decode", &token],
        vec!["token", "verify", "--config", "c.toml", "--provider", "partner", &token],
    ] {
        let run = folder.run(arguments);
        run.assert_code(2);
        assert!(run.stderr.contains("a token is not taken from the command line"), "{run:?}");
        assert!(!run.stderr.contains(&token), "{run:?}");
    }
}

#[test]
fn an_element_is_named_by_its_path_or_the_paths_are_told() {
    let folder = folder();
    let run = verify(&folder, "x", ["--element", "services.\"/foo\".auth[7]"]);
    run.assert_code(2);
    assert!(run.stderr.contains("there is no element services.\"/foo\".auth[7]"), "{run:?}");
    assert!(run.stderr.contains("services.\"/foo\".auth[1], services.\"/foo\".auth[2]"), "{run:?}");
    let run = verify(&folder, "x", ["--provider", "partnr"]);
    run.assert_code(2);
    assert!(run.stderr.ends_with("the configuration has partner\n"), "{run:?}");
    let run = verify(&folder, "x", ["--element", "services.\"/foo\".auth[0]"]);
    run.assert_code(2);
    assert!(run.stderr.contains("it looks at Basic credentials, not at tokens"), "{run:?}");
    folder.run(["token", "verify", "--config", "c.toml", "@-"]).assert_code(2);
    folder
        .run(["token", "verify", "--config", "c.toml", "--provider", "partner", "--element", "x"])
        .assert_code(2);
}

#[test]
fn a_token_is_issued_by_a_table_of_a_file() {
    let folder = folder();
    let table = ISSUER.trim().replace("\nsignature", "\nexpTime = \"2m\"\nsignature");
    // `grant` says what the record is, where it is that of a client.
    folder.file("clients.toml", format!("stray = 1\n[clients.orders.auth]\ngrant = \"jwt\"\n{table}\n"));
    let arguments =
        ["token", "issue", "--config", "clients.toml", "--table", "clients.orders.auth", "--json"];
    let run = folder.run(arguments);
    run.assert_code(0);
    let token = run.json()["token"].as_str().unwrap().to_owned();
    verify(&folder, token, PARTNER).assert_code(0);
}

#[test]
fn what_cannot_be_signed_is_told_with_its_place() {
    let folder = folder();
    let wrong = ISSUER.replace("issuer.key", "absent.key").replace("username", "usrname");
    folder.file("issuer.toml", wrong.trim());
    let run = folder.run(["token", "issue", "--config", "issuer.toml"]);
    run.assert_code(2);
    assert_eq!(run.stdout, "");
    assert!(
        run.stderr.contains("issuer.toml:2:1: usrname: unknown key; did you mean `username`?"),
        "{run:?}"
    );
    assert!(run.stderr.contains("absent.key"), "{run:?}");
    let run = folder.run(["token", "issue", "--config", "issuer.toml", "--table", "clients.x"]);
    run.assert_code(2);
    assert!(run.stderr.contains("clients.x: there is no such table"), "{run:?}");
}

#[test]
fn weak_settings_of_an_issuer_are_told_and_the_secret_is_not() {
    let folder = folder();
    folder.file(
        "short.toml",
        "issuer = \"i\"\nsignatureConfig = { algorithm = \"HS256\", config = \"canary\", insecureShortSecret = true }\n",
    );
    let run = folder.run(["token", "issue", "--config", "short.toml"]);
    run.assert_code(0);
    assert!(run.stderr.starts_with("warning: short.toml:2:"), "{run:?}");
    assert!(!format!("{run:?}").contains("canary"), "{run:?}");
    folder.file("refused.toml", "signatureConfig = { algorithm = \"HS256\", config = \"canary\" }\n");
    let run = folder.run(["token", "issue", "--config", "refused.toml"]);
    run.assert_code(2);
    assert!(!format!("{run:?}").contains("canary"), "{run:?}");
}
