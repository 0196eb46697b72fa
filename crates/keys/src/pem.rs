//! PEM blocks (RFC 7468), with the headers that encrypted keys of old have (RFC 1421).
//!
//! The common PEM crates either refuse those headers, or fail on a file for a block that nobody asked for, or leave
//! copies of the key in memory; splitting lines is all there is to it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::error::KeyErrorKind;

/// One `-----BEGIN LABEL-----` … `-----END LABEL-----`.
pub(crate) struct Block {
    pub(crate) label: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

impl Block {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

pub(crate) fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(BEGIN.len()).any(|window| window == BEGIN.as_bytes())
}

/// All blocks, in order. Text around them is ignored, as RFC 7468 section 5.2 allows.
pub(crate) fn blocks(bytes: &[u8]) -> Result<Vec<Block>, KeyErrorKind> {
    let mut blocks = Vec::new();
    let mut open: Option<OpenBlock<'_>> = None;
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        match &mut open {
            None => {
                // A byte order mark may stand before the first block.
                let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
                let damaged = KeyErrorKind::DamagedPem { line: index + 1 };
                if let Some(label) = delimiter(line, BEGIN, &damaged)? {
                    open =
                        Some(OpenBlock { line: index + 1, label, headers: Vec::new(), base64: Vec::new() });
                }
            }
            Some(block) => {
                let damaged = KeyErrorKind::DamagedPem { line: block.line };
                if let Some(label) = delimiter(line, END, &damaged)? {
                    let block = open.take().filter(|block| block.label == label).ok_or(damaged)?;
                    blocks.push(block.close()?);
                } else {
                    block.line(line)?;
                }
            }
        }
    }
    match open {
        None => Ok(blocks),
        Some(block) => Err(KeyErrorKind::DamagedPem { line: block.line }),
    }
}

struct OpenBlock<'a> {
    line: usize,
    label: String,
    headers: Vec<(String, String)>,
    base64: Vec<&'a [u8]>,
}

impl<'a> OpenBlock<'a> {
    fn line(&mut self, line: &'a [u8]) -> Result<(), KeyErrorKind> {
        if line.is_empty() {
            return Ok(());
        }
        // Base64 has no colon, so a line with one is a header; headers end where the base64 begins.
        if self.base64.is_empty() && line.contains(&b':') {
            let text = str::from_utf8(line).map_err(|_| KeyErrorKind::DamagedPem { line: self.line })?;
            let (name, value) = text.split_once(':').unwrap_or((text, ""));
            self.headers.push((name.trim().to_owned(), value.trim().to_owned()));
        } else {
            self.base64.push(line);
        }
        Ok(())
    }

    fn close(self) -> Result<Block, KeyErrorKind> {
        let damaged = KeyErrorKind::DamagedPem { line: self.line };
        // Both are made as large as they get: a vector that grows leaves copies behind.
        let mut base64 = Zeroizing::new(Vec::with_capacity(self.base64.iter().map(|line| line.len()).sum()));
        base64.extend(self.base64.iter().copied().flatten().filter(|byte| !byte.is_ascii_whitespace()));
        let mut der = Zeroizing::new(Vec::with_capacity(base64.len()));
        STANDARD.decode_vec(&*base64, &mut der).map_err(|_| damaged)?;
        Ok(Block { label: self.label, headers: self.headers, der })
    }
}

/// The label of a `-----BEGIN LABEL-----` or `-----END LABEL-----` line, and `None` for any other line.
///
/// Labels are shown in errors, so this is strict: where a whole key stands on one line, it is no label.
fn delimiter(line: &[u8], start: &str, damaged: &KeyErrorKind) -> Result<Option<String>, KeyErrorKind> {
    const LONGEST: usize = 64;
    let Some(rest) = line.strip_prefix(start.as_bytes()) else {
        return Ok(None);
    };
    let label = rest.strip_suffix(DASHES.as_bytes()).and_then(|label| str::from_utf8(label).ok());
    let is_label = |label: &&str| {
        label.len() <= LONGEST && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ' || b == b'#')
    };
    match label.filter(is_label) {
        Some(label) => Ok(Some(label.trim().to_owned())),
        None => Err(damaged.clone()),
    }
}
