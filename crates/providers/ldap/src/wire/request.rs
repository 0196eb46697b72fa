//! What is asked.

use bytes::BytesMut;
use ldap3::asn1::{ASNTag, Tag, write as ldap3_write};
use zeroize::Zeroizing;

use super::ber::{BOOLEAN, ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE, write, write_number};

const BIND: u8 = 0x60;
const UNBIND: u8 = 0x42;
const SEARCH: u8 = 0x63;
const EXTENDED: u8 = 0x77;
const SIMPLE: u8 = 0x80;
const EXTENDED_NAME: u8 = 0x80;

/// RFC 4511 §4.14.1
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// How deep a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The entry itself.
    Base,
    /// The entry and all below it.
    Subtree,
}

/// A search.
#[derive(Clone, Debug)]
pub(crate) struct Search<'a> {
    pub(crate) base: &'a str,
    pub(crate) scope: Scope,
    pub(crate) filter: Tag,
    pub(crate) attributes: &'a [&'a str],
    /// How many entries are wanted at most. More of them end the search.
    pub(crate) size_limit: u32,
    /// After so many seconds the server may give up.
    pub(crate) time_limit: u32,
}

fn message(id: u32, tag: u8, operation: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut inner = Zeroizing::new(Vec::with_capacity(operation.len().saturating_add(16)));
    write_number(INTEGER, id, &mut inner);
    write(tag, operation, &mut inner);
    let mut whole = Zeroizing::new(Vec::with_capacity(inner.len().saturating_add(8)));
    write(SEQUENCE, &inner, &mut whole);
    whole
}

/// A simple bind (RFC 4511 §4.2). What holds the password is overwritten when dropped.
pub(crate) fn bind(id: u32, name: &str, password: &str) -> Zeroizing<Vec<u8>> {
    let mut operation =
        Zeroizing::new(Vec::with_capacity(name.len().saturating_add(password.len()).saturating_add(16)));
    write_number(INTEGER, 3, &mut operation);
    write(OCTET_STRING, name.as_bytes(), &mut operation);
    write(SIMPLE, password.as_bytes(), &mut operation);
    message(id, BIND, &operation)
}

/// The end of a connection (RFC 4511 §4.3).
pub(crate) fn unbind(id: u32) -> Zeroizing<Vec<u8>> {
    message(id, UNBIND, &[])
}

/// From here on TLS (RFC 4511 §4.14).
pub(crate) fn start_tls(id: u32) -> Zeroizing<Vec<u8>> {
    let mut operation = Vec::new();
    write(EXTENDED_NAME, START_TLS, &mut operation);
    message(id, EXTENDED, &operation)
}

/// A search (RFC 4511 §4.5). Aliases are not followed: an entry stands where its name says.
pub(crate) fn search(id: u32, search: &Search<'_>) -> Zeroizing<Vec<u8>> {
    let mut operation = Vec::new();
    write(OCTET_STRING, search.base.as_bytes(), &mut operation);
    let scope = match search.scope {
        Scope::Base => 0,
        Scope::Subtree => 2,
    };
    write_number(ENUMERATED, scope, &mut operation);
    write_number(ENUMERATED, 0, &mut operation);
    write_number(INTEGER, search.size_limit, &mut operation);
    write_number(INTEGER, search.time_limit, &mut operation);
    write(BOOLEAN, &[0], &mut operation);
    let mut filter = BytesMut::new();
    // Writing to memory does not fail.
    _ = ldap3_write::encode_into(&mut filter, search.filter.clone().into_structure());
    operation.extend_from_slice(&filter);
    let mut attributes = Vec::new();
    for attribute in search.attributes {
        write(OCTET_STRING, attribute.as_bytes(), &mut attributes);
    }
    write(SEQUENCE, &attributes, &mut operation);
    message(id, SEARCH, &operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_is_written_as_the_rfc_has_it() {
        let bytes = bind(1, "cn=a", "s3");
        let expected = b"\x30\x12\x02\x01\x01\x60\x0d\x02\x01\x03\x04\x04cn=a\x80\x02s3";
        assert_eq!(bytes.as_slice(), expected);
        assert_eq!(unbind(3).as_slice(), b"\x30\x05\x02\x01\x03\x42\x00");
    }

    #[test]
    fn start_tls_is_written_as_the_rfc_has_it() {
        let expected = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
        assert_eq!(start_tls(1).as_slice(), expected);
    }

    #[test]
    fn a_search_is_written_as_the_rfc_has_it() {
        let filter = ldap3::parse_filter("(uid=a)").unwrap();
        let request = Search {
            base: "dc=x",
            scope: Scope::Subtree,
            filter,
            attributes: &["uid", "cn"],
            size_limit: 2,
            time_limit: 60,
        };
        let expected = b"\x30\x2f\x02\x01\x02\x63\x2a\x04\x04dc=x\x0a\x01\x02\x0a\x01\x00\x02\x01\x02\x02\x01\x3c\x01\x01\x00\
            \xa3\x08\x04\x03uid\x04\x01a\x30\x09\x04\x03uid\x04\x02cn";
        assert_eq!(search(2, &request).as_slice(), expected.as_slice());
    }
}
