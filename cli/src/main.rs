//! The command `maxconn`: parses its command line, and exits with a code that says how it went.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, CommandFactory, Parser, Subcommand};
use maxconn::bench::{self, BenchError};
use maxconn::config::{self, LoadedConfig, bake::Target};
use maxconn::generate::args::GenerateArgs;
use maxconn::log;
use maxconn::manual::{CompletionsArgs, HelpArgs, ManArgs};
use maxconn::printable::printable_lines;
use maxconn::reading::{Interrupt, Reading, ReadingArgs};
use maxconn::replay::{self, NextHopError, ReplayArgs, ReplayError};
use maxconn::report::{self, ReportArgs, ReportError};
use maxconn::run::RunArgs;
use maxconn::servers::ServersArgs;
use maxconn::setup::{self, SetupArgs};
use maxconn::summary::View;
use maxconn::zone::Zone;
use maxconn_host::{HostError, Instance, Limits, Plugin};

/// Finds floods of connection-limit messages in mail logs, and what is behind them.
#[derive(Debug, Parser)]
#[command(
    name = "maxconn",
    version,
    propagate_version = true,
    // Ours knows topics, too.
    disable_help_subcommand = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The configuration, TOML or JSON; without one the built-in rules hold.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Another plugin than the built-in one: a wasm module of the embed ABI.
    #[arg(long, global = true, value_name = "FILE")]
    plugin: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Replay(ReplayArgs),
    Report(ReportArgs),
    Run(Box<RunArgs>),
    Setup(Box<SetupArgs>),
    Servers(ServersArgs),
    /// Checks or shows a configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Writes a synthetic incident, the same for the same seed.
    Generate(GenerateArgs),
    /// Measures how many records a second the plugin takes on this machine.
    Bench(BenchArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
    Help(HelpArgs),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Says whether a configuration is right; if not, where, and how to mend it.
    Check(ConfigArgs),
    /// Prints the effective configuration as TOML, every key spelled out; with --plugin the one inside a module.
    Print(PrintArgs),
    /// Writes a guest with the configuration inside it, for hosts that can give a module none.
    Bake(BakeArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  maxconn config bake --config maxconn.toml --guest fluent-bit -o maxconn.wasm")]
struct BakeArgs {
    /// The guest in this program to write: bento, embed, fluent-bit, redpanda, wasi. With --plugin instead, the module of
    /// that file.
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "plugin",
        conflicts_with = "plugin"
    )]
    guest: Option<String>,
    /// The module to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, Args)]
struct ConfigArgs {
    /// The configuration (--config does the same).
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct PrintArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Instead of the configuration, Fluent Bit's filter that lets no other records through wasm than those that can
    /// be events; KEY is where its input puts the message.
    #[arg(
        long,
        value_name = "KEY",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "message",
        value_parser = member
    )]
    fluent_bit: Option<String>,
}

#[derive(Debug, Args)]
struct BenchArgs {
    /// How long to measure, in seconds.
    #[arg(long, default_value_t = 10.0, value_name = "N")]
    seconds: f64,
}

/// How a command failed: the exit codes that are promised. No sentence: all was said.
enum Failure {
    /// The run failed: 1.
    Run(String),
    /// The command line or the configuration is wrong: 2.
    Usage(String),
    /// A signal ended it before its end: 128 and the signal's number, as shells have it.
    Interrupted(i32, String),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match &cli.command {
        Command::Run(args) => log::start_service(args.log_format()),
        _ => log::start(),
    }
    let path = cli.config.as_deref();
    let result = match &cli.command {
        Command::Replay(args) => run_replay(&cli, args),
        Command::Report(args) => run_report(&cli, args),
        Command::Run(args) => run_run(&cli, args),
        Command::Setup(args) => run_setup(args),
        Command::Servers(args) => run_servers(&cli, args),
        Command::Config(ConfigCommand::Check(args)) => {
            let checked = config::check(args.file.as_deref().or(path));
            checked
                .map_err(usage)
                .and_then(|line| print(&format!("{line}\n")))
        }
        Command::Config(ConfigCommand::Print(args)) => {
            let file = args.config.file.as_deref().or(path);
            let key = args.fluent_bit.as_deref();
            let form = key.map_or(config::Form::Toml, config::Form::FluentBit);
            let printed = match (&cli.plugin, file) {
                (Some(plugin), None) => config::bake::read(plugin, form).map_err(usage),
                (_, file) => config::print(file, form).map_err(usage),
            };
            printed.and_then(|text| print(&text))
        }
        Command::Config(ConfigCommand::Bake(args)) => run_bake(&cli, args),
        Command::Generate(args) => args.run().map_err(run),
        Command::Bench(args) => run_bench(&cli, args),
        Command::Completions(args) => print(&args.script(Cli::command())),
        Command::Man(args) => args.write(Cli::command()).map_err(run),
        Command::Help(args) => args.print(Cli::command()).map_err(usage),
    };
    let (code, sentence) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Run(sentence)) => (1, sentence),
        Err(Failure::Usage(sentence)) => (2, sentence),
        Err(Failure::Interrupted(signal, sentence)) => {
            (u8::try_from(128 + signal).unwrap_or(1), sentence)
        }
    };
    if !sentence.is_empty() {
        // Nobody is left to tell if this fails.
        let _ = writeln!(io::stderr(), "maxconn: {}", printable_lines(&sentence));
    }
    ExitCode::from(code)
}

