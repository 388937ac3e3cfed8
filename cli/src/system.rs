//! Asks the machine for threads, the wall clock, chance, connections, and for what must be on the disk. All of it is here, so
//! that in tests a simulation stands in the machine's place (`sim`) and the rest is the same code.

use std::fs::{self, File};
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

#[cfg(test)]
use crate::sim;

/// A connection.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection of any kind.
pub type AnyStream = Box<dyn Stream>;

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
    // Nobody may be waiting any more.
    let finish = |result| drop(ended.send(result));
    #[cfg(test)]
    if sim::is_on() {
        tokio::spawn(async move { finish(sim::slowly(work).await) });
        return Ok(end);
    }
    // A runtime of its own: the thread does not depend on one that is shut down before it.
    let runtime = Builder::new_current_thread().enable_time().build()?;
    thread::Builder::new()
        .name(name.to_string())
        .spawn(move || finish(runtime.block_on(work)))?;
    Ok(end)
}

/// The time, in ms since the Unix epoch.
pub fn now_ms() -> i64 {
    #[cfg(test)]
    if let Some(now_ms) = sim::now_ms() {
        return now_ms;
    }
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// A number that nobody knows beforehand, from the keys that the standard library seeds its hash tables with.
pub fn random() -> u64 {
    #[cfg(test)]
    if let Some(number) = sim::random() {
        return number;
    }
    RandomState::new().hash_one(std::process::id())
}

/// Connects by TCP.
pub async fn connect(host: &str, port: u16) -> io::Result<AnyStream> {
    #[cfg(test)]
    if sim::is_on() {
        return sim::connect(host, port).await;
    }
    let stream = TcpStream::connect((host, port)).await?;
    // What is sent is handed over whole: there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    Ok(Box::new(stream))
}

/// Writes bytes to a file.
///
/// # Errors
/// What the system says; a part of them may be there then.
pub fn write_all(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    if let Some(result) = sim::write_all(file, bytes) {
        return result;
    }
    file.write_all(bytes)
}

/// Waits until what was written to a file is on the disk.
pub fn sync(file: &File) -> io::Result<()> {
    #[cfg(test)]
    if let Some(result) = sim::sync(file) {
        return result;
    }
    file.sync_all()
}

/// Gives a file another name; what had that is gone.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(test)]
    if let Some(result) = sim::rename(from, to) {
        return result;
    }
    fs::rename(from, to)
}

/// Waits until the names of a folder's files are on the disk: they are part of the folder, not of the files.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(test)]
    if let Some(result) = sim::sync_folder(folder) {
        return result;
    }
    File::open(folder)?.sync_all()
}
