//! Signatures of ECDSA in the form that the cryptography takes.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

/// How many bytes a number of P-384 has, the longest.
const WIDEST: usize = 48;

/// The longest signature in DER: two of them, each with a zero, a tag and a length before it.
const LONGEST: usize = 2 + 2 * (2 + 1 + WIDEST);

/// A signature as DER has it, in place.
pub(super) struct Der {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Der {
    /// From the form that JWS has, two numbers of `width` bytes one after the other (RFC 7518 §3.4); `None` where it is longer
    /// or shorter.
    ///
    /// aws-lc takes DER. On the way there aws-lc-rs makes big numbers and a text that grows, which is a dozen allocations.
    pub(super) fn from_fixed(signature: &[u8], width: usize) -> Option<Self> {
        let (r, s) = signature.split_at_checked(width)?;
        if s.len() != width {
            return None;
        }
        let mut der = Self { bytes: [0; LONGEST], length: 0 };
        // SEQUENCE, whose length is known at the end.
        der.put(&[0x30, 0])?;
        der.put_integer(r)?;
        der.put_integer(s)?;
        let content = u8::try_from(der.length.checked_sub(2)?).ok()?;
        *der.bytes.get_mut(1)? = content;
        Some(der)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// X.690 §8.3.2: no more bytes than it takes, and one of zero before what would be negative otherwise.
    fn put_integer(&mut self, number: &[u8]) -> Option<()> {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let number = number.get(zeros..)?;
        let zero: &[u8] = if number.first().is_none_or(|byte| *byte >= 0x80) { &[0] } else { &[] };
        let length = u8::try_from(zero.len().checked_add(number.len())?).ok()?;
        self.put(&[0x02, length])?;
        self.put(zero)?;
        self.put(number)
    }

    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length.checked_add(bytes.len())?;
        self.bytes.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn der(signature: &[u8]) -> Option<Vec<u8>> {
        Der::from_fixed(signature, signature.len() / 2).map(|der| der.as_bytes().to_vec())
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be_and_never_negative() {
        for (fixed, expected) in [
            (&[1, 2][..], &[0x30, 6, 2, 1, 1, 2, 1, 2][..]),
            (&[0x7f, 0x80], &[0x30, 7, 2, 1, 0x7f, 2, 2, 0, 0x80]),
            (&[0, 0], &[0x30, 6, 2, 1, 0, 2, 1, 0]),
            (&[0, 0, 0, 0xff], &[0x30, 7, 2, 1, 0, 2, 2, 0, 0xff]),
            (&[0, 0x7f, 1, 0], &[0x30, 7, 2, 1, 0x7f, 2, 2, 1, 0]),
            (&[0x80, 0, 0, 1], &[0x30, 8, 2, 3, 0, 0x80, 0, 2, 1, 1]),
        ] {
            assert_eq!(der(fixed).as_deref(), Some(expected), "{fixed:?}");
        }
        let longest = der(&[0xff; 2 * WIDEST]).unwrap();
        assert_eq!((longest.len(), &longest[..5]), (LONGEST, &[0x30, 102, 2, 49, 0][..]));
    }

    #[test]
    fn any_other_length_is_none() {
        for width in [32, WIDEST] {
            for length in 0..4 * WIDEST {
                let made = Der::from_fixed(&vec![0xff; length], width);
                assert_eq!(made.is_some(), length == 2 * width, "{length} of {width}");
            }
        }
        assert!(Der::from_fixed(&[0xff; 4 * WIDEST], 2 * WIDEST).is_none(), "there is no room");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_numbers_come_back(zeros in (0_usize..33, 0_usize..33), bytes in prop::collection::vec(any::<u8>(), 64)) {
            let (mut r, mut s) = (bytes[..32].to_vec(), bytes[32..].to_vec());
            r[..zeros.0.min(32)].fill(0);
            s[..zeros.1.min(32)].fill(0);
            let made = der(&[r.clone(), s.clone()].concat()).unwrap();
            let (tag, rest) = read(&made);
            prop_assert_eq!((tag, rest.1.len()), (0x30, 0));
            let (first, (one, rest)) = read(rest.0);
            let (second, (two, rest)) = read(rest);
            prop_assert_eq!((first, second, rest.len()), (2, 2, 0));
            for (number, expected) in [(one, r), (two, s)] {
                prop_assert!(number[0] < 0x80 && (number[0] != 0 || number.len() == 1 || number[1] >= 0x80));
                let mut wide = vec![0; 33 - number.len()];
                wide.extend(number);
                prop_assert_eq!(&wide[1..], &expected[..]);
            }
        }
    }

    /// A tag, what it holds, and what comes behind.
    fn read(der: &[u8]) -> (u8, (&[u8], &[u8])) {
        (der[0], der[2..].split_at(usize::from(der[1])))
    }
}
