//! What is counted, and how it reads.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, HOST},
};
use metrics::{Key, Label, Level, Metadata, Recorder};
use portcullis_core::{
    Auth, Authorization, BoxFuture, Context, Credential, Identity, Outcome, Probe, Provider, QueueState,
    Reason, Recall, RefreshObserver, RefreshObservers, Refreshed, RequestHead, Scheme, Secret, ServerState,
    TokenError, TokenSource, TurnedAway, Unavailable, UnixTime,
};
use portcullis_testing::ManualClock;

use super::{ALL, AuthMetrics, Kind, PrometheusText};

/// Answers by the token, after some time on the manual clock.
#[derive(Debug)]
struct ByToken(ManualClock);

impl Provider for ByToken {
    fn kind(&self) -> &'static str {
        "by-token"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn recall(&self, text: &[u8], _: &Context<'_>) -> Recall {
        let known = || Outcome::known(Identity::new("alice").with_scopes(["hello"]));
        if text == b"known" { Recall::Answer(known()) } else { Recall::Unasked }
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        let Credential::Bearer(bearer) = credential else { return None };
        self.0.advance(Duration::from_millis(20));
        Some(match bearer.token() {
            "new" => Outcome::known(Identity::new("alice").with_scopes(["hello"])),
            "weak" => Outcome::known(Identity::new("alice")),
            "away" => Unavailable::new("away").into(),
            "full" => Unavailable::new("full").because(Reason::Overloaded).into(),
            _ => Outcome::refused(Reason::Expired, "it has expired"),
        })
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        let answer = self.try_authenticate(credential, cx);
        Box::pin(async { answer.unwrap_or_else(|| Outcome::refused(Reason::OtherScheme, "no token")) })
    }

    fn servers(&self) -> Vec<ServerState> {
        let mut state = ServerState::unasked("jwks", "https://id.example/\"jwks\"");
        (state.holds, state.age) = (Some(3), Some(Duration::from_secs(61)));
        vec![state]
    }

    fn queues(&self) -> Vec<QueueState> {
        vec![QueueState::new("jwks", 2, 256)]
    }
}

struct Bench {
    text: Arc<PrometheusText>,
    metrics: Arc<AuthMetrics>,
    auth: Auth,
}

impl Bench {
    fn new() -> Self {
        let clock = ManualClock::at(UnixTime::from_secs(1_000));
        let text = Arc::new(PrometheusText::new());
        let metrics = Arc::new(AuthMetrics::new(text.clone()));
        let auth = Auth::builder()
            .path("/foo")
            .element(ByToken(clock.clone()), "hello")
            .clock(Arc::new(clock))
            .observer(metrics.clone())
            .build()
            .unwrap();
        Self { text, metrics, auth }
    }

    fn ask(&self, authorization: Option<&'static str>) {
        let headers: HeaderMap =
            authorization.map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).into_iter().collect();
        let _ = self.auth.decide(&RequestHead::new(&Method::GET, "/foo/x", &headers));
    }

    fn line(&self, series: &str) -> Option<String> {
        let page = self.text.render();
        page.lines().find_map(|line| line.strip_prefix(series)).map(|number| number.trim().to_owned())
    }
}

#[test]
fn each_decision_is_counted_by_what_came_of_it_and_why() {
    let bench = Bench::new();
    for authorization in [
        None,
        Some("Bearer known"),
        Some("Bearer known"),
        Some("Bearer new"),
        Some("Bearer weak"),
        Some("Bearer old"),
        Some("Bearer away"),
        Some("Bearer full"),
        Some("Bearer a b"),
        Some("Basic YTpi"),
    ] {
        bench.ask(authorization);
    }
    let resource = "resource=\"service /foo\"";
    for (element, outcome, reason, times) in [
        ("none", "refused", "no-credential", "1"),
        ("by-token", "admitted", "none", "3"),
        ("by-token", "forbidden", "insufficient-scope", "1"),
        ("by-token", "refused", "expired", "1"),
        ("by-token", "unavailable", "unavailable", "1"),
        ("by-token", "unavailable", "overloaded", "1"),
        ("none", "refused", "trailing-words", "1"),
        ("none", "refused", "not-looked-at", "1"),
    ] {
        let series = format!(
            "portcullis_decisions_total{{{resource},element=\"{element}\",outcome=\"{outcome}\",reason=\"{reason}\"}}"
        );
        assert_eq!(bench.line(&series).as_deref(), Some(times), "{series}\n{}", bench.text.render());
    }
    for (series, number) in [
        ("portcullis_memory_lookups_total{element=\"by-token\",result=\"hit\"}", "2"),
        ("portcullis_memory_lookups_total{element=\"by-token\",result=\"miss\"}", "5"),
        (
            "portcullis_provider_duration_seconds_bucket{element=\"by-token\",outcome=\"refused\",le=\"0.01\"}",
            "0",
        ),
        (
            "portcullis_provider_duration_seconds_bucket{element=\"by-token\",outcome=\"refused\",le=\"0.025\"}",
            "1",
        ),
        ("portcullis_provider_duration_seconds_sum{element=\"by-token\",outcome=\"unavailable\"}", "0.04"),
        ("portcullis_provider_duration_seconds_count{element=\"by-token\",outcome=\"forbidden\"}", "1"),
        ("portcullis_decision_duration_seconds_count{outcome=\"admitted\"}", "3"),
    ] {
        assert_eq!(bench.line(series).as_deref(), Some(number), "{series}\n{}", bench.text.render());
    }
}

