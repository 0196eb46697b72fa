//! `WWW-Authenticate` (RFC 9110 §11.6.1): what a caller has to send.

use http::HeaderValue;

use crate::{Protocol, Scheme};

/// The challenges of a policy, one per scheme among its elements, made when it is built.
#[derive(Clone, Debug)]
pub(crate) struct Challenges {
    /// How the refusals that carry them are told.
    protocol: Protocol,
    realm: Box<str>,
    schemes: Box<[Scheme]>,
    plain: Box<[HeaderValue]>,
    after_bearer: Box<[HeaderValue]>,
}

impl Challenges {
    pub(crate) fn new(protocol: Protocol, realm: &str, schemes: impl Iterator<Item = Scheme>) -> Self {
        let mut once: Vec<Scheme> = Vec::new();
        for scheme in schemes {
            if !once.contains(&scheme) {
                once.push(scheme);
            }
        }
        let realm = quoted(realm);
        let values =
            |bearer_error| once.iter().filter_map(|scheme| value(*scheme, &realm, bearer_error)).collect();
        Self {
            protocol,
            plain: values(""),
            // RFC 6750 §3: no error code where "the request lacks any authentication information".
            after_bearer: values(", error=\"invalid_token\""),
            schemes: once.into(),
            realm: realm.into(),
        }
    }

    pub(crate) const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// For a 401.
    pub(crate) fn unauthorized(&self, sent: Option<Scheme>) -> &[HeaderValue] {
        if sent == Some(Scheme::Bearer) { &self.after_bearer } else { &self.plain }
    }

    /// For a 403 after a bearer token: which scopes would do. Basic has no way to say it.
    pub(crate) fn insufficient<'s>(
        &self,
        sent: Scheme,
        scopes: impl Iterator<Item = &'s str>,
    ) -> Option<HeaderValue> {
        if sent != Scheme::Bearer || !self.schemes.contains(&Scheme::Bearer) {
            return None;
        }
        let mut once: Vec<&str> = Vec::new();
        for scope in scopes {
            if is_scope_token(scope) && !once.contains(&scope) {
                once.push(scope);
            }
        }
        let error = if once.is_empty() {
            ", error=\"insufficient_scope\"".to_owned()
        } else {
            format!(", error=\"insufficient_scope\", scope=\"{}\"", once.join(" "))
        };
        value(Scheme::Bearer, &self.realm, &error)
    }
}

/// RFC 6749 §3.3: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`. Others, such as a group named
/// `Domain Users`, cannot be told in a challenge.
fn is_scope_token(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

fn value(scheme: Scheme, realm: &str, bearer_error: &str) -> Option<HeaderValue> {
    let text = match scheme {
        // RFC 7617 §2.1: the one charset that may be named.
        Scheme::Basic => format!("Basic realm=\"{realm}\", charset=\"UTF-8\""),
        Scheme::Bearer => format!("Bearer realm=\"{realm}\"{bearer_error}"),
    };
    HeaderValue::try_from(text).ok()
}

/// The inside of a quoted-string (RFC 9110 §5.6.4). What is not printable ASCII was refused before.
fn quoted(realm: &str) -> String {
    let mut text = String::with_capacity(realm.len());
    for character in realm.chars().filter(|c| matches!(c, ' '..='~')) {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[HeaderValue]) -> Vec<&str> {
        values.iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn one_challenge_per_scheme_in_the_order_of_the_elements() {
        let both = Challenges::new(
            Protocol::Http,
            "portcullis",
            [Scheme::Bearer, Scheme::Basic, Scheme::Bearer].into_iter(),
        );
        assert_eq!(
            texts(both.unauthorized(None)),
            ["Bearer realm=\"portcullis\"", "Basic realm=\"portcullis\", charset=\"UTF-8\""]
        );
        assert_eq!(texts(both.unauthorized(Some(Scheme::Basic))), texts(both.unauthorized(None)));
        assert_eq!(
            texts(both.unauthorized(Some(Scheme::Bearer))),
            [
                "Bearer realm=\"portcullis\", error=\"invalid_token\"",
                "Basic realm=\"portcullis\", charset=\"UTF-8\""
            ]
        );
    }

    #[test]
    fn a_403_names_the_scopes_after_bearer_and_nothing_after_basic() {
        let both = Challenges::new(Protocol::Http, "r", [Scheme::Basic, Scheme::Bearer].into_iter());
        let value =
            both.insufficient(Scheme::Bearer, ["admin", "root", "admin", "Domain Users", "a\"b"].into_iter());
        assert_eq!(value.unwrap(), "Bearer realm=\"r\", error=\"insufficient_scope\", scope=\"admin root\"");
        assert_eq!(both.insufficient(Scheme::Basic, ["admin"].into_iter()), None);
    }

    #[test]
    fn a_realm_cannot_break_out_of_its_quotes() {
        let value = Challenges::new(Protocol::Http, "a\"b\\c\r\nX: y", std::iter::once(Scheme::Bearer));
        assert_eq!(texts(value.unauthorized(None)), ["Bearer realm=\"a\\\"b\\\\cX: y\""]);
    }
}
