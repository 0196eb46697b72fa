//! What happened, counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::model::{Expect, Model};
use crate::wire::Answer;

/// So many wrong decisions are told of; all are counted.
const SHOWN: usize = 20;

#[derive(Debug, Default)]
struct Kind {
    /// By status; 0: the connection ended instead.
    verdicts: BTreeMap<u16, usize>,
    micros: Vec<u32>,
}

/// Memory at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) after: Duration,
    pub(crate) kib: u64,
    pub(crate) full: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    kinds: Mutex<BTreeMap<&'static str, Kind>>,
    wrong: Mutex<Vec<String>>,
    pub(crate) wrong_admissions: AtomicUsize,
    pub(crate) wrong_decisions: AtomicUsize,
    events: Mutex<BTreeMap<String, usize>>,
    marks: Mutex<Vec<Mark>>,
}

impl Report {
    /// Compares an answer with what is right. Answers with its status.
    pub(crate) fn judge(
        &self,
        model: &Model,
        kind: &'static str,
        what: &str,
        expect: &Expect,
        sent: Instant,
        answer: &io::Result<Option<Answer>>,
    ) -> u16 {
        let answered = Instant::now();
        let status = match answer {
            Ok(Some(answer)) => answer.status,
            Ok(None) | Err(_) => 0,
        };
        self.count(kind, status, answered - sent);
        let right = model.right(expect, sent, answered);
        let body = answer.as_ref().ok().and_then(Option::as_ref).map_or("", |answer| answer.body.as_str());
        let other = expect.subject.as_ref().filter(|subject| status == 200 && body != subject.as_str());
        if right.contains(&status) && other.is_none() {
            model.learns(expect, sent, status);
        } else {
            if status == 200 {
                self.wrong_admissions.fetch_add(1, Relaxed);
            }
            let error = answer.as_ref().err().map(|error| format!(" ({error})")).unwrap_or_default();
            let whom = other.map(|_| " as somebody else".to_owned()).unwrap_or_default();
            self.is_wrong(format!(
                "{kind}: {what}: {status}{whom}{error} after {:?}, and {right:?} is right",
                answered - sent
            ));
        }
        status
    }

    pub(crate) fn count(&self, kind: &'static str, status: u16, took: Duration) {
        let mut kinds = self.kinds.lock().unwrap();
        let kind = kinds.entry(kind).or_default();
        *kind.verdicts.entry(status).or_default() += 1;
        kind.micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn is_wrong(&self, what: String) {
        self.wrong_decisions.fetch_add(1, Relaxed);
        let mut wrong = self.wrong.lock().unwrap();
        if wrong.len() < SHOWN {
            wrong.push(what);
        }
    }

    pub(crate) fn happened(&self, what: impl Into<String>) {
        *self.events.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    pub(crate) fn mark(&self, mark: Mark) {
        self.marks.lock().unwrap().push(mark);
    }

    /// How many requests of a kind got this status.
    pub(crate) fn got(&self, kind: &str, status: u16) -> usize {
        let kinds = self.kinds.lock().unwrap();
        kinds.get(kind).and_then(|kind| kind.verdicts.get(&status)).copied().unwrap_or_default()
    }

    pub(crate) fn total(&self, status: u16) -> usize {
        let kinds = self.kinds.lock().unwrap();
        kinds.values().filter_map(|kind| kind.verdicts.get(&status)).sum()
    }

    pub(crate) fn wrong(&self) -> String {
        self.wrong.lock().unwrap().join("\n")
    }

    /// Memory at the end by memory when all was full: the middle of each tenth of the time since then. `None` where it was
    /// never full, or not for long enough to tell.
    pub(crate) fn growth(&self) -> Option<(u64, u64)> {
        let marks = self.marks.lock().unwrap();
        let full: Vec<u64> = marks.iter().filter(|mark| mark.full).map(|mark| mark.kib).collect();
        let tenth = full.len() / 10;
        if tenth < 5 {
            return None;
        }
        let middle = |part: &[u64]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part[part.len() / 2]
        };
        Some((middle(&full[..tenth]), middle(&full[full.len() - tenth..])))
    }

    /// All of it, in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from(
            "| requests | number | verdicts | p50 | p99 | longest |\n|---|--:|---|--:|--:|--:|\n",
        );
        let mut kinds = self.kinds.lock().unwrap();
        let mut all = 0;
        for (name, kind) in kinds.iter_mut() {
            kind.micros.sort_unstable();
            let at = |part: usize| millis(kind.micros[(kind.micros.len() - 1) * part / 100]);
            let verdicts: Vec<String> =
                kind.verdicts.iter().map(|(status, count)| format!("{}: {count}", word(*status))).collect();
            all += kind.micros.len();
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {} |",
                kind.micros.len(),
                verdicts.join(", "),
                at(50),
                at(99),
                at(100)
            );
        }
        let _ = writeln!(text, "| **all** | {all} | | | | |");
        text += "\n| what happened | times |\n|---|--:|\n";
        for (what, times) in self.events.lock().unwrap().iter() {
            let _ = writeln!(text, "| {what} | {times} |");
        }
        text += "\n| after | memory of the gateway |\n|--:|--:|\n";
        let marks = self.marks.lock().unwrap();
        let mut was_full = false;
        let each = (marks.len() / 12).max(1);
        for (number, mark) in marks.iter().enumerate() {
            let first = mark.full && !was_full;
            was_full = mark.full;
            if first || number % each == 0 || number + 1 == marks.len() {
                let note = if first { " (all is full)" } else { "" };
                let (after, mib) = (mark.after.as_secs(), mark.kib as f64 / 1024.0);
                let _ = writeln!(text, "| {after} s{note} | {mib:.1} MiB |");
            }
        }
        text
    }
}

fn word(status: u16) -> String {
    match status {
        0 => "closed".to_owned(),
        101 => "opened".to_owned(),
        status => status.to_string(),
    }
}

fn millis(micros: u32) -> String {
    format!("{:.1} ms", f64::from(micros) / 1000.0)
}
