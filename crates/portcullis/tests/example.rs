//! `Config.toml.example` at the project's root is true: it works, and so does every line in it that is commented
//! out, and there is no key that it does not show.
#![cfg(all(
    feature = "config",
    feature = "file",
    feature = "jwks",
    feature = "introspection",
    feature = "ldap",
    feature = "client",
    feature = "axum"
))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{collections::BTreeSet, fs, io, path::Path};

use http::{HeaderMap, Method, header::AUTHORIZATION};
use portcullis::{Config, ConfigError, RequestHead, section::Source};
use tempfile::TempDir;
use toml::de::{DeTable, DeValue};

const EXAMPLE: &str = include_str!("../../../Config.toml.example");

/// Keys that are known so that they can be refused where they stand.
const REFUSED: &[&str] = &["clientConfig.auth.assertion.jwtId"];

/// Keys of another form of a table, which the example can only tell of.
const OTHER_FORMS: &[(&str, &str)] = &[("services.*.path", "[[services]] with path = \"/foo\"")];

// --- the example's lines ---------------------------------------------------------------------------------------

/// Lines that belong together: a key with its value, commented out.
#[derive(Debug)]
struct Entry {
    first: usize,
    last: usize,
    /// The key that has to go where this one comes.
    instead_of: Option<String>,
}

fn lines() -> Vec<String> {
    EXAMPLE.lines().map(str::to_owned).collect()
}

/// What stands behind the `# ` of a line that is commented out.
fn commented(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("# ")
}

/// The key that a line sets, or `{` where it begins an element of an array.
fn key(text: &str) -> Option<&str> {
    if text.starts_with('{') {
        return Some("{");
    }
    let mut quoted = false;
    let end = text.find(|c: char| {
        quoted ^= c == '"';
        !(quoted || c == '"' || c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    })?;
    let key = &text[..end];
    (!key.is_empty() && text[end..].starts_with(" = ")).then_some(key)
}

/// How much deeper the brackets of a line go, comments and strings aside.
fn depth(text: &str) -> i32 {
    let (mut depth, mut quoted) = (0, false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => break,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            _ => {}
        }
    }
    depth
}

fn entries() -> Vec<Entry> {
    let lines = lines();
    let mut entries = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let first = at;
        at += 1;
        let Some(text) = commented(&lines[first]).filter(|text| key(text).is_some()) else { continue };
        let mut open = depth(text);
        while open > 0 {
            open += depth(commented(&lines[at]).expect("the entry goes on"));
            at += 1;
        }
        let instead =
            text.split_once("# instead of `").map(|(_, rest)| rest.split_once('`').unwrap().0.to_owned());
        entries.push(Entry { first, last: at - 1, instead_of: instead });
    }
    assert!(entries.len() > 20, "the example's lines are not understood: {entries:?}");
    entries
}

/// The example with some entries in force.
fn with<'e>(entries: impl Iterator<Item = &'e Entry>) -> Vec<String> {
    let mut lines = lines();
    for entry in entries {
        for line in &mut lines[entry.first..=entry.last] {
            *line = line.replacen("# ", "", 1);
        }
    }
    lines
}

/// Comments out the key above an entry, or below it, that is nearest.
fn without(lines: &mut [String], name: &str, near: &Entry) {
    let candidates = (0..lines.len()).filter(|at| !(near.first..=near.last).contains(at));
    let nearest =
        candidates.filter(|at| key(&lines[*at]) == Some(name)).min_by_key(|at| at.abs_diff(near.first));
    let mut at = nearest.unwrap_or_else(|| panic!("no `{name}` near line {}", near.first + 1));
    let mut open = 0;
    loop {
        open += depth(&lines[at]);
        lines[at].insert_str(0, "# ");
        at += 1;
        if open == 0 {
            break;
        }
    }
}

/// Everything that can be in force together; and for each alternative the same with it.
fn variants() -> Vec<String> {
    let entries = entries();
    let together = || entries.iter().filter(|entry| entry.instead_of.is_none());
    let mut variants = vec![with(together()).join("\n")];
    for entry in &entries {
        let Some(name) = &entry.instead_of else { continue };
        let mut lines = with(together().chain([entry]));
        without(&mut lines, name, entry);
        variants.push(lines.join("\n"));
    }
    variants
}

// --- what the example names ------------------------------------------------------------------------------------

/// The variables that the example names, and the machine's files.
#[derive(Debug)]
struct Given;

