//! Signals: what people and service managers ask of a running process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Stop; the number is the signal's.
    Stop(i32),
    /// Read the configuration again.
    Reload,
}

/// The signals that are caught.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// The system does not let them be caught.
    pub fn catch() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Stop(SignalKind::interrupt().as_raw_value()),
            _ = self.terminate.recv() => Asked::Stop(SignalKind::terminate().as_raw_value()),
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// Waits for the second stop, which ends the process at once; `asked` says that there was one.
    pub async fn exit_on_second_stop(mut self, mut asked: bool) {
        loop {
            if let Asked::Stop(number) = self.next().await {
                if asked {
                    std::process::exit(128 + number);
                }
                asked = true;
            }
        }
    }
}
