//! Reads ahead, on a thread of its own for each open input, so that decompression and the guest's work go on at the same
//! time.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use super::input::Log;
use crate::io::line_reader::Chunk;

/// How many chunks wait between the reading thread and the guest.
const QUEUE_CHUNKS: usize = 2;
/// How often a wait for input looks whether it is to stop, in ms: a signal does not end a read.
const STOP_POLL_MS: u64 = 100;

/// The chunks of one input.
pub struct Feed {
    chunks: Receiver<io::Result<Chunk>>,
    used: SyncSender<Chunk>,
}

impl Feed {
    /// Starts to open and to read: opening a pipe waits, too, for somebody who writes.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(open: impl FnOnce() -> io::Result<Log> + Send + 'static) -> io::Result<Feed> {
        let (sender, chunks) = sync_channel(QUEUE_CHUNKS);
        let (used, again) = sync_channel::<Chunk>(QUEUE_CHUNKS + 1);
        // Not joined: it ends when the channel is closed, or with the process if it waits for input.
        thread::Builder::new()
            .name("reader".to_string())
            .spawn(move || {
                let mut reader = match open() {
                    Ok(reader) => reader,
                    Err(error) => return drop(sender.send(Err(error))),
                };
                loop {
                    let mut chunk = again.try_recv().unwrap_or_default();
                    let message = match reader.next(&mut chunk) {
                        Ok(true) => Ok(chunk),
                        Ok(false) => return,
                        Err(error) => Err(error),
                    };
                    let failed = message.is_err();
                    if sender.send(message).is_err() || failed {
                        return;
                    }
                }
            })?;
        Ok(Feed { chunks, used })
    }

    /// The next chunk, `None` at the end or when `stop` is set. `waiting` is called before a wait and a few times a second
    /// during it, so that nothing is held back while a live input is silent.
    ///
    /// # Errors
    /// What stopped the reading; what `waiting` says.
    pub fn next<E>(
        &self,
        stop: &AtomicBool,
        mut waiting: impl FnMut() -> Result<(), E>,
    ) -> Result<io::Result<Option<Chunk>>, E> {
        if let Ok(message) = self.chunks.try_recv() {
            return Ok(message.map(Some));
        }
        loop {
            waiting()?;
            match self
                .chunks
                .recv_timeout(Duration::from_millis(STOP_POLL_MS))
            {
                Ok(message) => return Ok(message.map(Some)),
                Err(RecvTimeoutError::Disconnected) => return Ok(Ok(None)),
                Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => {
                    return Ok(Ok(None));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Gives a chunk back, so that its memory is used again.
    pub fn give_back(&self, chunk: Chunk) {
        match self.used.try_send(chunk) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}
