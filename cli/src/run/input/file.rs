//! `file:PATH` reads a log for as long as somebody writes into it, over its rotation, and goes on where it was.
//!
//! Where that is stands in a file beside the state. It is moved on after the next hop has taken a line and before the line is forgotten, so
//! that a process that is killed at any time reads none too few; what it reads again is known by its place in the file.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::runtime::Handle;

use super::confirming::Confirming;
use super::cut::{BATCH_MAX_BYTES, BATCH_MAX_RECORDS};
use crate::files::{FileError, PRIVATE, Place};
use crate::io::lines::{LINE_MAX_BYTES, line_piece};
use crate::log;
use crate::output::delivery::Digest;
use crate::run::ledger::Claim;

/// How often it looks whether there is more.
const POLL: Duration = Duration::from_millis(200);
/// A file that cannot be read, or is not there, is spoken of once, and tried this often.
const RETRY: Duration = Duration::from_secs(1);
/// Files are told apart by so much of their begin, where the system has given an inode away again.
const BEGIN_BYTES: u64 = 256;

/// Where reading goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    device: u64,
    inode: u64,
    offset: u64,
    /// What the file begins with, hashed, and how much of it that is.
    begin: String,
    begin_bytes: u64,
}

/// Why the place in a file is not known, or not kept.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum PositionError {
    #[error("the position {path}: {1}; mend it, or remove it to begin at the end of the log", path = .0.display())]
    File(PathBuf, FileError),
    #[error("the position {} is damaged; remove it to begin at the end of the log", .0.display())]
    Damaged(PathBuf),
}

/// A log that is followed.
pub struct FileInput {
    path: PathBuf,
    confirming: Confirming,
    runtime: Handle,
    /// Where the position is kept.
    place: Option<Place>,
    position: Option<Position>,
    tail: Option<Tail>,
    /// That the file cannot be read was said.
    is_told: bool,
}

/// An open file, and what was read of it and is no whole line yet.
struct Tail {
    file: File,
    device: u64,
    inode: u64,
    /// Where the bytes in `rest` begin.
    offset: u64,
    rest: Vec<u8>,
}

/// Where reading goes on at the end of a file.
enum Next {
    Here,
    Begin,
    Another,
}

/// Starts to read, on a thread of its own. `state` is the file whose neighbour keeps the position.
///
/// # Errors
/// The position cannot be read; no thread can be had.
pub fn start(
    path: &Path,
    state: Option<&Path>,
    confirming: Confirming,
) -> Result<io::Result<()>, PositionError> {
    let (place, position) = match state {
        Some(state) => {
            let (place, position) = read_position(&position_path(state, path))?;
            (Some(place), position)
        }
        None => {
            log::warn!(
                "without --state a restart begins at the end of {}, and what is written until then is not seen",
                path.display()
            );
            (None, None)
        }
    };
    let input = FileInput {
        path: path.to_path_buf(),
        confirming,
        runtime: Handle::current(),
        place,
        position,
        tail: None,
        is_told: false,
    };
    let thread = thread::Builder::new().name("file".to_string());
    Ok(thread.spawn(move || input.run()).map(drop))
}

/// `STATE.position-` and what tells the log from others.
fn position_path(state: &Path, log: &Path) -> PathBuf {
    let name = Sha256::digest(log.as_os_str().as_encoded_bytes());
    let name = data_encoding::HEXLOWER.encode(name.get(..8).unwrap_or_default());
    let mut path = state.as_os_str().to_os_string();
    path.push(format!(".position-{name}"));
    PathBuf::from(path)
}

fn read_position(path: &Path) -> Result<(Place, Option<Position>), PositionError> {
    let wrong = |error| PositionError::File(path.to_path_buf(), error);
    let place = Place::of(path).map_err(wrong)?;
    let Some(mut file) = place.read().map_err(wrong)? else {
        return Ok((place, None));
    };
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(|error| wrong(error.into()))?;
    match serde_json::from_str(&text) {
        Ok(position) => Ok((place, Some(position))),
        Err(_) => Err(PositionError::Damaged(path.to_path_buf())),
    }
}

impl FileInput {
    fn run(mut self) {
        while self.goes_on() {
            match self.step() {
                Ok(true) => self.is_told = false,
                Ok(false) => thread::sleep(POLL),
                Err(error) => {
                    if !std::mem::replace(&mut self.is_told, true) {
                        let path = self.path.display();
                        log::warn!("cannot read {path}: {error}; it is tried again until it works");
                    }
                    thread::sleep(RETRY);
                }
            }
        }
    }

    /// Whether the process takes records.
    fn goes_on(&self) -> bool {
        self.runtime
            .block_on(self.confirming.intake.room(0))
            .is_some()
    }

    /// Reads once and delivers what is whole of it; `false` if there was nothing.
    fn step(&mut self) -> io::Result<bool> {
        if self.tail.is_none() {
            let tail = self.open()?;
            let offset = tail.offset;
            self.tail = Some(tail);
            if self.position.is_none() {
                // What is written from now on must be seen, even if nothing was delivered before a crash.
                self.keep(offset);
            }
        }
        let Some(tail) = &mut self.tail else {
            return Ok(false);
        };
        let is_more = tail.read()?;
        let lines = tail.lines(false);
        if !lines.is_empty() {
            self.deliver(lines);
            return Ok(true);
        }
        if is_more {
            return Ok(true);
        }
        match next(&self.path, tail) {
            Next::Here => return Ok(false),
            // What was written since the last look comes first.
            Next::Another if tail.read()? => return Ok(true),
            Next::Another => {
                let lines = tail.lines(true);
                self.deliver(lines);
                self.tail = Some(Tail::open(&self.path, 0)?);
            }
            Next::Begin => {
                tail.file.rewind()?;
                (tail.offset, tail.rest) = (0, Vec::new());
            }
        }
        Ok(true)
    }

