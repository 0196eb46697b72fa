//! Numbers about the servers that providers depend on, for Prometheus.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portcullis_core::{Provider, ServerState};

use super::metrics::family;

/// Providers whose servers are shown. Clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Watched(Arc<Mutex<Vec<Arc<dyn Provider>>>>);

impl Watched {
    pub(super) fn add(&self, providers: impl IntoIterator<Item = Arc<dyn Provider>>) {
        let mut all = self.lock();
        for provider in providers {
            if !all.iter().any(|known| Arc::ptr_eq(known, &provider)) {
                all.push(provider);
            }
        }
    }

    /// Shows these instead.
    pub(super) fn replace(&self, providers: impl IntoIterator<Item = Arc<dyn Provider>>) {
        let next = Self::default();
        next.add(providers);
        let next = std::mem::take(&mut *next.lock());
        *self.lock() = next;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<dyn Provider>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text format of Prometheus, version 0.0.4; nothing where there is no server.
    pub(super) fn render(&self, text: &mut String) {
        // Prometheus refuses a whole page that has a series twice.
        let providers = self.lock().clone();
        let servers =
            ServerState::each_once(providers.iter().flat_map(|provider| provider.servers_or_panicked()));
        for (at, (name, help)) in ServerState::METRICS.into_iter().enumerate() {
            let number = |state: &ServerState| state.numbers().get(at).copied().flatten();
            let mut numbers = servers.iter().filter_map(|state| Some((state, number(state)?))).peekable();
            if numbers.peek().is_some() {
                family(text, name, "gauge", help);
            }
            for (state, number) in numbers {
                let (role, url) = (state.role, Escaped(&state.url));
                let _ = writeln!(text, "{name}{{role=\"{role}\",url=\"{url}\"}} {number}");
            }
        }
    }
}

/// A label's value in its quotes.
struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis_core::{BoxFuture, Context, Credential, Outcome, Reason, Scheme};

    use super::*;

    #[derive(Debug)]
    struct Needs(Vec<ServerState>);

    impl Provider for Needs {
        fn kind(&self) -> &'static str {
            "needs"
        }

        fn scheme(&self) -> Scheme {
            Scheme::Bearer
        }

        fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
            None
        }

        fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
            Box::pin(async { Outcome::refused(Reason::Other, "no") })
        }

        fn servers(&self) -> Vec<ServerState> {
            self.0.clone()
        }
    }

    fn rendered(providers: Vec<Vec<ServerState>>) -> String {
        let watched = Watched::default();
        watched.add(providers.into_iter().map(|states| Arc::new(Needs(states)) as Arc<dyn Provider>));
        let mut text = String::new();
        watched.render(&mut text);
        text
    }

    #[test]
    fn each_server_is_shown_with_what_is_known_of_it() {
        let mut keys = ServerState::unasked("jwks", "https://id.example/jwks");
        (keys.holds, keys.age) = (Some(3), Some(Duration::from_millis(12_900)));
        let mut opaque = ServerState::unasked("introspection", "https://id.example/\"\\\n");
        (opaque.usable, opaque.last_error) = (false, Some("refused".to_owned()));
        let text = rendered(vec![vec![keys], vec![opaque]]);
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "portcullis_server_usable{role=\"introspection\",url=\"https://id.example/\\\"\\\\\\n\"} 0",
                "portcullis_server_usable{role=\"jwks\",url=\"https://id.example/jwks\"} 1",
                "portcullis_server_failing{role=\"introspection\",url=\"https://id.example/\\\"\\\\\\n\"} 1",
                "portcullis_server_failing{role=\"jwks\",url=\"https://id.example/jwks\"} 0",
                "portcullis_server_held{role=\"jwks\",url=\"https://id.example/jwks\"} 3",
                "portcullis_server_age_seconds{role=\"jwks\",url=\"https://id.example/jwks\"} 12",
            ]
        );
        assert_eq!(text.matches("# TYPE").count(), 4);
    }

    #[test]
    fn of_two_that_share_a_server_the_worse_off_is_shown_once() {
        let well = ServerState::unasked("jwks", "https://id.example/jwks");
        let mut ill = well.clone();
        (ill.usable, ill.last_error) = (false, Some("refused".to_owned()));
        for order in [vec![well.clone(), ill.clone()], vec![ill, well]] {
            let text = rendered(order.into_iter().map(|state| vec![state]).collect());
            assert_eq!(text.matches("portcullis_server_usable{").count(), 1);
            assert!(text.contains("url=\"https://id.example/jwks\"} 0"), "{text}");
        }
    }

    #[test]
    fn without_servers_nothing_is_shown_and_a_provider_counts_once() {
        assert_eq!(rendered(vec![Vec::new()]), "");
        let one: Arc<dyn Provider> = Arc::new(Needs(Vec::new()));
        let watched = Watched::default();
        watched.add([Arc::clone(&one), one]);
        assert_eq!(watched.lock().len(), 1);
    }
}
