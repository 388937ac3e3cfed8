//! Starts everything: reads the state, then starts the engine, the output, and last the inputs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::batch::Ticket;
use super::descriptors::ADMIN_CONNECTIONS_MAX;
use super::engine::{Clock, Engine};
use super::guest::Guest;
use super::guest_output::{GuestOutput, want};
use super::input::cut::BATCH_MAX_BYTES;
use super::input::{self, Intake};
use super::ledger::Ledger;
use super::metrics::Metrics;
use super::net::{Listener, Places, Servers};
use super::signals::Signals;
use super::state::{State, StateError, StateFile};
use super::state_writer::StateWriter;
use super::supervise::Process;
use super::{Options, RunError, admin, notify, server};
use crate::address::{InputAddress, OutputAddress};
use crate::alerts::{self, Alerts};
use crate::config::LoadedConfig;
use crate::output::backlog::{BACKLOG_MAX_BYTES, Backlog};
use crate::output::delivery::Delivery;
use crate::output::reply::reply;
use crate::output::{self, deliver};
use crate::selection::Selection;
use crate::{log, system};
use maxconn_host::{HostError, Kind, Plugin, Source};

/// Starts everything.
pub async fn start(
    options: &Options,
    plugin: Plugin,
    loaded: LoadedConfig,
    config: Option<PathBuf>,
    signals: Signals,
) -> Result<Process, RunError> {
    let metrics = Metrics::new();
    let output = output::open(&options.output, &metrics.output)?;
    let clock = Clock::start(system::now_ms);
    let source = Source {
        reference_time_ms: Some(clock.wall_ms()),
        clock_time_ms: Some(clock.wall_ms()),
        ..Source::default()
    };
    let sources = options.inputs.iter().map(|input| Source {
        path: match input {
            InputAddress::File(path) => Some(path.display().to_string()),
            _ => None,
        },
        ..source.clone()
    });
    let sources = sources.collect();
    let selection = options.output.selection;
    // For documents' ids, and to know what was held back of batches that come again.
    let numbered = matches!(options.output.address, OutputAddress::Elasticsearch(_))
        || (options.state.is_some()
            && options.confirms()
            && !matches!(selection, Selection::Alerts | Selection::Nothing));
    let is_kept = options.state.is_some();
    let (alerts, couriers) = alerts::start(&options.alerts, &metrics.alerts, is_kept)?;
    let mut want = want(selection, numbered);
    want.alerts |= !alerts.is_empty();
    let patterns = loaded.pattern_names(&plugin);
    let guest = Guest::new(plugin, loaded.json, want, sources, metrics.clone());
    let mut guest = guest.map_err(|error| match error {
        HostError::Refused { .. } => RunError::Refused(error),
        other => other.into(),
    })?;
    let backlog = Arc::new(Backlog::default());
    let (state_writer, ledger) = match &options.state {
        Some(path) => {
            let written_ms = modified_ms(path);
            let (file, state) = StateFile::open(path, options.state_reset)?;
            let state = state.unwrap_or_default();
            let ledger = Ledger::new(state.batches.clone(), Instant::now());
            // At once, though nothing is new: a state that can't be written must not be relied on.
            let unclean = State {
                clean: false,
                ..state.clone()
            };
            file.write(&unclean, &ledger)?;
            go_on_from(
                &mut guest,
                &backlog,
                &alerts,
                state,
                file.name(),
                written_ms,
            )?;
            let every = options.state_interval;
            let writer = StateWriter::start(
                file,
                every,
                Arc::clone(&ledger),
                alerts.clone(),
                metrics.clone(),
            );
            (Some(writer.map_err(RunError::Thread)?), ledger)
        }
        None => (None, Arc::default()),
    };
    let (jobs, todo) = mpsc::unbounded_channel();
    let mut engine = Engine {
        guest,
        backlog: Arc::clone(&backlog),
        ticks_on: options.output.address == OutputAddress::Reply && !alerts.is_empty(),
        alerts,
        config,
        patterns,
        selection,
        numbered,
        state_writer,
        metrics: metrics.clone(),
        clock,
        // Once more at once: starting may take its time.
        next_reference: Instant::now(),
        last_tick: Ticket::done(),
        // What was restored is written at once.
        changed: true,
        alerted: false,
    };
    // What was restored is seen from the first answer on.
    engine.measure()?;
    let engine_end = system::spawn("engine", engine.run(todo)).map_err(RunError::Thread)?;
    let meter = metrics.output.clone();
    let tell = |sentence: &str| log::warn!("{sentence}");
    let (waiting, known) = (Arc::clone(&backlog), Arc::clone(&ledger));
    let taken = move |group: &[_]| known.delivered(group);
    let delivering = match output {
        Some(output) => tokio::spawn(deliver::deliver(waiting, output, meter, None, tell, taken)),
        None => tokio::spawn(async {
            reply(waiting, meter).await;
            Ok(())
        }),
    };
    let intake = Intake::new(jobs, metrics.clone());
    let mut servers = Servers::new(metrics.clone());
    let started = input::start::start(options, &intake, &ledger, &mut servers).await?;
    if let Some(address) = &options.admin {
        let listener = Listener::tcp(address, "admin", "http").await;
        let places = Places::new(ADMIN_CONNECTIONS_MAX, None);
        servers.start(listener?, places, None, move |stream, stop, connection| {
            let metrics = metrics.clone();
            server::serve(stream, stop, connection, move |request| {
                admin::handle(metrics.clone(), request)
            })
        });
    }
    let inputs: Vec<String> = options.inputs.iter().map(ToString::to_string).collect();
    log::info!(
        version = env!("CARGO_PKG_VERSION"),
        inputs = inputs.join(","),
        output = %options.output.address,
        state = %options.state.as_deref().unwrap_or(Path::new("none")).display(),
        batch_max_bytes = BATCH_MAX_BYTES,
        backlog_max_bytes = BACKLOG_MAX_BYTES,
        "maxconn run takes records"
    );
    notify::say("READY=1");
    Ok(Process {
        signals,
        grace: options.grace,
        intake,
        backlog,
        engine_end,
        delivering,
        couriers,
        inputs: started,
        only_pipes: options.inputs.iter().all(|it| *it == InputAddress::Stdin),
        servers,
        #[cfg(test)]
        ledger,
    })
}

