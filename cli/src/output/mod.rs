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
pub(crate) mod reply;
pub(crate) mod stdout;
pub(crate) mod trouble;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use self::dead::{DeadLetterError, DeadLetters};
use self::delivery::Delivery;
use self::elasticsearch::{Elasticsearch, Streams};
use self::http::HttpOutput;
use self::meter::Meter;
use self::trouble::Trouble;
use crate::address::OutputAddress;
use crate::http::client::Client;
use crate::http::secret::SecretError;
use crate::http::tls::{self, TlsError};
pub use args::{OutputArgs, OutputArgsError, OutputOptions};

/// How long the next hop may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a group was not taken.
#[derive(Debug)]
pub enum SendError {
    /// It may work later.
    Retry {
        /// What happened.
        trouble: Trouble,
        /// The next hop asks for a pause of this length.
        after: Duration,
    },
    /// It never will, for standard output cannot be written.
    Stdout(io::Error),
}

impl From<Trouble> for SendError {
    /// It may work at once.
    fn from(trouble: Trouble) -> SendError {
        let after = Duration::ZERO;
        SendError::Retry { trouble, after }
    }
}

/// Why an output cannot be had: the command line names what is not there, or not right.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum OpenError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    DeadLetters(#[from] DeadLetterError),
}

/// Where deliveries go.
pub enum Destination {
    /// Standard output.
    Stdout(stdout::Stdout),
    /// Posted to an address.
    Http(Box<http::HttpOutput>),
    /// Written to a connection.
    Lines(lines::LinesOutput),
    /// Nowhere.
    None,
    /// Into data streams.
    Elasticsearch(Box<elasticsearch::Elasticsearch>),
}

impl Destination {
    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Destination::Stdout(_) => "standard output".to_string(),
            Destination::None => "nowhere".to_string(),
            Destination::Http(output) => output.name(),
            Destination::Lines(output) => output.name(),
            Destination::Elasticsearch(output) => output.name(),
        }
    }

    /// How many bytes it likes to be given at once.
    pub fn group_bytes(&self) -> usize {
        match self {
            Destination::Stdout(_) | Destination::Lines(_) | Destination::None => 256 * 1024,
            Destination::Http(_) => http::GROUP_BYTES,
            Destination::Elasticsearch(_) => elasticsearch::GROUP_BYTES,
        }
    }

    /// Hands a group on. Once this says `Ok`, the next hop is responsible for it.
    pub async fn send(&mut self, group: &[Arc<Delivery>]) -> Result<(), SendError> {
        match self {
            Destination::Stdout(output) => output.send(group).await,
            Destination::None => Ok(()),
            Destination::Http(output) => output.send(group).await,
            Destination::Lines(output) => output.send(group).await,
            Destination::Elasticsearch(output) => output.send(group).await,
        }
    }
}

/// Opens what the command line names; `None` where the answers to posts are the output.
pub fn open(options: &OutputOptions, meter: &Meter) -> Result<Option<Destination>, OpenError> {
    let (address, is_store) = match &options.address {
        OutputAddress::Reply => return Ok(None),
        OutputAddress::None => return Ok(Some(Destination::None)),
        OutputAddress::Stdout => return Ok(Some(Destination::Stdout(stdout::Stdout))),
        OutputAddress::Lines(address) => {
            let output = lines::LinesOutput::new(address.clone());
            return Ok(Some(Destination::Lines(output)));
        }
        OutputAddress::Http(address) => (address, false),
        OutputAddress::Elasticsearch(address) => (address, true),
    };
    let tls = tls::connector_for(address, options.ca.as_deref())?;
    let open_dead = |path| DeadLetters::open(path, meter.clone());
    let dead = options.dead_letter.as_deref().map(open_dead).transpose()?;
    let client = Client::new(address.clone(), options.key.clone(), tls, PATIENCE)?;
    let path = address.path();
    Ok(Some(if is_store {
        let streams = Streams {
            ours: options.our_streams.clone(),
            records: options.records_stream.clone(),
        };
        Destination::Elasticsearch(Box::new(Elasticsearch::new(
            client,
            path,
            streams,
            dead,
            meter.clone(),
        )))
    } else {
        Destination::Http(Box::new(HttpOutput::new(client, path.to_string(), dead)))
    }))
}
