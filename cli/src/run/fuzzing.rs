//! What lies behind sockets and files, as functions of bytes: for `fuzz/` alone, and no interface. It is no
//! feature, for cargo joins the features of a workspace and would build the command with it all the same.

use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use maxconn_core::config::Config;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};

use super::connection::{Connection, UnknownPeer};
use super::engine::Job;
use super::input::Intake;
use super::input::body::{Content, compression, decompress};
use super::input::confirming::Confirming;
use super::input::cut::Batches;
use super::input::http::HttpInput;
use super::input::refusal::Refusal;
use super::ledger::Ledger;
use super::metrics::Metrics;
use super::{server, state};
use crate::io::byte_order_mark::mark_bytes;
use crate::output::delivery::Receipt as _;

/// Nothing here waits for anybody.
const PATIENCE: Duration = Duration::from_secs(60);

/// A configuration, and how it is printed; else what is said of it.
#[allow(clippy::missing_errors_doc)]
pub fn config(text: &str, is_json: bool) -> Result<(Config, String), String> {
    crate::config::read_text(text, is_json).map_err(|error| error.to_string())
}

/// Lines as they go on, and how many were mended.
pub fn records(lines: &[u8]) -> (Vec<u8>, u64) {
    let mut records = Vec::new();
    let mended = crate::io::ndjson::append_records(lines, &mut records);
    (records, mended)
}

/// The lines of all batches of a body; else the status and what is said of it.
#[allow(clippy::missing_errors_doc)]
pub fn body(content: &str, encoding: &str, body: Vec<u8>) -> Result<Vec<u8>, (u16, String)> {
    lines(content, encoding, body).map_err(|refusal| (refusal.status(), refusal.to_string()))
}

fn lines(content: &str, encoding: &str, mut body: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let mut headers = HeaderMap::new();
    for (name, value) in [(CONTENT_TYPE, content), (CONTENT_ENCODING, encoding)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    if let Some(compression) = compression(&headers)? {
        body = decompress(compression, &body)?;
    }
    let begin = mark_bytes(&body);
    let body = &mut body[begin..];
    let content = Content::of(&headers, body)?;
    let are_objects = content.prepare(body)?;
    let lines: Vec<u8> = Batches::new(content.records(body)).flatten().collect();
    // What is known of them holds.
    assert!(!are_objects || crate::io::ndjson::append_records(&lines, &mut Vec::new()) == 0);
    Ok(lines)
}

/// A state file, read and written again.
#[allow(clippy::missing_errors_doc)]
pub fn state(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let state = state::decode(bytes).map_err(|problem| problem.to_string())?;
    Ok(state::encode(&state).parts().concat())
}

/// A state file of the version before with these contents, and a hash that holds.
pub fn sealed_state(rest: &[u8]) -> Vec<u8> {
    [
        state::MAGIC_BEFORE.as_slice(),
        Sha256::digest(rest).as_slice(),
        rest,
    ]
    .concat()
}

/// What a connection to an `http://` input that says `bytes` is answered, and the batches that the engine gets.
/// Each is delivered at once.
pub fn connection(bytes: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let Ok(runtime) = runtime else {
        return Default::default();
    };
    let (jobs, mut taken) = mpsc::unbounded_channel();
    let metrics = Metrics::new();
    let intake = Intake::new(jobs, metrics.clone());
    let input = Arc::new(HttpInput {
        confirming: Confirming {
            source: 0,
            name: String::new(),
            intake,
            ledger: Arc::new(Ledger::default()),
            metrics,
        },
        token: None,
        patience: PATIENCE,
        replies: false,
    });
    runtime.block_on(async {
        let (near, mut far) = tokio::io::duplex(bytes.len() * 256 + 64 * 1024);
        let _ = far.write_all(bytes).await;
        let _ = far.shutdown().await;
        let (_running, stop) = watch::channel(false);
        let serve = server::serve(
            Box::new(near),
            stop,
            Connection::new(Box::new(UnknownPeer)),
            move |request| Arc::clone(&input).handle(request),
        );
        tokio::pin!(serve);
        let mut batches = Vec::new();
        loop {
            let is_over = tokio::select! {
                biased;
                () = serve.as_mut() => true,
                () = tokio::task::yield_now() => false,
            };
            while let Ok(Job::Batch(batch)) = taken.try_recv() {
                if let Some(ticket) = &batch.ticket {
                    ticket.deliver();
                }
                batches.push(batch.lines);
            }
            if is_over {
                break;
            }
        }
        let mut answers = Vec::new();
        let _ = far.read_to_end(&mut answers).await;
        (answers, batches)
    })
}
