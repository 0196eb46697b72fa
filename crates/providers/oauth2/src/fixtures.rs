//! What several tests need.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
};

use portcullis_core::{
    Authorization, Secret, UnixTime,
    config::{Location, Node, Reader, Section, Table, Value},
};
use portcullis_outbound::TokenSourceReader;
use tracing::{Dispatch, subscriber::NoSubscriber};
use tracing_subscriber::fmt::MakeWriter;

/// What the clocks of tests show at first.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// What a request carries.
pub(crate) fn bearer(token: &str) -> Authorization {
    Authorization::bearer(&Secret::new(token)).unwrap()
}

/// The token in it.
pub(crate) fn text(authorization: &Authorization) -> String {
    authorization.token().unwrap().expose().to_owned()
}

/// What was read, and every mistake and warning as it is shown.
pub(crate) struct Read<T> {
    pub(crate) value: Option<T>,
    pub(crate) problems: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// Reads a section. Keys stand on lines of their own, in their order, as if each value were a file's line.
pub(crate) fn read<T>(section: &serde_json::Value, read: impl Fn(&Section<'_>) -> Option<T>) -> Read<T> {
    read_with(section, read, |reader| reader)
}

/// Reads a section with a reader that has something plugged in.
pub(crate) fn read_with<T>(
    section: &serde_json::Value,
    read: impl Fn(&Section<'_>) -> Option<T>,
    plug: impl FnOnce(Reader) -> Reader,
) -> Read<T> {
    let mut line = 0;
    let Value::Table(table) = node(section, &mut line) else { panic!("a section is a table") };
    let reader = plug(Reader::new(".").plug(TokenSourceReader::new(crate::grant::read)));
    let value = read(&reader.section(&table, "x"));
    let warnings = reader.warnings().iter().map(ToString::to_string).collect();
    let problems = reader.into_problems().iter().map(ToString::to_string).collect();
    Read { value, problems, warnings }
}

fn node(value: &serde_json::Value, line: &mut usize) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Other("nothing"),
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Float(number.as_f64().unwrap()),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => {
            Value::Array(items.iter().map(|item| Node::new(node(item, line), None)).collect())
        }
        Json::Object(members) => {
            let mut table = Table::new(Some(Location { line: *line, column: 1 }));
            for (key, value) in members {
                *line += 1;
                let at = Some(Location { line: *line, column: 1 });
                let value = node(value, line);
                table.insert_at(key.clone(), at, Node::new(value, at));
            }
            Value::Table(table)
        }
    }
}

/// Where there is one subscriber alone, the thread that first comes by an event decides for all of them whether anybody
/// listens to it. Tests that share a process share that.
static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// Everything that was logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Logs of this thread go here while the guard lives.
    pub(crate) fn listen(&self) -> tracing::subscriber::DefaultGuard {
        LazyLock::force(&ANOTHER);
        let subscriber = tracing_subscriber::fmt()
            .with_writer(self.clone())
            .with_ansi(false)
            .without_time()
            .with_max_level(tracing::Level::TRACE)
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of this project.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.text().lines().filter(|line| line.contains("portcullis:")).map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}
