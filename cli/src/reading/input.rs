//! Opens what is to be replayed: files and standard input, plain or compressed.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::not_a_log::judge;
use crate::io::compression::decompressed;
use crate::io::follow::Follow;
use crate::io::framing::unframed;
use crate::io::line_reader::{Chunk, LineReader};

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input, written `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// What is known of an input before it is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Its size as it lies there, 0 where that is unknown.
    pub size_bytes: u64,
    /// When it was last written, in ms since the Unix epoch.
    pub modified_ms: Option<i64>,
    /// A regular file: it can be opened again, and reading it never waits.
    pub regular: bool,
    /// It is read on for as long as somebody writes into it.
    pub is_followed: bool,
}

impl Input {
    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Input::Stdin => "standard input".to_string(),
            Input::File(path) => path.display().to_string(),
        }
    }

    /// `log.file.path` of its lines.
    pub fn path(&self) -> Option<String> {
        match self {
            Input::Stdin => None,
            Input::File(path) => Some(path.to_string_lossy().into_owned()),
        }
    }

    /// Looks at it without reading it.
    ///
    /// # Errors
    /// It is not there, or it is a folder.
    pub fn facts(&self) -> io::Result<Facts> {
        let Input::File(path) = self else {
            return Ok(Facts {
                size_bytes: 0,
                modified_ms: None,
                regular: false,
                is_followed: false,
            });
        };
        let metadata = path.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::other("it is a folder; name the files in it"));
        }
        let since_epoch = |time: SystemTime| {
            i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
        };
        Ok(Facts {
            size_bytes: if metadata.is_file() {
                metadata.len()
            } else {
                0
            },
            modified_ms: metadata.modified().ok().and_then(since_epoch),
            regular: metadata.is_file(),
            is_followed: false,
        })
    }

    /// Opens it for reading what it holds, decompressed, in UTF-8 and a record a line, in chunks (`LineReader::new`). `position` is moved on
    /// by every byte that is read as it lies there.
    pub fn open(
        &self,
        position: Arc<AtomicU64>,
        chunk_bytes: usize,
        facts: Facts,
    ) -> io::Result<Log> {
        let stream = match self {
            Input::Stdin => decompressed(Counted {
                inner: io::stdin(),
                position,
            }),
            Input::File(path) if facts.is_followed => decompressed(Counted {
                inner: Follow::open(path.clone())?,
                position,
            }),
            Input::File(path) => decompressed(Counted {
                inner: File::open(path)?,
                position,
            }),
        };
        Ok(Log {
            reader: LineReader::new(unframed(stream?)?, chunk_bytes, facts.regular),
            is_judged: false,
        })
    }
}

/// An input that is open.
pub struct Log {
    reader: LineReader<Box<dyn Read + Send>>,
    is_judged: bool,
}

impl Log {
    /// As [`LineReader::next`].
    ///
    /// # Errors
    /// It cannot be read, or is no log.
    pub fn next(&mut self, chunk: &mut Chunk) -> io::Result<bool> {
        let is_there = self.reader.next(chunk)?;
        if is_there && !std::mem::replace(&mut self.is_judged, true) {
            judge(chunk.lines()).map_or(Ok(()), |found| Err(io::Error::other(found)))?;
        }
        Ok(is_there)
    }
}

/// Counts what passes, for the progress bar.
struct Counted<R> {
    inner: R,
    position: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.position.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
