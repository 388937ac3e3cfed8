//! A server of HTTP/1.1 whose every resource has a limit.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::Pieces;

/// How many connections an address has at once; the next ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 256;
/// The head of a request must have come after this time; so long a connection may be idle, too.
const HEAD_MAX: Duration = Duration::from_secs(30);
/// How large the head of a request may be; beyond that it is answered with 431.
const HEAD_MAX_BYTES: usize = 32 * 1024;
/// How many headers it may have; beyond that it is answered with 431.
const HEADERS_MAX: usize = 64;
/// A pause after the system refused a connection, as when there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` becomes true and the requests that were begun are answered.
pub async fn serve<F>(
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
    handler: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = Response<Pieces>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Some((stream, slot)) => {
                let (handler, stop) = (handler.clone(), stop.clone());
                connections.spawn(async move {
                    connection(stream, stop, handler).await;
                    drop(slot);
                });
            }
            None => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    let (stream, _) = listener.accept().await.ok()?;
    // Answers are small: they must not wait for more to come.
    let _ = stream.set_nodelay(true);
    Some((stream, slot))
}

async fn connection<F>(
    stream: TcpStream,
    mut stop: watch::Receiver<bool>,
    handler: impl Fn(Request<Incoming>) -> F,
) where
    F: Future<Output = Response<Pieces>>,
{
    let service = service_fn(|request| {
        let response = handler(request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // What goes wrong with one connection is that sender's to notice.
    let stopped = tokio::select! {
        _ = connection.as_mut() => false,
        _ = stop.wait_for(|stop| *stop) => true,
    };
    if stopped {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
