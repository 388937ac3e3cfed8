//! `--state FILE`: what a restart goes on from. The file is always whole: it is written beside and then
//! takes the place of the one before.
//!
//! The format: `MXRUNST2`, the SHA-256 of the rest, a byte that is 1 if the process ended by itself, the
//! lengths of the snapshot and of the alerts (u64, little endian), both of them, and the batches that were
//! counted and not acknowledged: the name of each (16 bytes) and what was held back of it (see
//! [`Held::write`]). Their output is not kept, which would be as large as the batches: it is made again when
//! they come again, and what was held back is left out of it. The first format had only the names.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use super::RunError;
use super::held::Held;
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
pub struct Kept {
    /// The process ended by itself, and nothing was counted after this was written.
    pub clean: bool,
    /// The guest's own state.
    pub snapshot: Vec<u8>,
    /// Alerts that were not delivered, one a line.
    pub alerts: Vec<u8>,
    /// Batches that were counted and not acknowledged, and what was held back of them.
    pub batches: Vec<(Digest, Held)>,
}

/// The file.
pub struct StateFile {
    /// As it was named.
    name: String,
    place: Place,
    /// Held as long as the process lives, so that no other one uses the file.
    _lock: File,
}

impl StateFile {
    /// Takes hold of a file and reads it, if it is there. With `reset` what is there is set aside.
    ///
    /// # Errors
    /// Another process has it, or it is damaged; a folder, or a file of somebody else: a wrong command line.
    pub fn open(path: &Path, reset: bool) -> Result<(StateFile, Option<Kept>), RunError> {
        let name = path.display().to_string();
        let refused = |error| RunError::Usage(format!("the state {name} cannot be used: {error}"));
        let place = Place::of(path).map_err(refused)?;
        // Beside where it really is, so that whoever names it otherwise finds the same lock.
        let lock = place.beside(".lock").lock().map_err(|error| match error {
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
                let read = file.take(STATE_MAX_BYTES).read_to_end(&mut bytes);
                read.map_err(|error| refused(error.into()))?;
                let kept = decode(&bytes).map_err(|problem| {
                    let sentence = format!(
                        "the state {name} {problem}; start with --state-reset, which sets it aside"
                    );
                    match problem {
                        DAMAGED => RunError::Failed(sentence),
                        _ => RunError::Usage(sentence),
                    }
                });
                Some(kept?)
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
    pub fn write(&self, kept: &Kept) -> Result<(), String> {
        let written = self.place.replace(&encode(kept), PRIVATE);
        written.map_err(|error| format!("cannot write the state {}: {error}", self.name))
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
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

pub(super) fn encode(kept: &Kept) -> Vec<u8> {
    let mut rest = vec![u8::from(kept.clean)];
    for part in [&kept.snapshot, &kept.alerts] {
        rest.extend_from_slice(&(part.len() as u64).to_le_bytes());
    }
    rest.extend_from_slice(&kept.snapshot);
    rest.extend_from_slice(&kept.alerts);
    for (digest, held) in &kept.batches {
        rest.extend_from_slice(digest);
        held.write(&mut rest);
    }
    [MAGIC.as_slice(), Sha256::digest(&rest).as_slice(), &rest].concat()
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Kept, &'static str> {
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| {
        if bytes.starts_with(MAGIC_BEGIN) {
            "was written by another version of `maxconn run`"
        } else {
            "is not one of `maxconn run`"
        }
    })?;
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
        let (held, after) = Held::read(after).ok_or(DAMAGED)?;
        batches.push((*digest, held));
        rest = after;
    }
    Ok(Kept {
        clean: *clean == 1,
        snapshot: snapshot.to_vec(),
        alerts: alerts.to_vec(),
        batches,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn kept() -> Kept {
        Kept {
            clean: true,
            snapshot: b"snapshot".to_vec(),
            alerts: b"{}\n{}\n".to_vec(),
            batches: vec![([1; 16], Held::everything()), ([2; 16], Held::default())],
        }
    }

    #[test]
    fn what_is_written_is_read_and_no_other_process_may() {
        let folder = std::env::temp_dir().join(format!("maxconn-state-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("state");
        let (file, nothing) = StateFile::open(&path, false).unwrap();
        assert_eq!(nothing, None);
        file.write(&Kept::default()).unwrap();
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
        let whole = encode(&kept());
        assert_eq!(decode(&whole).unwrap(), kept());
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
