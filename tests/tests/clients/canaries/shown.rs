//! Where everything that is shown or logged is kept, to be searched.

use std::{
    collections::BTreeSet,
    error::Error,
    fmt,
    io::Write,
    sync::{Arc, Mutex, OnceLock},
};

use tracing_subscriber::fmt::format::FmtSpan;

/// Everything that is logged in this process from the first use on, whatever writes it.
#[derive(Clone, Default)]
pub(super) struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    pub(super) fn begin() -> Self {
        static LOGGED: OnceLock<Logged> = OnceLock::new();
        let begin = || {
            let logged = Self::default();
            let writer = logged.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_span_events(FmtSpan::NEW)
                .with_ansi(false)
                .without_time()
                .with_writer(move || writer.clone())
                .finish();
            tracing::subscriber::set_global_default(subscriber).expect("nobody else listens");
            log::set_boxed_logger(Box::new(logged.clone())).expect("nobody else listens");
            log::set_max_level(log::LevelFilter::Trace);
            logged
        };
        LOGGED.get_or_init(begin).clone()
    }

    /// The lines, each once.
    pub(super) fn lines(&self) -> BTreeSet<String> {
        String::from_utf8_lossy(&self.0.lock().unwrap()).lines().map(str::to_owned).collect()
    }
}

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl log::Log for Logged {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {} {}\n", record.level(), record.target(), record.args());
        self.0.lock().unwrap().extend_from_slice(line.as_bytes());
    }

    fn flush(&self) {}
}

/// What was shown so far: of everything `Debug`, of errors `Display` and their causes too.
#[derive(Default)]
pub(super) struct Shown(pub(super) BTreeSet<String>);

impl Shown {
    pub(super) fn see(&mut self, what: &impl fmt::Debug) {
        self.0.insert(format!("{what:?}"));
        self.0.extend(format!("{what:#?}").lines().map(str::to_owned));
    }

    pub(super) fn see_error(&mut self, error: &(dyn Error + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            self.0.extend([error.to_string(), format!("{error:?}"), format!("{error:#?}")]);
            next = error.source();
        }
    }
}
