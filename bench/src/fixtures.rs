//! The keys and tokens of one run: made once, handed to every process, thrown away.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::{hmac, signature};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use portcullis::{Clock, SystemClock};
use portcullis_testing::{Algorithm, TestIssuer};
use serde::{Deserialize, Serialize};

use crate::Outcome;

/// How many tokens there are of each algorithm, no two alike.
pub const TOKENS: usize = 256;

/// How long an RS256 token is, in bytes: an everyday access token with a handful of claims.
const LENGTH: usize = 870;
/// How much of it is the signature: 256 bytes in base64url.
const RS256_SIGNATURE: usize = 342;

pub const ISSUER: &str = "https://id.example";
pub const AUDIENCE: &str = "orders";
pub const SCOPE: &str = "orders:read";
/// For HS256, which is cheap enough to fill a cache with.
pub const SECRET: &str = "a secret of the benchmark that is long enough for HS256";
pub const PASSWORD: &str = "correct horse battery staple";

/// What every process of a run knows.
#[derive(Default, Serialize, Deserialize)]
pub struct Fixtures {
    pub rsa: Keyed,
    pub p256: Keyed,
    pub ed25519: Keyed,
    /// 32 random bytes in base64url, as opaque tokens are.
    pub opaque: String,
    /// A random text of 1 KiB that is no JWT.
    pub random: String,
    /// Of [`PASSWORD`], by argon2id.
    pub password_hash: String,
    /// A file with [`MANY`] tokens by [`SECRET`], one on a line. Read by whoever needs them.
    many: PathBuf,
}

/// How many tokens there are to fill a cache with.
pub const MANY: usize = 100_000;

/// A key and what it signed.
#[derive(Default, Serialize, Deserialize)]
pub struct Keyed {
    /// A set (RFC 7517) with the public half.
    pub jwks: String,
    pub tokens: Vec<String>,
}

impl Fixtures {
    pub async fn make() -> Self {
        let random = |bytes: usize| {
            let mut random = vec![0; bytes];
            aws_lc_rs::rand::fill(&mut random).expect("the operating system gives randomness");
            BASE64_URL_SAFE_NO_PAD.encode(random)
        };
        Self {
            rsa: Keyed::make(Algorithm::Rs256).await,
            p256: Keyed::make(Algorithm::Es256).await,
            ed25519: Keyed::make(Algorithm::EdDsa).await,
            opaque: random(32),
            random: random(768),
            password_hash: portcullis::file::hash_password(PASSWORD),
            many: PathBuf::new(),
        }
    }

    pub fn read(path: &Path) -> Outcome<Self> {
        Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
    }

    /// Writes them to `path`, and the many tokens to a file beside it.
    pub fn write(&mut self, path: &Path) -> Outcome {
        self.many = path.with_extension("tokens");
        fs::write(&self.many, many_tokens(MANY).join("\n"))?;
        Ok(fs::write(path, serde_json::to_string(self)?)?)
    }

    /// Removes what was written to `path`.
    pub fn remove(path: &Path) -> Outcome {
        fs::remove_file(path.with_extension("tokens"))?;
        Ok(fs::remove_file(path)?)
    }

    /// Tokens by a shared secret, no two alike.
    pub fn many_tokens(&self, count: usize) -> Vec<String> {
        let all = fs::read_to_string(&self.many).expect("the tokens were written");
        all.lines().take(count).map(str::to_owned).collect()
    }
}

impl Keyed {
    async fn make(algorithm: Algorithm) -> Self {
        let issuer = TestIssuer::builder().algorithm(algorithm).start().await;
        let tokens = (0..TOKENS).map(|number| token(&issuer, number)).collect();
        Self { jwks: issuer.jwks().to_string(), tokens }
    }

    /// The one key of the set.
    pub fn jwk(&self) -> serde_json::Value {
        let set: serde_json::Value = serde_json::from_str(&self.jwks).expect("the set is JSON");
        set["keys"][0].clone()
    }

    /// The public half as aws-lc takes it, parsed once.
    pub fn parsed(&self) -> signature::ParsedPublicKey {
        let jwk = self.jwk();
        let part = |name: &str| decoded(jwk[name].as_str().expect("a part of the key"));
        let parsed = match jwk["kty"].as_str() {
            Some("RSA") => signature::RsaPublicKeyComponents { n: part("n"), e: part("e") }
                .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
                .ok(),
            Some("EC") => {
                let point = [vec![4], part("x"), part("y")].concat();
                signature::ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).ok()
            }
            _ => signature::ParsedPublicKey::new(&signature::ED25519, part("x")).ok(),
        };
        parsed.expect("the key is good")
    }
}

/// Signs tokens by [`SECRET`]: small ones, since every one of them is validated once under callgrind.
pub fn many_tokens(count: usize) -> Vec<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let expires_at = SystemClock::new().now().as_secs() + 24 * 3600;
    let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let token = |number: usize| {
        let claims = serde_json::json!({
            "iss": ISSUER, "aud": AUDIENCE, "exp": expires_at, "sub": "248289761001",
            "scope": format!("openid profile {SCOPE}"), "jti": format!("{number:08}"),
        });
        let signed = format!("{header}.{}", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
        format!("{signed}.{signature}")
    };
    (0..count).map(token).collect()
}

/// An access token as identity providers make them, of the same length whatever its number.
fn token(issuer: &TestIssuer, number: usize) -> String {
    let make = |padding: usize| {
        issuer
            .token()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .subject("248289761001")
            .scope(format!("openid profile {SCOPE}"))
            .claim("client_id", "s6BhdRkqt3")
            .claim("jti", format!("{number:08}"))
            .claim("email", "jane.doe@example.com")
            .claim("preferred_username", "jane.doe")
            .claim("sid", "s".repeat(padding))
            // One of the peers takes no token without.
            .not_before(SystemClock::new().now())
            .expires_in(Duration::from_secs(24 * 3600))
            .sign()
    };
    let bare = make(0);
    // Under another key the signature has another length, and the rest the same.
    let signature = bare.rsplit('.').next().map_or(0, str::len);
    let missing = (LENGTH - RS256_SIGNATURE).saturating_sub(bare.len() - signature);
    // Four characters of base64url are three bytes of JSON.
    make(missing * 3 / 4)
}

/// What was signed of a token, and the signature.
pub fn signed(token: &str) -> (&str, Vec<u8>) {
    let (signed, signature) = token.rsplit_once('.').expect("a token has three segments");
    (signed, decoded(signature))
}

fn decoded(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).expect("it is base64url")
}
