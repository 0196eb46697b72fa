//! What a remembered token takes, and that it is forgotten when there are too many.

use axum::body::Body;

use crate::{
    cases::{Bench, Case, Requests, Serving, ours},
    fixtures::{Fixtures, many_tokens},
};

/// How many tokens there are.
pub const TOKENS: usize = 20_000;
/// How many of them a cache holds that is flooded.
pub const HELD: usize = TOKENS / 20;

/// Tokens as they come, and a service that remembers all of them: what is measured is what it keeps.
pub struct Remembering {
    bench: Bench,
    tokens: Vec<String>,
}

impl Remembering {
    #[expect(clippy::new_without_default, reason = "it signs thousands of tokens")]
    pub fn new() -> Self {
        Self { bench: Bench::new(Fixtures::default()), tokens: many_tokens(TOKENS) }
    }

    pub fn bytes_of_a_token(&self) -> usize {
        self.tokens.first().map_or(0, String::len)
    }

    /// A service that remembers at most `capacity` tokens, once it has seen the first `seen`. Whoever holds it holds what it
    /// remembers.
    pub fn remember(&self, capacity: usize, seen: usize) -> impl Sized + use<> {
        let app = ours::guarded(ours::auth(ours::by_secret(capacity)));
        let kept = app.clone();
        // A few at a time, so that what is measured is not the requests.
        for tokens in self.tokens[..seen].chunks(100) {
            let app = app.clone();
            let make = move |_: &Bench| app.clone();
            let requests = Requests::bearer(tokens);
            Serving::<_, _, Body>::new(&self.bench, requests, make).run(&self.bench, tokens.len());
        }
        kept
    }
}
