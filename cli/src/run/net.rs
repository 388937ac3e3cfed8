//! Listens at sockets, and treats connections of every kind alike.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::connection::{Connection, Connections, Peer, UnknownPeer};
use super::descriptors::Senders;
use super::metrics::Metrics;
use super::shared_tcp::SharedTcp;
use crate::log;
pub use crate::system::AnyStream;

/// How long a connection without a place waits until it is seen whether one does nothing by now.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long it may take until TLS is spoken.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// A pause after the system refused a connection, as when there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What goes on is spoken of this often.
const REMIND_EVERY: Duration = Duration::from_secs(60);
/// A sender that says nothing for this long is asked whether it is there, and asked again.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

/// Why nothing is listened at.
#[derive(Debug, Error)]
pub enum ListenError {
    #[error("cannot listen at {0}: {1}; {mend}", mend = mend(.1))]
    Tcp(String, io::Error),
    #[error("cannot listen at {path}: {1}; name a path in a folder that can be written", path = .0.display())]
    Unix(PathBuf, io::Error),
    #[error("cannot listen at {}: something else is there; remove it, or name another path", .0.display())]
    Taken(PathBuf),
    #[error("another process listens at {}; name another path, or end it", .0.display())]
    InUse(PathBuf),
}

fn mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "name another port, or end what uses it",
        io::ErrorKind::PermissionDenied => {
            "name a port from 1024 on, or run this as a user who may use that one"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; name one that it has, or 0.0.0.0 for all"
        }
        _ => "name an address of this machine, like 127.0.0.1",
    }
}

/// What is listened at.
pub enum Listener {
    /// A port.
    Tcp(TcpListener, String),
    /// A socket in the file system; it is removed at the end.
    Unix(UnixListener, PathBuf),
    /// One that the simulation plays.
    #[cfg(test)]
    Played(crate::sim::Listener),
}

impl Listener {
    /// Listens at `HOST:PORT`, and says where, in the words of the command line: the port may have been
    /// left to the system.
    pub async fn tcp(address: &str, what: &str, scheme: &str) -> Result<Listener, ListenError> {
        #[cfg(test)]
        if let Some(listener) = crate::sim::listen(address) {
            return Ok(Listener::Played(listener));
        }
        let failed = |error| ListenError::Tcp(address.to_string(), error);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        let name = format!("{scheme}://{local}");
        log::info!("{what} at {name}");
        Ok(Listener::Tcp(listener, name))
    }

    /// Listens at a path. A socket that a process left behind there is removed; nothing else is.
    pub async fn unix(path: &Path, what: &str) -> Result<Listener, ListenError> {
        let failed = |error| ListenError::Unix(path.to_path_buf(), error);
        let there = fs::symlink_metadata(path).map(|it| it.file_type());
        if there.as_ref().is_ok_and(|there| !there.is_socket()) {
            return Err(ListenError::Taken(path.to_path_buf()));
        }
        if there.is_ok() {
            if UnixStream::connect(path).await.is_ok() {
                return Err(ListenError::InUse(path.to_path_buf()));
            }
            fs::remove_file(path).map_err(failed)?;
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(failed)?;
        log::info!("{what} at unix:{}", path.display());
        Ok(Listener::Unix(listener, path.to_path_buf()))
    }

    /// Nobody but this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        match self {
            Listener::Tcp(listener, _) => {
                let local = listener.local_addr();
                local.is_ok_and(|local| local.ip().to_canonical().is_loopback())
            }
            Listener::Unix(..) => true,
            #[cfg(test)]
            Listener::Played(_) => true,
        }
    }

    /// The address, in the words of the command line.
    pub fn name(&self) -> String {
        match self {
            Listener::Tcp(_, name) => name.clone(),
            Listener::Unix(_, path) => format!("unix:{}", path.display()),
            #[cfg(test)]
            Listener::Played(_) => "a played listener".to_string(),
        }
    }

    /// The next connection, and its other side.
    async fn accept(&self) -> io::Result<(AnyStream, Box<dyn Peer>)> {
        match self {
            Listener::Tcp(listener, _) => {
                let (stream, _) = listener.accept().await?;
                // Answers are small: they must not wait for more to come.
                let _ = stream.set_nodelay(true);
                // Without it a sender whose machine is gone would be there for ever.
                let keepalive = TcpKeepalive::new()
                    .with_time(KEEPALIVE_AFTER)
                    .with_interval(KEEPALIVE_EVERY);
                let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
                let stream = SharedTcp::new(stream);
                Ok((Box::new(stream.clone()), Box::new(stream)))
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), Box::new(UnknownPeer)))
            }
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

/// How many connections an address has at once. One more makes the one end that has done nothing for the longest; if
/// all do something it waits.
pub struct Places {
    places: Arc<Semaphore>,
    max: usize,
    connections: Connections,
    /// What all addresses of senders share.
    senders: Option<Senders>,
}

