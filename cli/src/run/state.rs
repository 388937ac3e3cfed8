//! `--state FILE` keeps what a restart goes on from. The file is always whole: a new one is written beside it and then takes its
//! place.
//!
//! The format: `MXRUNST2`, the SHA-256 of the rest, a byte that is 1 if the process ended by itself, the
//! lengths of the snapshot and of the alerts (u64, little endian), both of them, and the batches that were
//! counted and not acknowledged: the name of each (16 bytes) and what was held back of it (see
//! [`Suppressed::write`]). Their output is not kept, which would be as large as the batches: it is made again when
//! they come again, and what was held back is left out of it. The first format had only the names.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::RunError;
use super::suppressed::Suppressed;
use crate::files::{FileError, PRIVATE, Place};
use crate::log;
use crate::output::delivery::Digest;

pub(super) const MAGIC: &[u8; 8] = b"MXRUNST2";
/// What the magic of every version begins with.
const MAGIC_BEGIN: &[u8] = b"MXRUNST";
/// What is said of a state of ours that is not whole.
const DAMAGED: &str = "is damaged";
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
    /// Batches that were counted and not acknowledged, and what was held back of them.
    pub batches: Vec<(Digest, Suppressed)>,
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
    ///
    /// # Errors
    /// Another process has it, or it is damaged; a folder, or a file of somebody else: a wrong command line.
    pub fn open(path: &Path, reset: bool) -> Result<(StateFile, Option<State>), RunError> {
        let name = path.display().to_string();
        let refused = |error| RunError::Usage(format!("the state {name} cannot be used: {error}"));
        let place = Place::of(path).map_err(refused)?;
        // Before anything is made or changed: the path may be mistyped, and somebody's file.
        let there = place.read().map_err(refused)?;
        if !reset && let Some(file) = &there {
            let mut begin = Vec::new();
            let read = file.take(MAGIC.len() as u64).read_to_end(&mut begin);
            read.map_err(|error| refused(error.into()))?;
            judge(&begin).map_err(|problem| unusable(&name, problem))?;
        }
        drop(there);
        // Beside where it really is, so that whoever names it otherwise finds the same lock.
        let lock = lock(&place.beside(".lock")).map_err(|error| match error {
            FileError::InUse => RunError::Failed(format!("the state {name}: {error}")),
            other => RunError::Usage(format!(
                "the state {name} cannot be locked by {name}.lock: {other}"
            )),
        })?;
        if reset {
            set_aside(place.path()).map_err(RunError::Failed)?;
        }
        let kept = match place.read().map_err(refused)? {
            Some(file) => {
                let mut bytes = Vec::new();
                let read = (&file).take(STATE_MAX_BYTES).read_to_end(&mut bytes);
                read.map_err(|error| refused(error.into()))?;
                judge(&bytes).map_err(|problem| unusable(&name, problem))?;
                place.hide(&file).map_err(refused)?;
                // An empty one was made for us: `touch`, `mktemp`.
                let is_new = bytes.is_empty();
                let kept = (!is_new).then(|| decode(&bytes)).transpose();
                kept.map_err(|problem| unusable(&name, problem))?
            }
            None => None,
        };
        let file = StateFile {
            name,
            place,
            _lock: lock,
        };
        Ok((file, kept))
    }

    /// Writes the file anew; it is on the disk when this returns.
    ///
    /// # Errors
    /// A sentence; the file is as it was then.
    pub fn write(&self, kept: &State) -> Result<(), String> {
        let written = self.place.replace(&encode(kept).parts(), PRIVATE);
        written.map_err(|error| format!("cannot write the state {}: {error}", self.name))
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
fn judge(begin: &[u8]) -> Result<(), &'static str> {
    if begin.is_empty() || begin.starts_with(MAGIC) {
        Ok(())
    } else if begin.starts_with(MAGIC_BEGIN) {
        Err("was written by another version of `maxconn run`")
    } else {
        Err("is not one of `maxconn run`")
    }
}

