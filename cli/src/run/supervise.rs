//! Starting everything, and stopping it in the right order: first what takes records, then the engine,
//! then the output, so that what was taken is delivered.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::activity::Activity;
use super::batch::{Gathered, Ticket, Wanted};
use super::descriptors::{ADMIN_CONNECTIONS_MAX, CONNECTIONS_MAX, Senders};
use super::engine::{Clock, Engine, Job};
use super::guest::Guest;
use super::input::confirming::Confirming;
use super::input::http::HttpInput;
use super::input::lines::LinesInput;
use super::input::{Intake, omprog, stdin};
use super::keeper::Keeper;
use super::ledger::Ledger;
use super::metrics::Metrics;
use super::net::{self, AnyStream, Listener, Places};
use super::signals::{Asked, Signals};
use super::state::{Kept, StateFile};
use super::{Options, RunError, admin, notify, server};
use crate::address::{InputAddress, OutputAddress};
use crate::config::LoadedConfig;
use crate::http::secret::Secret;
use crate::http::tls;
use crate::output::backlog::Backlog;
use crate::output::delivery::Delivery;
use crate::output::{self, deliver};
use crate::replay::{Only, now_ms};
use crate::{log, system};
use maxconn_host::{HostError, Kind, Plugin, Source};

/// How the engine ended: with the state to keep, if one is kept.
type EngineEnd = Result<Option<Keeper>, HostError>;

/// Everything that runs.
pub struct Process {
    signals: Signals,
    grace: Duration,
    intake: Intake,
    backlog: Arc<Backlog>,
    stop: watch::Sender<bool>,
    engine_end: oneshot::Receiver<EngineEnd>,
    delivering: JoinHandle<Result<(), String>>,
    /// Standard input, which can end by itself.
    pipes: Vec<oneshot::Receiver<()>>,
    /// All records come by it.
    only_pipes: bool,
    /// Addresses that are listened at, which can't.
    servers: JoinSet<()>,
    #[cfg(test)]
    ledger: Arc<Ledger>,
}

/// Starts everything.
///
/// # Errors
/// See [`RunError`].
pub async fn start(
    options: &Options,
    plugin: Plugin,
    loaded: LoadedConfig,
    config: Option<PathBuf>,
    signals: Signals,
) -> Result<Process, RunError> {
    let metrics = Metrics::new();
    let output = output::open(&options.output, &metrics.output)?;
    let clock = Clock::start(now_ms);
    let source = Source {
        reference_time_ms: Some(clock.wall_ms()),
        clock_time_ms: Some(clock.wall_ms()),
        ..Source::default()
    };
    let sources = vec![source; options.inputs.len()];
    let wanted = Wanted {
        only: options.only,
        // For documents' ids, and to know what was held back of batches that come again.
        numbered: matches!(options.output.address, OutputAddress::Elasticsearch(_))
            || (options.state.is_some()
                && options.confirms()
                && options.only != Some(Only::Alerts)),
    };
    let guest = Guest::new(plugin, loaded.json, wanted, sources, metrics.clone());
    let mut guest = guest.map_err(|error| match error {
        HostError::Refused { .. } => {
            RunError::Usage(format!("the plugin refuses the configuration: {error}"))
        }
        other => other.into(),
    })?;
    let backlog = Arc::new(Backlog::default());
    let (keeper, ledger) = match &options.state {
        Some(path) => {
            let opened = StateFile::open(path, options.state_reset);
            let (file, kept) = opened?;
            let kept = kept.unwrap_or_default();
            // At once, though nothing is new: a state that can't be written must not be relied on.
            file.write(&Kept {
                clean: false,
                ..kept.clone()
            })
            .map_err(RunError::Failed)?;
            let ledger = Ledger::new(kept.batches.clone(), Instant::now());
            go_on_from(&mut guest, &backlog, kept, file.name())?;
            let every = options.state_interval;
            let keeper = Keeper::start(file, every, Arc::clone(&ledger), metrics.clone());
            (Some(keeper.map_err(no_thread)?), ledger)
        }
        None => (None, Ledger::new([], Instant::now())),
    };
    let (jobs, todo) = mpsc::unbounded_channel();
    let engine = Engine {
        guest,
        backlog: Arc::clone(&backlog),
        config,
        wanted,
        keeper,
        metrics: metrics.clone(),
        clock,
        // Once more at once: starting may take its time.
        next_reference: Instant::now(),
        last_tick: Ticket::done(),
        // What was restored is written at once.
        changed: true,
        alerted: false,
    };
    let engine_end = system::spawn("engine", engine.run(todo)).map_err(no_thread)?;
    let meter = metrics.output.clone();
    let tell = |sentence: &str| log::line(format_args!("{sentence}"));
    let deliver = deliver::deliver(Arc::clone(&backlog), output, meter, None, tell);
    let mut process = Process {
        signals,
        grace: options.grace,
        intake: Intake::new(jobs, metrics.clone()),
        backlog,
        stop: watch::Sender::new(false),
        engine_end,
        delivering: tokio::spawn(deliver),
        pipes: Vec::new(),
        only_pipes: options.inputs.iter().all(|it| *it == InputAddress::Stdin),
        servers: JoinSet::new(),
        #[cfg(test)]
        ledger: Arc::clone(&ledger),
    };
    process.start_inputs(options, &ledger, &metrics).await?;
    if let Some(address) = &options.admin {
        let listener = Listener::tcp(address, "admin", "http").await;
        process.serve(
            listener.map_err(RunError::Failed)?,
            Places::new(ADMIN_CONNECTIONS_MAX, None),
            None,
            &metrics.clone(),
            move |stream, stop, activity| {
                let metrics = metrics.clone();
                server::connection(stream, stop, activity, move |request| {
                    admin::handle(metrics.clone(), request)
                })
            },
        );
    }
    notify::say("READY=1");
    Ok(process)
}

