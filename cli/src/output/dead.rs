//! Sets dead letters aside: documents that the next hop refuses for good, each with the reason.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde_json::json;
use thiserror::Error;

use super::meter::Meter;
use super::trouble::Trouble;
use crate::files::{FileError, Place};
use crate::{log, system};

/// What every line begins with.
const LINE_BEGIN: &[u8] = b"{\"document\":";
/// A last line without an end is looked at if it is no longer than this, in bytes.
const TORN_MAX_BYTES: u64 = 8 << 20;

/// Why a document cannot be set aside. Both name the file.
#[derive(Debug, Error)]
pub enum DeadLetterError {
    #[error("cannot open the dead letter file {path}: {1}", path = .0.display())]
    Open(PathBuf, FileError),
    #[error("cannot write to the dead letter file {path}: {1}; make room there", path = .0.display())]
    Write(PathBuf, io::Error),
}

/// A file that documents are set aside in: one JSON object a line, with `reason` and `document`. It has whole lines
/// only.
pub struct DeadLetters {
    path: PathBuf,
    file: File,
    /// How long the file was before a line that is there in part and could not be cut off yet.
    whole_bytes: Option<u64>,
    meter: Meter,
}

impl DeadLetters {
    /// Opens the file, at its end if it is there.
    ///
    /// # Errors
    /// [`DeadLetterError::Open`].
    pub fn open(path: &Path, meter: Meter) -> Result<DeadLetters, DeadLetterError> {
        let opened = Place::of(path).and_then(|place| {
            let mut file = place.lock()?;
            judge(&file)?;
            place.hide(&file)?;
            let mended = end_last_line(&mut file)?;
            Ok((file, mended))
        });
        let (file, mended) =
            opened.map_err(|error| DeadLetterError::Open(path.to_path_buf(), error))?;
        if let Some(mended) = mended {
            log::warn!(
                "the last line of the dead letter file {} had no end: {mended}",
                path.display()
            );
        }
        Ok(DeadLetters {
            path: path.to_path_buf(),
            file,
            whole_bytes: None,
            meter,
        })
    }

    /// Sets a document aside; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`DeadLetterError::Write`]; the document is not set aside then, nor a part of it.
    pub fn write(&mut self, reason: &str, document: &[u8]) -> Result<(), DeadLetterError> {
        let document = String::from_utf8_lossy(document.trim_ascii_end());
        let line = format!("{}\n", json!({ "document": document, "reason": reason }));
        self.append(line.as_bytes())
            .map_err(|error| DeadLetterError::Write(self.path.clone(), error))?;
        self.meter.dead_letters.inc();
        Ok(())
    }

    /// The same for a file that there may not be; `mend` says what to do then.
    ///
    /// # Errors
    /// Why the document is not set aside.
    pub fn bury(
        dead: &mut Option<DeadLetters>,
        reason: String,
        document: &[u8],
        mend: &'static str,
    ) -> Result<(), Trouble> {
        match dead {
            Some(dead) => Ok(dead.write(&reason, document)?),
            None => Err(Trouble::NoDeadLetters(reason, mend)),
        }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.cut()?;
        let whole_bytes = self.file.metadata()?.len();
        let written = system::write_all(&mut self.file, line);
        written
            .and_then(|()| system::sync(&self.file))
            .inspect_err(|_| {
                self.whole_bytes = Some(whole_bytes);
                // If not now, then before the next line.
                let _ = self.cut();
            })
    }

    /// Cuts off what is there of a line that was not written whole.
    fn cut(&mut self) -> io::Result<()> {
        if let Some(whole_bytes) = self.whole_bytes {
            // Somebody may have emptied the file to make room.
            if self.file.metadata()?.len() > whole_bytes {
                self.file.set_len(whole_bytes)?;
            }
            self.whole_bytes = None;
        }
        Ok(())
    }
}

/// Whether the file is empty, or begins as ours do: whoever mistypes a path must not spoil what is there.
fn judge(file: &File) -> Result<(), FileError> {
    let mut begin = Vec::new();
    file.take(LINE_BEGIN.len() as u64).read_to_end(&mut begin)?;
    // A full disk may have left less than that.
    match LINE_BEGIN.starts_with(&begin) {
        true => Ok(()),
        false => Err(FileError::Other("dead letters")),
    }
}

