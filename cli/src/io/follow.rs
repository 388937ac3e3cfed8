//! Reads a file for as long as somebody writes into it, also when it is rotated: renamed and made anew, or copied and truncated.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// How often it looks whether there is more.
const POLL: Duration = Duration::from_millis(200);

/// A file that is followed by its name. Its reader waits where there is nothing more; it never says that it is at the end.
pub struct Follow {
    path: PathBuf,
    file: File,
    identity: (u64, u64),
    position: u64,
    is_within_line: bool,
}

impl Follow {
    /// Opens it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: PathBuf) -> io::Result<Follow> {
        let file = File::open(&path)?;
        Ok(Follow {
            identity: identity(&file.metadata()?),
            path,
            file,
            position: 0,
            is_within_line: false,
        })
    }

    /// Where reading goes on after the end of the file.
    fn next(&self) -> Next {
        // Between the rename and the new file there is none for a moment.
        match self.path.metadata() {
            Ok(there) if identity(&there) != self.identity => Next::Another,
            Ok(there) if there.len() < self.position => Next::Begin,
            _ => Next::Here,
        }
    }

    fn take(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.position += count as u64;
        if let Some(last) = buffer.get(..count).and_then(<[u8]>::last) {
            self.is_within_line = *last != b'\n';
        }
        Ok(count)
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl Read for Follow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.take(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match self.next() {
                Next::Here => {
                    thread::sleep(POLL);
                    continue;
                }
                Next::Begin => self.file.rewind()?,
                Next::Another => {
                    // What was written since the last look.
                    let count = self.take(buffer)?;
                    if count > 0 {
                        return Ok(count);
                    }
                    let Ok(file) = File::open(&self.path) else {
                        continue;
                    };
                    self.identity = identity(&file.metadata()?);
                    self.file = file;
                }
            }
            self.position = 0;
            if std::mem::take(&mut self.is_within_line)
                && let Some(first) = buffer.first_mut()
            {
                // The line that was begun there does not go on here.
                *first = b'\n';
                return Ok(1);
            }
        }
    }
}

/// Where reading goes on.
enum Next {
    /// Where it is, once there is more.
    Here,
    /// At the file's begin: it was truncated.
    Begin,
    /// In another file of that name.
    Another,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{BufRead, BufReader, Write};
    use std::path::Path;
    use test_support::command::Folder;

    fn append(path: &Path, text: &str) {
        let file = File::options().append(true).create(true).open(path);
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn lines_come_over_rotation_and_truncation() {
        let folder = Folder::new();
        let (path, old) = (folder.join("mail.log"), folder.join("mail.log.1"));
        append(&path, "one\ntwo\n");
        let mut reader = BufReader::new(Follow::open(path.clone()).unwrap());
        let mut next = || {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line
        };
        assert_eq!((next(), next()), ("one\n".to_string(), "two\n".to_string()));
        append(&path, "three\n");
        fs::rename(&path, &old).unwrap();
        append(&old, "four, unen");
        append(&path, "five\n");
        assert_eq!(next(), "three\n");
        assert_eq!(next(), "four, unen\n");
        assert_eq!(next(), "five\n");
        // copytruncate.
        File::create(&path).unwrap();
        append(&path, "six\n");
        assert_eq!(next(), "six\n");
    }
}
