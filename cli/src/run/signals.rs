//! Catches the signals by which people and service managers stop or reload a process.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Stop; the number is the signal's.
    Stop(i32),
    /// Read the configuration again.
    Reload,
}

/// What is asked, one after the other.
pub struct Signals {
    asked: UnboundedReceiver<Asked>,
}

impl Signals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// The system does not let them be caught.
    pub fn catch() -> io::Result<Signals> {
        let (asks, asked) = unbounded_channel();
        for kind in [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ] {
            let (mut signal, asks) = (signal(kind)?, asks.clone());
            let what = match kind == SignalKind::hangup() {
                true => Asked::Reload,
                false => Asked::Stop(kind.as_raw_value()),
            };
            tokio::spawn(async move {
                while signal.recv().await.is_some() && asks.send(what).is_ok() {}
            });
        }
        Ok(Signals { asked })
    }

    /// What somebody else asks; the simulation does.
    #[cfg(test)]
    pub fn of(asked: UnboundedReceiver<Asked>) -> Signals {
        Signals { asked }
    }

    /// The next one.
    pub async fn next(&mut self) -> Asked {
        match self.asked.recv().await {
            Some(asked) => asked,
            // There is nobody to ask any more.
            None => std::future::pending().await,
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
