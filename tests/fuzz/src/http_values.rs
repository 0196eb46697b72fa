//! Forms, and `Retry-After`: names and values of a form line by line, each line a `Retry-After` as well.

use std::time::Duration;

use http::HeaderValue;
use portcullis_outbound::{
    Form,
    fuzzing::{decoded, encoded, retry_after},
};

use crate::support::NOW;

/// Takes the lines.
pub fn run(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        let span = retry_after(&value, NOW);
        assert!(span.is_none_or(|span| span <= Duration::from_secs(86_400)));
        let text = value.to_str().unwrap_or_default().trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let stated = text.parse().unwrap_or(u64::MAX).min(86_400);
            assert_eq!(span, Some(Duration::from_secs(stated)));
        }
    }

    let Ok(text) = std::str::from_utf8(data) else { return };
    let lines: Vec<&str> = text.split('\n').collect();
    let mut form = Form::new();
    for pair in lines.chunks(2) {
        form = form.push(pair[0].to_owned(), *pair.get(1).unwrap_or(&""));
    }
    let written = encoded(&form);
    let written = std::str::from_utf8(&written).expect("a form is ASCII");
    assert!(written.len() <= 3 * text.len() + 2 * lines.len());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"*-._+%&=".contains(&byte);
    assert!(written.bytes().all(plain), "{written}");
    let read: Vec<String> = written
        .split('&')
        .flat_map(|pair| <[&str; 2]>::from(pair.split_once('=').expect("a name and a value")))
        .map(|part| decoded(part).expect("what is written can be read"))
        .collect();
    let mut expected = lines.clone();
    if expected.len() % 2 == 1 {
        expected.push("");
    }
    assert_eq!(read, expected, "a value ended early");

    // What is read has one meaning: written again it reads the same.
    for line in lines {
        let Some(read) = decoded(line) else { continue };
        let again = encoded(&Form::new().push("a", read.as_str()));
        let again = std::str::from_utf8(&again).unwrap().strip_prefix("a=").unwrap().to_owned();
        assert_eq!(decoded(&again), Some(read));
    }
}
