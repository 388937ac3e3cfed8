//! Writes to standard output.

use std::io;
use std::sync::Arc;

use super::SendError;
use super::delivery::Delivery;
use crate::printable;

/// Standard output.
pub struct Stdout;

impl Stdout {
    /// Writes a group; a reader that is slow holds everything up, as a pipe does.
    ///
    /// # Errors
    /// It is closed or full: nothing will change that.
    pub async fn send(&self, group: &[Arc<Delivery>]) -> Result<(), SendError> {
        let group = group.to_vec();
        let written = tokio::task::spawn_blocking(move || {
            let mut out = printable::stdout();
            for delivery in group {
                out.write_all(&delivery.bytes)?;
            }
            out.flush()
        })
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)));
        written.map_err(SendError::Stdout)
    }
}
