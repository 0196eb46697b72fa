//! What a configuration was made of, and what a later one keeps of it.
//!
//! Whatever is read beside the text of the file, files and environment variables, is noted with a digest of its content.
//! The digest is made before the content is read for use: what changes between the two is found when the digests are made
//! anew, and is never missed.
//!
//! What is built from a table has a *definition*: the table as it stands, and the digests of all that was read for it. A
//! later configuration in which something of the same definition would be built keeps what there is, with all that it
//! remembers.

use std::{
    any::Any,
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use portcullis_core::{
    Provider, Throttle,
    config::{Reader, Source, Table, Value},
};
use portcullis_keys::MAX_FILE_BYTES;
use zeroize::Zeroizing;

use super::table;

/// No secret is longer.
const MAX_SECRET_BYTES: usize = 1 << 20;

/// Keyed, at random for each process: of a password in a file nothing rests in memory that says something about it.
pub(crate) type Digest = [u8; 32];

/// What was noted while a configuration was read. Clones are one.
#[derive(Clone, Default)]
pub(crate) struct Keeping(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Whether there was an earlier configuration: what gives its content once gave it to that one.
    is_later: bool,
    notes: Vec<(Noted, Option<Digest>)>,
    /// What there is of an earlier configuration, by definition.
    earlier: HashMap<Digest, VecDeque<Arc<dyn Any + Send + Sync>>>,
    /// What this one has.
    built: Vec<(Digest, Arc<dyn Any + Send + Sync>)>,
    /// How many things were built or kept, and how many of them kept.
    parts: usize,
    kept: usize,
    /// The providers that were kept.
    providers: Vec<Arc<dyn Provider>>,
    /// What guessers have tried so far.
    throttle: Throttle,
}

/// Something outside the text that a configuration depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Noted {
    /// The configuration itself.
    Text(PathBuf),
    /// A file that whoever reads a section opens.
    Opened(PathBuf),
    /// A file that holds a secret, read by the configuration's source.
    Secret(PathBuf),
    /// A variable of the configuration's source.
    Variable(String),
}

/// The contents of everything that a configuration depends on, at one time.
pub(crate) type Contents = BTreeMap<Noted, Option<Digest>>;

impl Keeping {
    /// For a configuration that follows this one.
    pub(crate) fn following(&self) -> Self {
        let mut earlier: HashMap<_, VecDeque<_>> = HashMap::new();
        let inner = self.lock();
        for (definition, built) in &inner.built {
            earlier.entry(*definition).or_default().push_back(Arc::clone(built));
        }
        let throttle = inner.throttle.clone();
        Self(Arc::new(Mutex::new(Inner { is_later: true, earlier, throttle, ..Inner::default() })))
    }

    /// The one that was plugged into the reader of a section.
    pub(crate) fn of(reader: &Reader) -> Option<&Self> {
        reader.plugged()
    }

