//! The options that say which people and programs alerts go to.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use thiserror::Error;

use super::address::{AlertsAddress, AlertsAddressError, AlertsOutput};
use crate::run::args::some_time;

/// More outputs would need more memory than the process is to have.
const OUTPUTS_MAX: usize = 8;

/// Where alerts go besides.
#[derive(Debug, Args)]
pub struct AlertsArgs {
    /// Where alerts go besides, each with its own queue; may be given several times.
    #[arg(long, value_name = "OUTPUT", value_hint = ValueHint::Other)]
    alerts: Vec<String>,
    /// Where to set aside alerts that one of them refuses for good, with the reason [default: they are dropped and counted].
    #[arg(long, value_name = "FILE", requires = "alerts")]
    alerts_dead_letter: Option<PathBuf>,
    /// How often an Alertmanager is told again what fires; it resolves what it hears nothing of for five times as long.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = some_time, requires = "alerts")]
    alerts_resend: Duration,
    /// How long a command of exec: may run before it is killed and tried again.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = some_time, requires = "alerts")]
    alerts_timeout: Duration,
}

/// The same, checked.
#[derive(Clone, Debug, Default)]
pub struct AlertsOptions {
    /// Where alerts go.
    pub outputs: Vec<AlertsOutput>,
    /// The file for what an output refuses for good.
    pub dead_letter: Option<PathBuf>,
    /// The pause before an Alertmanager is told the same again.
    pub resend: Duration,
    /// How long a command may run.
    pub timeout: Duration,
}

/// What is wrong with them.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum AlertsArgsError {
    #[error("--alerts: {0}")]
    Output(#[from] AlertsAddressError),
    #[error("--alerts {0} is given twice; give it once")]
    Twice(AlertsAddress),
    #[error("--alerts is given {0} times; give it up to {OUTPUTS_MAX} times")]
    Many(usize),
    #[error(
        "--alerts stdout: standard output has something else already; name another output there, or leave this out"
    )]
    Stdout,
}

impl AlertsArgs {
    /// What was said, or what is wrong with it. `stdout_is_free` says that nothing else is written there.
    pub fn options(&self, stdout_is_free: bool) -> Result<AlertsOptions, AlertsArgsError> {
        // Read here and not by clap, which would repeat what was written, and a secret with it.
        let outputs: Result<Vec<AlertsOutput>, _> =
            self.alerts.iter().map(|text| text.parse()).collect();
        let outputs = outputs?;
        if outputs.len() > OUTPUTS_MAX {
            return Err(AlertsArgsError::Many(outputs.len()));
        }
        for (index, output) in outputs.iter().enumerate() {
            let name = output.address.to_string();
            // What waits for each is kept by its name.
            if outputs
                .iter()
                .take(index)
                .any(|it| it.address.to_string() == name)
            {
                return Err(AlertsArgsError::Twice(output.address.clone()));
            }
            if matches!(output.address, AlertsAddress::Stdout) && !stdout_is_free {
                return Err(AlertsArgsError::Stdout);
            }
        }
        Ok(AlertsOptions {
            outputs,
            dead_letter: self.alerts_dead_letter.clone(),
            resend: self.alerts_resend,
            timeout: self.alerts_timeout,
        })
    }
}
