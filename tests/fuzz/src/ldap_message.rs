//! What a directory sends.

use portcullis_ldap::fuzzing::{message, message_len};

/// Takes the bytes.
pub fn run(data: &[u8]) {
    let length = message_len(data);
    let Ok(Some(length)) = length else {
        assert!(message(data).is_err(), "what has no length is no message");
        return;
    };
    assert!((2..=4 * 1024 * 1024 + 6).contains(&length));
    // What was known of a length stays as more comes.
    for end in 0..data.len().min(8) {
        if let Ok(Some(early)) = message_len(&data[..end]) {
            assert_eq!(early, length);
        }
    }
    let Some(whole) = data.get(..length) else {
        assert!(message(data).is_err(), "half a message is none");
        return;
    };
    let read = message(whole);
    if let Ok(seen) = &read {
        assert!(seen.copied <= whole.len(), "more than was sent");
        assert!(seen.id <= i32::MAX as u32 && seen.code.is_none_or(|code| code <= i32::MAX as u32));
        assert!(message(&whole[..length - 1]).is_err(), "half a message is none");
    }
    // The next message belongs to the next one.
    assert_eq!(message(&[whole, b"\x30\x05\x02\x01\x01\x42\x00"].concat()), read);
}