#[test]
fn gauges_are_read_when_they_are_asked_for_and_gone_with_what_they_were_of() {
    let bench = Bench::new();
    let held = "portcullis_server_held{role=\"jwks\",url=\"https://id.example/\\\"jwks\\\"\"}";
    assert_eq!(bench.line(held), None);
    bench.metrics.watch([bench.auth.clone()]);
    bench.metrics.watch_token_source("orders", Arc::new(Token(Some(Duration::from_millis(1500)))));
    bench.metrics.watch_token_source("none", Arc::new(Token(None)));
    bench.metrics.collect();
    for (series, number) in [
        (held, "3"),
        ("portcullis_server_age_seconds{role=\"jwks\",url=\"https://id.example/\\\"jwks\\\"\"}", "61"),
        ("portcullis_queue_depth{element=\"by-token\",queue=\"jwks\"}", "2"),
        ("portcullis_queue_limit{element=\"by-token\",queue=\"jwks\"}", "256"),
        ("portcullis_client_token_expiry_seconds{client=\"orders\"}", "1.5"),
    ] {
        assert_eq!(bench.line(series).as_deref(), Some(number), "{series}\n{}", bench.text.render());
    }
    assert!(!bench.text.render().contains("portcullis_client_token_expiry_seconds{client=\"none\""));
    bench.metrics.watch([]);
    bench.metrics.collect();
    assert_eq!(bench.line(held), None, "{}", bench.text.render());
    bench.metrics.watch([bench.auth.clone()]);
    bench.metrics.collect();
    assert_eq!(bench.line(held).as_deref(), Some("3"));
}

#[test]
fn every_series_has_the_labels_of_its_metric_and_every_metric_a_help() {
    let bench = Bench::new();
    bench.ask(Some("Bearer known"));
    bench.ask(Some("Bearer new"));
    bench.metrics.watch([bench.auth.clone()]);
    bench.metrics.watch_token_source("orders", Arc::new(Token(Some(Duration::from_secs(1)))));
    #[cfg(feature = "config")]
    {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("Config.toml");
        std::fs::write(&file, "services.\"/\" = { public = true }").unwrap();
        bench.metrics.watch_reloads(&crate::Live::load(file).unwrap());
    }
    bench.metrics.collect();
    let page = bench.text.render();
    for metric in ALL {
        let (suffix, class) = if metric.kind == Kind::Histogram { ("_bucket", ",le=") } else { ("", "") };
        if metric.name == "portcullis_server_failing" {
            assert!(page.contains("portcullis_server_failing{role="), "{page}");
        }
        assert!(page.contains(&format!("# HELP {} {}\n", metric.name, metric.help)), "{}", metric.name);
        let opens = if metric.labels.is_empty() && class.is_empty() { ' ' } else { '{' };
        let start = format!("\n{}{suffix}{opens}", metric.name);
        let (_, rest) = page.split_once(&start).unwrap_or_else(|| panic!("{} in {page}", metric.name));
        let line = rest.lines().next().unwrap();
        for label in metric.labels {
            assert!(line.contains(&format!("{label}=\"")), "{label} in {line}");
        }
        assert!(line.contains(class), "{line}");
    }
}

#[test]
fn there_is_a_bound_to_the_series_that_are_held() {
    let text = PrometheusText::new();
    let metadata = Metadata::new("test", Level::INFO, None);
    let key = |at: usize| Key::from_parts("many_total", vec![Label::new("at", at.to_string())]);
    for at in 0..10_050 {
        text.register_counter(&key(at), &metadata).increment(1);
    }
    assert_eq!(text.render().matches("many_total{").count(), 10_000);
    text.register_counter(&key(1), &metadata).increment(1);
    assert!(text.render().contains("many_total{at=\"1\"} 2\n"), "those that there are go on");
}

