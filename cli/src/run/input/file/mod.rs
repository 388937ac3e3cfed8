//! `file:PATH` reads a log for as long as somebody writes into it, over its rotation, and goes on where it was.
//!
//! Where that is stands in a file beside the state. It is moved on after the next hop has taken a line and before the line is forgotten, so
//! that a process that is killed at any time reads none too few; what it reads again is known by its place in the file.

mod log_files;
mod tail;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use self::log_files::{LogFile, Next, log_files, next};
use self::tail::{Line, Position, Tail};
use super::confirming::Confirming;
use super::cut::BATCH_MAX_RECORDS;
use crate::files::{FileError, PRIVATE, Place};
use crate::log;
use crate::output::delivery::Digest;
use crate::run::ledger::Claim;

/// How often it looks whether there is more.
const POLL: Duration = Duration::from_millis(200);
/// A file that cannot be read, or is not there, is spoken of once, and tried this often.
const RETRY: Duration = Duration::from_secs(1);
/// Nobody reads more of what is kept.
const POSITION_MAX_BYTES: u64 = 4096;

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
    /// Held until the position of what is delivered is kept.
    delivering: Arc<Mutex<()>>,
    /// Where the position is kept.
    place: Option<Place>,
    position: Option<Position>,
    tail: Option<Tail>,
    /// That the file cannot be read was said.
    is_told: bool,
}

/// Starts to read, on a thread of its own. `state` is the file whose neighbour keeps the position. Once the intake is closed, what
/// this gives can be locked as soon as the position of what was delivered is kept.
///
/// # Errors
/// The position cannot be read; no thread can be had.
pub fn start(
    path: &Path,
    state: Option<&Path>,
    confirming: Confirming,
) -> Result<io::Result<Arc<Mutex<()>>>, PositionError> {
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
    let delivering = Arc::default();
    let input = FileInput {
        delivering: Arc::clone(&delivering),
        path: path.to_path_buf(),
        confirming,
        runtime: Handle::current(),
        place,
        position,
        tail: None,
        is_told: false,
    };
    let thread = thread::Builder::new().name("file".to_string());
    let started = thread.spawn(move || input.run());
    Ok(started.map(|_| delivering))
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
    let mut text = Vec::new();
    (&mut file)
        .take(POSITION_MAX_BYTES)
        .read_to_end(&mut text)
        .map_err(|error| wrong(error.into()))?;
    match serde_json::from_slice(&text) {
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
                        log::warn!(
                            "cannot read {error}; it is tried again until it works, and nothing else is read before"
                        );
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
            Next::Another(_) if tail.read()? => return Ok(true),
            Next::Another(next) => {
                let lines = tail.lines(true);
                self.deliver(lines);
                let tail = match Tail::open(&next.path, 0) {
                    Ok(tail) if tail.identity == next.identity => tail,
                    // Renamed in between: another look will tell.
                    Ok(_) => return Ok(false),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                    Err(error) => return Err(error),
                };
                self.tail = Some(tail);
                // The file before may be gone at the next start.
                self.keep(0);
            }
        }
        Ok(true)
    }

    /// Opens what is to be read first: where it was, else the end of what is there.
    fn open(&self) -> io::Result<Tail> {
        let Some(position) = &self.position else {
            // Old floods are none of today's; `maxconn replay` tells of them.
            return Tail::open_at_end(&self.path);
        };
        let there = log_files(&self.path);
        let newest = |is_it: &dyn Fn(&LogFile) -> bool| there.iter().rev().find(|file| is_it(file));
        // Rotated while nobody looked: its rest comes first.
        let own = newest(&|file| position.is_in(file))
            .or_else(|| newest(&|file| position.is_copied_to(file)));
        if let Some(file) = own {
            return Tail::open(&file.path, position.offset);
        }
        // It was removed or compressed since: what came after it is there.
        let later = there
            .iter()
            .find(|it| it.modified_ns > position.modified_ns);
        let next = later.map_or(&self.path, |it| &it.path);
        log::warn!(
            "what was read last of {} is not there any more: its rest is not seen, and reading goes on at the begin of {}",
            self.path.display(),
            next.display()
        );
        Tail::open(next, 0)
    }

    /// Hands lines over and waits until the next hop has taken them.
    fn deliver(&mut self, lines: Vec<Line>) {
        let delivering = Arc::clone(&self.delivering);
        let _delivering = delivering.blocking_lock();
        for batch in lines.chunks(BATCH_MAX_RECORDS) {
            let mut texts = Vec::new();
            let Some(tail) = &self.tail else { return };
            let (device, inode) = tail.identity;
            let place = [device.to_le_bytes(), inode.to_le_bytes()].concat();
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
