//! What a remembered token takes.

use axum::body::Body;

use crate::{
    cases::{Bench, Case, Requests, Serving, growth::make_tokens, ours},
    fixtures::Fixtures,
};

/// How many tokens are remembered, and how many bytes each of them has.
pub const TOKENS: usize = 20_000;

/// Tokens as they come, and a service that remembers all of them: what is measured is what it keeps.
pub struct Remembering {
    bench: Bench,
    tokens: Vec<String>,
}

impl Remembering {
    #[expect(clippy::new_without_default, reason = "it signs thousands of tokens")]
    pub fn new() -> Self {
        Self { bench: Bench::new(Fixtures::default()), tokens: make_tokens(TOKENS) }
    }

    pub fn bytes_of_a_token(&self) -> usize {
        self.tokens.first().map_or(0, String::len)
    }

    /// The service, once it has seen every token. Whoever holds it holds what it remembers.
    pub fn remember(&self) -> impl Sized + use<> {
        let app = ours::guarded(ours::auth(ours::by_secret(2 * TOKENS)));
        let kept = app.clone();
        // A few at a time, so that what is measured is not the requests.
        for tokens in self.tokens.chunks(100) {
            let app = app.clone();
            let make = move |_: &Bench| app.clone();
            let requests = Requests::bearer(tokens);
            Serving::<_, _, Body>::new(&self.bench, requests, make).run(&self.bench, tokens.len());
        }
        kept
    }
}
