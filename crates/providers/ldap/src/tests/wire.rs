//! What the directory of the tests reads and writes, with ldap3's BER.

use bytes::BytesMut;
use ldap3::asn1::{
    ASNTag, Enumerated, Integer, OctetString, PL, Sequence, Set, StructureTag, Tag, TagClass, parse_uint,
    write,
};

use super::server::Request;

fn octets(bytes: impl Into<Vec<u8>>) -> Tag {
    Tag::OctetString(OctetString { inner: bytes.into(), ..OctetString::default() })
}

/// The end of an operation: 1 of a bind, 5 of a search, 24 of an extended operation.
pub(super) fn result(kind: u64, code: i64, text: &str) -> StructureTag {
    let code = Tag::Enumerated(Enumerated { inner: code, ..Enumerated::default() });
    let inner = vec![code, octets(""), octets(text)];
    Tag::Sequence(Sequence { id: kind, class: TagClass::Application, inner }).into_structure()
}

pub(super) fn entry(dn: &str, attributes: &[(&str, &Vec<String>)]) -> StructureTag {
    let attribute = |(name, values): &(&str, &Vec<String>)| {
        let values = values.iter().map(|value| octets(value.as_str())).collect();
        let values = Tag::Set(Set { inner: values, ..Set::default() });
        Tag::Sequence(Sequence { inner: vec![octets(*name), values], ..Sequence::default() })
    };
    let list = attributes.iter().map(attribute).collect();
    let list = Tag::Sequence(Sequence { inner: list, ..Sequence::default() });
    let inner = vec![octets(dn), list];
    Tag::Sequence(Sequence { id: 4, class: TagClass::Application, inner }).into_structure()
}

/// A reference to another server.
pub(super) fn reference() -> StructureTag {
    let inner = vec![octets("ldap://elsewhere.example/dc=x")];
    Tag::Sequence(Sequence { id: 19, class: TagClass::Application, inner }).into_structure()
}

pub(super) fn message(id: i64, op: StructureTag) -> Vec<u8> {
    let id = Tag::Integer(Integer { inner: id, ..Integer::default() });
    let inner = vec![id, Tag::StructureTag(op)];
    let mut bytes = BytesMut::new();
    let whole = Tag::Sequence(Sequence { inner, ..Sequence::default() });
    write::encode_into(&mut bytes, whole.into_structure()).unwrap();
    bytes.to_vec()
}

fn parts(tag: StructureTag) -> Vec<StructureTag> {
    tag.expect_constructed().expect("a request with parts")
}

pub(super) fn text(tag: &StructureTag) -> String {
    match &tag.payload {
        PL::P(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        PL::C(_) => panic!("a text"),
    }
}

fn number(tag: StructureTag) -> u64 {
    parse_uint(&tag.expect_primitive().unwrap()).unwrap().1
}

pub(super) fn parse(tag: StructureTag) -> (i64, Request) {
    let mut whole = parts(tag).into_iter();
    let id = i64::try_from(number(whole.next().unwrap())).unwrap();
    let op = whole.next().unwrap();
    assert_eq!(op.class, TagClass::Application);
    let request = match op.id {
        0 => {
            let parts = parts(op);
            assert_eq!(number(parts[0].clone()), 3, "the version");
            Request::Bind { dn: text(&parts[1]), password: text(&parts[2]) }
        }
        2 => Request::Unbind,
        3 => {
            let parts = parts(op);
            assert_eq!(number(parts[2].clone()), 0, "aliases are not followed");
            let attributes = self::parts(parts[7].clone()).iter().map(text).collect();
            Request::Search {
                base: text(&parts[0]),
                scope: number(parts[1].clone()),
                filter: parts[6].clone(),
                attributes,
                size_limit: number(parts[3].clone()),
            }
        }
        23 => {
            assert_eq!(text(&parts(op)[0]), "1.3.6.1.4.1.1466.20037");
            Request::StartTls
        }
        other => panic!("no request {other} is expected"),
    };
    (id, request)
}
