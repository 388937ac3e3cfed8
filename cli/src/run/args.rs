//! The command line of `maxconn run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use jiff::SignedDuration;
use thiserror::Error;

use super::Options;
use super::input::omprog::Confirm;
use crate::address::{AddressError, InputAddress, OutputAddress, listen_address, repeated};
use crate::alerts::{AlertsArgs, AlertsArgsError};
use crate::log::LogFormat;
use crate::output::{OutputArgs, OutputArgsError};

/// The state is not written more often than this.
const STATE_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// Runs the plugin as a process beside a shipper: records in, what remains of them and alerts out.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  journalctl -f -o json -u dovecot | maxconn run --only alerts
  maxconn run --input file:/var/log/mail.log --state /var/lib/maxconn/state --only alerts
  maxconn run --input http://127.0.0.1:8686 --output http://127.0.0.1:8687
  maxconn run --input http://:8686 --input-token /etc/maxconn/token --admin :8688

  maxconn run --input http://:8686 --only changed --output elasticsearch+https://es:9200 \\
    --output-api-key /etc/maxconn/key --dead-letter /var/lib/maxconn/dead.ndjson

  maxconn run --input http://:8686 --output none --alerts alertmanager+http://127.0.0.1:9093 \\
    --alerts 'exec:/usr/local/bin/mail-alert postmaster@example.org' --state /var/lib/maxconn/state

`maxconn help addresses` tells how inputs, outputs and who is told of alerts are named. What comes out is JSON, in order; \
alerts go to every --alerts OUTPUT as well, without holding records up.

A batch that is posted is answered with 204 once the next hop has taken what became of it. When \
it does not, the answer is 503: send the same bytes again, they are not counted twice.

Whoever posts must tell by Content-Encoding how a body is compressed.

Signals: SIGHUP reads the configuration again and keeps the floods; SIGTERM and Ctrl-C stop \
taking records, deliver what was taken, and exit. A second one stops at once.

Exit codes: 0 fine, 1 the run failed, 2 the command line or the configuration is wrong.")]
pub struct RunArgs {
    /// Where records come from; may be given several times.
    #[arg(long, value_name = "ADDRESS", default_value = "stdin", value_hint = ValueHint::Other)]
    input: Vec<String>,
    /// Confirm what came by standard input there, in the way of rsyslog's omprog.
    #[arg(long, value_enum, value_name = "WHAT")]
    confirm: Option<Confirm>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    alerts: AlertsArgs,
    /// The file with the bearer token that senders must know.
    #[arg(long, value_name = "FILE")]
    input_token: Option<PathBuf>,
    /// The file with the certificate (PEM, ours first) of https:// inputs.
    #[arg(long, value_name = "FILE", requires = "input_key")]
    input_certificate: Option<PathBuf>,
    /// The file with the key (PEM) of https:// inputs.
    #[arg(long, value_name = "FILE", requires = "input_certificate")]
    input_key: Option<PathBuf>,
    /// How long the body of a request may take to come before it is answered with 408, and then its delivery before
    /// the answer is 503. Its head has 30 s always, and so has a connection without a request; then it is closed.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = some_time)]
    request_timeout: Duration,
    /// Keep the floods over a restart in this file, with alerts that were not delivered.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Set the state aside and start afresh.
    #[arg(long, requires = "state")]
    state_reset: bool,
    /// How often the state is written.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration, requires = "state")]
    state_interval: Duration,
    /// Answer /metrics, /healthz and /readyz at this address.
    #[arg(long, value_name = "HOST:PORT", value_parser = listen_address)]
    admin: Option<String>,
    /// How what it says on standard error is written. As text it begins with the time and the level.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "auto")]
    log_format: LogFormat,
    /// How long a stop may take to deliver what was taken.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    grace: Duration,
}

