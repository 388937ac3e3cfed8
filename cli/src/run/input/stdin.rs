//! Reads standard input, a pipe from a shipper. It confirms nothing.

use std::io::{self, IsTerminal, Read};
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Intake;
use crate::io::byte_order_mark::mark_bytes;
use crate::io::compression::Compression;
use crate::io::line_reader::{Chunk, LineReader};
use crate::log;

/// About as much is read at once, in bytes.
const CHUNK_BYTES: usize = 128 * 1024;

/// Reads on a thread of its own. The receiver is told at the end of the input; the thread is never waited for, as
/// nothing can wake it while the pipe is silent.
///
/// # Errors
/// No thread can be had.
pub fn on_a_thread(
    read: impl FnOnce(Handle) + Send + 'static,
) -> io::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    let runtime = Handle::current();
    let thread = thread::Builder::new().name("stdin".to_string());
    thread.spawn(move || {
        read(runtime);
        // Nobody listens if the stop came first.
        let _ = ended.send(());
    })?;
    Ok(end)
}

/// Starts to read.
///
/// # Errors
/// No thread can be had.
pub fn start(source: u16, intake: Intake) -> io::Result<oneshot::Receiver<()>> {
    if io::stdin().is_terminal() {
        log::info!(
            "lines are read from this terminal; Ctrl-D ends them, --input names something else"
        );
    }
    on_a_thread(move |runtime| {
        if let Err(error) = read(io::stdin(), source, &intake, &runtime) {
            log::error!("cannot read standard input: {error}");
        }
    })
}

fn read(stdin: impl Read, source: u16, intake: &Intake, runtime: &Handle) -> io::Result<()> {
    let mut reader = LineReader::new(stdin, CHUNK_BYTES, false);
    let (mut chunk, mut at_start) = (Chunk::default(), true);
    while reader.next(&mut chunk)? {
        let mut lines = chunk.lines();
        if std::mem::take(&mut at_start) {
            if let Some(name) = Compression::of_text(lines) {
                log::warn!(
                    "standard input is compressed by {name} and read as if it were text; decompress it before, like \
                     `{name} -dc FILE | maxconn run`"
                );
            }
            lines = lines.get(mark_bytes(lines)..).unwrap_or(&[]);
        }
        if !runtime.block_on(intake.hand_over(source, lines.to_vec())) {
            break;
        }
    }
    Ok(())
}
