//! `portcullis token verify`

use std::sync::Arc;

use portcullis::{
    Bearer, Clock, Config, Contact, Context, Credential, Element, Identity, Outcome, Provider,
    RequiredScopes, Scheme, SystemClock, UnixTime,
};
use portcullis_core::DEFAULT_MAX_CREDENTIAL_BYTES;
use serde_json::{Value, json};

use super::Token;
use crate::{
    args::{VerifyArgs, VerifyBy},
    commands::{block_on, describe, load},
    failure::{Failure, Result, Verdict},
    output::Output,
};

/// The code of what is no bearer credential at all, as in the log.
const MALFORMED: &str = "malformed-credential";

pub(in crate::commands) fn run(args: &VerifyArgs, out: &mut Output) -> Result {
    let config = load(&args.config)?;
    let way = Way::find(&config, &args.by)?;
    let contact = if args.online { Contact::Allowed } else { Contact::Forbidden };
    let told = match Token::read(&args.token)? {
        Token::Text(token) => block_on(way.verify(token.expose(), contact))?,
        Token::Unusable(reason) => refused(MALFORMED, reason),
    };
    if args.json {
        out.json(&told.json)?;
    } else {
        out.line(told.line)?;
    }
    Ok(Verdict::of(told.accepted))
}

/// What a token goes through.
struct Way {
    provider: Arc<dyn Provider>,
    scopes: RequiredScopes,
    max_bytes: usize,
    clock: Arc<dyn Clock>,
}

struct Told {
    accepted: bool,
    line: String,
    json: Value,
}

impl Way {
    fn find(config: &Config, by: &VerifyBy) -> Result<Self> {
        let way = match (&by.element, &by.provider) {
            (Some(path), _) => {
                let (service, element) = config.element(path)?;
                Self::of(element, service.auth().max_credential_bytes(), service.auth().clock())
            }
            (None, Some(name)) => Self {
                provider: Arc::clone(config.provider(name)?),
                scopes: RequiredScopes::anyone(),
                max_bytes: DEFAULT_MAX_CREDENTIAL_BYTES,
                clock: Arc::new(SystemClock::new()),
            },
            (None, None) => return Err(Failure::new("name an element or a provider")),
        };
        match way.provider.scheme() {
            Scheme::Bearer => Ok(way),
            scheme => Err(Failure::new(format!(
                "it looks at {scheme} credentials, not at tokens: `portcullis explain` tells how those are decided"
            ))),
        }
    }

    fn of(element: &Element, max_bytes: usize, clock: &Arc<dyn Clock>) -> Self {
        Self {
            provider: Arc::clone(element.provider()),
            scopes: element.scopes().clone(),
            max_bytes,
            clock: Arc::clone(clock),
        }
    }

    async fn verify(&self, token: &str, contact: Contact) -> Told {
        if "Bearer ".len() + token.len() > self.max_bytes {
            let reason = format!("it is longer than the {} bytes of `maxCredentialBytes`", self.max_bytes);
            return refused(MALFORMED, &reason);
        }
        let credential = match Bearer::new(token) {
            Ok(bearer) => Credential::Bearer(bearer),
            Err(error) => return refused(MALFORMED, &error.to_string()),
        };
        let cx = Context::new(&self.clock).explaining(contact);
        match self.provider.authenticate(&credential, &cx).await {
            Outcome::Known(identity) => self.authorize(&identity),
            Outcome::Refused(refusal) => refused(refusal.code(), refusal.text()),
            Outcome::Unavailable(unavailable) => refused("unavailable", &format!("{unavailable:?}")),
        }
    }

    fn authorize(&self, identity: &Identity) -> Told {
        let held: Vec<&str> = identity.scopes().iter().collect();
        let subject = identity.subject().unwrap_or("a caller without a subject");
        if !self.scopes.satisfied_by(identity.scopes()) {
            let asked = describe::scopes_of(&self.scopes);
            let reason = format!("{subject} is known, holds {held:?} and needs any one of: {asked}");
            return refused("insufficient-scope", &reason);
        }
        let left = |expires: UnixTime| expires.since(self.clock.now()).as_secs();
        let expiry = match identity.expires_at() {
            Some(expires) => format!("expires in {} s", left(expires)),
            None => "never expires".to_owned(),
        };
        let issuer = identity.issuer().map(|issuer| format!(", issued by {issuer}")).unwrap_or_default();
        Told {
            accepted: true,
            line: format!("accepted: {subject} holds {held:?}{issuer}, {expiry}"),
            json: json!({ "accepted": true, "principal": describe::identity_json(identity) }),
        }
    }
}

fn refused(code: &str, reason: &str) -> Told {
    Told {
        accepted: false,
        line: format!("refused: {reason} ({code})"),
        json: json!({ "accepted": false, "code": code, "reason": reason }),
    }
}
