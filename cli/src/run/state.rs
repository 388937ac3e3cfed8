//! `--state FILE`: what a restart goes on from. The file is always whole: it is written beside and then
//! takes the place of the one before.
//!
//! The format: `MXRUNST2`, the SHA-256 of the rest, a byte that is 1 if the process ended by itself, the
//! lengths of the snapshot and of the alerts (u64, little endian), both of them, and the batches that were
//! counted and not acknowledged: the name of each (16 bytes) and what was held back of it (see
//! [`Held::write`]). Their output is not kept, which would be as large as the batches: it is made again when
//! they come again, and what was held back is left out of it. The first format had only the names.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use super::RunError;
use super::held::Held;
use crate::log;
use crate::output::delivery::Digest;

const MAGIC: &[u8; 8] = b"MXRUNST2";
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
    path: PathBuf,
    /// Held as long as the process lives, so that no other one uses the file.
    _lock: File,
}

impl StateFile {
    /// Takes hold of a file and reads it, if it is there. With `reset` what is there is set aside.
    ///
    /// # Errors
    /// Another process has it, or it is damaged; a folder, or a file of somebody else: a wrong command line.
    pub fn open(path: &Path, reset: bool) -> Result<(StateFile, Option<Kept>), RunError> {
        let name = path.display();
        if path.is_dir() {
            return Err(RunError::Usage(format!(
                "the state {name} is a folder; name a file in it"
            )));
        }
        let lock_path = beside(path, ".lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path);
        let lock = lock.map_err(|error| {
            RunError::Usage(format!(
                "cannot open {}: {error}; name a state in a folder that can be written",
                lock_path.display()
            ))
        })?;
        lock.try_lock().map_err(|_| {
            RunError::Failed(format!(
                "the state {name} is in use by another process; name another one"
            ))
        })?;
        if reset {
            set_aside(path).map_err(RunError::Failed)?;
        }
        let unreadable = |error: io::Error| {
            RunError::Failed(format!(
                "cannot read the state {name}: {error}; name one that this user may read"
            ))
        };
        let kept = match File::open(path) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(STATE_MAX_BYTES)
                    .read_to_end(&mut bytes)
                    .map_err(unreadable)?;
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
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(error)),
        };
        let file = StateFile {
            path: path.to_path_buf(),
            _lock: lock,
        };
        Ok((file, kept))
    }

    /// Writes the file anew; it is on the disk when this returns.
    ///
    /// # Errors
    /// A sentence; the file is as it was then.
    pub fn write(&self, kept: &Kept) -> Result<(), String> {
        let new = beside(&self.path, ".new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&encode(kept))?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
            // The name is part of the folder, which is written for itself.
            let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|error| {
            format!(
                "cannot write the state {}: {error}; make room there",
                self.path.display()
            )
        })
    }

    /// The file's name.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

fn set_aside(path: &Path) -> Result<(), String> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let aside = beside(path, &format!(".aside-{seconds}"));
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

fn encode(kept: &Kept) -> Vec<u8> {
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

fn decode(bytes: &[u8]) -> Result<Kept, &'static str> {
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
