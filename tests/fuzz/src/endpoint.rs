//! URLs of servers, from configurations and documents.

use portcullis_outbound::Endpoint;

use crate::support::{hides, line};

/// Takes a URL, and on a second line what is put behind or before its path.
pub fn run(data: &[u8]) {
    let (url, part) = line(data);
    let (Ok(url), Ok(part)) = (std::str::from_utf8(url), std::str::from_utf8(part)) else { return };
    let endpoint = match Endpoint::parse(url) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            // The password of a URL is none of a log's business.
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            if let Some((user, _)) = rest.split_once('@')
                && user.len() >= 8
                && !rest[user.len() + 1..].contains(user)
                // Part of the remedy, which says it to everybody.
                && !"https://host/path".contains(user)
            {
                hides(&error, user);
            }
            return;
        }
    };
    let uri = endpoint.uri().to_string();
    let again = Endpoint::parse(&uri).expect("it is read as it is written");
    assert_eq!(again.uri(), endpoint.uri());
    assert!(again.same_origin(&endpoint) && endpoint.same_origin(&again));
    assert_eq!(endpoint.uri().authority().map(|authority| authority.as_str().contains('@')), Some(false));
    assert!(!endpoint.host().is_empty() && endpoint.port() != 0);
    assert_eq!(endpoint.is_secure(), uri.to_ascii_lowercase().starts_with("https://"));
    // What a log shows has no query.
    assert!(!endpoint.to_string().contains('?') && !format!("{endpoint:?}").contains('?'));
    for made in [endpoint.with_path_appended(part), endpoint.with_path_prepended(part)].into_iter().flatten()
    {
        assert!(made.same_origin(&endpoint), "another server: {made}");
    }
}