/// Sees to it that the file ends with the end of a line; says what was done for that. A line of ours that is there in
/// part is of no use to anybody: its document was not set aside, and has come again.
fn end_last_line(file: &mut File) -> Result<Option<String>, FileError> {
    let bytes = file.metadata()?.len();
    if matches!(last_bytes(file, 1)?.as_slice(), [] | [b'\n']) {
        return Ok(None);
    }
    let tail = last_bytes(file, TORN_MAX_BYTES)?;
    let start = memchr::memrchr(b'\n', &tail).map_or(0, |at| at + 1);
    let line = tail.get(start..).unwrap_or_default();
    let is_whole = serde_json::from_slice::<IgnoredAny>(line).is_ok();
    let torn_bytes = line.len() as u64;
    if !is_whole && line.starts_with(LINE_BEGIN) {
        file.set_len(bytes - torn_bytes)?;
        return Ok(Some(format!(
            "its {torn_bytes} bytes, a part of a document, were cut off"
        )));
    }
    file.write_all(b"\n")?;
    Ok(Some("it was ended".to_string()))
}

fn last_bytes(file: &mut File, count: u64) -> io::Result<Vec<u8>> {
    let start = file.metadata()?.len().saturating_sub(count);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(count).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use test_support::command::Folder;
    use test_support::contains;

    #[test]
    fn a_last_line_without_an_end_is_cut_if_it_is_a_part_of_ours_and_else_ended() {
        let folder = Folder::new();
        let path = folder.join("dead.ndjson");
        let whole = "{\"document\":\"a\",\"reason\":\"b\"}";
        for (before, after) in [
            (String::new(), String::new()),
            (format!("{whole}\n"), format!("{whole}\n")),
            (whole.to_string(), format!("{whole}\n")),
            (format!("{whole}\n{{\"document\":\"a"), format!("{whole}\n")),
            (format!("{whole}\n{whole}"), format!("{whole}\n{whole}\n")),
        ] {
            fs::write(&path, &before).unwrap();
            let mut dead = DeadLetters::open(&path, Meter::new()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), after, "of {before}");
            dead.write("b", b"a\n").unwrap();
            let written = fs::read_to_string(&path).unwrap();
            assert_eq!(written, format!("{after}{whole}\n"));
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_left_as_it_is() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new();
        for text in ["somebody's own", "{\"message\":\"a record\"}\n", "\n\n"] {
            let path = folder.write("foreign", text);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
            let Err(error) = DeadLetters::open(&path, Meter::new()) else {
                panic!("taken for ours: {text}");
            };
            contains(&error.to_string(), &["something else than dead letters"]);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(folder.mode("foreign"), 0o664);
        }
    }

    /// Tells the process that the test starts that it is the one with little room.
    const LITTLE_ROOM: &str = "MAXCONN_TEST_DEAD_LETTERS";

    #[test]
    fn a_full_disk_leaves_whole_lines_and_what_is_tried_again_is_there_once() {
        let Some(path) = std::env::var_os(LITTLE_ROOM).map(PathBuf::from) else {
            let folder = Folder::new();
            let path = folder.join("full");
            let name = "output::dead::tests::a_full_disk_leaves_whole_lines_and_what_is_tried_again_is_there_once";
            // No file may be larger than a block or so, which is an error like any other.
            let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" --exact \"$1\" --test-threads 1";
            let status = std::process::Command::new("sh")
                .args(["-c", script])
                .arg(std::env::current_exe().unwrap())
                .arg(name)
                .env(LITTLE_ROOM, &path)
                .stdout(std::process::Stdio::null())
                .status();
            let lines = fs::read_to_string(&path).unwrap();
            assert!(status.unwrap().success());
            assert_eq!(lines, "{\"document\":\"last\",\"reason\":\"b\"}\n");
            return;
        };
        let document = "x".repeat(100);
        let mut dead = DeadLetters::open(&path, Meter::new()).unwrap();
        let mut count = 0;
        let sentence = loop {
            match dead.write("b", document.as_bytes()) {
                Ok(()) => count += 1,
                Err(error) => break error.to_string(),
            }
        };
        assert!(sentence.contains("make room there"), "{sentence}");
        let text = fs::read_to_string(&path).unwrap();
        let line = format!("{{\"document\":\"{document}\",\"reason\":\"b\"}}\n");
        assert!(count > 0);
        assert_eq!(text, line.repeat(count));
        assert!(dead.write("b", document.as_bytes()).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        // Somebody makes room.
        fs::write(&path, "").unwrap();
        dead.write("b", b"last").unwrap();
        assert_eq!(dead.meter.dead_letters.get(), count as u64 + 1);
    }
}
