//! Dead letters: documents that the next hop refuses for good, set aside with the reason.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::meter::Meter;

/// A file that documents are set aside in: one JSON object a line, with `reason` and `document`.
pub struct DeadLetters {
    path: PathBuf,
    file: File,
    meter: Meter,
}

impl DeadLetters {
    /// Opens the file, at its end if it is there.
    ///
    /// # Errors
    /// A sentence that names it.
    pub fn open(path: &Path, meter: Meter) -> Result<DeadLetters, String> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| {
            format!(
                "cannot open the dead letter file {}: {error}; name one that can be written",
                path.display()
            )
        })?;
        Ok(DeadLetters {
            path: path.to_path_buf(),
            file,
            meter,
        })
    }

    /// Sets a document aside; it is on the disk when this returns.
    ///
    /// # Errors
    /// A sentence; the document is not set aside then.
    pub fn write(&mut self, reason: &str, document: &[u8]) -> Result<(), String> {
        let document = String::from_utf8_lossy(document.trim_ascii_end());
        let line = format!("{}\n", json!({ "reason": reason, "document": document }));
        let written = self.file.write_all(line.as_bytes());
        written
            .and_then(|()| self.file.sync_data())
            .map_err(|error| {
                format!(
                    "cannot write to the dead letter file {}: {error}",
                    self.path.display()
                )
            })?;
        self.meter.dead_letters.inc();
        Ok(())
    }
}