/// What is wrong with a page of the text format, version 0.0.4.
fn mistakes(page: &str) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut families: Vec<(String, String)> = Vec::new();
    let mut seen = HashSet::new();
    let mut buckets: HashMap<String, (f64, f64)> = HashMap::new();
    for line in page.lines() {
        let mut wrong = |what: &str| mistakes.push(format!("{what}: {line}"));
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let [Some(word), Some(name), Some(text)] = [words.next(), words.next(), words.next()] else {
                wrong("no comment");
                continue;
            };
            if !seen.insert(format!("{word} {name}")) {
                wrong("twice");
            }
            let escapes = text.replace("\\\\", "").replace("\\n", "");
            match word {
                "HELP" if escapes.contains('\\') => wrong("not escaped"),
                "HELP" => {}
                "TYPE" => families.push((name.to_owned(), text.to_owned())),
                _ => wrong("neither help nor type"),
            }
            continue;
        }
        let Some((series, number)) = line.rsplit_once(' ') else {
            wrong("no number");
            continue;
        };
        let Ok(number) = number.parse::<f64>() else {
            wrong("no number");
            continue;
        };
        if !seen.insert(series.to_owned()) {
            wrong("twice");
        }
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let (family, kind) = families.last().cloned().unwrap_or_default();
        let suffix = name.strip_prefix(&*family);
        let fits = match kind.as_str() {
            "histogram" => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
            _ => suffix == Some(""),
        };
        if !fits {
            wrong("outside its family");
        }
        let is_name = |text: &str| {
            text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && text.chars().all(|one| one.is_ascii_alphanumeric() || one == '_')
        };
        let mut others = String::new();
        let mut le = None;
        let mut rest = labels.trim_end_matches('}');
        while let Some((label, after)) = rest.split_once("=\"") {
            // To the quotation mark that is not escaped.
            let mut escaped = false;
            let end = after.find(|one| {
                let ends = one == '"' && !escaped;
                escaped = one == '\\' && !escaped;
                ends
            });
            let Some(end) = end else {
                wrong("no end");
                break;
            };
            let (value, after) = after.split_at(end);
            match label.trim_start_matches(',') {
                "le" => le = Some(value.replace("+Inf", "inf")),
                label if !is_name(label) => wrong("no label"),
                label => others.push_str(&format!("{label}={value},")),
            }
            rest = &after[1..];
        }
        if !rest.is_empty() || !is_name(name) {
            wrong("no series");
        }
        let one = format!("{family} {others}");
        if let Some(le) = le {
            let (bound, count) = buckets.get(&one).copied().unwrap_or((f64::NEG_INFINITY, 0.0));
            let at: f64 = le.parse().unwrap();
            if at <= bound || number < count {
                wrong("not cumulative");
            }
            buckets.insert(one, (at, number));
        } else if suffix == Some("_count") && buckets.get(&one) != Some(&(f64::INFINITY, number)) {
            wrong("not the count");
        }
    }
    mistakes
}