    /// Opens what is to be read first: where it was, else the end of what is there.
    fn open(&self) -> io::Result<Tail> {
        let Some(position) = &self.position else {
            let mut tail = Tail::open(&self.path, 0)?;
            // Old floods are none of today's; `maxconn replay` tells of them.
            tail.offset = tail.file.seek(SeekFrom::End(0))?;
            return Ok(tail);
        };
        let is_it = |path: &Path| position.is_in(path).unwrap_or(false);
        if is_it(&self.path) {
            return Tail::open(&self.path, position.offset);
        }
        // Rotated while nobody looked: its rest comes first.
        let folder = self.path.parent().filter(|it| *it != Path::new(""));
        let folder = folder.unwrap_or(Path::new("."));
        let there = fs::read_dir(folder).into_iter().flatten().flatten();
        let rotated = there.map(|it| it.path()).find(|path| is_it(path));
        match rotated {
            Some(path) => Tail::open(&path, position.offset),
            None => Tail::open(&self.path, 0),
        }
    }

    /// Hands lines over and waits until the next hop has taken them.
    fn deliver(&mut self, lines: Vec<Line>) {
        for batch in lines.chunks(BATCH_MAX_RECORDS) {
            let mut texts = Vec::new();
            let Some(tail) = &self.tail else { return };
            let place = [tail.device.to_le_bytes(), tail.inode.to_le_bytes()].concat();
            let mut names = Vec::new();
            let mut end = 0;
            for line in batch {
                // Blank lines are no records.
                if !line.text.trim_ascii().is_empty() {
                    texts.extend_from_slice(&line.text);
                    let offset = line.offset.to_le_bytes();
                    names.push(self.confirming.digest(&[&place, &offset, &line.text]));
                }
                end = line.end;
            }
            let Some(claims) = self.hand_over(&texts, &names) else {
                return;
            };
            for claim in &claims {
                self.runtime.block_on(claim.ticket.delivered());
            }
            // First of all: what is forgotten must not be read again.
            self.keep(end);
            Claim::acknowledge(claims);
        }
    }

    fn hand_over(&self, texts: &[u8], names: &[Digest]) -> Option<Vec<Claim>> {
        if texts.is_empty() {
            return Some(Vec::new());
        }
        let room = self.confirming.intake.room(texts.len());
        let room = self.runtime.block_on(room)?;
        self.confirming.hand_over_each(texts, names, room)
    }

    /// Keeps where reading would go on.
    fn keep(&mut self, offset: u64) {
        let (Some(place), Some(tail)) = (&self.place, &mut self.tail) else {
            return;
        };
        let kept = tail.position(offset).map_err(FileError::from);
        let kept = kept.and_then(|position| {
            let text = serde_json::to_vec(&position).unwrap_or_default();
            place.replace(&[&text], PRIVATE)
        });
        if let Err(error) = kept {
            self.confirming.metrics.state_failures.inc();
            log::error!(
                "cannot keep the position in {}: {error}",
                self.path.display()
            );
        }
    }
}

/// A line, with where it lies in its file.
struct Line {
    offset: u64,
    end: u64,
    /// With its newline.
    text: Vec<u8>,
}

impl Tail {
    fn open(path: &Path, offset: u64) -> io::Result<Tail> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::other("it is a folder; name the files in it"));
        }
        file.seek(SeekFrom::Start(offset))?;
        let (device, inode) = identity(&metadata);
        Ok(Tail {
            file,
            device,
            inode,
            offset,
            rest: Vec::new(),
        })
    }

    /// Reads a part; `false` at the end.
    fn read(&mut self) -> io::Result<bool> {
        let before = self.rest.len();
        let mut part = (&self.file).take(BATCH_MAX_BYTES as u64);
        part.read_to_end(&mut self.rest)?;
        Ok(self.rest.len() > before)
    }

    /// The lines that are whole by now; at the file's end also the last one. A longer one is cut.
    fn lines(&mut self, is_end: bool) -> Vec<Line> {
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

    fn position(&self, offset: u64) -> io::Result<Position> {
        let begin_bytes = offset.min(BEGIN_BYTES);
        Ok(Position {
            device: self.device,
            inode: self.inode,
            offset,
            begin: begin(&self.file, begin_bytes)?,
            begin_bytes,
        })
    }
}

impl Position {
    /// Whether it is one in this file.
    fn is_in(&self, path: &Path) -> io::Result<bool> {
        let metadata = path.metadata()?;
        Ok(identity(&metadata) == (self.device, self.inode)
            && metadata.len() >= self.offset
            && begin(&File::open(path)?, self.begin_bytes)? == self.begin)
    }
}

/// What a file begins with, hashed.
fn begin(file: &File, bytes: u64) -> io::Result<String> {
    let mut begin = vec![0; usize::try_from(bytes).unwrap_or(0)];
    file.read_exact_at(&mut begin, 0)?;
    let hash = Sha256::digest(&begin);
    Ok(data_encoding::HEXLOWER.encode(hash.get(..16).unwrap_or_default()))
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn next(path: &Path, tail: &Tail) -> Next {
    let read = tail.offset + tail.rest.len() as u64;
    // Between the rename and the new file there is none for a moment.
    match path.metadata() {
        Ok(there) if identity(&there) != (tail.device, tail.inode) => Next::Another,
        Ok(there) if there.len() < read => Next::Begin,
        _ => Next::Here,
    }
}
