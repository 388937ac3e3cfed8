//! Sockets: what is listened at, and connections of every kind as one.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::activity::{Activities, Activity};
use super::metrics::Metrics;
use crate::log;
pub use crate::system::AnyStream;

/// How many connections an address has at once. One more makes the one end that has done nothing for the
/// longest; if all do something it waits.
const CONNECTIONS_MAX: usize = 256;
/// How long it waits until it is seen whether one does nothing by now.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long it may take until TLS is spoken.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// A pause after the system refused a connection, as when there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is listened at.
pub enum Listener {
    /// A port.
    Tcp(TcpListener),
    /// A socket in the file system; it is removed at the end.
    Unix(UnixListener, PathBuf),
    /// One that the simulation plays.
    #[cfg(test)]
    Played(crate::sim::Listener),
}

impl Listener {
    /// Listens at `HOST:PORT`, and says where, in the words of the command line: the port may have been
    /// left to the system.
    ///
    /// # Errors
    /// A sentence.
    pub async fn tcp(address: &str, what: &str, scheme: &str) -> Result<Listener, String> {
        #[cfg(test)]
        if let Some(listener) = crate::sim::listen(address) {
            return Ok(Listener::Played(listener));
        }
        let failed = |error: io::Error| {
            let mend = match error.kind() {
                io::ErrorKind::AddrInUse => "name another port, or end what uses it",
                io::ErrorKind::PermissionDenied => {
                    "name a port from 1024 on, or run this as a user who may use that one"
                }
                io::ErrorKind::AddrNotAvailable => {
                    "this machine has no such address; name one that it has, or 0.0.0.0 for all"
                }
                _ => "name an address of this machine, like 127.0.0.1",
            };
            format!("cannot listen at {address}: {error}; {mend}")
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        log::line(format_args!("{what} at {scheme}://{local}"));
        Ok(Listener::Tcp(listener))
    }

    /// Listens at a path. A socket that a process left behind there is removed; nothing else is.
    ///
    /// # Errors
    /// A sentence.
    pub async fn unix(path: &Path, what: &str) -> Result<Listener, String> {
        let failed = |error: io::Error| {
            format!(
                "cannot listen at {}: {error}; name a path in a folder that can be written",
                path.display()
            )
        };
        let there = fs::symlink_metadata(path).map(|it| it.file_type());
        if there.as_ref().is_ok_and(|there| !there.is_socket()) {
            return Err(format!(
                "cannot listen at {}: something else is there; remove it, or name another path",
                path.display()
            ));
        }
        if there.is_ok() {
            if UnixStream::connect(path).await.is_ok() {
                return Err(format!(
                    "another process listens at {}; name another path, or end it",
                    path.display()
                ));
            }
            fs::remove_file(path).map_err(failed)?;
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(failed)?;
        log::line(format_args!("{what} at unix:{}", path.display()));
        Ok(Listener::Unix(listener, path.to_path_buf()))
    }

    async fn accept(&self) -> io::Result<AnyStream> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Answers are small: they must not wait for more to come.
                let _ = stream.set_nodelay(true);
                Ok(Box::new(stream))
            }
            Listener::Unix(listener, _) => Ok(Box::new(listener.accept().await?.0)),
            #[cfg(test)]
            Listener::Played(listener) => listener.accept().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // It may be gone already; then all is well.
            let _ = fs::remove_file(path);
        }
    }
}

/// Hands every connection to `handler`, until `stop` becomes true and all handlers are done. With `tls` it
/// is spoken first; whoever can't is not handed on.
pub async fn serve<F>(
    listener: Listener,
    tls: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
    metrics: Metrics,
    handler: impl Fn(AnyStream, watch::Receiver<bool>, Arc<Activity>) -> F
    + Clone
    + Send
    + Sync
    + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut activities = Activities::default();
    'accepting: loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok(stream) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let slot = loop {
            if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
                break slot;
            }
            if activities.end_longest_idle() {
                metrics.refused.inc();
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break 'accepting,
                Some(_) = connections.join_next() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        };
        let activity = Activity::new();
        activities.add(&activity);
        let (handler, tls, stop) = (handler.clone(), tls.clone(), stop.clone());
        let in_use = metrics.connections.clone();
        connections.spawn(async move {
            in_use.inc();
            let stream = match tls {
                None => Some(stream),
                Some(tls) => tokio::select! {
                    biased;
                    () = activity.ended() => None,
                    spoken = timeout(HANDSHAKE_MAX, tls.accept(stream)) => match spoken {
                        Ok(Ok(stream)) => Some(Box::new(stream) as AnyStream),
                        Ok(Err(_)) | Err(_) => None,
                    },
                },
            };
            if let Some(stream) = stream {
                handler(stream, stop, activity).await;
            }
            in_use.dec();
            drop(slot);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}