#[test]
fn the_page_is_as_the_format_has_it_whatever_a_service_counts_of_its_own() {
    let bench = Bench::new();
    for authorization in [Some("Bearer known"), Some("Bearer new"), Some("Bearer old"), None] {
        bench.ask(authorization);
    }
    bench.metrics.watch([bench.auth.clone()]);
    bench.metrics.collect();
    let text = &bench.text;
    let metadata = Metadata::new("test", Level::INFO, None);
    text.describe_counter("http.requests-total".into(), None, "with a \\ and a\nsecond line".into());
    let odd = |value: &'static str| vec![Label::new("user-agent", value), Label::new("1st", "x")];
    for value in ["", "a\"b\\c\nd", "\\\"", "x\"} 7\nforged_total 8", "le=\"1\"", "\u{202e}\u{1b}[31m"] {
        let key = Key::from_parts("http.requests-total", odd(value));
        text.register_counter(&key, &metadata).increment(1);
        let key = Key::from_parts("9 lives", odd(value));
        let histogram = text.register_histogram(&key, &metadata);
        [0.0, 0.000_01, 3.0, 11.0, f64::INFINITY].into_iter().for_each(|one| histogram.record(one));
    }
    text.register_gauge(&Key::from_name("level"), &metadata).set(f64::NEG_INFINITY);
    let page = text.render();
    assert_eq!(mistakes(&page), Vec::<String>::new(), "{page}");
    assert!(page.contains("# HELP http_requests_total with a \\\\ and a\\nsecond line\n"), "{page}");
    assert!(page.contains("\nhttp_requests_total{user_agent=\"a\\\"b\\\\c\\nd\",_1st=\"x\"} 1\n"), "{page}");
    assert!(page.contains("\n_9_lives_bucket{user_agent=\"\",_1st=\"x\",le=\"0.00001\"} 2\n"), "{page}");
    assert!(page.contains("\n_9_lives_bucket{user_agent=\"\",_1st=\"x\",le=\"10\"} 3\n"), "{page}");
    assert!(page.contains("\n_9_lives_count{user_agent=\"\",_1st=\"x\"} 5\n"), "{page}");
    // And the judge is one.
    for wrong in [
        "# TYPE a counter\na 1\na 1\n",
        "# TYPE a counter\na{b=\"c\"d\"} 1\n",
        "a 1\n",
        "# TYPE a gauge\na x\n",
    ] {
        assert!(!mistakes(wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn a_name_that_is_taken_by_another_kind_is_not_counted_and_takes_no_room() {
    let text = PrometheusText::new();
    let metadata = Metadata::new("test", Level::INFO, None);
    let key = Key::from_name("one");
    text.register_counter(&key, &metadata).increment(1);
    for _ in 0..10_050 {
        text.register_gauge(&key, &metadata).set(7.0);
        text.register_histogram(&key, &metadata).record(7.0);
    }
    text.register_counter(&Key::from_name("another"), &metadata).increment(1);
    let page = text.render();
    assert_eq!(page, "# TYPE another counter\nanother 1\n# TYPE one counter\none 1\n");
}

#[test]
fn what_a_caller_chooses_makes_no_series() {
    let bench = Bench::new();
    let ask = |method: &Method, path: &str, host: &str, authorization: &str| {
        let text = |value: &str| HeaderValue::try_from(value).unwrap();
        let headers: HeaderMap =
            [(AUTHORIZATION, text(authorization)), (HOST, text(host))].into_iter().collect();
        let head = RequestHead::new(method, path, &headers).with_client(Some([192, 0, 2, 1].into()));
        let _ = bench.auth.decide(&head);
    };
    ask(&Method::GET, "/foo/x", "a.example", "Bearer old");
    let before = bench.text.render().lines().count();
    for at in 0..50 {
        let method = Method::from_bytes(format!("M{at}").as_bytes()).unwrap();
        ask(&method, &format!("/foo/{at}"), &format!("{at}.example"), &format!("Bearer old{at}"));
        let away = TurnedAway::new(Reason::NoService, StatusCode::NOT_FOUND, &method, "/x");
        bench.auth.tell_turned_away(&away);
    }
    let page = bench.text.render();
    assert_eq!(page.lines().count(), before + 1, "{page}");
    let away = "portcullis_decisions_total{resource=\"none\",element=\"none\",outcome=\"turned-away\",reason=\"no-service\"} 50";
    assert!(page.contains(away), "{page}");
}

/// Has a token for so long.
#[derive(Debug)]
struct Token(Option<Duration>);

/// Has those told who watch it.
#[derive(Debug, Default)]
struct Watched(RefreshObservers);

impl TokenSource for Watched {
    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        Box::pin(std::future::ready(Err(TokenError::permanent("none"))))
    }

    fn refused(&self, _: &Authorization) -> bool {
        false
    }

    fn watch_refreshes(&self, observer: Arc<dyn RefreshObserver>) {
        self.0.add(observer);
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

#[test]
fn tokens_that_a_client_gets_are_counted_by_what_came_of_it_from_zero() {
    let (bench, source) = (Bench::new(), Arc::new(Watched::default()));
    bench.metrics.watch_token_source("orders", source.clone());
    let number = |outcome: &str, what: &str| {
        bench.line(&format!("portcullis_client_token_{what}{{client=\"orders\",outcome=\"{outcome}\"}}"))
    };
    for outcome in Refreshed::OUTCOMES {
        assert_eq!(number(outcome, "refreshes_total").as_deref(), Some("0"), "{outcome}");
    }
    source.0.tell(None, Duration::from_millis(250));
    source.0.tell(None, Duration::from_millis(500));
    source.0.tell(Some(&TokenError::transient("away")), Duration::from_secs(2));
    source.0.tell(Some(&TokenError::permanent("refused")), Duration::from_millis(30));
    for (outcome, count, sum) in
        [("success", "2", "0.75"), ("unavailable", "1", "2"), ("refused", "1", "0.03")]
    {
        assert_eq!(number(outcome, "refreshes_total").as_deref(), Some(count), "{outcome}");
        assert_eq!(number(outcome, "refresh_duration_seconds_count").as_deref(), Some(count), "{outcome}");
        assert_eq!(number(outcome, "refresh_duration_seconds_sum").as_deref(), Some(sum), "{outcome}");
    }
}

impl TokenSource for Token {
    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        let token = Authorization::bearer(&Secret::new("token")).map_err(|_| TokenError::permanent("none"));
        Box::pin(std::future::ready(token))
    }

    fn refused(&self, _: &Authorization) -> bool {
        false
    }

    fn expires_in(&self) -> Option<Duration> {
        self.0
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}
