//! `maxconn run` is the plugin as a process beside a shipper.
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
//! | [`args`] | parses the command line |
//! | `start`, `supervise`, `signals`, `notify` | start everything, and stop it in the right order |
//! | `net`, `shared_tcp`, `connection`, `descriptors`, `server`, `written` | serve connections, choose which make room for others, know what was written |
//! | `input` | cuts what arrives into batches |
//! | `ledger`, `suppressed` | know batches that are not acknowledged by their contents, and what floods held back of them |
//! | `marks` | leave word in the state of what has become of batches since it was written |
//! | `engine`, `guest`, `guest_output` | drive the guest, replace one that fails, gather what it emits |
//! | `batch` | what comes in; [`crate::output`] has where what comes out waits and goes |
//! | `state`, `state_writer` | keep what a restart goes on from |
//! | `admin`, `metrics`, `exposition` | answer monitoring |
//! | `heap` | gives freed memory back to the system |

mod admin;
pub mod args;
mod batch;
pub(crate) mod connection;
mod descriptors;
mod engine;
mod exposition;
#[doc(hidden)]
pub mod fuzzing;
mod guest;
mod guest_output;
mod heap;
pub(crate) mod input;
pub(crate) mod ledger;
pub(crate) mod marks;
mod metrics;
mod net;
mod notify;
mod server;
mod shared_tcp;
pub(crate) mod signals;
pub(crate) mod start;
pub(crate) mod state;
mod state_writer;
pub(crate) mod supervise;
mod suppressed;
mod written;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinError;

pub use args::RunArgs;

use crate::address::InputAddress;
use crate::alerts::{AlertsOpenError, AlertsOptions};
use crate::config::LoadedConfig;
use crate::http::secret::SecretError;
use crate::http::tls::TlsError;
use crate::output::deliver::DeliverError;
use crate::output::{OpenError, OutputOptions};
use input::file::PositionError;
use input::omprog::Confirm;
use maxconn_host::{HostError, Plugin};
use net::ListenError;
use signals::Signals;
use state::StateError;

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
    pub output: OutputOptions,
    /// Where alerts go besides.
    pub alerts: AlertsOptions,
    /// How long a stop may take.
    pub grace: Duration,
    /// How long a request may take to come, and its answer.
    pub request_timeout: Duration,
    /// The file with the token that senders must know.
    pub input_token: Option<PathBuf>,
    /// The files with the certificate and the key of https:// inputs.
    pub input_tls: Option<(PathBuf, PathBuf)>,
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
        let comes_again = |it: &InputAddress| match it {
            InputAddress::Http(_) | InputAddress::Https(_) | InputAddress::File(_) => true,
            InputAddress::Stdin => self.confirm.is_some(),
            InputAddress::Tcp(_) | InputAddress::Unix(_) => false,
        };
        self.inputs.iter().any(comes_again)
    }
}

/// Why a run failed.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum RunError {
    #[error(transparent)]
    Output(#[from] OpenError),
    #[error(transparent)]
    Alerts(#[from] AlertsOpenError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Position(#[from] PositionError),
    #[error("the plugin refuses the configuration: {0}")]
    Refused(HostError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    #[error("cannot catch signals: {0}")]
    Signals(io::Error),
    #[error("the engine has ended; report this")]
    EngineEnded,
    #[error("the output has ended: {0}; report this")]
    OutputEnded(JoinError),
    #[error("the output did not take everything within {} s; {}", .1.as_secs_f64(), lost(*.0))]
    Lost(usize, Duration),
}

fn lost(batches: usize) -> String {
    match batches {
        1 => "a batch that nobody sends again is lost".to_string(),
        _ => format!("{batches} batches that nobody sends again are lost"),
    }
}

impl RunError {
    /// Whether the command line or the configuration is wrong.
    pub fn is_usage(&self) -> bool {
        match self {
            RunError::Output(_)
            | RunError::Alerts(_)
            | RunError::Secret(_)
            | RunError::Tls(_)
            | RunError::Position(_)
            | RunError::Refused(_) => true,
            RunError::State(error) => error.is_usage(),
            _ => false,
        }
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
    heap::give_back();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(RunError::Thread)?;
    let result = runtime.block_on(async {
        // First, so that a signal that comes early is not the end.
        let signals = Signals::catch().map_err(RunError::Signals)?;
        let process = start::start(options, plugin, loaded, config, signals).await?;
        process.supervise().await
    });
    // A thread that waits for standard input or output is not waited for.
    runtime.shutdown_background();
    result
}
