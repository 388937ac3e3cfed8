//! `--state FILE` keeps what a restart goes on from. The file is always whole: a new one is written beside it and then takes its
//! place.
//!
//! The format: `MXRUNST3`, the SHA-256 of that and of what follows but for the marks, a byte that is 1 if the process ended by itself, the
//! lengths of the snapshot, of the alerts, of what other outputs of alerts are to be told (see [`crate::alerts`]) and of the batches
//! (u64, little endian), all four, and [marks](super::marks), which are
//! added while the file is there. The batches are those that were counted and not acknowledged: the name of each (16 bytes) and what
//! was held back of it (see [`Suppressed::write`]). Their output is not kept, which would be as large as the batches: it is made
//! again when they come again, and what was held back is left out of it. The second format had no marks, no other outputs and no length of the
//! batches, which were the rest of the file, and its hash was of that alone; the first had only the batches' names.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::ledger::{Ledger, Remembered};
use super::marks::Mark;
use super::suppressed::Suppressed;
use crate::files::{FileError, PRIVATE, Place};
use crate::{log, system};
use maxconn_host::HostError;

const MAGIC: &[u8; 8] = b"MXRUNST3";
/// That of the version before, which is read.
pub(super) const MAGIC_BEFORE: &[u8; 8] = b"MXRUNST2";
/// What the magic of every version begins with.
const MAGIC_BEGIN: &[u8] = b"MXRUNST";
const HASH_BYTES: usize = 32;
/// No state of ours is larger, in bytes.
const STATE_MAX_BYTES: u64 = 256 << 20;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The process ended by itself, and nothing was counted after this was written.
    pub clean: bool,
    /// The guest's own state.
    pub snapshot: Bytes,
    /// Alerts that were not delivered, one a line.
    pub alerts: Bytes,
    /// What other outputs are still to be told of alerts, and what fires there (see [`crate::alerts`]).
    pub outputs: Bytes,
    /// What is known of batches.
    pub batches: Remembered,
}

/// What is wrong with what is in a file.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NotAState {
    #[error("is not one of `maxconn run`")]
    Foreign,
    #[error("was written by another version of `maxconn run`")]
    OtherVersion,
    #[error("is damaged")]
    Damaged,
}

/// Why a state is of no use. All name the file.
#[derive(Debug, Error)]
pub enum StateError {
    #[error("the state {0} cannot be used: {1}")]
    Unusable(String, FileError),
    #[error("the state {0}: {error}", error = FileError::InUse)]
    InUse(String),
    #[error("the state {0} cannot be locked by {0}.lock: {1}")]
    Lock(String, FileError),
    #[error("the state {0} {1}; start with --state-reset, which sets it aside")]
    Contents(String, NotAState),
    #[error("the state {0} cannot be used: {1}; or start with --state-reset, which sets it aside")]
    Refused(String, HostError),
    #[error("cannot set the state {path} aside: {1}", path = .0.display())]
    SetAside(PathBuf, io::Error),
    #[error("cannot write the state {0}: {1}")]
    Write(String, FileError),
    #[error("the thread that writes the state has failed; report this")]
    Thread,
}

impl StateError {
    /// Whether the command line names a wrong file.
    pub fn is_usage(&self) -> bool {
        match self {
            StateError::Unusable(..) | StateError::Lock(..) => true,
            StateError::Contents(_, problem) => *problem != NotAState::Damaged,
            _ => false,
        }
    }
}

/// The file.
pub struct StateFile {
    /// As it was named.
    name: String,
    place: Place,
    /// Suppressed as long as the process lives, so that no other one uses the file.
    _lock: File,
}