/// When a file was last written, in ms since the Unix epoch.
fn modified_ms(path: &Path) -> Option<i64> {
    let modified = path.metadata().ok()?.modified().ok()?;
    let since_epoch = modified.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since_epoch.as_millis()).ok()
}

/// Puts what an earlier process left in its place.
fn go_on_from(
    guest: &mut Guest,
    backlog: &Backlog,
    alerts: &Alerts,
    state: State,
    name: &str,
    written_ms: Option<i64>,
) -> Result<(), StateError> {
    if state.snapshot.is_empty() {
        return Ok(());
    }
    let age_ms = written_ms.map_or(0, |written_ms| system::now_ms() - written_ms);
    let waiting = state.alerts.split(|byte| *byte == b'\n');
    log::info!(
        state = name,
        age_s = age_ms.max(0) / 1_000,
        alerts = waiting.filter(|alert| !alert.is_empty()).count(),
        "goes on from the state"
    );
    if !state.clean {
        log::warn!(
            "the last run did not end by itself: totals of floods that go on may lack what came after {name} was written"
        );
    }
    let mut out = GuestOutput::default();
    alerts.restore(&state.outputs);
    out.add(Kind::Alert, &state.alerts);
    // What waits for the output was told elsewhere, or waits there.
    out.alerts.clear();
    let restored = guest.restore(state.snapshot, &mut out);
    restored.map_err(|error| StateError::Refused(name.to_string(), error))?;
    alerts.take(&out.alerts);
    backlog.push(Delivery {
        bytes: out.bytes.into(),
        segments: out.segments,
        // The process before may have delivered them.
        repeated: true,
        ..Delivery::default()
    });
    Ok(())
}
