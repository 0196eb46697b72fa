//! What the directory answers: binds, and what is neither bind nor search.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapBindResponse, LdapExtendedRequest, LdapExtendedResponse, LdapMsg,
    LdapOp, LdapResult, LdapResultCode,
};

use super::{
    Shared,
    dn::Dn,
    entry::{PASSWORD, TestEntry},
    search,
};
use crate::server::lock;

pub(super) const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
const NOTICE_OF_DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";

/// A result code and its text.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) code: LdapResultCode,
    pub(super) text: String,
}

impl Outcome {
    pub(super) fn new(code: LdapResultCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub(super) fn success() -> Self {
        Self::new(LdapResultCode::Success, "")
    }

    pub(super) fn result(self) -> LdapResult {
        LdapResult { code: self.code, matcheddn: String::new(), message: self.text, referral: Vec::new() }
    }
}

/// The answers to one request, which may change as whom the connection is bound.
pub(super) fn answer(shared: &Shared, bound: &mut Option<String>, message: LdapMsg) -> Vec<LdapMsg> {
    let id = message.msgid;
    let forced = lock(&shared.state).every.clone();
    let one = |op: LdapOp| vec![LdapMsg::new(id, op)];
    match message.op {
        LdapOp::BindRequest(request) => {
            // RFC 4511 §4.2.1: until a bind succeeds, the connection is nobody's.
            *bound = None;
            let outcome = forced.unwrap_or_else(|| match bind(shared, &request) {
                Ok(name) => {
                    *bound = name;
                    Outcome::success()
                }
                Err(outcome) => outcome,
            });
            one(LdapOp::BindResponse(LdapBindResponse { res: outcome.result(), saslcreds: None }))
        }
        LdapOp::SearchRequest(request) => match forced {
            Some(outcome) => one(LdapOp::SearchResultDone(outcome.result())),
            None => search::answers(shared, bound.as_deref(), id, &request, &message.ctrl),
        },
        LdapOp::ExtendedRequest(request) => one(extended(&request, bound.as_deref(), forced)),
        LdapOp::UnbindRequest | LdapOp::AbandonRequest(_) => Vec::new(),
        other => refused(&other).map(one).unwrap_or_default(),
    }
}

/// As whom the connection is bound from now on.
fn bind(shared: &Shared, request: &LdapBindRequest) -> Result<Option<String>, Outcome> {
    let ad = shared.settings.active_directory;
    if request.version != 3 {
        return Err(Outcome::new(LdapResultCode::ProtocolError, "only version 3 is spoken here"));
    }
    let LdapBindCred::Simple(password) = &request.cred else {
        return Err(Outcome::new(LdapResultCode::AuthMethodNotSupported, "only simple binds are known here"));
    };
    let state = lock(&shared.state);
    let name = Dn::parse(&request.dn);
    if let Some((_, outcome)) = state.binds.iter().rev().find(|(of, _)| of.is(&request.dn, name.as_ref())) {
        return Err(outcome.clone());
    }
    match (request.dn.is_empty(), password.is_empty()) {
        (true, true) => return Ok(None),
        (true, false) => return Err(wrong_password(ad, "52e")),
        // RFC 4513 §5.1.2: an unauthenticated bind, which makes the connection nobody's, and succeeds.
        (false, true) if ad || shared.settings.allow_unauthenticated_bind => return Ok(None),
        (false, true) => {
            let text = "unauthenticated bind (DN with no password) disallowed";
            return Err(Outcome::new(LdapResultCode::UnwillingToPerform, text));
        }
        (false, false) => {}
    }
    let entry = match name {
        Some(name) => state.store.get(&name),
        None if ad => state.store.find("userPrincipalName", &request.dn),
        None => return Err(Outcome::new(LdapResultCode::InvalidDNSyntax, "invalid DN")),
    };
    match entry {
        Some(entry) if entry.values(PASSWORD).any(|own| is_password(own, password)) => {
            Ok(Some(entry.dn().to_owned()))
        }
        Some(_) => Err(wrong_password(ad, "52e")),
        None => Err(wrong_password(ad, "525")),
    }
}

fn wrong_password(active_directory: bool, data: &str) -> Outcome {
    let text = if active_directory { active_directory_text(data) } else { String::new() };
    Outcome::new(LdapResultCode::InvalidCredentials, text)
}

/// What Active Directory says beside code 49, with its sub-code.
pub(super) fn active_directory_text(data: &str) -> String {
    format!("80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data {data}, v4563\0")
}

/// Clear text, or SHA-1 of the password and a salt, which stands behind it.
fn is_password(stored: &[u8], given: &str) -> bool {
    match stored.strip_prefix(b"{SSHA}") {
        None => stored == given.as_bytes(),
        Some(encoded) => STANDARD.decode(encoded).is_ok_and(|bytes| {
            let Some((hash, salt)) = bytes.split_at_checked(20) else { return false };
            let salted = [given.as_bytes(), salt].concat();
            digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &salted).as_ref() == hash
        }),
    }
}

