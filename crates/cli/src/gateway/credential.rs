//! Whether the caller's credential goes upstream.

use http::{HeaderMap, header::AUTHORIZATION};
use portcullis_core::{Credential, credential};

/// Decides on the `Authorization` headers of a request that was let in, and takes them away or leaves them.
///
/// Where the configuration says nothing, a bearer token goes on over https and to this machine, since it is
/// made for services; a password, which opens more doors than one, and whatever else is not a bearer token
/// stays here.
pub(super) fn forward(headers: &mut HeaderMap, configured: Option<bool>, keeps_secrets: bool) {
    let forwarded = configured.unwrap_or_else(|| keeps_secrets && is_bearer(headers));
    if !forwarded {
        headers.remove(AUTHORIZATION);
    }
}

fn is_bearer(headers: &HeaderMap) -> bool {
    matches!(credential::from_headers(headers, usize::MAX), Ok(Some(Credential::Bearer(_))))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn left(lines: &[&'static str], configured: Option<bool>, keeps_secrets: bool) -> usize {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_static(line));
        }
        forward(&mut headers, configured, keeps_secrets);
        headers.get_all(AUTHORIZATION).iter().count()
    }

    #[test]
    fn by_itself_the_gateway_forwards_one_bearer_token_where_it_stays_secret() {
        assert_eq!(left(&["Bearer abc"], None, true), 1);
        assert_eq!(left(&["bearer abc"], None, true), 1);
        assert_eq!(left(&["Bearer abc"], None, false), 0);
        for other in ["Basic YWxpY2U6MTIz", "Digest x", "Bearer a b", "abc", ""] {
            assert_eq!(left(&[other], None, true), 0, "{other}");
        }
        assert_eq!(left(&["Bearer abc", "Bearer abc"], None, true), 0);
    }

    #[test]
    fn the_configuration_has_the_last_word() {
        for lines in [&["Bearer abc"][..], &["Basic YWxpY2U6MTIz"], &["Digest x"]] {
            for keeps_secrets in [true, false] {
                assert_eq!(left(lines, Some(true), keeps_secrets), 1);
                assert_eq!(left(lines, Some(false), keeps_secrets), 0);
            }
        }
    }
}
