//! `maxconn run`: the plugin as a process beside a shipper.
//!
//! ```text
//! inputs ─► jobs ─► engine (guest, ticks) ─► backlog ─► deliver ─► output
//!   ▲                                                      │
//!   └──────────── acknowledged, once delivered ◄───────────┘
//! ```
//! The engine is a thread of its own, for the guest is not asynchronous; everything else shares a few
//! threads. Both queues are bounded in bytes: when the next hop is slow the backlog fills, then the
//! engine waits, then the inputs stop reading, then the senders wait.
//!
//! | module | what it does |
//! |---|---|
//! | [`args`], [`endpoint`], `secret`, `tls` | the command line; whom to trust |
//! | `supervise`, `signals`, `notify` | starts everything, and stops it in the right order |
//! | `net`, `activity`, `http` | connections, and which of them make room for others |
//! | `input` | what arrives, cut into batches |
//! | `ledger`, `held` | batches that nobody was told of yet, known again by their contents; what floods held back of them |
//! | `engine`, `guest` | the thread of the guest; what is done when it fails |
//! | `batch`, `names`, `backlog` | what moves, and where it waits |
//! | `state`, `keeper` | what a restart goes on from |
//! | `deliver`, `output` | the next hop, for as long as it takes |
//! | `admin`, `metrics`, `log` | what people and monitoring see |

mod activity;
mod admin;
pub mod args;
mod backlog;
mod batch;
mod deliver;
pub mod endpoint;
mod engine;
mod guest;
mod held;
pub(crate) mod http;
mod input;
mod keeper;
mod ledger;
mod log;
mod metrics;
mod names;
mod net;
mod notify;
mod output;
mod secret;
mod signals;
mod state;
mod supervise;
pub(crate) mod tls;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use args::RunArgs;
use hyper::header::HeaderValue;

use crate::config::LoadedConfig;
use crate::host::{HostError, Plugin};
use crate::replay::Only;
use endpoint::{InputAddress, OutputAddress};
use input::omprog::Confirm;
use secret::Secret;

/// Threads for everything that waits for the network.
const THREADS: usize = 2;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where records come from.
    pub inputs: Vec<InputAddress>,
    /// What is confirmed of standard input, on standard output.
    pub confirm: Option<Confirm>,
    /// Where they go.
    pub output: OutputAddress,
    /// Which part of the output is written; `None`: all.
    pub only: Option<Only>,
    /// How long a stop may take.
    pub grace: Duration,
    /// How long a request may take to come, and its answer.
    pub request_timeout: Duration,
    /// The file with the token that senders must know.
    pub input_token: Option<PathBuf>,
    /// The files with the certificate and the key of https:// inputs.
    pub input_tls: Option<(PathBuf, PathBuf)>,
    /// What the next hop wants to know.
    pub output_key: Option<OutputKey>,
    /// The file with the authorities that sign the next hop's certificate.
    pub output_ca: Option<PathBuf>,
    /// The data stream of events and alerts.
    pub events_stream: String,
    /// The data stream of all other records.
    pub records_stream: Option<String>,
    /// The file for what the next hop refuses for good.
    pub dead_letter: Option<PathBuf>,
    /// The file that a restart goes on from.
    pub state: Option<PathBuf>,
    /// Start afresh, and set that file aside.
    pub state_reset: bool,
    /// How often it is written.
    pub state_interval: Duration,
    /// Where monitoring asks.
    pub admin: Option<String>,
}

impl Options {
    /// Whether some input tells its senders what was delivered, so that they send the rest again.
    fn confirms(&self) -> bool {
        let is_http =
            |it: &InputAddress| matches!(it, InputAddress::Http(_) | InputAddress::Https(_));
        self.confirm.is_some() || self.inputs.iter().any(is_http)
    }
}

/// A file with what the next hop knows us by.
#[derive(Clone, Debug)]
pub enum OutputKey {
    /// A bearer token.
    Token(PathBuf),
    /// An API key of Elasticsearch, encoded.
    ApiKey(PathBuf),
    /// `USER:PASSWORD`.
    Basic(PathBuf),
}

impl OutputKey {
    /// The header that shows it.
    ///
    /// # Errors
    /// The file can't be read, or holds no secret.
    pub(crate) fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        Ok(match self {
            OutputKey::Token(path) => Secret::read(path)?.authorization("Bearer"),
            OutputKey::ApiKey(path) => Secret::read(path)?.authorization("ApiKey"),
            OutputKey::Basic(path) => Secret::read(path)?.basic(),
        })
    }
}

/// Why a run failed.
#[derive(Debug)]
pub enum RunError {
    /// The command line or the configuration is wrong.
    Usage(String),
    /// Anything else.
    Failed(String),
}

impl fmt::Display for RunError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Usage(sentence) | RunError::Failed(sentence) => out.write_str(sentence),
        }
    }
}

impl From<String> for RunError {
    /// A sentence about something that the command line names.
    fn from(sentence: String) -> RunError {
        RunError::Usage(sentence)
    }
}

impl From<HostError> for RunError {
    fn from(error: HostError) -> RunError {
        RunError::Failed(error.to_string())
    }
}

/// Runs until it is told to stop, or all inputs have ended. `config` is the file that `loaded` came from.
///
/// # Errors
/// See [`RunError`]. An output pipe that nobody reads any more is none.
pub fn run(
    options: &Options,
    plugin: Plugin,
    loaded: LoadedConfig,
    config: Option<PathBuf>,
) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|error| RunError::Failed(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(async {
        let process = supervise::start(options, plugin, loaded, config).await?;
        process.supervise().await
    });
    // A thread that waits for standard input or output is not waited for.
    runtime.shutdown_background();
    result
}