fn extended(request: &LdapExtendedRequest, bound: Option<&str>, forced: Option<Outcome>) -> LdapOp {
    let (outcome, value) = match (forced, request.name.as_str()) {
        (Some(outcome), _) => (outcome, None),
        (None, WHO_AM_I) => {
            let name = bound.map(|name| format!("dn:{name}")).unwrap_or_default();
            (Outcome::success(), Some(name.into_bytes()))
        }
        (None, _) => (Outcome::new(LdapResultCode::ProtocolError, "unsupported extended operation"), None),
    };
    LdapOp::ExtendedResponse(LdapExtendedResponse { res: outcome.result(), name: None, value })
}

/// The answer to the wish for TLS.
pub(super) fn start_tls(id: i32, outcome: Outcome) -> LdapMsg {
    let answer =
        LdapExtendedResponse { res: outcome.result(), name: Some(START_TLS.to_owned()), value: None };
    LdapMsg::new(id, LdapOp::ExtendedResponse(answer))
}

/// RFC 4511 §4.4.1: what a server says, unasked, before it closes a connection.
pub(super) fn notice(outcome: Outcome) -> LdapMsg {
    let name = Some(NOTICE_OF_DISCONNECTION.to_owned());
    let answer = LdapExtendedResponse { res: outcome.result(), name, value: None };
    LdapMsg::new(0, LdapOp::ExtendedResponse(answer))
}

/// A directory of tests is changed by its test.
fn refused(op: &LdapOp) -> Option<LdapOp> {
    let text = "entries are changed by the test itself";
    let result = Outcome::new(LdapResultCode::UnwillingToPerform, text).result();
    Some(match op {
        LdapOp::AddRequest(_) => LdapOp::AddResponse(result),
        LdapOp::CompareRequest(_) => LdapOp::CompareResult(result),
        LdapOp::DelRequest(_) => LdapOp::DelResponse(result),
        LdapOp::ModifyRequest(_) => LdapOp::ModifyResponse(result),
        LdapOp::ModifyDNRequest(_) => LdapOp::ModifyDNResponse(result),
        // Answers, which no client sends.
        _ => return None,
    })
}

/// Whom a forced answer is for.
pub(super) enum Whom {
    Name(Dn),
    /// What is no distinguished name, as Active Directory takes it.
    Text(String),
}

impl Whom {
    pub(super) fn new(text: &str) -> Self {
        Dn::parse(text).map_or_else(|| Self::Text(text.to_owned()), Self::Name)
    }

    fn is(&self, text: &str, name: Option<&Dn>) -> bool {
        match self {
            Self::Name(own) => name == Some(own),
            Self::Text(own) => own.eq_ignore_ascii_case(text),
        }
    }
}

/// The entry that says what the directory can do.
pub(super) fn root(shared: &Shared) -> TestEntry {
    let settings = &shared.settings;
    let mut extensions = vec![WHO_AM_I];
    if settings.start_tls.is_some() {
        extensions.push(START_TLS);
    }
    let mut capabilities: Vec<&str> = settings.capabilities.iter().map(String::as_str).collect();
    if settings.active_directory {
        // LDAP_CAP_ACTIVE_DIRECTORY_OID and LDAP_CAP_ACTIVE_DIRECTORY_V51_OID.
        capabilities.extend(["1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670"]);
    }
    TestEntry::root()
        .attribute("objectClass", ["top"])
        .attribute("supportedLDAPVersion", ["3"])
        .attribute("supportedExtension", extensions)
        .attribute("supportedControl", [search::PAGED_RESULTS])
        .attribute("supportedControl", settings.controls.iter().map(String::as_str))
        .attribute("supportedCapabilities", capabilities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_compared_with_clear_text_and_with_a_salted_hash() {
        assert!(is_password(b"secret", "secret"));
        assert!(!is_password(b"secret", "Secret"));
        // SHA-1 of `secret` and the salt `salt`.
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, b"secretsalt");
        let stored = format!("{{SSHA}}{}", STANDARD.encode([hash.as_ref(), b"salt"].concat()));
        assert!(is_password(stored.as_bytes(), "secret"));
        assert!(!is_password(stored.as_bytes(), "secrets"));
        for broken in ["{SSHA}", "{SSHA}***", "{SSHA}c2hvcnQ="] {
            assert!(!is_password(broken.as_bytes(), "secret"), "{broken}");
        }
    }
}
