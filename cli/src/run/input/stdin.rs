//! Standard input: a pipe from a shipper. It confirms nothing.

use std::io;
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Intake;
use super::body::without_mark;
use crate::log;
use crate::replay::input::compression;
use crate::replay::lines::{Chunk, LineReader};

/// About as much is read at once, in bytes.
const CHUNK_BYTES: usize = 128 * 1024;

/// Starts to read on a thread of its own. The receiver is told at the end of the input; the thread is
/// never waited for, as nothing can wake it while the pipe is silent.
///
/// # Errors
/// No thread can be had.
pub fn start(source: u16, intake: Intake) -> io::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    let runtime = Handle::current();
    thread::Builder::new()
        .name("stdin".to_string())
        .spawn(move || {
            let mut reader = LineReader::new(io::stdin(), CHUNK_BYTES, false);
            let mut chunk = Chunk::default();
            let mut at_start = true;
            loop {
                match reader.next(&mut chunk) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        log::line(format_args!("cannot read standard input: {error}"));
                        break;
                    }
                }
                let mut lines = chunk.lines();
                if std::mem::take(&mut at_start) {
                    if let Some(name) = compression(lines) {
                        log::line(format_args!(
                            "standard input is compressed by {name} and read as if it were text; decompress it before, like \
                             `{name} -dc FILE | maxconn run`"
                        ));
                    }
                    lines = without_mark(lines);
                }
                if !runtime.block_on(intake.hand_over(source, lines.to_vec())) {
                    break;
                }
            }
            // Nobody listens if the stop came first.
            let _ = ended.send(());
        })?;
    Ok(end)
}
