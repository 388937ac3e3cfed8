//! What is asked of the machine while something runs. All of it is here, so that a simulation can stand in the
//! machine's place.

use std::future::Future;
use std::io;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Does some work on a thread of its own, which may block, and which nobody waits for when the process ends. The
/// receiver gets what comes of it, or nothing if it panics.
///
/// # Errors
/// No thread can be had.
pub fn spawn<T: Send + 'static>(
    name: &str,
    work: impl Future<Output = T> + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let (ended, end) = oneshot::channel();
    // A runtime of its own: the thread does not depend on one that is shut down before it.
    let runtime = Builder::new_current_thread().enable_time().build()?;
    thread::Builder::new()
        .name(name.to_string())
        .spawn(move || {
            // Nobody may be waiting any more.
            let _ = ended.send(runtime.block_on(work));
        })?;
    Ok(end)
}