impl StateFile {
    /// Takes hold of a file and reads it, if it is there. With `reset` what is there is set aside.
    pub fn open(path: &Path, reset: bool) -> Result<(StateFile, Option<State>), StateError> {
        let name = path.display().to_string();
        let refused = |error| StateError::Unusable(name.clone(), error);
        let contents = |problem| StateError::Contents(name.clone(), problem);
        let place = Place::of(path).map_err(refused)?;
        let read = |file: &File, max_bytes| {
            let mut bytes = Vec::new();
            let read = file.take(max_bytes).read_to_end(&mut bytes);
            read.map_err(|error| refused(error.into()))?;
            judge(&bytes).map_err(contents)?;
            Ok(bytes)
        };
        // Before anything is made or changed: the path may be mistyped, and somebody's file.
        let there = place.read().map_err(refused)?;
        if let Some(file) = there.filter(|_| !reset) {
            read(&file, MAGIC.len() as u64)?;
        }
        // Beside where it really is, so that whoever names it otherwise finds the same lock.
        let lock = lock(&place.beside(".lock")).map_err(|error| match error {
            FileError::InUse => StateError::InUse(name.clone()),
            other => StateError::Lock(name.clone(), other),
        })?;
        if reset {
            set_aside(place.path())?;
        }
        let mut state = None;
        if let Some(file) = place.read().map_err(refused)? {
            let bytes = read(&file, STATE_MAX_BYTES)?;
            place.hide(&file).map_err(refused)?;
            // An empty one was made for us: `touch`, `mktemp`.
            if !bytes.is_empty() {
                state = Some(decode(&bytes).map_err(contents)?);
            }
        }
        let file = StateFile {
            name,
            place,
            _lock: lock,
        };
        Ok((file, state))
    }

    /// Writes the file anew; it is on the disk when this returns. From then on the ledger marks there what becomes of batches.
    ///
    /// # Errors
    /// [`StateError::Write`]; the file is as it was then.
    pub fn write(&self, state: &State, ledger: &Ledger) -> Result<(), StateError> {
        let known = state.batches.known;
        let encoded = encode(state);
        let written = self.place.replace_with(&encoded.parts(), PRIVATE, |file| {
            ledger.begin_marks(file, known)
        });
        ledger.end_marks(known, written.is_ok());
        written.map_err(|error| StateError::Write(self.name.clone(), error))
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Takes hold of the lock, a file without contents.
fn lock(place: &Place) -> Result<File, FileError> {
    let lock = place.lock()?;
    if lock.metadata()?.len() > 0 {
        return Err(FileError::Other("a lock, which is empty"));
    }
    place.hide(&lock)?;
    Ok(lock)
}

/// Whether a file with this beginning, of at least the magic's length, is a state of ours, or empty.
fn judge(begin: &[u8]) -> Result<(), NotAState> {
    if begin.is_empty() || begin.starts_with(MAGIC) || begin.starts_with(MAGIC_BEFORE) {
        Ok(())
    } else if begin.starts_with(MAGIC_BEGIN) {
        Err(NotAState::OtherVersion)
    } else {
        Err(NotAState::Foreign)
    }
}

fn set_aside(path: &Path) -> Result<(), StateError> {
    let mut aside = OsString::from(path);
    aside.push(format!(".aside-{}", system::now_ms() / 1000));
    let aside = PathBuf::from(aside);
    match fs::rename(path, &aside) {
        Ok(()) => log::info!(
            "the state {} was set aside as {}",
            path.display(),
            aside.display()
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(StateError::SetAside(path.to_path_buf(), error)),
    }
    Ok(())
}

/// A state as it is written: what is large in it is not there again.
pub(super) struct Encoded<'a> {
    begin: Vec<u8>,
    state: &'a State,
    batches: Vec<u8>,
    marks: Vec<u8>,
}

impl Encoded<'_> {
    /// One behind the other.
    pub fn parts(&self) -> [&[u8]; 6] {
        [
            &self.begin,
            &self.state.snapshot,
            &self.state.alerts,
            &self.state.outputs,
            &self.batches,
            &self.marks,
        ]
    }
}

pub(super) fn encode(state: &State) -> Encoded<'_> {
    let mut batches = Vec::new();
    for (digest, suppressed) in &state.batches.counted {
        batches.extend_from_slice(digest);
        suppressed.write(&mut batches);
    }
    let mut lengths = vec![u8::from(state.clean)];
    for part in [&state.snapshot[..], &state.alerts, &state.outputs, &batches] {
        lengths.extend_from_slice(&(part.len() as u64).to_le_bytes());
    }
    let mut hash = Sha256::new();
    for part in [
        MAGIC,
        &lengths[..],
        &state.snapshot,
        &state.alerts,
        &state.outputs,
        &batches,
    ] {
        hash.update(part);
    }
    let marks = state.batches.marks.iter().flat_map(|mark| mark.bytes());
    Encoded {
        begin: [MAGIC.as_slice(), hash.finalize().as_slice(), &lengths].concat(),
        state,
        batches,
        marks: marks.collect(),
    }
}

