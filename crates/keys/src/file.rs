//! Reading a file of keys, and telling what it is.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{KeyError, KeyErrorKind};
use crate::pem::{self, Block};

/// The largest file that is read: 8 MiB. A trust store of all public authorities has 150 KiB.
pub const MAX_FILE_BYTES: usize = 8 << 20;

/// A file read into memory that is zeroised when dropped, for those who must look before they parse.
///
/// ```no_run
/// # fn main() -> Result<(), portcullis_keys::KeyError> {
/// use portcullis_keys::{KeyFile, PublicKey};
///
/// let file = KeyFile::read("keys/issuer")?;
/// if file.is_json() {
///     // a JWK: `file.bytes()` goes to whoever reads those
/// } else {
///     let key = PublicKey::from_key_file(&file)?;
/// #   drop(key);
/// }
/// # Ok(())
/// # }
/// ```
pub struct KeyFile {
    path: PathBuf,
    bytes: Zeroizing<Vec<u8>>,
    readable_by_others: bool,
}

impl KeyFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`Unreadable`](KeyErrorKind::Unreadable), and [`TooLarge`](KeyErrorKind::TooLarge) beyond [`MAX_FILE_BYTES`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let unreadable = |source| KeyError::unreadable(path, source);
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        // With room for all of it the vector does not grow, which would leave copies of a key behind.
        let expected = usize::try_from(metadata.len()).unwrap_or(usize::MAX).min(MAX_FILE_BYTES);
        let mut bytes = Zeroizing::new(Vec::with_capacity(expected + 2));
        file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > MAX_FILE_BYTES {
            return Err(KeyError::from(KeyErrorKind::TooLarge).at(path));
        }
        Ok(Self { path: path.into(), bytes, readable_by_others: readable_by_others(&metadata) })
    }

    /// Where it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds. Possibly a private key: not for logs.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is a JSON object, such as a JWK, and so neither PEM nor DER.
    #[must_use]
    pub fn is_json(&self) -> bool {
        is_json(&self.bytes)
    }

    /// Whether every user of the machine may read it. Always `false` where files have no Unix modes.
    #[must_use]
    pub fn is_readable_by_others(&self) -> bool {
        self.readable_by_others
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(unix)]
fn readable_by_others(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn readable_by_others(_: &Metadata) -> bool {
    false
}

fn is_json(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.trim_ascii_start().starts_with(b"{")
}

/// What a file of keys or certificates can be.
pub(crate) enum Content<'a> {
    Pem(Vec<Block>),
    Der(&'a [u8]),
}

/// Tells PEM from DER, and names what is neither.
pub(crate) fn content(bytes: &[u8]) -> Result<Content<'_>, KeyErrorKind> {
    const DER_SEQUENCE: u8 = 0x30;
    if bytes.trim_ascii().is_empty() {
        Err(KeyErrorKind::Empty)
    } else if is_json(bytes) {
        Err(KeyErrorKind::Json)
    } else if is_jks(bytes) {
        Err(KeyErrorKind::Jks)
    } else if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        Err(KeyErrorKind::Utf16)
    } else if bytes.first() == Some(&DER_SEQUENCE) {
        Ok(Content::Der(bytes))
    } else if pem::is_pem(bytes) {
        Ok(Content::Pem(pem::blocks(bytes)?))
    } else {
        Err(KeyErrorKind::Unrecognized)
    }
}

/// JKS and JCEKS files begin with these words.
pub(crate) fn is_jks(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xfe\xed\xfe\xed") || bytes.starts_with(b"\xce\xce\xce\xce")
}
