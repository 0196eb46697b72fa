//! Authorization servers of others: they issue the tokens, publish the keys, and are asked about tokens.

mod authlib;
mod oidc_provider;

use serde_json::Value;

pub use self::authlib::AuthlibServer;
pub use self::oidc_provider::{Keys, OidcProvider};
use crate::curl;

/// A user that both servers know by the grant `password`: name and password.
pub const ALICE: (&str, &str) = ("alice", "alice-pass-alice-pass");

/// Another one.
pub const BOB: (&str, &str) = ("bob", "bob-pass-bob-pass");

/// One whose name and password hold what forms have to encode.
pub const ZOE: (&str, &str) = ("zoë", "pässwört: 100% & +=/?");

/// The audience of the JWTs that both servers issue.
pub const AUDIENCE: &str = "https://api.example/";

/// A request as it reached an authorization server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path and query.
    pub target: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body exactly as it came.
    pub body: String,
}

impl Asked {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// What `GET /control/requests` of either server says.
fn asked(arguments: &[&str]) -> Vec<Asked> {
    let answer = curl(arguments);
    let list: Vec<Value> = serde_json::from_slice(&answer.body).expect("the server lists its requests");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let each = |value: &Value| Asked {
        method: text(&value["method"]),
        target: text(&value["target"]),
        headers: value["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), text(v)))
            .collect(),
        body: text(&value["body"]),
    };
    list.iter().map(each).collect()
}

/// The access token in the answer of a token endpoint.
fn token(arguments: &[&str]) -> String {
    member(arguments, "access_token")
}

/// A member of the answer of a token endpoint.
fn member(arguments: &[&str], name: &str) -> String {
    let answer = curl(arguments);
    let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let member = value[name].as_str();
    member.unwrap_or_else(|| panic!("no {name} but {}: {}", answer.status, answer.text())).to_owned()
}
