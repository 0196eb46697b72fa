//! Headers on their way through the gateway: what is taken away, and what is set.

mod connection;
mod forwarded;
mod forwarding;
mod identity;
mod names;

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

pub(super) use self::{forwarding::Forwarding, identity::set as set_identity};

/// How a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Onward {
    /// Over HTTP/1.1.
    Http1,
    /// Over whatever the upstream and the gateway agree on.
    Negotiated,
}

/// Takes from a request's headers whatever must not reach the upstream as a client wrote it, joins what HTTP/2
/// splits, and adds who forwards for whom.
///
/// Identity headers are set afterwards ([`set_identity`]), so that nothing that a client sends can take them
/// away or stand beside them.
pub(super) fn request(
    headers: &mut HeaderMap,
    version: Version,
    onward: Onward,
    forwarding: &Forwarding<'_>,
) {
    let wants_trailers = connection::wants_trailers(headers);
    connection::remove_named(headers);
    names::remove_all(headers, |name| names::is_removed(name) || forwarding.removes(name));
    forwarding.write(headers);
    join_cookies(headers);
    append_via(headers, version);
    if wants_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        if onward == Onward::Http1 {
            // RFC 9110 §10.1.4: whoever sends TE names it in Connection, too. In HTTP/2 there is no Connection,
            // and the HTTP library would take the two away together.
            headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        }
    }
}

/// What is left of a request's trailers: nothing that a server could take for a header of consequence when it
/// merges the two.
pub(super) fn request_trailers(mut trailers: HeaderMap) -> HeaderMap {
    names::remove_all(&mut trailers, names::is_removed_from_trailers);
    trailers
}

/// Takes from a response's headers what concerns the connection to the upstream alone.
pub(super) fn response(headers: &mut HeaderMap) {
    // RFC 9112 §6.3: "An intermediary that chooses to forward the message MUST first remove the received Content-Length
    // field and process the Transfer-Encoding". The HTTP library has done the second.
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    connection::remove_named(headers);
    names::remove_all(headers, |name| names::is_hop_by_hop(name.as_str()));
}

/// Takes the upstream's answers to cross-origin questions away, where the gateway gives its own.
pub(super) fn remove_cors(headers: &mut HeaderMap) {
    names::remove_all(headers, |name| name.as_str().starts_with("access-control-"));
}

/// RFC 9113 §8.2.3: split cookies "MUST be concatenated into a single octet string using the two-octet
/// delimiter of 0x3b, 0x20" before they go on to something that is not HTTP/2.
fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for line in std::iter::once(second).chain(lines) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(line.as_bytes());
    }
    if let Ok(mut value) = HeaderValue::from_bytes(&joined) {
        value.set_sensitive(true);
        headers.insert(header::COOKIE, value);
    }
}

/// RFC 9110 §7.6.3: "An HTTP-to-HTTP gateway MUST send an appropriate Via header field in each inbound request
/// message".
fn append_via(headers: &mut HeaderMap, version: Version) {
    // RFC 9110 §7.6.3 allows a pseudonym in place of a host name.
    let hop = match version {
        Version::HTTP_10 => "1.0 portcullis",
        Version::HTTP_2 => "2 portcullis",
        _ => "1.1 portcullis",
    };
    headers.append(header::VIA, HeaderValue::from_static(hop));
}

/// Appends to the value of `name`, as if its lines were one list.
fn append_to_list(headers: &mut HeaderMap, name: &HeaderName, item: String) {
    if !headers.contains_key(name) {
        if let Ok(value) = HeaderValue::try_from(item) {
            headers.insert(name, value);
        }
        return;
    }
    let mut list = Vec::new();
    for line in headers.get_all(name) {
        list.extend_from_slice(line.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(item.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&list) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
