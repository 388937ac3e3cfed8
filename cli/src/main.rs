//! The command `maxconn`.

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use maxconn::host::{HostError, Limits, Plugin};
use maxconn::replay::{self, ReplayArgs};

/// Finds floods of connection-limit messages in mail logs, and what is behind them.
#[derive(Debug, Parser)]
#[command(
    name = "maxconn",
    version,
    propagate_version = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Replay(ReplayArgs),
}

/// How a command ended: the exit codes that are promised.
enum Failure {
    /// The run failed.
    Run(String),
    /// The command line or the configuration is wrong.
    Usage(String),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Replay(args) => run_replay(&args),
    };
    let (code, sentence) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Run(sentence)) => (1, sentence),
        Err(Failure::Usage(sentence)) => (2, sentence),
    };
    eprintln!("maxconn: {sentence}");
    ExitCode::from(code)
}

fn run_replay(args: &ReplayArgs) -> Result<(), Failure> {
    let options = args.options().map_err(Failure::Usage)?;
    let stop = replay::stop_on_signals()
        .map_err(|error| Failure::Run(format!("cannot catch signals: {error}")))?;
    let mut instance = plugin(args.plugin.as_deref())?.instantiate().map_err(run)?;
    if let Some(path) = &args.config {
        let json = std::fs::read(path)
            .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?;
        instance
            .configure(&json, |_, _| {})
            .map_err(|error| match error {
                HostError::Refused { .. } => Failure::Usage(format!("{}: {error}", path.display())),
                other => run(other),
            })?;
    }
    replay::replay(instance, &options, replay::now_ms(), &stop)
        .map_err(|error| Failure::Run(error.to_string()))
}

fn plugin(path: Option<&Path>) -> Result<Plugin, Failure> {
    match path {
        Some(path) => Plugin::load(path, Limits::default()),
        None => Plugin::builtin(Limits::default()),
    }
    .map_err(run)
}

fn run(error: HostError) -> Failure {
    Failure::Run(error.to_string())
}