fn run_setup(args: &SetupArgs) -> Result<(), Failure> {
    if let Some(folder) = &args.print {
        if folder.as_os_str() == "-" {
            return print(&setup::print());
        }
        let files = setup::print_files(folder).map_err(run)?;
        let names = files.iter().map(|it| format!("{}\n", it.display()));
        return print(&names.collect::<String>());
    }
    let options = args.options().map_err(usage)?;
    // What happened is worth reading even when the rest fails.
    let done = setup::run(&options, |line| drop(writeln!(io::stdout(), "{line}")));
    done.map_err(|error| match error.is_usage() {
        true => usage(error),
        false => run(error),
    })
}

fn run_servers(cli: &Cli, args: &ServersArgs) -> Result<(), Failure> {
    let loaded = config::load(cli.config.as_deref()).map_err(usage)?;
    let page = args.page(&loaded.effective).map_err(usage)?;
    print(&page)
}

fn run_bake(cli: &Cli, args: &BakeArgs) -> Result<(), Failure> {
    let target = match (&args.guest, &cli.plugin) {
        (Some(name), _) => Target::Guest(name.clone()),
        (None, Some(file)) => Target::File(file.clone()),
        (None, None) => {
            let sentence = "bake into which module? write --guest fluent-bit or --plugin FILE";
            return Err(Failure::Usage(sentence.to_string()));
        }
    };
    let baked = config::bake::write(cli.config.as_deref(), &target, &args.output).map_err(usage)?;
    let replaced = match baked.replaced {
        true => ", in place of the configuration that it held",
        false => "",
    };
    let reader = match baked.only_reader {
        Some(user) => format!(
            "It holds your redact_key: its owner, user {user}, can read it and nobody else. A host that runs as another user \
             needs to own it (chown).\n"
        ),
        None => String::new(),
    };
    print(&format!(
        "{}: a guest of {} bytes with the configuration inside it{replaced}\n{reader}",
        baked.output.display(),
        baked.bytes
    ))
}

fn run_replay(cli: &Cli, args: &ReplayArgs) -> Result<(), Failure> {
    let mut options = args.options().map_err(usage)?;
    let mut loaded = config::load(cli.config.as_deref()).map_err(usage)?;
    if let Some(policy) = args.policy() {
        loaded.set_policy(policy);
    }
    // A plugin may have its own inside it.
    options.has_periods = loaded.effective.statistics_every_ms > 0 || cli.plugin.is_some();
    if !options.has_periods {
        loaded.set_counted_by_minute();
    }
    options
        .trusted
        .clone_from(&loaded.effective.trusted_networks);
    let (reading, view) = (&mut options.reading, &mut options.view);
    let (instance, interrupt, patterns) = configured(cli, &args.reading, &loaded, reading, view)?;
    options.patterns = patterns;
    replay::replay(instance, &options, &interrupt).map_err(|error| match error {
        ReplayError::NextHop(NextHopError::Open(error)) => usage(error),
        // The summary says so.
        ReplayError::Interrupted(signal, _) if options.is_alone() => {
            Failure::Interrupted(signal, String::new())
        }
        ReplayError::Incomplete | ReplayError::NothingRead if options.is_alone() => {
            Failure::Run(String::new())
        }
        ReplayError::Interrupted(signal, _) => Failure::Interrupted(signal, error.to_string()),
        other => run(other),
    })
}

