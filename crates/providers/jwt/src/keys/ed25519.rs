//! What an Ed25519 key has to be.

use super::Unusable;

/// The y coordinates of all points of small order, little-endian, without the sign of x; the last two are 0 and 1
/// written a second time, with the prime added.
///
/// Under such a key one signature is right for many messages, so whoever brings one vouches for nothing.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    bytes(1, 0, 0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    bytes(0xec, 0xff, 0x7f),
    bytes(0xed, 0xff, 0x7f),
    bytes(0xee, 0xff, 0x7f),
];

const fn bytes(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

pub(super) fn check(key: &[u8]) -> Unusable<()> {
    let Ok(mut y) = <[u8; 32]>::try_from(key) else {
        return Err("is not an Ed25519 key: that has 32 bytes".to_owned());
    };
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    if SMALL_ORDER.contains(&y) {
        return Err("is an Ed25519 key of small order, under which anybody can sign".to_owned());
    }
    Ok(())
}