    /// Whether a file may be opened now. What is none, such as a pipe, gives its content once: whoever waits for it a second
    /// time waits for ever.
    ///
    /// # Errors
    ///
    /// For a later configuration, when it is no file; what cannot be found is for whoever opens it to say.
    pub(crate) fn may_open(&self, path: &Path) -> io::Result<()> {
        if !self.lock().is_later {
            return Ok(());
        }
        match std::fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => Err(io::Error::other(
                "it is no regular file, and what a pipe gives it gives once: put a file there, or restart the program",
            )),
            _ => Ok(()),
        }
    }

    /// Notes the configuration itself.
    pub(crate) fn note_text(&self, path: &Path, bytes: Option<&[u8]>) {
        self.note(Noted::Text(path.to_owned()), bytes.filter(|_| is_watchable(path)));
    }

    /// Notes what is depended on, with its content.
    pub(crate) fn note(&self, what: Noted, content: Option<&[u8]>) {
        let digest = content.map(digest_of);
        self.lock().notes.push((what, digest));
    }

    /// How much was noted so far: where the reading of a definition begins.
    pub(crate) fn mark(&self) -> usize {
        self.lock().notes.len()
    }

    /// Has the content of a file make no difference to what noted it since `mark`.
    #[cfg(feature = "client")]
    pub(crate) fn overlook(&self, mark: usize, file: &Path) {
        let mut position = 0..;
        self.lock().notes.retain(|(noted, _)| {
            let is_later = position.next().is_some_and(|position: usize| position >= mark);
            !is_later || !matches!(noted, Noted::Secret(path) if path == file)
        });
    }

    /// What an earlier configuration built of the same definition, or else what was `built` now. The definition is `name`,
    /// the table, and all that was noted since `mark`.
    pub(crate) fn keep<T: Clone + Send + Sync + 'static>(
        &self,
        name: &str,
        tables: &[&Table],
        mark: usize,
        built: T,
    ) -> T {
        let mut inner = self.lock();
        let definition = digest(|hasher| {
            sized(hasher, name.as_bytes());
            tables.iter().for_each(|table| write_table(hasher, table));
            for (noted, content) in inner.notes.iter().skip(mark) {
                sized(hasher, format!("{noted:?}").as_bytes());
                hasher.update(&[u8::from(content.is_some())]);
                hasher.update(content.as_ref().map_or(&[][..], |digest| digest));
            }
        });
        let kept = inner.take(&definition);
        inner.parts += 1;
        inner.kept += usize::from(kept.is_some());
        let kept = kept.unwrap_or(built);
        inner.built.push((definition, Arc::new(kept.clone())));
        kept
    }

    /// The same for what has no definition but its name: one for all versions.
    #[cfg(feature = "file")]
    pub(crate) fn keep_always<T: Clone + Send + Sync + 'static>(&self, name: &str, first: T) -> T {
        let mut inner = self.lock();
        let definition = digest(|hasher| sized(hasher, name.as_bytes()));
        let kept = inner.take(&definition).unwrap_or(first);
        inner.built.push((definition, Arc::new(kept.clone())));
        kept
    }

    /// What slows down who guesses: one for all services, and for all versions of them.
    pub(crate) fn throttle(&self) -> Throttle {
        self.lock().throttle.clone()
    }

    /// The same for a provider, of which is known afterwards whether it was kept.
    pub(crate) fn keep_provider(
        &self,
        name: &str,
        table: &Table,
        mark: usize,
        built: &Arc<dyn Provider>,
    ) -> Arc<dyn Provider> {
        let provider = self.keep(name, &[table], mark, Arc::clone(built));
        if !Arc::ptr_eq(&provider, built) {
            self.lock().providers.push(Arc::clone(&provider));
        }
        provider
    }

    /// Whether an earlier configuration had this provider.
    pub(crate) fn has_kept(&self, provider: &Arc<dyn Provider>) -> bool {
        self.lock().providers.iter().any(|kept| Arc::ptr_eq(kept, provider))
    }

    /// Lets go of what nothing was kept of.
    pub(crate) fn forget_earlier(&self) {
        self.lock().earlier.clear();
    }

    /// How many things were built or kept, and how many of them kept.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.parts, inner.kept)
    }

    /// All that was noted. Of what was read twice the first content counts: it is the older one.
    pub(crate) fn contents(&self) -> Contents {
        let inner = self.lock();
        let mut contents = Contents::new();
        for (noted, content) in &inner.notes {
            contents.entry(noted.clone()).or_insert(*content);
        }
        contents
    }

    /// A source that notes what is asked of `source`.
    pub(crate) fn watch(&self, source: Option<Box<dyn Source>>) -> impl Source + 'static {
        Watched { source, keeping: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// What there is of an earlier configuration by this definition.
    fn take<T: Clone + 'static>(&mut self, definition: &Digest) -> Option<T> {
        let earlier = self.earlier.get_mut(definition).and_then(VecDeque::pop_front);
        earlier.as_deref().and_then(<dyn Any + Send + Sync>::downcast_ref::<T>).cloned()
    }
}