fn run_report(cli: &Cli, args: &ReportArgs) -> Result<(), Failure> {
    let mut options = args.options().map_err(usage)?;
    let mut loaded = config::load(cli.config.as_deref()).map_err(usage)?;
    loaded.set_every_minute();
    options
        .trusted
        .clone_from(&loaded.effective.trusted_networks);
    let (reading, view) = (&mut options.reading, &mut options.view);
    let (instance, interrupt, _) = configured(cli, &args.reading, &loaded, reading, view)?;
    report::report(instance, &options, &interrupt).map_err(|error| match error {
        ReportError::Interrupted(signal, _) => Failure::Interrupted(signal, error.to_string()),
        error if error.is_usage() => usage(error),
        other => run(other),
    })
}

/// The zone of times that name none.
fn zone(cli: &Cli, asked: Option<&Zone>, loaded: &LoadedConfig) -> Result<Zone, Failure> {
    match (asked, loaded.timezone()) {
        (Some(zone), _) => Ok(zone.clone()),
        (None, Some(text)) => Zone::of(&text).map_err(usage),
        // A plugin may have a zone of its own inside it.
        (None, None) if cli.plugin.is_some() => Ok(Zone::default()),
        (None, None) => Ok(Zone::of_machine()),
    }
}

/// The plugin, configured to read logs; what interrupts that; the names of the patterns in force. What is read and what
/// people are told go by the configuration, too.
fn configured(
    cli: &Cli,
    args: &ReadingArgs,
    loaded: &LoadedConfig,
    reading: &mut Reading,
    view: &mut View,
) -> Result<(Instance, Interrupt, Arc<[String]>), Failure> {
    view.uncounted = config::uncounted(&loaded.effective);
    view.zone = zone(cli, args.timezone(), loaded)?;
    reading.span = args.span(&view.zone).map_err(usage)?;
    let json = match (args.timezone(), &cli.plugin) {
        (None, Some(_)) => loaded.json.clone(),
        _ => loaded.json_in(view.zone.rule()),
    };
    let interrupt = Interrupt::catch()
        .map_err(|error| Failure::Run(format!("cannot catch signals: {error}")))?;
    let plugin = plugin(cli.plugin.as_deref(), Limits::default())?;
    let mut instance = plugin.instantiate().map_err(run)?;
    instance
        .configure(json.as_bytes(), |_, _| {})
        .map_err(|error| match error {
            // Right for this program but not for a plugin of another version.
            HostError::Refused { .. } => {
                Failure::Usage(format!("the plugin refuses the configuration: {error}"))
            }
            other => run(other),
        })?;
    Ok((instance, interrupt, loaded.pattern_names(&plugin)))
}

fn run_run(cli: &Cli, args: &RunArgs) -> Result<(), Failure> {
    let options = args.options().map_err(usage)?;
    let loaded = config::load(cli.config.as_deref()).map_err(usage)?;
    // The process is to stay below 64 MiB: 24 hold 100,000 keys, and 16 are the ends of 8,000 floods.
    let limits = Limits {
        memory_bytes: 24 << 20,
        output_bytes: 16 << 20,
        ..Limits::default()
    };
    let plugin = plugin(cli.plugin.as_deref(), limits)?;
    let ended = maxconn::run::run(&options, plugin, loaded, cli.config.clone());
    ended.map_err(|error| match error.is_usage() {
        true => usage(error),
        false => run(error),
    })
}

fn run_bench(cli: &Cli, args: &BenchArgs) -> Result<(), Failure> {
    if !(args.seconds > 0.0 && args.seconds.is_finite()) {
        return Err(Failure::Usage(
            "--seconds must be more than 0; write it like --seconds 10".to_string(),
        ));
    }
    let plugin = plugin(cli.plugin.as_deref(), Limits::default())?;
    match bench::run(&plugin, args.seconds, &mut io::stdout().lock()) {
        Err(BenchError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(run),
    }
}

/// The plugin in a file, with limits of its own, or the built-in one.
fn plugin(path: Option<&Path>, limits: Limits) -> Result<Plugin, Failure> {
    match path {
        Some(path) => Plugin::load(path, limits),
        None => maxconn::builtin::plugin(Limits::default()),
    }
    .map_err(run)
}

/// A member of a record, as Fluent Bit's rules write it.
fn member(key: &str) -> Result<String, &'static str> {
    match key.is_empty() || key.contains(char::is_whitespace) {
        true => Err("name a member, such as message or MESSAGE, without blanks"),
        false => Ok(key.to_string()),
    }
}

/// Prints to standard output; if nobody reads it, that is fine.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    let written = match out.is_terminal() {
        true => out.write_all(printable_lines(text).as_bytes()),
        false => out.write_all(text.as_bytes()),
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Run(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

fn run(error: impl std::fmt::Display) -> Failure {
    Failure::Run(error.to_string())
}

fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}