impl Process {
    /// The queues whose bounds the simulation watches.
    #[cfg(test)]
    pub fn queues(&self) -> (Arc<Backlog>, Arc<Ledger>) {
        (Arc::clone(&self.backlog), Arc::clone(&self.ledger))
    }

    async fn start_inputs(
        &mut self,
        options: &Options,
        ledger: &Arc<Ledger>,
        metrics: &Metrics,
    ) -> Result<(), RunError> {
        let token = read_secret(options.input_token.as_deref())?;
        let tls = match &options.input_tls {
            Some((certificate, key)) => Some(tls::acceptor(certificate, key)?),
            None => None,
        };
        let senders = Senders::new();
        let places = || Places::new(CONNECTIONS_MAX, Some(senders.clone()));
        for (number, input) in options.inputs.iter().enumerate() {
            let source = u16::try_from(number).unwrap_or(u16::MAX);
            let intake = self.intake.clone();
            let confirming = |intake: Intake| Confirming {
                source,
                name: input.to_string(),
                intake,
                ledger: Arc::clone(ledger),
                metrics: metrics.clone(),
            };
            match input {
                InputAddress::Stdin => {
                    let end = match options.confirm {
                        None => stdin::start(source, intake),
                        Some(confirm) => {
                            omprog::start(confirm, options.request_timeout, confirming(intake))
                        }
                    };
                    self.pipes.push(end.map_err(no_thread)?);
                }
                InputAddress::Http(address) | InputAddress::Https(address) => {
                    let tls = if matches!(input, InputAddress::Https(_)) {
                        tls.clone()
                    } else {
                        None
                    };
                    let scheme = if tls.is_some() { "https" } else { "http" };
                    let listener = Listener::tcp(address, "input", scheme).await;
                    let input = Arc::new(HttpInput {
                        confirming: confirming(intake),
                        token: token.clone(),
                        patience: options.request_timeout,
                    });
                    let listener = listener.map_err(RunError::Failed)?;
                    if token.is_none() && !listener.is_loopback() {
                        log::line(format_args!(
                            "{} takes records from everybody who can reach it; name a token with --input-token FILE, or keep \
                             others away by a firewall",
                            listener.name()
                        ));
                    }
                    self.serve(
                        listener,
                        places(),
                        tls,
                        metrics,
                        move |stream, stop, activity| {
                            let input = Arc::clone(&input);
                            server::connection(stream, stop, activity, move |request| {
                                Arc::clone(&input).handle(request)
                            })
                        },
                    );
                }
                InputAddress::Tcp(_) | InputAddress::Unix(_) => {
                    let listener = match input {
                        InputAddress::Unix(path) => Listener::unix(path, "input").await,
                        InputAddress::Tcp(address) => Listener::tcp(address, "input", "tcp").await,
                        _ => continue,
                    };
                    let input = Arc::new(LinesInput { source, intake });
                    let listener = listener.map_err(RunError::Failed)?;
                    self.serve(
                        listener,
                        places(),
                        None,
                        metrics,
                        move |stream, stop, activity| {
                            Arc::clone(&input).take(stream, stop, activity)
                        },
                    );
                }
            }
        }
        Ok(())
    }

    fn serve<F>(
        &mut self,
        listener: Listener,
        places: Places,
        tls: Option<TlsAcceptor>,
        metrics: &Metrics,
        handler: impl Fn(AnyStream, watch::Receiver<bool>, Arc<Activity>) -> F
        + Clone
        + Send
        + Sync
        + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.subscribe();
        self.servers.spawn(net::serve(
            listener,
            places,
            tls,
            stop,
            metrics.clone(),
            handler,
        ));
    }