/// The contents of the same things now.
pub(crate) fn contents_now(of: &Contents, source: Option<&dyn Source>) -> Contents {
    let now = |noted: &Noted| match noted {
        Noted::Text(path) if is_watchable(path) => table::read_bytes(path).ok(),
        Noted::Opened(path) => read_bounded(path).ok(),
        Noted::Secret(path) if source.is_some() || is_watchable(path) => {
            secret(source, path).ok().map(Zeroizing::new)
        }
        Noted::Text(_) | Noted::Secret(_) => None,
        Noted::Variable(name) => variable(source, name).map(|value| Zeroizing::new(value.into_bytes())),
    };
    of.keys().map(|noted| (noted.clone(), now(noted).map(|bytes| digest_of(&bytes)))).collect()
}

/// Whether a file can be looked at again and again. A pipe gives its content once, to whoever needs it.
fn is_watchable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// A file's content, or as much of it as is ever looked at.
fn read_bounded(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    if !is_watchable(path) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn secret(source: Option<&dyn Source>, path: &Path) -> io::Result<Vec<u8>> {
    if let Some(source) = source {
        return source.file(path);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_SECRET_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_SECRET_BYTES {
        return Err(io::Error::other("it is larger than 1 MiB: that is no secret"));
    }
    Ok(bytes)
}

fn variable(source: Option<&dyn Source>, name: &str) -> Option<String> {
    source.map_or_else(|| std::env::var(name).ok(), |source| source.variable(name))
}

#[derive(Debug)]
struct Watched {
    source: Option<Box<dyn Source>>,
    keeping: Keeping,
}

impl Source for Watched {
    fn variable(&self, name: &str) -> Option<String> {
        let value = variable(self.source.as_deref(), name);
        self.keeping.note(Noted::Variable(name.to_owned()), value.as_deref().map(str::as_bytes));
        value
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let content = match &self.source {
            Some(source) => source.file(path),
            None => self.keeping.may_open(path).and_then(|()| secret(None, path)),
        };
        let watched = content.as_deref().ok().filter(|_| self.source.is_some() || is_watchable(path));
        self.keeping.note(Noted::Secret(path.to_owned()), watched);
        content
    }

    fn opens(&self, path: &Path) -> io::Result<()> {
        let content = read_bounded(path);
        self.keeping
            .note(Noted::Opened(path.to_owned()), content.as_ref().ok().map(|bytes| bytes.as_slice()));
        self.keeping.may_open(path)
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    digest(|hasher| {
        hasher.update(bytes);
    })
}

fn digest(write: impl FnOnce(&mut blake3::Hasher)) -> Digest {
    static KEY: OnceLock<[u8; 32]> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let mut key = [0; 32];
        // Without randomness there is no TLS and no user store either: somebody says so.
        let _ = getrandom::fill(&mut key);
        key
    });
    let mut hasher = blake3::Hasher::new_keyed(key);
    write(&mut hasher);
    hasher.finalize().into()
}

fn sized(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
}

fn write_table(hasher: &mut blake3::Hasher, table: &Table) {
    hasher.update(b"t");
    for (key, node) in table.iter() {
        hasher.update(b"k");
        sized(hasher, key.as_bytes());
        write_value(hasher, node.value());
    }
    hasher.update(b"e");
}

fn write_value(hasher: &mut blake3::Hasher, value: &Value) {
    match value {
        Value::String(text) => sized(hasher.update(b"s"), text.as_bytes()),
        Value::Integer(number) => sized(hasher.update(b"i"), &number.to_le_bytes()),
        Value::Float(number) => sized(hasher.update(b"f"), &number.to_le_bytes()),
        Value::Boolean(value) => sized(hasher.update(b"b"), &[u8::from(*value)]),
        Value::Array(items) => {
            hasher.update(b"a");
            items.iter().for_each(|item| write_value(hasher, item.value()));
            hasher.update(b"e");
        }
        Value::Table(table) => write_table(hasher, table),
        Value::Other(kind) => sized(hasher.update(b"o"), kind.as_bytes()),
    }
}

impl fmt::Debug for Keeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeping").field("noted", &self.mark()).finish_non_exhaustive()
    }
}
