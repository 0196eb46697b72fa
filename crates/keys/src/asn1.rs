//! Walking DER by hand, where the fields are few and every byte is hostile.

use pkcs8::der::asn1::{AnyRef, ObjectIdentifier};
use pkcs8::der::{Decode, Reader as _, SliceReader, Tag, TagNumber};

use crate::error::KeyErrorKind;

/// The elements inside a constructed value, one after the other. Never recurses by itself.
pub(crate) struct Fields<'a> {
    reader: SliceReader<'a>,
    what: &'static str,
}

impl<'a> Fields<'a> {
    /// The elements of `bytes`; `what` is said of them when they are wrong.
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Result<Self, KeyErrorKind> {
        let reader = SliceReader::new(bytes).map_err(|_| KeyErrorKind::Malformed(what))?;
        Ok(Self { reader, what })
    }

    /// The elements of the one SEQUENCE that `bytes` are.
    pub(crate) fn of_sequence(bytes: &'a [u8], what: &'static str) -> Result<Self, KeyErrorKind> {
        let mut outer = Self::new(bytes, what)?;
        let inner = outer.sequence()?;
        outer.finish()?;
        Ok(inner)
    }

    pub(crate) fn malformed(&self) -> KeyErrorKind {
        KeyErrorKind::Malformed(self.what)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.reader.is_finished()
    }

    /// Nothing may be left.
    pub(crate) fn finish(&self) -> Result<(), KeyErrorKind> {
        if self.is_finished() { Ok(()) } else { Err(self.malformed()) }
    }

    pub(crate) fn any(&mut self) -> Result<AnyRef<'a>, KeyErrorKind> {
        AnyRef::decode(&mut self.reader).map_err(|_| self.malformed())
    }

    /// The bytes of the next element, with its tag and length.
    pub(crate) fn raw(&mut self) -> Result<&'a [u8], KeyErrorKind> {
        self.reader.tlv_bytes().map_err(|_| self.malformed())
    }

    pub(crate) fn peek(&self) -> Option<Tag> {
        Tag::peek(&self.reader).ok()
    }

    pub(crate) fn tagged(&mut self, tag: Tag) -> Result<&'a [u8], KeyErrorKind> {
        let any = self.any()?;
        if pkcs8::der::Tagged::tag(&any) == tag { Ok(any.value()) } else { Err(self.malformed()) }
    }

    pub(crate) fn sequence(&mut self) -> Result<Self, KeyErrorKind> {
        Self::new(self.tagged(Tag::Sequence)?, self.what)
    }

    pub(crate) fn octets(&mut self) -> Result<&'a [u8], KeyErrorKind> {
        self.tagged(Tag::OctetString)
    }

    pub(crate) fn oid(&mut self) -> Result<ObjectIdentifier, KeyErrorKind> {
        ObjectIdentifier::decode(&mut self.reader).map_err(|_| self.malformed())
    }

    /// A non-negative INTEGER. One too large for `u64` becomes `u64::MAX`, so that it meets the limits and not a
    /// parse error.
    pub(crate) fn integer(&mut self) -> Result<u64, KeyErrorKind> {
        let bytes = self.tagged(Tag::Integer)?;
        match bytes.first() {
            None => Err(self.malformed()),
            Some(first) if first & 0x80 != 0 => Err(self.malformed()),
            Some(_) => Ok(bytes.iter().fold(0_u64, |value, byte| {
                value
                    .checked_mul(256)
                    .and_then(|value| value.checked_add(u64::from(*byte)))
                    .unwrap_or(u64::MAX)
            })),
        }
    }

    /// The elements inside an `[n] EXPLICIT`.
    pub(crate) fn explicit(&mut self, number: u32) -> Result<Self, KeyErrorKind> {
        Self::new(self.tagged(context(number, true))?, self.what)
    }
}

pub(crate) fn context(number: u32, constructed: bool) -> Tag {
    Tag::ContextSpecific { constructed, number: TagNumber(number) }
}
