//! The path of a request, as the gateway and the choice of a resource read it.

use std::sync::LazyLock;

use http::{HeaderMap, Method};
use portcullis_cli::gateway::fuzzing::{readings, request_path};
use portcullis_core::{Auth, RequestHead, Resource};

static AUTH: LazyLock<Auth> = LazyLock::new(|| {
    let mut auth = Auth::builder().path("/foo").refuse_uncovered();
    for path in ["/admin", "/users/{id}", "/files/{*rest}", "/zo\u{eb} x"] {
        auth = auth.resource(Resource::new(path).public());
    }
    auth.build().unwrap()
});

/// Takes the path.
pub fn run(data: &[u8]) {
    let Ok(raw) = std::str::from_utf8(data) else { return };
    let Ok(decoded) = request_path(raw) else {
        // Nothing is asked of it but an answer.
        _ = policy_of(raw);
        return;
    };
    assert!(raw.is_ascii() && decoded.starts_with('/'));
    assert!(!decoded.contains(['%', ';', '\\']) && !decoded.chars().any(char::is_control), "{decoded:?}");
    assert!(!decoded.contains("//"), "{decoded:?}");
    assert!(
        !decoded.split('/').any(|segment| matches!(segment.trim_matches(' '), "." | "..")),
        "{decoded:?}"
    );
    // As many segments as whoever decodes later sees.
    assert_eq!(raw.matches('/').count(), decoded.matches('/').count());

    // However it is spelled, it is the same path, and falls under the same policy.
    let policy = policy_of(raw);
    for spelled in [spelled(&decoded, true), spelled(&decoded, false)] {
        assert_eq!(request_path(&spelled).as_ref(), Ok(&decoded), "{spelled}");
        assert_eq!(policy_of(&spelled), policy, "{spelled}");
    }
    let expected = match decoded.as_str() {
        "/foo/admin" => Some("resource /foo/admin"),
        "/foo/zo\u{eb} x" => Some("resource /foo/zo\u{eb} x"),
        // What a subtree begins with belongs to it.
        other if other.starts_with("/foo/files/") => Some("resource /foo/files/{*rest}"),
        other if !(other == "/foo" || other.starts_with("/foo/")) => None,
        other => match other.strip_prefix("/foo/users/") {
            Some(id) if !id.is_empty() && !id.contains('/') => Some("resource /foo/users/{id}"),
            _ => Some("service /foo"),
        },
    };
    assert_eq!(policy.as_deref(), expected, "{decoded:?}");

    let readings = readings(&decoded);
    assert!((1..=8).contains(&readings.len()));
    assert!(readings.iter().all(|reading| reading.starts_with('/') || reading.is_empty()), "{readings:?}");
    if decoded.is_ascii() {
        assert!(readings.iter().all(|reading| reading.len() <= decoded.len()));
        let lower = decoded.to_ascii_lowercase();
        let bare = if lower == "/" { "/" } else { lower.trim_end_matches('/') };
        assert!(readings.iter().any(|reading| *reading == bare), "{readings:?}");
    }
}

fn policy_of(path: &str) -> Option<String> {
    let (method, headers) = (Method::GET, HeaderMap::new());
    let policy = AUTH.policy_for(&RequestHead::new(&method, path, &headers)).ok()?;
    Some(policy.label().to_owned())
}

/// The path percent-encoded: all that may be, or all that has to be.
fn spelled(decoded: &str, all: bool) -> String {
    let mut text = String::new();
    for byte in decoded.bytes() {
        let plain = byte == b'/' || (!all && byte.is_ascii_graphic() && !b"%?#".contains(&byte));
        if plain {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02x}"));
        }
    }
    text
}