/// What is wrong with the command line.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum RunArgsError {
    #[error("--input {0:?}: {1}")]
    Input(String, AddressError),
    #[error(transparent)]
    Output(#[from] OutputArgsError),
    #[error(transparent)]
    Alerts(#[from] AlertsArgsError),
    #[error("--output none leaves nobody to tell; name somebody with --alerts OUTPUT")]
    Nobody,
    #[error("--input {0} is given twice; give it once")]
    Twice(InputAddress),
    #[error("https:// inputs, --input-certificate and --input-key go together; give all or none")]
    Tls,
    #[error("--input-token is for http(s):// inputs, and there is none; leave it out")]
    Token,
    #[error(
        "--output reply answers what is posted, and {0} posts nothing; give http(s):// inputs alone"
    )]
    Reply(InputAddress),
    #[error("--confirm is for --input stdin, and this is none; leave it out")]
    Confirm,
    #[error(
        "--confirm answers on standard output, which records must not mix with; name another --output"
    )]
    ConfirmStdout,
}

impl RunArgs {
    /// How what it says is written.
    pub fn log_format(&self) -> LogFormat {
        self.log_format
    }

    /// What is to be done, or what is wrong with the command line.
    pub fn options(&self) -> Result<Options, RunArgsError> {
        // Read here and not by clap, which would repeat what was written, and a secret with it.
        let inputs = self.input.iter().map(|text| {
            let input = text.parse();
            input.map_err(|error| RunArgsError::Input(repeated(text), error))
        });
        let inputs: Vec<InputAddress> = inputs.collect::<Result<_, _>>()?;
        let output = self.output.options()?;
        for (index, input) in inputs.iter().enumerate() {
            let same = |other: &InputAddress| other == input && !input.is_any_port();
            if inputs.iter().take(index).any(same) {
                return Err(RunArgsError::Twice(input.clone()));
            }
        }
        let is_tls = |input: &InputAddress| matches!(input, InputAddress::Https(_));
        let has_http = |it: &InputAddress| is_tls(it) || matches!(it, InputAddress::Http(_));
        let input_tls = self.input_certificate.clone().zip(self.input_key.clone());
        if inputs.iter().any(is_tls) != input_tls.is_some() {
            return Err(RunArgsError::Tls);
        }
        if self.input_token.is_some() && !inputs.iter().any(has_http) {
            return Err(RunArgsError::Token);
        }
        if self.confirm.is_some() && !inputs.contains(&InputAddress::Stdin) {
            return Err(RunArgsError::Confirm);
        }
        if output.address == OutputAddress::Reply
            && let Some(input) = inputs.iter().find(|input| !has_http(input))
        {
            return Err(RunArgsError::Reply(input.clone()));
        }
        if self.confirm.is_some() && output.address == OutputAddress::Stdout {
            return Err(RunArgsError::ConfirmStdout);
        }
        let is_stdout = output.address == OutputAddress::Stdout;
        let alerts = self.alerts.options(!is_stdout && self.confirm.is_none())?;
        if output.address == OutputAddress::None && alerts.outputs.is_empty() {
            return Err(RunArgsError::Nobody);
        }
        Ok(Options {
            inputs,
            confirm: self.confirm,
            output,
            alerts,
            grace: self.grace,
            request_timeout: self.request_timeout,
            input_token: self.input_token.clone(),
            input_tls,
            state: self.state.clone(),
            state_reset: self.state_reset,
            state_interval: self.state_interval.max(STATE_INTERVAL_MIN),
            admin: self.admin.clone(),
        })
    }
}

/// A time that is more than nothing.
///
/// # Errors
/// What is wrong with it.
pub fn some_time(text: &str) -> Result<Duration, &'static str> {
    match duration(text)? {
        Duration::ZERO => Err("it must be more than nothing; write it like 500ms or 10s"),
        some => Ok(some),
    }
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    let duration: Result<SignedDuration, _> = text.parse();
    duration
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| *duration <= Duration::from_secs(86_400))
        .ok_or("a time of up to a day is needed; write it like 500ms, 10s or 5m")
}
