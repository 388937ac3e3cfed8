//! Writes what comes out to standard output, on a thread of its own.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Output is handed to the writing thread in pieces of about this size.
const PIECE_BYTES: usize = 256 * 1024;
/// How many pieces wait for a slow reader of ours; then the replay waits as well.
const QUEUE_PIECES: usize = 4;

/// Gathers output and hands it to the writing thread.
pub struct Writer {
    piece: Vec<u8>,
    pieces: SyncSender<Vec<u8>>,
    used: Receiver<Vec<u8>>,
    failed: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<()>>,
}

impl Writer {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(mut out: impl Write + Send + 'static) -> io::Result<Writer> {
        let (pieces, todo) = sync_channel::<Vec<u8>>(QUEUE_PIECES);
        let (done, used) = sync_channel(QUEUE_PIECES + 1);
        let failed = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&failed);
        let thread = thread::Builder::new()
            .name("writer".to_string())
            .spawn(move || {
                for mut piece in todo {
                    if let Err(error) = out.write_all(&piece).and_then(|()| out.flush()) {
                        tell.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                    piece.clear();
                    // A full queue only means that this piece is not used again.
                    let _ = done.try_send(piece);
                }
                Ok(())
            })?;
        Ok(Writer {
            piece: Vec::with_capacity(PIECE_BYTES),
            pieces,
            used,
            failed,
            thread,
        })
    }

    /// Adds output.
    pub fn write(&mut self, bytes: &[u8]) {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush();
        }
    }

    /// Hands on what was gathered.
    pub fn flush(&mut self) {
        if !self.piece.is_empty() {
            let next = self.used.try_recv().unwrap_or_default();
            // Fails only when writing has failed, which `finish` tells.
            let _ = self.pieces.send(std::mem::replace(&mut self.piece, next));
        }
    }

    /// Writing has failed: there is no point in going on.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Writes the rest and waits for it.
    ///
    /// # Errors
    /// What stopped the writing, at any time.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush();
        drop(self.pieces);
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the writing thread has failed")))
    }
}
