//! The ways out. Each takes a group of deliveries whole, or says why not.

pub mod dead;
pub mod http;
pub mod stdout;

use std::sync::Arc;
use std::time::Duration;

use super::batch::Delivery;

/// Why a group was not taken. No sentence holds a secret.
#[derive(Debug)]
pub enum SendError {
    /// It may work later.
    Retry {
        /// What happened.
        sentence: String,
        /// The next hop asks for a pause of this length.
        after: Duration,
    },
    /// It never will: the run ends. Empty if that needs no words, as with a pipe that nobody reads.
    Fatal(String),
}

/// Where deliveries go.
pub enum Output {
    /// Standard output.
    Stdout(stdout::Stdout),
    /// Posted to an address.
    Http(Box<http::HttpOutput>),
}

impl Output {
    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Output::Stdout(_) => "standard output".to_string(),
            Output::Http(output) => output.name(),
        }
    }

    /// How many bytes it likes to be given at once.
    pub fn group_bytes(&self) -> usize {
        match self {
            Output::Stdout(_) => 256 * 1024,
            Output::Http(_) => http::GROUP_BYTES,
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
        }
    }
}