    /// Waits for the end, whatever brings it, and brings everything else to it.
    ///
    /// # Errors
    /// See [`RunError`].
    pub async fn supervise(mut self) -> Result<(), RunError> {
        let only_pipes = self.only_pipes;
        let pipes = std::mem::take(&mut self.pipes);
        let mut ends = Box::pin(async {
            for pipe in pipes {
                // An input that is gone has ended, too.
                let _ = pipe.await;
            }
        });
        let asked = loop {
            tokio::select! {
                biased;
                asked = self.signals.next() => match asked {
                    Asked::Stop(_) => break true,
                    Asked::Reload => self.reload(),
                },
                () = &mut ends, if only_pipes => break false,
                result = &mut self.engine_end => {
                    return Err(self.engine_failed(result).await);
                }
                result = &mut self.delivering => {
                    self.backlog.abandon();
                    let result = delivered(result);
                    self.delivering = tokio::spawn(async { Ok(()) });
                    return self.drain(false).await.and(result);
                }
            }
        };
        self.drain(asked).await
    }

    fn reload(&self) {
        // Fails only if the engine has ended, and that is told by itself.
        let _: Result<(), _> = self.intake.jobs.send(Job::Reload);
    }

    /// What the engine made before it failed goes out.
    async fn engine_failed(self, result: Result<EngineEnd, oneshot::error::RecvError>) -> RunError {
        let _ = timeout_at(Instant::now() + self.grace, self.delivering).await;
        match result {
            Ok(Err(error)) => error.into(),
            _ => RunError::Failed("the engine has ended; report this".to_string()),
        }
    }

    async fn drain(mut self, asked: bool) -> Result<(), RunError> {
        notify::say("STOPPING=1");
        tokio::spawn(self.signals.exit_on_second_stop(asked));
        let begun = Instant::now();
        let deadline = begun + self.grace;
        // Requests that were begun are answered, for half of the time; then their senders have to
        // come again.
        self.stop.send_replace(true);
        let all = async { while self.servers.join_next().await.is_some() {} };
        let answered = timeout_at(begun + self.grace / 2, all).await;
        if answered.is_err() {
            self.servers.abort_all();
        }
        self.intake.close();
        self.backlog.make_room();
        // Fails only if the engine has ended, which is seen next.
        let _: Result<(), _> = self.intake.jobs.send(Job::Stop);
        let keeper = match timeout_at(deadline, self.engine_end).await {
            Ok(Ok(Err(error))) => return Err(error.into()),
            Ok(Ok(Ok(keeper))) => keeper,
            Ok(Err(_)) | Err(_) => None,
        };
        let result = match timeout_at(deadline, self.delivering).await {
            Ok(result) => delivered(result),
            Err(_) => not_delivered(self.backlog.lost(keeper.is_some()), self.grace),
        };
        match keeper {
            Some(keeper) => keeper
                .finish(&self.backlog)
                .await
                .map_err(RunError::Failed)
                .and(result),
            None => result,
        }
    }
}

/// Puts what an earlier process left in its place.
fn go_on_from(
    guest: &mut Guest,
    backlog: &Backlog,
    kept: Kept,
    name: &str,
) -> Result<(), RunError> {
    if kept.snapshot.is_empty() {
        return Ok(());
    }
    if !kept.clean {
        log::line(format_args!(
            "the last run did not end by itself: totals of floods that go on may lack what came after {name} was written"
        ));
    }
    let mut out = Gathered::default();
    out.add(Kind::Alert, &kept.alerts);
    guest.restore(kept.snapshot, &mut out).map_err(|error| {
        RunError::Failed(format!(
            "the state {name} cannot be used: {error}; or start with --state-reset, which sets it aside"
        ))
    })?;
    backlog.push(Delivery {
        bytes: out.bytes.into(),
        segments: out.segments,
        // The process before may have delivered them.
        repeated: true,
        ..Delivery::default()
    });
    Ok(())
}

/// What is lost when the grace period is over.
fn not_delivered(lost: usize, grace: Duration) -> Result<(), RunError> {
    match lost {
        0 => {
            log::line(format_args!(
                "the output did not take everything; senders that were not answered send it again"
            ));
            Ok(())
        }
        count => {
            let lost = match count {
                1 => "a batch that nobody sends again is lost".to_string(),
                _ => format!("{count} batches that nobody sends again are lost"),
            };
            Err(RunError::Failed(format!(
                "the output did not take everything within {} s; {lost}",
                grace.as_secs_f64()
            )))
        }
    }
}

fn delivered(result: Result<Result<(), String>, tokio::task::JoinError>) -> Result<(), RunError> {
    match result {
        Ok(Err(sentence)) if !sentence.is_empty() => Err(RunError::Failed(sentence)),
        Ok(_) => Ok(()),
        Err(error) => Err(RunError::Failed(format!(
            "the output has ended: {error}; report this"
        ))),
    }
}

fn read_secret(path: Option<&std::path::Path>) -> Result<Option<Secret>, RunError> {
    path.map(Secret::read).transpose().map_err(RunError::Usage)
}

fn no_thread(error: std::io::Error) -> RunError {
    RunError::Failed(format!("cannot start a thread: {error}"))
}
