//! Numbers as the text that Prometheus reads.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// The upper bounds of the classes of a histogram, in seconds: from what is remembered to `decisionTimeout`.
const BOUNDS: [f64; 14] =
    [0.000_01, 0.000_025, 0.000_1, 0.000_25, 0.001, 0.002_5, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 5.0, 10.0];

/// How many series there may be. Whatever would be one more is not counted.
const MOST: usize = 10_000;

/// A recorder that renders what it holds in the text format of Prometheus, version 0.0.4.
///
/// It holds each number in an atomic and each histogram in fixed classes, for as long as it lives: it is for the bounded
/// sets of labels that [`AuthMetrics`](super::AuthMetrics) has, and for those of a service's own that are as bounded.
#[derive(Default)]
pub struct PrometheusText(Mutex<Held>);

#[derive(Default)]
struct Held {
    help: BTreeMap<String, SharedString>,
    families: BTreeMap<String, Family>,
    series: usize,
}

/// The series of one name. Ordered, so that two pages differ in their numbers alone.
enum Family {
    Counter(BTreeMap<String, Arc<AtomicU64>>),
    Gauge(BTreeMap<String, Arc<AtomicU64>>),
    Histogram(BTreeMap<String, Arc<Classes>>),
}

#[derive(Default)]
struct Classes {
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// The bits of an `f64`.
    sum: AtomicU64,
}

impl HistogramFn for Classes {
    fn record(&self, value: f64) {
        let class = BOUNDS.iter().position(|bound| value <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.counts.get(class) {
            count.fetch_add(1, Relaxed);
        }
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        let _ = self.sum.fetch_update(Relaxed, Relaxed, add);
    }
}

impl PrometheusText {
    /// A recorder that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The page.
    #[must_use]
    pub fn render(&self) -> String {
        let held = self.lock();
        let mut text = String::with_capacity(4096);
        for (name, family) in &held.families {
            // Writing to a string does not fail.
            let _ = family.render(name, held.help.get(name), &mut text);
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, of: &KeyName, help: SharedString) {
        self.lock().help.insert(name(of.as_str(), true), help);
    }
}

impl Held {
    /// The family of a name, and how its series is called; `None` where there are too many, or the name is one of numbers of
    /// another kind.
    fn family(&mut self, key: &Key, make: fn() -> Family) -> Option<(&mut Family, String)> {
        let labels = labels(key);
        let family = self.families.entry(name(key.name(), true)).or_insert_with(make);
        if mem::discriminant(family) != mem::discriminant(&make()) {
            return None;
        }
        if !family.has(&labels) {
            if self.series >= MOST {
                return None;
            }
            self.series += 1;
        }
        Some((family, labels))
    }
}

/// `a="b",c="d"`.
fn labels(key: &Key) -> String {
    let mut text = String::new();
    for label in key.labels() {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{}=\"{}\"", name(label.key(), false), Escaped(label.value()));
    }
    text
}

/// A name as the format has it: the facade takes any, and Prometheus refuses a page with a wrong one.
fn name(text: &str, may_hold_colons: bool) -> String {
    let fits = |one: char| one.is_ascii_alphanumeric() || one == '_' || one == ':' && may_hold_colons;
    let mut name: String = text.chars().map(|one| if fits(one) { one } else { '_' }).collect();
    if !name.starts_with(|first: char| !first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

impl Family {
    fn has(&self, labels: &str) -> bool {
        match self {
            Self::Counter(series) | Self::Gauge(series) => series.contains_key(labels),
            Self::Histogram(series) => series.contains_key(labels),
        }
    }

    fn render(&self, name: &str, help: Option<&SharedString>, text: &mut String) -> fmt::Result {
        if let Some(help) = help {
            let help = help.replace('\\', "\\\\").replace('\n', "\\n");
            writeln!(text, "# HELP {name} {help}")?;
        }
        match self {
            Self::Counter(series) => {
                writeln!(text, "# TYPE {name} counter")?;
                for (labels, number) in series {
                    writeln!(text, "{name}{} {}", Braced(labels), number.load(Relaxed))?;
                }
            }
            Self::Gauge(series) => {
                writeln!(text, "# TYPE {name} gauge")?;
                for (labels, number) in series {
                    let number = f64::from_bits(number.load(Relaxed));
                    // There is none any more.
                    if !number.is_nan() {
                        writeln!(text, "{name}{} {number}", Braced(labels))?;
                    }
                }
            }
            Self::Histogram(series) => {
                writeln!(text, "# TYPE {name} histogram")?;
                for (labels, classes) in series {
                    classes.render(name, labels, text)?;
                }
            }
        }
        Ok(())
    }
}

impl Classes {
    fn render(&self, name: &str, labels: &str, text: &mut String) -> fmt::Result {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut total = 0;
        for (class, count) in self.counts.iter().enumerate() {
            total += count.load(Relaxed);
            write!(text, "{name}_bucket{{{labels}{comma}le=\"")?;
            match BOUNDS.get(class) {
                Some(bound) => write!(text, "{bound}")?,
                None => text.push_str("+Inf"),
            }
            writeln!(text, "\"}} {total}")?;
        }
        let sum = f64::from_bits(self.sum.load(Relaxed));
        writeln!(text, "{name}_sum{} {sum}", Braced(labels))?;
        writeln!(text, "{name}_count{} {total}", Braced(labels))
    }
}

impl Recorder for PrometheusText {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, help);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, help);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.lock().family(key, || Family::Counter(BTreeMap::new())) {
            Some((Family::Counter(series), labels)) => {
                Counter::from_arc(Arc::clone(series.entry(labels).or_default()))
            }
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.lock().family(key, || Family::Gauge(BTreeMap::new())) {
            Some((Family::Gauge(series), labels)) => {
                Gauge::from_arc(Arc::clone(series.entry(labels).or_default()))
            }
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.lock().family(key, || Family::Histogram(BTreeMap::new())) {
            Some((Family::Histogram(series), labels)) => {
                Histogram::from_arc(Arc::clone(series.entry(labels).or_default()))
            }
            _ => Histogram::noop(),
        }
    }
}

impl fmt::Debug for PrometheusText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusText").field("series", &self.lock().series).finish()
    }
}

/// Labels in their braces, where there are any.
struct Braced<'l>(&'l str);

impl fmt::Display for Braced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{{{}}}", self.0) }
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