/// Why a file that is there cannot be gone on from.
fn unusable(name: &str, problem: &'static str) -> RunError {
    let sentence =
        format!("the state {name} {problem}; start with --state-reset, which sets it aside");
    match problem {
        DAMAGED => RunError::Failed(sentence),
        _ => RunError::Usage(sentence),
    }
}

fn set_aside(path: &Path) -> Result<(), String> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let mut aside = OsString::from(path);
    aside.push(format!(".aside-{seconds}"));
    let aside = PathBuf::from(aside);
    match fs::rename(path, &aside) {
        Ok(()) => {
            log::line(format_args!(
                "the state {} was set aside as {}",
                path.display(),
                aside.display()
            ));
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!(
            "cannot set the state {} aside: {error}",
            path.display()
        )),
    }
}

/// A state as it is written: what is large in it is not there again.
pub(super) struct Encoded<'a> {
    begin: Vec<u8>,
    kept: &'a State,
    batches: Vec<u8>,
}

impl Encoded<'_> {
    /// One behind the other.
    pub fn parts(&self) -> [&[u8]; 4] {
        [
            &self.begin,
            &self.kept.snapshot,
            &self.kept.alerts,
            &self.batches,
        ]
    }
}

pub(super) fn encode(kept: &State) -> Encoded<'_> {
    let mut lengths = vec![u8::from(kept.clean)];
    for part in [&kept.snapshot, &kept.alerts] {
        lengths.extend_from_slice(&(part.len() as u64).to_le_bytes());
    }
    let mut batches = Vec::new();
    for (digest, suppressed) in &kept.batches {
        batches.extend_from_slice(digest);
        suppressed.write(&mut batches);
    }
    let mut hash = Sha256::new();
    for part in [&lengths[..], &kept.snapshot, &kept.alerts, &batches] {
        hash.update(part);
    }
    Encoded {
        begin: [MAGIC.as_slice(), hash.finalize().as_slice(), &lengths].concat(),
        kept,
        batches,
    }
}

