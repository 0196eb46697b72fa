//! What is answered.

use super::ber::{ENUMERATED, INTEGER, Malformed, OCTET_STRING, Reader, SEQUENCE, SET};

const BIND_RESPONSE: u8 = 0x61;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const SEARCH_REFERENCE: u8 = 0x73;
const EXTENDED_RESPONSE: u8 = 0x78;
const INTERMEDIATE: u8 = 0x79;

/// A message of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The request that it answers; 0 where the server speaks unasked.
    pub(crate) id: u32,
    pub(crate) op: Op,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Bound(Verdict),
    Entry(Entry),
    /// More may be found at other servers.
    Reference,
    Done(Verdict),
    Extended(Verdict),
    Intermediate,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) code: u32,
    /// The server's own words: to be shown escaped only.
    pub(crate) text: String,
}

/// An entry that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name, as the server writes it.
    pub(crate) dn: String,
    pub(crate) attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// The values of an attribute that are text. RFC 4512 §2.5: descriptions of attributes are case-insensitive.
    pub(crate) fn texts<'e>(&'e self, attribute: &str) -> impl Iterator<Item = &'e str> {
        self.attributes
            .iter()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(attribute))
            .flat_map(|(_, values)| values)
            .filter_map(|value| std::str::from_utf8(value).ok())
    }
}

/// Reads a whole message.
pub(crate) fn read(bytes: &[u8]) -> Result<Message, Malformed> {
    let mut whole = Reader::new(bytes);
    let mut message = Reader::new(whole.expect(SEQUENCE)?);
    let id = message.number(INTEGER)?;
    let Some(op) = message.next()? else { return Err(Malformed("a message says nothing")) };
    // What follows are controls, and where Active Directory says goodbye the name of what it says. None was asked for.
    let mut parts = Reader::new(op.content);
    let op = match op.tag {
        BIND_RESPONSE => Op::Bound(verdict(&mut parts)?),
        SEARCH_ENTRY => Op::Entry(entry(&mut parts)?),
        SEARCH_DONE => Op::Done(verdict(&mut parts)?),
        SEARCH_REFERENCE => Op::Reference,
        EXTENDED_RESPONSE => Op::Extended(verdict(&mut parts)?),
        INTERMEDIATE => Op::Intermediate,
        _ => return Err(Malformed("a message answers what nobody asks")),
    };
    Ok(Message { id, op })
}

fn verdict(parts: &mut Reader<'_>) -> Result<Verdict, Malformed> {
    let code = parts.number(ENUMERATED)?;
    parts.expect(OCTET_STRING)?;
    let text = String::from_utf8_lossy(parts.expect(OCTET_STRING)?).into_owned();
    Ok(Verdict { code, text })
}

fn entry(parts: &mut Reader<'_>) -> Result<Entry, Malformed> {
    let dn = text(parts.expect(OCTET_STRING)?)?;
    let mut list = Reader::new(parts.expect(SEQUENCE)?);
    let mut attributes = Vec::new();
    while let Some(attribute) = list.next()? {
        if attribute.tag != SEQUENCE {
            return Err(Malformed("an attribute is none"));
        }
        let mut attribute = Reader::new(attribute.content);
        let name = text(attribute.expect(OCTET_STRING)?)?;
        let mut set = Reader::new(attribute.expect(SET)?);
        let mut values = Vec::new();
        while let Some(value) = set.next()? {
            if value.tag != OCTET_STRING {
                return Err(Malformed("the value of an attribute is none"));
            }
            values.push(value.content.to_vec());
        }
        attributes.push((name, values));
    }
    Ok(Entry { dn, attributes })
}

fn text(bytes: &[u8]) -> Result<String, Malformed> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed("a name is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::{
        super::ber::{write, write_number},
        *,
    };

    fn message(id: u32, tag: u8, op: &[u8], after: &[u8]) -> Vec<u8> {
        let mut inner = Vec::new();
        write_number(INTEGER, id, &mut inner);
        write(tag, op, &mut inner);
        inner.extend_from_slice(after);
        let mut whole = Vec::new();
        write(SEQUENCE, &inner, &mut whole);
        whole
    }

    const SUCCESS: &[u8] = b"\x0a\x01\x00\x04\x00\x04\x00";

    #[test]
    fn answers_are_read() {
        let ok = Verdict { code: 0, text: String::new() };
        assert_eq!(read(&message(1, 0x61, SUCCESS, b"")), Ok(Message { id: 1, op: Op::Bound(ok.clone()) }));
        let controls = b"\xa0\x02\x30\x00";
        assert_eq!(
            read(&message(9, 0x65, SUCCESS, controls)),
            Ok(Message { id: 9, op: Op::Done(ok.clone()) })
        );
        // Active Directory writes the name of a notice of disconnection outside of it.
        let goodbye = message(0, 0x78, SUCCESS, b"\x8a\x161.3.6.1.4.1.1466.20036");
        assert_eq!(read(&goodbye), Ok(Message { id: 0, op: Op::Extended(ok) }));
        assert_eq!(read(&message(2, 0x73, b"", b"")), Ok(Message { id: 2, op: Op::Reference }));
    }

    #[test]
    fn an_entry_is_read_with_all_values() {
        let op = b"\x04\x04cn=a\x30\x1a\x30\x0a\x04\x02cn\x31\x04\x04\x02\xc3\xab\x30\x0c\x04\x03UID\x31\x05\x04\x00\x04\x01b";
        let Op::Entry(entry) = read(&message(2, 0x64, op, b"")).unwrap().op else { panic!("an entry") };
        assert_eq!(entry.dn, "cn=a");
        assert_eq!(entry.texts("CN").collect::<Vec<_>>(), ["ë"]);
        assert_eq!(entry.texts("uid").collect::<Vec<_>>(), ["", "b"]);
        assert_eq!(entry.texts("sn").count(), 0);
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_an_answer_or_an_error() {
        let op = b"\x04\x04cn=a\x30\x0c\x30\x0a\x04\x02cn\x31\x04\x04\x02\xc3\xab";
        for whole in
            [message(2, 0x64, op, b""), message(1, 0x61, SUCCESS, b""), message(0, 0x78, SUCCESS, b"")]
        {
            for end in 0..whole.len() {
                assert!(read(&whole[..end]).is_err(), "cut at {end}");
            }
            for at in 0..whole.len() {
                for bit in 0..8 {
                    let mut other = whole.clone();
                    other[at] ^= 1 << bit;
                    _ = read(&other);
                }
            }
        }
    }

    #[test]
    fn deep_nesting_is_not_followed() {
        const LEVELS: u32 = 100_000;
        let mut nested = Vec::new();
        for level in 1..=LEVELS {
            let [_, length @ ..] = (5 * (LEVELS - level)).to_be_bytes();
            nested.extend_from_slice(&[SEQUENCE, 0x83]);
            nested.extend_from_slice(&length);
        }
        assert!(read(&nested).is_err());
        assert!(read(&message(2, 0x64, &nested, b"")).is_err());
        assert_eq!(read(&message(2, 0x73, &nested, b"")).unwrap().op, Op::Reference);
    }
}
