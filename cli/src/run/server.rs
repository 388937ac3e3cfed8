//! Connections of HTTP/1.1 whose every resource has a limit.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;

use super::activity::Activity;
use super::net::AnyStream;
use crate::http::Pieces;

/// The head of a request must have come after this time; so long a connection may be idle, too.
const HEAD_MAX: Duration = Duration::from_secs(30);
/// How large the head of a request may be; beyond that it is answered with 431.
const HEAD_MAX_BYTES: usize = 32 * 1024;
/// How many headers it may have; beyond that it is answered with 431.
const HEADERS_MAX: usize = 64;

/// Answers the requests of a connection; after `stop` only the one that was begun. A handler finds the
/// [`Activity`] among the request's extensions: until it says that it works, the connection may be ended.
pub async fn connection<F>(
    stream: AnyStream,
    mut stop: watch::Receiver<bool>,
    activity: Arc<Activity>,
    handler: impl Fn(Request<Incoming>) -> F,
) where
    F: Future<Output = Response<Pieces>>,
{
    let service = service_fn(|mut request| {
        activity.rest();
        request.extensions_mut().insert(Arc::clone(&activity));
        let (response, activity) = (handler(request), Arc::clone(&activity));
        async move {
            let response = response.await;
            activity.rest();
            Ok::<_, Infallible>(response)
        }
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
        biased;
        _ = connection.as_mut() => false,
        () = activity.ended() => false,
        _ = stop.wait_for(|stop| *stop) => true,
    };
    if stopped {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
