//! BER as LDAP restricts it (RFC 4511 §5.1): definite lengths, tags of one byte. Read without recursion, without copying,
//! and within bounds.

use std::fmt;

/// The longest message that is read. Entries hold the attributes that were asked for, and no others.
pub(crate) const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// What a server sent is no LDAP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// A value with its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
}

/// Reads one value after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next value; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Element<'a>>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let Some(Header { tag, header, content }) = header(self.0)? else { return Err(CUT_OFF) };
        let end = header.checked_add(content).ok_or(CUT_OFF)?;
        let (element, rest) = self.0.split_at_checked(end).ok_or(CUT_OFF)?;
        self.0 = rest;
        Ok(Some(Element { tag, content: element.get(header..).unwrap_or_default() }))
    }

    /// The content of the next value, which has to have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.next()? {
            Some(element) if element.tag == tag => Ok(element.content),
            Some(_) => Err(Malformed("a value has another type than LDAP gives it")),
            None => Err(Malformed("a message lacks one of its parts")),
        }
    }

    /// A number of zero or more.
    pub(crate) fn number(&mut self, tag: u8) -> Result<u32, Malformed> {
        let content = self.expect(tag)?;
        match content {
            [first, ..] if content.len() <= 4 && *first < 0x80 => {
                Ok(content.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
            }
            _ => Err(Malformed("a number is out of bounds")),
        }
    }
}

const CUT_OFF: Malformed = Malformed("a value is longer than what holds it");

/// The length of the message that `bytes` begin with; `None` where too little of it is there to tell.
pub(crate) fn message_length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    if bytes.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(Malformed("it sent something else than LDAP messages"));
    }
    let Some(Header { header, content, .. }) = header(bytes)? else { return Ok(None) };
    if content > MAX_MESSAGE {
        return Err(Malformed("a message is longer than 4 MiB"));
    }
    Ok(Some(header.saturating_add(content)))
}

struct Header {
    tag: u8,
    /// How long it is itself.
    header: usize,
    content: usize,
}

fn header(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let (tag, first) = match bytes {
        [tag, ..] if tag & 0x1f == 0x1f => return Err(Malformed("a tag is longer than a byte")),
        [tag, first, ..] => (*tag, *first),
        _ => return Ok(None),
    };
    if first < 0x80 {
        return Ok(Some(Header { tag, header: 2, content: usize::from(first) }));
    }
    let count = usize::from(first & 0x7f);
    // RFC 4511 §5.1: "Only the definite form of length encoding is used."
    if count == 0 || count > 4 {
        return Err(Malformed("a length is not written as LDAP has it"));
    }
    let Some(length) = bytes.get(2..2 + count) else { return Ok(None) };
    let content = length.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let content = usize::try_from(content).map_err(|_| CUT_OFF)?;
    Ok(Some(Header { tag, header: 2 + count, content }))
}

/// Writes a value.
pub(crate) fn write(tag: u8, content: &[u8], into: &mut Vec<u8>) {
    into.push(tag);
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => into.push(short),
        _ => {
            let length = content.len().to_be_bytes();
            let zeros = length.iter().take_while(|byte| **byte == 0).count();
            let significant = length.get(zeros..).unwrap_or_default();
            into.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
            into.extend_from_slice(significant);
        }
    }
    into.extend_from_slice(content);
}

/// Writes a number of zero or more.
pub(crate) fn write_number(tag: u8, number: u32, into: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take(3).take_while(|byte| **byte == 0).count();
    let significant = bytes.get(zeros..).unwrap_or_default();
    let mut content = Vec::with_capacity(5);
    // A first bit that is set would make it negative.
    if significant.first().is_some_and(|byte| *byte >= 0x80) {
        content.push(0);
    }
    content.extend_from_slice(significant);
    write(tag, &content, into);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536, 1_000_000] {
            let content = vec![7; length];
            let mut bytes = Vec::new();
            write(SEQUENCE, &content, &mut bytes);
            assert_eq!(message_length(&bytes), Ok(Some(bytes.len())), "{length}");
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.next(), Ok(Some(Element { tag: SEQUENCE, content: &content })));
            assert_eq!(reader.next(), Ok(None));
        }
        for number in [0, 1, 127, 128, 255, 256, 0x7fff, 0x8000, 0x00ff_ffff, i32::MAX as u32] {
            let mut bytes = Vec::new();
            write_number(INTEGER, number, &mut bytes);
            assert_eq!(Reader::new(&bytes).number(INTEGER), Ok(number));
        }
    }

    #[test]
    fn a_message_that_is_not_whole_yet_is_waited_for() {
        for bytes in [&[][..], &[0x30], &[0x30, 0x82], &[0x30, 0x82, 0x01]] {
            assert_eq!(message_length(bytes), Ok(None), "{bytes:?}");
        }
        assert_eq!(message_length(&[0x30, 0x82, 0x01, 0x00]), Ok(Some(260)));
    }

    #[test]
    fn what_ldap_does_not_write_is_refused_before_it_is_waited_for() {
        for (bytes, reason) in [
            (&[0x48][..], "it sent something else than LDAP messages"),
            (b"HTTP/1.1 400 Bad Request\r\n", "it sent something else than LDAP messages"),
            (&[0x16, 0x03, 0x03], "it sent something else than LDAP messages"),
            (&[0x30, 0x80], "a length is not written as LDAP has it"),
            (&[0x30, 0x85, 1, 1, 1, 1, 1], "a length is not written as LDAP has it"),
            (&[0x30, 0xff], "a length is not written as LDAP has it"),
            (&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], "a message is longer than 4 MiB"),
            (&[0x30, 0x83, 0x40, 0x00, 0x01], "a message is longer than 4 MiB"),
        ] {
            assert_eq!(message_length(bytes), Err(Malformed(reason)), "{bytes:?}");
        }
        assert!(message_length(&[0x30, 0x83, 0x40, 0x00, 0x00]).unwrap().is_some());
    }

    #[test]
    fn a_value_that_is_longer_than_what_holds_it_is_refused() {
        for bytes in [&[0x04][..], &[0x04, 2, 1], &[0x04, 0x81], &[0x04, 0x84, 0x7f, 0xff, 0xff, 0xff, 0]] {
            assert_eq!(Reader::new(bytes).next(), Err(CUT_OFF), "{bytes:?}");
        }
        assert!(Reader::new(&[0x1f, 0x81, 0x01, 0x00]).next().is_err());
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        for bytes in [&[0x02, 0x00][..], &[0x02, 1, 0x80], &[0x02, 5, 0, 1, 1, 1, 1], &[0x0a, 1, 0]] {
            assert!(Reader::new(bytes).number(INTEGER).is_err(), "{bytes:?}");
        }
    }
}
