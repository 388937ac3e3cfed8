//! An open log, and the place in it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::log_files::{Identity, LogFile, identity, modified_ns};
use crate::io::lines::{LINE_MAX_BYTES, line_piece};
use crate::run::input::cut::BATCH_MAX_BYTES;

/// Files are told apart by so much of their begin, where the system has given an inode away again.
const BEGIN_BYTES: u64 = 256;

/// Where reading goes on. What an earlier version kept has no time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    device: u64,
    inode: u64,
    pub(super) offset: u64,
    /// What the file begins with, hashed, and how much of it that is.
    begin: String,
    begin_bytes: u64,
    /// When it was last written to, in ns since the Unix epoch; what was rotated after it is newer.
    #[serde(default = "never")]
    pub(super) modified_ns: i64,
}

fn never() -> i64 {
    i64::MAX
}

/// An open file, and what was read of it and is no whole line yet.
pub(super) struct Tail {
    file: File,
    pub(super) identity: Identity,
    /// Where the bytes in `rest` begin.
    pub(super) offset: u64,
    rest: Vec<u8>,
    /// What the file begins with, as far as it was read.
    begin: Vec<u8>,
}

/// A line, with where it lies in its file.
pub(super) struct Line {
    pub(super) offset: u64,
    pub(super) end: u64,
    /// With its newline.
    pub(super) text: Vec<u8>,
}

impl Tail {
    pub(super) fn open(path: &Path, offset: u64) -> io::Result<Tail> {
        Tail::try_open(path, offset)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    fn try_open(path: &Path, offset: u64) -> io::Result<Tail> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::other("it is a folder; name the files in it"));
        }
        file.seek(SeekFrom::Start(offset))?;
        let mut begin = vec![0; usize::try_from(offset.min(BEGIN_BYTES)).unwrap_or(0)];
        file.read_exact_at(&mut begin, 0)?;
        Ok(Tail {
            file,
            identity: identity(&metadata),
            offset,
            rest: Vec::new(),
            begin,
        })
    }

    /// The end of what is there.
    pub(super) fn open_at_end(path: &Path) -> io::Result<Tail> {
        Tail::open(path, path.metadata().map_or(0, |it| it.len()))
    }

    /// Reads a part, from the begin on if the file was cut off; `false` at the end.
    pub(super) fn read(&mut self) -> io::Result<bool> {
        if self.is_cut_off()? {
            self.file.rewind()?;
            (self.offset, self.rest, self.begin) = (0, Vec::new(), Vec::new());
        }
        let before = self.rest.len();
        let mut part = (&self.file).take(BATCH_MAX_BYTES as u64);
        part.read_to_end(&mut self.rest)?;
        // From what was read, for by now the file may begin with something else.
        let known = self.begin.len();
        if let Some(from) = (known as u64).checked_sub(self.offset) {
            let more = self.rest.iter().skip(usize::try_from(from).unwrap_or(0));
            let room = (BEGIN_BYTES as usize).saturating_sub(known);
            self.begin.extend(more.take(room));
        }
        Ok(self.rest.len() > before)
    }

    /// Whether it ends before what was read of it, or begins with something else.
    fn is_cut_off(&self) -> io::Result<bool> {
        let read = self.offset + self.rest.len() as u64;
        let mut begin = vec![0; self.begin.len()];
        Ok(self.file.metadata()?.len() < read
            || self.file.read_exact_at(&mut begin, 0).is_err()
            || begin != self.begin)
    }

    /// The lines that are whole by now; at the file's end also the last one. A longer one is cut.
    pub(super) fn lines(&mut self, is_end: bool) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut at = 0;
        while at < self.rest.len() {
            let rest = self.rest.get(at..).unwrap_or_default();
            let length = match memchr::memchr(b'\n', rest) {
                Some(end) if end < LINE_MAX_BYTES => end + 1,
                _ if rest.len() >= LINE_MAX_BYTES => {
                    line_piece(rest, LINE_MAX_BYTES).0.len().max(1)
                }
                _ if is_end => rest.len(),
                _ => break,
            };
            let offset = self.offset + at as u64;
            let mut text = rest.get(..length).unwrap_or_default().to_vec();
            if text.last() != Some(&b'\n') {
                text.push(b'\n');
            }
            at += length;
            let end = self.offset + at as u64;
            lines.push(Line { offset, end, text });
        }
        self.rest.drain(..at);
        self.offset += at as u64;
        lines
    }

    pub(super) fn position(&self, offset: u64) -> io::Result<Position> {
        let begin_bytes = offset.min(BEGIN_BYTES);
        let (device, inode) = self.identity;
        Ok(Position {
            device,
            inode,
            offset,
            begin: begin(&self.file, begin_bytes)?,
            begin_bytes,
            modified_ns: modified_ns(&self.file.metadata()?),
        })
    }
}

impl Position {
    /// Whether it is one in this file.
    pub(super) fn is_in(&self, file: &LogFile) -> bool {
        // One that cannot be read may be it: it is waited for.
        file.identity == (self.device, self.inode) && self.is_before(file).unwrap_or(true)
    }

    /// Whether it is one in a copy of its file, which was cut off then.
    pub(super) fn is_copied_to(&self, file: &LogFile) -> bool {
        self.begin_bytes > 0 && self.is_before(file).unwrap_or(false)
    }

    /// Whether the file begins as its own did, and reaches as far.
    fn is_before(&self, file: &LogFile) -> io::Result<bool> {
        Ok(file.bytes >= self.offset
            && begin(&File::open(&file.path)?, self.begin_bytes)? == self.begin)
    }
}

/// What a file begins with, hashed.
fn begin(file: &File, bytes: u64) -> io::Result<String> {
    let mut begin = vec![0; usize::try_from(bytes).unwrap_or(0)];
    file.read_exact_at(&mut begin, 0)?;
    let hash = Sha256::digest(&begin);
    Ok(data_encoding::HEXLOWER.encode(hash.get(..16).unwrap_or_default()))
}
