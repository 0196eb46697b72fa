//! What fuzzers did, added up over all runs: a file of one line for each run.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::Outcome;

/// One run of one target, or several of them together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) seconds: u64,
    pub(super) executions: u64,
}

/// All runs by their targets.
#[derive(Debug)]
pub(super) struct Tally {
    file: PathBuf,
    sums: BTreeMap<String, Entry>,
}

impl Tally {
    /// What the file holds; nothing where there is none.
    pub(super) fn load(file: &Path) -> Outcome<Self> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("{}: {error}", file.display())),
        };
        let mut tally = Self { file: file.to_path_buf(), sums: BTreeMap::new() };
        for line in text.lines() {
            let (target, entry) =
                parse(line).ok_or_else(|| format!("{}: `{line}` is no line of a tally", file.display()))?;
            tally.count(target, entry);
        }
        Ok(tally)
    }

    /// Adds a run, on disk at once: the next one may be broken off.
    pub(super) fn add(&mut self, target: &str, entry: Entry) -> Outcome {
        let mut line = format!("{target}\t{}\t{}", entry.seconds, entry.executions);
        line.push('\n');
        let opened = OpenOptions::new().create(true).append(true).open(&self.file);
        opened
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(|error| format!("{}: {error}", self.file.display()))?;
        self.count(target, entry);
        Ok(())
    }

    fn count(&mut self, target: &str, entry: Entry) {
        let sum = self.sums.entry(target.to_owned()).or_default();
        sum.seconds += entry.seconds;
        sum.executions += entry.executions;
    }
}

fn parse(line: &str) -> Option<(&str, Entry)> {
    let mut words = line.split('\t');
    let target = words.next().filter(|name| !name.is_empty())?;
    let entry = Entry { seconds: words.next()?.parse().ok()?, executions: words.next()?.parse().ok()? };
    words.next().is_none().then_some((target, entry))
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.sums.keys().map(String::len).max().unwrap_or_default();
        writeln!(f, "executions in all, {}:", self.file.display())?;
        for (target, Entry { seconds, executions }) in &self.sums {
            writeln!(f, "  {target:width$}  {seconds:>7} s  {executions:>12}")?;
        }
        Ok(())
    }
}

/// How many inputs libFuzzer says that it ran.
pub(super) fn executions(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_added_up_in_the_file_and_in_memory() {
        let file = std::env::temp_dir().join(format!("xtask-tally-{}", std::process::id()));
        let _ = fs::remove_file(&file);
        let mut tally = Tally::load(&file).unwrap();
        tally.add("jws", Entry { seconds: 6, executions: 100 }).unwrap();
        tally.add("pem", Entry { seconds: 6, executions: 7 }).unwrap();
        tally.add("jws", Entry { seconds: 60, executions: 1000 }).unwrap();
        for tally in [tally, Tally::load(&file).unwrap()] {
            assert_eq!(tally.sums["jws"], Entry { seconds: 66, executions: 1100 });
            assert_eq!(tally.sums["pem"], Entry { seconds: 6, executions: 7 });
            assert!(tally.to_string().contains("  jws       66 s          1100\n"), "{tally}");
        }
        fs::write(&file, "jws\t1\n").unwrap();
        assert!(Tally::load(&file).unwrap_err().ends_with("`jws\t1` is no line of a tally"));
        fs::remove_file(&file).unwrap();
    }

    #[test]
    fn executions_are_read_from_what_libfuzzer_says_last() {
        let text = "INFO: x\nstat::number_of_executed_units: 227736\nstat::average_exec_per_sec:     10844\n";
        assert_eq!(executions(text), Some(227_736));
        assert_eq!(executions("INFO: x"), None);
    }
}