pub(crate) fn decode(bytes: &[u8]) -> Result<State, NotAState> {
    judge(bytes)?;
    whole(bytes).ok_or(NotAState::Damaged)
}

/// What is in a file that is whole.
fn whole(bytes: &[u8]) -> Option<State> {
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let (hash, hashed) = rest.split_at_checked(HASH_BYTES)?;
    let (clean, rest) = hashed.split_first()?;
    let (snapshot_bytes, rest) = length(rest)?;
    let (alerts_bytes, rest) = length(rest)?;
    let mut sha = Sha256::new();
    let (outputs_bytes, batches_bytes, rest) = if magic == MAGIC {
        sha.update(magic);
        let (outputs, rest) = length(rest)?;
        length(rest).map(|(batches, rest)| (outputs, Some(batches), rest))?
    } else {
        (0, None, rest)
    };
    let (snapshot, rest) = rest.split_at_checked(snapshot_bytes)?;
    let (alerts, rest) = rest.split_at_checked(alerts_bytes)?;
    let (outputs, rest) = rest.split_at_checked(outputs_bytes)?;
    let (mut batches, marks) = rest.split_at_checked(batches_bytes.unwrap_or(rest.len()))?;
    sha.update(hashed.get(..hashed.len() - marks.len())?);
    if sha.finalize().as_slice() != hash {
        return None;
    }
    let mut counted = Vec::new();
    while !batches.is_empty() {
        let (digest, after) = batches.split_first_chunk::<16>()?;
        let (suppressed, after) = Suppressed::read(after)?;
        counted.push((*digest, suppressed));
        batches = after;
    }
    Some(State {
        clean: *clean == 1,
        snapshot: Bytes::copy_from_slice(snapshot),
        alerts: Bytes::copy_from_slice(alerts),
        outputs: Bytes::copy_from_slice(outputs),
        batches: Remembered {
            counted,
            marks: Mark::read_all(marks),
            known: 0,
        },
    })
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    Some((length, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use test_support::command::Folder;
    use test_support::contains;

    fn refusal(path: &Path) -> String {
        match StateFile::open(path, false) {
            Ok(_) => panic!("{} is taken", path.display()),
            Err(error) => error.to_string(),
        }
    }

    fn kept() -> State {
        State {
            clean: true,
            snapshot: "snapshot".into(),
            alerts: "{}\n{}\n".into(),
            outputs: "{}\n".into(),
            batches: Remembered {
                counted: vec![
                    ([1; 16], Suppressed::all()),
                    ([2; 16], Suppressed::default()),
                ],
                ..Remembered::default()
            },
        }
    }

    #[test]
    fn what_is_written_is_read_and_no_other_process_may() {
        let folder = Folder::new();
        let path = folder.join("state");
        let (file, nothing) = StateFile::open(&path, false).unwrap();
        assert_eq!(nothing, None);
        let ledger = Ledger::default();
        file.write(&State::default(), &ledger).unwrap();
        file.write(&kept(), &ledger).unwrap();
        contains(&refusal(&path), &["in use"]);
        drop(file);
        assert_eq!(StateFile::open(&path, false).unwrap().1, Some(kept()));
        assert_eq!(StateFile::open(&path, true).unwrap().1, None);
        let mut there = fs::read_dir(&*folder).unwrap().flatten();
        assert!(there.any(|it| it.file_name().to_string_lossy().contains("aside-")));
    }

    #[test]
    fn a_file_of_somebody_else_is_left_as_it_is_without_a_lock_and_an_empty_one_is_new() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new();
        let (path, lock) = (folder.join("mail.log"), folder.join("mail.log.lock"));
        for (text, words) in [
            ("somebody's own", "not one of"),
            ("M", "not one of"),
            ("MXRUNST1", "another version"),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            contains(&refusal(&path), &[words]);
            assert_eq!(folder.read("mail.log"), text.as_bytes());
            assert_eq!(folder.mode("mail.log"), 0o644);
            assert!(!lock.exists());
        }
        fs::remove_file(&path).unwrap();
        symlink("nowhere", &path).unwrap();
        assert!(StateFile::open(&path, false).is_err() && !lock.exists());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        let (file, kept) = StateFile::open(&path, false).unwrap();
        assert_eq!((kept, folder.mode("mail.log")), (None, 0o600));
        drop(file);
        // What lies where the lock has to be is not taken for it.
        fs::write(&lock, "somebody's own").unwrap();
        contains(&refusal(&path), &["something else than a lock"]);
    }

    #[test]
    fn two_processes_share_no_state_whatever_they_call_it() {
        let folder = Folder::new();
        let (real, link) = (folder.join("real"), folder.join("link"));
        fs::create_dir_all(&real).unwrap();
        symlink(&real, &link).unwrap();
        let (file, _) = StateFile::open(&real.join("state"), false).unwrap();
        file.write(&kept(), &Ledger::default()).unwrap();
        // By a link to its folder, to itself, and by another name.
        assert!(refusal(&link.join("state")).contains("in use"));
        symlink(real.join("state"), folder.join("state")).unwrap();
        assert!(refusal(&folder.join("state")).contains("symbolic link"));
        fs::remove_file(folder.join("state")).unwrap();
        fs::hard_link(real.join("state"), folder.join("state")).unwrap();
        assert!(refusal(&folder.join("state")).contains("hard links"));
    }

    #[test]
    fn every_damage_is_seen() {
        let kept = kept();
        let encoded = encode(&kept);
        let [_, snapshot, alerts, ..] = encoded.parts();
        // What may be large is there once, in a copy of what is kept as well.
        let copy = kept.clone();
        assert_eq!(snapshot.as_ptr(), copy.snapshot.as_ptr());
        assert_eq!(alerts.as_ptr(), copy.alerts.as_ptr());
        let whole = encoded.parts().concat();
        assert_eq!(decode(&whole).unwrap(), kept);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert!(decode(&damaged).is_err(), "byte {at}");
            assert!(decode(&whole[..at]).is_err(), "cut at {at}");
        }
        assert_eq!(decode(b"{}"), Err(NotAState::Foreign));
        assert_eq!(decode(b"MXRUNST1"), Err(NotAState::OtherVersion));
    }

    #[test]
    fn marks_are_read_as_far_as_they_are_whole_and_do_no_harm_otherwise() {
        let mut marked = kept();
        marked.batches.marks = vec![Mark::Delivered([2; 16]), Mark::Released([1; 16])];
        let whole = encode(&marked).parts().concat();
        assert_eq!(decode(&whole).unwrap(), marked);
        let begin = encode(&kept()).parts().concat().len();
        for cut in begin..whole.len() {
            let state = decode(&whole[..cut]).unwrap();
            let first = &marked.batches.marks[..(cut - begin) / 17];
            assert_eq!(state.batches.marks, first);
            assert_eq!(state.batches.counted, marked.batches.counted);
        }
        // What is no mark ends them.
        let mut damaged = whole;
        damaged[begin] = 0;
        assert_eq!(decode(&damaged).unwrap(), kept());
    }

    #[test]
    fn a_state_of_the_version_before_is_read() {
        let kept = State {
            outputs: Bytes::new(),
            ..kept()
        };
        let encoded = encode(&kept);
        let [begin, snapshot, alerts, _, batches, _] = encoded.parts();
        // Without the lengths of other outputs and of the batches.
        let lengths = &begin[8 + HASH_BYTES..begin.len() - 16];
        let rest = [lengths, snapshot, alerts, batches].concat();
        let hash = Sha256::digest(&rest);
        let bytes = [MAGIC_BEFORE.as_slice(), hash.as_slice(), &rest].concat();
        assert_eq!(decode(&bytes), Ok(kept));
        let longer = [&bytes[..], b"x"].concat();
        assert_eq!(decode(&longer), Err(NotAState::Damaged));
    }
}
