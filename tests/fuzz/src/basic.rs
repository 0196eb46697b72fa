//! A Basic credential: base64 of `user:password`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_core::Basic;

/// Takes the credential; and takes it for what was encoded.
pub fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(basic) = Basic::decode(text)
    {
        is_spelled(text, &basic);
    }

    let encoded = STANDARD.encode(data);
    let expected = std::str::from_utf8(data).ok().and_then(|pair| {
        let (user, password) = pair.split_once(':')?;
        let good = !user.is_empty() && !password.is_empty() && !pair.chars().any(char::is_control);
        good.then_some((user, password))
    });
    for text in [encoded.as_str(), encoded.trim_end_matches('=')] {
        let basic = Basic::decode(text);
        assert_eq!(basic.as_ref().ok().map(|basic| (basic.username(), basic.password())), expected);
    }
}

/// What was read is what stands there, in the one spelling that base64 has for it, padded or not.
pub(crate) fn is_spelled(text: &str, basic: &Basic) {
    let encoded = STANDARD.encode(basic.pair());
    assert!(text == encoded || text == encoded.trim_end_matches('='), "two spellings of one credential");
    assert!(!basic.username().is_empty() && !basic.password().is_empty());
    assert!(!basic.username().contains(':'));
    assert_eq!(format!("{}:{}", basic.username(), basic.password()), basic.pair());
    assert!(!basic.pair().chars().any(char::is_control));
}