impl Source for Given {
    fn variable(&self, name: &str) -> Option<String> {
        [
            "KEY_PASSWORD",
            "KEY_STORE_PASSWORD",
            "TRUST_STORE_PASSWORD",
            "ALICE_PASSWORD",
            "CAROL_PASSWORD",
            "TENANT",
            "ALICE_TOKEN",
            "CLIENT_SECRET",
            "JWT_SECRET",
            "REFRESH_TOKEN",
            "SERVICE_TOKEN",
            "DIRECTORY_PASSWORD",
        ]
        .contains(&name)
        // Long enough for a key of HS256 where that is asked for.
        .then(|| if name == "JWT_SECRET" { "ballerina".repeat(4) } else { "ballerina".to_owned() })
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }
}

/// A folder with the files that the example names.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/ballerina/data");
    fs::create_dir(folder.path().join("tls")).unwrap();
    for (name, from) in [
        ("server.crt", "pub--public.crt"),
        ("server.key", "key--private.key"),
        ("server-encrypted.key", "enckey--encryptedPrivate.key"),
        ("server.p12", "ballerina-ks--ballerinaKeystore.p12"),
        ("clients.crt", "pub--public.crt"),
        ("clients.p12", "ballerina-ts--ballerinaTruststore.p12"),
        ("issuer.crt", "pub--public.crt"),
        ("issuers.p12", "ballerina-ts--ballerinaTruststore.p12"),
        ("upstream-ca.crt", "pub--public.crt"),
        ("orders-ca.crt", "pub--public.crt"),
        ("shop.crt", "pub--public.crt"),
        ("shop.key", "key--private.key"),
        ("shop-encrypted.key", "enckey--encryptedPrivate.key"),
        ("shop.p12", "ballerina-ks--ballerinaKeystore.p12"),
        ("id-ca.crt", "pub--public.crt"),
    ] {
        fs::copy(data.join(from), folder.path().join("tls").join(name)).unwrap();
    }
    fs::write(folder.path().join("jwt-secret.txt"), "0123456789abcdef0123456789abcdef\n").unwrap();
    folder
}

fn parse(text: &str, folder: &TempDir) -> Result<Config, ConfigError> {
    // The entries of the stores at hand have another name.
    let text = text
        .replace("alias = \"server\"", "alias = \"ballerina\"")
        .replace("keyAlias = \"shop\"", "keyAlias = \"ballerina\"")
        .replace("certAlias = \"issuer\"", "certAlias = \"ballerina\"");
    Config::builder().source(Given).parse(&text, folder.path())
}

// --- keys ------------------------------------------------------------------------------------------------------

/// A dotted path with names and positions left out: `services.*.auth[].scopes`.
fn shape(path: &str) -> String {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (token, after) = if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').unwrap();
            (quoted[..end].to_owned(), &quoted[end + 1..])
        } else if let Some(position) = rest.strip_prefix('[') {
            ("[]".to_owned(), position.split_once(']').unwrap().1)
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        };
        let keyed = tokens
            .last()
            .is_some_and(|last| matches!(&**last, "services" | "resources" | "providers" | "clients"));
        tokens.push(if keyed { "*".to_owned() } else { token });
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    let mut shape = String::new();
    for token in tokens {
        if !shape.is_empty() && token != "[]" {
            shape.push('.');
        }
        shape.push_str(&token);
    }
    // One `clientConfig` is like the other.
    let shape = shape.rfind("clientConfig").map_or_else(|| shape.clone(), |at| shape[at..].to_owned());
    // So is one `auth` of a client, or of an actor, and one way to sign.
    let shape = shape.replace("clients.*.auth", "clientConfig.auth").replace("auth.actor.", "auth.");
    let shape = match shape.split_once(".signatureConfig.") {
        Some((place, rest)) if place.starts_with("clientConfig.auth") => {
            format!("clientConfig.auth.signatureConfig.{rest}")
        }
        _ => shape,
    };
    // Users stand in two places, a named provider holds what an element holds, and a secret is written in three ways.
    let shape = shape.replace("ballerina.auth", "auth").replace("providers.*", "services.*.auth[]");
    let shape = shape.replace("resources.*.auth[]", "auth[]");
    let secret = [".env", ".file"].iter().find_map(|form| shape.strip_suffix(form));
    secret.map(str::to_owned).unwrap_or(shape)
}