pub(crate) fn decode(bytes: &[u8]) -> Result<State, &'static str> {
    judge(bytes)?;
    let rest = bytes.strip_prefix(MAGIC).ok_or(DAMAGED)?;
    let (hash, rest) = rest.split_at_checked(HASH_BYTES).ok_or(DAMAGED)?;
    if Sha256::digest(rest).as_slice() != hash {
        return Err(DAMAGED);
    }
    let (clean, rest) = rest.split_first().ok_or(DAMAGED)?;
    let (lengths, rest) = rest.split_at_checked(16).ok_or(DAMAGED)?;
    let mut lengths = lengths
        .as_chunks::<8>()
        .0
        .iter()
        .map(|bytes| usize::try_from(u64::from_le_bytes(*bytes)).unwrap_or(usize::MAX));
    let mut length = || lengths.next().ok_or(DAMAGED);
    let (snapshot, rest) = rest.split_at_checked(length()?).ok_or(DAMAGED)?;
    let (alerts, rest) = rest.split_at_checked(length()?).ok_or(DAMAGED)?;
    let (mut batches, mut rest) = (Vec::new(), rest);
    while !rest.is_empty() {
        let (digest, after) = rest.split_first_chunk::<16>().ok_or(DAMAGED)?;
        let (suppressed, after) = Suppressed::read(after).ok_or(DAMAGED)?;
        batches.push((*digest, suppressed));
        rest = after;
    }
    Ok(State {
        clean: *clean == 1,
        snapshot: Bytes::copy_from_slice(snapshot),
        alerts: Bytes::copy_from_slice(alerts),
        batches,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn kept() -> State {
        State {
            clean: true,
            snapshot: "snapshot".into(),
            alerts: "{}\n{}\n".into(),
            batches: vec![
                ([1; 16], Suppressed::all()),
                ([2; 16], Suppressed::default()),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read_and_no_other_process_may() {
        let folder = std::env::temp_dir().join(format!("maxconn-state-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("state");
        let (file, nothing) = StateFile::open(&path, false).unwrap();
        assert_eq!(nothing, None);
        file.write(&State::default()).unwrap();
        file.write(&kept()).unwrap();
        let Err(sentence) = StateFile::open(&path, false) else {
            panic!("two at once");
        };
        assert!(sentence.to_string().contains("in use"), "{sentence}");
        drop(file);
        assert_eq!(StateFile::open(&path, false).unwrap().1, Some(kept()));
        assert_eq!(StateFile::open(&path, true).unwrap().1, None);
        let aside = fs::read_dir(&folder).unwrap().flatten();
        assert!(
            aside
                .into_iter()
                .any(|it| it.file_name().to_string_lossy().contains("aside-"))
        );
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_of_somebody_else_is_left_as_it_is_without_a_lock_and_an_empty_one_is_new() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("maxconn-others-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (path, lock) = (folder.join("mail.log"), folder.join("mail.log.lock"));
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        for (text, words) in [
            ("somebody's own", "not one of"),
            ("M", "not one of"),
            ("MXRUNST1", "another version"),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let Err(error) = StateFile::open(&path, false) else {
                panic!("taken for ours: {text}");
            };
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(
                (fs::read_to_string(&path).unwrap().as_str(), mode()),
                (text, 0o644)
            );
            assert!(!lock.exists());
        }
        fs::remove_file(&path).unwrap();
        symlink("nowhere", &path).unwrap();
        assert!(StateFile::open(&path, false).is_err() && !lock.exists());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        let (file, kept) = StateFile::open(&path, false).unwrap();
        assert_eq!((kept, mode()), (None, 0o600));
        drop(file);
        // What lies where the lock has to be is not taken for it.
        fs::write(&lock, "somebody's own").unwrap();
        let Err(error) = StateFile::open(&path, false) else {
            panic!("taken for a lock");
        };
        assert!(
            error.to_string().contains("something else than a lock"),
            "{error}"
        );
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn two_processes_share_no_state_whatever_they_call_it() {
        let folder = std::env::temp_dir().join(format!("maxconn-shared-{}", std::process::id()));
        let (real, link) = (folder.join("real"), folder.join("link"));
        fs::create_dir_all(&real).unwrap();
        symlink(&real, &link).unwrap();
        let (file, _) = StateFile::open(&real.join("state"), false).unwrap();
        file.write(&kept()).unwrap();
        let refusal = |path: &Path| match StateFile::open(path, false) {
            Ok(_) => panic!("two at once by {}", path.display()),
            Err(error) => error.to_string(),
        };
        // By a link to its folder, to itself, and by another name.
        assert!(refusal(&link.join("state")).contains("in use"));
        symlink(real.join("state"), folder.join("state")).unwrap();
        assert!(refusal(&folder.join("state")).contains("symbolic link"));
        fs::remove_file(folder.join("state")).unwrap();
        fs::hard_link(real.join("state"), folder.join("state")).unwrap();
        assert!(refusal(&folder.join("state")).contains("hard links"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn every_damage_is_seen() {
        let kept = kept();
        let encoded = encode(&kept);
        let [_, snapshot, alerts, _] = encoded.parts();
        // What may be large is there once, in a copy of what is kept as well.
        let copy = kept.clone();
        assert_eq!(
            [snapshot.as_ptr(), alerts.as_ptr()],
            [copy.snapshot.as_ptr(), copy.alerts.as_ptr()]
        );
        let whole = encoded.parts().concat();
        assert_eq!(decode(&whole).unwrap(), kept);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert!(decode(&damaged).is_err(), "byte {at}");
            assert!(decode(&whole[..at]).is_err(), "cut at {at}");
        }
        assert!(decode(b"{}").unwrap_err().contains("not one of"));
        assert!(decode(b"MXRUNST1").unwrap_err().contains("another version"));
    }
}
