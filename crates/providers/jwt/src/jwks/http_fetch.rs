//! Fetches key sets from the servers of issuers.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{
    HeaderName, StatusCode,
    header::{ETAG, LAST_MODIFIED},
};
use portcullis_core::BoxFuture;
use portcullis_outbound::{Answer, Endpoint, Get, HttpClient, OutboundError, OutboundErrorKind};

use super::{
    discovery::Issuer,
    fetch::{Before, Failure, Fetch, Fetched, Validators},
    freshness::{self, LONGEST_AGE},
};

/// RFC 7517 §8.5.2, and what most servers send.
const KEY_SETS: &str = "application/jwk-set+json, application/json";

/// For how long what a discovery document said is believed, where the server does not say.
const DOCUMENT_AGE: Duration = Duration::from_secs(60 * 60);

/// And at least, whatever the server says.
const LEAST_DOCUMENT_AGE: Duration = Duration::from_secs(5 * 60);

/// Where keys are.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// At this URL.
    Url(Endpoint),
    /// Where this issuer says.
    Issuer(Issuer),
}

/// Fetches from one place.
pub(super) struct HttpFetch {
    client: HttpClient,
    place: Place,
    /// The place, for people.
    shown: String,
    /// Where the issuer's document said that the keys are, and until when that is believed.
    found: Mutex<Option<(Endpoint, Duration)>>,
}

impl HttpFetch {
    pub(super) fn new(client: HttpClient, place: Place) -> Self {
        let shown = match &place {
            Place::Url(endpoint) => endpoint.to_string(),
            Place::Issuer(issuer) => issuer.endpoint.to_string(),
        };
        Self { client, place, shown, found: Mutex::new(None) }
    }

    async fn fetch_once(&self, known: Option<Arc<Validators>>) -> Result<Fetched, Failure> {
        let mut answered = false;
        let (endpoint, configured) = match &self.place {
            Place::Url(endpoint) => (endpoint.clone(), endpoint),
            Place::Issuer(issuer) => (self.keys_of(issuer, &mut answered).await?, &issuer.endpoint),
        };
        let mut get = Get::new().accept(KEY_SETS);
        // What the configuration sends, it sends to the server that it names.
        if !endpoint.same_origin(configured) {
            get = get.without_credentials();
        }
        let known = known.filter(|known| known.endpoint == endpoint);
        if let Some(etag) = known.as_ref().and_then(|known| known.etag.clone()) {
            get = get.if_none_match(etag);
        }
        if let Some(moment) = known.as_ref().and_then(|known| known.last_modified.clone()) {
            get = get.if_modified_since(moment);
        }
        let answer = self.client.get(&endpoint, get).await.map_err(|error| {
            let failure = failed(&error);
            // The server of the document has had its work.
            Failure { reached: failure.reached || answered, ..failure }
        })?;
        let url: Arc<str> = endpoint.to_string().into();
        let said = freshness::said(&answer.headers);
        match (answer.status, known) {
            (StatusCode::OK, _) => {
                let validators = validators(endpoint, &answer);
                Ok(Fetched { url, body: Some(answer.body), said, validators })
            }
            (StatusCode::NOT_MODIFIED, Some(known)) => {
                let mut validators = validators(endpoint, &answer);
                validators.etag = validators.etag.or_else(|| known.etag.clone());
                validators.last_modified = validators.last_modified.or_else(|| known.last_modified.clone());
                Ok(Fetched { url, body: None, said, validators })
            }
            (status, _) => {
                Err(Failure::new(&url, format_args!("the answer has the status {}", status.as_u16())))
            }
        }
    }

    /// Where the issuer's keys are: as it said not long ago, or as it says now, which `answered` notes.
    async fn keys_of(&self, issuer: &Issuer, answered: &mut bool) -> Result<Endpoint, Failure> {
        let now = self.client.clock().monotonic();
        if let Some((endpoint, until)) = self.found().as_ref()
            && now < *until
        {
            return Ok(endpoint.clone());
        }
        let [openid, oauth] = issuer.documents().map_err(|error| Failure::new(&self.shown, error))?;
        let mut asked = openid;
        let mut answer = self.document(&asked).await?;
        *answered = true;
        if answer.status == StatusCode::NOT_FOUND {
            asked = oauth;
            answer = self.document(&asked).await?;
        }
        let keys = issuer.keys_of(&answer, self.client.config());
        let keys = keys.map_err(|why| Failure::new(&asked.to_string(), why))?;
        let age = believed_for(freshness::said(&answer.headers));
        *self.found() = Some((keys.clone(), now.saturating_add(age)));
        Ok(keys)
    }

    async fn document(&self, endpoint: &Endpoint) -> Result<Answer, Failure> {
        let get = Get::new().accept("application/json");
        self.client.get(endpoint, get).await.map_err(|error| failed(&error))
    }

    fn found(&self) -> std::sync::MutexGuard<'_, Option<(Endpoint, Duration)>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetch for HttpFetch {
    fn url(&self) -> &str {
        &self.shown
    }

    fn fetch(&self, before: Before) -> BoxFuture<'_, Result<Fetched, Failure>> {
        if before.failed {
            // The keys may have moved.
            *self.found() = None;
        }
        Box::pin(self.fetch_once(before.known))
    }
}

impl fmt::Debug for HttpFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFetch").field("place", &self.place).finish_non_exhaustive()
    }
}

/// For how long a document is believed whose server says so much.
fn believed_for(said: Option<Duration>) -> Duration {
    said.unwrap_or(DOCUMENT_AGE).clamp(LEAST_DOCUMENT_AGE, LONGEST_AGE)
}

fn validators(endpoint: Endpoint, answer: &Answer) -> Validators {
    let header = |name: HeaderName| answer.headers.get(name).cloned();
    Validators { endpoint, etag: header(ETAG), last_modified: header(LAST_MODIFIED) }
}

fn failed(error: &OutboundError) -> Failure {
    let url = error.endpoint().to_string();
    let text = format!("{error:?}");
    let reason = text.strip_prefix(&url).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text);
    let failure = Failure::new(&url, reason);
    if error.kind() == OutboundErrorKind::Connect { failure.unreached() } else { failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_believed_for_as_long_as_their_server_says_within_bounds() {
        for (said, expected) in
            [(None, 3_600), (Some(0), 300), (Some(299), 300), (Some(301), 301), (Some(u64::MAX), 86_400)]
        {
            assert_eq!(believed_for(said.map(Duration::from_secs)).as_secs(), expected, "{said:?}");
        }
    }
}
