//! Serves connections of HTTP/1.1, every resource of which has a limit.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::time::Instant;

use super::connection::Connection;
use super::input::answer::WhenWritten;
use super::net::AnyStream;
use super::written::Watched;
use crate::http::Body;

/// The head of a request must have come after this time; so long a connection may be idle, too.
const HEAD_MAX: Duration = Duration::from_secs(30);
/// An answer that is not refused within this time was heard.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);
const REFUSED_LOOK_EVERY: Duration = Duration::from_millis(20);
/// How large the head of a request may be; beyond that it is answered with 431. A connection has a buffer of twice this
/// size, which a head that does not end fills.
const HEAD_MAX_BYTES: usize = 8 * 1024;
/// How many headers it may have; beyond that it is answered with 431.
const HEADERS_MAX: usize = 64;

/// Answers the requests of a connection; after `stop` only the one that was begun. A handler finds the
/// [`Connection`] among the request's extensions: until it says that it works, the connection may be ended.
pub async fn serve<F>(
    stream: AnyStream,
    mut stop: watch::Receiver<bool>,
    connection: Arc<Connection>,
    handler: impl Fn(Request<Incoming>) -> F,
) where
    F: Future<Output = Response<Body>>,
{
    let watched = Watched::new(stream, Arc::clone(&connection));
    let service = service_fn(|mut request| {
        connection.rest();
        request.extensions_mut().insert(Arc::clone(&connection));
        let (response, connection) = (handler(request), Arc::clone(&connection));
        async move {
            let mut response = response.await;
            connection.rest();
            let written = response.extensions_mut().remove::<WhenWritten>();
            if let Some(what) = written.and_then(|written| written.take()) {
                // Asked before it is written, for a sender that has its answer may go.
                match connection.peer().is_gone() {
                    true => connection.when_heard(what),
                    false => connection.when_written(what),
                }
            }
            Ok::<_, Infallible>(response)
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        // A sender that has said all may close its side and still wait for the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(watched), service);
    tokio::pin!(served);
    // What goes wrong with one connection is that sender's to notice.
    let ended = tokio::select! {
        biased;
        ended = served.as_mut() => Some(ended),
        () = connection.ended() => return,
        _ = stop.wait_for(|stop| *stop) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    let heard = connection.take_heard();
    if ended.is_ok() && !heard.is_empty() && !is_refused(&connection).await {
        heard.into_iter().for_each(|heard| heard());
    }
}

/// Whether the other side refuses the last answer: one that has only said all takes it, one that is not there any more
/// does not, and the system says so a moment later.
async fn is_refused(connection: &Connection) -> bool {
    let until = Instant::now() + REFUSED_WITHIN;
    while Instant::now() < until {
        if connection.peer().is_broken() {
            return true;
        }
        tokio::time::sleep(REFUSED_LOOK_EVERY).await;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::answer;
    use crate::run::connection::UnknownPeer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_head_never_ends_is_closed() {
        for begin in ["", "POST / HT", "POST / HTTP/1.1\r\nHost: a\r\n"] {
            let (mut sender, stream) = tokio::io::duplex(1024);
            sender.write_all(begin.as_bytes()).await.unwrap();
            let (_stop, stop) = watch::channel(false);
            let (begun, connection) = (Instant::now(), Connection::new(Box::new(UnknownPeer)));
            let handler = |_: Request<Incoming>| async { answer(204, "") };
            serve(Box::new(stream), stop, connection, handler).await;
            let elapsed = begun.elapsed();
            assert!(
                (HEAD_MAX..HEAD_MAX * 2).contains(&elapsed),
                "{begin:?}: {elapsed:?}"
            );
            let mut said = Vec::new();
            sender.read_to_end(&mut said).await.unwrap();
        }
    }
}
