//! What a token endpoint answers.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use super::GrantType;
use crate::{
    assertion::{Assertion, VerificationKey},
    client_credentials::Required,
    introspection::is_form,
    server::{Call, json as as_json, lock, typed},
};

pub(super) const PATH: &str = "/token";

#[derive(Default)]
pub(super) struct State {
    client: Mutex<Option<Required>>,
    users: Mutex<HashMap<String, String>>,
    given: Mutex<Given>,
}

pub(super) struct Given {
    pub(super) expires_in: Option<u64>,
    pub(super) members: Map<String, Value>,
    pub(super) refreshing: Refreshing,
    /// The one refresh token that is good.
    pub(super) refresh: Option<String>,
    /// The assertions that are good; any where there is neither this nor a key.
    pub(super) assertions: Option<HashSet<String>>,
    pub(super) assertions_of: Option<VerificationKey>,
    used: HashSet<String>,
    pub(super) subjects: Option<HashSet<String>>,
    pub(super) subject_of: HashMap<String, String>,
    pub(super) next: VecDeque<String>,
    pub(super) next_refresh: VecDeque<String>,
    pub(super) issued: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Refreshing {
    No,
    Rotating,
    Lasting,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            expires_in: Some(3600),
            members: Map::new(),
            refreshing: Refreshing::No,
            refresh: None,
            assertions: None,
            assertions_of: None,
            used: HashSet::new(),
            subjects: None,
            subject_of: HashMap::new(),
            next: VecDeque::new(),
            next_refresh: VecDeque::new(),
            issued: Vec::new(),
        }
    }
}

/// Why there is no token: an `error` of RFC 6749 §5.2.
type Refused = &'static str;

impl State {
    pub(super) fn require(&self, required: Required) {
        *lock(&self.client) = Some(required);
    }

    pub(super) fn add_user(&self, name: &str, password: &str) {
        lock(&self.users).insert(name.to_owned(), password.to_owned());
    }

    pub(super) fn given(&self) -> MutexGuard<'_, Given> {
        lock(&self.given)
    }

    pub(super) fn answer(&self, call: &Call) -> Response<Bytes> {
        if call.path() != PATH {
            return typed(StatusCode::NOT_FOUND, "text/plain", "nothing here");
        }
        if !is_form(call) {
            return refused("invalid_request");
        }
        if let Some(answer) = lock(&self.client).as_ref().and_then(|client| client.refusal(call)) {
            return answer;
        }
        self.grant(call).unwrap_or_else(refused)
    }

    fn grant(&self, call: &Call) -> Result<Response<Bytes>, Refused> {
        let required = |name: &str| call.parameter(name).ok_or("invalid_request");
        required("grant_type")?;
        let grant = GrantType::of(call).ok_or("unsupported_grant_type")?;
        match grant {
            // A refresh token should not be part of this answer (RFC 6749 §4.4.3).
            GrantType::ClientCredentials => Ok(self.given().issue(call)),
            GrantType::Password => {
                let (name, password) = (required("username")?, required("password")?);
                if lock(&self.users).get(&name) != Some(&password) {
                    return Err("invalid_grant");
                }
                Ok(self.given().issue_refreshable(call, true))
            }
            GrantType::RefreshToken => self.given().refresh(call, &required("refresh_token")?),
            GrantType::JwtBearer | GrantType::OnBehalfOf => {
                self.given().exchange_assertion(call, &required("assertion")?)
            }
            GrantType::TokenExchange => {
                required("subject_token_type")?;
                // RFC 8693 §2.1: the one stands where the other does.
                if call.parameter("actor_token").is_some() != call.parameter("actor_token_type").is_some() {
                    return Err("invalid_request");
                }
                self.given().exchange(call, &required("subject_token")?)
            }
        }
    }
}

impl Given {
    fn refresh(&mut self, call: &Call, token: &str) -> Result<Response<Bytes>, Refused> {
        if self.refresh.as_deref() != Some(token) {
            return Err("invalid_grant");
        }
        let lasting = self.refreshing == Refreshing::Lasting;
        if !lasting {
            self.refresh = None;
        }
        Ok(self.issue_refreshable(call, !lasting))
    }

    fn exchange_assertion(&mut self, call: &Call, text: &str) -> Result<Response<Bytes>, Refused> {
        let named = self.assertions.as_ref().map(|named| named.contains(text));
        let good = match &self.assertions_of {
            None => named.unwrap_or(!text.is_empty()),
            Some(key) => {
                let jti = Assertion::read(text).and_then(|assertion| {
                    assertion.verify(key)?;
                    assertion.text("jti").map(str::to_owned).ok_or("jti is not there")
                });
                named == Some(true) || jti.is_ok_and(|jti| self.used.insert(jti))
            }
        };
        if !good {
            return Err("invalid_grant");
        }
        Ok(self.issue_for(call, text, Map::new()))
    }

    fn exchange(&mut self, call: &Call, subject: &str) -> Result<Response<Bytes>, Refused> {
        const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
        if self.subjects.as_ref().map_or(subject.is_empty(), |named| !named.contains(subject)) {
            return Err("invalid_request");
        }
        let kind = call.parameter("requested_token_type").unwrap_or_else(|| ACCESS_TOKEN.to_owned());
        Ok(self.issue_for(call, subject, Map::from_iter([("issued_token_type".to_owned(), kind.into())])))
    }

    fn issue_for(&mut self, call: &Call, subject: &str, more: Map<String, Value>) -> Response<Bytes> {
        let answer = self.issue_with(call, more);
        if let Some(token) = self.issued.last() {
            self.subject_of.insert(token.clone(), subject.to_owned());
        }
        answer
    }

    fn issue_refreshable(&mut self, call: &Call, with_refresh_token: bool) -> Response<Bytes> {
        let mut more = Map::new();
        if with_refresh_token && self.refreshing != Refreshing::No {
            let number = self.issued.len() + 1;
            let refresh = self.next_refresh.pop_front().unwrap_or_else(|| format!("refresh-{number}"));
            self.refresh = Some(refresh.clone());
            more.insert("refresh_token".to_owned(), refresh.into());
        }
        self.issue_with(call, more)
    }

    fn issue(&mut self, call: &Call) -> Response<Bytes> {
        self.issue_with(call, Map::new())
    }

    fn issue_with(&mut self, call: &Call, more: Map<String, Value>) -> Response<Bytes> {
        let number = self.issued.len() + 1;
        let token = self.next.pop_front().unwrap_or_else(|| format!("access-{number}"));
        self.issued.push(token.clone());
        let mut members = more;
        members.insert("access_token".to_owned(), token.into());
        members.insert("token_type".to_owned(), "Bearer".into());
        if let Some(seconds) = self.expires_in {
            members.insert("expires_in".to_owned(), seconds.into());
        }
        if let Some(scope) = call.parameter("scope") {
            members.insert("scope".to_owned(), scope.into());
        }
        members.extend(self.members.clone());
        members.retain(|_, value| !value.is_null());
        let mut answer = as_json(StatusCode::OK, &Value::Object(members));
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }
}

fn refused(error: Refused) -> Response<Bytes> {
    as_json(StatusCode::BAD_REQUEST, &json!({ "error": error }))
}
