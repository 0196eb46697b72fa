//! A key set as an issuer's server sends it.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use portcullis_core::json;
use serde_json::{Map, Value};

use super::{Key, KeySet, Unusable, jwk, x5c};
use crate::refusal::shown;

/// The members that make a key what it is.
const ESSENTIAL: [&str; 9] = ["kty", "kid", "alg", "crv", "x", "y", "n", "e", "x5c"];

/// A digest of a key's essential members.
type Print = [u8; 32];

/// The usable keys of a set, and why the others are not.
///
/// More lenient than the reading of a file: nobody here can correct what a server sends, and one key that cannot be read
/// must not take the others away.
#[derive(Clone, Debug)]
pub(crate) struct FetchedSet {
    keys: KeySet,
    /// One for each key, in the same order.
    prints: Vec<Print>,
    skipped: Vec<String>,
}

impl FetchedSet {
    /// Reads the text of a set. A key that `before` has already is taken from there: it is the same object, by which
    /// tokens that it verified are remembered.
    ///
    /// # Errors
    ///
    /// When the text is no set, or none of its keys can be used.
    pub(crate) fn read(text: &[u8], before: Option<&Self>) -> Unusable<Self> {
        let members = json::object(text).map_err(|error| error.to_string())?;
        let keys = match members.get("keys") {
            Some(Value::Array(keys)) => keys,
            Some(_) => return Err("is no key set: `keys` is not an array".to_owned()),
            None => return Err("is no key set: it has no `keys`".to_owned()),
        };
        if keys.len() > KeySet::MOST {
            return Err(format!("holds more than {} keys", KeySet::MOST));
        }
        let (mut usable, mut prints, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        for (position, key) in keys.iter().enumerate() {
            let read = match key {
                Value::Object(members) => read_one(members, before),
                _ => Err("is not an object".to_owned()),
            };
            match read {
                // The same key twice is one key. Two keys of one `kid` are two: RFC 7517 §4.5 lets a set have them.
                Ok((print, _)) if prints.contains(&print) => {}
                Ok((print, key)) => {
                    prints.push(print);
                    usable.push(key);
                }
                Err(why) => skipped.push(format!("the key {}at position {position} {why}", name(key))),
            }
        }
        if usable.is_empty() {
            let why = skipped.first().map_or("it is empty", String::as_str);
            return Err(format!("holds no key that verifies signatures: {why}"));
        }
        Ok(Self { keys: KeySet::shared(usable), prints, skipped })
    }

    pub(crate) const fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// Why keys were left out, a sentence for each.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Whether the other set has the same keys, and lacks the same for the same reasons.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.prints == other.prints && self.skipped == other.skipped
    }

    fn known(&self, print: &Print) -> Option<&Arc<Key>> {
        let known = self.prints.iter().zip(self.keys.iter()).find(|(known, _)| *known == print);
        known.map(|(_, key)| key)
    }
}

fn read_one(members: &Map<String, Value>, before: Option<&FetchedSet>) -> Unusable<(Print, Arc<Key>)> {
    if members.get("kty").and_then(Value::as_str) == Some("oct") {
        return Err("is a shared secret (`oct`): what everybody may fetch is none".to_owned());
    }
    if members.contains_key("d") {
        return Err("comes with its private half (`d`): anybody can sign with it".to_owned());
    }
    // `use` and `key_ops` are no part of the print, and may have changed.
    jwk::is_for_verifying(members)?;
    let print = print(members);
    if let Some(key) = before.and_then(|before| before.known(&print)) {
        return Ok((print, Arc::clone(key)));
    }
    let key = jwk::read_key(members)?;
    let validity = x5c::validity(members)?;
    Ok((print, Arc::new(key.with_validity(validity))))
}

fn print(members: &Map<String, Value>) -> Print {
    let essential = ESSENTIAL.iter().map(|name| members.get(*name).cloned().unwrap_or_default());
    let mut print = [0; 32];
    print.copy_from_slice(digest(&SHA256, Value::from_iter(essential).to_string().as_bytes()).as_ref());
    print
}

/// How a message calls a key: by its `kid` where it has one.
fn name(key: &Value) -> String {
    key.get("kid").and_then(Value::as_str).map(|kid| format!("{} ", shown(kid))).unwrap_or_default()
}
