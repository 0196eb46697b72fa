//! Pages that open a WebSocket and report what became of it, and the reading of their reports.

use std::fmt::Write;

use axum::{Router, response::Html, routing::get};
use portcullis_tests::Browser;
use serde_json::Value;

/// What it is told stands in its query: `url`, `protocols` (JSON), `say` (as often as one likes), `cookie`, `stay`.
const PAGE: &str = r#"<!doctype html><link rel="icon" href="data:,"><script>
const asked = new URLSearchParams(location.search);
if (asked.get('cookie')) document.cookie = asked.get('cookie');
const say = asked.getAll('say');
const seen = { opened: null, messages: 0, last: null, failed: false };
const socket = new WebSocket(asked.get('url'), JSON.parse(asked.get('protocols')));
socket.onopen = () => {
  seen.opened = socket.protocol;
  for (const text of say) socket.send(text);
};
socket.onmessage = (message) => {
  seen.messages += 1;
  seen.last = message.data.length > 1000 ? message.data.length : message.data;
  if (!asked.get('stay') && seen.messages === say.length) socket.close(1000);
};
socket.onerror = () => { seen.failed = true };
socket.onclose = (event) => report({ ...seen, code: event.code, reason: event.reason, clean: event.wasClean, at: Date.now() });
</script>"#;

/// A web server whose every page is this one.
pub(crate) struct Pages {
    port: u16,
}

/// A router with the page at every path.
pub(crate) fn page() -> Router {
    Router::new().route("/page", get(|| async { Html(PAGE) }))
}

impl Pages {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, page()).await });
        Self { port }
    }

    /// The origin of the pages.
    pub(crate) fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

/// A visit of a page that opens a WebSocket.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    page: String,
    url: String,
    protocols: Vec<String>,
    more: String,
}

impl Visit {
    /// From a page of this origin to this URL.
    pub(crate) fn from(origin: &str, url: &str) -> Self {
        let (page, url) = (format!("{origin}/page"), url.to_owned());
        Self { page, url, protocols: Vec::new(), more: String::new() }
    }

    pub(crate) fn protocols(mut self, protocols: &[&str]) -> Self {
        self.protocols = protocols.iter().map(|&protocol| protocol.to_owned()).collect();
        self
    }

    /// Sends this. Without [`Self::stay`] the page closes the socket once all is answered.
    pub(crate) fn say(self, text: &str) -> Self {
        self.more("say", text)
    }

    pub(crate) fn cookie(self, cookie: &str) -> Self {
        self.more("cookie", cookie)
    }

    /// Leaves it to the server to close the socket.
    pub(crate) fn stay(self) -> Self {
        self.more("stay", "1")
    }

    fn more(mut self, name: &str, value: &str) -> Self {
        write!(self.more, "&{name}={}", encoded(value)).unwrap();
        self
    }

    /// Does it.
    pub(crate) fn by(&self, browser: &mut Browser) -> Report {
        let protocols = encoded(&Value::from(self.protocols.clone()).to_string());
        let url = format!("{}?url={}&protocols={protocols}{}", self.page, encoded(&self.url), self.more);
        Report(tokio::task::block_in_place(|| browser.visit(&url)))
    }
}

/// Percent-encoded, all of it.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02x}").unwrap();
        encoded
    })
}

/// What a page saw.
#[derive(Clone, Debug)]
pub(crate) struct Report(Value);

impl Report {
    /// The protocol that was selected, if it was opened at all.
    pub(crate) fn opened(&self) -> Option<&str> {
        self.0["opened"].as_str()
    }

    /// The last message: its text, or the length of a long one.
    pub(crate) fn last(&self) -> &Value {
        &self.0["last"]
    }

    pub(crate) fn code(&self) -> u64 {
        self.0["code"].as_u64().unwrap()
    }

    /// It was refused: never opened, and closed without a word.
    pub(crate) fn is_refused(&self) -> bool {
        self.opened().is_none() && self.0["failed"] == true && self.code() == 1006
    }

    /// The moment at which it was closed.
    fn second(&self) -> f64 {
        self.0["at"].as_f64().unwrap() / 1_000.0
    }

    /// Closed with this code after an exchange of closing frames, at most two seconds after that second of the clock.
    fn closed_at(&self, code: u64, second: u64) {
        assert_eq!((self.code(), self.0["clean"].as_bool()), (code, Some(true)), "{:?}", self.0);
        let late = self.second() - second as f64;
        assert!((-0.05..2.0).contains(&late), "closed {late} s after the expiry: {:?}", self.0);
    }
}

/// A token that lives for two seconds opens the WebSocket of `visit` and is outlived by it by two seconds at most. `mint` gives a
/// token of so many seconds, and the second at which it ends. Where the machine is so busy that it has ended before the page was
/// there, one that lives longer is taken.
pub(crate) fn ends_with_its_token(browser: &mut Browser, visit: &Visit, mint: impl Fn(u32) -> (String, u64)) {
    for seconds in [2, 4, 8, 16, 32] {
        let (token, expiry) = mint(seconds);
        let report = visit.clone().protocols(&["bearer", &token]).stay().by(browser);
        if report.is_refused() && report.second() >= expiry as f64 {
            continue;
        }
        assert_eq!(report.opened(), Some("bearer"), "{report:?}");
        report.closed_at(1008, expiry);
        return;
    }
    panic!("no page was there within half a minute");
}

/// `exp` of a JWT.
pub(crate) fn expiry(token: &str) -> u64 {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&payload).unwrap()["exp"].as_u64().unwrap()
}