/// Given back when a connection ends.
type Place = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

impl Places {
    /// `max` for an address, within what `senders` have together.
    pub fn new(max: usize, senders: Option<Senders>) -> Places {
        Places {
            places: Arc::new(Semaphore::new(max)),
            max,
            connections: Connections::default(),
            senders,
        }
    }

    fn take(&self) -> Option<Place> {
        let own = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let shared = match &self.senders {
            Some(senders) => Some(Arc::clone(&senders.places).try_acquire_owned().ok()?),
            None => None,
        };
        Some((own, shared))
    }

    /// Makes room: at this address, or at any if that is not what is full. Answers for how long the connection that
    /// ends had nothing to do.
    fn end_longest_idle(&self) -> Option<Duration> {
        match &self.senders {
            Some(senders) if self.places.available_permits() > 0 => {
                senders.connections.end_longest_idle()
            }
            _ => self.connections.end_longest_idle(),
        }
    }

    fn add(&self, connection: &Arc<Connection>) {
        self.connections.add(connection);
        if let Some(senders) = &self.senders {
            senders.connections.add(connection);
        }
    }
}

/// Says what goes on, but not all the time.
#[derive(Default)]
struct Reminder(Option<Instant>);

impl Reminder {
    fn say(&mut self, sentence: impl FnOnce() -> String) {
        if self.0.is_none_or(|at| at.elapsed() >= REMIND_EVERY) {
            self.0 = Some(Instant::now());
            log::warn!("{}", sentence());
        }
    }
}

/// All addresses that are listened at.
pub struct Servers {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    metrics: Metrics,
}

impl Servers {
    /// None yet.
    pub fn new(metrics: Metrics) -> Servers {
        Servers {
            tasks: JoinSet::new(),
            stop: watch::Sender::new(false),
            metrics,
        }
    }

    /// Hands every connection to `handler`, which is told when to stop. With `tls` it is spoken first; whoever can't is
    /// not handed on.
    pub fn start<F>(
        &mut self,
        listener: Listener,
        places: Places,
        tls: Option<TlsAcceptor>,
        handler: impl Fn(AnyStream, watch::Receiver<bool>, Arc<Connection>) -> F
        + Clone
        + Send
        + Sync
        + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let (mut stop, metrics) = (self.stop.subscribe(), self.metrics.clone());
        self.tasks.spawn(async move {
            let mut connections = JoinSet::new();
            let (mut full, mut refused) = (Reminder::default(), Reminder::default());
            'accepting: loop {
                let accepted = tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop) => break,
                    Some(_) = connections.join_next() => continue,
                    accepted = listener.accept() => accepted,
                };
                let (stream, peer) = match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        metrics.accept_failures.inc();
                        refused.say(|| {
                            format!(
                                "{} gets no connections: {error}; it is tried again",
                                listener.name()
                            )
                        });
                        tokio::select! {
                            _ = stop.wait_for(|stop| *stop) => break,
                            () = tokio::time::sleep(ACCEPT_PAUSE) => continue,
                        }
                    }
                };
                let place = loop {
                    if let Some(place) = places.take() {
                        break place;
                    }
                    if let Some(idle) = places.end_longest_idle() {
                        metrics.idle_connections.inc();
                        full.say(|| {
                            format!(
                                "{} has no room for more than {} connections; one that said nothing for {:.0} s makes room",
                                listener.name(),
                                places.max - places.places.available_permits(),
                                idle.as_secs_f64()
                            )
                        });
                    }
                    tokio::select! {
                        biased;
                        _ = stop.wait_for(|stop| *stop) => break 'accepting,
                        Some(_) = connections.join_next() => {}
                        () = tokio::time::sleep(LOOK_EVERY) => {}
                    }
                };
                let connection = Connection::new(peer);
                places.add(&connection);
                let (handler, tls, stop) = (handler.clone(), tls.clone(), stop.clone());
                let in_use = metrics.connections.clone();
                connections.spawn(async move {
                    in_use.inc();
                    let stream = match tls {
                        None => Some(stream),
                        Some(tls) => tokio::select! {
                            biased;
                            () = connection.ended() => None,
                            spoken = timeout(HANDSHAKE_MAX, tls.accept(stream)) => match spoken {
                                Ok(Ok(stream)) => Some(Box::new(stream) as AnyStream),
                                Ok(Err(_)) | Err(_) => None,
                            },
                        },
                    };
                    if let Some(stream) = stream {
                        handler(stream, stop, connection).await;
                    }
                    in_use.dec();
                    drop(place);
                });
            }
            drop(listener);
            while connections.join_next().await.is_some() {}
        });
    }

    /// Has them take nothing more, and waits until what was begun is answered, but not beyond the deadline.
    pub async fn stop(&mut self, deadline: Instant) {
        self.stop.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout_at(deadline, all).await.is_err() {
            self.tasks.abort_all();
        }
    }
}
