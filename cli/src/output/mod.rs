//! The outputs. Each takes a group of deliveries whole, or says why not; `deliver` hands them what waits in the backlog, for as
//! long as it takes.

mod args;
pub(crate) mod backlog;
pub(crate) mod dead;
pub(crate) mod deliver;
pub(crate) mod delivery;
pub(crate) mod elasticsearch;
pub(crate) mod http;
pub(crate) mod lines;
pub(crate) mod meter;
pub(crate) mod stdout;

use std::sync::Arc;
use std::time::Duration;

use self::dead::DeadLetters;
use self::delivery::Delivery;
use self::elasticsearch::{Elasticsearch, Streams};
use self::http::HttpOutput;
use self::meter::Meter;
use crate::address::OutputAddress;
use crate::http::client::Client;
use crate::http::tls;
pub use args::{OutputArgs, OutputOptions};

/// How long the next hop may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a group was not taken. No sentence holds a secret.
#[derive(Debug)]
pub enum SendError {
    /// It may work later.
    Retry {
        /// What happened.
        sentence: String,
        /// The same for senders, who need not know where the next hop is or what it says: "it is …".
        why: &'static str,
        /// The next hop asks for a pause of this length.
        after: Duration,
    },
    /// It never will: the run ends. Empty if that needs no words, as with a pipe that nobody reads.
    Fatal(String),
}

/// What a status that is no success says of the next hop, for senders.
fn reason(status: u16) -> &'static str {
    match status {
        401 | 403 => "it refuses our key",
        429 | 503 => "it is too busy",
        _ => "it answers with an error",
    }
}

/// What is told to senders of a document that is refused for good and not set aside.
const UNSETTLED: &str = "it refuses a document, which cannot be set aside";

/// Where deliveries go.
pub enum Output {
    /// Standard output.
    Stdout(stdout::Stdout),
    /// Posted to an address.
    Http(Box<http::HttpOutput>),
    /// Written to a connection.
    Lines(lines::LinesOutput),
    /// Into data streams.
    Elasticsearch(Box<elasticsearch::Elasticsearch>),
}

impl Output {
    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Output::Stdout(_) => "standard output".to_string(),
            Output::Http(output) => output.name(),
            Output::Lines(output) => output.name(),
            Output::Elasticsearch(output) => output.name(),
        }
    }

    /// How many bytes it likes to be given at once.
    pub fn group_bytes(&self) -> usize {
        match self {
            Output::Stdout(_) | Output::Lines(_) => 256 * 1024,
            Output::Http(_) => http::GROUP_BYTES,
            Output::Elasticsearch(_) => elasticsearch::GROUP_BYTES,
        }
    }

    /// Hands a group on. Once this says `Ok`, the next hop is responsible for it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&mut self, group: &[Arc<Delivery>]) -> Result<(), SendError> {
        match self {
            Output::Stdout(output) => output.send(group).await,
            Output::Http(output) => output.send(group).await,
            Output::Lines(output) => output.send(group).await,
            Output::Elasticsearch(output) => output.send(group).await,
        }
    }
}

/// Opens what the command line names.
///
/// # Errors
/// A secret, a certificate or a file that can't be had.
pub fn open(options: &OutputOptions, meter: &Meter) -> Result<Output, String> {
    let (address, is_store) = match &options.address {
        OutputAddress::Stdout => return Ok(Output::Stdout(stdout::Stdout)),
        OutputAddress::Lines(address) => {
            return Ok(Output::Lines(lines::LinesOutput::new(address.clone())));
        }
        OutputAddress::Http(address) => (address, false),
        OutputAddress::Elasticsearch(address) => (address, true),
    };
    let tls = if address.is_tls() {
        Some(tls::connector(options.ca.as_deref())?)
    } else {
        None
    };
    let dead = match &options.dead_letter {
        Some(path) => Some(DeadLetters::open(path, meter.clone())?),
        None => None,
    };
    let client = Client::new(address.clone(), options.key.clone(), tls, PATIENCE)?;
    let path = address.path();
    Ok(if is_store {
        let streams = Streams {
            events: options.events_stream.clone(),
            records: options.records_stream.clone(),
        };
        Output::Elasticsearch(Box::new(Elasticsearch::new(
            client,
            path,
            streams,
            dead,
            meter.clone(),
        )))
    } else {
        Output::Http(Box::new(HttpOutput::new(client, path.to_string(), dead)))
    })
}
