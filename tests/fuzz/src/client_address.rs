//! What clients and proxies say of the client's address: lines that begin with `Forwarded:` or `X-Forwarded-For:`.

use std::{net::IpAddr, sync::LazyLock};

use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};
use portcullis_axum::serve::TrustedProxies;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

static PROXIES: LazyLock<TrustedProxies> =
    LazyLock::new(|| TrustedProxies::new(["10.0.0.0/8", "2001:db8::/64"]).unwrap());

/// Takes the lines.
pub fn run(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = match &line[..colon] {
            name if name.eq_ignore_ascii_case(b"forwarded") => FORWARDED,
            name if name.eq_ignore_ascii_case(b"x-forwarded-for") => X_FORWARDED_FOR,
            _ => continue,
        };
        if let Ok(value) = HeaderValue::from_bytes(&line[colon + 1..]) {
            headers.append(name, value);
        }
    }
    assert_eq!(PROXIES.client(CLIENT, &headers), CLIENT, "nobody but a proxy is believed");

    // Whatever a client sends, and whichever header a proxy adds to: the client is the one that the proxy saw, or it cannot
    // be told, and then it is the proxy.
    for (name, added) in [(FORWARDED, "for=203.0.113.9"), (X_FORWARDED_FOR, "203.0.113.9")] {
        let mut alone = HeaderMap::new();
        for value in headers.get_all(&name) {
            alone.append(name.clone(), value.clone());
        }
        let mut behind = alone.clone();
        behind.append(name.clone(), HeaderValue::from_static(added));
        assert_eq!(PROXIES.client(PROXY, &behind), CLIENT, "on a line of its own");

        let Some(last) = alone.get_all(&name).iter().next_back() else { continue };
        let joined = [last.as_bytes(), b", ", added.as_bytes()].concat();
        let mut joined_headers = HeaderMap::new();
        for value in alone.get_all(&name).iter().take(alone.len() - 1) {
            joined_headers.append(name.clone(), value.clone());
        }
        joined_headers.append(name.clone(), HeaderValue::from_bytes(&joined).unwrap());
        let client = PROXIES.client(PROXY, &joined_headers);
        assert!(client == CLIENT || client == PROXY, "{client} is neither");
        let both = [&headers, &behind].into_iter().fold(HeaderMap::new(), |mut all, headers| {
            for (name, value) in headers {
                all.append(name.clone(), value.clone());
            }
            all
        });
        let client = PROXIES.client(PROXY, &both);
        assert!(
            client == CLIENT || client == PROXY,
            "{client}: the header that no proxy maintains was believed"
        );
    }
}
