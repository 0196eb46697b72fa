//! What the project's fuzz targets see of the parsers that stand behind a connection. No API: it may change with every
//! release. Everything here only calls what a login calls, since no directory answers a million times a second.

use bytes::BytesMut;
use ldap3::asn1::{ASNTag, write};

use crate::{
    config::url::ServerUrl,
    dn::{self, Dn},
    filter::{self, Template},
    wire::{Message, Op, ber::message_length, read as read_message},
};

/// A filter that a configuration gives, as BER; `None` where it is refused.
#[must_use]
pub fn filter(text: &str) -> Option<Vec<u8>> {
    filter::parse(text).ok().map(encoded)
}

/// The filter for `name`, as BER; `None` where the template or the name is refused.
#[must_use]
pub fn filled(template: &str, name: &str) -> Option<Vec<u8>> {
    Template::parse(template).ok()?.fill(name).map(encoded)
}

/// Whether a template is accepted.
#[must_use]
pub fn is_template(text: &str) -> bool {
    Template::parse(text).is_ok()
}

fn encoded(filter: ldap3::asn1::Tag) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    // Nothing is written to but memory.
    _ = write::encode_into(&mut bytes, filter.into_structure());
    bytes.to_vec()
}

/// Whether two distinguished names are one; `None` where one of them is no name.
#[must_use]
pub fn same_dn(one: &str, other: &str) -> Option<bool> {
    Some(Dn::parse(one)? == Dn::parse(other)?)
}

/// Whether an entry is `base` or below it; `None` where one of them is no name.
#[must_use]
pub fn is_within(entry: &str, base: &str) -> Option<bool> {
    Some(Dn::parse(entry)?.is_within(&Dn::parse(base)?))
}

/// The value by which `attribute` alone names the entry.
#[must_use]
pub fn naming_value(dn: &str, attribute: &str) -> Option<String> {
    dn::naming_value(dn, attribute)
}

/// The address of a directory in its one spelling, and whether it is on this machine; else what is wrong with it.
///
/// # Errors
///
/// When it is none.
pub fn server_url(text: &str) -> Result<(String, bool), &'static str> {
    ServerUrl::parse(text).map(|url| (url.to_string(), url.is_loopback()))
}

/// How long the message is that `bytes` begin with; `None` while too little of it is there.
///
/// # Errors
///
/// When it is no message, or too long a one.
pub fn message_len(bytes: &[u8]) -> Result<Option<usize>, String> {
    message_length(bytes).map_err(|malformed| malformed.to_string())
}

/// What a message is read as.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// The request that it answers.
    pub id: u32,
    /// The result, where it ends an operation.
    pub code: Option<u32>,
    /// How many bytes of texts and values were copied out of it.
    pub copied: usize,
}

/// Reads a whole message.
///
/// # Errors
///
/// When it is none.
pub fn message(bytes: &[u8]) -> Result<Seen, String> {
    let Message { id, op } = read_message(bytes).map_err(|malformed| malformed.to_string())?;
    let (code, copied) = match op {
        Op::Bound(verdict) | Op::Done(verdict) | Op::Extended(verdict) => {
            // What is not UTF-8 is shown as U+FFFD, which takes three bytes.
            (Some(verdict.code), verdict.text.len().div_ceil(3))
        }
        Op::Entry(entry) => {
            let values = |values: &Vec<Vec<u8>>| values.iter().map(Vec::len).sum::<usize>();
            let attributes = entry.attributes.iter().map(|(name, list)| name.len() + values(list));
            (None, entry.dn.len() + attributes.sum::<usize>())
        }
        Op::Reference | Op::Intermediate => (None, 0),
    };
    Ok(Seen { id, code, copied })
}