fn shown(text: &str) -> BTreeSet<String> {
    fn walk(value: &DeValue<'_>, path: &str, shown: &mut BTreeSet<String>) {
        match value {
            DeValue::Table(table) => walk_table(table, path, shown),
            DeValue::Array(items) => {
                items.iter().for_each(|item| walk(item.get_ref(), &format!("{path}[0]"), shown))
            }
            _ => {}
        }
    }
    fn walk_table(table: &DeTable<'_>, path: &str, shown: &mut BTreeSet<String>) {
        for (key, value) in table {
            let path = format!("{path}{}{:?}", if path.is_empty() { "" } else { "." }, key.get_ref());
            shown.insert(shape(&path));
            walk(value.get_ref(), &path, shown);
        }
    }
    let mut shown = BTreeSet::new();
    walk_table(DeTable::parse(text).unwrap().get_ref(), "", &mut shown);
    shown
}

// --- the tests -------------------------------------------------------------------------------------------------

#[tokio::test]
async fn as_it_stands_it_is_right_and_lets_alice_in() {
    let config = Config::parse(EXAMPLE, "/nowhere").unwrap();
    let foo = config.service("/foo").unwrap().build().await.unwrap();
    // alice:password1, alice:password2
    for (credential, path, status) in [
        ("Basic YWxpY2U6cGFzc3dvcmQx", "/foo/bar", 200),
        ("Basic YWxpY2U6cGFzc3dvcmQx", "/foo/admin", 403),
        ("Basic YWxpY2U6cGFzc3dvcmQy", "/foo/bar", 401),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, credential.parse().unwrap());
        let decision = foo.decided(&RequestHead::new(&Method::GET, path, &headers)).await;
        assert_eq!(decision.map_or_else(|rejection| rejection.status().as_u16(), |_| 200), status, "{path}");
    }
}

#[test]
fn everything_that_is_commented_out_works() {
    let folder = folder();
    for variant in variants() {
        if let Err(error) = parse(&variant, &folder) {
            let numbered: Vec<String> =
                variant.lines().enumerate().map(|(at, line)| format!("{:4} {line}", at + 1)).collect();
            panic!("{error:?}\n{}", numbered.join("\n"));
        }
    }
}

#[test]
fn every_key_that_is_read_is_shown() {
    let folder = folder();
    let (mut known, mut shows) = (BTreeSet::new(), BTreeSet::new());
    for variant in variants() {
        let config = parse(&variant, &folder).unwrap();
        known.extend(config.known_keys().iter().map(|key| shape(key)));
        shows.extend(shown(&variant));
    }
    // Services that are written as an array have one key more.
    let array = Config::parse("[[services]]\npath = \"/foo\"\npublic = true", ".").unwrap();
    known.extend(array.known_keys().iter().map(|key| shape(key)));
    let unshown = REFUSED.iter().copied();
    let elsewhere: Vec<&str> = OTHER_FORMS.iter().map(|(key, _)| *key).chain(unshown).collect();
    let missing: Vec<&String> =
        known.difference(&shows).filter(|key| !elsewhere.contains(&key.as_str())).collect();
    assert!(missing.is_empty(), "Config.toml.example does not show {missing:#?}");
    assert!(known.len() > 100, "{known:?}");
    let told =
        OTHER_FORMS.iter().map(|(_, words)| *words).chain(["{ env = \"NAME\" }", "{ file = \"path\" }"]);
    for words in told {
        assert!(EXAMPLE.contains(words), "{words}");
    }
}

#[test]
fn a_key_that_is_not_shown_would_be_noticed() {
    assert_eq!(shape("services.\"/a.b\".auth[3].scopes"), "services.*.auth[].scopes");
    assert_eq!(shape("ballerina.auth.users[1].password.env"), "auth.users[].password");
    assert_eq!(shape("services[0].resources[1].path"), "services.*.resources.*.path");
    assert_eq!(shape("providers.x.jwtValidatorConfig.issuer"), "services.*.auth[].jwtValidatorConfig.issuer");
    assert_eq!(shape("clients.orders.auth.tokenUrl"), "clientConfig.auth.tokenUrl");
    assert_eq!(
        shape("clients.\"a.b\".auth.assertion.signatureConfig.config.keyFile"),
        "clientConfig.auth.signatureConfig.config.keyFile"
    );
    assert_eq!(shape("clients.orders.secureSocket.cert"), "clients.*.secureSocket.cert");
    assert!(!shown("[services.\"/foo\"]\nrealm = \"x\"").contains("services.*.public"));
    assert!(shown("[services.\"/foo\"]\nrealm = \"x\"").contains("services.*.realm"));
}
