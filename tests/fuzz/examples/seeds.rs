//! Writes the seeds of the fuzzers: `cargo run -p portcullis-fuzz-targets --example seeds`. Those that come of the tests' data
//! are made of it here; the others stand in `seeds/` by hand, one file for each target, one seed for each part between lines of
//! four dashes. What a target's folder holds beside is kept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whoever runs it sees what is wrong"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_fuzz_targets::TARGETS;
use serde_json::Value;

/// Longer ones slow the fuzzers down, and show nothing that a shorter one does not.
const LONGEST: usize = 6 * 1024;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn main() {
    let mut all = Seeds::default();
    all.by_hand();
    all.keys();
    all.ballerina();
    all.wycheproof();
    all.configurations();
    all.write();
}

/// The seeds by their targets.
#[derive(Default)]
struct Seeds(BTreeSet<(&'static str, Vec<u8>)>);

impl Seeds {
    fn add(&mut self, target: &'static str, seed: impl AsRef<[u8]>) {
        let seed = seed.as_ref();
        if seed.len() <= LONGEST {
            self.0.insert((target, seed.to_vec()));
        }
    }

    fn by_hand(&mut self) {
        for name in TARGETS.iter().map(|(name, _)| *name).chain(["differential"]) {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(format!("{name}.txt"));
            let Ok(text) = fs::read(&file) else { continue };
            let text = String::from_utf8(text).unwrap();
            for part in text.split("\n----\n") {
                self.add(name, unescaped(part.strip_suffix('\n').unwrap_or(part)));
            }
        }
    }

    /// Files of keys, certificates and stores.
    fn keys(&mut self) {
        let data = root().join("crates/keys/tests/data");
        for folder in ["ballerina", "certs", "keys", "stores"] {
            for entry in fs::read_dir(data.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                // Each of these costs as much as a thousand of the others.
                let slow =
                    ["scrypt", "pbes2-aes-128", "pbes2-aes-192", "sha224", "sha384", "sha512", "several"];
                if slow.iter().any(|part| name.contains(part)) {
                    continue;
                }
                let is_store =
                    matches!(path.extension().and_then(|end| end.to_str()), Some("p12" | "jks" | "jceks"));
                self.add(if is_store { "pkcs12" } else { "pem" }, fs::read(&path).unwrap());
            }
        }
    }

    /// Tokens, key sets and credentials of Ballerina's tests.
    fn ballerina(&mut self) {
        let data = json("tests/data/ballerina/data.json");
        for token in data["tokens"].as_object().unwrap().values() {
            if let Some(text) = token["value"].as_str() {
                self.token(text);
                self.add("claims", token["payload"].to_string());
            }
        }
        self.add("jwks", serde_json::json!({ "keys": data["jwks"]["keys"] }).to_string());
        for key in data["jwks"]["keys"].as_array().unwrap() {
            self.add("jwks", key.to_string());
        }
        let text = fs::read_to_string(root().join("tests/data/ballerina/cases.json")).unwrap();
        for (at, _) in text.match_indices("Basic ") {
            let credential: String = text[at + 6..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "+/=".contains(*c))
                .collect();
            if STANDARD.decode(&credential).is_ok() {
                self.add("basic", &credential);
                self.add("authorization", format!("Basic {credential}"));
            }
        }
    }

    /// Tokens and keys of Project Wycheproof: each kind of test once.
    fn wycheproof(&mut self) {
        let tests = json("tests/data/wycheproof/json_web_signature_test.json");
        for group in tests["testGroups"].as_array().unwrap() {
            for key in [&group["public"], &group["private"]] {
                if key.is_object() {
                    self.add("jwks", key.to_string());
                    self.add("jwks", serde_json::json!({ "keys": [key] }).to_string());
                }
            }
            let mut comments = BTreeSet::new();
            for test in group["tests"].as_array().unwrap() {
                if let Some(jws) = test["jws"].as_str()
                    && comments.insert(test["comment"].to_string())
                    && comments.len() <= 4
                {
                    self.token(jws);
                }
            }
        }
        let tests = json("tests/data/wycheproof/json_web_key_test.json");
        for group in tests["testGroups"].as_array().unwrap() {
            for key in [&group["public"], &group["private"]] {
                if key.is_object() {
                    self.add("jwks", key.to_string());
                }
            }
        }
    }

    fn token(&mut self, text: &str) {
        self.add("jws", format!("token\n{text}"));
        self.add("authorization", format!("Bearer {text}"));
        if text.len() < 1500 {
            self.add("websocket_protocols", format!("bearer, {text}, chat"));
            self.add("cookies", format!("a=b; t={text}; c=d"));
        }
    }

    /// The configurations of examples and tests, and the parts of the one that shows all keys.
    fn configurations(&mut self) {
        for file in [
            "examples/grpc/Config.toml",
            "examples/ldap/Config.toml",
            "examples/quickstart/Config.toml",
            "examples/sqlite-users/Config.toml",
            "examples/websocket/Config.toml",
            "tests/data/ballerina/data/auth-config--Config.toml",
            "tests/data/ballerina/data/http-config--Config.toml",
        ] {
            self.add("config_toml", fs::read(root().join(file)).unwrap());
        }
        let example = fs::read_to_string(root().join("Config.toml.example")).unwrap();
        // A part as it stands, and with all keys that are commented out.
        for part in example.split("\n\n") {
            self.add("config_toml", part);
            let lines =
                part.lines().map(|line| line.strip_prefix("# ").or(line.strip_prefix('#')).unwrap_or(line));
            let lines: Vec<&str> = lines.filter(|line| line.contains(['=', '[', ']', '}'])).collect();
            self.add("config_toml", lines.join("\n"));
        }
    }

    /// Every target has seeds, and all of them together are small.
    fn write(&self) {
        let corpus = root().join("fuzz/corpus");
        let mut bytes = 0;
        for (target, seed) in &self.0 {
            let folder = corpus.join(target);
            fs::create_dir_all(&folder).unwrap();
            // The name says what is in it, so that the same seed is the same file.
            let digest = seed.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
            fs::write(folder.join(format!("{digest:016x}")), seed).unwrap();
            bytes += seed.len();
        }
        for (target, _) in TARGETS {
            assert!(self.0.iter().any(|(name, _)| name == target), "{target} has no seeds");
        }
        assert!(bytes < 1 << 20, "{bytes} bytes are too many");
    }
}

/// A seed by hand with `\xNN`, `\n` and `\r` as the bytes that they stand for, and everything else as it is.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let hex = rest.get(at + 2..at + 4).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (rest.as_bytes().get(at + 1), hex) {
            (Some(b'x'), Some(byte)) => {
                bytes.push(byte);
                rest = &rest[at + 4..];
            }
            (Some(b'n'), _) => {
                bytes.push(b'\n');
                rest = &rest[at + 2..];
            }
            (Some(b'r'), _) => {
                bytes.push(b'\r');
                rest = &rest[at + 2..];
            }
            _ => {
                bytes.push(b'\\');
                rest = &rest[at + 1..];
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn json(path: &str) -> Value {
    serde_json::from_slice(&fs::read(root().join(path)).unwrap()).unwrap()
}
